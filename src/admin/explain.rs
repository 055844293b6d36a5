//! Every cause a login can fail for: its machine word, whose it is, and what to do.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::account::AccountError;
use crate::session::{PortalError, PortalErrorKind, SessionError};

/// The machine word of a problem; stable, spelled in kebab case, and the same that the proxy's own answers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A person has to enter a code.
    MfaRequired,
    /// A person has to sign in.
    SignInRequired,
    /// A backup code was to be taken from its source, and none can be.
    NoBackupCode,
    /// The source of a code gave none.
    CodeSourceFailed,
    /// E-mail or password refused.
    CredentialsRefused,
    /// The code was wrong, or already used.
    CodeRefused,
    /// The pending login is gone.
    LoginGone,
    /// No challenge is pending.
    NoChallenge,
    /// An administrator has to approve the account.
    PendingApproval,
    /// Locked, suspended, rejected or closed.
    AccountBlocked,
    /// Another client hash than the login's.
    FingerprintMismatch,
    /// Only the portal's own front end can go on.
    RiskChallenge,
    /// The portal limits the proxy's own calls.
    SignInRateLimited,
    /// Nothing reached the portal.
    PortalUnreachable,
    /// The call left, and no usable answer came.
    OutcomeUnknown,
    /// 5xx.
    PortalTrouble,
    /// Refused for a reason of its own.
    PortalRefused,
    /// An answer that PROTOCOL does not describe.
    PortalNotUnderstood,
    /// The refresh token or the bearer is refused.
    TokenRefused,
    /// The secure channel cannot be opened.
    ChannelFailed,
    /// The dialect has no secure channel, and a call asks for one.
    NoSecureChannel,
    /// The stored login cannot be read or written.
    StateUnusable,
    /// The login took longer than one may wait.
    SignInTimeout,
    /// Too many wait already.
    SignInQueueFull,
    /// Signed out by a person.
    SignedOut,
    /// The proxy is going away.
    ShuttingDown,
    /// The current password is another one.
    CurrentPasswordRefused,
    /// A reset link's token is used up, expired or mistyped.
    ResetTokenRefused,
    /// `password/forgot` was refused: the portal may ask for a Turnstile token.
    ForgotRefused,
    /// No set-up of an authenticator is under way.
    NoOtpSetup,
    /// No registration is under way.
    NoRegistration,
    /// The deployment's template asks for a value that was not given.
    ValueMissing,
    /// The request to the admin API is wrong.
    BadRequest,
    /// There is no such endpoint.
    NotFound,
    /// The endpoint exists, for another method.
    MethodNotAllowed,
    /// The body says that it is no JSON.
    UnsupportedMediaType,
    /// There is no such identity.
    UnknownIdentity,
    /// Several identities, and none was named.
    IdentityRequired,
    /// The body is larger than the admin API takes.
    BodyTooLarge,
    /// The body came too slowly.
    ClientBodyTimeout,
    /// More subscribers than the admin API has room for.
    TooManySubscribers,
}

/// Whose doing it is, so that nobody searches in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// The one who called.
    Client,
    /// A person is needed, or typed something wrong.
    Person,
    /// This proxy.
    Proxy,
    /// The way to the portal.
    Network,
    /// The portal.
    Portal,
}

/// What there is to say about one failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explained {
    pub(super) cause: Cause,
    pub(super) text: String,
    /// When it may be tried again.
    pub(super) retry_after: Option<Duration>,
}

impl Explained {
    /// A failure whose text is its own.
    pub(super) fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into(), retry_after: None }
    }
}

impl From<&SessionError> for Explained {
    fn from(error: &SessionError) -> Self {
        let (cause, retry_after) = match error {
            SessionError::CodeRequired { expires_in: _ } => (Cause::MfaRequired, None),
            SessionError::PersonRequired { reason: _ } => (Cause::SignInRequired, None),
            SessionError::NoBackupCode { reason: _ } => (Cause::NoBackupCode, None),
            SessionError::CodeSource(_) => (Cause::CodeSourceFailed, None),
            SessionError::CredentialsRefused => (Cause::CredentialsRefused, None),
            SessionError::PendingApproval => (Cause::PendingApproval, None),
            SessionError::AccountBlocked(_) => (Cause::AccountBlocked, None),
            SessionError::FingerprintMismatch => (Cause::FingerprintMismatch, None),
            SessionError::RiskChallenge => (Cause::RiskChallenge, None),
            SessionError::RateLimited { retry_after } | SessionError::TooManyComplaints { retry_after } => {
                (Cause::SignInRateLimited, Some(*retry_after))
            }
            SessionError::Portal { source, retry_after } => (portal_cause(source), Some(*retry_after)),
            SessionError::Channel(_) => (Cause::ChannelFailed, None),
            SessionError::NoChannel => (Cause::NoSecureChannel, None),
            SessionError::Store(_) => (Cause::StateUnusable, None),
            SessionError::WaitedTooLong => (Cause::SignInTimeout, None),
            SessionError::QueueFull => (Cause::SignInQueueFull, None),
            SessionError::SignedOut => (Cause::SignedOut, None),
            SessionError::Closed => (Cause::ShuttingDown, None),
        };
        Self { cause, text: with_sources(error), retry_after: retry_after.filter(|wait| !wait.is_zero()) }
    }
}

impl From<&AccountError> for Explained {
    fn from(error: &AccountError) -> Self {
        let cause = match error {
            AccountError::Session(error) => return Self::from(error),
            AccountError::Portal(error) => {
                let mut text = error.to_string();
                match (&error.code, error.status) {
                    (Some(code), _) => text.push_str(&format!(" ({code})")),
                    (None, Some(status)) => text.push_str(&format!(" (HTTP {status})")),
                    (None, None) => {}
                }
                let retry_after = match error.kind {
                    PortalErrorKind::RateLimited { retry_after } => retry_after,
                    _ => None,
                };
                return Self { cause: portal_cause(error), text, retry_after };
            }
            AccountError::CurrentPassword => Cause::CurrentPasswordRefused,
            AccountError::ResetToken => Cause::ResetTokenRefused,
            AccountError::ForgotRefused => Cause::ForgotRefused,
            AccountError::NoOtpSetup => Cause::NoOtpSetup,
            AccountError::RegistrationGone => Cause::NoRegistration,
            AccountError::ValueMissing(_) => Cause::ValueMissing,
        };
        Self::new(cause, error.to_string())
    }
}

impl Cause {
    /// The word itself.
    pub fn word(self) -> String {
        // The name of a variant always serializes to a string.
        serde_json::to_value(self).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
    }

    /// The status of a problem of this cause. 401 is not among them: nobody signs in *to* the admin API.
    pub fn status(self) -> StatusCode {
        match self {
            Self::MfaRequired
            | Self::SignInRequired
            | Self::NoBackupCode
            | Self::LoginGone
            | Self::NoChallenge
            | Self::NoOtpSetup
            | Self::NoRegistration
            | Self::SignedOut => StatusCode::CONFLICT,
            Self::CredentialsRefused
            | Self::CurrentPasswordRefused
            | Self::ResetTokenRefused
            | Self::ForgotRefused
            | Self::CodeRefused
            | Self::PendingApproval
            | Self::AccountBlocked
            | Self::FingerprintMismatch
            | Self::RiskChallenge
            | Self::TokenRefused => StatusCode::FORBIDDEN,
            Self::SignInRateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::PortalUnreachable
            | Self::OutcomeUnknown
            | Self::PortalTrouble
            | Self::PortalRefused
            | Self::PortalNotUnderstood
            | Self::ChannelFailed => StatusCode::BAD_GATEWAY,
            Self::NoSecureChannel | Self::StateUnusable | Self::CodeSourceFailed => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::SignInTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::SignInQueueFull | Self::ShuttingDown | Self::TooManySubscribers => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::BadRequest | Self::IdentityRequired | Self::ValueMissing => StatusCode::BAD_REQUEST,
            Self::NotFound | Self::UnknownIdentity => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ClientBodyTimeout => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// Whose doing it is.
    pub fn whose(self) -> Whose {
        match self {
            Self::MfaRequired | Self::SignInRequired | Self::CodeRefused | Self::SignedOut => Whose::Person,
            Self::CredentialsRefused
            | Self::NoBackupCode
            | Self::LoginGone
            | Self::NoChallenge
            | Self::CurrentPasswordRefused
            | Self::ResetTokenRefused
            | Self::ForgotRefused
            | Self::NoOtpSetup
            | Self::NoRegistration => Whose::Person,
            Self::PendingApproval
            | Self::AccountBlocked
            | Self::RiskChallenge
            | Self::SignInRateLimited
            | Self::OutcomeUnknown
            | Self::PortalTrouble
            | Self::PortalRefused
            | Self::PortalNotUnderstood
            | Self::TokenRefused
            | Self::ChannelFailed
            | Self::SignInTimeout => Whose::Portal,
            Self::PortalUnreachable => Whose::Network,
            Self::FingerprintMismatch
            | Self::CodeSourceFailed
            | Self::NoSecureChannel
            | Self::StateUnusable
            | Self::SignInQueueFull
            | Self::ShuttingDown => Whose::Proxy,
            Self::BadRequest
            | Self::ValueMissing
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::UnsupportedMediaType
            | Self::UnknownIdentity
            | Self::IdentityRequired
            | Self::BodyTooLarge
            | Self::ClientBodyTimeout
            | Self::TooManySubscribers => Whose::Client,
        }
    }

    /// What to do about it, where there is something to do.
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::MfaRequired => "run `portunus login` and enter the code",
            Self::SignInRequired | Self::SignedOut => "run `portunus login`",
            Self::CredentialsRefused => "check e-mail and password, then run `portunus login`",
            Self::NoBackupCode => {
                "have new codes made in the portal and put them where `login.backup_codes` says, or sign in by another \
                 factor: `portunus login`"
            }
            Self::CodeSourceFailed => {
                "see what its source does, by hand; or enter the code: `portunus login`"
            }
            Self::CodeRefused => "enter a fresh code: a used one is not taken twice",
            Self::LoginGone => "begin again with `portunus login`",
            Self::NoChallenge => "begin a login first: `portunus login`",
            Self::PendingApproval => "ask an administrator of the portal, then run `portunus login`",
            Self::AccountBlocked => "ask an administrator of the portal to release the account",
            Self::FingerprintMismatch => {
                "keep `portal.client_hash` as it was at the login, or sign in anew: `portunus login`"
            }
            Self::RiskChallenge => "sign in once with the portal's own front end, then run `portunus login`",
            Self::SignInRateLimited => "wait; more attempts make the wait longer",
            Self::PortalUnreachable => "see which step fails: `portunus check`",
            Self::OutcomeUnknown | Self::PortalTrouble | Self::SignInTimeout | Self::SignInQueueFull => {
                "try again in a moment"
            }
            Self::PortalRefused => {
                "check `portal.access_code`, `portal.name` and `portal.dialect`: `portunus check`"
            }
            Self::PortalNotUnderstood => "check `upstream.url` and `portal.dialect`: `portunus check`",
            Self::TokenRefused => "sign in anew: `portunus login`",
            Self::ChannelFailed => "see what the portal serves: `portunus check`",
            Self::NoSecureChannel => "choose another `portal.dialect`",
            Self::StateUnusable => {
                "see the proxy's log; `state.dir`, or the Redis of `state.store`, must be readable and writable"
            }
            Self::CurrentPasswordRefused => "type the password that the account has now",
            Self::ResetTokenRefused => "ask for another link: `portunus password forgot`",
            Self::ForgotRefused => {
                "use the portal's own page, or pipe in a token that it gave you: `portunus password forgot \
                 --turnstile-token-stdin`"
            }
            Self::NoOtpSetup => "begin with `portunus mfa setup otp`",
            Self::NoRegistration => "begin with `portunus register`",
            Self::ValueMissing => "give the value, or change the template in [dialect.requests]",
            Self::IdentityRequired => "name one with `identity`",
            Self::UnsupportedMediaType => "send it with `Content-Type: application/json`",
            Self::ShuttingDown
            | Self::BadRequest
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::UnknownIdentity
            | Self::BodyTooLarge
            | Self::ClientBodyTimeout
            | Self::TooManySubscribers => return None,
        })
    }
}

fn portal_cause(error: &PortalError) -> Cause {
    match &error.kind {
        PortalErrorKind::NotSent(_) => Cause::PortalUnreachable,
        PortalErrorKind::OutcomeUnknown(_) => Cause::OutcomeUnknown,
        PortalErrorKind::Trouble => Cause::PortalTrouble,
        PortalErrorKind::RateLimited { retry_after: _ } => Cause::SignInRateLimited,
        PortalErrorKind::ChannelStale | PortalErrorKind::Channel(_) => Cause::ChannelFailed,
        PortalErrorKind::CredentialsRefused => Cause::CredentialsRefused,
        PortalErrorKind::CodeRefused => Cause::CodeRefused,
        PortalErrorKind::LoginGone => Cause::LoginGone,
        PortalErrorKind::TokenRefused => Cause::TokenRefused,
        PortalErrorKind::PendingApproval => Cause::PendingApproval,
        PortalErrorKind::Blocked(_) => Cause::AccountBlocked,
        PortalErrorKind::FingerprintMismatch => Cause::FingerprintMismatch,
        PortalErrorKind::RiskChallenge => Cause::RiskChallenge,
        PortalErrorKind::Refused => Cause::PortalRefused,
        PortalErrorKind::NotUnderstood(_) => Cause::PortalNotUnderstood,
    }
}

/// An error and what caused it, on one line; with the portal's own code, never its localized message.
fn with_sources(error: &SessionError) -> String {
    let mut text = error.to_string();
    match error {
        SessionError::Portal { source, .. } => {
            text = format!("{text}: {source}");
            if let Some(code) = &source.code {
                text = format!("{text} ({code})");
            } else if let Some(status) = source.status {
                text = format!("{text} (HTTP {status})");
            }
        }
        SessionError::Channel(source) => text = format!("{text}: {source}"),
        SessionError::CodeSource(source) => text = format!("{text}: {source}"),
        SessionError::Store(source) => text = format!("{text}: {source}"),
        SessionError::CodeRequired { .. }
        | SessionError::PersonRequired { .. }
        | SessionError::NoBackupCode { .. }
        | SessionError::CredentialsRefused
        | SessionError::PendingApproval
        | SessionError::AccountBlocked(_)
        | SessionError::FingerprintMismatch
        | SessionError::RiskChallenge
        | SessionError::RateLimited { .. }
        | SessionError::TooManyComplaints { .. }
        | SessionError::NoChannel
        | SessionError::WaitedTooLong
        | SessionError::QueueFull
        | SessionError::SignedOut
        | SessionError::Closed => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_unreachable_portal_is_told_from_one_that_refuses() {
        let explained = |kind, code: Option<&str>| {
            let source =
                PortalError { call: "login/initiate", kind, status: None, code: code.map(Into::into) };
            Explained::from(&SessionError::Portal { source: source.into(), retry_after: Duration::ZERO })
        };
        let unreachable = explained(PortalErrorKind::NotSent("connection refused".into()), None);
        assert_eq!(
            (unreachable.cause, unreachable.cause.whose()),
            (Cause::PortalUnreachable, Whose::Network)
        );
        assert_eq!(
            unreachable.text,
            "the portal could not be asked: login/initiate: the portal cannot be reached: connection refused"
        );
        assert_eq!(unreachable.retry_after, None);
        let refused = explained(PortalErrorKind::CodeRefused, Some("AUTH.MFA_CODE_INVALID"));
        assert_eq!((refused.cause, refused.cause.whose()), (Cause::CodeRefused, Whose::Person));
        assert!(refused.text.ends_with("(AUTH.MFA_CODE_INVALID)"), "{}", refused.text);
    }

    #[test]
    fn the_wait_that_the_portal_asks_for_is_kept() {
        let error = SessionError::RateLimited { retry_after: Duration::from_secs(30) };
        assert_eq!(Explained::from(&error).retry_after, Some(Duration::from_secs(30)));
        let source = Arc::new(PortalError {
            call: "token/refresh",
            kind: PortalErrorKind::Trouble,
            status: Some(503),
            code: None,
        });
        let error = SessionError::Portal { source, retry_after: Duration::from_secs(4) };
        let explained = Explained::from(&error);
        assert_eq!(
            (explained.cause, explained.retry_after),
            (Cause::PortalTrouble, Some(Duration::from_secs(4)))
        );
        assert!(explained.text.ends_with("(HTTP 503)"));
    }

    #[test]
    fn causes_are_spelled_in_kebab_case_on_the_wire() {
        assert_eq!(serde_json::to_value(Cause::MfaRequired).unwrap(), "mfa-required");
        assert_eq!(
            serde_json::from_str::<Cause>("\"portal-unreachable\"").unwrap(),
            Cause::PortalUnreachable
        );
    }
}
