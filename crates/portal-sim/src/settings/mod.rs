//! What a simulated portal is told before it starts.
//!
//! In: presets, struct fields, or `key=value` pairs from a command line. Out: [`Settings`], complete and
//! public, so that a test can turn any one screw. The dialect (how the protocol is spelled) is kept apart
//! from the rest (how long things live, who has an account, what certificate is served).

mod account;
mod dialect;
mod presets;
mod random;
mod set;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use account::{Account, AccountState, DEFAULT_PASSWORD, DEFAULT_TOTP_SECRET, Factor, default_accounts};
pub(crate) use dialect::choice;
pub use dialect::{
    Aad, Base64Form, BlockedForm, Dialect, EmptyBody, Envelope, InitiateAnswer, MethodForm, MfaSendAnswer,
    OaepHash, PendingPlace, PendingStep, ResponseForm, SealedAnswers, Type1, Vocabulary,
};
pub use presets::Preset;
pub use set::SetError;

/// Everything a simulated portal is told before it starts.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// How the protocol is spelled.
    pub dialect: Dialect,
    /// The portal's name, the `{portal}` of every path.
    pub portal: String,
    /// The value that `X-PORTAL-ACCESS-CODE` must carry.
    pub access_code: String,
    /// A path prefix under which everything is served, like `/prometheus`; empty for none.
    pub prefix: String,
    /// Who can log in.
    pub accounts: Vec<Account>,
    /// TLS, or plain HTTP when absent.
    pub tls: Option<Tls>,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// How often things may be asked.
    pub rate_limits: RateLimits,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether HTTP/2 is offered (by ALPN over TLS, by prior knowledge without).
    pub http2: bool,
    /// Wrong passwords until the account is locked; 0 never locks.
    pub lock_after: u32,
    /// A TOTP step is accepted once per account (RFC 6238, section 5.2).
    pub otp_single_use: bool,
    /// The Turnstile token that `password/forgot` must bring; absent where none is asked for.
    pub turnstile: Option<String>,
    /// New accounts wait for an administrator.
    pub registration_pending: bool,
    /// How many requests the wire log keeps.
    pub wire_log: usize,
    /// Seed the cheap way: start with an RSA key from a process-wide store instead of a new one. Key
    /// generation dominates the start of a simulator in unoptimised builds.
    pub share_rsa_keys: bool,
}

/// The certificate that the simulator serves.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tls {
    /// Where the CA's PEM goes; a file in the temporary directory when absent.
    pub ca_file: Option<PathBuf>,
    /// What is wrong with the certificate, if anything.
    pub certificate: Certificate,
}

dialect::choice! {
    /// What is wrong with the served certificate.
    pub enum Certificate {
        /// Nothing: valid for localhost, 127.0.0.1 and `::1`.
        #[default]
        Good = "good",
        /// Its time is over.
        Expired = "expired",
        /// It is valid for another host only.
        WrongHost = "wrong-host",
    }
}

/// How long things live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lifetimes {
    /// A secure-channel session.
    pub channel: Duration,
    /// An access token.
    pub access: Duration,
    /// A refresh token.
    pub refresh: Duration,
    /// A login session, from initiate to complete.
    pub login: Duration,
    /// A code sent by e-mail.
    pub email_code: Duration,
    /// The pause between two e-mail codes.
    pub mfa_cooldown: Duration,
    /// A registration, from initiate to complete.
    pub registration: Duration,
    /// A password-reset link.
    pub reset_token: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            channel: Duration::from_secs(24 * 3600),
            access: Duration::from_secs(3600),
            refresh: Duration::from_secs(30 * 24 * 3600),
            login: Duration::from_secs(300),
            email_code: Duration::from_secs(300),
            mfa_cooldown: Duration::from_secs(60),
            registration: Duration::from_secs(600),
            reset_token: Duration::from_secs(1800),
        }
    }
}

/// How often things may be asked, per client hash and address.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RateLimits {
    /// Off for tests that are about something else.
    pub enabled: bool,
    /// The window of those limits whose window the handbooks leave open.
    pub window: Duration,
    /// Multiplies every limit.
    pub scale: f64,
    /// Multiplies every window, so that a test sees one end.
    pub window_scale: f64,
    /// A refusal carries `Retry-After`.
    pub retry_after: bool,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            enabled: true,
            window: Duration::from_secs(60),
            scale: 1.0,
            window_scale: 1.0,
            retry_after: true,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::preset(Preset::Guide)
    }
}

impl Settings {
    /// The settings of one documented dialect.
    pub fn preset(preset: Preset) -> Self {
        Self::with_dialect(preset.dialect())
    }

    /// A valid combination of all dialect settings, the same for the same seed.
    pub fn random(seed: u64) -> Self {
        Self::with_dialect(random::dialect(seed))
    }

    fn with_dialect(dialect: Dialect) -> Self {
        Self {
            dialect,
            portal: "tenant".to_owned(),
            access_code: "TENANT-DEMO".to_owned(),
            prefix: String::new(),
            accounts: default_accounts(),
            tls: None,
            lifetimes: Lifetimes::default(),
            rate_limits: RateLimits::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            http2: true,
            lock_after: 5,
            otp_single_use: true,
            turnstile: None,
            registration_pending: false,
            wire_log: 512,
            share_rsa_keys: false,
        }
    }
}
