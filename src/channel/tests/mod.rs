//! The room against others: third-party vectors, a peer written from PROTOCOL, random and hostile input.

mod bootstrap;
mod envelopes;
mod limits;
mod nist;
mod peer;
mod pkcs1;
mod portal_key;
mod tamper;
mod vectors;
mod wycheproof;

use std::sync::Arc;

use super::aead::Key;
use super::bootstrap::Wrapped;
use super::*;

/// `guide`, the default dialect of PROTOCOL section 11.
const GUIDE: Spelling = Spelling {
    envelope: EnvelopeForm::Json,
    oaep_hash: OaepHash::Sha256,
    mgf1_hash: OaepHash::Sha256,
    aad: Aad::None,
    base64: Base64::Standard,
    key_exchange: KeyExchange::Session,
};

/// Every way to seal.
fn sealing_spellings() -> impl Iterator<Item = Spelling> {
    let forms = [
        (EnvelopeForm::Json, Base64::Standard),
        (EnvelopeForm::Json, Base64::Url),
        (EnvelopeForm::Binary, Base64::Standard),
    ];
    forms.into_iter().flat_map(|(envelope, base64)| {
        [Aad::None, Aad::SessionId].map(|aad| Spelling { envelope, base64, aad, ..GUIDE })
    })
}

/// A bootstrap over known keys; nothing is wrapped.
fn bootstrap_over(request: &[u8; 32], response: &[u8; 32], spelling: Spelling) -> Bootstrap {
    let wrapped = Wrapped { key_id: "key".into(), request_key: Vec::new(), response_key: Vec::new() };
    let settings = Settings::default();
    Bootstrap {
        request: Key::new(request),
        response: Key::new(response),
        wrapped: Arc::new(wrapped),
        spelling,
        settings,
    }
}
