//! `instructions`: user-space instructions for each request, by the difference of two runs under callgrind, held
//! against `ceilings.toml`. Free of noise, so that a regression is seen the day it comes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use bench::{Caller, Job, Subject, Upstream};
use clap::Parser;

/// Counts the user-space instructions of each request, and fails above the ceilings.
#[derive(Debug, Parser)]
struct Args {
    /// The proxy, built with --release --features bench.
    #[arg(long, default_value = "target/release/portunus")]
    program: PathBuf,
    /// How many requests are counted.
    #[arg(long, default_value_t = 2000)]
    requests: u64,
    /// Keep callgrind's listing of each job's longer run here, for callgrind_annotate.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// What to count; without it, everything.
    #[arg(long = "job")]
    jobs: Vec<Job>,
}

/// Requests that warm it up, and are in both runs.
const WARM: u64 = 300;

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let ceilings: BTreeMap<String, u64> = toml::from_str(include_str!("../../ceilings.toml"))?;
    let jobs = if args.jobs.is_empty() { Job::ALL.to_vec() } else { args.jobs.clone() };
    let mut worst = ExitCode::SUCCESS;
    for job in jobs {
        let (short, long) = (run(&args, job, WARM)?, run(&args, job, WARM + args.requests)?);
        let each = (long - short) / args.requests;
        let ceiling = *ceilings.get(job.name()).context("a job without a ceiling in ceilings.toml")?;
        let verdict = if each <= ceiling { "ok" } else { "ABOVE THE CEILING" };
        report(&format!(
            "{:<8} {each:>7} instructions a request, ceiling {ceiling:>7}: {verdict}",
            job.name()
        ));
        if each > ceiling {
            worst = ExitCode::FAILURE;
        }
    }
    Ok(worst)
}

/// All instructions of a run of so many requests.
fn run(args: &Args, job: Job, requests: u64) -> anyhow::Result<u64> {
    let scratch = tempfile::tempdir()?;
    let out = scratch.path().join("callgrind");
    let file = format!("--callgrind-out-file={}", out.display());
    let upstream = Upstream::start(job)?;
    let wrapper = ["valgrind", "--quiet", "--tool=callgrind", &file];
    let subject = Subject::start(&args.program, upstream.port(), job == Job::Sealed, &wrapper)?;
    let mut caller = Caller::connect(subject.port(), job.request(subject.port()), job.answer())?;
    for _ in 0..requests {
        caller.ask()?;
    }
    drop(caller);
    subject.stop()?;
    ensure!(upstream.wrong() == 0, "{} requests reached the portal without what they need", upstream.wrong());
    if let Some(keep) = &args.keep {
        std::fs::create_dir_all(keep)?;
        std::fs::copy(&out, keep.join(format!("callgrind.{}", job.name())))?;
    }
    total(&out)
}

/// The figure in `totals:` (or `summary:`) of callgrind's file.
fn total(out: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(out).context("callgrind left no figures")?;
    let line = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(line.context("callgrind's file has no total")?.trim().parse()?)
}

#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
fn report(line: &str) {
    println!("{line}");
}
