//! Every way to say no, and how each vocabulary says it.

use std::collections::BTreeMap;

use crate::settings::{Dialect, PendingPlace, ResponseForm, Vocabulary};

/// Why a call was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Field to list of complaints.
    Fields(BTreeMap<String, Vec<String>>),
    /// A malformed request, in words.
    Malformed(&'static str),
    NotFound,
    MethodNotAllowed,
    BodyTooLarge,
    AccessCode,
    PortalMismatch,
    TokenMissing,
    TokenInvalid,
    RefreshRefused,
    Fingerprint,
    Credentials,
    LoginSessionGone,
    Pending,
    Locked,
    Suspended,
    Rejected,
    Closed,
    CodeInvalid,
    Cooldown(u64),
    TooManyAttempts(Option<u64>),
    RateLimited(Option<u64>),
    CurrentPassword,
    ResetTokenInvalid,
    ResetTokenExpired,
    OtpSetupInvalid,
    InvalidPayload(&'static str),
    StaleChannel,
    /// A bad request to the channel's own calls: numbers in every documented vocabulary.
    Channel(&'static str),
    Internal,
    /// A status wanted by a test.
    Wanted(u16),
    /// A status and code wanted by a test.
    Coded(u16, String),
}

/// A refusal in words of the dialect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spelled {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) fields: Option<BTreeMap<String, Vec<String>>>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) pending: Option<PendingPlace>,
}

/// One line of the table: HTTP status and code in dotted words, HTTP status in numbers, U-code.
struct Row(u16, &'static str, u16, Option<&'static str>, Scope);

/// Generic errors have numbers in the mixed vocabulary, specific ones have words.
#[derive(PartialEq, Eq)]
enum Scope {
    Generic,
    Specific,
}
use Scope::{Generic, Specific};

impl Refusal {
    pub(crate) fn spell(&self, dialect: &Dialect) -> Spelled {
        let Row(dotted_status, dotted, numeric_status, u, scope) = self.row(dialect);
        let numeric = |status: u16| match status {
            401 => "4010",
            500.. => "5000",
            _ => "4000",
        };
        let (status, code) = match dialect.vocabulary {
            Vocabulary::Dotted => (dotted_status, dotted),
            Vocabulary::Mixed if scope == Specific => (dotted_status, dotted),
            Vocabulary::Mixed | Vocabulary::Numeric => (numeric_status, numeric(numeric_status)),
            Vocabulary::U => match u {
                Some(u) => (400, u),
                None => (numeric_status, numeric(numeric_status)),
            },
        };
        let mut spelled = Spelled {
            status,
            code: code.to_owned(),
            message: self.message().to_owned(),
            fields: None,
            retry_after: None,
            pending: None,
        };
        let tells =
            matches!(dialect.response_form, ResponseForm::V200 | ResponseForm::V130 | ResponseForm::Sdk);
        if dialect.soft_errors && tells && scope == Specific && self.is_about_an_account() {
            spelled.status = 200;
        }
        let say = |own: &str, code: &mut String| {
            if !own.is_empty() {
                own.clone_into(code);
            }
        };
        match self {
            Self::TokenInvalid => say(&dialect.expired_code, &mut spelled.code),
            Self::PortalMismatch => say(&dialect.portal_mismatch_code, &mut spelled.code),
            Self::Fields(fields) => spelled.fields = Some(fields.clone()),
            Self::Cooldown(seconds) => spelled.retry_after = Some(*seconds),
            Self::TooManyAttempts(seconds) | Self::RateLimited(seconds) => spelled.retry_after = *seconds,
            Self::Pending => spelled.pending = Some(dialect.pending_place),
            Self::Coded(status, code) => {
                spelled.status = *status;
                spelled.code.clone_from(code);
            }
            Self::RefreshRefused => spelled.status = dialect.refresh_refused_status,
            Self::InvalidPayload(_) => spelled.status = dialect.invalid_payload_status,
            Self::StaleChannel => {
                spelled.status = dialect.stale_status;
                say(&dialect.stale_code, &mut spelled.code);
            }
            _ => {}
        }
        spelled
    }

    /// Whether it is about a person and not about the way here, which HTTP must tell.
    fn is_about_an_account(&self) -> bool {
        matches!(
            self,
            Self::Credentials
                | Self::LoginSessionGone
                | Self::Locked
                | Self::Suspended
                | Self::Rejected
                | Self::Closed
                | Self::CodeInvalid
                | Self::CurrentPassword
                | Self::ResetTokenInvalid
                | Self::ResetTokenExpired
                | Self::OtpSetupInvalid
        )
    }

    fn row(&self, dialect: &Dialect) -> Row {
        let validation = Row(400, "VALIDATION.INVALID_PARAMETER", 400, None, Generic);
        match self {
            Self::Fields(_) | Self::Malformed(_) => validation,
            Self::NotFound => Row(404, "REQUEST.NOT_FOUND", 404, None, Generic),
            Self::MethodNotAllowed => Row(405, "REQUEST.METHOD_NOT_ALLOWED", 405, None, Generic),
            Self::BodyTooLarge => Row(413, "REQUEST.TOO_LARGE", 413, None, Generic),
            Self::AccessCode | Self::PortalMismatch => {
                Row(403, "ACCESS.PERMISSION_DENIED", 403, None, Specific)
            }
            Self::TokenMissing => Row(401, "ACCESS.TOKEN_MISSING", 401, None, Generic),
            Self::TokenInvalid | Self::RefreshRefused => Row(401, "ACCESS.UNAUTHORIZED", 401, None, Generic),
            Self::Fingerprint => Row(403, "AUTH.FINGERPRINT_MISMATCH", 403, Some("U1069"), Specific),
            Self::Credentials => {
                Row(dialect.credentials_status, "AUTH.INVALID_CREDENTIALS", 401, Some("U1065"), Specific)
            }
            Self::LoginSessionGone => Row(404, "AUTH.SESSION_NOT_FOUND", 401, Some("U1060"), Specific),
            Self::Pending => Row(403, "AUTH.ACCOUNT_PENDING_APPROVAL", 403, Some("U1010"), Specific),
            Self::Locked => Row(403, "AUTH.ACCOUNT_LOCKED", 403, Some("U1066"), Specific),
            Self::Suspended => Row(403, "AUTH.ACCOUNT_SUSPENDED", 403, Some("U1067"), Specific),
            Self::Rejected => Row(403, "AUTH.ACCOUNT_REJECTED", 403, None, Specific),
            Self::Closed => Row(403, "AUTH.ACCOUNT_CLOSED", 403, Some("U1068"), Specific),
            Self::CodeInvalid => Row(400, "AUTH.MFA_CODE_INVALID", 401, Some("U1062"), Specific),
            Self::Cooldown(_) => Row(429, "AUTH.MFA_SEND_COOLDOWN", 429, Some("U1061"), Specific),
            Self::TooManyAttempts(_) => Row(429, "AUTH.TOO_MANY_ATTEMPTS", 429, Some("U1063"), Specific),
            Self::RateLimited(_) => Row(429, "REQUEST.RATE_LIMITED", 429, None, Specific),
            Self::CurrentPassword => Row(400, "AUTH.CURRENT_PASSWORD_INCORRECT", 401, None, Specific),
            Self::ResetTokenInvalid => Row(400, "AUTH.PASSWORD_RESET_TOKEN_INVALID", 400, None, Specific),
            Self::ResetTokenExpired => Row(400, "AUTH.PASSWORD_RESET_TOKEN_EXPIRED", 400, None, Specific),
            Self::OtpSetupInvalid => Row(400, "AUTH.OTP_SETUP_SESSION_INVALID", 400, None, Specific),
            Self::InvalidPayload(_) => Row(400, "SECURE_CHANNEL.INVALID_PAYLOAD", 400, None, Specific),
            Self::StaleChannel => Row(400, "SECURE_CHANNEL.SESSION_NOT_FOUND", 400, None, Specific),
            Self::Channel(_) => Row(400, "4000", 400, None, Generic),
            Self::Internal => Row(500, "SYSTEM.INTERNAL_ERROR", 500, None, Generic),
            Self::Wanted(status) | Self::Coded(status, _) => {
                Row(*status, "SYSTEM.INTERNAL_ERROR", *status, None, Generic)
            }
        }
    }

    fn message(&self) -> &'static str {
        match self {
            Self::Fields(_) => "Validation failed",
            Self::Malformed(what) | Self::InvalidPayload(what) | Self::Channel(what) => what,
            Self::NotFound => "No such endpoint",
            Self::MethodNotAllowed => "Method not allowed",
            Self::BodyTooLarge => "Body too large",
            Self::AccessCode => "Access code is missing or does not name this portal",
            Self::PortalMismatch => "Token or path belongs to another portal",
            Self::TokenMissing => "Access token is missing",
            Self::TokenInvalid => "Access token is invalid or expired",
            Self::RefreshRefused => "Refresh token is invalid or expired",
            Self::Fingerprint => "Client hash does not match",
            Self::Credentials => "Invalid email or password",
            Self::LoginSessionGone => "Session not found or expired",
            Self::Pending => "Account is pending approval",
            Self::Locked => "Account is locked",
            Self::Suspended => "Account is suspended",
            Self::Rejected => "Account was rejected",
            Self::Closed => "Account is closed",
            Self::CodeInvalid => "Verification code is invalid or expired",
            Self::Cooldown(_) => "Please wait before requesting another code",
            Self::TooManyAttempts(_) => "Too many attempts",
            Self::RateLimited(_) => "Too many requests",
            Self::CurrentPassword => "Current password is incorrect",
            Self::ResetTokenInvalid => "Reset token is invalid",
            Self::ResetTokenExpired => "Reset token has expired",
            Self::OtpSetupInvalid => "No OTP setup in progress",
            Self::StaleChannel => "Secure channel session not found or expired",
            Self::Internal => "Internal error",
            Self::Wanted(_) | Self::Coded(..) => "As requested",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Preset;

    fn said(refusal: &Refusal, vocabulary: Vocabulary) -> (u16, String) {
        let spelled = refusal.spell(&Dialect { vocabulary, ..Preset::Guide.dialect() });
        (spelled.status, spelled.code)
    }

    #[test]
    fn an_error_about_an_account_can_come_with_200_and_codes_can_be_replaced() {
        let dialect = Dialect {
            soft_errors: true,
            expired_code: "ACCESS.TOKEN_EXPIRED".to_owned(),
            ..Preset::Guide.dialect()
        };
        let said = |refusal: Refusal| {
            let spelled = refusal.spell(&dialect);
            (spelled.status, spelled.code)
        };
        assert_eq!(said(Refusal::Locked), (200, "AUTH.ACCOUNT_LOCKED".to_owned()));
        assert_eq!(said(Refusal::StaleChannel).0, 400);
        assert_eq!(said(Refusal::TokenInvalid), (401, "ACCESS.TOKEN_EXPIRED".to_owned()));
    }

    #[test]
    fn each_vocabulary_says_it_its_own_way() {
        let all = [Vocabulary::Dotted, Vocabulary::Mixed, Vocabulary::Numeric, Vocabulary::U];
        let table = [
            (
                Refusal::TokenInvalid,
                [(401, "ACCESS.UNAUTHORIZED"), (401, "4010"), (401, "4010"), (401, "4010")],
            ),
            (
                Refusal::Credentials,
                [
                    (401, "AUTH.INVALID_CREDENTIALS"),
                    (401, "AUTH.INVALID_CREDENTIALS"),
                    (401, "4010"),
                    (400, "U1065"),
                ],
            ),
            (
                Refusal::Cooldown(3),
                [
                    (429, "AUTH.MFA_SEND_COOLDOWN"),
                    (429, "AUTH.MFA_SEND_COOLDOWN"),
                    (429, "4000"),
                    (400, "U1061"),
                ],
            ),
            (
                Refusal::Malformed("x"),
                [(400, "VALIDATION.INVALID_PARAMETER"), (400, "4000"), (400, "4000"), (400, "4000")],
            ),
            (
                Refusal::StaleChannel,
                [
                    (400, "SECURE_CHANNEL.SESSION_NOT_FOUND"),
                    (400, "SECURE_CHANNEL.SESSION_NOT_FOUND"),
                    (400, "4000"),
                    (400, "4000"),
                ],
            ),
        ];
        for (refusal, rows) in table {
            for (vocabulary, (status, code)) in all.into_iter().zip(rows) {
                assert_eq!(said(&refusal, vocabulary), (status, code.to_owned()), "{refusal:?} {vocabulary}");
            }
        }
    }
}
