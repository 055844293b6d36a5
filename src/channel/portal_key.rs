//! The portal's RSA key, checked before it wraps anything.

use std::fmt;

use super::ChannelError;

/// The SHA-256 of a SubjectPublicKeyInfo; written as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        unimplemented!()
    }
}

/// A public key of the portal under the id it is announced with.
#[derive(Debug, Clone)]
pub struct PortalKey {}

impl PortalKey {
    /// Reads and checks a key: SPKI DER in Base64, RSA of at least 2048 bits, odd exponent of at least 65537.
    ///
    /// # Errors
    /// [`ChannelError::UnreadableKey`], [`ChannelError::WeakKey`].
    pub fn parse(_key_id: &str, _spki_base64: &str) -> Result<Self, ChannelError> {
        unimplemented!()
    }

    /// The id the portal announced.
    pub fn id(&self) -> &str {
        unimplemented!()
    }

    /// What a pin compares.
    pub fn fingerprint(&self) -> Fingerprint {
        unimplemented!()
    }
}
