//! What to conclude from a reply (PROTOCOL sections 9, 13; precedence: ruling 9).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};

use super::wire::{Meaning, Signs, retry_after};
use crate::session::Blocked;

/// What a reply means for the session, the channel and the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Success, or an answer that concerns the caller only.
    Pass,
    /// `SECURE_CHANNEL.*`: refused, not processed; a new channel helps.
    ChannelStale,
    /// `SECURE_CHANNEL.INVALID_PAYLOAD`: to a plain request, the path needs the channel. To a sealed one it is
    /// as [`Verdict::ChannelStale`].
    NeedsChannel,
    /// 400/4000: perhaps the channel, if the request was sealed on one that was not made just now.
    MaybeChannel,
    /// 401: the bearer is expired or revoked.
    BearerRefused,
    /// 429.
    RateLimited(Option<Duration>),
    /// 2101, isPendingApproval, U1010–13.
    PendingApproval,
    /// Locked, suspended, rejected, closed.
    Blocked(Blocked),
    /// `AUTH.FINGERPRINT_MISMATCH`, U1069.
    FingerprintMismatch,
}

impl Verdict {
    /// Judges an answer by its status, headers and (opened, or plain) body. A body that is no JSON object is
    /// told by its first byte and judged by the status alone; of one that is, nothing is stored.
    pub fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        Self::by(&Signs::of(body), status, headers)
    }

    pub(super) fn by(signs: &Signs, status: StatusCode, headers: &HeaderMap) -> Self {
        // What succeeded is never called refused, whatever else it says: it must not be sent again.
        let succeeded = signs.is_success(status);
        let meaning = if succeeded { Meaning::Unknown } else { signs.meaning() };
        // HTTP 200 with `success: false` happens (section 5); there, the code has to stand for the status.
        let by_code = status.is_success();

        if let Meaning::Channel { needs } = meaning {
            return if needs { Self::NeedsChannel } else { Self::ChannelStale };
        }
        if signs.is_pending(status) {
            return Self::PendingApproval;
        }
        if let Some(blocked) = signs.blocked(status) {
            return Self::Blocked(blocked);
        }
        if status == StatusCode::TOO_MANY_REQUESTS || meaning == Meaning::RateLimited {
            return Self::RateLimited(wait(headers, signs, SystemTime::now()));
        }
        if status == StatusCode::UNAUTHORIZED || (by_code && meaning == Meaning::Unauthorized) {
            return Self::BearerRefused;
        }
        match meaning {
            Meaning::FingerprintMismatch => Self::FingerprintMismatch,
            Meaning::Malformed if by_code || status == StatusCode::BAD_REQUEST => Self::MaybeChannel,
            _ => Self::Pass,
        }
    }
}

/// The longer of `Retry-After` and `cooldownSeconds`.
pub(super) fn wait(headers: &HeaderMap, signs: &Signs, wall: SystemTime) -> Option<Duration> {
    retry_after(headers, wall).max(signs.cooldown())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::RETRY_AFTER;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn verdict(status: u16, body: Value) -> Verdict {
        Verdict::of(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.to_string().as_bytes())
    }

    /// The same error in the envelope of every dialect.
    fn in_every_envelope(code: &str) -> [Value; 4] {
        [
            json!({"version": "2.0.0", "success": false, "code": code, "message": "m", "data": null}),
            json!({"version": "1.3.0", "success": false, "code": code, "message": "m"}),
            json!({"code": code, "message": "m", "data": {}}),
            json!({"success": false, "error": {"code": code, "message": "m"}}),
        ]
    }

    #[track_caller]
    fn assert_verdict(status: u16, code: &str, expected: &Verdict) {
        for body in in_every_envelope(code) {
            assert_eq!(&verdict(status, body.clone()), expected, "{status} {body}");
        }
    }

    #[test]
    fn section_13_secure_channel_codes_with_any_status() {
        for status in [200, 400, 401, 403, 404, 429, 500, 503] {
            assert_verdict(status, "SECURE_CHANNEL.SESSION_NOT_FOUND", &Verdict::ChannelStale);
            assert_verdict(status, "SECURE_CHANNEL.WHATEVER", &Verdict::ChannelStale);
            assert_verdict(status, "SECURE_CHANNEL.INVALID_PAYLOAD", &Verdict::NeedsChannel);
        }
    }

    #[test]
    fn section_13_400_4000_may_be_the_channel() {
        assert_verdict(400, "4000", &Verdict::MaybeChannel);
        assert_verdict(200, "4000", &Verdict::MaybeChannel);
        assert_verdict(403, "4000", &Verdict::Pass);
        assert_verdict(400, "VALIDATION.INVALID_PARAMETER", &Verdict::Pass);
        assert_eq!(Verdict::of(StatusCode::BAD_REQUEST, &HeaderMap::new(), b"4000"), Verdict::Pass);
    }

    #[test]
    fn section_13_any_401() {
        for code in ["4010", "ACCESS.UNAUTHORIZED", "ACCESS.TOKEN_MISSING", "SOMETHING.ELSE"] {
            assert_verdict(401, code, &Verdict::BearerRefused);
        }
        assert_eq!(Verdict::of(StatusCode::UNAUTHORIZED, &HeaderMap::new(), b""), Verdict::BearerRefused);
        assert_verdict(200, "4010", &Verdict::BearerRefused);
        assert_verdict(200, "ACCESS.UNAUTHORIZED", &Verdict::BearerRefused);
    }

    #[test]
    fn section_13_403_fingerprint_mismatch() {
        assert_verdict(403, "AUTH.FINGERPRINT_MISMATCH", &Verdict::FingerprintMismatch);
        assert_verdict(400, "U1069", &Verdict::FingerprintMismatch);
    }

    #[test]
    fn section_13_403_otherwise_goes_to_the_client() {
        for code in
            ["ACCESS.PERMISSION_DENIED", "ACCESS.RISK_CHALLENGE_REQUIRED", "ACCESS.MFA_REQUIRED", "4030"]
        {
            assert_verdict(403, code, &Verdict::Pass);
        }
        assert_eq!(Verdict::of(StatusCode::FORBIDDEN, &HeaderMap::new(), b"<html>"), Verdict::Pass);
    }

    #[test]
    fn section_13_429_and_its_wait() {
        assert_verdict(429, "REQUEST.RATE_LIMITED", &Verdict::RateLimited(None));
        assert_verdict(429, "AUTH.MFA_SEND_COOLDOWN", &Verdict::RateLimited(None));
        assert_verdict(400, "U1061", &Verdict::RateLimited(None));
        assert_verdict(400, "U1063", &Verdict::RateLimited(None));
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("30"));
        let of = |body: &[u8]| Verdict::of(StatusCode::TOO_MANY_REQUESTS, &headers, body);
        assert_eq!(of(b"busy"), Verdict::RateLimited(Some(Duration::from_secs(30))));
        let longer = br#"{"success":false,"data":{"cooldownSeconds":60}}"#;
        assert_eq!(of(longer), Verdict::RateLimited(Some(Duration::from_secs(60))));
    }

    #[test]
    fn section_13_pending_approval() {
        for code in ["2101", "U1010", "U1011", "U1012", "U1013"] {
            assert_verdict(400, code, &Verdict::PendingApproval);
        }
        assert_eq!(verdict(200, json!({"success": true, "code": "2101"})), Verdict::PendingApproval);
        let sdk = json!({"success": true, "data": {"isPendingApproval": true}});
        assert_eq!(verdict(200, sdk), Verdict::PendingApproval);
    }

    #[test]
    fn section_13_blocked_accounts() {
        for (code, blocked) in [
            ("AUTH.ACCOUNT_LOCKED", Blocked::Locked),
            ("U1066", Blocked::Locked),
            ("AUTH.ACCOUNT_SUSPENDED", Blocked::Suspended),
            ("U1067", Blocked::Suspended),
            ("AUTH.ACCOUNT_REJECTED", Blocked::Rejected),
            ("U1068", Blocked::Closed),
        ] {
            for status in [200, 400, 401, 403, 429] {
                assert_verdict(status, code, &Verdict::Blocked(blocked));
            }
        }
    }

    #[test]
    fn section_9_codes_that_concern_the_caller_only_pass() {
        for (status, code) in [
            (400, "AUTH.INVALID_CREDENTIALS"),
            (404, "AUTH.SESSION_NOT_FOUND"),
            (400, "AUTH.MFA_CODE_INVALID"),
            (400, "AUTH.CURRENT_PASSWORD_INCORRECT"),
            (400, "AUTH.PASSWORD_RESET_TOKEN_INVALID"),
            (400, "AUTH.PASSWORD_RESET_TOKEN_EXPIRED"),
            (400, "AUTH.OTP_SETUP_SESSION_INVALID"),
            (500, "SYSTEM.INTERNAL_ERROR"),
            (500, "5000"),
            (400, "U1060"),
            (400, "U1062"),
            (400, "U1065"),
        ] {
            assert_verdict(status, code, &Verdict::Pass);
        }
    }

    #[test]
    fn section_5_what_succeeded_is_never_called_refused() {
        for code in ["SECURE_CHANNEL.INVALID_PAYLOAD", "4000", "4010", "AUTH.ACCOUNT_LOCKED", "U1061"] {
            assert_eq!(verdict(200, json!({"success": true, "code": code})), Verdict::Pass, "{code}");
        }
        let profile = json!({"success": true, "code": "2000", "data": {"accountStatus": {"code": "LOCKED"}}});
        assert_eq!(verdict(200, profile), Verdict::Pass);
    }

    #[test]
    fn a_page_that_is_no_json_is_judged_by_its_status() {
        let of =
            |status| Verdict::of(status, &HeaderMap::new(), b"<html>SECURE_CHANNEL.SESSION_NOT_FOUND</html>");
        assert_eq!(of(StatusCode::BAD_GATEWAY), Verdict::Pass);
        assert_eq!(of(StatusCode::OK), Verdict::Pass);
        assert_eq!(of(StatusCode::UNAUTHORIZED), Verdict::BearerRefused);
        assert_eq!(of(StatusCode::TOO_MANY_REQUESTS), Verdict::RateLimited(None));
    }

    const CODES: [&str; 14] = [
        "SECURE_CHANNEL.INVALID_PAYLOAD",
        "SECURE_CHANNEL.SESSION_NOT_FOUND",
        "2101",
        "U1012",
        "AUTH.ACCOUNT_LOCKED",
        "U1068",
        "REQUEST.RATE_LIMITED",
        "U1063",
        "4010",
        "ACCESS.UNAUTHORIZED",
        "AUTH.FINGERPRINT_MISMATCH",
        "4000",
        "2000",
        "BUSINESS.RULE",
    ];

    /// Where a verdict stands in ruling 9.
    fn rank(verdict: &Verdict) -> u8 {
        match verdict {
            Verdict::ChannelStale | Verdict::NeedsChannel => 0,
            Verdict::PendingApproval | Verdict::Blocked(_) => 1,
            Verdict::RateLimited(_) => 2,
            Verdict::BearerRefused => 3,
            Verdict::FingerprintMismatch | Verdict::MaybeChannel | Verdict::Pass => 4,
        }
    }

    proptest! {
        #[test]
        fn ruling_9_precedence_holds_for_any_mix(
            status in prop::sample::select(vec![200u16, 400, 401, 403, 404, 429, 500, 502]),
            code in prop::sample::select(CODES.to_vec()),
            in_error: bool,
            pending: bool,
            locked: bool,
        ) {
            let mut body = json!({"success": false, "isPendingApproval": pending});
            if locked {
                body["accountStatus"] = json!("LOCKED");
            }
            if in_error {
                body["error"] = json!({"code": code});
            } else {
                body["code"] = json!(code);
            }
            let by_code = status == 200;
            let highest = if code.starts_with("SECURE_CHANNEL.") {
                0
            } else if pending || locked || ["2101", "U1012", "AUTH.ACCOUNT_LOCKED", "U1068"].contains(&code) {
                1
            } else if status == 429 || ["REQUEST.RATE_LIMITED", "U1063"].contains(&code) {
                2
            } else if status == 401 || (by_code && ["4010", "ACCESS.UNAUTHORIZED"].contains(&code)) {
                3
            } else {
                4
            };
            prop_assert_eq!(rank(&verdict(status, body)), highest);
        }

        #[test]
        fn no_bytes_make_a_verdict_panic(status in 100u16..1000, body: Vec<u8>, after: Vec<u8>) {
            let mut headers = HeaderMap::new();
            headers.extend(HeaderValue::from_bytes(&after).ok().map(|after| (RETRY_AFTER, after)));
            Verdict::of(StatusCode::from_u16(status).unwrap(), &headers, &body);
        }
    }
}
