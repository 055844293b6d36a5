//! The wire: sockets, TLS, HTTP, the log of what came, and the gateway in front of the portal's calls.
//!
//! In: connections. Out: answers, or what a fault makes of them. What always holds: a request is logged and
//! counted before anything is decided about it. What it refuses to know: passwords and tokens.

mod body;
mod connections;
mod gateway;
mod listener;
mod mishap;
mod sealing;
mod tls;
mod wire_log;

pub(crate) use body::{Body, empty, full};
pub(crate) use connections::Connections;
pub(crate) use listener::{accept_forever, bind};
pub(crate) use tls::{TlsError, make};
pub use wire_log::WireEntry;
pub(crate) use wire_log::WireLog;
