//! Seal and open against the peer; what tells forms apart.

use std::collections::HashSet;

use proptest::prelude::*;

use super::peer::Peer;
use super::*;

const REQUEST: [u8; 32] = [1; 32];
const RESPONSE: [u8; 32] = [2; 32];

fn pair(spelling: Spelling) -> (Channel, Peer) {
    let channel = bootstrap_over(&REQUEST, &RESPONSE, spelling).finish("sess_abc").unwrap();
    let (request, response) = (REQUEST.to_vec(), RESPONSE.to_vec());
    (channel, Peer { request, response, session_id: "sess_abc".into(), spelling })
}

proptest! {
    #[test]
    fn the_peer_opens_what_the_channel_seals_and_the_other_way_round(plain: Vec<u8>) {
        for spelling in sealing_spellings() {
            let (channel, peer) = pair(spelling);
            prop_assert_eq!(peer.open(&channel.seal(&plain, &mut rand::rng()).unwrap()), plain.clone());
            prop_assert_eq!(channel.open(&peer.seal(&plain)).unwrap(), plain.clone());
        }
    }

    #[test]
    fn forms_are_told_apart_without_a_panic(body: Vec<u8>) {
        let _ = form_of(&body);
    }

    #[test]
    fn opening_what_nobody_sealed_is_refused_without_a_panic(
        head in prop_oneof![Just(&b""[..]), Just(&b"SC\x02\x81"[..]), Just(&br#"{"v":2,"p":""#[..])],
        body: Vec<u8>,
        tail in prop_oneof![Just(&b""[..]), Just(&br#""}"#[..])],
    ) {
        let (channel, _) = pair(GUIDE);
        prop_assert_eq!(channel.open(&[head, &body, tail].concat()), Err(ChannelError::DoesNotOpen));
    }
}

#[test]
fn every_length_around_the_block_and_buffer_sizes_goes_both_ways() {
    for length in (0..70).chain([255, 256, 740, 741, 4095, 4096, 4097, 65_537, 1 << 20]) {
        let plain: Vec<u8> = (0..length).map(|i| (i % 253) as u8).collect();
        for spelling in sealing_spellings() {
            let (channel, peer) = pair(spelling);
            assert_eq!(peer.open(&channel.seal(&plain, &mut rand::rng()).unwrap()), plain, "{length}");
            assert_eq!(channel.open(&peer.seal(&plain)).unwrap(), plain, "{length}");
        }
    }
}

#[test]
fn a_respelled_channel_keeps_its_keys_and_its_id() {
    for spelling in sealing_spellings() {
        let (channel, _) = pair(GUIDE);
        let channel = channel.respelled(spelling.envelope, spelling.aad, spelling.base64);
        let (_, peer) = pair(spelling);
        assert_eq!(channel.id(), "sess_abc");
        assert_eq!(channel.spelling(), spelling);
        assert_eq!(peer.open(&channel.seal(b"plain", &mut rand::rng()).unwrap()), b"plain");
    }
}

#[test]
fn an_answer_is_read_in_either_form_and_alphabet_whatever_the_channel_itself_speaks() {
    for spelling in sealing_spellings() {
        for answered in sealing_spellings().filter(|answered| answered.aad == spelling.aad) {
            let (channel, _) = pair(spelling);
            let (_, peer) = pair(answered);
            assert_eq!(channel.open(&peer.seal(b"answer")).unwrap(), &b"answer"[..]);
        }
    }
}

#[test]
fn an_answer_in_other_words_is_the_same_answer() {
    let (channel, peer) = pair(GUIDE);
    let answer = String::from_utf8(peer.seal(b"the same")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let p = document["p"].as_str().unwrap();
    let escaped = p.replace('/', r"\/").replace('=', r"\u003d").replace('+', r"\u002B");
    for respelled in [
        format!("\n{{ \"p\" : \"{p}\" , \"v\" : 2 }}\r\n"),
        format!(r#"{{"keyId":"k","x":{{"p":"no"}},"v":2,"p":"{p}"}}"#),
        format!(r#"{{"v":2,"p":"{escaped}"}}"#),
        format!(r#"{{"v":2,"p":"{}"}}"#, p.trim_end_matches('=')),
        format!(r#"{{"v":2,"p":"{}"}}"#, p.replace('+', "-").replace('/', "_")),
    ] {
        assert_eq!(form_of(respelled.as_bytes()), Form::Json);
        assert_eq!(channel.open(respelled.as_bytes()).unwrap(), &b"the same"[..], "{respelled}");
    }
}

#[test]
fn the_form_follows_from_the_content() {
    for (body, form) in [
        (&b"SC\x02\x81"[..], Form::Binary),
        (b"SC\x02\x81 and a payload", Form::Binary),
        (b"SC\x02\x02 a request, not an answer", Form::Plain),
        (b"SC\x02\x01 a first message", Form::Plain),
        (b"SC\x01\x81 another version", Form::Plain),
        (b"SC\x02", Form::Plain),
        (br#"{"v":2,"p":"AAAA"}"#, Form::Json),
        (br#"{"v":2,"p":"not base64 at all!"}"#, Form::Json),
        (br#"{"success":false,"code":"4000","data":{"v":2,"p":"AAAA"}}"#, Form::Plain),
        (b"", Form::Plain),
        (b"<html>", Form::Plain),
    ] {
        assert_eq!(form_of(body), form, "{}", body.escape_ascii());
    }
}

#[test]
fn what_is_plain_does_not_open() {
    let (channel, _) = pair(GUIDE);
    for plain in [&b""[..], b"{}", br#"{"success":true}"#, b"SC\x02\x81", br#"{"v":2,"p":""}"#] {
        assert_eq!(channel.open(plain), Err(ChannelError::DoesNotOpen));
    }
}

#[test]
fn in_the_raw_form_a_body_stays_what_it_is_and_wears_no_key() {
    let (channel, _) = pair(Spelling { envelope: EnvelopeForm::Raw, ..GUIDE });
    assert_eq!(channel.seal(b"{\"a\":1}", &mut rand::rng()).unwrap(), &b"{\"a\":1}"[..]);
    assert_eq!(channel.sealed(), 0);
}

#[test]
fn a_sealed_body_is_written_in_one_buffer_of_the_right_size() {
    for length in [0, 1, 100, 4096, 100_000] {
        let key = Key::new(&REQUEST);
        let plain = vec![b' '; length];
        let json = envelope::json(&key, &plain, b"", Base64::Standard, &mut rand::rng()).unwrap();
        let binary = envelope::binary(&key, &plain, b"", &mut rand::rng()).unwrap();
        assert_eq!((json.len(), binary.len()), (json.capacity(), binary.capacity()), "{length}");
    }
}

#[test]
fn no_nonce_comes_twice_from_any_number_of_threads() {
    const THREADS: usize = 4;
    const EACH: usize = 25_000;
    let (channel, _) = pair(Spelling { envelope: EnvelopeForm::Binary, ..GUIDE });
    let seal = || {
        (0..EACH).map(|_| channel.seal(b"", &mut rand::rng()).unwrap()[4..16].to_vec()).collect::<Vec<_>>()
    };
    let nonces: HashSet<Vec<u8>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(seal)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(nonces.len(), THREADS * EACH);
}

#[test]
fn the_same_text_sealed_twice_is_two_bodies() {
    for spelling in sealing_spellings() {
        let (channel, _) = pair(spelling);
        let mut rng = rand::rng();
        assert_ne!(channel.seal(b"{}", &mut rng).unwrap(), channel.seal(b"{}", &mut rng).unwrap());
    }
}
