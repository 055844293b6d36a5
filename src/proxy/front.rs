//! The first steps of every request: who may speak, and whose it is. From there on one identity's [`Proxy`] has it.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use super::Proxy;
use super::explain::{explain, local_answer};
use crate::guard::{Grant, Guard};
use crate::listener::{Handler, Interim, Peer};
use crate::response::{Body, Caller, ProxyError};
use crate::telemetry::{Count, Counters};

/// What all workers share before it is known whose a request is.
#[derive(Debug)]
pub struct Lobby {
    /// Who may speak.
    pub guard: Guard,
}

/// One worker's beginning of every request.
#[derive(Debug)]
pub struct Front {
    lobby: Arc<Lobby>,
    sole: Proxy,
}

impl Front {
    /// For the one identity there is.
    pub fn new(lobby: Arc<Lobby>, sole: Proxy) -> Self {
        Self { lobby, sole }
    }

    fn counters(&self) -> &Counters {
        &self.sole.counters
    }
}

impl Handler for Front {
    type Body = Body;

    async fn call(&self, request: Request<Incoming>, peer: &Peer, interim: Interim) -> Response<Body> {
        self.counters().add(Count::Requests);
        let (mut parts, body) = request.into_parts();
        let caller = Caller::of(&mut parts).hearing(interim);
        let mut grant = None;
        let answer = self.forward(Request::from_parts(parts, body), peer, &caller, &mut grant).await;
        let mut response = answer.unwrap_or_else(|error| explain(&error, &caller, self.counters()));
        if let Some(grant) = grant {
            // On problems too: without it the page would see a network error, and no reason.
            grant.apply(response.headers_mut());
        }
        response
    }

    fn overloaded(&self) -> Response<Body> {
        explain(&ProxyError::Overloaded, &Caller::unknown(), self.counters())
    }
}

impl Front {
    async fn forward(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        caller: &Caller,
        granted: &mut Option<Grant>,
    ) -> Result<Response<Body>, ProxyError> {
        let admitted = match self.lobby.guard.admit(request, peer) {
            Ok(admitted) => admitted,
            Err(refusal) if refusal.is_answer() => return Ok(local_answer(&refusal)),
            Err(refusal) => return Err(refusal.into()),
        };
        *granted = admitted.grant().filter(|grant| !grant.needs_rule()).cloned();
        self.sole.forward(admitted, caller, granted).await
    }
}
