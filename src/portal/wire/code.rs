//! The portal's codes, of all three vocabularies (PROTOCOL section 9).

use std::fmt;

use super::seen::Seen;
use crate::session::Blocked;

/// A code as the portal sent it: safe to log, for whatever could not be a code was not taken for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code(String);

/// Longer than any code there is; what is longer is a text that strayed into the place of a code.
const LONGEST: usize = 64;

impl Code {
    pub(super) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let is_code = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(legal);
        is_code.then(|| Self(text.to_ascii_uppercase()))
    }

    /// A code is a string, or a whole number.
    pub(super) fn seen(seen: &Seen) -> Option<Self> {
        match seen {
            Seen::Text(text) => Self::new(text),
            Seen::Number(number) if *number >= 0.0 && *number <= MOST && number.fract() == 0.0 => {
                Self::new(&format!("{number:.0}"))
            }
            Seen::Number(_) | Seen::Other | Seen::Bool(_) | Seen::Object(_) => None,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it tells more than the class of the failure.
    pub(super) fn is_specific(&self) -> bool {
        !self.0.bytes().all(|b| b.is_ascii_digit())
    }

    /// Section 5: codes of success begin with 2. A dotted or a U-code never does.
    pub(super) fn is_success(&self) -> bool {
        self.0.starts_with('2') && !self.is_specific()
    }

    /// What the code says, whatever the HTTP status.
    pub(crate) fn meaning(&self) -> Meaning {
        match self.0.as_str() {
            "2101" | "U1010" | "U1011" | "U1012" | "U1013" => Meaning::PendingApproval,
            "4000" => Meaning::Malformed,
            "4010" | "ACCESS.UNAUTHORIZED" | "ACCESS.TOKEN_MISSING" => Meaning::Unauthorized,
            "5000" | "SYSTEM.INTERNAL_ERROR" => Meaning::Trouble,
            "AUTH.INVALID_CREDENTIALS" | "U1065" => Meaning::CredentialsRefused,
            "AUTH.SESSION_NOT_FOUND" | "U1060" => Meaning::LoginGone,
            "AUTH.ACCOUNT_LOCKED" | "U1066" => Meaning::Blocked(Blocked::Locked),
            "AUTH.ACCOUNT_SUSPENDED" | "U1067" => Meaning::Blocked(Blocked::Suspended),
            "AUTH.ACCOUNT_REJECTED" => Meaning::Blocked(Blocked::Rejected),
            "AUTH.ACCOUNT_CLOSED" | "U1068" => Meaning::Blocked(Blocked::Closed),
            "AUTH.MFA_CODE_INVALID" | "U1062" => Meaning::CodeRefused,
            "AUTH.MFA_SEND_COOLDOWN"
            | "U1061"
            | "AUTH.TOO_MANY_ATTEMPTS"
            | "U1063"
            | "REQUEST.RATE_LIMITED" => Meaning::RateLimited,
            "AUTH.FINGERPRINT_MISMATCH" | "U1069" => Meaning::FingerprintMismatch,
            "ACCESS.RISK_CHALLENGE_REQUIRED" | "ACCESS.MFA_REQUIRED" => Meaning::RiskChallenge,
            "VALIDATION.INVALID_PARAMETER" => Meaning::Invalid,
            "SECURE_CHANNEL.INVALID_PAYLOAD" => Meaning::Channel { needs: true },
            other if other.starts_with("SECURE_CHANNEL.") => Meaning::Channel { needs: false },
            _ => Meaning::Unknown,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The largest number that is taken for a code.
const MOST: f64 = 999_999_999.0;

/// What a code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// `SECURE_CHANNEL.*`; `needs` if it is `INVALID_PAYLOAD`, the answer to a plain body where a sealed one
    /// is due.
    Channel {
        needs: bool,
    },
    PendingApproval,
    Blocked(Blocked),
    RateLimited,
    /// 4010 and its like: a token, or whatever else was shown, is not valid.
    Unauthorized,
    FingerprintMismatch,
    RiskChallenge,
    CredentialsRefused,
    CodeRefused,
    LoginGone,
    /// 4000: malformed, or a sealed body that the portal could not open.
    Malformed,
    /// A field's value is not valid; never the channel.
    Invalid,
    Trouble,
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(code: &str) -> Meaning {
        Code::new(code).unwrap().meaning()
    }

    #[test]
    fn section_9_numeric_codes() {
        assert_eq!(meaning("4000"), Meaning::Malformed);
        assert_eq!(meaning("4010"), Meaning::Unauthorized);
        assert_eq!(meaning("5000"), Meaning::Trouble);
        assert_eq!(meaning("4999"), Meaning::Unknown);
    }

    #[test]
    fn section_9_dotted_auth_codes() {
        for (code, expected) in [
            ("AUTH.INVALID_CREDENTIALS", Meaning::CredentialsRefused),
            ("AUTH.SESSION_NOT_FOUND", Meaning::LoginGone),
            ("AUTH.ACCOUNT_LOCKED", Meaning::Blocked(Blocked::Locked)),
            ("AUTH.ACCOUNT_SUSPENDED", Meaning::Blocked(Blocked::Suspended)),
            ("AUTH.ACCOUNT_REJECTED", Meaning::Blocked(Blocked::Rejected)),
            ("AUTH.MFA_CODE_INVALID", Meaning::CodeRefused),
            ("AUTH.MFA_SEND_COOLDOWN", Meaning::RateLimited),
            ("AUTH.TOO_MANY_ATTEMPTS", Meaning::RateLimited),
            ("AUTH.FINGERPRINT_MISMATCH", Meaning::FingerprintMismatch),
            ("AUTH.PASSWORD_RESET_TOKEN_INVALID", Meaning::Unknown),
            ("AUTH.PASSWORD_RESET_TOKEN_EXPIRED", Meaning::Unknown),
            ("AUTH.OTP_SETUP_SESSION_INVALID", Meaning::Unknown),
            ("AUTH.CURRENT_PASSWORD_INCORRECT", Meaning::Unknown),
        ] {
            assert_eq!(meaning(code), expected, "{code}");
        }
    }

    #[test]
    fn section_9_dotted_access_channel_and_system_codes() {
        for (code, expected) in [
            ("ACCESS.UNAUTHORIZED", Meaning::Unauthorized),
            ("ACCESS.TOKEN_MISSING", Meaning::Unauthorized),
            ("ACCESS.PERMISSION_DENIED", Meaning::Unknown),
            ("ACCESS.RISK_CHALLENGE_REQUIRED", Meaning::RiskChallenge),
            ("ACCESS.MFA_REQUIRED", Meaning::RiskChallenge),
            ("SECURE_CHANNEL.INVALID_PAYLOAD", Meaning::Channel { needs: true }),
            ("SECURE_CHANNEL.SESSION_NOT_FOUND", Meaning::Channel { needs: false }),
            ("VALIDATION.INVALID_PARAMETER", Meaning::Invalid),
            ("REQUEST.RATE_LIMITED", Meaning::RateLimited),
            ("SYSTEM.INTERNAL_ERROR", Meaning::Trouble),
        ] {
            assert_eq!(meaning(code), expected, "{code}");
        }
    }

    #[test]
    fn section_9_u_codes() {
        for code in ["U1010", "U1011", "U1012", "U1013"] {
            assert_eq!(meaning(code), Meaning::PendingApproval, "{code}");
        }
        for (code, expected) in [
            ("U1060", Meaning::LoginGone),
            ("U1061", Meaning::RateLimited),
            ("U1062", Meaning::CodeRefused),
            ("U1063", Meaning::RateLimited),
            ("U1064", Meaning::Unknown),
            ("U1065", Meaning::CredentialsRefused),
            ("U1066", Meaning::Blocked(Blocked::Locked)),
            ("U1067", Meaning::Blocked(Blocked::Suspended)),
            ("U1068", Meaning::Blocked(Blocked::Closed)),
            ("U1069", Meaning::FingerprintMismatch),
        ] {
            assert_eq!(meaning(code), expected, "{code}");
        }
    }

    #[test]
    fn section_9_the_whole_prefix_secure_channel_is_a_channel_failure() {
        assert_eq!(meaning("SECURE_CHANNEL.KEY_EXPIRED_OR_SO"), Meaning::Channel { needs: false });
        assert_eq!(meaning("SECURE_CHANNELS.X"), Meaning::Unknown);
    }

    #[test]
    fn a_code_is_read_in_either_case_and_as_a_number() {
        assert_eq!(meaning("auth.account_locked"), Meaning::Blocked(Blocked::Locked));
        assert_eq!(Code::seen(&Seen::Number(4010.0)).unwrap().as_str(), "4010");
        for strange in [f64::NAN, f64::INFINITY, -1.0, 4000.5, MOST + 1.0] {
            assert_eq!(Code::seen(&Seen::Number(strange)), None, "{strange}");
        }
        assert!(Code::seen(&Seen::Number(MOST)).is_some());
    }

    #[test]
    fn what_cannot_be_a_code_never_reaches_a_log() {
        assert!(Code::new(&"X".repeat(LONGEST)).is_some());
        for bad in ["", " ", "A B", "A\nB", "\u{1b}[31m", "é", &"X".repeat(LONGEST + 1)] {
            assert_eq!(Code::new(bad), None, "{bad:?}");
        }
    }
}
