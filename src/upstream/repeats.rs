//! How many requests may be sent once more because their answer was lost: a share of all, so that a portal in
//! trouble is not asked twice by everybody (SECURITY section 9).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// One worker's budget. A request costs it one addition; the rest is reckoned when something is lost.
#[derive(Debug)]
pub(super) struct Repeats {
    /// How many may be repeated of a hundred.
    percent: u64,
    requests: AtomicU64,
    saved: Mutex<Saved>,
}

/// Hundredths of repeats, so that the share of one request is a whole number.
#[derive(Debug)]
struct Saved {
    hundredths: u64,
    /// How many requests have brought their share.
    requests: u64,
}

/// What is saved at most, and what there is at the start, in repeats.
const MOST_SAVED: u64 = 100;

impl Repeats {
    pub(super) fn new(percent: u32) -> Self {
        let saved = Saved { hundredths: MOST_SAVED * 100, requests: 0 };
        Self { percent: percent.into(), requests: AtomicU64::new(0), saved: Mutex::new(saved) }
    }

    /// The same share for another worker.
    pub(super) fn anew(&self) -> Self {
        Self::new(u32::try_from(self.percent).unwrap_or(u32::MAX))
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one repeat, if there is one.
    pub(super) fn take(&self) -> bool {
        if self.percent == 0 {
            return false;
        }
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = self.requests.load(Ordering::Relaxed);
        let share = requests.saturating_sub(saved.requests).saturating_mul(self.percent);
        saved.requests = requests;
        saved.hundredths = saved.hundredths.saturating_add(share).min(MOST_SAVED * 100);
        let Some(left) = saved.hundredths.checked_sub(100) else { return false };
        saved.hundredths = left;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_spent_and_the_next_one_waits_for_its_share() {
        let repeats = Repeats::new(10);
        for n in 0..MOST_SAVED {
            assert!(repeats.take(), "{n}");
        }
        assert!(!repeats.take(), "one more");
        for _ in 0..9 {
            repeats.count_request();
        }
        assert!(!repeats.take(), "nine requests bring no whole repeat");
        repeats.count_request();
        assert!(repeats.take(), "ten do");
        assert!(!repeats.take());
    }

    #[test]
    fn no_more_is_saved_than_may_be() {
        let repeats = Repeats::new(50);
        for _ in 0..10_000 {
            repeats.count_request();
        }
        assert_eq!((0..200).filter(|_| repeats.take()).count() as u64, MOST_SAVED);
    }

    #[test]
    fn a_share_of_nothing_repeats_nothing() {
        assert!(!Repeats::new(0).take());
    }
}
