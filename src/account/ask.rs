//! What can be asked.

use crate::secret::{OneTimeCode, Password, RegistrationId, ResetToken, TurnstileToken};

/// One call, with what it needs. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Who is signed in.
    Profile,
    /// Where the account is signed in.
    Sessions,
    /// Ends the sign-in of this (masked) id.
    Terminate(String),
    /// Ends every sign-in but ours.
    TerminateOthers,
    /// Which second factors there are.
    Factors,
    /// How many backup codes are left.
    BackupCodes,
    /// Makes the secret of an authenticator.
    SetUpOtp,
    /// Turns that secret into a factor, by its first code.
    VerifyOtp(OneTimeCode),
    /// Has a reset link sent.
    ForgotPassword {
        /// To whom; the answer does not tell whether there is such an account.
        email: String,
        /// Where the portal asks for one.
        turnstile: Option<TurnstileToken>,
    },
    /// Sets a password by a reset link's token.
    ResetPassword {
        /// Single use.
        token: ResetToken,
        /// The new password.
        new: Password,
    },
    /// Sets the first password.
    InitPassword {
        /// The registration that was completed.
        registration: RegistrationId,
        /// The new password.
        new: Password,
    },
    /// Changes the password of who is signed in.
    ChangePassword {
        /// The one that holds now.
        current: Password,
        /// The new one.
        new: Password,
    },
    /// Begins a registration.
    Register {
        /// Whose.
        email: String,
        /// The account's name.
        name: String,
    },
    /// Sends the registration's code.
    SendRegistrationCode(RegistrationId),
    /// Checks it.
    VerifyRegistration(RegistrationId, OneTimeCode),
    /// Makes the account.
    CompleteRegistration {
        /// Which registration.
        registration: RegistrationId,
        /// Whose, again.
        email: String,
        /// The account's name, again.
        name: String,
        /// Where the deployment's template asks for it here.
        new: Option<Password>,
    },
}
