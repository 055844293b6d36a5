//! Runs every case against a reverse proxy and prints `N passed, N failed`, for each class of cases and for all.
//!
//! The proxy under test must forward everything to `--upstream`, where this program listens and records.

use std::collections::BTreeMap;
use std::fmt;
use std::net::TcpListener;
use std::process::ExitCode;

use clap::Parser;
use http_cases::{Outcome, Target, Weight, run};

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
            Some(fault) => println!("FAILED {} ({}): {}", outcome.name, fault.weight, fault.what),
            None if arguments.verbose => println!("passed {}: {}", outcome.name, outcome.seen),
            None => {}
        }
    }
    let mut classes: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut all = Tally::default();
    for outcome in &outcomes {
        classes.entry(outcome.class()).or_default().count(outcome);
        all.count(outcome);
    }
    for (class, tally) in &classes {
        println!("{class}: {tally}");
    }
    println!("{all}");
    if all.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many cases went how.
#[derive(Default)]
struct Tally {
    passed: usize,
    flaws: usize,
    taste: usize,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        match outcome.fault.as_ref().map(|fault| fault.weight) {
            None => self.passed += 1,
            Some(Weight::Flaw) => self.flaws += 1,
            Some(Weight::Taste) => self.taste += 1,
        }
    }

    fn failed(&self) -> usize {
        self.flaws + self.taste
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed())?;
        if self.failed() > 0 {
            write!(f, " ({} flaws, {} matters of taste)", self.flaws, self.taste)?;
        }
        Ok(())
    }
}
