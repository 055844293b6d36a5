//! Sockets, connections and their limits: bytes from a local caller become requests.
//!
//! In: a [`Bound`] set of sockets (one set for each worker), a [`Handler`], [`Limits`] shared by all workers, and
//! a future that ends when it is time to stop. Out: requests, each with the [`Peer`] that sent it.
//! Always: a connection counts against its cap until its last byte, upgraded or not; a head, an idle connection
//! and a client that does not read each end in bounded time; a Unix peer is this user or root; a drain lets
//! what runs finish and starts nothing new.
//! Refuses to know: hosts, origins, paths, and what an answer says.

mod bind;
mod connection;
mod content;
mod control;
mod extended;
mod handed;
mod handler;
mod interim;
mod lean;
mod limits;
mod peer;
mod secure;
mod serve;
mod socket;
mod timed;
mod witness;
#[cfg(test)]
mod tests;

pub use bind::{BindError, Bound, Endpoint, bind};
pub use content::Content;
pub use extended::Tunnelled;
pub use handed::{Handed, PassedWords};
pub use handler::Handler;
pub use interim::Interim;
pub use limits::{Limits, Settings};
pub use peer::{Door, Peer};
pub use serve::serve;
pub use timed::{TimedBody, TimedBodyError};
pub use witness::Malformed;

/// Gives back this thread's buffers, with what requests and answers left in them.
pub fn forget() {
    lean::forget();
    socket::forget();
}
