//! Journeys against a running simulator, with a client written for the purpose.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod client;
mod faults;
mod flows;
mod login;
mod program;
mod seeds;
mod web;
