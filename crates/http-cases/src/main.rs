//! Runs every case against a reverse proxy and prints `N passed, N failed`.
//!
//! The proxy under test must forward everything to `--upstream`, where this program listens and records.

use std::net::TcpListener;
use std::process::ExitCode;

use clap::Parser;
use http_cases::{Target, run};

#[derive(Parser)]
#[command(about = "Hostile HTTP/1.1 through any reverse proxy: refused, or forwarded as one clear request")]
struct Arguments {
    /// Where the proxy under test listens.
    #[arg(long, value_name = "HOST:PORT")]
    target: String,
    /// Where this program listens as the upstream of that proxy.
    #[arg(long, value_name = "HOST:PORT")]
    upstream: String,
    /// The `Host` that the proxy accepts; the target's own address unless given.
    #[arg(long, value_name = "HOST[:PORT]")]
    host: Option<String>,
    /// Only the cases whose name contains this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Show what passed too.
    #[arg(long)]
    verbose: bool,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command; its report is its output")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let host = arguments.host.unwrap_or_else(|| arguments.target.clone());
    let outcomes = TcpListener::bind(&arguments.upstream).and_then(|upstream| {
        let target = Target { address: arguments.target, host, upstream };
        run(&[target], &arguments.only)
    });
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(2);
        }
    };
    for outcome in &outcomes {
        match &outcome.fault {
            Some(fault) => println!("FAILED {}: {fault}", outcome.name),
            None if arguments.verbose => println!("passed {}: {}", outcome.name, outcome.seen),
            None => {}
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.fault.is_some()).count();
    println!("{} passed, {failed} failed", outcomes.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
