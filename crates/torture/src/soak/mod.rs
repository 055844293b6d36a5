//! Traffic for long, while connections, the channel, tokens and the portal fail.
//!
//! The proxy is a process of its own, so that its memory and its descriptors are its alone; the simulator and
//! the callers are this one. Whatever comes to the portal may bring a fault along: a client's request, its
//! repetition, or a call of the proxy's own.

mod ask;
mod client;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portal_sim::{Counters, Fault};
use rand::RngExt;
use tokio::time::{Instant, MissedTickBehavior};

use self::ask::{Ask, ONCE, Verdict};
use self::client::Callers;
use crate::world::{Behaviour, Home, LISTENS, Proxy, READY, simulator};

/// What is done, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// For how long there is traffic.
    pub lasts: Duration,
    /// Requests a second.
    pub rate: u32,
    /// The part of all requests at the portal that come with a fault, 0 to 1.
    pub faults: f64,
    /// The longest download, in bytes. One that is longer than `upstream.whole_answer` streams, and cannot be
    /// asked for again once it breaks.
    pub longest_download: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { lasts: Duration::from_secs(3600), rate: 200, faults: 0.01, longest_download: 256 * 1024 }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Requests that may be processed twice, and how many of them got the portal's own answer.
    pub idempotent: Share,
    /// Requests that must not be, and how many of them got the portal's own answer.
    pub once: Share,
    /// How many of the portal's answers were its own 503.
    pub busy: u64,
    /// Answers that looked good and were not, and what they were.
    pub wrong: Vec<String>,
    /// Requests that must not be processed twice and were.
    pub duplicates: u64,
    /// What clients saw in place of the portal's answer, and how often.
    pub lost: BTreeMap<String, u64>,
    /// Faults that befell a request, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// What the simulator counted.
    pub counters: Counters,
    /// The proxy after the first traffic, and after the last.
    pub base: Weight,
    /// At the end.
    pub end: Weight,
}

/// How many of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// All of them.
    pub all: u64,
    /// Those that got the portal's own answer.
    pub answered: u64,
}

impl Share {
    fn missed(self) -> u64 {
        self.all - self.answered
    }
}

/// What the proxy's process weighs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    /// Resident bytes.
    pub resident: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// By how much the resident memory may have grown: what an allocator keeps for later.
const SLACK: u64 = 8 << 20;

impl Outcome {
    /// Whether all that is promised was kept.
    pub fn is_good(&self) -> bool {
        let missed = self.idempotent.missed();
        self.wrong.is_empty()
            && self.duplicates == 0
            && missed <= (self.idempotent.all / 10_000).max(1)
            && self.end.descriptors <= self.base.descriptors
            && self.end.resident <= self.base.resident + SLACK
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let percent = |share: Share| share.answered as f64 * 100.0 / share.all.max(1) as f64;
        writeln!(f, "wrong answers                   {} {:?}", self.wrong.len(), self.wrong)?;
        writeln!(f, "duplicate POSTs                 {}", self.duplicates)?;
        for (name, share) in [("idempotent", self.idempotent), ("other", self.once)] {
            let Share { all, answered } = share;
            writeln!(f, "{name:10} answered by portal   {answered} of {all} ({:.4} %)", percent(share))?;
        }
        writeln!(f, "of them the portal's own 503    {}", self.busy)?;
        writeln!(f, "instead of an answer            {:?}", self.lost)?;
        writeln!(f, "faults that befell a request    {:?}", self.faults)?;
        let counted = &self.counters;
        writeln!(
            f,
            "logins, refreshes, channels     {} {} {}",
            counted.logins, counted.refreshed, counted.session
        )?;
        writeln!(f, "spent refresh tokens seen again {}", counted.refresh_reuse_detected)?;
        let (base, end) = (self.base, self.end);
        writeln!(f, "resident memory, MiB            {:.1} -> {:.1}", mib(base.resident), mib(end.resident))?;
        write!(f, "descriptors                     {} -> {}", base.descriptors, end.descriptors)
    }
}

/// What the callers have seen so far.
#[derive(Debug, Default)]
struct Seen {
    idempotent: Share,
    once: Share,
    busy: u64,
    wrong: Vec<String>,
    lost: BTreeMap<String, u64>,
    under_way: u64,
}

impl Seen {
    fn note(&mut self, ask: &Ask, verdict: Verdict) {
        self.under_way -= 1;
        let share = if ask.is_idempotent() { &mut self.idempotent } else { &mut self.once };
        share.all += 1;
        match verdict {
            Verdict::Portals { busy } => {
                share.answered += 1;
                self.busy += u64::from(busy);
            }
            Verdict::Lost(how) => *self.lost.entry(format!("{}: {how}", ask.name())).or_default() += 1,
            Verdict::Wrong(how) => self.wrong.push(format!("{ask:?}: {how}")),
        }
    }
}

/// Stalls are given up, and idle connections closed, within seconds.
const PORTAL: &str = "head_timeout = \"2s\"\nbody_idle_timeout = \"2s\"\nidle_timeout = \"1s\"";
const LIMITS: &str = "connections = 8192\nin_flight = 8192\nwaiting = 8192";
const SEALED: &str = "path = \"/web/v1/tenant/transfer\"\nprotect = \"sealed\"\nreplay = \"buffered\"";

/// Does as `plan` says, and tells `say` a line a minute.
///
/// # Errors
/// What could not be started.
pub async fn run(program: &Path, plan: Plan, mut say: impl FnMut(String)) -> Result<Outcome, String> {
    let sim = simulator(1, false, Duration::from_secs(120)).await;
    let sections = [("upstream", PORTAL), ("limits", LIMITS), ("[route]", SEALED)];
    let home = Home::with(&sim, 0, &sections).map_err(|e| e.to_string())?;
    let mut proxy = home.start_as(program, Behaviour::IsCalm).map_err(|e| e.to_string())?;
    let address = proxy.says(LISTENS, PATIENCE).await?;
    proxy.says(READY, PATIENCE).await?;
    let (callers, seen) = (Arc::new(Callers::new(&address)), Arc::new(Mutex::new(Seen::default())));

    // The base is a proxy that has seen traffic, and has none now.
    let mut traffic = Traffic { plan, callers, seen: Arc::clone(&seen), number: 0 };
    let warm = (plan.lasts / 20).clamp(Duration::from_secs(2), Duration::from_secs(60));
    traffic.flow(warm, |_| ()).await;
    let base = at_rest(&proxy, None).await?;
    let begun = Instant::now();
    let mut minutes = 0;
    sim.faults_by_chance(plan.faults, some_fault);
    traffic
        .flow(plan.lasts, |traffic| {
            let elapsed = begun.elapsed().as_secs() / 60;
            if elapsed > minutes {
                minutes = elapsed;
                let seen = lock(&traffic.seen);
                let weight = weight(&proxy).unwrap_or_default();
                say(format!(
                    "{minutes:3} min: {} asked, {} lost ({} idempotent), {} wrong, {} MiB, {} descriptors",
                    seen.idempotent.all + seen.once.all,
                    seen.lost.values().sum::<u64>(),
                    seen.idempotent.missed(),
                    seen.wrong.len(),
                    weight.resident >> 20,
                    weight.descriptors
                ));
            }
        })
        .await;
    sim.clear_faults();
    let end = at_rest(&proxy, Some(base)).await?;
    proxy.kill().await.map_err(|e| e.to_string())?;
    let counters = sim.counters();
    let duplicates = counters.repeated.keys().filter(|id| id.starts_with(ONCE)).count() as u64;
    let faults = counters.faults_by_name.clone();
    sim.stop().await;
    let seen = std::mem::take(&mut *lock(&seen));
    let Seen { idempotent, once, busy, wrong, lost, under_way: _ } = seen;
    Ok(Outcome { idempotent, once, busy, wrong, duplicates, lost, faults, counters, base, end })
}

const PATIENCE: Duration = Duration::from_secs(60);

struct Traffic {
    plan: Plan,
    callers: Arc<Callers>,
    seen: Arc<Mutex<Seen>>,
    number: u64,
}

impl Traffic {
    /// Requests at their rate, whether or not the ones before are answered; then until all are.
    async fn flow(&mut self, lasts: Duration, mut each: impl FnMut(&Self)) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / self.plan.rate.max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            ticks.tick().await;
            self.number += 1;
            let ask = Ask::draw(self.number, self.plan.longest_download);
            let (callers, seen) = (Arc::clone(&self.callers), Arc::clone(&self.seen));
            lock(&seen).under_way += 1;
            tokio::spawn(async move {
                let verdict = ask.judge(callers.ask(ask.request()).await);
                lock(&seen).note(&ask, verdict);
            });
            each(self);
        }
        while lock(&self.seen).under_way > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.callers.leave();
    }
}

/// What goes wrong: of a hundred, 45 times the connection, 20 times the portal, 15 times its pace, 20 times what
/// the proxy holds.
fn some_fault() -> Fault {
    match rand::rng().random_range(0..100) {
        0..12 => Fault::ResetConnection { processed: false },
        12..24 => Fault::ResetConnection { processed: true },
        24..32 => Fault::CloseMidBody,
        32..40 => Fault::StallBody,
        40..45 => Fault::CloseIdle,
        45..65 => Fault::Status(503),
        // Longer than the proxy waits for a head.
        65..70 => Fault::Delay(Duration::from_secs(3)),
        70..80 => Fault::Delay(Duration::from_millis(300)),
        80..86 => Fault::DropChannels,
        86..88 => Fault::RotateRsaKey,
        88..96 => Fault::ExpireTokens,
        96..99 => Fault::RevokeTokens,
        _ => Fault::CorruptTag,
    }
}

/// The proxy's weight once nothing is under way and idle connections have been closed: as soon as it is no more
/// than `base`, or after some time.
async fn at_rest(proxy: &Proxy, base: Option<Weight>) -> Result<Weight, String> {
    let deadline = Instant::now() + if base.is_some() { AFTER_A_RUSH } else { REST };
    loop {
        let now = weight(proxy)?;
        let is_back = base
            .is_some_and(|base| now.descriptors <= base.descriptors && now.resident <= base.resident + SLACK);
        if is_back || Instant::now() >= deadline {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// More than twice the time that an idle connection to the portal is kept.
const REST: Duration = Duration::from_secs(3);
/// Twice the time after which a rush is looked for, and its memory given back (src/app/rush.rs).
const AFTER_A_RUSH: Duration = Duration::from_secs(65);

fn weight(proxy: &Proxy) -> Result<Weight, String> {
    let (resident, descriptors) = proxy.weight().map_err(|e| format!("the proxy's process: {e}"))?;
    Ok(Weight { resident, descriptors })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
