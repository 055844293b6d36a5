//! What a configuration leaves open about the channel: found when a channel is first opened, kept for the process,
//! and found again when it works no more.
//!
//! | a channel is opened, and | then |
//! |---|---|
//! | nothing is known | it is found first |
//! | the one before it did not last, and the last search is as old | it is found first |
//! | the portal refuses, and the last search is not of just now | it is found, and the channel opened once more |
//! | anything else | what is known holds |

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::portal::Dialect;
use crate::session::{Findings, FoundSetting, PortalError, PortalErrorKind as Kind};

/// Finds out what a configuration leaves open about the channel, by calls that need no login.
pub trait Scout: fmt::Debug + Send + Sync + 'static {
    /// One search.
    fn find(&self) -> Pin<Box<dyn Future<Output = Result<Scouted, PortalError>> + Send + '_>>;
}

/// What a search came to.
#[derive(Debug)]
pub struct Scouted {
    /// The configured dialect with what was found in it.
    pub dialect: Dialect,
    /// What was found, one by one.
    pub found: Vec<FoundSetting>,
}

/// A scout, and what it has found. Clones share both.
#[derive(Clone, Debug)]
pub struct Finder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    scout: Box<dyn Scout>,
    /// For so long what was found is not searched for again, and a channel that lasted no longer casts doubt.
    pause: Duration,
    known: Mutex<Option<Known>>,
    findings: Findings,
}

#[derive(Debug)]
struct Known {
    dialect: Arc<Dialect>,
    found_at: Instant,
    opened_at: Option<Instant>,
}

impl Finder {
    /// A finder that has found nothing yet. `pause`: how long what was found is not searched for again.
    pub fn new(scout: impl Scout, pause: Duration) -> Self {
        let (known, findings) = (Mutex::new(None), Findings::default());
        Self(Arc::new(Inner { scout: Box::new(scout), pause, known, findings }))
    }

    /// The dialect with what was found in it, if anything was.
    pub(super) fn dialect(&self) -> Option<Arc<Dialect>> {
        self.known().as_ref().map(|known| Arc::clone(&known.dialect))
    }

    pub(super) fn findings(&self) -> &Findings {
        &self.0.findings
    }

    /// Searches if nothing is known, or what is known is in doubt because the last channel did not last.
    pub(super) async fn be_ready(&self) -> Result<(), PortalError> {
        let pause = self.0.pause;
        let must_search = self.known().as_ref().is_none_or(|known| {
            known.found_at.elapsed() >= pause && known.opened_at.is_some_and(|at| at.elapsed() < pause)
        });
        if must_search { self.search().await } else { Ok(()) }
    }

    pub(super) fn opened(&self) {
        if let Some(known) = &mut *self.known() {
            known.opened_at = Some(Instant::now());
        }
    }

    /// Whether a channel that was not opened may have been spelled wrongly.
    pub(super) fn doubts(&self, error: &PortalError) -> bool {
        let may_be_spelling = match error.kind {
            Kind::Refused | Kind::NotUnderstood(_) | Kind::ChannelStale | Kind::TokenRefused => true,
            Kind::NotSent(_)
            | Kind::OutcomeUnknown(_)
            | Kind::Trouble
            | Kind::RateLimited { .. }
            | Kind::CredentialsRefused
            | Kind::CodeRefused
            | Kind::LoginGone
            | Kind::PendingApproval
            | Kind::Blocked(_)
            | Kind::FingerprintMismatch
            | Kind::RiskChallenge
            | Kind::Channel(_) => false,
        };
        may_be_spelling && self.known().as_ref().is_none_or(|known| known.found_at.elapsed() >= self.0.pause)
    }

    pub(super) async fn search(&self) -> Result<(), PortalError> {
        let Scouted { dialect, found } = self.0.scout.find().await?;
        for FoundSetting { setting, value, sure, why } in self.0.findings.replace(found) {
            tracing::info!(setting, value, sure, why, "found out");
        }
        let (dialect, found_at) = (Arc::new(dialect), Instant::now());
        *self.known() = Some(Known { dialect, found_at, opened_at: None });
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
