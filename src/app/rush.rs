//! Gives memory back: once after the start, of the code that is not needed again, and after each rush. Whoever waits for
//! a login holds a connection, and hundreds of them some MiB, which the allocator would keep for ever.

use std::time::Duration;

use crate::listener::Limits;

/// How often is looked, and so how often memory is given back at most.
const EVERY: Duration = Duration::from_secs(30);
/// A peak with fewer connections than this is no rush: they take about 13 KiB each (docs/performance.md).
const WORTHWHILE: usize = 64;

/// When the start is over: whoever came at once has been served by then, and used what is used again.
const STARTED: Duration = Duration::from_millis(250);

/// Looks until it is dropped. On the control runtime: giving back takes milliseconds, which no request has to wait for.
pub(super) async fn give_back_after(limits: Limits) {
    tokio::time::sleep(STARTED).await;
    let bytes = heap::give_back_code();
    heap::give_back();
    tracing::debug!(bytes, "the start is over: its code and what is free are given back");
    let mut rush = Rush::default();
    loop {
        tokio::time::sleep(EVERY).await;
        let open = limits.open_connections();
        if rush.is_over(limits.peak_connections(), open) {
            let gave = heap::give_back();
            tracing::debug!(open, gave, "a rush is over: free memory is given back");
        }
    }
}

/// The most connections since memory was given back.
#[derive(Debug, Default)]
struct Rush {
    peak: usize,
}

impl Rush {
    /// Whether no more than half of the peak is left; then the next one begins. `since` is the most that there were
    /// since the last look, `open` what there is now.
    fn is_over(&mut self, since: usize, open: usize) -> bool {
        self.peak = self.peak.max(since).max(open);
        let is_over = self.peak >= WORTHWHILE && open <= self.peak / 2;
        if is_over {
            self.peak = open;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_is_over_when_half_of_it_has_gone_and_then_once() {
        let mut rush = Rush::default();
        assert!(!rush.is_over(400, 400));
        assert!(!rush.is_over(400, 201), "more than half is still there");
        assert!(rush.is_over(201, 200));
        assert!(!rush.is_over(200, 200), "once for each");
        assert!(!rush.is_over(200, 101));
        assert!(rush.is_over(101, 0));
        assert!(!rush.is_over(0, 0));
    }

    #[test]
    fn a_peak_between_two_looks_counts_and_a_small_one_does_not() {
        let mut rush = Rush::default();
        assert!(!rush.is_over(WORTHWHILE - 1, 0));
        assert!(rush.is_over(WORTHWHILE, 0));
    }
}
