//! An open channel: two keys and the id the portal gave them.

use bytes::Bytes;
use rand::CryptoRng;

use super::{ChannelError, Spelling};

/// Two keys under the id the portal gave them.
pub struct Channel {}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Channel")
    }
}

impl Channel {
    /// The id the portal gave, as sent in the session header.
    pub fn id(&self) -> &str {
        unimplemented!()
    }

    /// The session header's value.
    pub fn id_header(&self) -> &http::HeaderValue {
        unimplemented!()
    }

    /// How this channel is spelled.
    pub fn spelling(&self) -> Spelling {
        unimplemented!()
    }

    /// Seals one request body under the request key.
    ///
    /// # Errors
    /// [`ChannelError::WornOut`] past the hard limit of messages per key.
    pub fn seal(&self, _plain: &[u8], _rng: &mut impl CryptoRng) -> Result<Bytes, ChannelError> {
        unimplemented!()
    }

    /// Opens one answer under the response key. The tag is checked before a byte is released.
    ///
    /// # Errors
    /// [`ChannelError::DoesNotOpen`], whatever the cause.
    pub fn open(&self, _body: &[u8]) -> Result<Bytes, ChannelError> {
        unimplemented!()
    }

    /// Whether the soft limit of messages is passed and a new channel is due.
    pub fn is_worn(&self) -> bool {
        unimplemented!()
    }
}
