//! Pauses: after failures, and between complaints.

use std::time::Duration;

use rand::RngExt;

/// Doubling pauses with jitter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most: most.max(first), failures: 0 }
    }

    /// The pause after one more failure: at random between the first pause and the doubled one, so that many
    /// who failed together do not come back together.
    pub(super) fn after_failure(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let ceiling = self.first.saturating_mul(1 << self.failures.min(20)).min(self.most);
        rand::rng().random_range(self.first..=ceiling)
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A token bucket by the boot clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    burst: f64,
    per_second: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(burst: u32, per_minute: u32, now: Duration) -> Self {
        let burst = f64::from(burst);
        Self { burst, per_second: f64::from(per_minute.max(1)) / 60.0, level: burst, at: now }
    }

    /// Takes one, or says how long until there is one.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let gained = now.saturating_sub(self.at).as_secs_f64() * self.per_second;
        self.level = (self.level + gained).min(self.burst);
        self.at = now;
        if self.level < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.level) / self.per_second));
        }
        self.level -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_grow_to_their_most_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        for ceiling in [2, 4, 8, 16, 32, 60, 60] {
            let pause = backoff.after_failure();
            assert!(pause >= SECOND && pause <= ceiling * SECOND, "{pause:?} of at most {ceiling} s");
        }
        backoff.reset();
        assert!(backoff.after_failure() <= 2 * SECOND);
    }

    #[test]
    fn a_most_below_the_first_is_no_panic() {
        assert_eq!(Backoff::new(SECOND, Duration::ZERO).after_failure(), SECOND);
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(2, 60, SECOND);
        assert_eq!(bucket.take(SECOND), Ok(()));
        assert_eq!(bucket.take(SECOND), Ok(()));
        assert_eq!(bucket.take(SECOND), Err(SECOND));
        assert_eq!(bucket.take(2 * SECOND), Ok(()));
        assert!(bucket.take(2 * SECOND).is_err());
    }
}
