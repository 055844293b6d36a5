//! A portal in memory that rotates refresh tokens, revokes a family whose spent token comes again, and counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portunus::secret::{AccessToken, Expose, LoginSessionId, OneTimeCode, Password, RefreshToken};
use portunus::session::{
    CodeSent, FactorKind, Initiated, Method, OpenChannel, Opening, OwnCall, Passage, Portal, PortalError,
    PortalErrorKind, Tokens,
};

use crate::disk::SimDisk;

/// How long its bearers live.
pub(crate) const LIFE: Duration = Duration::from_secs(100);

/// The portal. `disk` is whose steps it counts as its own: a call can be cut off before and after the portal acts.
#[derive(Debug, Clone)]
pub(crate) struct Strict {
    state: Arc<Mutex<State>>,
    disk: SimDisk,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Every refresh token: its family, and whether it is spent.
    tokens: HashMap<String, (u64, bool)>,
    revoked: Vec<u64>,
    codes: Vec<String>,
    issued: u64,
    pub(crate) factor: Option<FactorKind>,
    pub(crate) refuses: bool,
    pub(crate) passwords: u64,
    pub(crate) logins: u64,
    pub(crate) refreshes: u64,
    pub(crate) refresh_calls: u64,
    pub(crate) reused: u64,
    pub(crate) codes_twice: u64,
}

impl Strict {
    pub(crate) fn new(factor: Option<FactorKind>, disk: &SimDisk) -> Self {
        let state = State { factor, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), disk: disk.clone() }
    }

    /// The same portal, as the next process sees it.
    pub(crate) fn seen_from(&self, disk: &SimDisk) -> Self {
        Self { state: Arc::clone(&self.state), disk: disk.clone() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call: it may not leave, and its answer may not arrive, since the process is dead by then.
    async fn call<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        if !self.disk.step() {
            return std::future::pending().await;
        }
        let answer = act(&mut self.state());
        tokio::task::yield_now().await;
        if !self.disk.step() {
            return std::future::pending().await;
        }
        answer
    }
}

impl State {
    fn tokens(&mut self, family: u64) -> Tokens {
        self.issued += 1;
        let refresh = format!("refresh-{}", self.issued);
        self.tokens.insert(refresh.clone(), (family, false));
        Tokens {
            access: AccessToken::new(format!("access-{}", self.issued)),
            refresh: Some(RefreshToken::new(refresh)),
            expires_in: LIFE,
            skew: None,
        }
    }

    /// An administrator ends all sessions.
    pub(crate) fn revoke_all(&mut self) {
        self.revoked = (0..=self.logins).collect();
    }

    fn refresh(&mut self, token: &str) -> Result<Tokens, PortalErrorKind> {
        self.refresh_calls += 1;
        let Some((family, spent)) = self.tokens.get_mut(token) else {
            return Err(PortalErrorKind::TokenRefused);
        };
        let family = *family;
        if std::mem::replace(spent, true) {
            self.reused += 1;
            self.revoked.push(family);
        }
        if self.revoked.contains(&family) {
            return Err(PortalErrorKind::TokenRefused);
        }
        self.refreshes += 1;
        Ok(self.tokens(family))
    }
}

fn error(call: &'static str) -> impl Fn(PortalErrorKind) -> PortalError {
    move |kind| PortalError { call, kind, status: None, code: None }
}

impl Portal for Strict {
    fn seals(&self, _: OwnCall) -> bool {
        false
    }

    async fn open_channel(&self) -> Result<Opening, PortalError> {
        Err(error("session")(PortalErrorKind::Refused))
    }

    async fn close_channel(&self, _: &OpenChannel) -> Result<(), PortalError> {
        Ok(())
    }

    async fn initiate(&self, _: &str, _: &Password, _: Option<&Passage>) -> Result<Initiated, PortalError> {
        let answer = self.call(|state| {
            state.passwords += 1;
            if state.refuses {
                return Err(PortalErrorKind::CredentialsRefused);
            }
            let wire = serde_json::Value::Null;
            let methods = state.factor.map(|kind| Method { kind, label: None, wire }).into_iter().collect();
            let login = LoginSessionId::new("login");
            Ok(Initiated { login, methods, expires_in: Duration::from_secs(300), skew: None })
        });
        answer.await.map_err(error("login/initiate"))
    }

    async fn send_code(
        &self,
        _: &LoginSessionId,
        _: &Method,
        _: Option<&Passage>,
    ) -> Result<CodeSent, PortalError> {
        Ok(CodeSent { masked_target: None, cooldown: Duration::from_secs(60), code_expires_in: None })
    }

    #[expect(clippy::disallowed_methods, reason = "the portal reads the code")]
    async fn complete(
        &self,
        _: &LoginSessionId,
        factor: Option<(&Method, &OneTimeCode)>,
        _: Option<&Passage>,
    ) -> Result<Tokens, PortalError> {
        let code = factor.map(|(method, code)| (method.kind, code.expose().to_owned()));
        let answer = self.call(|state| {
            if let Some((FactorKind::Otp, code)) = code {
                // Two steps have the same six digits once in a million.
                if state.codes.contains(&code) {
                    state.codes_twice += 1;
                    return Err(PortalErrorKind::CodeRefused);
                }
                state.codes.push(code);
            }
            state.logins += 1;
            let family = state.logins;
            Ok(state.tokens(family))
        });
        answer.await.map_err(error("login/complete"))
    }

    #[expect(clippy::disallowed_methods, reason = "the portal reads the token")]
    async fn refresh(&self, token: &RefreshToken, _: Option<&Passage>) -> Result<Tokens, PortalError> {
        self.call(|state| state.refresh(token.expose())).await.map_err(error("token/refresh"))
    }

    async fn logout(&self, _: &AccessToken) -> Result<(), PortalError> {
        Ok(())
    }
}
