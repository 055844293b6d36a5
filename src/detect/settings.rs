//! How far a detection may go.

use std::time::Duration;

/// How far a detection may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How often `login/initiate` may be called with the password. 1 to [`Settings::MOST_LOGINS`].
    pub logins: u32,
    /// How long all waits for a rate limit may take together. Zero gives up instead of waiting.
    pub patience: Duration,
    /// Time for one call, from asking for a connection to the end of the answer.
    pub call_timeout: Duration,
    /// The largest answer, in bytes as they come.
    pub max_answer: usize,
}

impl Settings {
    /// What the portal allows in one window is 10 (PROTOCOL section 10); the person who detects wants to log in
    /// afterwards.
    pub const MOST_LOGINS: u32 = 6;

    /// The same, with the budget brought down to what is safe.
    pub(super) fn bounded(self) -> Self {
        Self { logins: self.logins.clamp(1, Self::MOST_LOGINS), ..self }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            logins: Self::MOST_LOGINS,
            patience: Duration::from_secs(180),
            call_timeout: Duration::from_secs(30),
            max_answer: 1 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_logins_are_the_most_and_a_seventh_is_brought_down() {
        for (asked, given) in [(0, 1), (1, 1), (6, 6), (7, 6)] {
            let settings = Settings { logins: asked, ..Settings::default() };
            assert_eq!(settings.bounded().logins, given);
        }
    }
}
