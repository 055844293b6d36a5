//! A sealed request: its body in an envelope, its answer opened, and the recovery when the channel is stale.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, response};

use super::{House, NEWER_BEARERS, Newer, Proxy, Settings};
use crate::channel::EnvelopeForm;
use crate::clock::SharedClock;
use crate::portal::{EmptyBody, Reading, Unsealed, Verdict, unseal};
use crate::response::{Body, Caller, ProxyError};
use crate::route::{Replay, Route};
use crate::session::{Lease, Passage};
use crate::telemetry::Count;
use crate::upstream::{Outgoing, UpstreamError};

impl Proxy {
    /// A sealed request: its body goes out in an envelope, and the answer comes back opened.
    pub(super) async fn sealed(
        &self,
        parts: Parts,
        plaintext: Bytes,
        route: &Route,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        self.counters.add(Count::Sealed);
        let House { session, clock, settings, .. } = &*self.house;
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let mut lease = self.lease(route).await?;
        // The bearer first: signing in may need the channel, and a first message keeps everybody else waiting.
        let mut passage = session.passage().await?;
        let envelope = self.seal(&passage, &plaintext)?;
        let bearer = lease.as_deref().map(Lease::bearer);
        let mut outgoing =
            Outgoing::sealed(parts, envelope, passage.id_header(), bearer, &self.house.injected);
        if route.replay() == Replay::Never {
            outgoing.only_once();
        }
        let mut bearers_left = if route.replay().allows(&method) { NEWER_BEARERS } else { 0 };
        let mut newest: Option<Newer> = None;
        let mut new_channel = route.replay() != Replay::Never;
        loop {
            let stale = match self.exchange(&outgoing, &passage, caller).await {
                Ok(answer) => match answer.reading.verdict() {
                    Verdict::BearerRefused
                        if bearers_left > 0
                            && !newest.as_ref().is_some_and(|newer| self.is_own_refusal(newer, &path)) =>
                    {
                        let Some(newer) = self.newer(lease.as_deref()).await? else {
                            return self.conclude(answer, &method, &path, &passage, lease, caller).await;
                        };
                        self.counters.add(Count::ReplayedBearer);
                        bearers_left -= 1;
                        outgoing.set_bearer(newer.lease.bearer());
                        lease = Some(Arc::clone(&newer.lease));
                        newest = Some(newer);
                        false
                    }
                    Verdict::ChannelStale | Verdict::NeedsChannel if new_channel => true,
                    Verdict::MaybeChannel
                        if new_channel && (answer.keys_refused || is_aged(&passage, clock, settings)) =>
                    {
                        true
                    }
                    _ => return self.conclude(answer, &method, &path, &passage, lease, caller).await,
                },
                // Ruling 1: an answer that is lost or does not open is asked for again where that is harmless.
                Err(lost) if new_channel && outgoing.is_repeatable() && may_be_repeated(&lost) => true,
                Err(lost) => return Err(lost),
            };
            if stale {
                new_channel = false;
                passage = session.another_passage(passage).await?;
                self.counters.add(Count::ReplayedChannel);
            } else if passage.is_first() {
                // A first message was one: what is sent again goes on the channel that it made.
                passage = session.passage().await?;
            }
            // Sealed anew in any case: a nonce is used once.
            outgoing.set_envelope(self.seal(&passage, &plaintext)?, passage.id_header());
        }
    }

    /// One sealed request and its answer, opened if it was sealed.
    async fn exchange(
        &self,
        outgoing: &Outgoing,
        passage: &Passage,
        caller: &Caller,
    ) -> Result<Answer, ProxyError> {
        let Settings { sealed_answer, session_header, .. } = &self.house.settings;
        let session_header = session_header.get();
        let reply = self.upstream.send_hearing(outgoing, &self.teller(caller)).await?;
        let (mut parts, body) = reply.into_parts();
        let mut room = self.house.held.room();
        let body = body.collect_in(*sealed_answer, &mut room).await?;
        // While it is opened there are two of it.
        room.grow(body.len()).map_err(UpstreamError::from)?;
        let Unsealed { body, was_sealed, keys_refused } =
            unseal(passage, &session_header, &parts.headers, body)?;
        let body = room.keep(body);
        // Whoever has the channel's id can close it: the client has no use for it.
        parts.headers.remove(&session_header);
        let reading = Reading::of(parts.status, &parts.headers, &body);
        Ok(Answer { parts, body, was_sealed, keys_refused, reading })
    }

    /// The answer to a sealed request that is the caller's: to be shown, and noticed where it is about us.
    async fn conclude(
        &self,
        answer: Answer,
        method: &Method,
        path: &str,
        passage: &Passage,
        lease: Option<Arc<Lease>>,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        let Answer { parts, body, was_sealed, reading, .. } = answer;
        let in_the_clear = !was_sealed && !body.is_empty() && reading.is_success();
        let may_be_clear =
            self.house.settings.accept_plain_success || passage.spelling().envelope == EnvelopeForm::Raw;
        if in_the_clear && !may_be_clear {
            return Err(ProxyError::SealedRouteAnsweredPlain);
        }
        self.notice(method, path, &reading, &body, lease.as_deref()).await;
        Ok(if was_sealed {
            self.house.responder.opened(parts, body, caller)
        } else {
            self.house.responder.collected(parts, body, caller)
        })
    }

    fn seal(&self, passage: &Passage, plaintext: &[u8]) -> Result<Bytes, ProxyError> {
        let plaintext = match (plaintext.is_empty(), self.house.settings.empty_body) {
            // A channel without a name needs a message to carry its keys.
            (true, EmptyBody::Header) if !passage.is_first() => return Ok(Bytes::new()),
            (true, EmptyBody::Object | EmptyBody::Header) => b"{}",
            (false, _) => plaintext,
        };
        Ok(self.house.held.hold(passage.seal(plaintext, &mut rand::rng())?)?)
    }
}

/// An answer whose body is at hand, opened if it was sealed.
struct Answer {
    parts: response::Parts,
    body: Bytes,
    was_sealed: bool,
    keys_refused: bool,
    reading: Reading,
}

fn is_aged(passage: &Passage, clock: &SharedClock, settings: &Settings) -> bool {
    clock.wall().duration_since(passage.opened_at()).is_ok_and(|age| age > settings.fresh_channel)
}

/// A lost answer, as opposed to a portal that could not be reached at all or a fault of the caller's.
fn may_be_repeated(lost: &ProxyError) -> bool {
    match lost {
        ProxyError::Channel(_) => true,
        ProxyError::Upstream(error) => {
            matches!(error, UpstreamError::Broken { .. } | UpstreamError::BodyBroken(_))
        }
        _ => false,
    }
}
