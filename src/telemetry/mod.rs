//! What the house tells about itself: log lines for people, counters for machines.
//!
//! In: events and increments from every room. Out: lines on stderr, and totals. Always: a counter costs one
//! relaxed add on a cache line of its own worker; no secret and no target of a request is in either.
//! Refuses to know: who reads them, and in which format.

mod counters;
mod logs;
mod panics;

pub use counters::{Count, Counters, Totals};
pub use logs::{Captured, LogFormat, LogSettings, capture_logs, color_wanted, start_logs};
pub use panics::tell_panics_by_their_place;
