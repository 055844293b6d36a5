//! The owner of the secure channel: opens it once for all who ask, renews it, closes it.
//!
//! ```text
//! Shut --ask--> Opening --+--> Open --complaint, worn, expired--> Opening (a worn one serves on meanwhile)
//!                  ^  ^   |     ^
//!                  |  |   +--> Lent to one who asked --named--+
//!                  |  +---lost, and others wait---+
//!                  +--ask-+--> Failed until its pause is over
//! ```
//!
//! Lent are keys that travel inside a message: see [`Passage`].
//!
//! A replaced channel is not closed at the portal: requests under way still use it. It ends there by itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::backoff::{Backoff, Bucket};
use super::deadline::{Deadline, margin};
use super::passage::Returned;
use super::skew::PortalTime;
use super::tally::{Tally, count};
use super::waiting::{Ask, Waiting, ask};
use super::{
    Generation, NewChannel, OpenChannel, Opening, OwnCall, Passage, Portal, PortalError, PortalErrorKind,
    SessionError, Settings,
};
use crate::channel::Bootstrap;
use crate::clock::SharedClock;

/// How everybody else asks for the channel. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    asks: mpsc::Sender<Ask<Passage>>,
    shut: mpsc::Sender<Shut>,
    open: watch::Receiver<Option<Open>>,
    worn: Arc<Notify>,
    clock: SharedClock,
    patience: Duration,
}

/// A channel, and until when it is used.
#[derive(Debug, Clone)]
struct Open {
    channel: Arc<OpenChannel>,
    usable: Deadline,
}

#[derive(Debug)]
struct Shut {
    for_good: bool,
    done: oneshot::Sender<()>,
}

impl Keeper {
    pub(super) fn spawn<P: Portal>(
        portal: Arc<P>,
        settings: Arc<Settings>,
        clock: SharedClock,
        tally: Arc<Tally>,
        portal_time: Arc<PortalTime>,
    ) -> Self {
        let (asks, mailbox) = mpsc::channel(settings.max_waiting.max(1));
        let (shut, orders) = mpsc::channel(1);
        let (publish, open) = watch::channel(None);
        let (worn, patience) = (Arc::new(Notify::new()), settings.wait_timeout);
        let owner = Owner {
            backoff: Backoff::new(settings.channel_backoff_first, settings.channel_backoff_most),
            complaints: Bucket::new(
                settings.complaints_burst,
                settings.complaints_per_minute,
                clock.since_boot(),
            ),
            waiting: Waiting::new(settings.max_waiting),
            generation: Generation::default(),
            failed: None,
            flight: None,
            lent: None,
            portal,
            settings,
            clock: Arc::clone(&clock),
            tally,
            portal_time,
            open: publish,
        };
        tokio::spawn(owner.run(mailbox, orders, Arc::clone(&worn)));
        Self { asks, shut, open, worn, clock, patience }
    }

    /// The channel, if there is a good one right now. Never waits. A worn one is renewed behind the caller's
    /// back.
    pub(super) fn current(&self) -> Option<Arc<OpenChannel>> {
        let open = self.open.borrow().clone()?;
        if open.usable.passed(&*self.clock) {
            return None;
        }
        if open.channel.channel().is_worn() {
            self.worn.notify_one();
        }
        Some(open.channel)
    }

    /// The way of one sealed request; opens a channel if needed.
    pub(super) async fn passage(&self) -> Result<Passage, SessionError> {
        match self.current() {
            Some(channel) => Ok(Passage::on(channel)),
            None => ask(&self.asks, None, &self.clock, self.patience).await,
        }
    }

    /// Another way than the stale one: on a newer channel, or as the first message of one.
    pub(super) async fn another(&self, stale: Passage) -> Result<Passage, SessionError> {
        let refused = stale.open_channel().map(|channel| channel.generation());
        // Before asking: keys that are still lent would be waited for.
        drop(stale);
        match self.current() {
            Some(channel) if refused.is_none_or(|refused| channel.generation() > refused) => {
                Ok(Passage::on(channel))
            }
            Some(_) | None => ask(&self.asks, refused, &self.clock, self.patience).await,
        }
    }

    /// Closes the channel at the portal; the next ask opens another.
    pub(super) async fn shut(&self) {
        self.order(false).await;
    }

    /// Closes the channel at the portal, and opens none any more.
    pub(super) async fn close(&self) {
        self.order(true).await;
    }

    async fn order(&self, for_good: bool) {
        let (done, shut) = oneshot::channel();
        // An owner that has gone has closed its channel.
        if self.shut.send(Shut { for_good, done }).await.is_ok() {
            let _ = shut.await;
        }
    }
}

type Flight = Pin<Box<dyn Future<Output = Result<Opening, PortalError>> + Send>>;

struct Owner<P> {
    portal: Arc<P>,
    settings: Arc<Settings>,
    clock: SharedClock,
    tally: Arc<Tally>,
    portal_time: Arc<PortalTime>,
    open: watch::Sender<Option<Open>>,
    waiting: Waiting<Passage>,
    flight: Option<Flight>,
    /// Keys that one of those who asked carries to the portal.
    lent: Option<oneshot::Receiver<Returned>>,
    failed: Option<Failed>,
    backoff: Backoff,
    complaints: Bucket,
    generation: Generation,
}

/// A failure, shared until its pause is over.
struct Failed {
    error: PortalError,
    until: Duration,
}

impl<P: Portal> Owner<P> {
    async fn run(
        mut self,
        mut mailbox: mpsc::Receiver<Ask<Passage>>,
        mut orders: mpsc::Receiver<Shut>,
        worn: Arc<Notify>,
    ) {
        loop {
            let pause_over = self.pause_over();
            tokio::select! {
                biased;
                landed = landing(&mut self.flight) => self.land(landed),
                returned = returning(&mut self.lent) => self.take_back(returned),
                Some(order) = orders.recv() => {
                    self.shut().await;
                    if order.for_good {
                        mailbox.close();
                    }
                    let _ = order.done.send(());
                    if order.for_good {
                        return;
                    }
                }
                () = worn.notified() => self.renew_worn(),
                () = pause_over => self.open_another(),
                asked = mailbox.recv() => match asked {
                    Some(ask) => self.hear(ask),
                    None => return self.shut().await,
                },
            }
        }
    }

    fn hear(&mut self, ask: Ask<Passage>) {
        if let Some(channel) = self.usable().filter(|channel| ask.accepts(channel.generation())) {
            return ask.answer(Ok(Passage::on(channel)));
        }
        if !self.has_channel() {
            return ask.answer(Err(SessionError::NoChannel));
        }
        let now = self.clock.since_boot();
        let pause = self.failed.as_ref().map(|failed| (failed, failed.until.saturating_sub(now)));
        let pause = pause.filter(|(_, left)| !left.is_zero());
        if let Some((failed, left)) = pause
            && left > self.settings.wait_through
        {
            return ask.answer(Err(SessionError::for_now(failed.error.clone(), left)));
        }
        let is_paused = pause.is_some();
        if ask.refused.is_some() && self.usable().is_some() {
            if let Err(retry_after) = self.complaints.take(now) {
                return ask.answer(Err(SessionError::RateLimited { retry_after }));
            }
            // The portal does not know it any more: nobody else should be given it.
            self.open.send_replace(None);
        }
        if self.flight.is_none() && self.lent.is_none() && !is_paused {
            self.open_another();
        }
        self.waiting.admit(ask);
    }

    /// Completes when those who wait have waited through the pause after a failure; never, if nobody does.
    fn pause_over(&self) -> impl Future<Output = ()> + Send + use<P> {
        let waited_for = self.flight.is_none() && self.lent.is_none() && !self.waiting.is_empty();
        let until = self.failed.as_ref().filter(|_| waited_for).map(|failed| failed.until);
        let clock = Arc::clone(&self.clock);
        async move {
            match until {
                Some(until) => clock.sleep(until.saturating_sub(clock.since_boot())).await,
                None => std::future::pending().await,
            }
        }
    }

    fn land(&mut self, landed: Result<Opening, PortalError>) {
        self.flight = None;
        let identity = &self.settings.identity;
        match landed {
            Ok(Opening::Open(new)) => self.opened(new),
            Ok(Opening::Keys(keys)) => {
                self.backoff.reset();
                self.failed = None;
                self.lend(keys);
            }
            Err(error) => {
                count(&self.tally.channels_failed);
                let asked = error.kind.asked_pause().min(self.settings.retry_after_most);
                let pause = self.backoff.after_failure().max(asked);
                tracing::warn!(%identity, %error, code = error.code, ?pause, "secure channel not opened");
                if pause > self.settings.wait_through {
                    self.waiting.fail(&SessionError::for_now(error.clone(), pause));
                }
                self.failed = Some(Failed { error, until: self.clock.since_boot().saturating_add(pause) });
            }
        }
    }

    fn opened(&mut self, new: NewChannel) {
        self.portal_time.learn(&*self.clock, new.skew);
        count(&self.tally.channels_opened);
        self.backoff.reset();
        self.failed = None;
        self.generation = self.generation.next();
        let open = self.frozen(new);
        let identity = &self.settings.identity;
        tracing::info!(%identity, expires_at = ?open.channel.expires_at(), "secure channel open");
        self.waiting.answer(|_| Some(Ok(Passage::on(Arc::clone(&open.channel)))));
        self.open.send_replace(Some(open));
    }

    /// Ruling 11: one request carries the keys, and the others wait for what comes of it.
    fn lend(&mut self, keys: Bootstrap) {
        if let Some(ask) = self.waiting.next() {
            let (passage, returned) = Passage::first(keys, self.clock.wall());
            self.lent = Some(returned);
            // Should it have gone away by now, the keys come back.
            ask.answer(Ok(passage));
        } else if self.usable().is_some_and(|channel| channel.channel().is_worn()) {
            // A worn channel cannot be renewed behind anybody's back: whoever asks next carries the keys.
            self.open.send_replace(None);
        }
    }

    /// What came of a first message: a channel for everybody, keys that never left, or nothing.
    fn take_back(&mut self, returned: Result<Returned, oneshot::error::RecvError>) {
        self.lent = None;
        match returned {
            Ok(Returned::Named(channel)) => {
                self.opened(NewChannel { channel, expires_at: None, skew: None });
            }
            Ok(Returned::Unused(keys)) => self.lend(keys),
            // What was sent under them is its sender's affair (ruling 1): the keys are never used again.
            Err(_) => {
                count(&self.tally.channels_failed);
                if !self.waiting.is_empty() {
                    self.open_another();
                }
            }
        }
    }

    fn frozen(&self, new: NewChannel) -> Open {
        let (clock, settings) = (&*self.clock, &self.settings);
        let opened = Deadline::after(clock, Duration::ZERO);
        let ends = match new.expires_at {
            // The portal's clock said when; ours may differ from it.
            Some(at) => {
                let skewed = at.duration_since(self.portal_time.now(clock)).unwrap_or_default();
                opened.plus(skewed)
            }
            None => opened.plus(settings.channel_life),
        };
        let usable = ends.minus(margin(ends.left(clock), settings.margin));
        let channel = OpenChannel {
            generation: self.generation,
            channel: new.channel,
            opened_at: opened.wall,
            expires_at: ends.wall,
        };
        Open { channel: Arc::new(channel), usable }
    }

    fn renew_worn(&mut self) {
        let paused = self.failed.as_ref().is_some_and(|failed| failed.until > self.clock.since_boot());
        let worn = self.usable().is_some_and(|channel| channel.channel().is_worn());
        if worn && !paused && self.flight.is_none() && self.lent.is_none() {
            self.open_another();
        }
    }

    fn open_another(&mut self) {
        let portal = Arc::clone(&self.portal);
        self.flight = Some(Box::pin(async move {
            match portal.open_channel().await {
                // Ruling 1: nothing is lost by a second session at the portal.
                Err(error) if matches!(error.kind, PortalErrorKind::OutcomeUnknown(_)) => {
                    portal.open_channel().await
                }
                opened => opened,
            }
        }));
    }

    fn usable(&self) -> Option<Arc<OpenChannel>> {
        let open = self.open.borrow();
        open.as_ref().filter(|open| !open.usable.passed(&*self.clock)).map(|open| Arc::clone(&open.channel))
    }

    fn has_channel(&self) -> bool {
        [OwnCall::Initiate, OwnCall::MfaSend, OwnCall::Complete, OwnCall::Refresh]
            .into_iter()
            .any(|call| self.portal.seals(call))
    }

    /// Closes what is open, without waiting long: the portal drops it anyway in time.
    async fn shut(&mut self) {
        (self.flight, self.lent) = (None, None);
        self.waiting.fail(&SessionError::Closed);
        let Some(open) = self.open.send_replace(None) else { return };
        let identity = &self.settings.identity;
        tokio::select! {
            biased;
            closed = self.portal.close_channel(&open.channel) => match closed {
                Ok(()) => tracing::debug!(%identity, "secure channel closed"),
                Err(error) => tracing::debug!(%identity, %error, "secure channel not closed at the portal"),
            },
            () = self.clock.sleep(self.settings.close_timeout) => {
                tracing::debug!(%identity, "the portal did not answer to the closing of the channel in time");
            }
        }
    }
}

/// The flight's landing; never, if there is none.
async fn landing(flight: &mut Option<Flight>) -> Result<Opening, PortalError> {
    match flight {
        Some(flight) => flight.await,
        None => std::future::pending().await,
    }
}

/// What comes back from a request that carries keys; never, if none does.
async fn returning(
    lent: &mut Option<oneshot::Receiver<Returned>>,
) -> Result<Returned, oneshot::error::RecvError> {
    match lent {
        Some(returned) => returned.await,
        None => std::future::pending().await,
    }
}
