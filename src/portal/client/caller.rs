//! One call: sealed or plain, carried, opened, judged, read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, StatusCode, header};

use super::door::{Answered, Door, Lost, Parcel};
use super::request::{self, Body};
use super::seal::{Sealer, Unsealed, is_envelope, unsealed};
use super::{Dialect, Endpoint, Finder, Settings};
use crate::channel::ChannelError;
use crate::portal::EmptyBody;
use crate::portal::refusal::{Refused, Sealing};
use crate::portal::wire::{self, Data, Meaning, Signs};
use crate::secret::{AccessToken, Expose, LoginSessionId, OneTimeCode, Password, RefreshToken};
use crate::session::{CodeSent, Initiated, Method, PortalError, PortalErrorKind as Kind, Tokens};

/// Makes the calls of one identity.
pub(in crate::portal) struct Caller<D> {
    pub(in crate::portal) door: D,
    pub(in crate::portal) dialect: Arc<Dialect>,
    pub(in crate::portal) settings: Settings,
    pub(in crate::portal) wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    pub(in crate::portal) is_envelope: fn(&[u8]) -> bool,
    /// Finds out what the dialect leaves open, if anything.
    pub(in crate::portal) finder: Option<Finder>,
    /// Calls that the portal itself said need the channel (PROTOCOL section 13); a bit each.
    learnt: AtomicU32,
}

/// A successful answer, opened.
pub(in crate::portal) struct Success {
    pub(in crate::portal) status: StatusCode,
    pub(in crate::portal) headers: HeaderMap,
    pub(in crate::portal) signs: Signs,
    body: Bytes,
    /// Our clock when it came.
    pub(in crate::portal) wall: SystemTime,
}

impl<D: Door> Caller<D> {
    pub(in crate::portal) fn new(door: D, dialect: Dialect) -> Self {
        Self {
            door,
            dialect: Arc::new(dialect),
            settings: Settings::default(),
            wall: Arc::new(SystemTime::now),
            is_envelope,
            finder: None,
            learnt: AtomicU32::new(0),
        }
    }

    /// The dialect, with what was found out.
    pub(super) fn spelled(&self) -> Arc<Dialect> {
        let found = self.finder.as_ref().and_then(Finder::dialect);
        found.unwrap_or_else(|| Arc::clone(&self.dialect))
    }

    /// Whether a call is sealed: by the dialect, or because the portal said that it must be.
    pub(in crate::portal) fn seals(&self, call: Endpoint) -> bool {
        self.dialect.channel.is_some()
            && call.method() == HttpMethod::POST
            && (self.learnt.load(Ordering::Relaxed) & bit(call) != 0
                || self.dialect.seals(&self.dialect.path(call)))
    }

    pub(in crate::portal) async fn initiate(
        &self,
        email: &str,
        password: &Password,
        channel: Option<&dyn Sealer>,
    ) -> Result<Initiated, PortalError> {
        let call = Endpoint::Initiate;
        let success = self.call(call, Some(request::initiate(email, password)), channel, Vec::new()).await?;
        success.login_goes_on(call)?;
        let form = self.dialect.method_form;
        let skew = wire::skew(&success.headers, success.wall);
        let read = success.read(call, |data| wire::initiated(data, form, skew));
        // Section 6.1: an account status stands there only when the login cannot go on.
        read.map_err(|error| match success.signs.account_word() {
            Some(word) => PortalError { kind: Kind::Refused, code: Some(word.to_string()), ..error },
            None => error,
        })
    }

    pub(in crate::portal) async fn send_code(
        &self,
        login: &LoginSessionId,
        method: &Method,
        channel: Option<&dyn Sealer>,
    ) -> Result<CodeSent, PortalError> {
        let call = Endpoint::MfaSend;
        let success = self.call(call, Some(request::send_code(login, method)), channel, Vec::new()).await?;
        success.login_goes_on(call)?;
        success.read(call, wire::code_sent)
    }

    pub(in crate::portal) async fn complete(
        &self,
        login: &LoginSessionId,
        factor: Option<(&Method, &OneTimeCode)>,
        channel: Option<&dyn Sealer>,
    ) -> Result<Tokens, PortalError> {
        let call = Endpoint::Complete;
        let success = self.call(call, Some(request::complete(login, factor)), channel, Vec::new()).await?;
        self.tokens(call, &success)
    }

    pub(in crate::portal) async fn refresh(
        &self,
        token: &RefreshToken,
        channel: Option<&dyn Sealer>,
    ) -> Result<Tokens, PortalError> {
        let call = Endpoint::Refresh;
        let success = self.call(call, Some(request::refresh(token)), channel, Vec::new()).await?;
        self.tokens(call, &success)
    }

    fn tokens(&self, call: Endpoint, success: &Success) -> Result<Tokens, PortalError> {
        success.login_goes_on(call)?;
        let skew = wire::skew(&success.headers, success.wall);
        success.read(call, |data| wire::tokens(data, skew, self.settings.assumed_token_life))
    }

    pub(in crate::portal) async fn logout(&self, token: &AccessToken) -> Result<(), PortalError> {
        let bearer = token.prefixed_header_value("Bearer ");
        let bearer = bearer.map_err(|_| unsent(Endpoint::Logout, "the token cannot stand in a header"))?;
        self.call(Endpoint::Logout, None, None, vec![(header::AUTHORIZATION, bearer)]).await?;
        Ok(())
    }

    /// Idempotent (PROTOCOL section 3.3): a channel that the portal does not know is closed.
    pub(in crate::portal) async fn close_channel(&self, session: &HeaderValue) -> Result<(), PortalError> {
        let mut extra = vec![(self.dialect.session_header.get(), session.clone())];
        if self.dialect.sc_version {
            extra.push((X_SC_VERSION, HeaderValue::from_static("2")));
        }
        match self.call(Endpoint::SessionClose, None, None, extra).await {
            Err(error) if error.kind != Kind::ChannelStale => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Makes a call and gives its success; everything else is an error.
    pub(in crate::portal) async fn call(
        &self,
        call: Endpoint,
        body: Option<Body>,
        channel: Option<&dyn Sealer>,
        extra: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Success, PortalError> {
        self.call_at(call, self.spelled().path(call), body, channel, extra).await
    }

    /// The same, at a path that says more than the dialect's.
    pub(in crate::portal) async fn call_at(
        &self,
        call: Endpoint,
        path: String,
        body: Option<Body>,
        channel: Option<&dyn Sealer>,
        extra: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Success, PortalError> {
        let channel = if self.seals(call) {
            // Never plain for want of a channel: what is in there is why it is sealed.
            Some(channel.ok_or_else(|| unsent(call, "it has to be sealed, and there is no channel"))?)
        } else {
            None
        };
        let parcel = self.parcel(call, path, body, channel, extra)?;
        let answered = self.carry(call, parcel).await?;
        self.judge(call, channel, answered)
    }

    fn parcel(
        &self,
        call: Endpoint,
        path: String,
        body: Option<Body>,
        channel: Option<&dyn Sealer>,
        mut extra: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Parcel, PortalError> {
        let Some(channel) = channel else {
            let json = body.map(|mut body| Bytes::from(std::mem::take(&mut *body)));
            return Ok(Parcel::Plain { method: call.method(), path, json, extra });
        };
        // Ruling 4: a sealed call without a body.
        let body = match (body, self.dialect.empty_body) {
            (Some(body), _) => body,
            (None, EmptyBody::Object) => Body::new(b"{}".to_vec()),
            (None, EmptyBody::Header) => match channel.session() {
                Some(session) => {
                    extra.push((self.dialect.session_header.get(), session));
                    if self.dialect.sc_version {
                        extra.push((X_SC_VERSION, HeaderValue::from_static("2")));
                    }
                    return Ok(Parcel::Plain { method: call.method(), path, json: None, extra });
                }
                // A channel without a name needs a message to carry its keys.
                None => Body::new(b"{}".to_vec()),
            },
        };
        let bearer =
            extra.into_iter().find(|(name, _)| name == header::AUTHORIZATION).map(|(_, value)| value);
        let envelope = channel.seal(&body).map_err(|error| match error {
            // Nothing has left, and a new channel can seal it.
            ChannelError::WornOut => failure(call, Kind::ChannelStale),
            error => failure(call, Kind::Channel(error)),
        })?;
        Ok(Parcel::Sealed { path, envelope, session: channel.session(), bearer })
    }

    async fn carry(&self, call: Endpoint, parcel: Parcel) -> Result<Answered, PortalError> {
        let Settings { max_answer, call_timeout, .. } = self.settings;
        match tokio::time::timeout(call_timeout, self.door.carry(parcel, max_answer)).await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(Lost::NotSent(why))) => Err(failure(call, Kind::NotSent(why))),
            Ok(Err(Lost::Unknown(why))) => Err(failure(call, Kind::OutcomeUnknown(why))),
            Err(_) => {
                let why = format!("no whole answer within {call_timeout:?}");
                Err(failure(call, Kind::OutcomeUnknown(why)))
            }
        }
    }

    fn judge(
        &self,
        call: Endpoint,
        channel: Option<&dyn Sealer>,
        answered: Answered,
    ) -> Result<Success, PortalError> {
        let Answered { status, headers, body } = answered;
        let wall = (self.wall)();
        let unusable = |why: &str| {
            let kind = Kind::OutcomeUnknown(why.to_owned());
            PortalError { status: Some(status.as_u16()), ..failure(call, kind) }
        };
        let (body, sealing) = match (channel, (self.is_envelope)(&body)) {
            (Some(channel), is_envelope) => {
                let aged = self.sealing(channel);
                let Unsealed { body, was_sealed, keys_refused } =
                    unsealed(channel, is_envelope, &self.dialect.session_header.get(), &headers, body)
                        .map_err(|_| unusable("the answer does not open under the channel's key"))?;
                if !was_sealed && !self.dialect.believes_plain(status, &body) {
                    return Err(unusable(DOWNGRADE));
                }
                // Section 13: keys that were refused may have been wrapped for a key that has rotated.
                (body, if keys_refused { Sealing::Aged } else { aged })
            }
            (None, true) => return Err(unusable("the answer is sealed, but the call was not")),
            (None, false) => (body, Sealing::Plain),
        };
        let signs = Signs::of(&body);
        if signs.is_success(status) {
            return Ok(Success { status, headers, signs, body, wall });
        }
        let kind = Refused { call, sealing, status, headers: &headers, signs: &signs, wall }.kind();
        Err(self.refused(call, sealing, status, &signs, kind))
    }

    /// A refusal, with what can be learnt from it.
    fn refused(
        &self,
        call: Endpoint,
        sealing: Sealing,
        status: StatusCode,
        signs: &Signs,
        kind: Kind,
    ) -> PortalError {
        let asks_for_channel = matches!(signs.meaning(), Meaning::Channel { .. });
        let kind = if asks_for_channel && sealing == Sealing::Plain && call != Endpoint::SessionClose {
            // Section 13: the path needs the channel. Without one, or for a call that never has one, a new
            // channel would not help, and asking for it would go round in circles.
            if self.dialect.channel.is_some() && bit(call) != 0 {
                self.learnt.fetch_or(bit(call), Ordering::Relaxed);
                tracing::info!(call = call.name(), "the portal wants this call sealed; it is from now on");
                kind
            } else {
                Kind::Refused
            }
        } else {
            kind
        };
        let code = signs.code().map(ToString::to_string);
        PortalError { call: call.name(), kind, status: Some(status.as_u16()), code }
    }

    fn sealing(&self, channel: &dyn Sealer) -> Sealing {
        // A clock that was set back since makes it look younger than new; it is not old by that.
        let age = (self.wall)().duration_since(channel.opened_at()).unwrap_or(Duration::ZERO);
        if age < self.settings.fresh_channel { Sealing::Fresh } else { Sealing::Aged }
    }
}

impl Success {
    /// Whether the answer to a login lets it go on (PROTOCOL sections 6.1, 6.3; ruling 6).
    fn login_goes_on(&self, call: Endpoint) -> Result<(), PortalError> {
        if self.signs.is_login_pending() {
            return Err(self.error(call, Kind::PendingApproval));
        }
        match self.signs.blocked_login() {
            Some(blocked) => Err(self.error(call, Kind::Blocked(blocked))),
            None => Ok(()),
        }
    }

    /// Whether there is nothing in it, as in a 204.
    pub(in crate::portal) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    pub(in crate::portal) fn read<T>(
        &self,
        call: Endpoint,
        reader: impl FnOnce(&Data) -> Result<T, &'static str>,
    ) -> Result<T, PortalError> {
        let read = Data::read(&self.body).and_then(|data| reader(&data));
        read.map_err(|why| self.error(call, Kind::NotUnderstood(why)))
    }

    fn error(&self, call: Endpoint, kind: Kind) -> PortalError {
        let code = self.signs.code().map(ToString::to_string);
        PortalError { call: call.name(), kind, status: Some(self.status.as_u16()), code }
    }
}

/// A failure without an answer.
pub(in crate::portal) fn failure(call: Endpoint, kind: Kind) -> PortalError {
    PortalError { call: call.name(), kind, status: None, code: None }
}

fn unsent(call: Endpoint, why: &str) -> PortalError {
    failure(call, Kind::NotSent(why.to_owned()))
}

/// The calls that may be found to need the channel: all with a body, but those that make the channel.
fn bit(call: Endpoint) -> u32 {
    match call {
        Endpoint::PublicKey | Endpoint::Session | Endpoint::SessionClose | Endpoint::Logout => 0,
        call if call.method() != HttpMethod::POST => 0,
        call => 1 << call as u32,
    }
}

const X_SC_VERSION: HeaderName = HeaderName::from_static("x-sc-version");

const DOWNGRADE: &str = "the call was sealed, but its successful answer is plain; \
                         dialect.accept_plain_success = true would believe it";
