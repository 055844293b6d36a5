//! What happened so far, as numbers, and a way to wait for it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use crate::portal::Endpoint;

/// What happened so far. A request counts for its endpoint when it was processed, that is when it came past
/// faults, rate limit, channel, token and validation, whatever the answer then was; `arrived` counts before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests of any kind.
    pub requests: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Requests that arrived, by endpoint name, refused ones included.
    pub arrived: BTreeMap<String, u64>,
    /// Requests processed, by endpoint name.
    pub processed: BTreeMap<String, u64>,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Login initiates processed.
    pub initiate: u64,
    /// E-mail codes asked for in a login.
    pub mfa_send: u64,
    /// Login completes processed.
    pub complete: u64,
    /// Logins that ended with tokens.
    pub logins: u64,
    /// Refreshes processed.
    pub refresh: u64,
    /// Refreshes that gave new tokens.
    pub refreshed: u64,
    /// Public keys served.
    pub public_key: u64,
    /// Channels opened (type 1 messages included).
    pub session: u64,
    /// Closes of channels, idempotent ones included.
    pub session_close: u64,
    /// Logouts.
    pub logout: u64,
    /// Profiles served.
    pub profile: u64,
    /// Echoes served.
    pub echo: u64,
    /// Transfers executed.
    pub transfer: u64,
    /// Spent refresh tokens that came again.
    pub refresh_reuse_detected: u64,
    /// Wrong passwords at initiate.
    pub wrong_password: u64,
    /// Wrong second factors at complete.
    pub wrong_code: u64,
    /// Requests that arrived sealed and were opened.
    pub sealed_requests: u64,
    /// Answers that left sealed.
    pub sealed_answers: u64,
    /// Requests refused for a stale channel.
    pub stale_channel: u64,
    /// Requests refused for rate.
    pub rate_limited: u64,
    /// Requests refused with 401.
    pub unauthorized: u64,
    /// Faults applied.
    pub faults: u64,
    /// The same, by the fault's name.
    pub faults_by_name: BTreeMap<&'static str, u64>,
    /// Request ids that were processed more than once, with how often.
    pub repeated: BTreeMap<String, u64>,
}

impl Counters {
    /// How often a request of this id was processed beyond the first time.
    pub fn duplicates(&self, request_id: &str) -> u64 {
        self.repeated.get(request_id).map_or(0, |n| n - 1)
    }

    /// How many requests were processed at the endpoint of this name.
    pub fn at(&self, endpoint: &str) -> u64 {
        self.processed.get(endpoint).copied().unwrap_or(0)
    }
}

/// The counters, their waiters, and the request ids seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counters: Mutex<Counters>,
    ids: Mutex<Ids>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Ids {
    seen: HashMap<String, u64>,
    order: VecDeque<String>,
}

/// A bound on memory only: a test never looks back this far.
const REMEMBERED_IDS: usize = 100_000;

impl Tally {
    pub(crate) fn snapshot(&self) -> Counters {
        self.lock().clone()
    }

    pub(crate) fn change(&self, f: impl FnOnce(&mut Counters)) {
        f(&mut self.lock());
        self.changed.notify_waiters();
    }

    pub(crate) fn arrived(&self, endpoint: Option<Endpoint>) {
        self.change(|c| {
            c.requests += 1;
            *c.arrived.entry(endpoint.map_or("unknown", Endpoint::name).to_owned()).or_default() += 1;
        });
    }

    pub(crate) fn processed(&self, endpoint: Endpoint, request_id: Option<&str>) {
        let times = request_id.map(|id| (id, self.ids().saw(id)));
        self.change(|c| {
            *c.processed.entry(endpoint.name().to_owned()).or_default() += 1;
            let named = match endpoint {
                Endpoint::Initiate => Some(&mut c.initiate),
                Endpoint::MfaSend => Some(&mut c.mfa_send),
                Endpoint::Complete => Some(&mut c.complete),
                Endpoint::Refresh => Some(&mut c.refresh),
                Endpoint::PublicKey => Some(&mut c.public_key),
                Endpoint::SessionClose => Some(&mut c.session_close),
                Endpoint::Logout => Some(&mut c.logout),
                Endpoint::Profile => Some(&mut c.profile),
                Endpoint::Echo => Some(&mut c.echo),
                Endpoint::Transfer => Some(&mut c.transfer),
                _ => None,
            };
            if let Some(counter) = named {
                *counter += 1;
            }
            if let Some((id, n)) = times
                && n > 1
            {
                c.repeated.insert(id.to_owned(), n);
            }
        });
    }

    pub(crate) fn times(&self, request_id: &str) -> u64 {
        self.ids().seen.get(request_id).copied().unwrap_or(0)
    }

    /// Waits until the condition holds; `Err` carries the counters at the deadline.
    pub(crate) async fn wait_for(
        &self,
        deadline: Duration,
        holds: impl Fn(&Counters) -> bool,
    ) -> Result<Counters, Counters> {
        let until = tokio::time::Instant::now() + deadline;
        loop {
            // Enabled before the look, so that a change between look and wait is not missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = self.snapshot();
            if holds(&now) {
                return Ok(now);
            }
            if tokio::time::timeout_at(until, changed).await.is_err() {
                return Err(self.snapshot());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ids(&self) -> MutexGuard<'_, Ids> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ids {
    fn saw(&mut self, id: &str) -> u64 {
        if let Some(times) = self.seen.get_mut(id) {
            *times += 1;
            return *times;
        }
        if self.order.len() == REMEMBERED_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
        self.seen.insert(id.to_owned(), 1);
        1
    }
}
