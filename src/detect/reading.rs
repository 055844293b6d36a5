//! What an answer to a probe says about whether the probe was read.

use http::StatusCode;

use crate::portal::wire::{Meaning, Signs};

/// What an answer to a probe says. A probe shows an invented id, so that being read shows in a complaint about the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The body was read, and what it holds was judged.
    Read,
    /// The body was not understood, or a field of it: the spelling is wrong, or the field is.
    Refused,
    /// Too many calls.
    Limited,
    /// Nothing is served there.
    Absent,
    /// None of these.
    Unclear,
}

impl Reading {
    /// The decision table, first row that fits:
    ///
    /// | the answer | reading |
    /// |---|---|
    /// | came sealed, and opens under the channel's key | `Read` |
    /// | `SECURE_CHANNEL.*` | `Refused` |
    /// | HTTP 429, or a code that says so | `Limited` |
    /// | a success, HTTP 401, or a code about an id, a token, an account or a person | `Read` |
    /// | HTTP 404 or 405 | `Absent` |
    /// | 4000, `VALIDATION.*`, or HTTP 400, 415 or 422 with any other code | `Refused` |
    /// | anything else: 403, 5xx, a redirect | `Unclear` |
    pub(super) fn of(status: StatusCode, signs: &Signs, opened: bool) -> Self {
        if opened {
            return Self::Read;
        }
        let meaning = signs.meaning();
        match meaning {
            Meaning::Channel { .. } => return Self::Refused,
            Meaning::RateLimited => return Self::Limited,
            Meaning::PendingApproval
            | Meaning::Blocked(_)
            | Meaning::Unauthorized
            | Meaning::FingerprintMismatch
            | Meaning::RiskChallenge
            | Meaning::CredentialsRefused
            | Meaning::CodeRefused
            | Meaning::LoginGone => return Self::Read,
            Meaning::Malformed | Meaning::Invalid | Meaning::Trouble | Meaning::Unknown => {}
        }
        match status.as_u16() {
            429 => Self::Limited,
            401 => Self::Read,
            _ if signs.is_object && signs.is_success(status) => Self::Read,
            404 | 405 => Self::Absent,
            400 | 415 | 422 => Self::Refused,
            _ if matches!(meaning, Meaning::Malformed | Meaning::Invalid) => Self::Refused,
            _ => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(status: u16, code: &str) -> Reading {
        let body = format!(r#"{{"success":false,"code":"{code}","message":"m"}}"#);
        Reading::of(StatusCode::from_u16(status).unwrap(), &Signs::of(body.as_bytes()), false)
    }

    #[test]
    fn a_complaint_about_the_id_shows_that_it_was_read() {
        for (status, code) in [
            (404, "AUTH.SESSION_NOT_FOUND"),
            (401, "4010"),
            (400, "U1060"),
            (400, "4010"),
            (403, "ACCESS.UNAUTHORIZED"),
            (401, "ANYTHING.ELSE"),
        ] {
            assert_eq!(reading(status, code), Reading::Read, "{status} {code}");
        }
    }

    #[test]
    fn a_complaint_about_the_body_shows_that_it_was_not() {
        for (status, code) in [
            (400, "4000"),
            (400, "SECURE_CHANNEL.INVALID_PAYLOAD"),
            (401, "SECURE_CHANNEL.SESSION_NOT_FOUND"),
            (400, "VALIDATION.INVALID_PARAMETER"),
            (415, "4000"),
        ] {
            assert_eq!(reading(status, code), Reading::Refused, "{status} {code}");
        }
    }

    #[test]
    fn what_is_neither_is_told_apart() {
        assert_eq!(reading(404, "4000"), Reading::Absent);
        assert_eq!(reading(405, "REQUEST.METHOD_NOT_ALLOWED"), Reading::Absent);
        assert_eq!(reading(429, "4000"), Reading::Limited);
        assert_eq!(reading(400, "U1063"), Reading::Limited);
        assert_eq!(reading(500, "5000"), Reading::Unclear);
        assert_eq!(reading(403, "ACCESS.PERMISSION_DENIED"), Reading::Unclear);
        let page = Signs::of(b"<html>");
        assert_eq!(Reading::of(StatusCode::OK, &page, false), Reading::Unclear);
    }

    #[test]
    fn an_answer_that_opens_needs_no_code() {
        assert_eq!(Reading::of(StatusCode::BAD_REQUEST, &Signs::default(), true), Reading::Read);
    }
}
