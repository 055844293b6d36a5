//! Where a session stands, as its owner publishes it and everybody else reads it.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::deadline::Deadline;
use super::{Challenge, Lease, SessionError};
use crate::clock::Clock;

/// Where the login stands.
#[derive(Debug, Clone)]
pub enum Status {
    /// Nobody is signed in, and nothing is under way.
    SignedOut,
    /// A login or a refresh is under way, with no good lease meanwhile.
    Opening,
    /// A person has to enter a code.
    AwaitingCode(Challenge),
    /// Signed in.
    Active(Arc<Lease>),
    /// It failed, and why.
    Failed(SessionError),
}

/// What the owner publishes.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) status: Status,
    /// The lease to hand out, whatever the status.
    pub(super) lease: Option<Arc<Lease>>,
    /// Until when it is handed out.
    pub(super) usable: Deadline,
    /// When the bearer is renewed.
    pub(super) refresh_at: Option<SystemTime>,
    /// When a failed flight is tried again, by the boot clock.
    pub(super) retry_at: Option<Duration>,
}

impl Published {
    /// Before anything is known.
    pub(super) fn nothing() -> Self {
        let usable = Deadline { wall: SystemTime::UNIX_EPOCH, boot: Duration::ZERO };
        Self { status: Status::SignedOut, lease: None, usable, refresh_at: None, retry_at: None }
    }

    /// After everything.
    pub(super) fn closed() -> Self {
        Self { status: Status::Failed(SessionError::Closed), ..Self::nothing() }
    }

    /// Whether a reader could tell the two apart.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        let generation = |published: &Self| published.lease.as_ref().map(|lease| lease.generation);
        generation(self) != generation(other)
            || (self.usable, self.refresh_at, self.retry_at)
                != (other.usable, other.refresh_at, other.retry_at)
            || match (&self.status, &other.status) {
                (Status::Failed(one), Status::Failed(two)) => discriminant(one) != discriminant(two),
                (Status::AwaitingCode(one), Status::AwaitingCode(two)) => {
                    (&one.login, &one.method, &one.sent, one.resend_at, &one.unfetched)
                        != (&two.login, &two.method, &two.sent, two.resend_at, &two.unfetched)
                }
                (one, two) => discriminant(one) != discriminant(two),
            }
    }

    /// The lease, if it can be used right now: a published one may have slept past its end.
    pub(super) fn lease(&self, clock: &dyn Clock) -> Option<&Arc<Lease>> {
        self.lease.as_ref().filter(|_| !self.usable.passed(clock))
    }

    /// The status as of now.
    pub(super) fn status(&self, clock: &dyn Clock) -> Status {
        match &self.status {
            // Whoever asks for it next starts the refresh.
            Status::Active(lease) if lease.ends.passed(clock) => Status::Opening,
            Status::Failed(error) => {
                let left = self.retry_at.map(|at| at.saturating_sub(clock.since_boot()));
                Status::Failed(error.as_of(left))
            }
            Status::SignedOut | Status::Opening | Status::AwaitingCode(_) | Status::Active(_) => {
                self.status.clone()
            }
        }
    }
}
