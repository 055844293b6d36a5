//! The secure channel's bytes: keys, wrapping, envelopes (PROTOCOL sections 3 and 4). Pure: no socket, no clock.
//!
//! In: the portal's public key, a source of randomness, plaintext. Out: a hello to send, sealed and opened
//! bodies. Always: a fresh nonce for each message, a tag checked before a byte is released, keys wiped on
//! drop. Refuses to know: who sends what where, and when a channel is renewed.

mod bootstrap;
mod envelope;
mod error;
mod keys;
mod portal_key;
mod spelling;

pub use bootstrap::{Bootstrap, Hello};
pub use envelope::{Form, form_of};
pub use error::ChannelError;
pub use keys::Channel;
pub use portal_key::{Fingerprint, PortalKey};
pub use spelling::{Aad, Base64, EnvelopeForm, KeyExchange, OaepHash, Spelling};
