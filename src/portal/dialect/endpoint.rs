//! The calls that have a path, and what they are called in logs.

use http::Method;

/// The calls that have a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET {sc}/public-key`.
    PublicKey,
    /// `POST {sc}/session`.
    Session,
    /// `POST {sc}/session/close`.
    SessionClose,
    /// `POST {auth}/login/initiate`.
    Initiate,
    /// `POST {auth}/login/mfa/send`.
    MfaSend,
    /// `POST {auth}/login/complete`.
    Complete,
    /// `POST {auth}/token/refresh`.
    Refresh,
    /// `POST {auth}/logout`.
    Logout,
    /// `GET …/profile`.
    Profile,
    /// `POST {auth}/register/initiate`.
    RegisterInitiate,
    /// `POST {auth}/register/code/send`.
    RegisterCodeSend,
    /// `POST {auth}/register/verify`.
    RegisterVerify,
    /// `POST {auth}/register/complete`.
    RegisterComplete,
    /// `POST {auth}/password/init`.
    PasswordInit,
    /// `POST {auth}/password/forgot`.
    PasswordForgot,
    /// `POST {auth}/password/reset`.
    PasswordReset,
    /// `POST {auth}/password/change`.
    PasswordChange,
    /// `GET …/security/sessions`.
    Sessions,
    /// `DELETE …/security/sessions/{id}`: not documented; the dialect's `terminate_path`.
    Terminate,
    /// `POST …/security/sessions/terminate-others`: not documented; the dialect's `terminate_others_path`.
    TerminateOthers,
    /// `GET …/security/mfa`.
    Mfa,
    /// `POST …/security/mfa/otp/setup`.
    OtpSetup,
    /// `POST …/security/mfa/otp/verify`.
    OtpVerify,
    /// `GET …/security/mfa/backup-codes`.
    BackupCodes,
}

impl Endpoint {
    /// Every call, in PROTOCOL's order.
    pub const ALL: [Self; 24] = [
        Self::PublicKey,
        Self::Session,
        Self::SessionClose,
        Self::Initiate,
        Self::MfaSend,
        Self::Complete,
        Self::Refresh,
        Self::Logout,
        Self::Profile,
        Self::RegisterInitiate,
        Self::RegisterCodeSend,
        Self::RegisterVerify,
        Self::RegisterComplete,
        Self::PasswordInit,
        Self::PasswordForgot,
        Self::PasswordReset,
        Self::PasswordChange,
        Self::Sessions,
        Self::Terminate,
        Self::TerminateOthers,
        Self::Mfa,
        Self::OtpSetup,
        Self::OtpVerify,
        Self::BackupCodes,
    ];

    /// The call as errors and logs name it, whatever the dialect's path.
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "secure-channel/public-key",
            Self::Session => "secure-channel/session",
            Self::SessionClose => "secure-channel/session/close",
            Self::Initiate => "login/initiate",
            Self::MfaSend => "login/mfa/send",
            Self::Complete => "login/complete",
            Self::Refresh => "token/refresh",
            Self::Logout => "logout",
            Self::Profile => "profile",
            Self::RegisterInitiate => "register/initiate",
            Self::RegisterCodeSend => "register/code/send",
            Self::RegisterVerify => "register/verify",
            Self::RegisterComplete => "register/complete",
            Self::PasswordInit => "password/init",
            Self::PasswordForgot => "password/forgot",
            Self::PasswordReset => "password/reset",
            Self::PasswordChange => "password/change",
            Self::Sessions => "security/sessions",
            Self::Terminate => "security/sessions/terminate",
            Self::TerminateOthers => "security/sessions/terminate-others",
            Self::Mfa => "security/mfa",
            Self::OtpSetup => "security/mfa/otp/setup",
            Self::OtpVerify => "security/mfa/otp/verify",
            Self::BackupCodes => "security/mfa/backup-codes",
        }
    }

    /// Whether the call is made by somebody who is signed in.
    pub fn carries_bearer(self) -> bool {
        match self {
            Self::Logout
            | Self::Profile
            | Self::PasswordChange
            | Self::Sessions
            | Self::Terminate
            | Self::TerminateOthers
            | Self::Mfa
            | Self::OtpSetup
            | Self::OtpVerify
            | Self::BackupCodes => true,
            Self::PublicKey
            | Self::Session
            | Self::SessionClose
            | Self::Initiate
            | Self::MfaSend
            | Self::Complete
            | Self::Refresh
            | Self::RegisterInitiate
            | Self::RegisterCodeSend
            | Self::RegisterVerify
            | Self::RegisterComplete
            | Self::PasswordInit
            | Self::PasswordForgot
            | Self::PasswordReset => false,
        }
    }

    /// The method of the call.
    pub fn method(self) -> Method {
        match self {
            Self::PublicKey | Self::Profile | Self::Sessions | Self::Mfa | Self::BackupCodes => Method::GET,
            Self::Terminate => Method::DELETE,
            Self::Session
            | Self::SessionClose
            | Self::Initiate
            | Self::MfaSend
            | Self::Complete
            | Self::Refresh
            | Self::Logout
            | Self::RegisterInitiate
            | Self::RegisterCodeSend
            | Self::RegisterVerify
            | Self::RegisterComplete
            | Self::PasswordInit
            | Self::PasswordForgot
            | Self::PasswordReset
            | Self::PasswordChange
            | Self::TerminateOthers
            | Self::OtpSetup
            | Self::OtpVerify => Method::POST,
        }
    }
}
