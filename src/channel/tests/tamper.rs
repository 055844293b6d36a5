//! Whoever holds no key changes nothing: all refusals are one refusal.

use super::peer::{Peer, sealed_payload};
use super::*;

const PLAIN: &[u8] = br#"{"success":true,"code":"2000"}"#;

fn pair(spelling: Spelling) -> (Channel, Peer) {
    let (request, response): ([u8; 32], [u8; 32]) = (rand::random(), rand::random());
    let channel = bootstrap_over(&request, &response, spelling).finish("sess_abc").unwrap();
    let (request, response) = (request.to_vec(), response.to_vec());
    (channel, Peer { request, response, session_id: "sess_abc".into(), spelling })
}

/// The other alphabet's letter for the same six bits: a text with one of these is the same payload respelled.
fn respelled(from: u8, to: u8) -> bool {
    matches!((from, to), (b'+', b'-') | (b'-', b'+') | (b'/', b'_') | (b'_', b'/'))
}

#[test]
fn an_answer_with_any_byte_changed_to_any_other_is_refused() {
    for spelling in sealing_spellings() {
        let (channel, peer) = pair(spelling);
        let answer = peer.seal(PLAIN);
        assert_eq!(channel.open(&answer).unwrap(), PLAIN);
        for at in 0..answer.len() {
            for change in 1..=u8::MAX {
                let mut changed = answer.clone();
                changed[at] ^= change;
                if spelling.envelope == EnvelopeForm::Json && respelled(answer[at], changed[at]) {
                    continue;
                }
                let text = changed.escape_ascii().to_string();
                assert_eq!(channel.open(&changed), Err(ChannelError::DoesNotOpen), "byte {at}: {text}");
            }
        }
    }
}

#[test]
fn a_payload_with_any_byte_changed_is_refused_in_its_json_form_too() {
    let (channel, peer) = pair(GUIDE);
    let payload = sealed_payload(&peer.response, PLAIN, b"");
    let in_json = |payload: &[u8]| format!(r#"{{"v":2,"p":"{}"}}"#, data_encoding::BASE64.encode(payload));
    assert_eq!(channel.open(in_json(&payload).as_bytes()).unwrap(), PLAIN);
    for at in 0..payload.len() {
        for change in 1..=u8::MAX {
            let mut changed = payload.clone();
            changed[at] ^= change;
            assert_eq!(
                channel.open(in_json(&changed).as_bytes()),
                Err(ChannelError::DoesNotOpen),
                "byte {at}"
            );
        }
    }
}

#[test]
fn an_answer_cut_anywhere_or_lengthened_is_refused() {
    for spelling in sealing_spellings() {
        let (channel, peer) = pair(spelling);
        let answer = peer.seal(PLAIN);
        for end in 0..answer.len() {
            assert_eq!(channel.open(&answer[..end]), Err(ChannelError::DoesNotOpen), "cut at {end}");
        }
        let longer = [&answer[..], b"\0"].concat();
        assert_eq!(channel.open(&longer), Err(ChannelError::DoesNotOpen));
    }
}

#[test]
fn an_answer_of_another_key_session_or_direction_is_refused() {
    for spelling in sealing_spellings() {
        let (channel, peer) = pair(spelling);
        let (stranger, other) = pair(spelling);
        let request = channel.seal(PLAIN, &mut rand::rng()).unwrap();
        let reflected = Peer { response: peer.request.clone(), ..pair(spelling).1 }.seal(PLAIN);
        for refused in [&other.seal(PLAIN)[..], &request, &reflected] {
            assert_eq!(channel.open(refused), Err(ChannelError::DoesNotOpen));
        }
        assert!(stranger.open(&other.seal(PLAIN)).is_ok());
    }
}

#[test]
fn an_answer_is_bound_to_the_session_id_if_the_spelling_says_so() {
    let (channel, peer) = pair(Spelling { aad: Aad::SessionId, ..GUIDE });
    for other in [&b""[..], b"sess_ab", b"sess_abd", b"SESS_ABC"] {
        assert_eq!(channel.open(&peer.seal_bound_to(PLAIN, other)), Err(ChannelError::DoesNotOpen));
    }
    let (channel, peer) = pair(Spelling { aad: Aad::None, ..GUIDE });
    assert_eq!(channel.open(&peer.seal_bound_to(PLAIN, b"sess_abc")), Err(ChannelError::DoesNotOpen));
}

#[test]
fn a_payload_that_does_not_open_stays_encrypted() {
    let key = Key::new(&[3; 32]);
    let mut payload = sealed_payload(&[3; 32], PLAIN, b"");
    payload[20] ^= 1;
    let before = payload.clone();
    assert_eq!(key.open(&mut payload, b""), Err(ChannelError::DoesNotOpen));
    assert_eq!(payload, before, "nothing of an unauthentic answer is ever decrypted");
}
