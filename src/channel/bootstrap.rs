//! From the portal's public key to an open channel.

use rand::CryptoRng;

use super::{Channel, ChannelError, PortalKey, Spelling};

/// Two fresh keys that wait for the portal's session id; consumed by it, so there is no half-open channel.
#[derive(Debug)]
pub struct Bootstrap {}

/// What the portal is told: both keys, each wrapped by its RSA key (PROTOCOL section 3.2).
#[derive(Debug)]
pub struct Hello {}

impl Hello {
    /// The JSON body of `POST {sc}/session`.
    pub fn to_json(&self) -> bytes::Bytes {
        unimplemented!()
    }
}

impl Bootstrap {
    /// Makes two keys and wraps them.
    ///
    /// # Errors
    /// If the key cannot wrap 32 bytes.
    pub fn start(
        _portal: &PortalKey,
        _spelling: Spelling,
        _rng: &mut impl CryptoRng,
    ) -> Result<(Self, Hello), ChannelError> {
        unimplemented!()
    }

    /// The channel under the id that the portal answered with.
    ///
    /// # Errors
    /// If the id cannot be sent in a header.
    pub fn finish(self, _session_id: &str) -> Result<Channel, ChannelError> {
        unimplemented!()
    }
}
