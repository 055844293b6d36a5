//! The owner of the login: one task that starts flights and lands them.
//!
//! ```text
//!            first ask                 a person has to answer
//! SignedOut ----------> Opening ------------------------------> AwaitingCode
//!     ^                 |  ^  ^                                   |      |
//!     | sign_out        |  |  +-----------------------------------+      | ends unanswered
//!     |                 |  |               answer                        v
//!   (any)        tokens |  | its pause is over, or a person acts       Failed
//!                       v  |                                             ^
//!                    Active --expired, refused--> Opening ---------------+
//!                     |  ^                                  no tokens
//!               70 %  v  | a new pair, or for now none
//!                  Refreshing: the good lease stays in use
//! ```
//!
//! One flight at a time. What a flight ends in is said by its [`Landing`]; who may start the next one, and when,
//! by the [`Phase`]. Where a code may come by itself (`mailbox.rs`), those who ask wait
//! for it as for a flight. What a landing changes is in `landing.rs`, the pair in use in `holding.rs`, persons in
//! `orders.rs`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::backoff::{Backoff, Bucket};
use super::budget::By;
use super::flight::{Landing, Login, Pending, Tools};
use super::handle::{Order, Shared};
use super::holding::Holding;
use super::mailbox::{Mailbox, looking};
use super::orders::Before;
use super::status::Published;
use super::waiting::{Ask, Waiting};
use super::{Challenge, Credentials, Generation, Lease, Portal, SessionError};
use crate::clock::Clock;

/// The login's owner.
pub(super) struct Owner<P> {
    pub(super) tools: Arc<Tools<P>>,
    pub(super) shared: Arc<Shared>,
    pub(super) published: watch::Sender<Published>,
    pub(super) credentials: Option<Credentials>,
    pub(super) held: Option<Holding>,
    pub(super) phase: Phase,
    pub(super) flight: Option<Flight>,
    /// Where the code of the pending challenge is looked for, while it is.
    pub(super) mailbox: Option<Mailbox>,
    pub(super) waiting: Waiting<Arc<Lease>>,
    pub(super) person: Option<Person>,
    pub(super) before: Option<Before>,
    pub(super) generation: Generation,
    pub(super) backoff: Backoff,
    pub(super) restored: bool,
    /// When the store was last looked at for another process's login, by the boot clock.
    pub(super) looked: Duration,
    complaints: Bucket,
}

/// What stands between an asker without a lease and the next flight.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing: whoever asks starts one.
    Ready,
    /// A person signed out; nothing starts until a person signs in.
    SignedOut,
    /// A person has to enter a code.
    AwaitingCode(Box<Pending>),
    /// The last flight failed. Until `retry_at` by the boot clock, or without one until a person acts, all are
    /// told the same.
    Failed {
        /// What they are told.
        error: SessionError,
        /// When the next flight may start.
        retry_at: Option<Duration>,
    },
}

/// The person whose order the flight under way carries out, by what they are to be told.
#[derive(Debug)]
pub(super) enum Person {
    Lease(oneshot::Sender<Result<Arc<Lease>, SessionError>>),
    Challenge(oneshot::Sender<Result<Challenge, SessionError>>),
    SignOut(oneshot::Sender<Result<(), SessionError>>),
}

impl Person {
    pub(super) fn tell(self, error: SessionError) {
        // A person who went away is no loss.
        match self {
            Self::Lease(reply) => drop(reply.send(Err(error))),
            Self::Challenge(reply) => drop(reply.send(Err(error))),
            Self::SignOut(reply) => drop(reply.send(Err(error))),
        }
    }
}

pub(super) type Flight = Pin<Box<dyn Future<Output = Landing> + Send>>;

impl<P: Portal> Owner<P> {
    pub(super) fn new(
        tools: Arc<Tools<P>>,
        shared: Arc<Shared>,
        published: watch::Sender<Published>,
    ) -> Self {
        let settings = Arc::clone(&tools.settings);
        let now = shared.clock.since_boot();
        Self {
            credentials: settings.credentials.clone(),
            held: None,
            phase: Phase::Ready,
            flight: None,
            mailbox: None,
            waiting: Waiting::new(settings.max_waiting),
            person: None,
            before: None,
            generation: Generation::default(),
            backoff: Backoff::new(settings.backoff_first, settings.backoff_most),
            complaints: Bucket::new(settings.complaints_burst, settings.complaints_per_minute, now),
            restored: false,
            looked: now,
            tools,
            shared,
            published,
        }
    }

    pub(super) async fn run(
        mut self,
        mut mailbox: mpsc::Receiver<Ask<Arc<Lease>>>,
        mut desk: mpsc::Receiver<Order>,
        mut closing: watch::Receiver<bool>,
    ) {
        self.restore();
        loop {
            // Whatever woke us: timers are hints, and what is due is decided by the clock.
            self.keep_time();
            self.publish();
            let wake = self.shared.clock.sleep(self.until_due());
            let shared = Arc::clone(&self.shared);
            let store = Arc::clone(&self.tools.store);
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => break,
                landing = landing(&mut self.flight) => self.land(landing),
                () = shared.end_noticed.notified() => {}
                Some(order) = desk.recv(), if self.flight.is_none() => self.obey(order),
                found = looking(&mut self.mailbox), if self.flight.is_none() => self.looked(found),
                asked = mailbox.recv() => match asked {
                    Some(ask) => self.hear(ask),
                    None => break,
                },
                () = store.changed(), if self.listens() => self.look(),
                () = wake => {}
            }
        }
        self.wind_up().await;
    }

    /// An ask that no published lease could answer.
    fn hear(&mut self, ask: Ask<Arc<Lease>>) {
        self.lapse();
        if let Some(lease) = self.lease_for(&ask) {
            return ask.answer(Ok(lease));
        }
        if let Some(error) = self.settled() {
            return ask.answer(Err(error));
        }
        if ask.refused.is_some() && !self.suspects() {
            if let Err(retry_after) = self.complaints.take(self.clock().since_boot()) {
                return ask.answer(Err(SessionError::TooManyComplaints { retry_after }));
            }
            self.suspect();
        }
        self.waiting.admit(ask);
        self.serve();
    }

    /// Starts what those who wait are waiting for, or tells them why not.
    pub(super) fn serve(&mut self) {
        if self.flight.is_some() || self.mailbox.is_some() || self.waiting.is_empty() {
            return;
        }
        match self.settled() {
            Some(error) => self.waiting.fail(&error),
            None if self.pause_left().is_some() => {}
            None if self.restored => self.renew(),
            None => self.restore(),
        }
    }

    /// Why nobody gets a lease now, where nothing under way can change that.
    fn settled(&self) -> Option<SessionError> {
        match &self.phase {
            // The code may come by itself.
            Phase::AwaitingCode(_) if self.mailbox.is_some() => None,
            Phase::AwaitingCode(pending) => {
                Some(SessionError::CodeRequired { expires_in: pending.ends.left(self.clock()) })
            }
            _ if self.flight.is_some() => None,
            Phase::Ready => None,
            Phase::SignedOut => Some(SessionError::SignedOut),
            Phase::Failed { error, retry_at: None } => Some(error.clone()),
            Phase::Failed { error, retry_at: Some(_) } => {
                let left = self.pause_left().filter(|left| *left > self.tools.settings.wait_through)?;
                Some(error.as_of(Some(left)))
            }
        }
    }

    /// What is left of the pause after a failure, if anything.
    pub(super) fn pause_left(&self) -> Option<Duration> {
        let Phase::Failed { error: _, retry_at: Some(at) } = &self.phase else { return None };
        at.checked_sub(self.clock().since_boot()).filter(|left| !left.is_zero())
    }

    fn restore(&mut self) {
        let tools = Arc::clone(&self.tools);
        self.take_off(async move { tools.restore().await });
    }

    /// A refresh, or a login where there is nothing to refresh.
    pub(super) fn renew(&mut self) {
        let (tools, next) = (Arc::clone(&self.tools), self.generation.next());
        let held = self.held.as_ref().map(|held| held.pair.clone());
        let (login, over) = (self.login(By::Itself), self.living_lease().is_none());
        self.take_off(async move { tools.renew(held, login, next, over).await });
    }

    /// What a login would be made with now.
    pub(super) fn login(&self, by: By) -> Option<Login> {
        let code_retries = self.tools.settings.code_retries;
        let credentials = self.credentials.clone();
        credentials.map(|credentials| Login {
            credentials,
            by,
            by_backup_code: false,
            prefer: None,
            code_retries,
        })
    }

    pub(super) fn take_off(&mut self, flight: impl Future<Output = Landing> + Send + 'static) {
        self.flight = Some(Box::pin(flight));
    }

    async fn wind_up(mut self) {
        if let Some(flight) = &mut self.flight {
            // A refresh that was sent is worth waiting for: its answer is the only copy of the new pair.
            tokio::select! {
                biased;
                landing = flight => self.land(landing),
                () = self.tools.clock.sleep(self.tools.settings.close_timeout) => {
                    tracing::warn!(identity = %self.tools.settings.identity, "a flight did not land in time");
                }
            }
        }
        (self.flight, self.mailbox) = (None, None);
        self.waiting.fail(&SessionError::Closed);
        self.tools.keeper.close().await;
        self.published.send_replace(Published::closed());
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }
}

/// The flight's landing; never, if there is none.
async fn landing(flight: &mut Option<Flight>) -> Landing {
    match flight {
        Some(flight) => flight.await,
        None => std::future::pending().await,
    }
}
