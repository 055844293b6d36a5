//! What outlives the head of its answer, and the bearer that it was asked for with.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::Response;
use http_body::Body as _;

use super::Proxy;
use crate::response::{Body, Caller};
use crate::route::{AtExpiry, Route};
use crate::session::Lease;
use crate::telemetry::Count;
use crate::upstream::Reply;

impl Proxy {
    /// The portal's answer as it comes: to its end, or no longer than its bearer lives.
    pub(super) fn pass(
        &self,
        reply: Reply,
        lease: Option<&Arc<Lease>>,
        route: &Route,
        caller: &Caller,
    ) -> Response<Body> {
        let response = self.house.responder.plain(reply, caller);
        if response.body().is_end_stream() {
            return response;
        }
        match self.expiry(lease, route) {
            Some(end) => response.map(|body| body.until(end)),
            None => response,
        }
    }

    /// The end of this bearer, where it is the end of what was asked for with it.
    pub(super) fn expiry(
        &self,
        lease: Option<&Arc<Lease>>,
        route: &Route,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let lease = lease.filter(|_| route.at_expiry() == AtExpiry::Close)?;
        let ended = Arc::clone(lease).ended(self.house.clock.clone());
        let counters = Arc::clone(&self.counters);
        Some(Box::pin(async move {
            ended.await;
            counters.add(Count::ClosedAtExpiry);
        }))
    }
}
