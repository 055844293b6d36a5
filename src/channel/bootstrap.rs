//! From the portal's public key to an open channel.

use std::fmt;
use std::sync::Arc;

use rand::CryptoRng;
use serde::Serialize;
use zeroize::Zeroizing;

use super::aead::{KEY_BYTES, Key};
use super::{Base64, Channel, ChannelError, PortalKey, Settings, Spelling};

/// Two fresh keys that wait for the portal's session id; consumed by it, so there is no half-open channel.
pub struct Bootstrap {
    pub(super) request: Key,
    pub(super) response: Key,
    pub(super) wrapped: Arc<Wrapped>,
    pub(super) spelling: Spelling,
    pub(super) settings: Settings,
}

impl Bootstrap {
    /// Makes two keys and wraps them.
    ///
    /// # Errors
    /// If the key cannot wrap 32 bytes.
    pub fn start(
        portal: &PortalKey,
        spelling: Spelling,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Hello), ChannelError> {
        let (request, request_key) = fresh_key(portal, spelling, rng)?;
        let (response, response_key) = fresh_key(portal, spelling, rng)?;
        let wrapped = Arc::new(Wrapped { key_id: portal.shared_id(), request_key, response_key });
        let hello = Hello { wrapped: Arc::clone(&wrapped), base64: spelling.base64 };
        Ok((Self { request, response, wrapped, spelling, settings: Settings::default() }, hello))
    }

    /// The same under other limits than the default ones.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings: settings.bounded(), ..self }
    }

    /// How the channel will be spelled.
    pub fn spelling(&self) -> Spelling {
        self.spelling
    }

    /// The channel under the id that the portal answered with.
    ///
    /// # Errors
    /// If the id cannot be sent in a header.
    pub fn finish(self, session_id: &str) -> Result<Channel, ChannelError> {
        Channel::named(self, session_id)
    }
}

impl fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bootstrap").field("key_id", &self.wrapped.key_id).finish_non_exhaustive()
    }
}

/// What the portal is told: both keys, each wrapped by its RSA key (PROTOCOL section 3.2).
pub struct Hello {
    wrapped: Arc<Wrapped>,
    base64: Base64,
}

impl Hello {
    /// The JSON body of `POST {sc}/session`.
    pub fn to_json(&self) -> bytes::Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            key_id: &'a str,
            enc_req_key: String,
            enc_resp_key: String,
        }
        let body = Body {
            key_id: &self.wrapped.key_id,
            enc_req_key: self.base64.encode(&self.wrapped.request_key),
            enc_resp_key: self.base64.encode(&self.wrapped.response_key),
        };
        serde_json::to_vec(&body).expect("three strings are JSON").into()
    }
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello").field("key_id", &self.wrapped.key_id).finish_non_exhaustive()
    }
}

/// Both keys as the portal alone can read them.
pub(super) struct Wrapped {
    pub(super) key_id: Arc<str>,
    pub(super) request_key: Vec<u8>,
    pub(super) response_key: Vec<u8>,
}

/// A random key, prepared, and wrapped for the portal. The raw bytes live on the heap and are wiped here.
fn fresh_key(
    portal: &PortalKey,
    spelling: Spelling,
    rng: &mut impl CryptoRng,
) -> Result<(Key, Vec<u8>), ChannelError> {
    let mut raw = Box::new(Zeroizing::new([0; KEY_BYTES]));
    rng.fill_bytes(raw.as_mut_slice());
    let wrapped = portal.wrap(&raw, spelling.oaep_hash, spelling.mgf1_hash, rng)?;
    Ok((Key::new(&raw), wrapped))
}
