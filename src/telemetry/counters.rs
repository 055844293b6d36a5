//! What happened, as numbers: one set for each worker, added up when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is counted on the request path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Requests that came in.
    Requests,
    /// Answered by the proxy itself with a problem.
    Problems,
    /// Requests whose body went out sealed.
    Sealed,
    /// Client copies of credential headers that were dropped.
    CredentialsDropped,
    /// Requests sent again after a 401 and a newer bearer.
    ReplayedBearer,
    /// Requests sent again on a newer channel.
    ReplayedChannel,
    /// Paths learnt to need the channel.
    Learned,
    /// WebSocket tunnels opened.
    Tunnels,
    /// Bodies that streamed, and could not be sent again, for want of room to hold them.
    NotKept,
    /// Requests that failed for want of room to hold them or their answers.
    NoRoom,
    /// Answers and tunnels that ended with their bearer.
    ClosedAtExpiry,
}

impl Count {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Requests,
        Self::Problems,
        Self::Sealed,
        Self::CredentialsDropped,
        Self::ReplayedBearer,
        Self::ReplayedChannel,
        Self::Learned,
        Self::Tunnels,
        Self::NotKept,
        Self::NoRoom,
        Self::ClosedAtExpiry,
    ];

    /// The metric's name, without the suffix `_total` of OpenMetrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "portunus_requests",
            Self::Problems => "portunus_problems",
            Self::Sealed => "portunus_sealed_requests",
            Self::CredentialsDropped => "portunus_credential_headers_dropped",
            Self::ReplayedBearer => "portunus_replays_bearer",
            Self::ReplayedChannel => "portunus_replays_channel",
            Self::Learned => "portunus_paths_learned",
            Self::Tunnels => "portunus_tunnels",
            Self::NotKept => "portunus_bodies_not_kept",
            Self::NoRoom => "portunus_no_room",
            Self::ClosedAtExpiry => "portunus_closed_at_expiry",
        }
    }

    /// One line for whoever reads the metrics.
    pub fn help(self) -> &'static str {
        match self {
            Self::Requests => "Requests from local callers.",
            Self::Problems => "Requests that the proxy itself answered with a problem.",
            Self::Sealed => "Requests whose body went out sealed.",
            Self::CredentialsDropped => "Credential headers sent by callers, and dropped.",
            Self::ReplayedBearer => "Requests sent again with a newer bearer after a 401.",
            Self::ReplayedChannel => "Requests sent again on a newer secure channel.",
            Self::Learned => "Paths learnt to need the secure channel.",
            Self::Tunnels => "WebSocket tunnels opened.",
            Self::NotKept => "Bodies not kept to be sent again, for want of room in limits.held_bytes.",
            Self::NoRoom => "Requests that failed for want of room in limits.held_bytes.",
            Self::ClosedAtExpiry => "Answers and WebSocket tunnels that were closed when their bearer ended.",
        }
    }
}

/// One worker's numbers. Its own cache lines: two workers never write the same one.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters([AtomicU64; Count::ALL.len()]);

impl Counters {
    /// One more.
    pub fn add(&self, count: Count) {
        self.add_many(count, 1);
    }

    /// So many more.
    pub fn add_many(&self, count: Count, more: u64) {
        self.0[count as usize].fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self, count: Count) -> u64 {
        self.0[count as usize].load(Ordering::Relaxed)
    }
}

/// The sums over all workers.
#[derive(Debug, Clone, Default)]
pub struct Totals(Arc<Mutex<Vec<Arc<Counters>>>>);

impl Totals {
    /// A set for one more worker.
    pub fn for_worker(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counters));
        counters
    }

    /// What all workers counted so far.
    pub fn get(&self, count: Count) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|worker| worker.get(count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_are_the_sum_of_all_workers() {
        let totals = Totals::default();
        let (one, two) = (totals.for_worker(), totals.for_worker());
        one.add(Count::Requests);
        two.add_many(Count::Requests, 2);
        two.add(Count::Tunnels);
        assert_eq!((totals.get(Count::Requests), totals.get(Count::Tunnels)), (3, 1));
        assert_eq!(totals.get(Count::Problems), 0);
    }

    #[test]
    fn every_count_has_its_own_number_and_name() {
        for (number, count) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, number);
        }
        let mut names = Count::ALL.map(Count::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
