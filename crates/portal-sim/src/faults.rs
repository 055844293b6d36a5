//! What goes wrong, on demand: a queue of faults, each applied to the next request that matches it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// All channels are gone before the request is looked at.
    DropChannels,
    /// The RSA key changes before the request is looked at.
    RotateRsaKey,
    /// All access tokens expire before the request is looked at.
    ExpireTokens,
    /// All token families are revoked before the request is looked at.
    RevokeTokens,
    /// The request is not processed; this status is the answer.
    Status(u16),
    /// The request is not processed; this status and code are the answer, whatever the vocabulary.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// The code, like `ACCESS.RISK_CHALLENGE_REQUIRED`.
        code: String,
    },
    /// The request is not processed; 429 with `Retry-After` in seconds is the answer.
    RateLimited {
        /// Seconds in `Retry-After`.
        retry_after: u64,
    },
    /// The request is processed after a pause.
    #[serde(with = "millis")]
    Delay(Duration),
    /// The connection is reset (RST).
    ResetConnection {
        /// Whether the request is processed first.
        processed: bool,
    },
    /// The request is processed; the connection closes in the middle of the answer's body.
    CloseMidBody,
    /// The request is processed; the answer's body stops in the middle and nothing ever follows.
    StallBody,
    /// The request is processed; one bit of the sealed answer's tag is wrong. Waits for a sealed answer.
    CorruptTag,
    /// The request is processed; the answer is 200 with bytes that mean nothing.
    GarbageAnswer,
    /// The request is processed and answered; then all idle connections close without a word.
    CloseIdle,
}

impl Fault {
    /// As it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DropChannels => "channels dropped",
            Self::RotateRsaKey => "key rotated",
            Self::ExpireTokens => "bearers expired",
            Self::RevokeTokens => "sessions revoked",
            Self::Status(_) | Self::Refuse { .. } => "refused",
            Self::RateLimited { .. } => "rate limited",
            Self::Delay(_) => "delayed",
            Self::ResetConnection { processed: false } => "reset unprocessed",
            Self::ResetConnection { processed: true } => "reset processed",
            Self::CloseMidBody => "cut",
            Self::StallBody => "stalled",
            Self::CorruptTag => "tag corrupted",
            Self::GarbageAnswer => "garbage",
            Self::CloseIdle => "idle closed",
        }
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}

/// The faults to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    queue: Mutex<VecDeque<Planned>>,
    chance: Mutex<Option<Chance>>,
}

/// Faults that nobody plans.
#[derive(Debug, Clone, Copy)]
struct Chance {
    /// The part of all requests, 0 to 1.
    part: f64,
    draw: fn() -> Fault,
}

#[derive(Debug)]
struct Planned {
    path_contains: Option<String>,
    skip: u32,
    times: u32,
    fault: Fault,
}

impl Faults {
    pub(crate) fn plan(&self, path_contains: Option<&str>, skip: u32, times: u32, fault: Fault) {
        let path_contains = path_contains.map(str::to_owned);
        self.lock().push_back(Planned { path_contains, skip, times, fault });
    }

    /// From now on this part of all requests, 0 to 1, brings a fault along.
    pub(crate) fn by_chance(&self, part: f64, draw: fn() -> Fault) {
        *self.chance.lock().unwrap_or_else(PoisonError::into_inner) = Some(Chance { part, draw });
    }

    /// A request has come: it may bring a fault along.
    pub(crate) fn arrived(&self) {
        let chance = *self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Chance { part, draw }) = chance
            && f64::from(u32::from_le_bytes(crate::chance::bytes())) < part * f64::from(u32::MAX)
        {
            self.plan(None, 0, 1, draw());
        }
    }

    /// Takes the first fault that matches this path and is of the wanted kind.
    pub(crate) fn take(&self, path: &str, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut queue = self.lock();
        let mut due = None;
        for (index, planned) in queue.iter_mut().enumerate() {
            if !wanted(&planned.fault) || planned.path_contains.as_ref().is_some_and(|p| !path.contains(p)) {
                continue;
            }
            if planned.skip > 0 {
                planned.skip -= 1;
                continue;
            }
            due = Some(index);
            break;
        }
        let index = due?;
        let planned = &mut queue[index];
        let fault = planned.fault.clone();
        planned.times -= planned.times.min(1);
        if planned.times == 0 {
            queue.remove(index);
        }
        Some(fault)
    }

    pub(crate) fn clear(&self) {
        *self.chance.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.lock().clear();
    }

    pub(crate) fn pending(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Planned>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_for_its_path_and_is_spent_after_its_count() {
        let faults = Faults::default();
        faults.plan(Some("/echo"), 1, 2, Fault::Status(503));
        let any = |_: &Fault| true;
        assert_eq!(faults.take("/profile", any), None);
        assert_eq!(faults.take("/echo", any), None, "the first one is skipped");
        assert_eq!(faults.take("/echo", any), Some(Fault::Status(503)));
        assert_eq!(faults.take("/echo", any), Some(Fault::Status(503)));
        assert_eq!(faults.take("/echo", any), None);
    }

    #[test]
    fn by_chance_all_requests_bring_a_fault_or_none_does() {
        let faults = Faults::default();
        for (part, brought) in [(0.0, 0), (1.0, 20)] {
            faults.by_chance(part, || Fault::Status(503));
            (0..20).for_each(|_| faults.arrived());
            assert_eq!(faults.pending(), brought);
        }
        faults.clear();
        faults.arrived();
        assert_eq!(faults.pending(), 0);
    }

    #[test]
    fn faults_are_written_as_json() {
        let read = |text: &str| serde_json::from_str::<Fault>(text).unwrap();
        assert_eq!(read(r#""drop_channels""#), Fault::DropChannels);
        assert_eq!(read(r#"{"status":503}"#), Fault::Status(503));
        assert_eq!(read(r#"{"delay":20}"#), Fault::Delay(Duration::from_millis(20)));
        assert_eq!(
            read(r#"{"reset_connection":{"processed":true}}"#),
            Fault::ResetConnection { processed: true }
        );
    }
}
