//! What the fuzzers run, one function each: it takes any bytes and panics if a property does not hold.
//!
//! `crates/fuzz` gives them to libFuzzer, which looks for bytes that reach new code; `tests/short.rs` gives them
//! the kept corpus and random changes of it, on stable Rust, in the gate. Neither knows more than [`TARGETS`].

mod config;
mod differential;
mod envelope;
mod headers;
mod portal;
mod reference;
mod route;

pub use config::config;
pub use differential::differential;
pub use envelope::envelope;
pub use headers::headers;
pub use portal::{portal, verdict};
pub use route::route;

/// A property of any bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("config", config),
    ("differential", differential),
    ("envelope", envelope),
    ("headers", headers),
    ("portal", portal),
    ("route", route),
    ("verdict", verdict),
];
