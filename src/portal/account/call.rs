//! From what is asked to the call that asks it (PROTOCOL section 8, row by row).

use crate::account::{Ask, Told};
use crate::portal::wire::{self, Data};
use crate::portal::{Dialect, Endpoint};
use crate::secret::Expose;

/// The value that `password/forgot` is given where the portal asks for a Turnstile token.
pub(super) const TURNSTILE: &str = "turnstile_token";

/// One call: where it goes, what its body is filled with, how its answer is read.
pub(super) struct Call<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) path: String,
    pub(super) values: Vec<(&'static str, &'a str)>,
    pub(super) reader: fn(&Data) -> Result<Told, &'static str>,
}

impl<'a> Call<'a> {
    #[expect(clippy::disallowed_methods, reason = "what was asked leaves in the body of its call")]
    pub(super) fn of(ask: &'a Ask, dialect: &Dialect) -> Self {
        let done: fn(&Data) -> Result<Told, &'static str> = |_| Ok(Told::Done);
        let (endpoint, values, reader) = match ask {
            Ask::Profile => (Endpoint::Profile, vec![], wire::profile as fn(&Data) -> _),
            Ask::Sessions => (Endpoint::Sessions, vec![], wire::sessions as _),
            Ask::Terminate(id) => {
                let (path, reader) = (dialect.terminate(id), wire::terminated as _);
                return Self { endpoint: Endpoint::Terminate, path, values: vec![], reader };
            }
            Ask::TerminateOthers => (Endpoint::TerminateOthers, vec![], wire::terminated as _),
            Ask::Factors => (Endpoint::Mfa, vec![], wire::factors as _),
            Ask::BackupCodes => (Endpoint::BackupCodes, vec![], wire::backup_codes as _),
            Ask::SetUpOtp => (Endpoint::OtpSetup, vec![], wire::otp_setup as _),
            Ask::VerifyOtp(code) => (Endpoint::OtpVerify, vec![("code", code.expose())], done),
            Ask::ForgotPassword { email, turnstile } => {
                let mut values = vec![("email", email.as_str())];
                values.extend(turnstile.as_ref().map(|token| (TURNSTILE, token.expose())));
                (Endpoint::PasswordForgot, values, done)
            }
            Ask::ResetPassword { token, new } => (
                Endpoint::PasswordReset,
                vec![("token", token.expose()), ("new_password", new.expose())],
                done,
            ),
            Ask::InitPassword { registration, new } => {
                let values = vec![("session_id", registration.expose()), ("new_password", new.expose())];
                (Endpoint::PasswordInit, values, done)
            }
            Ask::ChangePassword { current, new } => {
                let values = vec![("current_password", current.expose()), ("new_password", new.expose())];
                (Endpoint::PasswordChange, values, done)
            }
            Ask::Register { email, name } => {
                let values = vec![("email", email.as_str()), ("account_name", name.as_str())];
                (Endpoint::RegisterInitiate, values, wire::registering as _)
            }
            Ask::SendRegistrationCode(registration) => {
                let values = vec![("session_id", registration.expose())];
                (Endpoint::RegisterCodeSend, values, wire::registration_code as _)
            }
            Ask::VerifyRegistration(registration, code) => {
                let values = vec![("session_id", registration.expose()), ("code", code.expose())];
                (Endpoint::RegisterVerify, values, done)
            }
            Ask::CompleteRegistration { registration, email, name, new } => {
                let mut values = vec![
                    ("session_id", registration.expose()),
                    ("email", email.as_str()),
                    ("account_name", name.as_str()),
                ];
                values.extend(new.as_ref().map(|new| ("new_password", new.expose())));
                (Endpoint::RegisterComplete, values, done)
            }
        };
        Self { endpoint, path: dialect.path(endpoint), values, reader }
    }
}
