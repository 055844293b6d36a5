//! What a session counts, and how it notices that a clock jumped.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use super::Settings;
use crate::clock::Clock;

/// What a session has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Logins completed.
    pub logins: u64,
    /// Logins that ended in an error.
    pub logins_failed: u64,
    /// Refreshes that gave a new pair.
    pub refreshes: u64,
    /// Refreshes that did not.
    pub refreshes_failed: u64,
    /// Channels opened.
    pub channels_opened: u64,
    /// Channels that could not be opened.
    pub channels_failed: u64,
    /// Times that a clock was set, or that the machine slept.
    pub clock_jumps: u64,
    /// Times that the store could not be read or written.
    pub store_failures: u64,
    /// Whether the pair in use is not in the store: a crash now would lose it.
    pub unsaved: bool,
    /// How many backup codes were left in their source when one was last taken, if one was.
    pub backup_codes_left: Option<u64>,
    /// Whether the store cannot be reached for now.
    pub store_away: bool,
}

/// The counters as they are counted.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) logins: AtomicU64,
    pub(super) logins_failed: AtomicU64,
    pub(super) refreshes: AtomicU64,
    pub(super) refreshes_failed: AtomicU64,
    pub(super) channels_opened: AtomicU64,
    pub(super) channels_failed: AtomicU64,
    pub(super) store_failures: AtomicU64,
    pub(super) unsaved: AtomicBool,
    /// [`UNKNOWN`] until a source was asked.
    pub(super) backup_codes_left: AtomicU64,
}

/// No source holds as many codes.
const UNKNOWN: u64 = u64::MAX;

impl Default for Tally {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self {
            logins: zero(),
            logins_failed: zero(),
            refreshes: zero(),
            refreshes_failed: zero(),
            channels_opened: zero(),
            channels_failed: zero(),
            store_failures: zero(),
            unsaved: AtomicBool::default(),
            backup_codes_left: AtomicU64::new(UNKNOWN),
        }
    }
}

impl Tally {
    pub(super) fn snapshot(&self, jumps: &Jumps) -> Counters {
        Counters {
            logins: self.logins.load(Relaxed),
            logins_failed: self.logins_failed.load(Relaxed),
            refreshes: self.refreshes.load(Relaxed),
            refreshes_failed: self.refreshes_failed.load(Relaxed),
            channels_opened: self.channels_opened.load(Relaxed),
            channels_failed: self.channels_failed.load(Relaxed),
            clock_jumps: jumps.count(),
            store_failures: self.store_failures.load(Relaxed),
            unsaved: self.unsaved.load(Relaxed),
            backup_codes_left: Some(self.backup_codes_left.load(Relaxed)).filter(|left| *left != UNKNOWN),
            store_away: false,
        }
    }
}

/// Counts one more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Notices sleeps and set clocks: somebody looks at least once per heartbeat, so a longer gap by the boot clock
/// is time that nobody was awake for, and a wall clock that moved otherwise than the boot clock was set.
#[derive(Debug)]
pub(super) struct Jumps {
    looked_ms: AtomicU64,
    offset_ms: AtomicI64,
    count: AtomicU64,
    longest_gap: Duration,
    tolerance: Duration,
}

impl Jumps {
    pub(super) fn new(clock: &dyn Clock, settings: &Settings) -> Self {
        Self {
            looked_ms: AtomicU64::new(millis(clock.since_boot())),
            offset_ms: AtomicI64::new(offset_ms(clock)),
            count: AtomicU64::new(0),
            longest_gap: settings.heartbeat.saturating_add(settings.clock_tolerance),
            tolerance: settings.clock_tolerance,
        }
    }

    /// Whether a clock jumped since the last look. Each jump is told to one looker.
    pub(super) fn look(&self, clock: &dyn Clock) -> bool {
        let (now, offset) = (millis(clock.since_boot()), offset_ms(clock));
        let drift = offset.abs_diff(self.offset_ms.load(Relaxed));
        // A request a microsecond after another has nothing to report, and should not share its cache line.
        if now.saturating_sub(self.looked_ms.load(Relaxed)) < 1000 && drift < 1000 {
            return false;
        }
        let slept = now.saturating_sub(self.looked_ms.swap(now, Relaxed)) > millis(self.longest_gap);
        let set = offset.abs_diff(self.offset_ms.swap(offset, Relaxed)) > millis(self.tolerance);
        if slept || set {
            count(&self.count);
        }
        slept || set
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn offset_ms(clock: &dyn Clock) -> i64 {
    let wall = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(millis(wall)).unwrap_or(i64::MAX).saturating_sub_unsigned(millis(clock.since_boot()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn jumps() -> (ManualClock, Jumps) {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let jumps = Jumps::new(&clock, &Settings::default());
        (clock, jumps)
    }

    #[test]
    fn a_gap_of_heartbeat_and_tolerance_is_no_jump_and_a_second_more_is() {
        let (clock, jumps) = jumps();
        clock.advance(Duration::from_secs(45));
        assert!(!jumps.look(&clock));
        clock.advance(Duration::from_secs(46));
        assert!(jumps.look(&clock));
        assert!(!jumps.look(&clock), "told once");
        assert_eq!(jumps.count(), 1);
    }

    #[test]
    fn a_clock_set_by_more_than_the_tolerance_is_a_jump_either_way() {
        let (clock, jumps) = jumps();
        clock.set_wall(clock.wall() + Duration::from_secs(30));
        assert!(!jumps.look(&clock));
        clock.set_wall(clock.wall() - Duration::from_secs(31));
        assert!(jumps.look(&clock));
        clock.set_wall(clock.wall() + Duration::from_secs(3600));
        assert!(jumps.look(&clock));
    }
}
