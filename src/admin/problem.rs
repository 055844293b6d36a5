//! RFC 9457 problem details: what the admin API answers instead of what was asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::explain::{Cause, Explained, Whose};
use crate::session::SessionError;

/// What the `type` of a problem begins with; its cause follows.
const TYPE_PREFIX: &str = "urn:portunus:problem:";

/// Another word than this version of the proxy knows reads as one that it cannot act on.
fn unknown_cause() -> Cause {
    Cause::BadRequest
}

/// A problem (RFC 9457 section 3), with its extension members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:portunus:problem:` and the cause.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status, again.
    pub status: u16,
    /// The cause in words, the same each time.
    #[serde(default)]
    pub title: String,
    /// What happened this time, in one lower-case line.
    pub detail: String,
    /// The machine word.
    #[serde(default = "unknown_cause")]
    pub code: Cause,
    /// Whose doing it is.
    pub who: Whose,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Seconds until it may be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem with the standard hint of its cause.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Explained::new(cause, detail).into()
    }
}

impl From<Explained> for Problem {
    fn from(explained: Explained) -> Self {
        let cause = explained.cause;
        let word = cause.word();
        Self {
            kind: format!("{TYPE_PREFIX}{word}"),
            status: cause.status().as_u16(),
            title: word.replace('-', " "),
            detail: explained.text,
            code: cause,
            who: cause.whose(),
            hint: cause.hint().map(str::to_owned),
            retry_after: explained.retry_after.map(whole_seconds),
        }
    }
}

impl From<&SessionError> for Problem {
    fn from(error: &SessionError) -> Self {
        Explained::from(error).into()
    }
}

/// Seconds, rounded up: who waits that long has waited long enough.
pub(super) fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_type_status_cause_and_a_way_out() {
        let error = SessionError::RateLimited { retry_after: Duration::from_millis(1500) };
        let problem = serde_json::to_value(Problem::from(&error)).unwrap();
        assert_eq!(problem["type"], "urn:portunus:problem:sign-in-rate-limited");
        assert_eq!(problem["title"], "sign in rate limited");
        assert_eq!(problem["detail"], error.to_string());
        assert_eq!(problem["status"], 429);
        assert_eq!(problem["who"], "portal");
        assert_eq!(problem["retry_after"], 2);
        assert!(problem["hint"].as_str().unwrap().starts_with("wait"));
    }
}
