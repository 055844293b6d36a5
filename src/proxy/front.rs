//! The first steps of every request: who may speak, and whose it is. From there on one identity's [`Proxy`] has it.

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use super::explain::{explain, local_answer};
use super::{Proxy, Way};
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

    /// Whatever needs no waiting is done before the future begins.
    fn call(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        interim: Interim,
    ) -> impl Future<Output = Response<Body>> + Send {
        self.counters().add(Count::Requests);
        let (mut parts, body) = request.into_parts();
        let caller = Caller::of(&mut parts).hearing(interim);
        let mut grant = None;
        let step = self.admit(Request::from_parts(parts, body), peer, &mut grant);
        async move {
            let answer = match step {
                Ok(Step::Answered(response)) => Ok(*response),
                Ok(Step::Taken(proxy, way)) => proxy.forward(way, &caller).await,
                Err(error) => Err(*error),
            };
            let mut response = answer.unwrap_or_else(|error| explain(&error, &caller, self.counters()));
            if let Some(grant) = grant {
                // On problems too: without it the page would see a network error, and no reason.
                grant.apply(response.headers_mut());
            }
            response
        }
    }

    fn overloaded(&self) -> Response<Body> {
        explain(&ProxyError::Overloaded, &Caller::unknown(), self.counters())
    }
}

impl Front {
    fn admit(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        granted: &mut Option<Grant>,
    ) -> Result<Step<'_>, Box<ProxyError>> {
        let admitted = match self.lobby.guard.admit(request, peer) {
            Ok(admitted) => admitted,
            Err(refusal) if refusal.is_answer() => {
                return Ok(Step::Answered(Box::new(local_answer(&refusal))));
            }
            Err(refusal) => return Err(Box::new(refusal.into())),
        };
        *granted = admitted.grant().filter(|grant| !grant.needs_rule()).cloned();
        Ok(Step::Taken(&self.sole, self.sole.route(admitted, granted)?))
    }
}

/// How far a request comes without waiting.
enum Step<'a> {
    /// To an answer of our own.
    Answered(Box<Response<Body>>),
    /// To whoever takes it further.
    Taken(&'a Proxy, Way),
}
