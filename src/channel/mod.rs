//! The secure channel's bytes: keys, wrapping, envelopes (PROTOCOL sections 3 and 4). Pure: no socket, no clock.
//!
//! In: the portal's public key, a source of randomness, plaintext. Out: a hello to send, sealed and opened
//! bodies. Always: a fresh nonce for each message, a tag checked before a byte is released, one answer for
//! every body that does not open, keys and opened bodies wiped on drop. Refuses to know: who sends what
//! where, when a channel is renewed, and what a plain answer on a sealed route means.
//!
//! ```text
//! PortalKey --start--> Bootstrap + Hello --finish(id)--> Channel
//!                      Bootstrap --first_message--> AwaitingId --finish(id)--> Channel
//! ```

mod aead;
mod base64;
mod bootstrap;
mod envelope;
mod error;
mod fingerprint;
mod first_message;
mod keys;
mod portal_key;
mod scan;
mod session_header;
mod settings;
mod spelling;

#[cfg(test)]
mod tests;

pub use bootstrap::{Bootstrap, Hello};
pub use envelope::{Form, form_of};
pub use error::ChannelError;
pub use fingerprint::Fingerprint;
pub use first_message::AwaitingId;
pub use keys::Channel;
pub use portal_key::PortalKey;
pub use session_header::SessionHeader;
pub use settings::Settings;
pub use spelling::{Aad, Base64, EnvelopeForm, KeyExchange, OaepHash, Spelling};
