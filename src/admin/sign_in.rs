//! The seam to the session: what the admin API asks of one identity's sign-in, in public data only.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use crate::secret::OneTimeCode;
use crate::session::{Challenge, Credentials, FactorKind, FoundSetting, SessionError, SessionHandle, Status};

/// How often a session is looked at that has no news.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A boxed future, so that sessions and their fakes stand in one list.
pub type Pledge<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One identity's sign-in, as the admin API uses it.
pub trait SignIn: fmt::Debug + Send + Sync + 'static {
    /// Where it stands now. Never waits.
    fn standing(&self) -> Standing;
    /// Completes when the standing may have changed.
    fn changed(&self) -> Pledge<'_, ()>;
    /// Signs in, with these credentials in place of the configured ones.
    fn sign_in(&self, credentials: Option<Credentials>) -> Pledge<'_, Result<(), SessionError>>;
    /// The same, with the second factor taken from the source of backup codes.
    fn sign_in_by_backup_code(
        &self,
        credentials: Option<Credentials>,
    ) -> Pledge<'_, Result<(), SessionError>>;
    /// Answers the pending challenge.
    fn answer(&self, code: OneTimeCode) -> Pledge<'_, Result<(), SessionError>>;
    /// Sends the pending challenge's code again, or by another factor.
    fn send_code(&self, by: Option<FactorKind>) -> Pledge<'_, Result<(), SessionError>>;
    /// Ends the session.
    fn sign_out(&self) -> Pledge<'_, Result<(), SessionError>>;
}

/// Where a sign-in stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The login.
    pub phase: Phase,
    /// When the bearer is renewed, if that is planned.
    pub refresh_at: Option<SystemTime>,
    /// The secure channel, if one is open.
    pub channel: Option<ChannelStanding>,
    /// How many backup codes were left when one was last taken from their source, if one was.
    pub backup_codes_left: Option<u64>,
    /// What is not as it should be, though requests are served.
    pub degraded: Option<&'static str>,
    /// What was found out about settings that are left open.
    pub found: Vec<FoundSetting>,
}

/// The login's step.
#[derive(Debug, Clone)]
pub enum Phase {
    /// Nobody is signed in, and nothing is under way.
    SignedOut,
    /// A login or a refresh is under way.
    Opening,
    /// A person has to enter a code.
    AwaitingCode(Pending),
    /// Signed in.
    SignedIn {
        /// Until when.
        expires_at: SystemTime,
        /// The e-mail address that did, where that is known.
        account: Option<String>,
    },
    /// It failed.
    Failed(SessionError),
}

/// A pending challenge, without the id that answers it.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The factor chosen.
    pub method: FactorKind,
    /// All factors offered, each with the portal's own text.
    pub offered: Vec<(FactorKind, Option<String>)>,
    /// Where a delivered code went.
    pub masked_target: Option<String>,
    /// When the pending login dies.
    pub expires_at: SystemTime,
    /// When another code may be sent; absent for a factor that is not delivered.
    pub resend_at: Option<SystemTime>,
    /// Why the code was not fetched from its source, if that failed; never what the source gave.
    pub unfetched: Option<String>,
}

/// An open channel's life.
#[derive(Debug, Clone, Copy)]
pub struct ChannelStanding {
    /// Since when.
    pub opened_at: SystemTime,
    /// Until when.
    pub expires_at: SystemTime,
}

impl SignIn for SessionHandle {
    fn standing(&self) -> Standing {
        let channel = self
            .current_channel()
            .map(|open| ChannelStanding { opened_at: open.opened_at(), expires_at: open.expires_at() });
        let counted = self.counters();
        let degraded = match (counted.store_away, counted.unsaved) {
            (true, _) => Some("the store that replicas share is away; what is held serves on"),
            (false, true) => Some("the login in use could not be stored; a crash now would lose it"),
            (false, false) => None,
        };
        Standing {
            phase: self.status().into(),
            refresh_at: self.refresh_at(),
            channel,
            backup_codes_left: counted.backup_codes_left,
            degraded,
            found: self.found(),
        }
    }

    fn changed(&self) -> Pledge<'_, ()> {
        // The channel's life is published elsewhere, and what lies between two subscriptions is missed: a
        // look now and then finds both.
        let mut changes = self.subscribe();
        Box::pin(async move {
            let change = async {
                // A closed session never changes again, and says so at once, each time.
                if !changes.changed().await {
                    std::future::pending::<()>().await;
                }
            };
            let _ = tokio::time::timeout(LOOK_EVERY, change).await;
        })
    }

    fn sign_in(&self, credentials: Option<Credentials>) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(async { Self::sign_in(self, credentials).await.map(drop) })
    }

    fn sign_in_by_backup_code(
        &self,
        credentials: Option<Credentials>,
    ) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(async { Self::sign_in_by_backup_code(self, credentials).await.map(drop) })
    }

    fn answer(&self, code: OneTimeCode) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(async { Self::answer(self, code).await.map(drop) })
    }

    fn send_code(&self, by: Option<FactorKind>) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(async move { Self::send_code(self, by).await.map(drop) })
    }

    fn sign_out(&self) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(Self::sign_out(self))
    }
}

impl From<Status> for Phase {
    fn from(status: Status) -> Self {
        match status {
            Status::SignedOut => Self::SignedOut,
            Status::Opening => Self::Opening,
            Status::AwaitingCode(challenge) => Self::AwaitingCode(challenge.into()),
            Status::Active(lease) => {
                Self::SignedIn { expires_at: lease.expires_at(), account: lease.account().map(str::to_owned) }
            }
            Status::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<Challenge> for Pending {
    fn from(challenge: Challenge) -> Self {
        let delivered = challenge.method.kind == FactorKind::Email;
        Self {
            method: challenge.method.kind,
            offered: challenge.offered.into_iter().map(|method| (method.kind, method.label)).collect(),
            masked_target: challenge.sent.and_then(|sent| sent.masked_target),
            expires_at: challenge.expires_at,
            resend_at: delivered.then_some(challenge.resend_at),
            unfetched: challenge.unfetched.map(|error| error.to_string()),
        }
    }
}
