//! The portal's clock, as far as its answers tell it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::Skew;
use crate::clock::Clock;

/// What time it is at the portal. Anchored to the boot clock when an answer tells it, so that a wall clock set
/// afterwards changes nothing; the wall clock before that.
#[derive(Debug, Default)]
pub(crate) struct PortalTime(Mutex<Option<Anchor>>);

#[derive(Debug, Clone, Copy)]
struct Anchor {
    portal: SystemTime,
    boot: Duration,
}

impl PortalTime {
    /// Learns from an answer that came just now.
    pub(crate) fn learn(&self, clock: &dyn Clock, skew: Option<Skew>) {
        let Some(Skew(seconds)) = skew else { return };
        let (wall, ahead) = (clock.wall(), Duration::from_secs(seconds.unsigned_abs()));
        let portal = if seconds < 0 { wall.checked_sub(ahead) } else { wall.checked_add(ahead) };
        // A date before dates is no news.
        let Some(portal) = portal.filter(|portal| *portal > SystemTime::UNIX_EPOCH) else { return };
        *self.anchor() = Some(Anchor { portal, boot: clock.since_boot() });
    }

    /// The time at the portal now.
    pub(crate) fn now(&self, clock: &dyn Clock) -> SystemTime {
        let anchor = *self.anchor();
        let told = anchor.and_then(|a| a.portal.checked_add(clock.since_boot().saturating_sub(a.boot)));
        told.unwrap_or_else(|| clock.wall())
    }

    fn anchor(&self) -> std::sync::MutexGuard<'_, Option<Anchor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn the_portals_time_survives_a_wall_clock_that_is_set() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let (clock, time) = (ManualClock::at(start), PortalTime::default());
        assert_eq!(time.now(&clock), start, "the wall, before anything is known");
        time.learn(&clock, Some(Skew(-600)));
        assert_eq!(time.now(&clock), start - Duration::from_secs(600));
        time.learn(&clock, None);
        clock.set_wall(start - Duration::from_secs(600));
        clock.advance(Duration::from_secs(5));
        assert_eq!(time.now(&clock), start - Duration::from_secs(595));
        time.learn(&clock, Some(Skew(i64::MIN)));
        assert_eq!(time.now(&clock), start - Duration::from_secs(595), "an absurd date is no news");
    }
}
