//! What a failed call of a login means for the next one (PROTOCOL sections 9, 13 and 14), and what of it is
//! written down.

use std::sync::Arc;
use std::time::SystemTime;

use super::budget::{Attempt, Attempts, Denied, Latched, Verdict};
use super::flight::{Login, Origin, Stop, Tools};
use super::tally::count;
use super::{Portal, PortalError, PortalErrorKind, SessionError};

/// What follows a call of a login that failed.
pub(super) enum Again {
    /// From initiate, since the pending login is gone or may be.
    Restart(PortalError),
    /// From initiate, since the code was refused.
    Code,
    /// Not now.
    No(Stop),
}

impl<P: Portal> Tools<P> {
    /// Whether a login whose complete failed begins again at initiate (rulings 1 and 2).
    pub(super) async fn after_complete(&self, error: PortalError, login: &Login) -> Again {
        match error.kind {
            PortalErrorKind::OutcomeUnknown(_)
            | PortalErrorKind::NotUnderstood(_)
            | PortalErrorKind::ChannelStale
            | PortalErrorKind::LoginGone => Again::Restart(error),
            PortalErrorKind::CodeRefused
            | PortalErrorKind::CredentialsRefused
            | PortalErrorKind::TokenRefused => Again::Code,
            _ => Again::No(self.conclude(error, login).await),
        }
    }

    /// What a failed call of a login means for the next one, latched where that outlives this process.
    pub(super) async fn conclude(&self, error: PortalError, login: &Login) -> Stop {
        match error.kind {
            PortalErrorKind::NotSent(_)
            | PortalErrorKind::OutcomeUnknown(_)
            | PortalErrorKind::Trouble
            | PortalErrorKind::RateLimited { .. }
            | PortalErrorKind::ChannelStale
            | PortalErrorKind::NotUnderstood(_) => Stop::ForNow(error),
            PortalErrorKind::Channel(source) => {
                Stop::Later(SessionError::Channel(source), self.settings.channel_backoff_most)
            }
            PortalErrorKind::CredentialsRefused
            | PortalErrorKind::CodeRefused
            | PortalErrorKind::TokenRefused => self.latch(Latched::Credentials, login).await,
            PortalErrorKind::PendingApproval => self.latch(Latched::Approval, login).await,
            PortalErrorKind::Blocked(how) => self.latch(Latched::Blocked(how), login).await,
            PortalErrorKind::FingerprintMismatch => Stop::Person(SessionError::FingerprintMismatch),
            PortalErrorKind::RiskChallenge => Stop::Person(SessionError::RiskChallenge),
            PortalErrorKind::Refused | PortalErrorKind::LoginGone => {
                let retry_after = self.settings.retry_after_most;
                Stop::Person(SessionError::Portal { source: Arc::new(error), retry_after })
            }
        }
    }

    pub(super) async fn latch(&self, why: Latched, login: &Login) -> Stop {
        self.change(|attempts, _| attempts.latch(why, &login.credentials)).await;
        Stop::Person(why.error())
    }

    pub(super) async fn begin(&self, login: &Login) -> Result<Attempt, Stop> {
        let broken = |error| Stop::Later(SessionError::Store(error), self.settings.backoff_first);
        let mut attempts = self.stored(self.store.attempts().await).map_err(broken)?;
        let begun = attempts.begin(login.by, &login.credentials, self.clock.wall(), &self.settings);
        let attempt = begun.map_err(|denied| match denied {
            Denied::Latched(why) => Stop::Person(why.error()),
            Denied::Spent(wait) => Stop::Later(SessionError::RateLimited { retry_after: wait }, wait),
        })?;
        self.stored(self.store.record(attempts).await).map_err(broken)?;
        Ok(attempt)
    }

    pub(super) async fn settle(&self, attempt: Attempt, verdict: Verdict) {
        self.change(|attempts, _| attempts.settle(attempt, verdict)).await;
    }

    pub(super) async fn completed(&self, login: &Login, without_factor: bool) -> Origin {
        count(&self.tally.logins);
        self.change(|attempts, _| attempts.completed()).await;
        Origin { account: Some(login.credentials.email.clone()), without_factor }
    }

    /// Changes the recorded attempts. If the store fails, they stay as counted, which is the safe side.
    pub(super) async fn change(&self, change: impl FnOnce(&mut Attempts, SystemTime)) {
        if let Ok(mut attempts) = self.stored(self.store.attempts().await) {
            change(&mut attempts, self.clock.wall());
            let _ = self.stored(self.store.record(attempts).await);
        }
    }
}

/// Whether a failed initiate may have had the password judged.
pub(super) fn verdict_on(kind: &PortalErrorKind) -> Verdict {
    match kind {
        PortalErrorKind::NotSent(_)
        | PortalErrorKind::Trouble
        | PortalErrorKind::RateLimited { .. }
        | PortalErrorKind::ChannelStale
        | PortalErrorKind::Channel(_) => Verdict::Free,
        PortalErrorKind::OutcomeUnknown(_)
        | PortalErrorKind::NotUnderstood(_)
        | PortalErrorKind::CredentialsRefused
        | PortalErrorKind::CodeRefused
        | PortalErrorKind::LoginGone
        | PortalErrorKind::TokenRefused
        | PortalErrorKind::PendingApproval
        | PortalErrorKind::Blocked(_)
        | PortalErrorKind::FingerprintMismatch
        | PortalErrorKind::RiskChallenge
        | PortalErrorKind::Refused => Verdict::Counted,
    }
}

/// Whether the login stays counted after its complete: one that ended in nobody knows what does, so that logins
/// whose answers are always lost come to an end (ruling 1).
pub(super) fn verdict_on_complete<T>(completed: &Result<T, PortalError>) -> Verdict {
    match completed {
        Err(PortalError {
            kind: PortalErrorKind::OutcomeUnknown(_) | PortalErrorKind::NotUnderstood(_),
            ..
        }) => Verdict::Counted,
        Ok(_) | Err(_) => Verdict::Free,
    }
}

/// A call that could not be made because there is no channel for it.
pub(super) fn not_sent(call: &'static str, error: SessionError) -> PortalError {
    let kind = match error {
        SessionError::RateLimited { retry_after } => {
            PortalErrorKind::RateLimited { retry_after: Some(retry_after) }
        }
        SessionError::Channel(source) => PortalErrorKind::Channel(source),
        SessionError::Portal { source, .. } => {
            PortalErrorKind::NotSent(format!("no channel for it: {source}"))
        }
        other => PortalErrorKind::NotSent(format!("no channel for it: {other}")),
    };
    PortalError { call, kind, status: None, code: None }
}

impl PortalErrorKind {
    /// Whether another channel may do better: this one was refused, or its answer did not open.
    pub(super) fn tells_of_the_channel(&self) -> bool {
        matches!(self, Self::ChannelStale | Self::OutcomeUnknown(_))
    }
}
