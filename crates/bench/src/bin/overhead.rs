//! `overhead`: what the proxy adds to a request's time. Direct and through the proxy in turn, block by block, on
//! one connection each; percentiles from a histogram.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bench::{Caller, Job, Subject, Upstream};
use clap::Parser;
use hdrhistogram::Histogram;

/// Compares the time of requests, directly and through the proxy, in turn.
#[derive(Debug, Parser)]
struct Args {
    /// The proxy, built with --release --features bench.
    #[arg(long, default_value = "target/release/portunus")]
    program: PathBuf,
    /// For how long each job is measured, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Requests of one side before it is the other's turn.
const BLOCK: u32 = 50;
/// The longest time that is told apart, in nanoseconds: ten seconds.
const LONGEST: u64 = 10_000_000_000;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    report("microseconds        p50      p90      p99    p99.9    requests");
    for job in Job::ALL {
        let [direct, through] = measure(&args, job)?;
        row(&format!("{} direct", job.name()), &direct);
        row(&format!("{} through", job.name()), &through);
    }
    Ok(())
}

fn measure(args: &Args, job: Job) -> anyhow::Result<[Histogram<u64>; 2]> {
    let (upstream, other) = (Upstream::start(job)?, Upstream::start(Job::Get)?);
    let subject = Subject::start(&args.program, upstream.port(), job == Job::Sealed, &[])?;
    // What goes directly is not sealed, and is answered by the same plaintext.
    let mut direct = Caller::connect(other.port(), job.request(other.port()), job.answer())?;
    let mut through = Caller::connect(subject.port(), job.request(subject.port()), job.answer())?;
    let mut times = [Histogram::new_with_max(LONGEST, 3)?, Histogram::new_with_max(LONGEST, 3)?];
    for caller in [&mut direct, &mut through] {
        block(caller, &mut Histogram::new_with_max(LONGEST, 3)?)?;
    }
    let end = Instant::now() + Duration::from_secs(args.seconds);
    while Instant::now() < end {
        block(&mut direct, &mut times[0])?;
        block(&mut through, &mut times[1])?;
    }
    drop(through);
    subject.stop()?;
    ensure!(upstream.wrong() == 0, "{} requests reached the portal without what they need", upstream.wrong());
    Ok(times)
}

fn block(caller: &mut Caller, times: &mut Histogram<u64>) -> anyhow::Result<()> {
    for _ in 0..BLOCK {
        let begin = Instant::now();
        caller.ask()?;
        times.saturating_record(begin.elapsed().as_nanos() as u64);
    }
    Ok(())
}

fn row(name: &str, times: &Histogram<u64>) {
    let at = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1e3;
    let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
    report(&format!("{name:<14} {p50:>8.1} {p90:>8.1} {p99:>8.1} {p999:>8.1} {:>11}", times.len()));
}

#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
fn report(line: &str) {
    println!("{line}");
}
