//! The control block of one connection, and the register in which a worker keeps them.
//!
//! Time-outs cost a request no timer and no clock: a connection stamps what happens with the register's coarse
//! time, and a sweep looks at all stamps a few times a second. That makes a time-out late by two ticks at most,
//! and never early.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::interim::Hints;
use super::limits::Permit;
use super::{Malformed, Settings};

/// What a connection has been told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    /// Go on.
    Serve,
    /// Finish what runs, then end.
    Drain,
    /// End now.
    Leave,
}

/// The state of one connection, written by its task and read by the sweep.
#[derive(Debug)]
pub(super) struct Control {
    time: Arc<CoarseTime>,
    order: AtomicU8,
    waker: OnceLock<Waker>,
    /// Requests between head and the end of their answer; more than one under HTTP/2 only.
    requests: AtomicU32,
    /// When the present phase began: the wait for a head, the rest between requests.
    since: AtomicU64,
    /// Whether a head is being waited for, as opposed to resting.
    in_head: AtomicBool,
    /// Whether frames, not heads, arrive: a PING is no beginning of a head.
    multiplexed: AtomicBool,
    /// Whether HTTP has ended here and a tunnel begun, on which the listener puts no clock.
    tunnel: AtomicBool,
    /// How many requests have begun.
    begun: AtomicU64,
    /// The first request with a fault that only its bytes show, by its number, and the fault.
    malformed: OnceLock<(u64, Malformed)>,
    /// Since when the client takes nothing; `NEVER` if it does.
    write_blocked: AtomicU64,
    /// Interim answers on their way to the socket.
    hints: Hints,
}

const NEVER: u64 = u64::MAX;

impl Control {
    fn new(time: Arc<CoarseTime>) -> Self {
        let now = time.now();
        Self {
            time,
            order: AtomicU8::new(Order::Serve as u8),
            waker: OnceLock::new(),
            requests: AtomicU32::new(0),
            since: AtomicU64::new(now),
            in_head: AtomicBool::new(true),
            multiplexed: AtomicBool::new(false),
            tunnel: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            malformed: OnceLock::new(),
            write_blocked: AtomicU64::new(NEVER),
            hints: Hints::default(),
        }
    }

    /// The order as it stands. The first call leaves the waker by which a new order is announced: the
    /// connection is a task of its own, so that its waker never changes.
    pub(super) fn order(&self, waker: &Waker) -> Order {
        if self.waker.get().is_none() {
            // Only this task sets it.
            let _ = self.waker.set(waker.clone());
        }
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Drain,
            _ => Order::Leave,
        }
    }

    /// Gives an order; one that stands is never weakened.
    pub(super) fn give(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.wake();
    }

    /// Has the connection's task look around.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    pub(super) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// The number of the request that has begun last, counted from 1.
    pub(super) fn latest_request(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// A tunnel over HTTP/2 counts as a request that has not ended; [`Control::request_ended`] ends it.
    pub(super) fn tunnel_began(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A request begins; what is wrong with its bytes, if anything.
    pub(super) fn request_began(&self) -> Option<Malformed> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        // Only this connection's task counts here.
        let number = self.begun.load(Ordering::Relaxed) + 1;
        self.begun.store(number, Ordering::Relaxed);
        // Nothing that comes after a fault on the same connection can be trusted.
        self.malformed.get().filter(|(from, _)| number >= *from).map(|(_, fault)| *fault)
    }

    /// That request has a fault. The first stands: its answer ends the connection.
    pub(super) fn is_malformed(&self, request: u64, fault: Malformed) {
        let _ = self.malformed.set((request, fault));
    }

    pub(super) fn request_ended(&self) {
        self.since.store(self.time.now(), Ordering::Relaxed);
        self.in_head.store(false, Ordering::Relaxed);
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }

    /// Bytes have arrived.
    pub(super) fn bytes_read(&self) {
        if self.requests.load(Ordering::Relaxed) == 0
            && !self.in_head.load(Ordering::Relaxed)
            && !self.multiplexed.load(Ordering::Relaxed)
        {
            self.since.store(self.time.now(), Ordering::Relaxed);
            self.in_head.store(true, Ordering::Relaxed);
        }
    }

    /// The client takes no byte (`true`), or took some.
    pub(super) fn write_blocked(&self, blocked: bool) {
        let since = self.write_blocked.load(Ordering::Relaxed);
        match (blocked, since) {
            (true, NEVER) => self.write_blocked.store(self.time.now(), Ordering::Relaxed),
            (false, NEVER) | (true, _) => {}
            (false, _) => self.write_blocked.store(NEVER, Ordering::Relaxed),
        }
    }

    pub(super) fn speaks_http2(&self) {
        self.in_head.store(false, Ordering::Relaxed);
        self.multiplexed.store(true, Ordering::Relaxed);
    }

    pub(super) fn became_tunnel(&self) {
        self.tunnel.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.load(Ordering::Relaxed)
    }

    /// Whether a head was being waited for when the order to leave came.
    pub(super) fn was_in_head(&self) -> bool {
        self.in_head.load(Ordering::Relaxed)
    }

    fn overdue(&self, now: u64, tick: u64, settings: &Settings) -> bool {
        if self.tunnel.load(Ordering::Relaxed) {
            return false;
        }
        let blocked = self.write_blocked.load(Ordering::Relaxed);
        if blocked != NEVER && passed(blocked, now, tick, settings.write_timeout) {
            return true;
        }
        if self.requests.load(Ordering::Relaxed) > 0 {
            return false;
        }
        let limit = match self.in_head.load(Ordering::Relaxed) {
            true => settings.header_timeout,
            false => settings.keep_alive_timeout,
        };
        passed(self.since.load(Ordering::Relaxed), now, tick, limit)
    }
}

/// A stamp may be one tick older than what it stamps.
fn passed(since: u64, now: u64, tick: u64, limit: Duration) -> bool {
    now.saturating_sub(since) > millis(limit).saturating_add(tick)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The connections of one worker.
#[derive(Debug)]
pub(super) struct Register {
    time: Arc<CoarseTime>,
    tick: Duration,
    seats: Mutex<Seats>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    draining: bool,
    taken: HashMap<u64, Arc<Control>>,
}

impl Register {
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        let shortest = settings.header_timeout.min(settings.keep_alive_timeout).min(settings.write_timeout);
        let tick = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_millis(500));
        Arc::new(Self { time: Arc::default(), tick, seats: Mutex::default(), left: Notify::new() })
    }

    /// How often [`Register::sweep`] wants to be called while anybody is here.
    pub(super) fn tick(&self) -> Duration {
        self.tick
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seats().taken.is_empty()
    }

    /// Takes a connection in.
    pub(super) fn enter(self: &Arc<Self>, permit: Permit) -> Presence {
        self.time.advance();
        let control = Arc::new(Control::new(Arc::clone(&self.time)));
        let mut seats = self.seats();
        if seats.draining {
            control.give(Order::Drain);
        }
        let id = seats.next;
        seats.next += 1;
        seats.taken.insert(id, Arc::clone(&control));
        Presence { id, control, register: Arc::clone(self), _permit: permit }
    }

    /// Sends away whoever has used up his time.
    pub(super) fn sweep(&self, settings: &Settings) {
        self.time.advance();
        let (now, tick) = (self.time.now(), millis(self.tick));
        for control in self.seats().taken.values() {
            if control.overdue(now, tick, settings) {
                control.give(Order::Leave);
            }
        }
    }

    /// Tells everybody, and whoever comes later, to finish.
    pub(super) fn drain(&self) {
        let mut seats = self.seats();
        seats.draining = true;
        for control in seats.taken.values() {
            control.give(Order::Drain);
        }
    }

    /// Completes when somebody has left.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }

    fn seats(&self) -> std::sync::MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the register and under the cap; lives in its socket, so that a tunnel keeps it.
#[derive(Debug)]
pub(super) struct Presence {
    id: u64,
    control: Arc<Control>,
    register: Arc<Register>,
    _permit: Permit,
}

impl Presence {
    pub(super) fn control(&self) -> &Arc<Control> {
        &self.control
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.register.seats().taken.remove(&self.id);
        self.register.left.notify_one();
    }
}

/// Milliseconds since the worker began, as of the last look at the clock.
#[derive(Debug)]
struct CoarseTime {
    began: Instant,
    millis: AtomicU64,
}

impl CoarseTime {
    fn advance(&self) {
        self.millis.store(millis(self.began.elapsed()), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.millis.load(Ordering::Relaxed)
    }
}

impl Default for CoarseTime {
    fn default() -> Self {
        Self { began: Instant::now(), millis: AtomicU64::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> Control {
        Control::new(Arc::default())
    }

    fn settings() -> Settings {
        Settings {
            header_timeout: Duration::from_millis(100),
            keep_alive_timeout: Duration::from_millis(1000),
            write_timeout: Duration::from_millis(500),
            ..Settings::default()
        }
    }

    #[test]
    fn a_head_may_take_its_time_and_a_tick_but_not_more() {
        let control = control();
        assert!(!control.overdue(110, 10, &settings()));
        assert!(control.overdue(111, 10, &settings()));
    }

    #[test]
    fn a_rest_ends_with_the_first_byte_of_a_head() {
        let control = control();
        control.request_began();
        assert!(!control.overdue(NEVER - 1, 10, &settings()), "a request in flight has no clock here");
        control.request_ended();
        assert!(!control.overdue(1010, 10, &settings()));
        assert!(control.overdue(1011, 10, &settings()));
        control.bytes_read();
        assert!(control.overdue(111, 10, &settings()));
    }

    #[test]
    fn a_ping_does_not_begin_a_head_and_a_tunnel_has_no_clock() {
        let control = control();
        control.speaks_http2();
        control.bytes_read();
        assert!(!control.overdue(111, 10, &settings()));
        assert!(control.overdue(1011, 10, &settings()));
        control.became_tunnel();
        assert!(!control.overdue(1011, 10, &settings()));
    }

    #[test]
    fn a_client_that_takes_nothing_is_sent_away_and_one_that_takes_a_byte_is_not() {
        let control = control();
        control.request_began();
        control.write_blocked(true);
        assert!(!control.overdue(510, 10, &settings()));
        assert!(control.overdue(511, 10, &settings()));
        control.write_blocked(false);
        assert!(!control.overdue(511, 10, &settings()));
    }

    #[test]
    fn an_order_is_never_weakened() {
        let control = control();
        control.give(Order::Leave);
        control.give(Order::Drain);
        assert_eq!(control.order(Waker::noop()), Order::Leave);
    }
}
