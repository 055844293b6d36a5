//! Why there is no lease.

use std::sync::Arc;
use std::time::Duration;

use super::{Blocked, PortalError};

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
    /// The portal limits our own calls.
    #[error("the portal limits the proxy's own calls")]
    RateLimited {
        /// When it may be tried again.
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
