//! How the program ends: every exit code, in one place.
//!
//! | code | when |
//! | --- | --- |
//! | 0 | done; for status: every identity can serve |
//! | 1 | failed for a reason without a code of its own |
//! | 2 | wrong arguments or a wrong configuration |
//! | 3 | not signed in, and a person has to do something |
//! | 4 | the portal cannot be reached, or is in trouble |
//! | 5 | the portal refused: credentials, code, account, access code |
//! | 6 | no proxy answers on the admin socket |
//! | 130 | interrupted at a prompt |

use std::process::ExitCode;

use crate::admin::{Cause, ClientError};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Done.
    Ok,
    /// Anything without a code of its own.
    Failed,
    /// Wrong arguments or a wrong configuration.
    Usage,
    /// Not signed in, and a person has to do something.
    PersonNeeded,
    /// The portal cannot be reached, or is in trouble.
    Unreachable,
    /// The portal refused.
    Refused,
    /// No proxy answers on the admin socket.
    NotRunning,
    /// Ctrl-C at a prompt.
    Interrupted,
}

impl Exit {
    /// Each of them, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::PersonNeeded,
        Self::Unreachable,
        Self::Refused,
        Self::NotRunning,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::PersonNeeded => 3,
            Self::Unreachable => 4,
            Self::Refused => 5,
            Self::NotRunning => 6,
            // What a shell reports for a process that SIGINT ended.
            Self::Interrupted => 130,
        }
    }

    /// What it means, for `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done; for status: every identity can serve",
            Self::Failed => "failed for a reason without a code of its own",
            Self::Usage => "wrong arguments or a wrong configuration",
            Self::PersonNeeded => "not signed in, and a person has to do something",
            Self::Unreachable => "the portal cannot be reached, or is in trouble",
            Self::Refused => "the portal refused: credentials, code, account, access code",
            Self::NotRunning => "no proxy answers on the admin socket",
            Self::Interrupted => "interrupted at a prompt",
        }
    }

    /// The table for the end of `--help`.
    pub(super) fn table() -> String {
        let rows = Self::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", rows.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&ClientError> for Exit {
    fn from(error: &ClientError) -> Self {
        match error {
            ClientError::NoSocket(_) | ClientError::NobodyAnswers(_) => Self::NotRunning,
            ClientError::Denied(_)
            | ClientError::ForeignServer { .. }
            | ClientError::TooSlow(_)
            | ClientError::Io(_)
            | ClientError::NotUnderstood(_) => Self::Failed,
            ClientError::Refused(problem) => problem.code.into(),
        }
    }
}

impl From<Cause> for Exit {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::MfaRequired
            | Cause::SignInRequired
            | Cause::NoBackupCode
            | Cause::LoginGone
            | Cause::NoChallenge
            | Cause::NoOtpSetup
            | Cause::NoRegistration
            | Cause::SignedOut => Self::PersonNeeded,
            Cause::PortalUnreachable
            | Cause::OutcomeUnknown
            | Cause::PortalTrouble
            | Cause::PortalNotUnderstood
            | Cause::ChannelFailed
            | Cause::SignInTimeout => Self::Unreachable,
            Cause::NoSecureChannel | Cause::StateUnusable | Cause::CodeSourceFailed => Self::Failed,
            Cause::CredentialsRefused
            | Cause::CurrentPasswordRefused
            | Cause::ResetTokenRefused
            | Cause::ForgotRefused
            | Cause::CodeRefused
            | Cause::PendingApproval
            | Cause::AccountBlocked
            | Cause::FingerprintMismatch
            | Cause::RiskChallenge
            | Cause::SignInRateLimited
            | Cause::PortalRefused
            | Cause::TokenRefused => Self::Refused,
            Cause::UnknownIdentity | Cause::IdentityRequired => Self::Usage,
            Cause::ShuttingDown => Self::NotRunning,
            Cause::SignInQueueFull
            | Cause::BadRequest
            | Cause::ValueMissing
            | Cause::NotFound
            | Cause::MethodNotAllowed
            | Cause::UnsupportedMediaType
            | Cause::BodyTooLarge
            | Cause::ClientBodyTimeout
            | Cause::TooManySubscribers => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Problem;

    #[test]
    fn every_code_is_told_apart_and_stands_in_the_help() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 130]);
        let table = Exit::table();
        for exit in Exit::ALL {
            assert!(table.contains(&format!("{:>3}  {}", exit.code(), exit.meaning())), "{exit:?}");
        }
    }

    #[test]
    fn the_table_in_the_docs_has_every_code_and_its_meaning() {
        let source = include_str!("exit.rs");
        for exit in Exit::ALL {
            let row = format!("//! | {} | {} |", exit.code(), exit.meaning());
            assert!(source.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_cause_decides_the_code() {
        let refused = |cause| Exit::from(&ClientError::Refused(Box::new(Problem::new(cause, "x"))));
        assert_eq!(refused(Cause::MfaRequired), Exit::PersonNeeded);
        assert_eq!(refused(Cause::PortalUnreachable), Exit::Unreachable);
        assert_eq!(refused(Cause::CredentialsRefused), Exit::Refused);
        assert_eq!(refused(Cause::IdentityRequired), Exit::Usage);
        assert_eq!(Exit::from(&ClientError::NoSocket("/x".into())), Exit::NotRunning);
        assert_eq!(Exit::from(&ClientError::NotUnderstood("x")), Exit::Failed);
    }
}
