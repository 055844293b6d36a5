//! What a refusal of one of our own calls means (PROTOCOL sections 9, 13 and 14).

use std::fmt;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::Endpoint;
use super::verdict::wait;
use super::wire::{Meaning, Signs};
use crate::session::PortalErrorKind as Kind;

/// How a call of ours was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sealing {
    /// Not at all.
    Plain,
    /// On a channel made just now, which cannot have gone stale.
    Fresh,
    /// On a channel that the portal may have dropped since.
    Aged,
}

/// An answer that is no success.
#[derive(Clone, Copy)]
pub(super) struct Refused<'a> {
    pub(super) call: Endpoint,
    pub(super) sealing: Sealing,
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) signs: &'a Signs,
    pub(super) wall: SystemTime,
}

/// Shows none of the portal's fields, which may set cookies.
impl fmt::Debug for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("call", &self.call)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Refused<'_> {
    /// What the refusal means, in the order of ruling 9. A code that names its reason goes before the bare
    /// status: it is what a person has to be told.
    pub(super) fn kind(self) -> Kind {
        let meaning = self.signs.meaning();
        if let Meaning::Channel { .. } = meaning {
            return self.of_the_channel();
        }
        if self.signs.is_login_pending() {
            return Kind::PendingApproval;
        }
        if let Some(blocked) = self.signs.blocked_login() {
            return Kind::Blocked(blocked);
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS || meaning == Meaning::RateLimited {
            return Kind::RateLimited { retry_after: wait(self.headers, self.signs, self.wall) };
        }
        match meaning {
            Meaning::FingerprintMismatch => Kind::FingerprintMismatch,
            Meaning::RiskChallenge => Kind::RiskChallenge,
            Meaning::Trouble => Kind::Trouble,
            _ if self.status.is_server_error() || self.status == StatusCode::REQUEST_TIMEOUT => Kind::Trouble,
            _ if self.status.is_redirection() => {
                Kind::NotUnderstood("a redirect: the configured URL or path is not the portal's API")
            }
            // Ruling 2: 4000 may be a sealed body that the portal could not open.
            Meaning::Malformed if self.sealing == Sealing::Aged => Kind::ChannelStale,
            _ => self.of_the_call(meaning),
        }
    }

    /// `SECURE_CHANNEL.*`. A new channel helps a call that can be sealed, and no other.
    fn of_the_channel(self) -> Kind {
        match self.call {
            Endpoint::PublicKey | Endpoint::Session => Kind::Refused,
            _ => Kind::ChannelStale,
        }
    }

    fn of_the_call(self, meaning: Meaning) -> Kind {
        let unauthorized = self.status == StatusCode::UNAUTHORIZED || meaning == Meaning::Unauthorized;
        let by_status = |statuses: &[StatusCode]| statuses.contains(&self.status);
        match self.call {
            Endpoint::Initiate if unauthorized || meaning == Meaning::CredentialsRefused => {
                Kind::CredentialsRefused
            }
            Endpoint::MfaSend | Endpoint::Complete
                if meaning == Meaning::LoginGone || by_status(&[StatusCode::NOT_FOUND]) =>
            {
                Kind::LoginGone
            }
            // Without a code to be wrong, only the pending login can be.
            Endpoint::MfaSend if unauthorized => Kind::LoginGone,
            Endpoint::Complete if matches!(meaning, Meaning::Malformed | Meaning::Invalid) => Kind::Refused,
            Endpoint::Complete
                if unauthorized
                    || matches!(meaning, Meaning::CodeRefused | Meaning::CredentialsRefused)
                    || by_status(&[StatusCode::BAD_REQUEST]) =>
            {
                Kind::CodeRefused
            }
            // Whatever it says: section 13 calls the login over.
            Endpoint::Refresh
                if unauthorized
                    || by_status(&[
                        StatusCode::BAD_REQUEST,
                        StatusCode::FORBIDDEN,
                        StatusCode::NOT_FOUND,
                    ]) =>
            {
                Kind::TokenRefused
            }
            Endpoint::RegisterVerify | Endpoint::OtpVerify if meaning == Meaning::CodeRefused => {
                Kind::CodeRefused
            }
            Endpoint::RegisterCodeSend
            | Endpoint::RegisterVerify
            | Endpoint::RegisterComplete
            | Endpoint::PasswordInit
                if meaning == Meaning::LoginGone || by_status(&[StatusCode::NOT_FOUND]) =>
            {
                Kind::LoginGone
            }
            // Before a login, 401 is about what was sent: the code, or the registration.
            Endpoint::RegisterVerify if unauthorized => Kind::CodeRefused,
            Endpoint::RegisterCodeSend | Endpoint::RegisterComplete | Endpoint::PasswordInit
                if unauthorized =>
            {
                Kind::LoginGone
            }
            call if call.carries_bearer() && unauthorized => Kind::TokenRefused,
            _ => Kind::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use http::header::RETRY_AFTER;
    use serde_json::{Value, json};

    use super::*;
    use crate::session::Blocked;

    const OWN: [Endpoint; 5] =
        [Endpoint::Initiate, Endpoint::MfaSend, Endpoint::Complete, Endpoint::Refresh, Endpoint::Logout];

    fn kind_of(call: Endpoint, sealing: Sealing, status: u16, body: &[u8]) -> Kind {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let status = StatusCode::from_u16(status).unwrap();
        let signs = Signs::of(body);
        Refused { call, sealing, status, headers: &headers, signs: &signs, wall: SystemTime::now() }.kind()
    }

    fn kind(call: Endpoint, status: u16, code: &str) -> Kind {
        let body: Value = json!({"success": false, "code": code, "message": "m", "data": null});
        kind_of(call, Sealing::Plain, status, body.to_string().as_bytes())
    }

    #[test]
    fn section_9_credentials_refused_by_initiate() {
        for (status, code) in [
            (401, "AUTH.INVALID_CREDENTIALS"),
            (400, "AUTH.INVALID_CREDENTIALS"),
            (401, "4010"),
            (401, "SOMETHING.ELSE"),
            (400, "U1065"),
            (200, "4010"),
        ] {
            assert_eq!(kind(Endpoint::Initiate, status, code), Kind::CredentialsRefused, "{status} {code}");
        }
        assert_eq!(kind(Endpoint::Initiate, 400, "4000"), Kind::Refused);
        assert_eq!(kind(Endpoint::Initiate, 400, "VALIDATION.INVALID_PARAMETER"), Kind::Refused);
    }

    #[test]
    fn section_9_code_refused_by_complete() {
        for (status, code) in [
            (400, "AUTH.MFA_CODE_INVALID"),
            (401, "4010"),
            (401, "AUTH.INVALID_CREDENTIALS"),
            (400, "U1062"),
            (400, "SOMETHING.ELSE"),
            (200, "AUTH.MFA_CODE_INVALID"),
        ] {
            assert_eq!(kind(Endpoint::Complete, status, code), Kind::CodeRefused, "{status} {code}");
        }
        assert_eq!(kind(Endpoint::Complete, 400, "4000"), Kind::Refused);
        assert_eq!(kind(Endpoint::Complete, 400, "VALIDATION.INVALID_PARAMETER"), Kind::Refused);
    }

    #[test]
    fn section_9_the_pending_login_is_gone() {
        for call in [Endpoint::MfaSend, Endpoint::Complete] {
            for (status, code) in [(404, "AUTH.SESSION_NOT_FOUND"), (400, "U1060"), (404, "4040")] {
                assert_eq!(kind(call, status, code), Kind::LoginGone, "{call:?} {status} {code}");
            }
            assert_eq!(kind_of(call, Sealing::Plain, 404, b""), Kind::LoginGone);
        }
        assert_eq!(kind(Endpoint::MfaSend, 401, "4010"), Kind::LoginGone);
        assert_eq!(kind_of(Endpoint::Initiate, Sealing::Plain, 404, b""), Kind::Refused);
    }

    #[test]
    fn section_13_a_refresh_refused_with_400_401_403_404() {
        for status in [400, 401, 403, 404] {
            for code in ["4000", "4010", "ACCESS.UNAUTHORIZED", "ACCESS.PERMISSION_DENIED", "SOMETHING.ELSE"]
            {
                assert_eq!(kind(Endpoint::Refresh, status, code), Kind::TokenRefused, "{status} {code}");
            }
            assert_eq!(kind_of(Endpoint::Refresh, Sealing::Plain, status, b"<html>"), Kind::TokenRefused);
        }
    }

    #[test]
    fn section_13_a_refresh_answered_with_5xx_or_429_keeps_its_token() {
        for status in [500, 502, 503, 504] {
            assert_eq!(kind_of(Endpoint::Refresh, Sealing::Plain, status, b"<html>"), Kind::Trouble);
        }
        let seven = Some(Duration::from_secs(7));
        let limited = Kind::RateLimited { retry_after: seven };
        assert_eq!(kind_of(Endpoint::Refresh, Sealing::Plain, 429, b"busy"), limited);
        for status in [405, 409, 413, 415, 422] {
            assert_eq!(kind(Endpoint::Refresh, status, "SOMETHING.ELSE"), Kind::Refused, "{status}");
        }
    }

    #[test]
    fn section_13_secure_channel_codes_ask_for_a_new_channel_whatever_the_status() {
        for call in OWN {
            for status in [200, 400, 401, 403, 404, 429, 500] {
                for code in ["SECURE_CHANNEL.SESSION_NOT_FOUND", "SECURE_CHANNEL.INVALID_PAYLOAD"] {
                    assert_eq!(kind(call, status, code), Kind::ChannelStale, "{call:?} {status} {code}");
                }
            }
        }
        for call in [Endpoint::PublicKey, Endpoint::Session] {
            assert_eq!(kind(call, 400, "SECURE_CHANNEL.KEY_EXPIRED"), Kind::Refused, "{call:?}");
        }
    }

    #[test]
    fn ruling_2_4000_to_a_sealed_call_asks_for_a_new_channel_unless_it_was_made_just_now() {
        let body = br#"{"success":false,"code":"4000"}"#;
        for call in [Endpoint::Initiate, Endpoint::MfaSend, Endpoint::Complete, Endpoint::Refresh] {
            assert_eq!(kind_of(call, Sealing::Aged, 400, body), Kind::ChannelStale, "{call:?}");
        }
        assert_eq!(kind_of(Endpoint::Initiate, Sealing::Fresh, 400, body), Kind::Refused);
        assert_eq!(kind_of(Endpoint::Initiate, Sealing::Plain, 400, body), Kind::Refused);
        assert_eq!(kind_of(Endpoint::Refresh, Sealing::Fresh, 400, body), Kind::TokenRefused);
    }

    #[test]
    fn section_13_pending_and_blocked_accounts_whatever_the_call() {
        for call in OWN {
            for status in [200, 400, 401, 403, 429] {
                for code in ["2101", "U1010", "U1011", "U1012", "U1013"] {
                    assert_eq!(kind(call, status, code), Kind::PendingApproval, "{call:?} {status} {code}");
                }
                for (code, blocked) in [
                    ("AUTH.ACCOUNT_LOCKED", Blocked::Locked),
                    ("AUTH.ACCOUNT_SUSPENDED", Blocked::Suspended),
                    ("AUTH.ACCOUNT_REJECTED", Blocked::Rejected),
                    ("U1066", Blocked::Locked),
                    ("U1067", Blocked::Suspended),
                    ("U1068", Blocked::Closed),
                ] {
                    assert_eq!(kind(call, status, code), Kind::Blocked(blocked), "{call:?} {status} {code}");
                }
            }
        }
    }

    #[test]
    fn ruling_6_account_status_blocks_with_an_error_too() {
        let body = br#"{"success":false,"code":"4010","data":{"accountStatus":{"code":"LOCKED"}}}"#;
        assert_eq!(kind_of(Endpoint::Initiate, Sealing::Plain, 401, body), Kind::Blocked(Blocked::Locked));
    }

    #[test]
    fn section_10_limits_and_cooldowns_say_how_long_to_wait() {
        for (status, code) in [
            (429, "AUTH.MFA_SEND_COOLDOWN"),
            (429, "AUTH.TOO_MANY_ATTEMPTS"),
            (429, "REQUEST.RATE_LIMITED"),
            (400, "U1061"),
            (400, "U1063"),
            (429, "4290"),
        ] {
            let limited = Kind::RateLimited { retry_after: Some(Duration::from_secs(7)) };
            assert_eq!(kind(Endpoint::MfaSend, status, code), limited, "{status} {code}");
        }
        let body = br#"{"success":false,"code":"U1061","data":{"cooldownSeconds":60}}"#;
        let limited = Kind::RateLimited { retry_after: Some(Duration::from_secs(60)) };
        assert_eq!(kind_of(Endpoint::MfaSend, Sealing::Plain, 400, body), limited);
    }

    #[test]
    fn section_9_fingerprint_and_risk_are_named_whatever_the_status() {
        for call in OWN {
            for status in [400, 401, 403] {
                for code in ["AUTH.FINGERPRINT_MISMATCH", "U1069"] {
                    assert_eq!(
                        kind(call, status, code),
                        Kind::FingerprintMismatch,
                        "{call:?} {status} {code}"
                    );
                }
                for code in ["ACCESS.RISK_CHALLENGE_REQUIRED", "ACCESS.MFA_REQUIRED"] {
                    assert_eq!(kind(call, status, code), Kind::RiskChallenge, "{call:?} {status} {code}");
                }
            }
        }
    }

    #[test]
    fn section_9_403_otherwise_is_refused() {
        for call in
            [Endpoint::PublicKey, Endpoint::Session, Endpoint::Initiate, Endpoint::Complete, Endpoint::Logout]
        {
            for code in ["ACCESS.PERMISSION_DENIED", "ACCESS.UNKNOWN_PORTAL", "4030"] {
                assert_eq!(kind(call, 403, code), Kind::Refused, "{call:?} {code}");
            }
            assert_eq!(kind_of(call, Sealing::Plain, 403, b"<html>"), Kind::Refused);
        }
    }

    #[test]
    fn section_9_trouble_of_the_portal() {
        for call in OWN {
            for (status, code) in
                [(500, "5000"), (500, "SYSTEM.INTERNAL_ERROR"), (200, "5000"), (503, "X.Y"), (408, "X.Y")]
            {
                assert_eq!(kind(call, status, code), Kind::Trouble, "{call:?} {status} {code}");
            }
            assert_eq!(kind_of(call, Sealing::Plain, 502, b"<html>bad gateway</html>"), Kind::Trouble);
        }
    }

    #[test]
    fn section_7_a_logout_with_a_dead_token_is_refused_as_such() {
        for code in ["4010", "ACCESS.UNAUTHORIZED", "ACCESS.TOKEN_MISSING", "X.Y"] {
            assert_eq!(kind(Endpoint::Logout, 401, code), Kind::TokenRefused, "{code}");
        }
    }

    #[test]
    fn a_redirect_is_explained() {
        for status in [301, 302, 307, 308] {
            let kind = kind_of(Endpoint::Initiate, Sealing::Plain, status, b"");
            assert!(matches!(kind, Kind::NotUnderstood(why) if why.contains("URL")), "{kind:?}");
        }
    }
}
