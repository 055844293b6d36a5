//! Whose a request is, where a proxy has several identities: by its door, its host, a header, or how its path begins.
//!
//! In: [`Admitted`](crate::guard::Admitted) and its [`Peer`](crate::listener::Peer). Out: [`Chosen`], which only this room
//! can make: the number of an identity, and the request without the prefix that named it; or [`Nobody`]. Always: two
//! ways that name two identities refuse the request, and so does a name that nobody has, so that no request ever
//! speaks for somebody whom its sender did not mean. Where there is one identity, nothing is looked at.
//! Refuses to know: what an identity is, beyond its name.

mod choice;
mod hosts;
mod nobody;
mod settings;
#[cfg(test)]
mod tests;

pub use choice::{Choice, Chosen};
pub use nobody::{By, Nobody};
pub use settings::{Settings, Ways};
