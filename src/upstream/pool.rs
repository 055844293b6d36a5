//! Idle connections of one worker, and the one sweep that looks after all its deadlines.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::dial::Conn;
use super::lean::{self, Lean};
use super::watch::{Ticks, Watch};
use crate::clock::{Clock, SystemClock};

/// Idle connections, the latest on top. The locks are uncontended: one worker, one thread.
pub(super) struct Pool {
    /// Of hyper, for what streams upwards.
    idle: Mutex<Vec<Idle<Conn>>>,
    /// Lean ones, for what is at hand.
    lean: Mutex<Vec<Idle<Lean>>>,
    watches: Mutex<Vec<Weak<Watch>>>,
    sweeping: AtomicBool,
    ticks: Arc<Ticks>,
    max_idle: usize,
    idle_timeout: Duration,
}

struct Idle<C> {
    conn: C,
    /// By the boot clock: what was idle before the machine slept is not fresh after it.
    since: Duration,
}

impl Pool {
    pub(super) fn new(ticks: Arc<Ticks>, max_idle: usize, idle_timeout: Duration) -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            lean: Mutex::new(Vec::new()),
            watches: Mutex::new(Vec::new()),
            sweeping: AtomicBool::new(false),
            ticks,
            max_idle,
            idle_timeout,
        }
    }

    /// The connection used last, if it was idle for less than `age`.
    pub(super) async fn take(&self, age: Duration) -> Option<Conn> {
        let age = age.min(self.idle_timeout);
        let now = SystemClock.since_boot();
        loop {
            // If the latest is too old, so are all others; the sweep takes care of them.
            let mut conn = lock(&self.idle).pop_if(|top| now.saturating_sub(top.since) < age)?.conn;
            if conn.sender.is_ready() {
                return Some(conn);
            }
            if !conn.sender.is_closed() && conn.sender.ready().await.is_ok() {
                return Some(conn);
            }
        }
    }

    /// The lean connection used last, if it was idle for less than `age` and is not known to have ended.
    pub(super) fn take_lean(&self, age: Duration) -> Option<Lean> {
        let age = age.min(self.idle_timeout);
        let now = SystemClock.since_boot();
        loop {
            let mut conn = lock(&self.lean).pop_if(|top| now.saturating_sub(top.since) < age)?.conn;
            if conn.is_alive() {
                return Some(conn);
            }
        }
    }

    /// Keeps a lean connection whose exchange is over.
    pub(super) fn put_lean(&self, conn: Lean) {
        conn.watch.disarm();
        if self.idle() < self.max_idle {
            lock(&self.lean).push(Idle { conn, since: SystemClock.since_boot() });
        }
    }

    /// Keeps a connection whose exchange is over.
    pub(super) fn put(&self, conn: Conn) {
        if conn.sender.is_closed() || self.max_idle == 0 {
            return;
        }
        conn.watch.disarm();
        if self.idle() < self.max_idle {
            lock(&self.idle).push(Idle { conn, since: SystemClock.since_boot() });
        }
    }

    /// Closes all idle connections.
    pub(super) fn forget(&self) {
        lock(&self.idle).clear();
        lock(&self.lean).clear();
        lean::forget();
    }

    /// How many are idle.
    pub(super) fn idle(&self) -> usize {
        lock(&self.idle).len() + lock(&self.lean).len()
    }

    /// Looks after a deadline for as long as it lives.
    pub(super) fn look_after(self: &Arc<Self>, watch: &Arc<Watch>) {
        lock(&self.watches).push(Arc::downgrade(watch));
        if !self.sweeping.swap(true, Ordering::AcqRel) {
            tokio::spawn(sweep(Sweeping(Arc::downgrade(self)), self.ticks.length));
        }
    }

    /// One tick; false when there is nothing left to look after.
    fn tick(&self) -> bool {
        self.ticks.advance();
        let now = SystemClock.since_boot();
        // Dropping closes them, outside the locks.
        drop(self.old(&mut lock(&self.idle), now));
        drop(self.old(&mut lock(&self.lean), now));
        let ended: Vec<_> = lock(&self.lean).extract_if(.., |idle| !idle.conn.is_alive()).collect();
        drop(ended);
        lean::forget();
        let mut watches = lock(&self.watches);
        watches.retain(|watch| {
            let Some(watch) = watch.upgrade() else { return false };
            watch.check();
            true
        });
        if watches.is_empty() {
            self.sweeping.store(false, Ordering::Release);
            return false;
        }
        true
    }
}

impl Pool {
    /// Those whose time has come: they are the first, since the latest stands on top.
    fn old<C>(&self, idle: &mut Vec<Idle<C>>, now: Duration) -> Vec<Idle<C>> {
        let is_fresh = |i: &Idle<C>| now.saturating_sub(i.since) < self.idle_timeout;
        let old = idle.iter().position(is_fresh).unwrap_or(idle.len());
        idle.drain(..old).collect()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.idle()).finish_non_exhaustive()
    }
}

/// Lets the next connection start a sweep again, should the runtime of this one go away.
struct Sweeping(Weak<Pool>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.sweeping.store(false, Ordering::Release);
        }
    }
}

async fn sweep(mut pool: Sweeping, tick: Duration) {
    loop {
        tokio::time::sleep(tick).await;
        if !pool.0.upgrade().is_some_and(|pool| pool.tick()) {
            // The end is told under the lock already; telling it again could hide a sweep begun since.
            pool.0 = Weak::new();
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
