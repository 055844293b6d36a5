//! The seam: what a session asks of a portal, in the session's own words.

use std::fmt;
use std::future::Future;
use std::time::{Duration, SystemTime};

use super::{Findings, OpenChannel, Passage};
use crate::channel::{Bootstrap, Channel};
use crate::secret::{AccessToken, LoginSessionId, OneTimeCode, Password, RefreshToken};

/// The calls a session makes. Each call is one attempt: what to do after a failure is the session's to say.
///
/// `channel` is `None` where the dialect has no secure channel or does not seal the call.
pub trait Portal: fmt::Debug + Send + Sync + 'static {
    /// Whether the dialect has a secure channel at all, and which of the session's own calls it seals.
    fn seals(&self, call: OwnCall) -> bool;

    /// What it finds out about settings that are left open.
    fn findings(&self) -> Findings {
        Findings::default()
    }

    /// Fetches the key and opens a channel: `GET public-key`, `POST session` (PROTOCOL 3.1, 3.2). A refused
    /// key id is answered inside by one fresh key. Where the keys travel inside a message (ruling 11), they are
    /// made, and nothing but the key is asked for.
    fn open_channel(&self) -> impl Future<Output = Result<Opening, PortalError>> + Send;

    /// `POST session/close` (PROTOCOL 3.3).
    fn close_channel(&self, channel: &OpenChannel) -> impl Future<Output = Result<(), PortalError>> + Send;

    /// `login/initiate` (PROTOCOL 6.1).
    fn initiate(
        &self,
        email: &str,
        password: &Password,
        channel: Option<&Passage>,
    ) -> impl Future<Output = Result<Initiated, PortalError>> + Send;

    /// `login/mfa/send` (PROTOCOL 6.2); for delivered factors only.
    fn send_code(
        &self,
        login: &LoginSessionId,
        method: &Method,
        channel: Option<&Passage>,
    ) -> impl Future<Output = Result<CodeSent, PortalError>> + Send;

    /// `login/complete` (PROTOCOL 6.3); without a factor where no MFA is asked for (ruling 5).
    fn complete(
        &self,
        login: &LoginSessionId,
        factor: Option<(&Method, &OneTimeCode)>,
        channel: Option<&Passage>,
    ) -> impl Future<Output = Result<Tokens, PortalError>> + Send;

    /// `token/refresh` (PROTOCOL section 7); never carries `Authorization`.
    fn refresh(
        &self,
        token: &RefreshToken,
        channel: Option<&Passage>,
    ) -> impl Future<Output = Result<Tokens, PortalError>> + Send;

    /// `logout` (PROTOCOL section 7).
    fn logout(&self, token: &AccessToken) -> impl Future<Output = Result<(), PortalError>> + Send;
}

/// The session's own calls that may be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnCall {
    /// `login/initiate`.
    Initiate,
    /// `login/mfa/send`.
    MfaSend,
    /// `login/complete`.
    Complete,
    /// `token/refresh`.
    Refresh,
}

/// How far a channel can be opened without a sealed request.
#[derive(Debug)]
pub enum Opening {
    /// All the way, by a call of its own.
    Open(NewChannel),
    /// Its keys are made and wrapped; the first sealed request carries them.
    Keys(Bootstrap),
}

/// A channel fresh from the portal.
#[derive(Debug)]
pub struct NewChannel {
    /// The keys and the id.
    pub channel: Channel,
    /// Until when, if the portal said so.
    pub expires_at: Option<SystemTime>,
    /// The portal's clock minus ours, from its `Date` (whole seconds), if it sent one.
    pub skew: Option<Skew>,
}

/// The portal's clock minus ours, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Skew(pub i64);

/// The answer to `login/initiate` when the login can go on.
#[derive(Debug)]
pub struct Initiated {
    /// The pending login.
    pub login: LoginSessionId,
    /// The factors offered, in the portal's order; empty where none is asked for.
    pub methods: Vec<Method>,
    /// How long the pending login lives.
    pub expires_in: Duration,
    /// The portal's clock minus ours, from the answer's `Date`: a TOTP code is made for the portal's clock.
    pub skew: Option<Skew>,
}

/// One factor as the portal spelled it, so that it can be sent back in the dialect's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Which factor.
    pub kind: super::FactorKind,
    /// The portal's text for a person, if any.
    pub label: Option<String>,
    /// The very value that the portal expects back (integer, name, or as received).
    pub wire: serde_json::Value,
}

/// The answer to `login/mfa/send`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeSent {
    /// Where the code went, masked by the portal.
    pub masked_target: Option<String>,
    /// How long until another may be sent.
    pub cooldown: Duration,
    /// How long the code lives.
    pub code_expires_in: Option<Duration>,
}

/// A pair of tokens.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The bearer.
    pub access: AccessToken,
    /// What renews it; absent in an answer to a refresh that keeps the old one (ruling 12).
    pub refresh: Option<RefreshToken>,
    /// The bearer's life from the moment of the answer.
    pub expires_in: Duration,
    /// The portal's clock minus ours, from the answer's `Date`.
    pub skew: Option<Skew>,
}

/// Why a call to the portal did not give what it should.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{call}: {kind}")]
pub struct PortalError {
    /// Which call, such as `login/initiate`.
    pub call: &'static str,
    /// What to conclude (PROTOCOL section 13).
    pub kind: PortalErrorKind,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The portal's own code, such as `AUTH.INVALID_CREDENTIALS`; never its localized message.
    pub code: Option<String>,
}

/// What an answer, or its absence, means (PROTOCOL sections 9, 13 and 14).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortalErrorKind {
    /// Nothing reached the portal: the call can be made again as it is.
    #[error("the portal cannot be reached: {0}")]
    NotSent(String),
    /// The call left, and no usable answer came: the portal may have acted (ruling 1).
    #[error("no usable answer came, and the portal may have acted: {0}")]
    OutcomeUnknown(String),
    /// 5xx: the portal is in trouble; nothing is lost.
    #[error("the portal is in trouble")]
    Trouble,
    /// 429, or a cooldown.
    #[error("the portal asks to wait")]
    RateLimited {
        /// `Retry-After` or `cooldownSeconds`.
        retry_after: Option<Duration>,
    },
    /// The channel is stale; a new one helps.
    #[error("the secure channel is stale")]
    ChannelStale,
    /// E-mail or password refused.
    #[error("the portal refused e-mail or password")]
    CredentialsRefused,
    /// The code was wrong, or already used.
    #[error("the portal refused the code")]
    CodeRefused,
    /// The pending login is gone; begin again.
    #[error("the pending login is gone")]
    LoginGone,
    /// The refresh token or bearer is refused: the login is over.
    #[error("the portal refused the token")]
    TokenRefused,
    /// Waiting for an administrator.
    #[error("the account waits for approval")]
    PendingApproval,
    /// The account is blocked.
    #[error("the account is {0}")]
    Blocked(Blocked),
    /// `AUTH.FINGERPRINT_MISMATCH`.
    #[error("the client hash is not the one of this login")]
    FingerprintMismatch,
    /// `ACCESS.RISK_CHALLENGE_REQUIRED`, `ACCESS.MFA_REQUIRED`.
    #[error("the portal asks for a risk challenge")]
    RiskChallenge,
    /// The portal's key is unusable, or not the pinned one.
    #[error("the secure channel cannot be opened: {0}")]
    Channel(#[from] crate::channel::ChannelError),
    /// Refused for a reason of its own: a wrong access code, a wrong path, a field it does not know.
    #[error("the portal refused the call")]
    Refused,
    /// An answer that is not what PROTOCOL describes.
    #[error("the portal's answer is not understood: {0}")]
    NotUnderstood(&'static str),
}

/// Why an account cannot sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// Too many attempts, or by an administrator.
    Locked,
    /// Suspended.
    Suspended,
    /// The application was rejected.
    Rejected,
    /// Closed.
    Closed,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locked => "locked",
            Self::Suspended => "suspended",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
        })
    }
}
