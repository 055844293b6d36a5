//! A forwarded answer, read once: what to conclude, and whether it is a success.

use http::{HeaderMap, StatusCode};

use super::Verdict;
use super::wire::Signs;

/// What an answer says, read once from its (opened, or plain) body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    verdict: Verdict,
    is_success: bool,
}

impl Reading {
    /// Reads an answer.
    pub fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let signs = Signs::of(body);
        Self { is_success: signs.is_success(status), verdict: Verdict::by(&signs, status, headers) }
    }

    /// What to conclude.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether the portal calls it a success (PROTOCOL section 5).
    pub fn is_success(&self) -> bool {
        self.is_success
    }
}
