//! SCv2 type 1: the keys travel inside the first message (PROTOCOL section 4, ruling 11).

use std::fmt;

use bytes::Bytes;
use rand::CryptoRng;

use super::aead::{OVERHEAD, plaintext};
use super::{Aad, Bootstrap, Channel, ChannelError, envelope};

impl Bootstrap {
    /// Seals `plain` into the first message, both wrapped keys before it. It is binary whatever the spelling
    /// says, and without additional data, since there is no session id yet.
    ///
    /// To send it again, start anew: a message is never sealed twice under one key with one IV.
    ///
    /// # Errors
    /// [`ChannelError::WornOut`] if the settings allow no message at all.
    pub fn first_message(
        self,
        plain: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(Bytes, AwaitingId), ChannelError> {
        self.request.count(self.settings.refuse_after_messages)?;
        let (id, keys) =
            (self.wrapped.key_id.as_bytes(), [&self.wrapped.request_key, &self.wrapped.response_key]);
        // `PortalKey` admits ids of at most 255 bytes and keys of at most 2048.
        let id_len = u8::try_from(id.len()).map_err(|_| ChannelError::UnusableKeyId(id.len()))?;
        let header = 1 + id.len() + keys.iter().map(|key| 2 + key.len()).sum::<usize>();

        let mut out = envelope::headed(envelope::TYPE_FIRST, header + plain.len() + OVERHEAD);
        out.push(id_len);
        out.extend_from_slice(id);
        for key in keys {
            let key_len = u16::try_from(key.len()).map_err(|_| ChannelError::TooLong)?;
            out.extend_from_slice(&key_len.to_be_bytes());
            out.extend_from_slice(key);
        }
        self.request.seal(plain, b"", &mut out, rng)?;
        Ok((out.into(), AwaitingId(self)))
    }
}

/// A channel whose first message is on its way, and whose id the portal has yet to say: in the session header
/// of the answer, or inside it as `sessionId`.
pub struct AwaitingId(Bootstrap);

impl AwaitingId {
    /// Opens the answer to the first message, so that the id can be read from it.
    ///
    /// Whether that answer is bound to the id is not documented. `named` is the id of the answer's session
    /// header, if it had one: where the spelling binds messages to the id, both readings are tried.
    ///
    /// # Errors
    /// [`ChannelError::DoesNotOpen`], whatever the cause.
    pub fn open(&self, answer: &[u8], named: Option<&str>) -> Result<Bytes, ChannelError> {
        let mut payload = envelope::payload_of(answer).ok_or(ChannelError::DoesNotOpen)?;
        let opened = self.0.response.open(&mut payload, b"");
        match (opened, named, self.0.spelling.aad) {
            (Err(_), Some(id), Aad::SessionId) => self.0.response.open(&mut payload, id.as_bytes())?,
            (opened, ..) => opened?,
        }
        Ok(plaintext(payload))
    }

    /// The channel under the id that the portal answered with.
    ///
    /// # Errors
    /// If the id cannot be sent in a header.
    pub fn finish(self, session_id: &str) -> Result<Channel, ChannelError> {
        self.0.finish(session_id)
    }
}

impl fmt::Debug for AwaitingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitingId").field("key_id", &self.0.wrapped.key_id).finish_non_exhaustive()
    }
}
