//! The only doors out: connections to the portal, and the requests that may use them.
//!
//! In: an [`Outgoing`], made by one of six doors. Out: a [`Reply`]. Always: the authority is the configured
//! one, redirects are never followed, each request carries exactly one of each injected header, a request is
//! repeated by itself only when nothing of it was processed, or when its method may be repeated, and cookies that
//! are kept go to nobody else. Refuses to know: why something is sent.

mod ahead;
mod answer;
mod base;
mod body;
mod dial;
mod error;
mod injected;
mod jar;
mod lean;
mod outgoing;
mod patient;
mod pool;
mod repeats;
mod reply;
mod send;
mod settings;
mod tls;
mod via;
mod wakes;
mod watch;
mod whole;
mod worker;

pub use ahead::{OnInterim, Told};
pub use base::{Base, Located};
pub use body::OutBody;
pub use dial::Stages;
pub use error::UpstreamError;
pub use injected::Injected;
pub use jar::{Jar, JarLimits};
pub use outgoing::{Outgoing, X_REQUEST_ID, new_request_id, request_id};
pub use reply::{Reply, ReplyBody};
pub use send::Upstream;
pub use settings::{ClientIdentity, SealedHeaders, Settings};
pub use tls::TlsFault;
pub use via::{Via, ViaFault};

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
