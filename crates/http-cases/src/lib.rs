//! Hostile HTTP/1.1 through a reverse proxy, judged at both ends.
//!
//! Each case is raw bytes on a connection of its own. The judge does not ask which of two good behaviours a
//! proxy chose: a case passes if the request was **refused** (4xx or 5xx, and the connection closed, nothing
//! of it at the upstream) or **forwarded as exactly one unambiguous request**; some cases must be refused. A
//! second, innocent request behind each case on the same connection must never get a foreign answer.
//! The reference parser ([`strict`]) is written from RFC 9112 and shares no code with anything under test.

pub mod cases;
pub mod strict;

mod client;
mod judge;
mod upstream;
mod weigh;

pub use judge::{Fault, Outcome, Target, run};
pub use weigh::Weight;
