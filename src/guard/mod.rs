//! Who may speak: the checks between a request and everything that carries a person's credentials.
//!
//! In: a request and its [`Peer`](crate::listener::Peer). Out: [`Admitted`], which only this room can make, or a [`Refusal`] that says
//! what is wrong and what to do. Always, in this order: framing that admits one reading only, a method and a
//! target that a reverse proxy serves, one `Host` that is ours, no foreign origin, the local key if one is set.
//! A plain GET costs one pass over its headers and no allocation.
//!
//! A Unix peer is this user (the listener has seen to it) and no browser: its `Host` must be one and well
//! formed but may be any name, and it needs no local key. Origin and `Sec-Fetch-Site` are checked all the same,
//! since what forwards to the socket may have a browser behind it.
//! Refuses to know: routes, sessions, what an answer looks like.

mod admit;
mod cors;
mod framing;
mod key;
mod names;
mod refusal;
mod settings;
#[cfg(test)]
mod tests;

pub use admit::{Admitted, Guard};
pub use cors::{Grant, Preflight};
pub use refusal::Refusal;
pub use settings::{BadSettings, Settings, own_names};
