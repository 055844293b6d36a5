//! What the admin API holds: the identities, and what it was told at the start.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::{Semaphore, watch};

use super::account::Registering;
use super::events::MAX_SUBSCRIBERS;
use super::metrics::Metric;
use super::report::{
    AccountReport, ChallengeReport, ChannelReport, ErrorReport, FoundReport, HeldReport, IdentityReport,
    RequestsReport, State, StatusReport, masked, seconds_left, timestamp,
};
use super::sign_in::{Phase, SignIn};
use crate::account::Account;
use crate::clock::SharedClock;
use crate::held::HeldBytes;
use crate::identity::IdentityName;
use crate::places::Places;
use crate::session::Credentials;

/// Everything the endpoints answer from. Cheap to clone.
#[derive(Clone)]
pub struct AdminState(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) identities: Vec<Identity>,
    pub(super) clock: SharedClock,
    started_at: SystemTime,
    version: &'static str,
    listen: Vec<String>,
    held: HeldBytes,
    pub(super) metrics: Box<dyn Fn() -> Vec<Metric> + Send + Sync>,
    pub(super) shutdown: Box<dyn Fn() + Send + Sync>,
    pub(super) subscribers: Arc<Semaphore>,
    /// Ends the event streams, which would outlast every drain.
    pub(super) closing: watch::Sender<bool>,
}

/// One identity: its name, its session, and what is configured to sign it in with.
#[derive(Debug)]
pub struct Identity {
    pub(super) name: IdentityName,
    pub(super) session: Arc<dyn SignIn>,
    pub(super) configured: Option<Credentials>,
    pub(super) account: Option<Arc<dyn Account>>,
    /// The setting that holds the password, for a person who has to change it there.
    pub(super) password_source: Option<String>,
    pub(super) registering: Registering,
    places: Option<Places>,
    since: Mutex<Option<(State, SystemTime)>>,
    /// A person signed out: nothing signs in by itself until a person does.
    pub(super) left: AtomicBool,
}

impl AdminState {
    /// What the API answers from; `shutdown` begins the proxy's drain and returns at once.
    pub fn new(
        identities: Vec<Identity>,
        clock: SharedClock,
        version: &'static str,
        listen: Vec<String>,
        metrics: impl Fn() -> Vec<Metric> + Send + Sync + 'static,
        shutdown: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let started_at = clock.wall();
        Self(Arc::new(Inner {
            identities,
            clock,
            started_at,
            version,
            listen,
            held: HeldBytes::unbounded(),
            metrics: Box::new(metrics),
            shutdown: Box::new(shutdown),
            subscribers: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
            closing: watch::Sender::new(false),
        }))
    }

    /// The same, telling how much of this budget is taken. Before it is shared.
    #[must_use]
    pub fn with_held(mut self, held: HeldBytes) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.held = held;
        }
        self
    }

    /// Where everything stands now.
    pub fn report(&self) -> StatusReport {
        let now = self.0.clock.wall();
        let identities: Vec<_> = self.0.identities.iter().map(|identity| identity.report(now)).collect();
        StatusReport {
            version: self.0.version.to_owned(),
            pid: std::process::id(),
            started_at: timestamp(self.0.started_at),
            uptime: seconds_left(now, self.0.started_at),
            listen: self.0.listen.clone(),
            held: HeldReport { bytes: self.0.held.taken(), limit: self.0.held.most() },
            ready: identities.iter().all(|identity| identity.ready),
            identities,
        }
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("identities", &self.0.identities).finish_non_exhaustive()
    }
}

impl Identity {
    /// An identity and what its configuration signs in with, if anything.
    pub fn new(name: IdentityName, session: Arc<dyn SignIn>, configured: Option<Credentials>) -> Self {
        Self {
            name,
            session,
            configured,
            account: None,
            password_source: None,
            registering: Registering::default(),
            places: None,
            since: Mutex::new(None),
            left: AtomicBool::new(false),
        }
    }

    /// The same with a way to ask about its account; `password_source` is the setting that a changed password
    /// has to be changed in as well, such as `login.password: { env = "PW" }`.
    #[must_use]
    pub fn with_account(self, account: Arc<dyn Account>, password_source: Option<String>) -> Self {
        Self { account: Some(account), password_source, ..self }
    }

    /// The same, telling how many of these places are taken, if there are any.
    #[must_use]
    pub fn with_places(self, places: Option<Places>) -> Self {
        Self { places, ..self }
    }

    /// Where it stands at `now`.
    pub(super) fn report(&self, now: SystemTime) -> IdentityReport {
        let standing = self.session.standing();
        let account = self.account_report();
        let mut report = IdentityReport {
            identity: self.name.to_string(),
            state: State::of(&standing.phase),
            since: String::new(),
            // A first login that needs no person happens with the first request: ready before it.
            ready: false,
            expires_at: None,
            expires_in: None,
            refresh_in: None,
            requests: self.places.as_ref().map(RequestsReport::from),
            challenge: None,
            backup_codes_left: standing.backup_codes_left,
            channel: standing.channel.map(|channel| ChannelReport::new(channel, now)),
            found: standing.found.into_iter().map(FoundReport::from).collect(),
            error: None,
            degraded: standing.degraded.map(str::to_owned),
            account,
            signed_in_as: None,
        };
        match standing.phase {
            Phase::SignedIn { expires_at, account } => {
                report.ready = true;
                report.signed_in_as = account.as_deref().map(masked);
                report.expires_at = Some(timestamp(expires_at));
                report.expires_in = Some(seconds_left(expires_at, now));
                report.refresh_in = standing.refresh_at.map(|at| seconds_left(at, now));
            }
            Phase::SignedOut | Phase::Opening => {
                report.ready = report.account.password && !self.left.load(Ordering::Relaxed);
            }
            Phase::AwaitingCode(pending) => report.challenge = Some(ChallengeReport::new(&pending, now)),
            Phase::Failed(error) => report.error = Some(ErrorReport::from(&error)),
        }
        report.since = timestamp(self.since(report.state, now));
        report
    }

    /// When the state was first seen to be this one; the watcher looks after every change.
    fn since(&self, state: State, now: SystemTime) -> SystemTime {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match *since {
            Some((seen, at)) if seen == state => at,
            Some(_) | None => {
                *since = Some((state, now));
                now
            }
        }
    }

    fn account_report(&self) -> AccountReport {
        match &self.configured {
            Some(login) => AccountReport {
                email: Some(masked(&login.email)),
                password: login.password.is_some(),
                otp_secret: login.otp_secret.is_some(),
            },
            None => AccountReport::default(),
        }
    }
}

impl State {
    fn of(phase: &Phase) -> Self {
        match phase {
            Phase::SignedOut => Self::SignedOut,
            Phase::Opening => Self::Opening,
            Phase::AwaitingCode(_) => Self::AwaitingCode,
            Phase::SignedIn { .. } => Self::SignedIn,
            Phase::Failed(_) => Self::Failed,
        }
    }
}
