//! Real processes, killed at random moments of continuous refreshes, and sometimes of their login.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use portal_sim::{Counters, Sim};

use crate::world::{Home, READY, simulator};

/// The life of a bearer at the simulator.
const ACCESS: Duration = Duration::from_millis(100);
/// Two TOTP steps, and time to start.
const PATIENCE: Duration = Duration::from_secs(90);
/// One start in so many is killed before it is ready, but never two in a row: what the portal has not answered
/// counts as an attempt, and three of those call for a person.
const EARLY: u32 = 6;

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Processes killed.
    pub kills: u64,
    /// How many of them before they were ready.
    pub early: u64,
    /// Starts that did not become ready by themselves, and why.
    pub lost: Vec<String>,
    /// What the simulator counted.
    pub counters: Counters,
}

impl Outcome {
    /// Whether every start came to a login by itself, and no token or code was used twice.
    pub fn is_good(&self) -> bool {
        self.lost.is_empty() && self.counters.refresh_reuse_detected == 0 && self.counters.wrong_code == 0
    }
}

/// Kills `kills` processes of `homes` state directories, which run side by side.
pub async fn run(program: &Path, kills: u64, homes: usize, totp: bool) -> Outcome {
    let sim = simulator(homes, totp, ACCESS).await;
    let (left, early) = (Arc::new(AtomicU64::new(kills)), Arc::new(AtomicU64::new(0)));
    let mut lives = tokio::task::JoinSet::new();
    for home in 0..homes {
        let (sim, program) = (sim.clone(), program.to_owned());
        let (left, early) = (Arc::clone(&left), Arc::clone(&early));
        lives.spawn(async move { one_home(&sim, &program, home, &left, &early).await });
    }
    let lost = lives.join_all().await.into_iter().filter_map(Result::err).collect();
    let outcome = Outcome { kills, early: early.load(Relaxed), lost, counters: sim.counters() };
    sim.stop().await;
    outcome
}

async fn one_home(
    sim: &Sim,
    program: &Path,
    person: usize,
    left: &AtomicU64,
    early: &AtomicU64,
) -> Result<(), String> {
    let failed = |what: &str| {
        let what = format!("person {person}: {what}");
        move |why: String| format!("{what}: {why}")
    };
    let home = Home::new(sim, person).map_err(|e| failed("no home")(e.to_string()))?;
    let mut may_be_early = false;
    while left.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_ok() {
        let mut proxy = home.start(program, true).map_err(|e| failed("no process")(e.to_string()))?;
        let is_early = may_be_early && rand::random_range(0..EARLY) == 0;
        if is_early {
            early.fetch_add(1, Relaxed);
        } else {
            proxy.says(READY, PATIENCE).await.map_err(failed("not ready"))?;
        }
        may_be_early = !is_early;
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..300))).await;
        proxy.kill().await.map_err(|e| failed("not killed")(e.to_string()))?;
    }
    // After the last kill as well.
    let mut proxy = home.start(program, true).map_err(|e| failed("no process")(e.to_string()))?;
    proxy.says(READY, PATIENCE).await.map_err(failed("not ready at the end"))?;
    proxy.kill().await.map_err(|e| failed("not killed")(e.to_string()))
}
