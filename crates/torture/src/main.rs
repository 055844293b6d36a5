//! The long forms, with their figures: `cargo run --release -p torture -- COMMAND`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use torture::cuts::{self, Death, Who};
use torture::{crowd, kills, lockout, paused, soak, world};

/// As the program has it: the proxies are this one, started again.
#[global_allocator]
static HEAP: heap::Wiping = heap::Wiping;

/// What a login survives.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// SIGKILL at random moments of continuous refreshes
    Kills {
        /// How many processes are killed
        #[arg(long, default_value_t = 2000)]
        kills: u64,
        /// How many state directories, side by side: each login waits for a TOTP step of its own
        #[arg(long, default_value_t = 48)]
        homes: usize,
        /// Accounts without a second factor, so that no login waits
        #[arg(long)]
        without_factor: bool,
    },
    /// Death at every step of disk and portal, and power cuts at random ones
    Cuts {
        /// How many power cuts at random steps
        #[arg(long, default_value_t = 1000)]
        random: u64,
    },
    /// Clients at the instant of expiry
    Crowd {
        /// How many proxies on one state directory
        #[arg(long, visible_alias = "replicas", default_value_t = 1)]
        processes: usize,
        /// Each with a directory of its own, on one Redis
        #[arg(long)]
        redis: bool,
        /// How many clients
        #[arg(long, default_value_t = 64)]
        clients: usize,
        /// How often the bearer expires
        #[arg(long, default_value_t = 1000)]
        expiries: u64,
    },
    /// A replica that is stopped in the middle of a refresh, with the lock, and goes on after another has taken over
    Paused {
        /// How often
        #[arg(long, default_value_t = 10)]
        times: u64,
    },
    /// An hour of refused passwords under traffic and restarts
    Lockout,
    /// A proxy as the other commands start it
    #[command(hide = true)]
    Child { file: PathBuf, behaviour: String },
    /// Traffic for long, while connections, the channel, tokens and the portal fail
    Soak {
        /// For how many minutes
        #[arg(long, default_value_t = 60.0)]
        minutes: f64,
        /// How many requests a second
        #[arg(long, default_value_t = 200)]
        rate: u32,
        /// How many of a hundred requests come with a fault
        #[arg(long, default_value_t = 1.0)]
        faults: f64,
    },
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that shows figures")]
fn main() -> ExitCode {
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let program = std::env::current_exe().expect("a program knows its path");
    let good = match Args::parse().command {
        What::Child { file, behaviour } => {
            let ended = runtime.block_on(world::be_a_child(&file, world::Behaviour::of(&behaviour)));
            ended.inspect_err(|error| eprintln!("{error}")).is_ok()
        }
        What::Kills { kills, homes, without_factor } => {
            let outcome = runtime.block_on(kills::run(&program, kills, homes, !without_factor));
            let counted = &outcome.counters;
            println!(
                "killed                          {} ({} before they were ready)",
                outcome.kills, outcome.early
            );
            println!("starts without a login          {} {:?}", outcome.lost.len(), outcome.lost);
            println!("refreshes at the portal         {}", counted.refreshed);
            println!("logins at the portal            {}", counted.logins);
            println!("spent refresh tokens seen again {}", counted.refresh_reuse_detected);
            println!("codes refused                   {}", counted.wrong_code);
            outcome.is_good()
        }
        What::Cuts { random } => {
            let runs = [
                ("totp, killed at every step", cuts::at_every_step(Who::Totp, Death::Process)),
                ("totp, power cut at every step", cuts::at_every_step(Who::Totp, Death::Power)),
                ("totp, power cuts at random", cuts::at_random(Who::Totp, Death::Power, random)),
                ("person, killed at every step", cuts::at_every_step(Who::Person, Death::Process)),
                ("person, power cuts at random", cuts::at_random(Who::Person, Death::Power, random)),
            ];
            for (name, outcome) in &runs {
                println!("{name:30} {outcome:?}");
            }
            runs.iter().enumerate().all(|(n, (_, outcome))| match n {
                0..=2 => {
                    outcome.recovered == outcome.deaths && outcome.reused == 0 && outcome.codes_twice == 0
                }
                _ => outcome.recovered + outcome.asked == outcome.deaths && outcome.more_than_one_try == 0,
            })
        }
        What::Crowd { processes, redis, clients, expiries } => {
            let shared = if redis { crowd::Shared::Redis } else { crowd::Shared::Directory };
            match runtime.block_on(crowd::run(&program, shared, processes, clients, expiries)) {
                Ok(outcome) => {
                    println!("{outcome:?}");
                    (outcome.not_one, outcome.errors, outcome.reused) == (0, 0, 0)
                }
                Err(error) => {
                    eprintln!("{error}");
                    false
                }
            }
        }
        What::Paused { times } => match runtime.block_on(paused::run(&program, times)) {
            Ok(outcome) => {
                println!("{outcome:?}");
                outcome.is_good()
            }
            Err(error) => {
                eprintln!("{error}");
                false
            }
        },
        What::Soak { minutes, rate, faults } => {
            let plan = soak::Plan {
                lasts: std::time::Duration::from_secs_f64(minutes * 60.0),
                rate,
                faults: faults / 100.0,
                ..soak::Plan::default()
            };
            match runtime.block_on(soak::run(&program, plan, |line| println!("{line}"))) {
                Ok(outcome) => {
                    println!("{outcome}");
                    outcome.is_good()
                }
                Err(error) => {
                    eprintln!("{error}");
                    false
                }
            }
        }
        What::Lockout => {
            let sent = lockout::passwords_sent(3600, None);
            println!("passwords sent in an hour of refusals, 60 restarts: {sent}");
            let killed: Vec<u64> = (1..=2).map(|step| lockout::passwords_sent(3600, Some(step))).collect();
            println!("the same, the first process killed in its login:    {killed:?}");
            sent == 1 && killed.iter().all(|sent| *sent <= 1)
        }
    };
    println!("{} in {:.1} s", if good { "good" } else { "NOT GOOD" }, begun.elapsed().as_secs_f64());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
