//! A WebSocket handshake, and the tunnel behind it.

use http::request::Parts;
use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;

use super::{NEWER_BEARERS, Proxy};
use crate::listener::Tunnelled;
use crate::response::{self as answers, Body, Caller, ProxyError};
use crate::route::Route;
use crate::session::Lease;
use crate::telemetry::Count;
use crate::upstream::Outgoing;

impl Proxy {
    /// A WebSocket handshake: on a 101 both sides are joined, anything else is an answer like others.
    pub(super) async fn tunnel(
        &self,
        mut parts: Parts,
        route: &Route,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        let seat = parts.extensions.remove::<Tunnelled>();
        let client =
            parts.extensions.remove::<OnUpgrade>().ok_or(ProxyError::Internal("no upgrade to join"))?;
        let mut lease = self.lease(route).await?;
        let handshake = |lease: Option<&Lease>, parts: Parts| {
            Outgoing::upgrade(parts, lease.map(Lease::bearer), &self.house.injected)
        };
        let mut reply = self.upstream.send(handshake(lease.as_deref(), parts.clone())).await?;
        let mut bearers_left = NEWER_BEARERS;
        while bearers_left > 0
            && reply.status() == StatusCode::UNAUTHORIZED
            && let Some(newer) = self.newer(lease.as_deref()).await?
        {
            self.counters.add(Count::ReplayedBearer);
            bearers_left -= 1;
            reply = self.upstream.send(handshake(Some(&newer.lease), parts.clone())).await?;
            if reply.status() == StatusCode::UNAUTHORIZED && self.is_own_refusal(&newer, parts.uri.path()) {
                break;
            }
            lease = Some(newer.lease);
        }
        match answers::switch(&self.house.responder, reply, caller) {
            Ok((response, portal)) => {
                self.counters.add(Count::Tunnels);
                let expiry =
                    self.expiry(lease.as_ref(), route).unwrap_or_else(|| Box::pin(std::future::pending()));
                tokio::spawn(async move {
                    let _seat = seat;
                    tokio::select! {
                        joined = answers::tunnel(client, portal) => if let Err(error) = joined {
                            tracing::debug!(%error, "a tunnel broke");
                        },
                        () = expiry => tracing::debug!("a tunnel's bearer has ended"),
                    }
                });
                Ok(response)
            }
            Err(reply) => Ok(self.house.responder.plain(*reply, caller)),
        }
    }
}
