//! A session for tests: signs in with one password and one code, and says what it was asked.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::sign_in::{Pending, Phase, Pledge, SignIn, Standing};
use crate::secret::{OneTimeCode, Password};
use crate::session::{Credentials, FactorKind, PortalError, PortalErrorKind, SessionError};

/// The password that it takes.
pub(crate) const PASSWORD: &str = "correct horse";

/// The code that it takes.
pub(crate) const CODE: &str = "123456";

/// A session without a portal.
#[derive(Debug)]
pub(crate) struct FakeSession {
    now: SystemTime,
    script: Script,
    state: Mutex<State>,
    news: tokio::sync::Notify,
}

/// How the portal behind it behaves.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// The factors offered; none means that no code is asked for.
    pub(crate) methods: Vec<FactorKind>,
    /// Until another code may be sent.
    pub(crate) cooldown: Duration,
    /// How long the pending login lives.
    pub(crate) pending: Duration,
    /// Whether a wrong code ends the pending login.
    pub(crate) strict: bool,
    /// What the configuration signs in with.
    pub(crate) configured: Option<Credentials>,
    /// What every login fails with.
    pub(crate) failure: Option<SessionError>,
    /// How many backup codes it says are left.
    pub(crate) backup_codes_left: Option<u64>,
    /// Why no code is fetched from a mailbox, if one was tried.
    pub(crate) unfetched: Option<String>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    asked: Vec<String>,
    /// Who signed in last.
    account: Option<String>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            methods: vec![FactorKind::Otp],
            cooldown: Duration::from_secs(60),
            pending: Duration::from_secs(300),
            strict: true,
            configured: None,
            failure: None,
            backup_codes_left: None,
            unfetched: None,
        }
    }
}

impl FakeSession {
    pub(crate) fn new(script: Script, now: SystemTime) -> Self {
        let state = Mutex::new(State { phase: Phase::SignedOut, asked: Vec::new(), account: None });
        Self { now, script, state, news: tokio::sync::Notify::new() }
    }

    /// What it was asked, in order; secrets as lengths.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    pub(crate) fn put(&self, phase: Phase) {
        self.state.lock().unwrap().phase = phase;
        self.news.notify_waiters();
    }

    fn note(&self, what: String) {
        self.state.lock().unwrap().asked.push(what);
    }

    fn challenge(&self, method: FactorKind) -> Phase {
        let delivered = method == FactorKind::Email;
        Phase::AwaitingCode(Pending {
            method,
            offered: self.script.methods.iter().map(|kind| (*kind, None)).collect(),
            masked_target: delivered.then(|| "r***@example.com".to_owned()),
            expires_at: self.now + self.script.pending,
            resend_at: delivered.then_some(self.now + self.script.cooldown),
            unfetched: self.script.unfetched.clone(),
        })
    }

    fn signed_in(&self) -> Phase {
        let account = self.state.lock().unwrap().account.clone();
        Phase::SignedIn { expires_at: self.now + Duration::from_secs(3600), account }
    }
}

impl SignIn for FakeSession {
    fn standing(&self) -> Standing {
        Standing {
            phase: self.state.lock().unwrap().phase.clone(),
            refresh_at: None,
            channel: None,
            backup_codes_left: self.script.backup_codes_left,
            degraded: None,
            found: Vec::new(),
        }
    }

    fn changed(&self) -> Pledge<'_, ()> {
        Box::pin(self.news.notified())
    }

    fn sign_in(&self, credentials: Option<Credentials>) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(async move {
            let with = credentials.as_ref().map(|login| {
                (login.email.as_str(), login.password.is_some(), login.otp_secret.is_some(), login.mfa)
            });
            self.note(format!("sign_in {with:?}"));
            if let Some(error) = &self.script.failure {
                self.put(Phase::Failed(error.clone()));
                return Err(error.clone());
            }
            let Some(login) = credentials.or_else(|| self.script.configured.clone()) else {
                return Err(SessionError::PersonRequired { reason: "no password is configured" });
            };
            self.state.lock().unwrap().account = Some(login.email);
            match login.password {
                None => return Err(SessionError::PersonRequired { reason: "no password is configured" }),
                Some(password) if password != Password::new(PASSWORD) => {
                    self.put(Phase::Failed(SessionError::CredentialsRefused));
                    return Err(SessionError::CredentialsRefused);
                }
                Some(_) => {}
            }
            let Some(method) = self.script.methods.first() else {
                self.put(self.signed_in());
                return Ok(());
            };
            self.put(self.challenge(*method));
            Err(SessionError::CodeRequired { expires_in: self.script.pending })
        })
    }

    fn sign_in_by_backup_code(
        &self,
        _credentials: Option<Credentials>,
    ) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(async move {
            self.note("sign_in_by_backup_code".to_owned());
            if let Some(error) = &self.script.failure {
                return Err(error.clone());
            }
            self.put(self.signed_in());
            Ok(())
        })
    }

    fn answer(&self, code: OneTimeCode) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(async move {
            self.note("answer".to_owned());
            if code == OneTimeCode::new(CODE) {
                self.put(self.signed_in());
                return Ok(());
            }
            let source = PortalError {
                call: "login/complete",
                kind: PortalErrorKind::CodeRefused,
                status: Some(400),
                code: Some("AUTH.MFA_CODE_INVALID".to_owned()),
            };
            let error = SessionError::Portal { source: source.into(), retry_after: Duration::ZERO };
            if self.script.strict {
                self.put(Phase::Failed(error.clone()));
            }
            Err(error)
        })
    }

    fn send_code(&self, by: Option<FactorKind>) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(async move {
            self.note(format!("send_code {by:?}"));
            self.put(self.challenge(by.unwrap_or(self.script.methods[0])));
            Ok(())
        })
    }

    fn sign_out(&self) -> Pledge<'_, Result<(), SessionError>> {
        Box::pin(async move {
            self.note("sign_out".to_owned());
            self.put(Phase::SignedOut);
            Ok(())
        })
    }
}
