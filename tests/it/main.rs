//! Everything that needs more than one room: real sockets, real TLS, the simulator as the portal.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod architecture;
mod crypto_python;
mod hints;
mod detect;
mod detect_cli;
