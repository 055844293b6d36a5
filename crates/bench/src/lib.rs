//! What the benches share: the proxy as a subject, a portal that answers at once, and a caller.
//!
//! Everything here is plain blocking sockets, so that what is measured is the proxy and not the measuring.

mod caller;
mod job;
mod subject;
mod upstream;

pub use caller::Caller;
pub use job::Job;
pub use subject::{IDENTITY, Identity, Subject};
pub use upstream::Upstream;
