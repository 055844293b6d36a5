//! `[session]`: how the login and the secure channel are kept alive.

use std::time::Duration;

use crate::config::layers::Section;
use crate::config::problem::Problem;
use crate::config::section::route::AtExpiry;
use crate::config::setting::{Fallback, Kind, count, ms, section, span};
use crate::config::values::Words;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

section! {
    /// How the login and the secure channel are kept alive.
    pub struct Session in "session" {
        "At which percentage of its life a bearer is renewed."
            refresh_at: u32 = Fallback::Is("70"), count(10, 90);
        "By how many percent of that time the moment is moved at random, so that replicas do not meet."
            refresh_jitter: u32 = Fallback::Is("10"), count(0, 50);
        "How long before its end a bearer or a channel is no longer used; a tenth of its life where that is less."
            margin: Duration = Fallback::Is(r#""60s""#), span(ms(0), HOUR);
        "The first pause after a call that failed for now; doubled by each further failure."
            backoff_first: Duration = Fallback::Is(r#""1s""#), span(ms(10), HOUR);
        "The longest such pause."
            backoff_most: Duration = Fallback::Is(r#""60s""#), span(ms(10), HOUR);
        "A pause up to this long is waited through by requests; on a longer one they are answered 503 at once."
            wait_through: Duration = Fallback::Is(r#""2s""#), span(ms(0), HOUR);
        "The longest pause that the portal's Retry-After can impose."
            retry_after_most: Duration = Fallback::Is(r#""1h""#), span(ms(0), DAY);
        "What becomes of an answer that still streams (events, a long download), or of a WebSocket, when the bearer that \
         it was asked for with ends: it goes on, or it breaks off. A renewal of the bearer ends none."
            at_expiry: AtExpiry = Fallback::Is(r#""let-run""#), Kind::Choice(AtExpiry::WORDS);
        "The life of a bearer whose answer says nothing about it."
            assumed_token_life: Duration = Fallback::Is(r#""5m""#), span(ms(100), DAY);
        "Refused bearers and channels that are replaced at once; after that, complaints_per_minute holds."
            complaints_burst: u32 = Fallback::Is("60"), count(1, 10_000);
        "How many a minute, so that an endpoint which always answers 401 makes no storm of refreshes."
            complaints_per_minute: u32 = Fallback::Is("60"), count(1, 10_000);
        "The life of a channel whose portal names none."
            channel_life: Duration = Fallback::Is(r#""1d""#), span(ms(100), Duration::from_secs(30 * 86_400));
        "The first pause after a channel that could not be opened; doubled by each further failure."
            channel_backoff_first: Duration = Fallback::Is(r#""250ms""#), span(ms(10), HOUR);
        "The longest such pause."
            channel_backoff_most: Duration = Fallback::Is(r#""5s""#), span(ms(10), HOUR);
        "For how long what was found out of a dialect that is auto is not searched for again. A channel that lasts less \
         is a sign that something of it has changed."
            find_again: Duration = Fallback::Is(r#""60s""#), span(ms(100), DAY);
        "For how long after it was opened a channel is not held to be the cause of a refusal."
            fresh_channel: Duration = Fallback::Is(r#""5s""#), span(ms(0), HOUR);
        "Messages after which a channel is replaced by a new one."
            renew_after_messages: u64 = Fallback::Is("16777216"), count(1, MOST_MESSAGES);
        "Messages after which a channel refuses to seal. The most is what NIST SP 800-38D allows, less a reserve."
            refuse_after_messages: u64 = Fallback::Is("4293918720"), count(1, MOST_MESSAGES);
        "How long the stop waits for a call under way, and again for the closing of the channel."
            close_timeout: Duration = Fallback::Is(r#""2s""#), span(ms(0), HOUR);
        "How often the clocks are looked at while nothing happens, so that a laptop's sleep is noticed."
            heartbeat: Duration = Fallback::Is(r#""15s""#), span(ms(100), HOUR);
        "By how much the clocks may disagree before it counts as a jump."
            clock_tolerance: Duration = Fallback::Is(r#""30s""#), span(ms(100), HOUR);
    }
}

/// Random nonces of 96 bits serve 2^32 messages (NIST SP 800-38D section 8.3); we stay 2^20 below.
const MOST_MESSAGES: u64 = (1 << 32) - (1 << 20);

impl Session {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let session = Self::fields(section)?;
        for (key, first, most_key, most) in [
            ("backoff_first", session.backoff_first, "backoff_most", session.backoff_most),
            (
                "channel_backoff_first",
                session.channel_backoff_first,
                "channel_backoff_most",
                session.channel_backoff_most,
            ),
        ] {
            if first > most {
                let place = section.place_of(key, Self::SETTINGS);
                section.reader.report(Problem::new(&place, format!("'{key}' is more than '{most_key}'")));
            }
        }
        if session.renew_after_messages > session.refuse_after_messages {
            let place = section.place_of("renew_after_messages", Self::SETTINGS);
            let text = "'renew_after_messages' is more than 'refuse_after_messages'";
            section.reader.report(Problem::new(&place, text));
        }
        Some(session)
    }
}
