//! A lock at Redis while we have it: renewed as long as it is held, given back when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Inner;
use crate::clock::{Clock as _, SystemClock};
use crate::session::StoreError;

/// A lock that is ours. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) title: Arc<Title>,
    _dropped: oneshot::Sender<std::convert::Infallible>,
}

/// What shows at Redis that the lock is ours.
#[derive(Debug)]
pub(super) struct Title {
    pub(super) owner: String,
    pub(super) fence: u64,
    /// Whether a call to the portal may be under way, so that the lease has to outlive it.
    calling: AtomicBool,
    /// Until when it is ours for certain, by the boot clock: a process that slept finds it passed.
    until: Mutex<Duration>,
    lost: AtomicBool,
}

impl Hold {
    /// Renews the lock from now on.
    pub(super) fn begin(inner: Arc<Inner>, owner: String, fence: u64, since: Duration) -> Self {
        let title = Arc::new(Title {
            owner,
            fence,
            calling: AtomicBool::new(false),
            until: Mutex::new(since.saturating_add(inner.times.lease)),
            lost: AtomicBool::new(false),
        });
        let (dropped, end) = oneshot::channel();
        tokio::spawn(keep(inner, Arc::clone(&title), end));
        Self { title, _dropped: dropped }
    }
}

impl Title {
    /// From the next writing on, the lease outlives a call that begins then; or needs to no more.
    pub(super) fn calls(&self, calling: bool) {
        self.calling.store(calling, Relaxed);
    }

    /// How long the lease is to be from now on.
    pub(super) fn lease(&self, inner: &Inner) -> Duration {
        match self.calling.load(Relaxed) {
            true => inner.times.lease.saturating_add(inner.times.call),
            false => inner.times.lease,
        }
    }

    /// Redis has granted `lease` at some moment after `since`.
    pub(super) fn granted(&self, since: Duration, lease: Duration) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = since.saturating_add(lease);
    }

    /// Whether it lasts for as long as this.
    pub(super) fn lasts(&self, span: Duration) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        !self.lost.load(Relaxed) && SystemClock.since_boot().saturating_add(span) < until
    }

    /// It is another's now.
    pub(super) fn lose(&self) {
        self.lost.store(true, Relaxed);
    }

    /// Asks for another whole lease.
    pub(super) async fn renew(&self, inner: &Inner) -> Result<bool, StoreError> {
        let (lease, since) = (self.lease(inner), SystemClock.since_boot());
        let mut call = inner.scripts.renew.key(&inner.keys.login);
        call.key(&inner.keys.lock).arg(&self.owner).arg(self.fence).arg(millis(lease));
        let is_ours: bool = inner.link.run(&call).await?;
        if is_ours {
            self.granted(since, lease);
        } else {
            self.lose();
        }
        Ok(is_ours)
    }
}

async fn keep(inner: Arc<Inner>, title: Arc<Title>, mut end: oneshot::Receiver<std::convert::Infallible>) {
    let pause = inner.times.lease / 3;
    loop {
        tokio::select! {
            biased;
            _ = &mut end => break,
            () = tokio::time::sleep(pause) => {}
        }
        // That Redis does not answer is said by the link; there are two more tries in the lease.
        if let Ok(false) = title.renew(&inner).await {
            tracing::warn!(login = %inner.keys.login, "the lock went to another replica");
            return;
        }
    }
    let mut call = inner.scripts.free.key(&inner.keys.login);
    call.key(&inner.keys.lock).arg(&title.owner).arg(&inner.keys.channel);
    // One that cannot be given back now ends with its lease.
    let _ = inner.link.run::<i64>(&call).await;
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}
