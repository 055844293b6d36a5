//! What the client gets: the portal's answer made local, or a problem that says what went wrong.
//!
//! In: a [`Reply`](crate::upstream::Reply), an opened body, or any room's error. Out: a response for the
//! listener. Always: an upstream status is never rewritten; links and cookies of the portal point to the
//! address that the client used; every error has one row in one table; no secret and no address of ours is
//! shown. Refuses to know: when something is tried again.

mod body;
mod caller;
mod cause;
mod cookies;
mod error;
mod links;
mod problem;
mod responder;
mod table;
mod tunnel;

pub use body::Body;
pub use caller::Caller;
pub use cookies::Cookies;
pub use error::{ProxyError, Refused};
pub use responder::Responder;
pub use table::{Row, TABLE, Who};
pub use tunnel::{switch, tunnel};

#[cfg(test)]
mod tests;
