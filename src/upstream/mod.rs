//! The only doors out: connections to the portal, and the requests that may use them.
//!
//! In: an [`Outgoing`], made by one of four doors. Out: a [`Reply`]. Always: the authority is the configured
//! one, redirects are never followed, each request carries exactly one of each injected header, a request is
//! repeated by itself only when nothing of it was processed. Refuses to know: why something is sent.

mod body;
mod error;
mod outgoing;
mod pool;
mod settings;
mod tls;

pub use body::{OutBody, Reply, ReplyBody};
pub use error::UpstreamError;
pub use outgoing::{Injected, Outgoing};
pub use pool::Upstream;
pub use settings::{SealedHeaders, Settings};
