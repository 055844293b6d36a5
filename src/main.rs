//! The binary: hands the arguments and the environment over, and ends with the exit code.

use std::io::{IsTerminal, stderr, stdin, stdout};
use std::process::ExitCode;

use inherited::Sockets;
use portunus::cli::{self, Environment};
use portunus::telemetry;

/// What is freed is wiped: bearers pass through buffers that are not ours.
#[global_allocator]
static HEAP: heap::Wiping = heap::Wiping;

fn main() -> ExitCode {
    telemetry::tell_panics_by_their_place();
    // First, while nothing that is open can be our own.
    let sockets = Sockets::of_this_process();
    let mut environment = Environment::new(std::env::vars_os());
    environment.sockets = sockets;
    environment.stdin_is_terminal = stdin().is_terminal();
    environment.stdout_is_terminal = stdout().is_terminal();
    environment.stderr_is_terminal = stderr().is_terminal();
    cli::run(std::env::args_os(), &environment).into()
}
