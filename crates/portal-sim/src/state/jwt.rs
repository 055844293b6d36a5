//! Access tokens: JWTs signed with HS256 (RFC 7519, RFC 7515). Written out here because it is thirty lines.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::millis;
use crate::chance;

const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(crate) jti: String,
    pub(crate) sid: String,
    pub(crate) portal: String,
    /// Hash of the client hash, so that the token itself does not give it away.
    pub(crate) cnf: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    /// The same end in milliseconds, because tests live faster than `exp` can say.
    pub(crate) exp_ms: u64,
    /// Tokens of an older generation have been expired by hand.
    pub(crate) generation: u64,
}

/// Signs and checks tokens with a key made at start.
#[derive(Debug)]
pub(crate) struct Signer {
    key: [u8; 32],
}

impl Signer {
    pub(crate) fn new() -> Self {
        Self { key: chance::bytes() }
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).expect("claims are strings and numbers");
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        let tag = URL_SAFE_NO_PAD.encode(self.mac(&text).finalize().into_bytes());
        format!("{text}.{tag}")
    }

    /// The claims of a token that this signer made and whose time is not over.
    pub(crate) fn check(&self, token: &str) -> Option<Claims> {
        let (text, tag) = token.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.mac(text).verify_slice(&tag).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(text.split_once('.')?.1).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        (millis(SystemTime::now()) < claims.exp_ms).then_some(claims)
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        mac
    }
}
