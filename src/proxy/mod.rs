//! The request path, top to bottom: listener, guard, route, session, channel, upstream, response.
//!
//! The outer function ([`Front`]) always answers; the inner ones use `?`. A request goes out again once for its bearer
//! (more often only where many were refused together) and once for its channel, and only when the answer proves that
//! it was not processed, or when its method may be repeated (PROTOCOL sections 13 and 14). This room alone knows the
//! order of the others.

mod body;
mod expiry;
mod explain;
mod front;
mod hops;
mod house;
mod plain;
mod sealed;
mod tunnel;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body as _;

use self::plain::Plain;
use crate::guard::{Admitted, Grant};
use crate::listener::{Content, Peer};
use crate::portal::Reading;
use crate::response::{Body, Caller, ProxyError};
use crate::route::{Bearer, Protection, Route};
use crate::session::{Lease, SessionError};
use crate::telemetry::{Count, Counters};
use crate::upstream::Upstream;

pub use front::{Front, Lobby};
pub use hops::{Forwarded, Hops};
pub use house::{House, Settings};

/// One worker's way through the house for one identity.
#[derive(Debug)]
pub struct Proxy {
    house: Arc<House>,
    upstream: Upstream,
    counters: Arc<Counters>,
}

impl Proxy {
    /// A worker with connections and counters of its own.
    pub fn new(house: Arc<House>, upstream: Upstream, counters: Arc<Counters>) -> Self {
        Self { house, upstream, counters }
    }
}

impl Proxy {
    /// From the route on, as far as it goes without waiting.
    fn route(
        &self,
        admitted: Admitted<Content>,
        peer: &Peer,
        caller: &Caller,
        granted: &mut Option<Grant>,
    ) -> Result<Way, ProxyError> {
        let routed = self.house.routes.resolve(admitted)?;
        self.counters.add_many(Count::CredentialsDropped, u64::from(routed.credentials_dropped()));
        let is_websocket = routed.is_websocket();
        let (mut parts, body, route, grant) = routed.into_parts();
        *granted = grant;
        self.house.settings.hops.mark(&mut parts, peer, caller)?;
        Ok(if is_websocket {
            Way::Tunnel(Box::new((parts, route)))
        } else if route.protection() == Protection::Sealed && carries_body(&parts, &body) {
            Way::Sealed(Box::new((parts, body, route)))
        } else {
            Way::Plain(Box::new(self.prepare(parts, body, route)))
        })
    }

    /// The rest of the way. The rare ways are boxed: every idle connection keeps room for the largest future here.
    async fn forward(&self, way: Way, caller: &Caller) -> Result<Response<Body>, ProxyError> {
        match way {
            Way::Plain(plain) => self.plain(plain, caller).await,
            Way::Sealed(sealed) => {
                Box::pin(async {
                    let (parts, body, route) = *sealed;
                    let House { settings, held, .. } = &*self.house;
                    let plaintext = self.collect(body, settings.sealed_body, held.room()).await?;
                    self.sealed(parts, plaintext, &route, caller).await
                })
                .await
            }
            Way::Tunnel(tunnel) => {
                let (parts, route) = *tunnel;
                Box::pin(self.tunnel(parts, &route, caller)).await
            }
        }
    }

    /// The lease that goes along, where one does. Without waiting if there is a good one.
    async fn lease(&self, route: &Route) -> Result<Option<Arc<Lease>>, ProxyError> {
        match (route.bearer(), self.lease_at_hand(route)) {
            (Bearer::Required, None) => Ok(Some(Box::pin(self.house.session.lease()).await?)),
            (_, at_hand) => Ok(at_hand),
        }
    }

    fn lease_at_hand(&self, route: &Route) -> Option<Arc<Lease>> {
        match route.bearer() {
            Bearer::Never => None,
            Bearer::Required => self.house.session.current(),
        }
    }

    /// A lease in place of a refused one. None where there was none, or where the session has heard too many
    /// complaints: then the refusal is the endpoint's own answer.
    async fn newer(&self, refused: Option<&Lease>) -> Result<Option<Newer>, ProxyError> {
        let Some(refused) = refused else { return Ok(None) };
        let heard = self.house.clock.since_boot();
        match self.house.session.replace(refused).await {
            Ok(lease) => Ok(Some(Newer { is_fresh: lease.is_given_after(heard), lease })),
            Err(SessionError::TooManyComplaints { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a 401 to a newer bearer is the endpoint's own answer, and nothing that another bearer would help.
    fn is_own_refusal(&self, newer: &Newer, path: &str) -> bool {
        newer.is_fresh && self.house.session.is_endpoints_own(&newer.lease, path)
    }

    /// Passes interim answers on to whoever asked.
    fn teller(&self, caller: &Caller) -> impl Fn(StatusCode, &HeaderMap) + Send + Sync {
        |status, headers| self.house.responder.tell(caller, status, headers)
    }

    /// Takes note of an answer that is about the proxy's own sign-in.
    async fn notice(
        &self,
        method: &Method,
        path: &str,
        reading: &Reading,
        body: &[u8],
        lease: Option<&Lease>,
    ) {
        let House { session, settings, .. } = &*self.house;
        if let Some(adoption) = settings.adopted.notice(session, method, path, reading, body, lease) {
            adoption.await;
        }
    }
}

/// What a request's route makes of it. Boxed, so that what waits is small and is moved at little cost.
enum Way {
    Plain(Box<Plain>),
    Sealed(Box<(Parts, Content, Route)>),
    /// A WebSocket's handshake.
    Tunnel(Box<(Parts, Route)>),
}

/// A lease in place of a refused one.
struct Newer {
    lease: Arc<Lease>,
    /// The portal gave it after the refusal, so that another 401 is the endpoint's own answer (PROTOCOL section
    /// 13). One that was there before, from another process or for another request, may have died together with
    /// the refused one: a 401 to it is a refusal like the first.
    is_fresh: bool,
}

/// How often a request goes out again for its bearer: with one that is fresh, or with one that was there and, if that
/// is refused too, with a fresh one. More often only where many were refused together.
const NEWER_BEARERS: u8 = 4;

/// A method that never has content is not sealed unless it has some; the others are, even without (ruling 4).
fn carries_body(parts: &Parts, body: &Content) -> bool {
    !body.is_end_stream() || matches!(parts.method, Method::POST | Method::PUT | Method::PATCH)
}
