//! Deadlines without timers: what waits leaves a number, and one sweep per worker compares it with the clock.
//!
//! A request costs two atomic stores here instead of an entry in the runtime's timer wheel. A deadline is never
//! early, and late by two ticks at most.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::task::AbortHandle;

/// What a request or a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Waiting {
    /// The head of the answer.
    Head = 1,
    /// More of the answer's body.
    Answer = 2,
    /// More of the client's body.
    Client = 3,
    /// Room for more of the client's body.
    Room = 4,
}

/// The worker's coarse clock and the limits it is read for.
#[derive(Debug)]
pub(super) struct Ticks {
    now: AtomicU64,
    pub(super) length: Duration,
    pub(super) head: Duration,
    pub(super) body: Duration,
    /// The same in ticks, counted once.
    head_ticks: u64,
    body_ticks: u64,
}

impl Ticks {
    /// A tick is an eighth of the shortest limit, within reason.
    pub(super) fn new(head: Duration, body: Duration, idle: Duration) -> Self {
        let length =
            (head.min(body).min(idle) / 8).clamp(Duration::from_millis(5), Duration::from_millis(250));
        let ticks = |limit: Duration| {
            let ticks = limit.as_millis().div_ceil(length.as_millis().max(1));
            // One more: the tick that runs when the wait begins is already partly over.
            u64::try_from(ticks).unwrap_or(u64::MAX >> 9) + 1
        };
        let (head_ticks, body_ticks) = (ticks(head), ticks(body));
        Self { now: AtomicU64::new(0), length, head, body, head_ticks, body_ticks }
    }

    /// The same limits on a clock of its own.
    pub(super) fn anew(&self) -> Self {
        Self { now: AtomicU64::new(0), ..*self }
    }

    pub(super) fn advance(&self) {
        self.now.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }
}

const KIND_BITS: u32 = 4;
const KIND_MASK: u64 = (1 << KIND_BITS) - 1;

/// One deadline: of a connection (HTTP/1.1) or of a stream (HTTP/2).
#[derive(Debug)]
pub(super) struct Watch {
    ticks: Arc<Ticks>,
    /// The tick of the deadline, and what is waited for; 0 if nothing is.
    state: AtomicU64,
    /// What was waited for in vain; written by the sweep alone and never taken back.
    fired: AtomicU8,
    /// The connection's task, where it serves one request at a time: it is ended when the deadline passes.
    task: OnceLock<AbortHandle>,
    /// Who else waits.
    waker: AtomicWaker,
    answered: AtomicBool,
    uploading: AtomicBool,
    client_broke: AtomicBool,
}

impl Watch {
    pub(super) fn new(ticks: Arc<Ticks>) -> Self {
        Self {
            ticks,
            state: AtomicU64::new(0),
            fired: AtomicU8::new(0),
            task: OnceLock::new(),
            waker: AtomicWaker::new(),
            answered: AtomicBool::new(false),
            uploading: AtomicBool::new(false),
            client_broke: AtomicBool::new(false),
        }
    }

    /// Ties the watch to the task of a connection that serves one request at a time.
    pub(super) fn tie(&self, task: AbortHandle) {
        let _ = self.task.set(task);
    }

    /// A new request begins.
    pub(super) fn begin(&self, streams: bool) {
        self.answered.store(false, Ordering::Relaxed);
        self.client_broke.store(false, Ordering::Relaxed);
        self.uploading.store(streams, Ordering::Relaxed);
        if streams {
            self.disarm();
        } else {
            self.arm(Waiting::Head);
        }
    }

    pub(super) fn arm(&self, what: Waiting) {
        let limit = if what == Waiting::Head { self.ticks.head_ticks } else { self.ticks.body_ticks };
        self.state.store(((self.ticks.now() + limit) << KIND_BITS) | what as u64, Ordering::Relaxed);
    }

    /// Waits on, or begins to: who is polled again for another's sake has got nothing, and gets no more time for it.
    pub(super) fn wait(&self, what: Waiting) {
        if self.state.load(Ordering::Relaxed) & KIND_MASK != what as u64 {
            self.arm(what);
        }
    }

    pub(super) fn disarm(&self) {
        self.state.store(0, Ordering::Relaxed);
    }

    /// The request's body has ended: from now on the answer is due.
    pub(super) fn uploaded(&self) {
        self.uploading.store(false, Ordering::Relaxed);
        if !self.answered.load(Ordering::Relaxed) {
            self.arm(Waiting::Head);
        }
    }

    /// Whether the request's body is still on its way.
    pub(super) fn is_uploading(&self) -> bool {
        self.uploading.load(Ordering::Relaxed)
    }

    /// The head of the answer is there.
    pub(super) fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
        self.disarm();
    }

    /// The client's body broke off.
    pub(super) fn client_broke(&self) {
        self.client_broke.store(true, Ordering::Relaxed);
    }

    pub(super) fn did_client_break(&self) -> bool {
        self.client_broke.load(Ordering::Relaxed)
    }

    /// What was waited for in vain.
    pub(super) fn fired(&self) -> Option<(Waiting, Duration)> {
        match self.fired.load(Ordering::Acquire) {
            0 => None,
            1 => Some((Waiting::Head, self.ticks.head)),
            3 => Some((Waiting::Client, self.ticks.body)),
            4 => Some((Waiting::Room, self.ticks.body)),
            _ => Some((Waiting::Answer, self.ticks.body)),
        }
    }

    /// Completes when the deadline has passed; for those that have no task to be ended with.
    pub(super) fn poll_fired(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.fired().is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Compares with the clock; called by the sweep alone.
    pub(super) fn check(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state == 0 || state >> KIND_BITS > self.ticks.now.load(Ordering::Relaxed) || self.fired().is_some()
        {
            return;
        }
        self.fired.store((state & KIND_MASK) as u8, Ordering::Release);
        if let Some(task) = self.task.get() {
            task.abort();
        }
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> (Arc<Ticks>, Watch) {
        let second = Duration::from_secs(1);
        let ticks = Arc::new(Ticks::new(second, second * 2, second * 60));
        (ticks.clone(), Watch::new(ticks))
    }

    fn pass(ticks: &Ticks, watch: &Watch, n: usize) {
        for _ in 0..n {
            ticks.advance();
            watch.check();
        }
    }

    #[test]
    fn a_deadline_is_never_early_and_at_most_two_ticks_late() {
        let (ticks, watch) = watch();
        assert_eq!(ticks.length, Duration::from_millis(125));
        watch.begin(false);
        pass(&ticks, &watch, 8); // one second at the most
        assert_eq!(watch.fired(), None);
        pass(&ticks, &watch, 1);
        assert_eq!(watch.fired(), Some((Waiting::Head, Duration::from_secs(1))));
    }

    #[test]
    fn who_waits_on_gets_no_more_time_and_who_got_something_does() {
        let (ticks, watch) = watch();
        watch.answered();
        for _ in 0..10 {
            watch.wait(Waiting::Answer);
            pass(&ticks, &watch, 1);
        }
        // Some of it came.
        watch.disarm();
        for n in 0..17 {
            assert_eq!(watch.fired(), None, "{n}");
            watch.wait(Waiting::Answer);
            pass(&ticks, &watch, 1);
        }
        assert_eq!(watch.fired().unwrap().0, Waiting::Answer);
    }

    #[test]
    fn what_is_disarmed_does_not_fire_and_what_has_fired_stays() {
        let (ticks, watch) = watch();
        watch.begin(false);
        watch.answered();
        pass(&ticks, &watch, 100);
        assert_eq!(watch.fired(), None);
        watch.arm(Waiting::Answer);
        pass(&ticks, &watch, 17);
        watch.disarm();
        assert_eq!(watch.fired().unwrap().0, Waiting::Answer);
    }

    #[test]
    fn the_head_is_due_from_the_end_of_the_upload() {
        let (ticks, watch) = watch();
        watch.begin(true);
        pass(&ticks, &watch, 100);
        assert!(watch.is_uploading() && watch.fired().is_none());
        watch.uploaded();
        pass(&ticks, &watch, 9);
        assert_eq!(watch.fired().unwrap().0, Waiting::Head);
    }
}
