//! Sending: which connection a request takes, and when it may be sent a second time.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::answer::{self, Afterwards};
use super::body::WireBody;
use super::dial::{Conn, Dialer, Dialled, H2, Purpose, Stages};
use super::lean::{Lean, Order, Outcome};
use super::outgoing::{self, Outgoing};
use super::pool::Pool;
use super::repeats::Repeats;
use super::reply::{self, Holds, Reply, ReplyBody};
use super::wakes::Wakes;
use super::watch::{Waiting, Watch};
use super::whole::Whole;
use super::{Base, SealedHeaders, Settings, Told, UpstreamError};

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

/// What the outcome of one attempt on one connection is.
enum Attempt {
    Answered(Reply),
    /// Nothing of it was written: it may be sent again, whatever it is.
    Unwritten(Box<Request<WireBody>>, hyper::Error),
    /// It broke before an answer.
    Broke(hyper::Error),
    Failed(UpstreamError),
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
        let order = Order { outgoing, base, sealed, pool, told };
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
            Outcome::Unwritten(source) => {
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
            Outcome::Unwritten(source) => Err(UpstreamError::Broken { may_have_acted: false, source }),
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

    /// Sends a request whose body streams: hyper does that.
    pub(super) async fn send_streamed(&self, outgoing: Outgoing) -> Result<Reply, UpstreamError> {
        self.wake();
        self.repeats.count_request();
        let (first, was_used) = match self.pool.take(self.age(false)).await {
            Some(conn) => (Dialled::H1(conn), true),
            None => self.connection_anew(Purpose::Streamed).await?,
        };
        self.send_by(first, was_used, outgoing, None).await
    }

    /// How long a kept connection may have been idle. What cannot be sent twice goes on one that was in use a moment
    /// ago, or on a new one: an old one may be closed by the portal at the very moment it is used, and then nobody
    /// knows what was done.
    fn age(&self, is_repeatable: bool) -> Duration {
        if is_repeatable { self.idle_timeout } else { self.fresh_reuse }
    }

    /// `spare` is another copy of the same request, where it may be sent twice (RFC 9110 section 9.2.2).
    async fn send_by(
        &self,
        first: Dialled,
        was_used: bool,
        outgoing: Outgoing,
        spare: Option<&Outgoing>,
    ) -> Result<Reply, UpstreamError> {
        let method = outgoing.method().clone();
        let request = outgoing.dress(&self.dialer.base, &self.sealed, self.continue_timeout);
        let (lost, is_stale) = match self.attempt(first, request, &method).await {
            Attempt::Answered(mut reply) => match self.whole.secure(&mut reply, spare.is_some()).await {
                Ok(()) => return Ok(reply),
                Err(lost) => (lost, false),
            },
            Attempt::Unwritten(request, source) => {
                let lost = broken(false, source);
                return Box::pin(self.once_more(*request, &method, spare.is_some(), &lost)).await;
            }
            Attempt::Broke(source) => (broken(true, source), was_used),
            Attempt::Failed(e) => (e, false),
        };
        // Ruling 1: what is lost is asked for once more where that is harmless. A kept connection that the portal
        // had closed says nothing about its health; anything else does, and counts.
        let Some(again) = spare.filter(|_| lost.is_lost_answer()).and_then(Outgoing::try_clone) else {
            return Err(lost);
        };
        if !is_stale && !self.repeats.take() {
            return Err(lost);
        }
        let again = again.dress(&self.dialer.base, &self.sealed, self.continue_timeout);
        Box::pin(self.once_more(again, &method, true, &lost)).await
    }

    /// The second and last attempt, on a new connection.
    async fn once_more(
        &self,
        again: Request<WireBody>,
        method: &Method,
        is_repeatable: bool,
        lost: &UpstreamError,
    ) -> Result<Reply, UpstreamError> {
        tracing::debug!(error = %lost, "no answer; sending once more on a new connection");
        let second = self.new_connection(Purpose::Streamed).await?;
        match self.attempt(second, again, method).await {
            Attempt::Answered(mut reply) => {
                self.whole.secure(&mut reply, is_repeatable).await?;
                Ok(reply)
            }
            Attempt::Failed(e) => Err(e),
            Attempt::Unwritten(_, source) => Err(broken(false, source)),
            Attempt::Broke(source) => Err(broken(true, source)),
        }
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

    async fn attempt(&self, on: Dialled, request: Request<WireBody>, method: &Method) -> Attempt {
        match on {
            Dialled::H1(conn) => self.attempt_h1(conn, request, method).await,
            // What hyper has is dressed for hyper, and never dialled for anything else.
            Dialled::Lean(_) => Attempt::Failed(UpstreamError::Invalid("a request took the wrong way")),
            Dialled::H2(h2) => self.attempt_h2(h2, request, method).await,
        }
    }

    async fn attempt_h1(&self, mut conn: Conn, mut request: Request<WireBody>, method: &Method) -> Attempt {
        request.body_mut().tie(&conn.watch);
        conn.watch.begin(request.body().is_streamed());
        let answer = match conn.sender.try_send_request(request).await {
            Ok(answer) => answer,
            Err(mut e) => {
                let message = e.take_message();
                return Self::failed(&conn.watch, message, e.into_error());
            }
        };
        conn.watch.answered();
        self.finish(answer, method, |after| Holds::Conn {
            conn,
            pool: (after == Afterwards::Reusable).then(|| Arc::downgrade(&self.pool)),
        })
    }

    async fn attempt_h2(&self, mut h2: H2, mut request: Request<WireBody>, method: &Method) -> Attempt {
        let watch = Arc::new(Watch::new(self.dialer.ticks.clone()));
        self.pool.look_after(&watch);
        request.body_mut().tie(&watch);
        watch.begin(request.body().is_streamed());
        let target = std::mem::take(request.uri_mut());
        *request.uri_mut() = self.dialer.base.absolute(target);
        // Their places are the pseudo-header and the frame (RFC 9113 sections 8.3.1 and 8.2.2).
        request.headers_mut().remove(header::HOST);
        request.headers_mut().remove(header::TRANSFER_ENCODING);
        // `TE: trailers` stands alone there (section 8.2.2).
        request.headers_mut().remove(header::CONNECTION);
        // hyper's HTTP/2 client hears of no interim answer, so that nobody would open the gate.
        request.headers_mut().remove(header::EXPECT);
        request.body_mut().do_not_wait();
        let mut answer = pin!(h2.try_send_request(request));
        let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => watch.poll_fired(cx).map(|()| None),
        });
        let answer = match answer.await {
            Some(Ok(answer)) => answer,
            Some(Err(mut e)) => {
                let message = e.take_message().map(|request| self.as_h1(request));
                return Self::failed(&watch, message, e.into_error());
            }
            None => return Attempt::Failed(UpstreamError::stalled_by(&watch)),
        };
        watch.answered();
        self.finish(answer, method, |_| Holds::Stream(watch))
    }

    /// Undoes what HTTP/2 asked for: the next attempt may be on another protocol.
    fn as_h1(&self, mut request: Request<WireBody>) -> Request<WireBody> {
        let path = std::mem::take(request.uri_mut()).into_parts().path_and_query;
        *request.uri_mut() = path.map(http::Uri::from).unwrap_or_default();
        request.headers_mut().insert(header::HOST, self.dialer.base.host_header().clone());
        if request.headers().contains_key(header::TE) {
            outgoing::ask_for_trailers(request.headers_mut());
        }
        request
    }

    fn failed(watch: &Watch, message: Option<Request<WireBody>>, error: hyper::Error) -> Attempt {
        if let Some(request) = message {
            return Attempt::Unwritten(Box::new(request), error);
        }
        if watch.fired().is_some() {
            return Attempt::Failed(UpstreamError::stalled_by(watch));
        }
        if watch.did_client_break() {
            return Attempt::Failed(UpstreamError::ClientBody(error));
        }
        if error.is_parse_too_large() {
            return Attempt::Failed(UpstreamError::Invalid("its head is too large"));
        }
        if error.is_parse() {
            return Attempt::Failed(UpstreamError::Invalid("it is not an HTTP message"));
        }
        Attempt::Broke(error)
    }

    fn finish(
        &self,
        mut answer: Response<Incoming>,
        method: &Method,
        holds: impl FnOnce(Afterwards) -> Holds,
    ) -> Attempt {
        match answer::check(&mut answer, method) {
            Err(why) => Attempt::Failed(UpstreamError::Invalid(why)),
            Ok(after) => {
                let content_type = answer.headers().get(header::CONTENT_TYPE);
                let stalls = !content_type.is_some_and(|value| reply::is_event_stream(value.as_bytes()));
                Attempt::Answered(answer.map(|body| ReplyBody::new(body, holds(after), stalls)))
            }
        }
    }

    /// A handshake goes out on a connection of its own, which serves nothing else, whatever the answer is.
    async fn send_upgrade(&self, outgoing: Outgoing) -> Result<Reply, UpstreamError> {
        let method = outgoing.method().clone();
        let request = outgoing.dress(&self.dialer.base, &self.sealed, self.continue_timeout);
        let key = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned();
        let Dialled::H1(mut conn) = self.dialer.dial(Purpose::Upgrade).await? else {
            return Err(UpstreamError::Invalid("it speaks HTTP/2 where HTTP/1.1 was agreed"));
        };
        self.pool.look_after(&conn.watch);
        conn.watch.begin(false);
        let answer = match conn.sender.try_send_request(request).await {
            Ok(answer) => answer,
            Err(e) => {
                return match Self::failed(&conn.watch, None, e.into_error()) {
                    Attempt::Failed(e) => Err(e),
                    Attempt::Broke(source) | Attempt::Unwritten(_, source) => Err(broken(true, source)),
                    Attempt::Answered(reply) => Ok(reply),
                };
            }
        };
        conn.watch.answered();
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            answer::check_upgrade(answer.headers(), key.as_ref()).map_err(UpstreamError::Invalid)?;
            conn.let_go();
            return Ok(answer.map(|_| ReplyBody::empty()));
        }
        match self.finish(answer, &method, |_| Holds::Conn { conn, pool: None }) {
            Attempt::Answered(reply) => Ok(reply),
            Attempt::Failed(e) => Err(e),
            Attempt::Broke(source) | Attempt::Unwritten(_, source) => Err(broken(true, source)),
        }
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

fn broken(may_have_acted: bool, source: hyper::Error) -> UpstreamError {
    UpstreamError::Broken { may_have_acted, source: io::Error::other(source) }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
