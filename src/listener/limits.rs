//! How much a caller may take, and the counters that say how much is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What the listener is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Open connections of the whole process, tunnels included; the next one hears 503.
    pub max_connections: usize,
    /// Requests of the whole process between their head and the last byte of their answer; the next hears 503.
    pub max_in_flight: usize,
    /// What `Retry-After` says in either 503; whole seconds.
    pub retry_after: Duration,
    /// Time from a connection's start, or from the first byte of a later head, to the end of that head.
    pub header_timeout: Duration,
    /// How long a connection may rest between two requests.
    pub keep_alive_timeout: Duration,
    /// How long a client may pause in the middle of a request's body; [`super::TimedBody`] holds it to that.
    pub body_idle_timeout: Duration,
    /// How long a client may take no byte of an answer that waits for it.
    pub write_timeout: Duration,
    /// Request line and header fields together, in bytes; one more is answered 431.
    pub max_head_bytes: usize,
    /// Header fields of one request; one more is answered 431.
    pub max_headers: usize,
    /// Read and write buffer of one HTTP/1 connection at most, in bytes. It grows to this under load only.
    pub max_buffer_bytes: usize,
    /// Concurrent streams of one HTTP/2 connection.
    pub max_streams: u32,
    /// Streams of one HTTP/2 connection that the client has reset before they were taken up; one more ends it.
    pub max_reset_streams: usize,
    /// Streams of one HTTP/2 connection that were reset for a fault of the client's; one more ends it.
    pub max_error_streams: usize,
    /// Interim answers (102, 103) passed on for one request; further ones are dropped.
    pub max_interim: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_in_flight: 256,
            retry_after: Duration::from_secs(1),
            header_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            body_idle_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            max_head_bytes: 64 * 1024,
            max_headers: 100,
            max_buffer_bytes: 256 * 1024,
            max_streams: 128,
            max_reset_streams: 20,
            max_error_streams: 128,
            max_interim: 16,
        }
    }
}

/// [`Settings`] with the counters they speak of; a clone shares the counters, so that all workers count as one.
#[derive(Debug, Clone)]
pub struct Limits {
    pub(super) settings: Arc<Settings>,
    connections: Arc<Gauge>,
    /// The most of them since it was last asked for.
    peak: Arc<AtomicUsize>,
    in_flight: Arc<Gauge>,
}

impl Limits {
    /// Nothing taken yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            connections: Arc::default(),
            peak: Arc::default(),
            in_flight: Arc::default(),
        }
    }

    /// The settings, for those who tell a person about them.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Connections open now, in all workers.
    pub fn open_connections(&self) -> usize {
        self.connections.0.load(Ordering::Relaxed)
    }

    /// The most connections that were open at a time since this was last asked.
    pub fn peak_connections(&self) -> usize {
        self.peak.swap(self.open_connections(), Ordering::Relaxed)
    }

    /// Requests in flight now, in all workers.
    pub fn in_flight(&self) -> usize {
        self.in_flight.0.load(Ordering::Relaxed)
    }

    pub(super) fn enter_connection(&self) -> Option<Permit> {
        let permit = Permit::take(&self.connections, self.settings.max_connections)?;
        self.peak.fetch_max(self.open_connections(), Ordering::Relaxed);
        Some(permit)
    }

    pub(super) fn enter_request(&self) -> bool {
        self.in_flight.try_add(self.settings.max_in_flight)
    }

    pub(super) fn leave_request(&self) {
        self.in_flight.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A counter on a cache line of its own: workers write it for each request.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Gauge(AtomicUsize);

impl Gauge {
    /// Adds first and looks afterwards, since one add is cheaper than a compare-and-swap; an add too many is
    /// taken back, so for an instant the gauge may show more than the cap.
    fn try_add(&self, cap: usize) -> bool {
        if self.0.fetch_add(1, Ordering::Relaxed) < cap {
            return true;
        }
        self.0.fetch_sub(1, Ordering::Relaxed);
        false
    }
}

/// One unit of a gauge, given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Gauge>);

impl Permit {
    fn take(gauge: &Arc<Gauge>, cap: usize) -> Option<Self> {
        gauge.try_add(cap).then(|| Self(Arc::clone(gauge)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_is_the_last_that_fits_and_clones_share_it() {
        let limits = Limits::new(Settings { max_connections: 2, max_in_flight: 1, ..Settings::default() });
        let other_worker = limits.clone();
        let first = limits.enter_connection();
        let second = other_worker.enter_connection();
        assert!(first.is_some() && second.is_some());
        assert!(limits.enter_connection().is_none());
        drop(second);
        assert!(limits.enter_connection().is_some());
        drop(first);
        assert_eq!((limits.peak_connections(), limits.open_connections()), (2, 0));
        assert_eq!(limits.peak_connections(), 0);

        assert!(limits.enter_request());
        assert!(!other_worker.enter_request());
        limits.leave_request();
        assert!(other_worker.enter_request());
    }
}
