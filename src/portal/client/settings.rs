//! Limits of the proxy's own calls.

use std::time::Duration;

use crate::channel;

/// Limits of the proxy's own calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The largest answer to a call of our own, in bytes as they come.
    pub max_answer: usize,
    /// Time for one call, from asking for a connection to the end of the answer.
    pub call_timeout: Duration,
    /// For this long after it was opened, a channel is not the cause of a 4000 (PROTOCOL section 13).
    pub fresh_channel: Duration,
    /// The life of an access token whose answer says nothing about it. A short one costs a refresh; one that
    /// is too long costs a 401, which is answered by a refresh as well.
    pub assumed_token_life: Duration,
    /// How much one pair of a channel's keys may seal.
    pub keys: channel::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_answer: 1024 * 1024,
            call_timeout: Duration::from_secs(60),
            fresh_channel: Duration::from_secs(5),
            assumed_token_life: Duration::from_secs(300),
            keys: channel::Settings::default(),
        }
    }
}
