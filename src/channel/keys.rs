//! An open channel: two keys and the id the portal gave them.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use rand::CryptoRng;
use sha2::{Digest, Sha256};

use super::aead::{Key, plaintext};
use super::{Aad, Base64, Bootstrap, ChannelError, EnvelopeForm, Settings, Spelling, envelope};

/// More than any portal's id has; less than what servers take as one header.
const LONGEST_ID: usize = 1024;

/// Two keys under the id the portal gave them.
pub struct Channel {
    request: Key,
    response: Key,
    id: Box<str>,
    id_header: HeaderValue,
    spelling: Spelling,
    settings: Settings,
}

impl Channel {
    /// The keys of `bootstrap` under the id that the portal gave them.
    pub(super) fn named(bootstrap: Bootstrap, id: &str) -> Result<Self, ChannelError> {
        let Bootstrap { request, response, spelling, settings, wrapped: _ } = bootstrap;
        Ok(Self { request, response, id: id.into(), id_header: header_of(id)?, spelling, settings })
    }

    /// A channel under a key that is known already; for the bench, which has no portal to open one at.
    ///
    /// # Errors
    /// If the id cannot be sent in a header.
    #[cfg(feature = "bench")]
    pub fn fixed(key: &[u8; 32], id: &str, spelling: Spelling) -> Result<Self, ChannelError> {
        let (request, response) = (Key::new(key), Key::new(key));
        let settings = Settings::default();
        Ok(Self { request, response, id: id.into(), id_header: header_of(id)?, spelling, settings })
    }

    /// The id the portal gave, as sent in the session header.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The session header's value, sensitive.
    pub fn id_header(&self) -> &HeaderValue {
        &self.id_header
    }

    /// How this channel is spelled.
    pub fn spelling(&self) -> Spelling {
        self.spelling
    }

    /// The same keys and id in another spelling, for finding out which one the portal reads. How the keys were
    /// wrapped stays as it was.
    #[must_use]
    pub fn respelled(self, envelope: EnvelopeForm, aad: Aad, base64: Base64) -> Self {
        Self { spelling: Spelling { envelope, aad, base64, ..self.spelling }, ..self }
    }

    /// Seals one request body under the request key. In the raw form there is nothing to seal, and the body
    /// is what it was.
    ///
    /// # Errors
    /// [`ChannelError::WornOut`] past the hard limit of messages per key.
    pub fn seal(&self, plain: &[u8], rng: &mut impl CryptoRng) -> Result<Bytes, ChannelError> {
        let limit = self.settings.refuse_after_messages;
        let body = match self.spelling.envelope {
            EnvelopeForm::Raw => plain.to_vec(),
            EnvelopeForm::Json => {
                self.request.count(limit)?;
                envelope::json(&self.request, plain, self.aad(), self.spelling.base64, rng)?
            }
            EnvelopeForm::Binary => {
                self.request.count(limit)?;
                envelope::binary(&self.request, plain, self.aad(), rng)?
            }
        };
        Ok(body.into())
    }

    /// Opens one answer under the response key, in whichever form it came (see [`super::form_of`]). The tag is
    /// checked before a byte is released; what is released is wiped when its last holder drops it.
    ///
    /// How long an answer may be is the caller's to limit: opening needs about as much memory again.
    ///
    /// # Errors
    /// [`ChannelError::DoesNotOpen`], whatever the cause.
    pub fn open(&self, body: &[u8]) -> Result<Bytes, ChannelError> {
        let mut payload = envelope::payload_of(body).ok_or(ChannelError::DoesNotOpen)?;
        self.response.open(&mut payload, self.aad())?;
        Ok(plaintext(payload))
    }

    /// Whether the soft limit of messages is reached and a new channel is due.
    pub fn is_worn(&self) -> bool {
        self.sealed() >= self.settings.renew_after_messages
    }

    /// How many messages were sealed under the request key, for metrics.
    pub fn sealed(&self) -> u64 {
        self.request.messages().min(self.settings.refuse_after_messages)
    }

    fn aad(&self) -> &[u8] {
        match self.spelling.aad {
            Aad::None => b"",
            Aad::SessionId => self.id.as_bytes(),
        }
    }
}

/// Whoever has the id can close the channel, so it is not shown: a few digits of its hash tell channels apart.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = Sha256::digest(self.id.as_bytes());
        write!(f, "Channel(#{}, {} sealed)", data_encoding::HEXLOWER.encode(&digest[..4]), self.sealed())
    }
}

/// Visible ASCII only: white space at the ends would be lost in a header, but not in the additional data.
fn header_of(id: &str) -> Result<HeaderValue, ChannelError> {
    if id.is_empty() {
        return Err(ChannelError::UnusableSessionId("it is empty"));
    }
    if id.len() > LONGEST_ID {
        return Err(ChannelError::UnusableSessionId("it has more than 1024 bytes"));
    }
    let value =
        id.bytes().all(|byte| byte.is_ascii_graphic()).then(|| HeaderValue::from_str(id).ok()).flatten();
    let mut value =
        value.ok_or(ChannelError::UnusableSessionId("it has characters other than visible ASCII"))?;
    value.set_sensitive(true);
    Ok(value)
}
