//! The portal's side of a channel, written from PROTOCOL sections 3.2, 3.5 and 4 with other means than ours:
//! serde_json for the envelope, `data-encoding` for Base64, the allocating interface of AES-GCM.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use rsa::PrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::{Oaep, traits::PaddingScheme};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;

use super::*;

pub(super) struct Peer {
    pub(super) request: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(super) session_id: String,
    pub(super) spelling: Spelling,
}

/// The test portal's RSA key, made once by `tests/vectors/make_envelopes.py`.
pub(super) fn private_key() -> PrivateKey {
    PrivateKey::from_pkcs8_pem(include_str!("../../../tests/vectors/portal_key.pem")).unwrap()
}

pub(super) fn portal_key() -> PortalKey {
    PortalKey::parse("rsa-key-1", &spki_of(&private_key())).unwrap()
}

pub(super) fn spki_of(key: &PrivateKey) -> String {
    BASE64.encode(rsa::PublicKey::from(key).to_public_key_der().unwrap().as_bytes())
}

pub(super) fn unwrap(
    key: &PrivateKey,
    wrapped: &[u8],
    oaep: OaepHash,
    mgf1: OaepHash,
) -> rsa::Result<Vec<u8>> {
    unwrap_labelled(key, wrapped, oaep, mgf1, b"")
}

pub(super) fn unwrap_labelled(
    key: &PrivateKey,
    wrapped: &[u8],
    oaep: OaepHash,
    mgf1: OaepHash,
    label: &[u8],
) -> rsa::Result<Vec<u8>> {
    fn with(key: &PrivateKey, padding: impl PaddingScheme, wrapped: &[u8]) -> rsa::Result<Vec<u8>> {
        key.decrypt(padding, wrapped)
    }
    match (oaep, mgf1) {
        (OaepHash::Sha1, OaepHash::Sha1) => with(key, Oaep::<Sha1>::new_with_label(label), wrapped),
        (OaepHash::Sha256, OaepHash::Sha256) => with(key, Oaep::<Sha256>::new_with_label(label), wrapped),
        (OaepHash::Sha1, OaepHash::Sha256) => {
            with(key, Oaep::<Sha1, Sha256>::new_with_mgf_hash_and_label(label), wrapped)
        }
        (OaepHash::Sha256, OaepHash::Sha1) => {
            with(key, Oaep::<Sha256, Sha1>::new_with_mgf_hash_and_label(label), wrapped)
        }
    }
}

impl Peer {
    /// Answers `POST session`.
    pub(super) fn accept(hello: &[u8], spelling: Spelling, session_id: &str) -> Self {
        let hello: Value = serde_json::from_slice(hello).unwrap();
        let key = |name: &str| {
            let wrapped = bytes_of(hello[name].as_str().unwrap(), spelling.base64);
            unwrap(&private_key(), &wrapped, spelling.oaep_hash, spelling.mgf1_hash).unwrap()
        };
        let (request, response) = (key("encReqKey"), key("encRespKey"));
        Self { request, response, session_id: session_id.into(), spelling }
    }

    /// Opens a request; strict about its spelling.
    pub(super) fn open(&self, body: &[u8]) -> Vec<u8> {
        let payload = match self.spelling.envelope {
            EnvelopeForm::Raw => return body.to_vec(),
            EnvelopeForm::Binary => body.strip_prefix(&[0x53, 0x43, 0x02, 0x02]).expect("type 2").to_vec(),
            EnvelopeForm::Json => {
                let text = std::str::from_utf8(body).unwrap();
                let payload = text.strip_prefix(r#"{"v":2,"p":""#).and_then(|t| t.strip_suffix(r#""}"#));
                bytes_of(payload.expect("the envelope to the byte"), self.spelling.base64)
            }
        };
        self.open_payload(&payload, self.aad())
    }

    pub(super) fn open_payload(&self, payload: &[u8], aad: &[u8]) -> Vec<u8> {
        let (iv, msg) = payload.split_at(12);
        let iv = Nonce::try_from(iv).unwrap();
        Aes256Gcm::new_from_slice(&self.request)
            .unwrap()
            .decrypt(&iv, Payload { msg, aad })
            .expect("it opens")
    }

    /// Seals an answer.
    pub(super) fn seal(&self, plain: &[u8]) -> Vec<u8> {
        self.seal_bound_to(plain, self.aad())
    }

    pub(super) fn seal_bound_to(&self, plain: &[u8], aad: &[u8]) -> Vec<u8> {
        let payload = sealed_payload(&self.response, plain, aad);
        match self.spelling.envelope {
            EnvelopeForm::Raw => plain.to_vec(),
            EnvelopeForm::Binary => [&[0x53, 0x43, 0x02, 0x81][..], &payload].concat(),
            EnvelopeForm::Json => {
                let text = match self.spelling.base64 {
                    Base64::Standard => BASE64.encode(&payload),
                    Base64::Url => BASE64URL_NOPAD.encode(&payload),
                };
                json!({ "v": 2, "p": text }).to_string().into_bytes()
            }
        }
    }

    fn aad(&self) -> &[u8] {
        match self.spelling.aad {
            Aad::None => b"",
            Aad::SessionId => self.session_id.as_bytes(),
        }
    }
}

/// IV, ciphertext and tag.
pub(super) fn sealed_payload(key: &[u8], plain: &[u8], aad: &[u8]) -> Vec<u8> {
    let iv: [u8; 12] = rand::random();
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let sealed = cipher.encrypt(&Nonce::from(iv), Payload { msg: plain, aad }).unwrap();
    [&iv[..], &sealed].concat()
}

fn bytes_of(text: &str, alphabet: Base64) -> Vec<u8> {
    match alphabet {
        Base64::Standard => BASE64.decode(text.as_bytes()).unwrap(),
        Base64::Url => BASE64URL_NOPAD.decode(text.as_bytes()).unwrap(),
    }
}
