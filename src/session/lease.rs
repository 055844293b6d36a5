//! What a request borrows: a frozen bearer, and an open channel.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::deadline::Deadline;
use crate::channel::Channel;
use crate::clock::SharedClock;

/// Counts replacements, so that a late complaint about an old lease is told from a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Generation(pub(super) u64);

impl Generation {
    /// The number, for a store to write down.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The generation of this number, as a store has read it.
    pub fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// The one after this.
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The bearer as it stood when a request set out.
#[derive(Debug)]
pub struct Lease {
    pub(super) generation: Generation,
    pub(super) bearer: HeaderValue,
    pub(super) ends: Deadline,
    /// When the portal gave it, by the boot clock.
    pub(super) given: Duration,
    /// Whose it is, where that is known.
    pub(super) account: Option<String>,
}

impl Lease {
    /// Which replacement this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The `Authorization` header's value, sensitive.
    pub fn bearer(&self) -> &HeaderValue {
        &self.bearer
    }

    /// The e-mail address that signed in; not known of tokens that were adopted from a client's login.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// When the portal stops taking it, by the wall clock.
    pub fn expires_at(&self) -> SystemTime {
        self.ends.wall
    }

    /// Completes when the portal has stopped taking it, by whichever clock says so first.
    pub async fn ended(self: Arc<Self>, clock: SharedClock) {
        while !self.ends.passed(&*clock) {
            clock.sleep(self.ends.left(&*clock).min(LOOK)).await;
        }
    }

    /// Whether the portal gave it after `moment` of the boot clock. One that it gave before may have died of the
    /// very thing that the refused one died of: it can be another process's, or of the round before.
    pub fn is_given_after(&self, moment: Duration) -> bool {
        self.given >= moment
    }
}

/// Timers stand still while the machine sleeps, and a wall clock can be set: so often it is looked at again.
const LOOK: Duration = Duration::from_secs(15);

/// A channel with its life: until when, and since when.
#[derive(Debug)]
pub struct OpenChannel {
    pub(super) generation: Generation,
    pub(super) channel: Channel,
    pub(super) opened_at: SystemTime,
    pub(super) expires_at: SystemTime,
}

impl OpenChannel {
    /// Which replacement this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The keys and the id.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// When it was opened: a channel made just now is not the cause of a 4000 (PROTOCOL section 13).
    pub fn opened_at(&self) -> SystemTime {
        self.opened_at
    }

    /// When the portal drops it, by the wall clock.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}
