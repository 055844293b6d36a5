//! The end of a life by both clocks: whichever says that it has passed is believed.

use std::time::{Duration, SystemTime};

use crate::clock::Clock;

/// A moment by the wall clock and by the boot clock. A laptop's sleep stops neither; a wall clock that was set
/// back does not lengthen a life, and one that was set forward shortens it, which costs a refresh and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) wall: SystemTime,
    pub(super) boot: Duration,
}

impl Deadline {
    /// `span` from now.
    pub(super) fn after(clock: &dyn Clock, span: Duration) -> Self {
        let now = Self { wall: clock.wall(), boot: clock.since_boot() };
        now.plus(span)
    }

    /// At `wall`, as far away by the boot clock as by the wall clock now.
    pub(super) fn at(clock: &dyn Clock, wall: SystemTime) -> Self {
        // In this order: a thread that is held up between the two makes the deadline earlier, never later.
        let now = clock.since_boot();
        let span = wall.duration_since(clock.wall()).unwrap_or_default();
        Self { wall, boot: now.saturating_add(span) }
    }

    /// The same moment `span` later; as late as can be told, if that is later than can be told.
    pub(super) fn plus(self, span: Duration) -> Self {
        let span = span.min(LONGEST_LIFE);
        Self { wall: self.wall.checked_add(span).unwrap_or(self.wall), boot: self.boot.saturating_add(span) }
    }

    /// The same moment `span` earlier.
    pub(super) fn minus(self, span: Duration) -> Self {
        let wall = self.wall.checked_sub(span).unwrap_or(SystemTime::UNIX_EPOCH);
        Self { wall, boot: self.boot.saturating_sub(span) }
    }

    /// How long until the first of the two clocks reaches it.
    pub(super) fn left(&self, clock: &dyn Clock) -> Duration {
        let by_wall = self.wall.duration_since(clock.wall()).unwrap_or_default();
        by_wall.min(self.boot.saturating_sub(clock.since_boot()))
    }

    /// Whether either clock has reached it.
    pub(super) fn passed(&self, clock: &dyn Clock) -> bool {
        clock.wall() >= self.wall || clock.since_boot() >= self.boot
    }
}

/// A portal that says `expiresIn: 18446744073709551615` means "long", and must not overflow a clock.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How long before its end a life counts as over (ruling 17): a tenth, and at most `most`.
pub(super) fn margin(life: Duration, most: Duration) -> Duration {
    (life / 10).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const MINUTE: Duration = Duration::from_secs(60);

    fn clock() -> ManualClock {
        ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
    }

    #[test]
    fn whichever_clock_says_so_first_is_believed() {
        let clock = clock();
        let deadline = Deadline::after(&clock, MINUTE);
        assert!(!deadline.passed(&clock));
        clock.set_wall(clock.wall() + MINUTE);
        assert!(deadline.passed(&clock), "the wall was set forward");
        clock.set_wall(clock.wall() - 60 * MINUTE);
        assert!(!deadline.passed(&clock));
        clock.advance(MINUTE);
        assert!(deadline.passed(&clock), "a wall set back does not lengthen the life");
    }

    #[test]
    fn margins_scale_with_the_life_up_to_their_most() {
        assert_eq!(margin(Duration::from_secs(4), MINUTE), Duration::from_millis(400));
        assert_eq!(margin(10 * MINUTE, MINUTE), MINUTE);
        assert_eq!(margin(11 * MINUTE, MINUTE), MINUTE);
    }

    #[test]
    fn an_absurd_life_does_not_overflow() {
        let clock = clock();
        let deadline = Deadline::after(&clock, Duration::MAX);
        assert_eq!(deadline.left(&clock), LONGEST_LIFE);
    }
}
