//! Notices that the machine slept: no connection that was open before is trusted after it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::{Clock, SystemClock};

/// The clock that a sleep does not stop, held against the one that it does (`CLOCK_BOOTTIME`, `CLOCK_MONOTONIC`).
#[derive(Debug)]
pub(super) struct Wakes {
    begun: Instant,
    /// When it was looked at last, by the boot clock, in milliseconds.
    looked: AtomicU64,
    /// How far the boot clock is ahead of the time since `begun`, in milliseconds: it grows by each sleep.
    ahead: AtomicU64,
}

/// Who was looked at so short a time ago has not slept long enough to matter.
const OFTEN: u64 = 1_000;

/// A sleep shorter than this is lived through: connections outlast it. In milliseconds.
const SHORT: u64 = 2_000;

impl Wakes {
    pub(super) fn new() -> Self {
        let (begun, boot) = (Instant::now(), SystemClock.since_boot());
        Self { begun, looked: AtomicU64::new(millis(boot)), ahead: AtomicU64::new(millis(boot)) }
    }

    /// Whether the machine slept since the last look. Each sleep is told once.
    pub(super) fn slept(&self) -> bool {
        self.slept_by(SystemClock.since_boot(), || self.begun.elapsed())
    }

    fn slept_by(&self, boot: Duration, awake: impl FnOnce() -> Duration) -> bool {
        let boot = millis(boot);
        if boot.saturating_sub(self.looked.swap(boot, Ordering::Relaxed)) < OFTEN {
            return false;
        }
        let ahead = boot.saturating_sub(millis(awake()));
        ahead.saturating_sub(self.ahead.swap(ahead, Ordering::Relaxed)) >= SHORT
    }

    /// As if the machine had slept for so long.
    #[cfg(test)]
    pub(super) fn pretend(&self, slept: Duration) {
        for time in [&self.looked, &self.ahead] {
            let earlier = time.load(Ordering::Relaxed).saturating_sub(millis(slept));
            time.store(earlier, Ordering::Relaxed);
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn time_that_only_the_boot_clock_counted_was_slept_through() {
        let wakes = Wakes { begun: Instant::now(), looked: AtomicU64::new(0), ahead: AtomicU64::new(0) };
        assert!(!wakes.slept_by(secs(600), || secs(600)), "ten idle minutes are no sleep");
        assert!(wakes.slept_by(secs(600 + 8 * 3600), || secs(600)), "eight hours under the lid");
        assert!(!wakes.slept_by(secs(700 + 8 * 3600), || secs(700)), "told once");
        assert!(!wakes.slept_by(secs(711 + 8 * 3600), || secs(710)), "one second is lived through");
        assert!(wakes.slept_by(secs(723 + 8 * 3600), || secs(720)), "two seconds are not");
    }
}
