//! What a login is made of: who, with what, and the challenge that waits for a code.

use std::time::SystemTime;

use super::{CodeSourceError, Codes};
use crate::secret::{LoginSessionId, OtpSecret, Password};

/// Which second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorKind {
    /// A code by e-mail (10011001).
    Email,
    /// A TOTP app (10011002).
    Otp,
    /// A single-use backup code (10011005).
    BackupCode,
    /// One that PROTOCOL does not name.
    Other,
}

/// Which factor the configuration asks for (`[login] mfa`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MfaChoice {
    /// OTP where a seed is configured and offered, else the portal's first that a person can answer.
    #[default]
    Auto,
    /// TOTP.
    Otp,
    /// E-mail.
    Email,
    /// A backup code.
    BackupCode,
}

/// What signs in. Absent parts are asked of a person.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account, up to 255 characters.
    pub email: String,
    /// The password, 8 to 128 characters.
    pub password: Option<Password>,
    /// The TOTP seed.
    pub otp_secret: Option<OtpSecret>,
    /// Which factor to take.
    pub mfa: MfaChoice,
    /// Where codes come from that no person types.
    pub codes: Codes,
}

/// A pending MFA step, waiting for a code.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// The pending login.
    pub(super) login: LoginSessionId,
    /// The factor chosen.
    pub method: super::Method,
    /// All factors offered.
    pub offered: Vec<super::Method>,
    /// Where a delivered code went, if one was sent.
    pub sent: Option<super::CodeSent>,
    /// When the pending login dies, by the wall clock.
    pub expires_at: SystemTime,
    /// When another code may be sent.
    pub resend_at: SystemTime,
    /// Why the code was not fetched where the configuration says that it arrives, if the last try failed.
    pub unfetched: Option<Box<CodeSourceError>>,
}
