//! Why there is no lease.

use std::sync::Arc;
use std::time::Duration;

use super::{Blocked, CodeSourceError, PortalError, PortalErrorKind, StoreError};

/// Why there is no lease, or no channel, to be had now. Shared by all who waited for the same flight.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    /// A person has to enter a code.
    #[error("the login waits for a code")]
    CodeRequired {
        /// For how long the pending login can still be answered.
        expires_in: Duration,
    },
    /// A person has to sign in: no password is configured, or the automatic budget is spent.
    #[error("a person has to sign in: {reason}")]
    PersonRequired {
        /// Why the proxy does not do it by itself.
        reason: &'static str,
    },
    /// A backup code was to be taken from its source, and none can be.
    #[error("no backup code can be used: {reason}")]
    NoBackupCode {
        /// Why.
        reason: &'static str,
    },
    /// A source of codes gave none; backed off.
    #[error("the code cannot be fetched")]
    CodeSource(#[source] CodeSourceError),
    /// The portal refused the configured credentials; they are not tried again until something changes.
    #[error("the portal refused the credentials")]
    CredentialsRefused,
    /// An administrator has to approve the account.
    #[error("the account waits for an administrator's approval")]
    PendingApproval,
    /// The account is blocked.
    #[error("the account is {0}")]
    AccountBlocked(Blocked),
    /// The portal ties the session to another client hash.
    #[error("the portal says that the client hash is not the one of this login")]
    FingerprintMismatch,
    /// The portal asks for a risk challenge that only its own front end can answer.
    #[error("the portal asks for a risk challenge")]
    RiskChallenge,
    /// The portal limits our own calls, or a budget of ours is used up that keeps us from being limited.
    #[error("too many logins, refreshes or codes in a short time")]
    RateLimited {
        /// When it may be tried again.
        retry_after: Duration,
    },
    /// So many bearers were refused in a short time that this refusal is not followed by a refresh; the lease
    /// stays as good as it looks.
    #[error("more bearers were refused than are replaced in a short time")]
    TooManyComplaints {
        /// When the next one is followed.
        retry_after: Duration,
    },
    /// A call to the portal failed; backed off.
    #[error("the portal could not be asked")]
    Portal {
        /// What happened.
        #[source]
        source: Arc<PortalError>,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// The portal's key is not the pinned one, or unusable.
    #[error("the secure channel cannot be opened")]
    Channel(#[source] crate::channel::ChannelError),
    /// The dialect has no secure channel, but a sealed call was to be made.
    #[error("this dialect has no secure channel, but the call asks for one")]
    NoChannel,
    /// What remembers the login cannot be read or written.
    #[error("the stored login cannot be used")]
    Store(#[source] StoreError),
    /// Waited longer than the caller may wait.
    #[error("the login took longer than a request may wait")]
    WaitedTooLong,
    /// More requests wait than may.
    #[error("too many requests wait for the login")]
    QueueFull,
    /// Signed out by a person; nothing signs in until asked to.
    #[error("signed out")]
    SignedOut,
    /// The proxy is going away.
    #[error("the proxy is shutting down")]
    Closed,
}

impl SessionError {
    /// A failure that passes, as each who waited for the call is told it.
    pub(super) fn for_now(source: PortalError, retry_after: Duration) -> Self {
        match source.kind {
            PortalErrorKind::RateLimited { retry_after: _ } => Self::RateLimited { retry_after },
            PortalErrorKind::Channel(source) => Self::Channel(source),
            _ => Self::Portal { source: Arc::new(source), retry_after },
        }
    }

    /// The same with what is left of its pause, if it has one.
    pub(super) fn as_of(&self, left: Option<Duration>) -> Self {
        match (self, left) {
            (Self::Portal { source, retry_after: _ }, Some(retry_after)) => {
                Self::Portal { source: Arc::clone(source), retry_after }
            }
            (Self::RateLimited { retry_after: _ }, Some(retry_after)) => Self::RateLimited { retry_after },
            _ => self.clone(),
        }
    }
}

impl PortalErrorKind {
    /// How long the portal asked to wait, if it did.
    pub(super) fn asked_pause(&self) -> Duration {
        match self {
            Self::RateLimited { retry_after } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}
