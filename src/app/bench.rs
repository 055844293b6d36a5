//! A portal's side that gives what `[bench]` says, and asks nobody: the cargo feature `bench`, which no release has.

use std::time::Duration;

use http::HeaderValue;

use super::StartError;
use crate::channel::{Channel, Spelling};
use crate::config::Bench;
use crate::portal::Dialect;
use crate::secret::{AccessToken, LoginSessionId, OneTimeCode, Password, RefreshToken};
use crate::session::{
    CodeSent, Codes, Credentials, Initiated, Method, MfaChoice, NewChannel, OpenChannel, Opening, OwnCall,
    Passage, Portal, PortalError, PortalErrorKind, Tokens,
};
use crate::upstream::Injected;

/// Longer than any load.
const LIFE: Duration = Duration::from_secs(365 * 86_400);

/// A sign-in that always succeeds, and a channel that is always open.
#[derive(Debug)]
pub struct Standing {
    bench: Bench,
    spelling: Option<Spelling>,
}

impl Standing {
    pub(super) fn new(bench: &Bench, dialect: &Dialect) -> Self {
        Self { bench: bench.clone(), spelling: dialect.channel }
    }

    /// Without a channel, for benches of the session alone.
    pub fn example() -> Self {
        let bench = Bench {
            bearer: "a-bearer".to_owned(),
            session_id: "a-channel".to_owned(),
            key: [3; 32],
            sealed: false,
        };
        Self { bench, spelling: None }
    }

    /// What signs in: the names do not matter.
    pub fn credentials() -> Credentials {
        Credentials {
            email: "bench@localhost".to_owned(),
            password: Some(Password::new("no portal reads it")),
            otp_secret: None,
            mfa: MfaChoice::Auto,
            codes: Codes::default(),
        }
    }
}

/// The channel's id as a header of every request: the load's upstream counts it on plain calls, too.
pub(super) fn with_channel(
    injected: &Injected,
    bench: &Bench,
    dialect: &Dialect,
) -> Result<Injected, StartError> {
    let mut id = HeaderValue::from_str(&bench.session_id)
        .map_err(|_| StartError::NotAHeader { setting: "bench.session_id".to_owned() })?;
    id.set_sensitive(true);
    let mut headers = injected.headers().to_vec();
    headers.push((dialect.session_header.get(), id));
    Ok(Injected::new(headers))
}

impl Portal for Standing {
    fn seals(&self, _call: OwnCall) -> bool {
        self.spelling.is_some()
    }

    async fn open_channel(&self) -> Result<Opening, PortalError> {
        let failed = |kind| PortalError { call: "session", kind, status: None, code: None };
        let spelling = self.spelling.ok_or_else(|| failed(PortalErrorKind::Refused))?;
        let channel = Channel::fixed(&self.bench.key, &self.bench.session_id, spelling)
            .map_err(|error| failed(error.into()))?;
        Ok(Opening::Open(NewChannel { channel, expires_at: None, skew: None }))
    }

    async fn close_channel(&self, _channel: &OpenChannel) -> Result<(), PortalError> {
        Ok(())
    }

    async fn initiate(
        &self,
        _email: &str,
        _password: &Password,
        _channel: Option<&Passage>,
    ) -> Result<Initiated, PortalError> {
        Ok(Initiated {
            login: LoginSessionId::new("bench"),
            methods: Vec::new(),
            expires_in: LIFE,
            skew: None,
        })
    }

    async fn send_code(
        &self,
        _login: &LoginSessionId,
        _method: &Method,
        _channel: Option<&Passage>,
    ) -> Result<CodeSent, PortalError> {
        Err(PortalError { call: "mfa/send", kind: PortalErrorKind::Refused, status: None, code: None })
    }

    async fn complete(
        &self,
        _login: &LoginSessionId,
        _factor: Option<(&Method, &OneTimeCode)>,
        _channel: Option<&Passage>,
    ) -> Result<Tokens, PortalError> {
        Ok(Tokens {
            access: AccessToken::new(self.bench.bearer.clone()),
            refresh: None,
            expires_in: LIFE,
            skew: None,
        })
    }

    async fn refresh(
        &self,
        _token: &RefreshToken,
        _channel: Option<&Passage>,
    ) -> Result<Tokens, PortalError> {
        self.complete(&LoginSessionId::new("bench"), None, None).await
    }

    async fn logout(&self, _token: &AccessToken) -> Result<(), PortalError> {
        Ok(())
    }
}
