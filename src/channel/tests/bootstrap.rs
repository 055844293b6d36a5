//! Both ways to hand the keys over, against the peer.

use serde_json::Value;

use super::peer::{Peer, portal_key, private_key, sealed_payload, unwrap};
use super::*;

const HASHES: [OaepHash; 2] = [OaepHash::Sha1, OaepHash::Sha256];

#[test]
fn a_hello_carries_two_different_keys_that_the_portal_unwraps_for_each_pair_of_hashes() {
    for (oaep_hash, mgf1_hash) in HASHES.into_iter().flat_map(|oaep| HASHES.map(|mgf1| (oaep, mgf1))) {
        for base64 in [Base64::Standard, Base64::Url] {
            let spelling = Spelling { oaep_hash, mgf1_hash, base64, ..GUIDE };
            let (bootstrap, hello) = Bootstrap::start(&portal_key(), spelling, &mut rand::rng()).unwrap();
            let peer = Peer::accept(&hello.to_json(), spelling, "sess_1");
            assert_eq!((peer.request.len(), peer.response.len()), (32, 32));
            assert_ne!(peer.request, peer.response);

            let channel = bootstrap.finish("sess_1").unwrap();
            assert_eq!(peer.open(&channel.seal(b"{}", &mut rand::rng()).unwrap()), b"{}");
            assert_eq!(channel.open(&peer.seal(b"[]")).unwrap(), &b"[]"[..]);
        }
    }
}

#[test]
fn a_key_wrapped_under_one_pair_of_hashes_opens_under_no_other() {
    let pairs = || HASHES.into_iter().flat_map(|oaep| HASHES.map(|mgf1| (oaep, mgf1)));
    let key = private_key();
    for (oaep, mgf1) in pairs() {
        let wrapped = portal_key().wrap(&[7; 32], oaep, mgf1, &mut rand::rng()).unwrap();
        for other in pairs() {
            let opened = unwrap(&key, &wrapped, other.0, other.1);
            assert_eq!(opened.is_ok(), other == (oaep, mgf1), "{oaep:?}/{mgf1:?} read as {other:?}");
        }
    }
}

#[test]
fn a_hello_has_the_three_members_of_protocol_3_2_and_escapes_the_key_id() {
    let key = PortalKey::parse("rsa \"key\" \\ 1", &peer::spki_of(&private_key())).unwrap();
    let (_, hello) = Bootstrap::start(&key, GUIDE, &mut rand::rng()).unwrap();
    let body: Value = serde_json::from_slice(&hello.to_json()).unwrap();
    let members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["keyId", "encReqKey", "encRespKey"]);
    assert_eq!(body["keyId"], "rsa \"key\" \\ 1");
    assert_eq!(hello.to_json(), hello.to_json(), "a hello sent again is the same hello");
}

#[test]
fn each_start_makes_keys_of_its_own() {
    let mut keys = Vec::new();
    for _ in 0..3 {
        let (_, hello) = Bootstrap::start(&portal_key(), GUIDE, &mut rand::rng()).unwrap();
        let peer = Peer::accept(&hello.to_json(), GUIDE, "sess_1");
        keys.extend([peer.request, peer.response]);
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 6);
}

/// Splits a type-1 message as PROTOCOL section 4 lays it out.
fn split(message: &[u8]) -> (String, Vec<u8>, Vec<u8>, Vec<u8>) {
    fn field<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
        let (field, tail) = rest.split_at(length);
        *rest = tail;
        field
    }
    let mut rest = message.strip_prefix(&[0x53, 0x43, 0x02, 0x01]).expect("type 1");
    let id_len = usize::from(field(&mut rest, 1)[0]);
    let id = String::from_utf8(field(&mut rest, id_len).to_vec()).unwrap();
    let mut key = || {
        let length = u16::from_be_bytes(field(&mut rest, 2).try_into().unwrap());
        field(&mut rest, usize::from(length)).to_vec()
    };
    let (request, response) = (key(), key());
    (id, request, response, rest.to_vec())
}

/// A first message of `spelling`, taken by a peer that named the session `sess_1`.
fn first_message(spelling: Spelling) -> (AwaitingId, Peer) {
    let (bootstrap, _) = Bootstrap::start(&portal_key(), spelling, &mut rand::rng()).unwrap();
    let (message, awaiting) = bootstrap.first_message(b"{\"email\":\"a\"}", &mut rand::rng()).unwrap();
    let (id, request, response, payload) = split(&message);
    assert_eq!(id, "rsa-key-1");
    let key =
        |wrapped: &[u8]| unwrap(&private_key(), wrapped, spelling.oaep_hash, spelling.mgf1_hash).unwrap();
    let (request, response) = (key(&request), key(&response));
    let peer = Peer { request, response, session_id: "sess_1".into(), spelling };
    assert_eq!(peer.open_payload(&payload, b""), b"{\"email\":\"a\"}", "no additional data: ruling 11");
    (awaiting, peer)
}

#[test]
fn a_first_message_carries_the_keys_and_the_channel_goes_on_under_the_id_that_comes_back() {
    for aad in [Aad::None, Aad::SessionId] {
        let spelling = Spelling {
            envelope: EnvelopeForm::Binary,
            aad,
            key_exchange: KeyExchange::FirstMessage,
            ..GUIDE
        };
        let (awaiting, peer) = first_message(spelling);
        let answer = peer.seal_bound_to(br#"{"sessionId":"sess_1"}"#, b"");
        assert_eq!(awaiting.open(&answer, None).unwrap(), &br#"{"sessionId":"sess_1"}"#[..]);

        let channel = awaiting.finish("sess_1").unwrap();
        assert_eq!(channel.sealed(), 1, "the first message counts");
        assert_eq!(peer.open(&channel.seal(b"second", &mut rand::rng()).unwrap()), b"second");
        assert_eq!(channel.open(&peer.seal(b"answer")).unwrap(), &b"answer"[..]);
    }
}

#[test]
fn an_answer_to_a_first_message_may_be_bound_to_the_id_in_its_header() {
    let spelling = Spelling { envelope: EnvelopeForm::Binary, aad: Aad::SessionId, ..GUIDE };
    let (awaiting, peer) = first_message(spelling);
    let bound = peer.seal(b"bound");
    assert_eq!(awaiting.open(&bound, Some("sess_1")).unwrap(), &b"bound"[..]);
    assert_eq!(awaiting.open(&bound, Some("sess_2")), Err(ChannelError::DoesNotOpen));
    assert_eq!(awaiting.open(&bound, None), Err(ChannelError::DoesNotOpen));

    let (awaiting, peer) = first_message(Spelling { aad: Aad::None, ..spelling });
    let bound = peer.seal_bound_to(b"bound", b"sess_1");
    assert_eq!(
        awaiting.open(&bound, Some("sess_1")),
        Err(ChannelError::DoesNotOpen),
        "this spelling binds nothing"
    );
}

#[test]
fn an_answer_to_a_first_message_opens_under_the_response_key_only() {
    let (awaiting, peer) = first_message(Spelling { envelope: EnvelopeForm::Binary, ..GUIDE });
    let payload = sealed_payload(&peer.request, b"reflected", b"");
    let reflected = [&[0x53, 0x43, 0x02, 0x81][..], &payload].concat();
    assert_eq!(awaiting.open(&reflected, None), Err(ChannelError::DoesNotOpen));
    assert_eq!(awaiting.open(b"{}", None), Err(ChannelError::DoesNotOpen));
}
