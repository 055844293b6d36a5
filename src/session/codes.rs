//! Codes that no person has to type: where they come from, and that each is sent once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::flight::{Login, Stop, Tools};
use super::{FactorKind, Method, MfaChoice, Portal, SessionError};
use crate::secret::OneTimeCode;

/// What a [`CodeSource`] answers, boxed so that credentials do not carry its type.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Result<Vec<OneTimeCode>, CodeSourceError>> + Send + 'a>>;

/// Where codes come from. It is asked when a login needs one, and not before.
pub trait CodeSource: fmt::Debug + Send + Sync + 'static {
    /// All codes that are there now, in the order in which they are to be used.
    fn fetch(&self) -> Fetched<'_>;
}

/// A source gave no codes. Never says what it gave instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct CodeSourceError {
    /// Which source, and what failed.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The sources of one account's codes.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    /// The code of the newest e-mail; none while it has not arrived.
    pub mailed: Option<Arc<dyn CodeSource>>,
    /// Its backup codes, each good once.
    pub backup: Option<Arc<dyn CodeSource>>,
    /// Whether a login without a person may spend one. Otherwise only
    /// [`sign_in_by_backup_code`](super::SessionHandle::sign_in_by_backup_code) does.
    pub spend_backup: bool,
}

impl Login {
    /// Whether it takes a backup code from the source, where the portal offers that.
    pub(super) fn spends_backup(&self, seed: bool) -> bool {
        let configured = self.credentials.codes.spend_backup && self.credentials.codes.backup.is_some();
        let by_setting = match self.credentials.mfa {
            MfaChoice::Auto => configured && !seed && self.credentials.codes.mailed.is_none(),
            MfaChoice::BackupCode => configured,
            MfaChoice::Otp | MfaChoice::Email => false,
        };
        self.by_backup_code || (by_setting && self.prefer.is_none())
    }
}

impl<P: Portal> Tools<P> {
    /// The backup codes of the source, if the login is to take one of them and one is left.
    ///
    /// Asked before the password leaves: a login that cannot end costs nothing.
    pub(super) async fn backup_codes(&self, login: &Login, seed: bool) -> Result<Vec<OneTimeCode>, Stop> {
        if !login.spends_backup(seed) {
            return Ok(Vec::new());
        }
        let Some(source) = &login.credentials.codes.backup else {
            return Err(no_backup_code("login.backup_codes is not set"));
        };
        let fetched = source.fetch().await.map_err(SessionError::CodeSource);
        let codes = fetched.map_err(|error| Stop::Later(error, self.settings.backoff_first))?;
        let attempts = self.stored(self.store.attempts().await);
        let attempts =
            attempts.map_err(|e| Stop::Later(SessionError::Store(e), self.settings.backoff_first))?;
        if codes.iter().all(|code| attempts.has_spent(code)) {
            self.tally.backup_codes_left.store(0, Relaxed);
            return Err(no_backup_code(NONE_LEFT));
        }
        Ok(codes)
    }

    /// The first of `codes` that was not sent yet; marked as spent, durably, before it is given out. Called under
    /// the store's lock, so that no other process takes the same.
    pub(super) async fn take_backup_code(&self, codes: &[OneTimeCode]) -> Result<OneTimeCode, Stop> {
        let broken = |error| Stop::Later(SessionError::Store(error), self.settings.backoff_first);
        let mut attempts = self.stored(self.store.attempts().await).map_err(broken)?;
        let Some(code) = codes.iter().find(|code| !attempts.has_spent(code)) else {
            return Err(no_backup_code(NONE_LEFT));
        };
        attempts.spend_code(code);
        let left = codes.iter().filter(|code| !attempts.has_spent(code)).count();
        self.stored(self.store.record(attempts).await).map_err(broken)?;
        self.tally.backup_codes_left.store(left as u64, Relaxed);
        tracing::info!(identity = %self.settings.identity, left, "a backup code is spent");
        Ok(code.clone())
    }

    /// Takes the mark back: the code never left.
    pub(super) async fn return_backup_code(&self, code: &OneTimeCode) {
        self.change(|attempts, _| attempts.unspend_code(code)).await;
        self.tally.backup_codes_left.fetch_add(1, Relaxed);
    }
}

const NONE_LEFT: &str = "every code of login.backup_codes has been spent";

/// That no backup code can be used, and why.
pub(super) fn no_backup_code(reason: &'static str) -> Stop {
    Stop::Person(SessionError::NoBackupCode { reason })
}

/// The backup-code factor among those offered.
pub(super) fn backup_factor(offered: &[Method]) -> Option<Method> {
    offered.iter().find(|method| method.kind == FactorKind::BackupCode).cloned()
}
