//! What Python's `cryptography` sealed and wrapped (`tests/vectors/make_envelopes.py`).

use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;

use super::peer::{private_key, spki_of, unwrap};
use super::*;

#[derive(Deserialize)]
struct Vectors {
    public_key: String,
    wrapped: Vec<WrappedKey>,
    envelopes: Vec<SealedAnswer>,
}

#[derive(Deserialize)]
struct WrappedKey {
    oaep: String,
    mgf1: String,
    secret: String,
    wrapped: String,
}

#[derive(Deserialize)]
struct SealedAnswer {
    label: String,
    envelope: String,
    base64: String,
    aad: String,
    session_id: String,
    key: String,
    body: String,
    plain: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../tests/vectors/envelopes.json")).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn hash(name: &str) -> OaepHash {
    match name {
        "sha1" => OaepHash::Sha1,
        "sha256" => OaepHash::Sha256,
        other => panic!("{other}"),
    }
}

#[test]
fn answers_sealed_by_python_open() {
    let envelopes = vectors().envelopes;
    assert_eq!(envelopes.len(), 30, "three forms, two kinds of additional data, five texts");
    for answer in envelopes {
        let spelling = Spelling {
            envelope: if answer.envelope == "json" { EnvelopeForm::Json } else { EnvelopeForm::Binary },
            base64: if answer.base64 == "url" { Base64::Url } else { Base64::Standard },
            aad: if answer.aad == "session_id" { Aad::SessionId } else { Aad::None },
            ..GUIDE
        };
        let form = if answer.envelope == "json" { Form::Json } else { Form::Binary };
        let key = hex(&answer.key).try_into().unwrap();
        let channel = bootstrap_over(&[0; 32], &key, spelling).finish(&answer.session_id).unwrap();
        assert_eq!(form_of(&hex(&answer.body)), form, "{}", answer.label);
        assert_eq!(channel.open(&hex(&answer.body)).unwrap(), hex(&answer.plain), "{}", answer.label);
    }
}

#[test]
fn keys_wrapped_by_python_mean_the_same_pair_of_hashes_as_ours() {
    let vectors = vectors();
    let private = private_key();
    assert_eq!(vectors.public_key, spki_of(&private));
    let portal = PortalKey::parse("k", &vectors.public_key).unwrap();
    assert_eq!(vectors.wrapped.len(), 4);
    for theirs in vectors.wrapped {
        let (oaep, mgf1) = (hash(&theirs.oaep), hash(&theirs.mgf1));
        let opened = unwrap(&private, &BASE64.decode(theirs.wrapped.as_bytes()).unwrap(), oaep, mgf1);
        assert_eq!(opened.unwrap(), hex(&theirs.secret));
        let ours =
            portal.wrap(&hex(&theirs.secret).try_into().unwrap(), oaep, mgf1, &mut rand::rng()).unwrap();
        assert_eq!(unwrap(&private, &ours, oaep, mgf1).unwrap(), hex(&theirs.secret));
    }
}
