//! What a session is configured with.

use std::time::Duration;

use super::Credentials;
use crate::identity::IdentityName;

/// The session's settings. Durations of zero are allowed unless a field says otherwise.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose sign-in this is; names the session in logs.
    pub identity: IdentityName,
    /// What signs in; without it a person has to.
    pub credentials: Option<Credentials>,
    /// How long a request waits for a login, a refresh or a channel. 1 s to 10 min.
    pub wait_timeout: Duration,
    /// How many requests wait at most, for the login and for the channel each. 1 to 1,000,000.
    pub max_waiting: usize,
    /// At which part of its life a bearer is renewed. 0.1 to 0.9.
    pub refresh_at: f64,
    /// By which part of that moment's distance it is moved at random, either way. 0 to 0.5.
    pub refresh_jitter: f64,
    /// How long before its end a bearer or a channel is no longer used; a tenth of its life where that is less.
    pub margin: Duration,
    /// The first pause after a call that failed for now; doubled by each further failure. Over zero.
    pub backoff_first: Duration,
    /// The longest such pause.
    pub backoff_most: Duration,
    /// A pause after a failed call up to this long is waited through by those who wait for the login or the
    /// channel; on a longer one they are told why there is none.
    pub wait_through: Duration,
    /// The longest pause that the portal's `Retry-After` can impose.
    pub retry_after_most: Duration,
    /// After how many automatic logins of unknown outcome (the answer was lost, the process died, nobody entered
    /// the code) a latch holds that only a person or changed credentials clear. A login that was *refused* is
    /// never repeated automatically, whatever is set here. 1 to 10.
    pub automatic_attempts: usize,
    /// The same, where the portal has taken these very credentials before: a right password locks nothing, and
    /// a crash or a lost answer should not call for a person. 1 to 10.
    pub proven_attempts: usize,
    /// How many passwords or codes of a person may be refused in one `attempt_window`. 1 to 10.
    pub person_attempts: usize,
    /// The window of a person's attempts. Over zero.
    pub attempt_window: Duration,
    /// How often one login begins again after a refused code. 0 to 5.
    pub code_retries: u32,
    /// How long after one look for a mailed code the next follows. Over zero.
    pub code_every: Duration,
    /// How many complaints about fresh bearers or channels are followed at once; further ones at
    /// `complaints_per_minute`. Keeps an endpoint that always answers 401 from becoming a refresh storm.
    pub complaints_burst: u32,
    /// How many complaints are followed per minute once the burst is used up. Over zero.
    pub complaints_per_minute: u32,
    /// The life of a channel whose portal names none.
    pub channel_life: Duration,
    /// The first pause after a channel that could not be opened. Over zero.
    pub channel_backoff_first: Duration,
    /// The longest such pause.
    pub channel_backoff_most: Duration,
    /// How long a shutdown waits for a flight under way, and again for the portal's answer to the closing of
    /// the channel.
    pub close_timeout: Duration,
    /// How often the clocks are looked at while nothing happens, so that a laptop's sleep is noticed soon.
    pub heartbeat: Duration,
    /// By how much the clocks may disagree with what was expected before it counts as a jump.
    pub clock_tolerance: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            identity: IdentityName::sole(),
            credentials: None,
            wait_timeout: Duration::from_secs(30),
            max_waiting: 1024,
            refresh_at: 0.7,
            refresh_jitter: 0.1,
            margin: Duration::from_secs(60),
            backoff_first: Duration::from_secs(1),
            backoff_most: Duration::from_secs(60),
            wait_through: Duration::ZERO,
            retry_after_most: Duration::from_secs(3600),
            automatic_attempts: 1,
            proven_attempts: 3,
            person_attempts: 3,
            attempt_window: Duration::from_secs(3600),
            code_retries: 1,
            code_every: Duration::from_secs(5),
            complaints_burst: 60,
            complaints_per_minute: 60,
            channel_life: Duration::from_secs(86_400),
            channel_backoff_first: Duration::from_millis(250),
            channel_backoff_most: Duration::from_secs(5),
            close_timeout: Duration::from_secs(2),
            heartbeat: Duration::from_secs(15),
            clock_tolerance: Duration::from_secs(30),
        }
    }
}
