//! The portal's JSON, read liberally (PROTOCOL sections 5 to 9).
//!
//! In: bodies as they came, opened where they were sealed. Out: [`Signs`] (what an answer's envelope says,
//! read in one pass that keeps nothing else), and the session's own types. Always: no panic and no believed
//! nonsense, whatever the bytes; a number out of range is not understood rather than bent; localized messages
//! are never looked at. Refuses to know: which call was sealed, and what follows from a refusal.

mod account;
mod channel;
mod code;
mod data;
#[cfg(any(test, feature = "fuzz"))]
mod every;
mod headers;
mod login;
mod method;
mod number;
mod seen;
mod signs;
mod text;
mod tokens;

#[cfg(test)]
mod tests;

pub(super) use account::{
    backup_codes, factors, otp_setup, profile, registering, registration_code, sessions, terminated,
};
pub(super) use data::account_email;
pub(super) use login::code_sent;

// What `detect` reads with as well.
pub(crate) use channel::{AnnouncedKey, announced_key, channel_session, named_channel};
pub(crate) use code::Meaning;
pub(crate) use data::Data;
pub(crate) use headers::{retry_after, skew};
pub(crate) use login::initiated;
pub(crate) use signs::Signs;
pub(crate) use tokens::tokens;

#[cfg(any(test, feature = "fuzz"))]
pub use every::read_everything;
