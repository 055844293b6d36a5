//! Why the portal did not do what was asked.

use crate::session::{PortalError, SessionError};

/// Why the portal did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccountError {
    /// There is no sign-in, or no channel, to ask with.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The call failed for a reason that any call can have.
    #[error(transparent)]
    Portal(#[from] PortalError),
    /// `AUTH.CURRENT_PASSWORD_INCORRECT`.
    #[error("the portal says that the current password is another one")]
    CurrentPassword,
    /// `AUTH.PASSWORD_RESET_TOKEN_INVALID` or `_EXPIRED`.
    #[error("the token of the reset link is used up, expired or mistyped")]
    ResetToken,
    /// `password/forgot` was refused, which no address and no account can be the reason of.
    #[error("the portal refused to send a link; it may ask for a Turnstile token")]
    ForgotRefused,
    /// `AUTH.OTP_SETUP_SESSION_INVALID`.
    #[error("no set-up of an authenticator is under way")]
    NoOtpSetup,
    /// The registration is gone: it lives 600 s.
    #[error("the registration is no longer known to the portal")]
    RegistrationGone,
    /// The deployment's template asks for what was not given.
    #[error("the body's template in [dialect.requests] asks for {{{0}}}, which was not given")]
    ValueMissing(&'static str),
}
