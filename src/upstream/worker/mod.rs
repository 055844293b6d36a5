//! Sending: which connection a request takes, and when it may be sent a second time.

mod by_hyper;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::dial::{Conn, Dialer, Dialled, H2, Purpose, Stages};
use super::lean::{Lean, Order, Outcome, Upload};
use super::outgoing::Outgoing;
use super::pool::Pool;
use super::repeats::Repeats;
use super::reply::Reply;
use super::wakes::Wakes;
use super::watch::{Waiting, Watch};
use super::whole::Whole;
use super::{Base, OutBody, SealedHeaders, Settings, Told, UpstreamError};
use crate::inflow::{Inflow, Straight};

/// One worker's connections.
pub(super) struct Worker {
    dialer: Dialer,
    sealed: Arc<SealedHeaders>,
    fresh_reuse: Duration,
    continue_timeout: Duration,
    whole: Whole,
    repeats: Repeats,
    max_idle: usize,
    idle_timeout: Duration,
    pub(super) wakes: Wakes,
    pool: Arc<Pool>,
    h2: Mutex<Option<H2>>,
    /// One dials at a time while the portal may turn out to speak HTTP/2: the others share what comes of it.
    dialling: tokio::sync::Mutex<()>,
    /// The portal was offered HTTP/2 and took HTTP/1.1; or it is not offered at all.
    is_h1: AtomicBool,
}

impl Worker {
    pub(super) fn new(dialer: Dialer, sealed: Arc<SealedHeaders>, settings: &Settings) -> Self {
        let pool = Pool::new(dialer.ticks.clone(), settings.max_idle, settings.idle_timeout);
        let is_h1 = dialer.tls.is_none() || !settings.http2;
        Self {
            dialer,
            sealed,
            fresh_reuse: settings.fresh_reuse,
            continue_timeout: settings.continue_timeout,
            whole: Whole::new(settings),
            repeats: Repeats::new(settings.repeat_percent),
            max_idle: settings.max_idle,
            idle_timeout: settings.idle_timeout,
            wakes: Wakes::new(),
            pool: Arc::new(pool),
            h2: Mutex::new(None),
            dialling: tokio::sync::Mutex::new(()),
            is_h1: AtomicBool::new(is_h1),
        }
    }

    pub(super) fn sibling(&self) -> Self {
        // Its own ticks: each worker's sweep moves its own.
        let ticks = Arc::new(self.dialer.ticks.anew());
        let dialer = Dialer { ticks: ticks.clone(), ..self.dialer.clone() };
        Self {
            dialer,
            sealed: self.sealed.clone(),
            fresh_reuse: self.fresh_reuse,
            continue_timeout: self.continue_timeout,
            whole: self.whole.clone(),
            repeats: self.repeats.anew(),
            max_idle: self.max_idle,
            idle_timeout: self.idle_timeout,
            wakes: Wakes::new(),
            pool: Arc::new(Pool::new(ticks, self.max_idle, self.idle_timeout)),
            h2: Mutex::new(None),
            dialling: tokio::sync::Mutex::new(()),
            is_h1: AtomicBool::new(self.is_h1.load(Ordering::Relaxed)),
        }
    }

    /// Sends a request whose body is at hand: over a lean connection, unless the portal speaks HTTP/2.
    pub(super) async fn send_held(
        &self,
        outgoing: &Outgoing,
        told: Option<&Told<'_>>,
    ) -> Result<Reply, UpstreamError> {
        self.wake();
        let (base, sealed, pool) = (&self.dialer.base, &self.sealed, &self.pool);
        let order = Order { outgoing, length: outgoing.held().len() as u64, base, sealed, pool, told };
        let is_repeatable = outgoing.is_repeatable();
        let Some(kept) = self.kept_for(outgoing, is_repeatable) else {
            return Box::pin(self.send_anew(order)).await;
        };
        self.repeats.count_request();
        let outcome = match kept.exchange(order).await.settled(is_repeatable) {
            Ok(reply) => return Ok(reply),
            Err(outcome) => outcome,
        };
        Box::pin(self.settle(order, *outcome, true)).await
    }

    fn kept_for(&self, outgoing: &Outgoing, is_repeatable: bool) -> Option<Lean> {
        if outgoing.is_upgrade() { None } else { self.pool.take_lean(self.age(is_repeatable)) }
    }

    /// The first time of a request for which no connection is kept.
    async fn send_anew(&self, order: Order<'_>) -> Result<Reply, UpstreamError> {
        let outgoing = order.outgoing;
        if outgoing.is_upgrade() {
            let copy = outgoing.try_clone().ok_or(UpstreamError::Invalid("a stream cannot be kept"))?;
            return self.send_upgrade(copy).await;
        }
        self.repeats.count_request();
        match self.connection_anew(Purpose::Held).await? {
            (Dialled::Lean(conn), _) => {
                let outcome = conn.exchange(order).await;
                self.settle(order, outcome, false).await
            }
            (first, was_used) => self.send_copy(first, was_used, outgoing).await,
        }
    }

    /// What comes of a first attempt: its answer, if it can be had whole, or a second attempt where that is due.
    async fn settle(
        &self,
        order: Order<'_>,
        outcome: Outcome,
        was_used: bool,
    ) -> Result<Reply, UpstreamError> {
        let is_repeatable = order.outgoing.is_repeatable();
        let (lost, is_stale) = match outcome {
            Outcome::Answered(mut reply) => match self.whole.secure(&mut reply, is_repeatable).await {
                Ok(()) => return Ok(reply),
                Err(lost) => (lost, false),
            },
            Outcome::Unwritten(source, _) => {
                let lost = UpstreamError::Broken { may_have_acted: false, source };
                return self.send_again(order, &lost).await;
            }
            Outcome::Broke(source) => (UpstreamError::Broken { may_have_acted: true, source }, was_used),
            Outcome::Failed(error) => (error, false),
        };
        // Ruling 1, as for hyper's attempts.
        if !is_repeatable || !lost.is_lost_answer() || (!is_stale && !self.repeats.take()) {
            return Err(lost);
        }
        self.send_again(order, &lost).await
    }

    /// The second and last attempt, on a new connection.
    async fn send_again(&self, order: Order<'_>, lost: &UpstreamError) -> Result<Reply, UpstreamError> {
        let outgoing = order.outgoing;
        tracing::debug!(error = %lost, "no answer; sending once more on a new connection");
        let conn = match self.new_connection(Purpose::Held).await? {
            Dialled::Lean(conn) => conn,
            other => return self.send_copy(other, false, outgoing).await,
        };
        match conn.exchange(order).await {
            Outcome::Answered(mut reply) => {
                self.whole.secure(&mut reply, outgoing.is_repeatable()).await?;
                Ok(reply)
            }
            Outcome::Failed(error) => Err(error),
            Outcome::Broke(source) => Err(UpstreamError::Broken { may_have_acted: true, source }),
            Outcome::Unwritten(source, _) => Err(UpstreamError::Broken { may_have_acted: false, source }),
        }
    }

    /// By hyper, from a copy.
    async fn send_copy(
        &self,
        first: Dialled,
        was_used: bool,
        outgoing: &Outgoing,
    ) -> Result<Reply, UpstreamError> {
        let copy = outgoing.try_clone().ok_or(UpstreamError::Invalid("a stream cannot be kept"))?;
        self.send_by(first, was_used, copy, outgoing.is_repeatable().then_some(outgoing)).await
    }

    /// Sends a request whose body streams.
    pub(super) async fn send_streamed(&self, mut outgoing: Outgoing) -> Result<Reply, UpstreamError> {
        self.wake();
        self.repeats.count_request();
        if self.is_h1.load(Ordering::Relaxed)
            && let Some(content) = outgoing.take_straight()
        {
            return Box::pin(self.send_straight(outgoing, content)).await;
        }
        self.send_by_hyper(outgoing).await
    }

    /// From the client's connection to the portal's, without a task between them.
    async fn send_straight(&self, mut outgoing: Outgoing, content: Straight) -> Result<Reply, UpstreamError> {
        let mut upload = Upload::new(content);
        let length = upload.length();
        let mut kept = self.pool.take_lean(self.age(false));
        loop {
            let was_used = kept.is_some();
            let conn = match kept.take() {
                Some(conn) => conn,
                None => match self.new_connection(Purpose::Held).await? {
                    Dialled::Lean(conn) => conn,
                    other => {
                        outgoing.set_body(OutBody::Streamed(Inflow::Straight(upload.into_content())));
                        return self.send_by(other, false, outgoing, None).await;
                    }
                },
            };
            let (base, sealed, pool, told) = (&self.dialer.base, &self.sealed, &self.pool, outgoing.told());
            let order = Order { outgoing: &outgoing, length, base, sealed, pool, told };
            match conn.with(upload).exchange(order).await {
                Outcome::Answered(reply) => return Ok(reply),
                Outcome::Failed(error) => return Err(error),
                Outcome::Broke(source) => return Err(UpstreamError::Broken { may_have_acted: true, source }),
                // The portal had closed it meanwhile, and nothing has left.
                Outcome::Unwritten(_, Some(back)) if was_used => upload = back,
                Outcome::Unwritten(source, _) => {
                    return Err(UpstreamError::Broken { may_have_acted: false, source });
                }
            }
        }
    }

    /// How long a kept connection may have been idle. What cannot be sent twice goes on one that was in use a moment
    /// ago, or on a new one: an old one may be closed by the portal at the very moment it is used, and then nobody
    /// knows what was done.
    fn age(&self, is_repeatable: bool) -> Duration {
        if is_repeatable { self.idle_timeout } else { self.fresh_reuse }
    }

    /// No connection that was open before the machine slept is trusted after it.
    fn wake(&self) {
        if self.wakes.slept() {
            tracing::info!(
                idle = self.idle(),
                "the machine slept: kept connections to the portal are dropped"
            );
            self.forget_idle();
        }
    }

    pub(super) fn base(&self) -> &Base {
        &self.dialer.base
    }

    pub(super) fn idle(&self) -> usize {
        self.pool.idle()
    }

    pub(super) fn forget_idle(&self) {
        self.pool.forget();
        *lock(&self.h2) = None;
    }

    pub(super) async fn probe(&self) -> (Stages, Result<(), UpstreamError>) {
        self.dialer.probe().await
    }

    /// A connection that no pool keeps, and whether it has served before.
    async fn connection_anew(&self, purpose: Purpose) -> Result<(Dialled, bool), UpstreamError> {
        if self.is_h1.load(Ordering::Relaxed) {
            return Ok((self.new_connection(purpose).await?, false));
        }
        if let Some(h2) = self.shared_h2() {
            return Ok((Dialled::H2(h2), true));
        }
        // Whoever waits here waits no longer than for a connection of its own.
        let Ok(turn) = tokio::time::timeout(self.dialer.limit, self.dialling.lock()).await else {
            return Err(self.dialer.timed_out());
        };
        if let Some(h2) = self.shared_h2() {
            return Ok((Dialled::H2(h2), true));
        }
        if self.is_h1.load(Ordering::Relaxed) {
            drop(turn);
        }
        Ok((self.new_connection(purpose).await?, false))
    }

    async fn new_connection(&self, purpose: Purpose) -> Result<Dialled, UpstreamError> {
        let dialled = self.dialer.dial(purpose).await?;
        match &dialled {
            Dialled::Lean(Lean { watch, .. }) | Dialled::H1(Conn { watch, .. }) => {
                self.pool.look_after(watch);
                self.is_h1.store(true, Ordering::Relaxed);
            }
            Dialled::H2(h2) => *lock(&self.h2) = Some(h2.clone()),
        }
        Ok(dialled)
    }

    fn shared_h2(&self) -> Option<H2> {
        let mut shared = lock(&self.h2);
        if shared.as_ref().is_some_and(H2::is_closed) {
            *shared = None;
        }
        shared.clone()
    }
}

impl UpstreamError {
    pub(super) fn stalled(waiting: Waiting, limit: Duration) -> Self {
        match waiting {
            Waiting::Head => Self::HeadTimeout(limit),
            Waiting::Answer => Self::BodyStalled(limit),
            Waiting::Client => Self::ClientStalled(limit),
            Waiting::Room => Self::UploadStalled(limit),
        }
    }

    pub(super) fn stalled_by(watch: &Watch) -> Self {
        let (waiting, limit) = watch.fired().unwrap_or((Waiting::Head, Duration::ZERO));
        Self::stalled(waiting, limit)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
