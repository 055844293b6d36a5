//! The local key: how a caller shows it, and how it is compared.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use subtle::ConstantTimeEq;

use super::{BadSettings, Refusal, Settings};
use crate::secret::{Expose, LocalKey};

/// The key that TCP callers must show, and where.
#[derive(Debug, Clone)]
pub(super) struct KeyCheck {
    key: LocalKey,
    header: HeaderName,
}

impl KeyCheck {
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, BadSettings> {
        let Some(key) = settings.local_key.clone() else { return Ok(None) };
        if key.is_empty() {
            return Err(BadSettings::EmptyKey);
        }
        Ok(Some(Self { key, header: settings.local_key_header.clone() }))
    }

    /// Takes the key out of the headers, so that it never travels on, and compares it.
    pub(super) fn check(&self, headers: &mut HeaderMap) -> Result<(), Refusal> {
        let own = take_one(headers, &self.header)?;
        let proxy = take_one(headers, &PROXY_AUTHORIZATION)?;
        match (own, proxy) {
            (Some(shown), _) => self.compare(shown.as_bytes()),
            (None, Some(shown)) => self.compare_credentials(shown.as_bytes()),
            (None, None) => Err(Refusal::LocalKeyMissing),
        }
    }

    /// `Bearer <key>` or `Basic <base64 of user:key>` (RFC 9110 section 11.4: the scheme in any case).
    fn compare_credentials(&self, credentials: &[u8]) -> Result<(), Refusal> {
        let space = credentials.iter().position(|&b| b == b' ').ok_or(Refusal::LocalKeyWrong)?;
        let (scheme, text) = credentials.split_at(space);
        let text = text.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.compare(text);
        }
        if scheme.eq_ignore_ascii_case(b"basic") {
            let pair = zeroize::Zeroizing::new(STANDARD.decode(text).map_err(|_| Refusal::LocalKeyWrong)?);
            let colon = pair.iter().position(|&b| b == b':').ok_or(Refusal::LocalKeyWrong)?;
            return self.compare(&pair[colon + 1..]);
        }
        Err(Refusal::LocalKeyWrong)
    }

    /// In constant time for keys of the same length; the length is no secret.
    #[expect(clippy::disallowed_methods, reason = "compared with what a caller shows; leaves no copy")]
    fn compare(&self, shown: &[u8]) -> Result<(), Refusal> {
        if bool::from(self.key.expose().as_bytes().ct_eq(shown)) {
            Ok(())
        } else {
            Err(Refusal::LocalKeyWrong)
        }
    }
}

/// Removes all fields of that name; more than one is a guess.
fn take_one(headers: &mut HeaderMap, name: &HeaderName) -> Result<Option<HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().cloned();
    if values.next().is_some() {
        return Err(Refusal::LocalKeyWrong);
    }
    if first.is_some() {
        headers.remove(name);
    }
    Ok(first)
}
