//! The first steps of every request: who may speak, and whose it is. From there on one identity's [`Proxy`] has it.

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};

use super::explain::{explain, local_answer};
use super::{Proxy, Way};
use crate::guard::{Grant, Guard};
use crate::listener::{Content, Handler, Interim, Peer};
use crate::places::Place;
use crate::response::{Body, Caller, ProxyError};
use crate::telemetry::{Count, Counters};
use crate::whose::Choice;

/// What all workers share before it is known whose a request is.
#[derive(Debug)]
pub struct Lobby {
    /// Who may speak.
    pub guard: Guard,
    /// Whose a request is; its numbers are those of the proxies in every [`Front`].
    pub choice: Choice,
}

/// One worker's beginning of every request.
#[derive(Debug)]
pub struct Front {
    lobby: Arc<Lobby>,
    /// One for each identity.
    proxies: Box<[Proxy]>,
    /// Of the requests that are nobody's.
    counters: Arc<Counters>,
}

impl Front {
    /// With a proxy for each identity. What is nobody's is counted by `counters`, or by the only one.
    pub fn new(lobby: Arc<Lobby>, proxies: Vec<Proxy>, counters: Arc<Counters>) -> Self {
        let counters = match &*proxies {
            [sole] => Arc::clone(&sole.counters),
            _ => counters,
        };
        Self { lobby, proxies: proxies.into(), counters }
    }
}

impl Handler for Front {
    type Body = Body;

    /// Whatever needs no waiting is done before the future begins.
    fn call(
        &self,
        request: Request<Content>,
        peer: &Peer,
        interim: Interim,
    ) -> impl Future<Output = Response<Body>> + Send {
        let (mut parts, body) = request.into_parts();
        let mut caller = Caller::of(&mut parts).hearing(interim);
        if peer.is_tls() {
            caller = caller.over_tls();
        }
        let mut grant = None;
        let request = Request::from_parts(parts, body);
        let (counters, step) = self.enter(request, peer, &mut caller, &mut grant);
        counters.add(Count::Requests);
        async move {
            let answer = match step {
                Ok(Step::Answered(response)) => Ok(*response),
                Ok(Step::Taken(proxy, way, place)) => {
                    let answer = proxy.forward(way, &caller).await;
                    match place {
                        None => answer,
                        Some(place) => answer.map(|response| response.map(|body| body.in_place(place))),
                    }
                }
                Err(error) => Err(*error),
            };
            let mut response = answer.unwrap_or_else(|error| explain(&error, &caller, counters));
            if let Some(grant) = grant {
                // On problems too: without it the page would see a network error, and no reason.
                grant.apply(response.headers_mut());
            }
            response
        }
    }

    fn overloaded(&self) -> Response<Body> {
        explain(&ProxyError::Overloaded, &Caller::unknown(), &self.counters)
    }
}

impl Front {
    /// How far a request comes without waiting, and who counts it.
    fn enter(
        &self,
        request: Request<Content>,
        peer: &Peer,
        caller: &mut Caller,
        granted: &mut Option<Grant>,
    ) -> (&Counters, Result<Step<'_>, Box<ProxyError>>) {
        let admitted = match self.lobby.guard.admit(request, peer) {
            Ok(admitted) => admitted,
            Err(refusal) if refusal.is_answer() => {
                return (&self.counters, Ok(Step::Answered(Box::new(local_answer(&refusal)))));
            }
            Err(refusal) => return (&self.counters, Err(Box::new(refusal.into()))),
        };
        *granted = admitted.grant().filter(|grant| !grant.needs_rule()).cloned();
        match self.lobby.choice.of(admitted, peer) {
            Ok(chosen) => {
                let proxy = &self.proxies[chosen.nth()];
                caller.came_under(chosen.prefix());
                caller.speaks_for(chosen.name());
                let step = proxy.house.enter().and_then(|place| {
                    let way = proxy.route(chosen.into_admitted(), peer, caller, granted)?;
                    Ok(Step::Taken(proxy, way, place))
                });
                (&proxy.counters, step.map_err(Box::new))
            }
            Err(nobody) => (&self.counters, Err(Box::new(nobody.into()))),
        }
    }
}

/// How far a request comes without waiting.
enum Step<'a> {
    /// To an answer of our own.
    Answered(Box<Response<Body>>),
    /// To whoever takes it further, with the place that it takes among those of its identity.
    Taken(&'a Proxy, Way, Option<Place>),
}
