//! The calls about an account, made for whoever is signed in, or for somebody who is not yet.
//!
//! One machine for all of them: the body from the dialect's template, the bearer and the channel from the
//! session, each replaced once when the portal refuses it. What was refused was not done, so it may be sent
//! again; what may have been done never is (PROTOCOL section 13, ruling 1).

mod call;
#[cfg(test)]
mod tests;

use std::fmt;

use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use self::call::{Call, TURNSTILE};
use super::client::caller::{Caller, Success};
use super::client::door::{Door, UpstreamDoor};
use super::client::seal::Sealer;
use super::{Dialect, Endpoint, Settings};
use crate::account::{AccountError, Answer, Ask, Told};
use crate::session::{Passage, PortalError, PortalErrorKind as Kind, SessionHandle};
use crate::upstream::{Injected, Upstream};

/// The account of one identity, at the portal.
pub struct Account {
    caller: Caller<UpstreamDoor>,
    session: SessionHandle,
}

impl Account {
    /// Asks through these doors, with this session's bearer and channel.
    pub fn new(
        upstream: Upstream,
        dialect: Dialect,
        injected: Injected,
        settings: Settings,
        session: SessionHandle,
    ) -> Self {
        let mut caller = Caller::new(UpstreamDoor::new(upstream, injected), dialect);
        caller.settings = settings;
        Self { caller, session }
    }
}

impl crate::account::Account for Account {
    fn ask(&self, ask: Ask) -> Answer<'_> {
        Box::pin(async move { asked(&self.caller, &self.session, ask).await })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("dialect", &self.caller.dialect).finish_non_exhaustive()
    }
}

async fn asked<D: Door>(caller: &Caller<D>, session: &SessionHandle, ask: Ask) -> Result<Told, AccountError> {
    let call = Call::of(&ask, &caller.dialect);
    let success = made(caller, session, &call).await?;
    told(&call, &success)
}

/// Makes the call, with a new channel and a new bearer once each.
async fn made<D: Door>(
    caller: &Caller<D>,
    session: &SessionHandle,
    call: &Call<'_>,
) -> Result<Success, AccountError> {
    let endpoint = call.endpoint;
    let mut lease = match endpoint.carries_bearer() {
        true => Some(session.lease().await?),
        false => None,
    };
    let (mut channel, mut new_channel, mut new_bearer) = (None::<Passage>, false, false);
    loop {
        if channel.is_none() && caller.seals(endpoint) {
            channel = Some(session.passage().await?);
        }
        let body = body(caller, call)?;
        let bearer = lease.as_ref().map(|lease| (AUTHORIZATION, lease.bearer().clone()));
        let sealer = channel.as_ref().map(|channel| channel as &dyn Sealer);
        let made =
            caller.call_at(endpoint, call.path.clone(), body, sealer, bearer.into_iter().collect()).await;
        let error = match made {
            Ok(success) => return Ok(success),
            Err(error) => error,
        };
        match (&error.kind, &lease) {
            (Kind::ChannelStale, _) if !new_channel => {
                new_channel = true;
                // Without one, the call has just been found to need it.
                if let Some(stale) = channel.take() {
                    channel = Some(session.another_passage(stale).await?);
                }
            }
            (Kind::TokenRefused, Some(refused)) if !new_bearer => {
                new_bearer = true;
                // A first message was one: what is sent again goes on the channel that it made.
                channel = channel.filter(|passage| !passage.is_first());
                lease = Some(session.replace(refused).await?);
            }
            _ => return Err(refusal(endpoint, error)),
        }
    }
}

fn body<D: Door>(caller: &Caller<D>, call: &Call<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, AccountError> {
    let Some(template) = caller.dialect.requests.get(call.endpoint) else { return Ok(None) };
    // A field of its own, and only where there is a token: unknown fields are refused.
    let has_token = call.values.iter().any(|(name, _)| *name == TURNSTILE);
    let with_token = has_token.then(|| template.with("turnstileToken", "{turnstile_token}"));
    let template = with_token.as_ref().unwrap_or(template);
    template.render(&call.values).map(Some).map_err(|missing| AccountError::ValueMissing(missing.0))
}

fn told(call: &Call<'_>, success: &Success) -> Result<Told, AccountError> {
    match call.endpoint {
        // Their answers say nothing that is needed, and may be empty.
        Endpoint::RegisterVerify
        | Endpoint::PasswordInit
        | Endpoint::PasswordForgot
        | Endpoint::PasswordReset
        | Endpoint::PasswordChange
        | Endpoint::OtpVerify => Ok(Told::Done),
        Endpoint::Terminate | Endpoint::TerminateOthers if success.is_empty() => Ok(Told::Terminated(None)),
        Endpoint::RegisterComplete => {
            Ok(Told::Registered { pending_approval: success.signs.is_login_pending() })
        }
        endpoint => success.read(endpoint, call.reader).map_err(AccountError::from),
    }
}

/// A refusal with a reason of its own (PROTOCOL section 9).
fn refusal(endpoint: Endpoint, error: PortalError) -> AccountError {
    match (endpoint, &error.kind, error.code.as_deref()) {
        (_, _, Some("AUTH.CURRENT_PASSWORD_INCORRECT")) => AccountError::CurrentPassword,
        // Section 13: a 401 right after a successful refresh is the endpoint's own answer.
        (Endpoint::PasswordChange, Kind::TokenRefused, _)
        | (Endpoint::PasswordChange, _, Some("AUTH.INVALID_CREDENTIALS")) => AccountError::CurrentPassword,
        (_, _, Some("AUTH.PASSWORD_RESET_TOKEN_INVALID" | "AUTH.PASSWORD_RESET_TOKEN_EXPIRED")) => {
            AccountError::ResetToken
        }
        (Endpoint::PasswordReset, Kind::Refused, Some("4010")) => AccountError::ResetToken,
        (Endpoint::PasswordForgot, Kind::Refused | Kind::RiskChallenge, _) => AccountError::ForgotRefused,
        (_, _, Some("AUTH.OTP_SETUP_SESSION_INVALID")) => AccountError::NoOtpSetup,
        (_, Kind::LoginGone, _) => AccountError::RegistrationGone,
        _ => AccountError::Portal(error),
    }
}
