//! What all workers of the request path share of one identity.

use std::time::Duration;

use super::Hops;
use crate::channel::SessionHeader;
use crate::clock::SharedClock;
use crate::held::HeldBytes;
use crate::places::{Place, Places};
use crate::portal::{Adopted, EmptyBody};
use crate::response::{ProxyError, Responder};
use crate::route::RouteTable;
use crate::session::SessionHandle;
use crate::upstream::Injected;

/// What all workers share of one identity.
#[derive(Debug)]
pub struct House {
    /// What is done with which path.
    pub routes: RouteTable,
    /// The sign-in.
    pub session: SessionHandle,
    /// Makes the portal's answers local.
    pub responder: Responder,
    /// Room for the bodies that are held.
    pub held: HeldBytes,
    /// How many requests of it may be under way, where that is bounded apart from those of all.
    pub places: Option<Places>,
    /// The identity's headers.
    pub injected: Injected,
    /// Tells a channel made just now from an older one.
    pub clock: SharedClock,
    /// Bounds and choices.
    pub settings: Settings,
}

impl House {
    /// A place for one request, where places are counted.
    ///
    /// # Errors
    /// [`ProxyError::Crowded`]: all are taken.
    pub(super) fn enter(&self) -> Result<Option<Place>, ProxyError> {
        let Some(places) = &self.places else { return Ok(None) };
        let crowded = || ProxyError::Crowded { most: places.most(), retry_after: self.settings.retry_after };
        places.take().ok_or_else(crowded).map(Some)
    }
}

/// Bounds and choices of the request path.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest body that is sealed, in bytes; beyond it 413.
    pub sealed_body: usize,
    /// The longest sealed answer that is opened, in bytes; beyond it 502.
    pub sealed_answer: usize,
    /// The longest plain body that is kept at hand for a replay, in bytes; a longer one streams.
    pub replay_body: usize,
    /// How long a client's body may stand still while it is collected.
    pub body_idle_timeout: Duration,
    /// What `Retry-After` says to a request more than the identity may have under way; whole seconds.
    pub retry_after: Duration,
    /// A channel younger than this is not blamed for a 4000 (PROTOCOL section 13).
    pub fresh_channel: Duration,
    /// The header that names the channel; the answer to a first message may have it too (ruling 11).
    pub session_header: SessionHeader,
    /// What stands for the body of a sealed call that has none (ruling 4).
    pub empty_body: EmptyBody,
    /// Whether a success in the clear is accepted on a sealed route.
    pub accept_plain_success: bool,
    /// What a request says of its way here.
    pub hops: Hops,
    /// Which answers change the sign-in itself, if any.
    pub adopted: Adopted,
}
