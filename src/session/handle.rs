//! How everybody else speaks to a session: read by watch, ask by mailbox.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::actor::Owner;
use super::flight::Tools;
use super::keeper::Keeper;
use super::skew::PortalTime;
use super::status::Published;
use super::tally::{Counters, Jumps, Tally};
use super::waiting::{Ask, ask};
use super::{
    Challenge, Credentials, FactorKind, Findings, FoundSetting, Generation, Lease, MemoryStore, OpenChannel,
    Passage, Portal, SessionError, Settings, Status, Store, Tokens,
};
use crate::clock::SharedClock;
use crate::secret::OneTimeCode;

/// How many orders of persons wait for a flight under way before the next has to wait to be given.
const ORDERS: usize = 16;

/// How everybody else speaks to a session. Cheap to clone.
///
/// Two tasks stand behind it, the login's owner and the channel's; they end by [`SessionHandle::close`], or
/// when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    asks: mpsc::Sender<Ask<Arc<Lease>>>,
    orders: mpsc::Sender<Order>,
    published: watch::Receiver<Published>,
    keeper: Keeper,
    shared: Arc<Shared>,
}

/// What handles and the owner both touch.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: SharedClock,
    pub(super) jumps: Jumps,
    tally: Arc<Tally>,
    store: Arc<dyn Store>,
    patience: Duration,
    findings: Findings,
    /// The newest generation that a client logged out, one up; zero for none.
    ended: AtomicU64,
    pub(super) end_noticed: Notify,
    doubts: Doubts,
    closing: watch::Sender<bool>,
}

/// Which endpoint was the first to refuse a lease right after the portal gave it.
#[derive(Debug, Default)]
struct Doubts(Mutex<Option<(Generation, String)>>);

impl Doubts {
    /// Whether no other endpoint has refused it before; notes that this one has.
    fn is_alone(&self, lease: Generation, path: &str) -> bool {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*first {
            Some((refused, by)) if *refused == lease => by == path,
            Some(_) | None => {
                *first = Some((lease, path.to_owned()));
                true
            }
        }
    }
}

impl Shared {
    /// Whether a client's own logout killed this lease.
    pub(super) fn has_ended(&self, lease: &Lease) -> bool {
        lease.generation.0 < self.ended.load(SeqCst)
    }
}

/// Who waits for the end of a sign-in.
type SignedIn = oneshot::Sender<Result<Arc<Lease>, SessionError>>;

/// What a person, or a client's own login, asks of the owner. One at a time, never during a flight.
#[derive(Debug)]
pub(super) enum Order {
    SignIn { credentials: Option<Credentials>, by_backup_code: bool, reply: SignedIn },
    Answer(OneTimeCode, SignedIn),
    SendCode(Option<FactorKind>, oneshot::Sender<Result<Challenge, SessionError>>),
    Adopt(Tokens, SignedIn),
    SignOut(oneshot::Sender<Result<(), SessionError>>),
}

impl SessionHandle {
    /// Starts the owner tasks on the current runtime; the portal's type ends here. The login is remembered until
    /// the process ends.
    pub fn spawn<P: Portal>(portal: P, settings: Settings, clock: SharedClock) -> Self {
        Self::spawn_with(portal, settings, clock, Arc::new(MemoryStore::new()))
    }

    /// As [`SessionHandle::spawn`], with the login remembered by `store`.
    pub fn spawn_with<P: Portal>(
        portal: P,
        settings: Settings,
        clock: SharedClock,
        store: Arc<dyn Store>,
    ) -> Self {
        let (portal, settings) = (Arc::new(portal), Arc::new(settings));
        let (tally, portal_time) = (Arc::new(Tally::default()), Arc::new(PortalTime::default()));
        let keeper = Keeper::spawn(
            Arc::clone(&portal),
            Arc::clone(&settings),
            Arc::clone(&clock),
            Arc::clone(&tally),
            Arc::clone(&portal_time),
        );
        let (closing, close) = watch::channel(false);
        let shared = Arc::new(Shared {
            jumps: Jumps::new(&*clock, &settings),
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            tally: Arc::clone(&tally),
            patience: settings.wait_timeout,
            findings: portal.findings(),
            ended: AtomicU64::new(0),
            end_noticed: Notify::new(),
            doubts: Doubts::default(),
            closing,
        });
        let (asks, mailbox) = mpsc::channel(settings.max_waiting.max(1));
        let (orders, desk) = mpsc::channel(ORDERS);
        let (publish, published) = watch::channel(Published::nothing());
        let (apart, keeper_too) = (Arc::new(MemoryStore::new()), keeper.clone());
        let tools = Tools { portal, keeper: keeper_too, store, apart, clock, settings, portal_time, tally };
        let owner = Owner::new(Arc::new(tools), Arc::clone(&shared), publish);
        tokio::spawn(owner.run(mailbox, desk, close));
        Self { asks, orders, published, keeper, shared }
    }

    /// What was found out about settings that the configuration leaves open.
    pub fn found(&self) -> Vec<FoundSetting> {
        self.shared.findings.list()
    }

    /// The lease, if there is a good one right now. Never waits.
    pub fn current(&self) -> Option<Arc<Lease>> {
        let published = self.published.borrow();
        let lease = published.lease(&*self.shared.clock)?;
        (!self.shared.has_ended(lease)).then(|| Arc::clone(lease))
    }

    /// Whether a 401 to this lease, right after the portal gave it, is the endpoint's own answer (PROTOCOL section 13).
    ///
    /// It is not once somebody's refusal of the lease has been heard, and not where two endpoints refuse it: where
    /// hundreds have waited for it and are served at once, it may have ended while they were, and none of them would be
    /// the first to say so.
    pub fn is_endpoints_own(&self, lease: &Lease, path: &str) -> bool {
        let is_in_use = self.current().is_some_and(|current| current.generation == lease.generation);
        is_in_use && self.shared.doubts.is_alone(lease.generation, path)
    }

    /// A good lease; signs in or refreshes where that needs no person.
    ///
    /// A caller that goes away cancels nothing: the flight is the owner's, and serves the next who asks.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn lease(&self) -> Result<Arc<Lease>, SessionError> {
        self.shared.jumps.look(&*self.shared.clock);
        match self.current() {
            Some(lease) => Ok(lease),
            None => ask(&self.asks, None, &self.shared.clock, self.shared.patience).await,
        }
    }

    /// A lease newer than the one that the portal refused.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn replace(&self, refused: &Lease) -> Result<Arc<Lease>, SessionError> {
        match self.current() {
            Some(lease) if lease.generation > refused.generation => Ok(lease),
            Some(_) | None => {
                ask(&self.asks, Some(refused.generation), &self.shared.clock, self.shared.patience).await
            }
        }
    }

    /// The open channel, if there is a good one right now. Never waits.
    pub fn current_channel(&self) -> Option<Arc<OpenChannel>> {
        self.keeper.current()
    }

    /// The way of one sealed request: on the open channel, which is opened if needed, or as the first message of a
    /// new one.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn passage(&self) -> Result<Passage, SessionError> {
        self.keeper.passage().await
    }

    /// Another way than the one that the portal refused, or on which an answer was lost.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn another_passage(&self, stale: Passage) -> Result<Passage, SessionError> {
        self.keeper.another(stale).await
    }

    /// A person signs in: begins at initiate, with these credentials in place of the configured ones. They stay
    /// in memory, and in use, until the next sign-in or sign-out; they are never written down.
    ///
    /// # Errors
    /// Why it ended without a lease; [`SessionError::CodeRequired`] when a code is awaited.
    pub async fn sign_in(&self, credentials: Option<Credentials>) -> Result<Arc<Lease>, SessionError> {
        self.order(|reply| Order::SignIn { credentials, by_backup_code: false, reply }).await
    }

    /// As [`SessionHandle::sign_in`], with the second factor taken from the account's source of backup codes. The
    /// code is marked as spent before it is sent, and sent once.
    ///
    /// # Errors
    /// As [`SessionHandle::sign_in`]; [`SessionError::NoBackupCode`] where none can be taken.
    pub async fn sign_in_by_backup_code(
        &self,
        credentials: Option<Credentials>,
    ) -> Result<Arc<Lease>, SessionError> {
        self.order(|reply| Order::SignIn { credentials, by_backup_code: true, reply }).await
    }

    /// Answers the pending challenge. After a refused code a new challenge may be pending: see the status.
    ///
    /// # Errors
    /// Why there is still no lease.
    pub async fn answer(&self, code: OneTimeCode) -> Result<Arc<Lease>, SessionError> {
        self.order(|reply| Order::Answer(code, reply)).await
    }

    /// Sends the code of the pending challenge again, or by another of the offered factors. For a factor whose
    /// code is not delivered it only changes the factor.
    ///
    /// # Errors
    /// Why none was sent.
    pub async fn send_code(&self, by: Option<FactorKind>) -> Result<Challenge, SessionError> {
        self.order(|reply| Order::SendCode(by, reply)).await
    }

    /// Takes over the tokens of a login that a client completed through the proxy.
    pub async fn adopt(&self, tokens: Tokens) {
        // It cannot fail but by shutting down, which makes tokens worthless.
        let _ = self.order(|reply| Order::Adopt(tokens, reply)).await;
    }

    /// A client's own logout went through: the lease is dead, at once and for everybody.
    pub fn ended(&self, lease: &Lease) {
        self.shared.ended.fetch_max(lease.generation.0 + 1, SeqCst);
        self.shared.end_noticed.notify_one();
    }

    /// Ends the session at the portal, closes the channel, and stays signed out until asked.
    ///
    /// # Errors
    /// If the portal could not be told; locally it is over all the same.
    pub async fn sign_out(&self) -> Result<(), SessionError> {
        self.order(Order::SignOut).await
    }

    /// Where the login stands now.
    pub fn status(&self) -> Status {
        self.published.borrow().status(&*self.shared.clock)
    }

    /// When the bearer is renewed, by the wall clock, if that is planned.
    pub fn refresh_at(&self) -> Option<SystemTime> {
        self.published.borrow().refresh_at
    }

    /// Notices of change: [`Changes::changed`] completes when the status may be another.
    pub fn subscribe(&self) -> Changes {
        let mut published = self.published.clone();
        // A clone is as old as this handle, and would report what its holder has already seen.
        published.mark_unchanged();
        Changes(published)
    }

    /// What the session has done so far.
    pub fn counters(&self) -> Counters {
        Counters { store_away: self.shared.store.is_away(), ..self.shared.tally.snapshot(&self.shared.jumps) }
    }

    /// How often a clock was set or the machine slept: when it grows, pooled connections may be dead.
    pub fn clock_jumps(&self) -> u64 {
        self.shared.jumps.count()
    }

    /// Closes the channel at the portal and stops the owners; the login stays valid. A flight under way is given
    /// `close_timeout` to land, so that a new pair is not lost.
    pub async fn close(&self) {
        self.shared.closing.send_replace(true);
        let mut changes = self.subscribe();
        while changes.changed().await {}
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, SessionError>>) -> Order,
    ) -> Result<T, SessionError> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| SessionError::Closed)?;
        answer.await.map_err(|_| SessionError::Closed)?
    }
}

/// Notices that a session's status may have changed.
#[derive(Debug, Clone)]
pub struct Changes(watch::Receiver<Published>);

impl Changes {
    /// Completes at the next change; false once the session is closed and nothing changes any more.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}
