//! The secure channel, portal's side: the RSA key, the sessions that clients opened, and the envelopes.
//!
//! In: wrapped keys and sealed bodies. Out: sessions, plaintext, sealed answers. What always holds: a
//! session's keys never leave this room. What it refuses to know: HTTP, and who is logged in.

mod envelope;
mod keys;
mod session;

pub(crate) use envelope::{
    Opened, decode_base64, is_envelope, is_key_exchange, read_request, write_response,
};
pub(crate) use keys::{KeyRing, UnwrapError};
pub(crate) use session::{Channel, ChannelError, Channels};
