//! The request path, top to bottom: listener, guard, route, session, channel, upstream, response.
//!
//! The outer function always answers; the inner ones use `?`. A request goes out again at most once for its
//! bearer and once for its channel, and only when the answer proves that it was not processed, or when its
//! method may be repeated (PROTOCOL sections 13 and 14). This file alone knows the order of the rooms.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Method, Request, Response, header, response};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use crate::channel::{EnvelopeForm, Form, form_of};
use crate::clock::SharedClock;
use crate::guard::{Guard, Refusal};
use crate::listener::{Handler, Peer, TimedBody, TimedBodyError};
use crate::portal::{Adopted, EmptyBody, Reading, Verdict};
use crate::response::{self as answers, Body, Caller, ProxyError, Responder};
use crate::route::{Bearer, Protection, Route, RouteTable};
use crate::session::{Lease, OpenChannel, SessionHandle};
use crate::telemetry::{Count, Counters};
use crate::upstream::{Injected, OutBody, Outgoing, Reply, Upstream, UpstreamError};

/// What all workers share.
#[derive(Debug)]
pub struct House {
    /// Who may speak.
    pub guard: Guard,
    /// What is done with which path.
    pub routes: RouteTable,
    /// The sign-in.
    pub session: SessionHandle,
    /// Makes the portal's answers local.
    pub responder: Responder,
    /// The identity's headers.
    pub injected: Injected,
    /// Tells a channel made just now from an older one.
    pub clock: SharedClock,
    /// Bounds and choices.
    pub settings: Settings,
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
    /// A channel younger than this is not blamed for a 4000 (PROTOCOL section 13).
    pub fresh_channel: Duration,
    /// What stands for the body of a sealed call that has none (ruling 4).
    pub empty_body: EmptyBody,
    /// Whether a success in the clear is accepted on a sealed route.
    pub accept_plain_success: bool,
    /// Which answers change the sign-in itself, if any.
    pub adopted: Adopted,
}

/// One worker's way through the house.
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

impl Handler for Proxy {
    type Body = Body;

    async fn call(&self, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        self.counters.add(Count::Requests);
        let (mut parts, body) = request.into_parts();
        let caller = Caller::of(&mut parts);
        match self.forward(Request::from_parts(parts, body), peer, &caller).await {
            Ok(response) => response,
            Err(error) => self.explain(&error, &caller),
        }
    }

    fn overloaded(&self) -> Response<Body> {
        self.explain(&ProxyError::Overloaded, &Caller::unknown())
    }
}

impl Proxy {
    async fn forward(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        let admitted = match self.house.guard.admit(request, peer) {
            Ok(admitted) => admitted,
            Err(refusal) if refusal.is_answer() => return Ok(local_answer(&refusal)),
            Err(refusal) => return Err(refusal.into()),
        };
        let routed = self.house.routes.resolve(admitted)?;
        self.counters.add_many(Count::CredentialsDropped, u64::from(routed.credentials_dropped()));
        let is_websocket = routed.is_websocket();
        let (parts, body, route, grant) = routed.into_parts();

        // The rare ways are boxed: the task of every idle connection keeps room for the largest future here.
        let mut response = if is_websocket {
            Box::pin(self.tunnel(parts, &route, caller)).await?
        } else if route.protection() == Protection::Sealed && carries_body(&parts, &body) {
            let limit = self.house.settings.sealed_body;
            Box::pin(async {
                let plaintext = self.collect(body, limit).await?;
                self.sealed(parts, plaintext, &route, caller).await
            })
            .await?
        } else {
            self.plain(parts, body, &route, caller).await?
        };
        if let Some(grant) = grant {
            grant.apply(response.headers_mut());
        }
        Ok(response)
    }

    /// A plain request: it streams both ways, unless its body is small enough to be kept for a replay.
    async fn plain(
        &self,
        parts: Parts,
        body: Incoming,
        route: &Route,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        let lease = self.lease(route).await?;
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        let body = self.hold(body).await?;
        let outgoing =
            Outgoing::plain(parts, body, lease.as_deref().map(Lease::bearer), &self.house.injected);
        let (reply, kept) = if outgoing.is_held() {
            (self.upstream.send_kept(&outgoing).await?, Some(outgoing))
        } else {
            (self.upstream.send(outgoing).await?, None)
        };
        if !may_be_a_refusal(&reply) && !self.house.settings.adopted.concerns(&method, uri.path()) {
            return Ok(self.house.responder.plain(reply, caller));
        }
        let kept = kept.filter(|_| route.replay().allows(&method));
        Box::pin(self.reconsider(Sent { kept, lease, method, uri }, reply, route, caller)).await
    }

    /// A plain request was refused: a newer bearer, or the channel, may help; then it goes out once more.
    async fn reconsider(
        &self,
        sent: Sent,
        reply: Reply,
        route: &Route,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        let Sent { kept, lease, method, uri } = sent;
        let (parts, body) = reply.into_parts();
        let body = match body.peek(MAX_REFUSAL).await? {
            Ok(body) => body,
            // Too long for the portal's own error: whatever it is, it is the caller's.
            Err(body) => return Ok(self.house.responder.plain(Response::from_parts(parts, body), caller)),
        };
        let reading = Reading::of(parts.status, &parts.headers, &body);
        match (reading.verdict(), lease, kept) {
            (Verdict::BearerRefused, Some(lease), kept) => {
                // Also for a request that cannot be sent again: the next one shall find a good lease.
                let newer = self.house.session.replace(&lease).await?;
                let Some(mut outgoing) = kept else {
                    return Ok(self.house.responder.collected(parts, body, caller));
                };
                self.counters.add(Count::ReplayedBearer);
                outgoing.set_bearer(newer.bearer());
                // A 401 right after a refresh is the endpoint's own answer.
                Ok(self.house.responder.plain(self.upstream.send(outgoing).await?, caller))
            }
            (Verdict::NeedsChannel | Verdict::ChannelStale, _, kept)
                if route.protection() == Protection::Auto =>
            {
                if self.house.routes.learn(&method, uri.path()) {
                    self.counters.add(Count::Learned);
                    tracing::info!(%method, path = uri.path(), "the portal wants this path sealed; remembered");
                }
                let Some((request, Some(plaintext))) = kept.map(Outgoing::into_request) else {
                    return Ok(self.house.responder.collected(parts, body, caller));
                };
                self.sealed(request, plaintext, route, caller).await
            }
            (_, lease, _) => {
                self.notice(&method, uri.path(), &reading, &body, lease.as_deref()).await;
                Ok(self.house.responder.collected(parts, body, caller))
            }
        }
    }

    /// A sealed request: its body goes out in an envelope, and the answer comes back opened.
    async fn sealed(
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
        let mut open = session.channel().await?;
        let envelope = self.seal(&open, &plaintext)?;
        let bearer = lease.as_deref().map(Lease::bearer);
        let mut outgoing =
            Outgoing::sealed(parts, envelope, open.channel().id_header(), bearer, &self.house.injected);
        let (mut new_bearer, mut new_channel) = (route.replay().allows(&method), true);
        loop {
            let stale = match self.exchange(&outgoing, &open).await {
                Ok(answer) => match answer.reading.verdict() {
                    Verdict::BearerRefused if new_bearer && lease.is_some() => {
                        new_bearer = false;
                        let newer = match lease.as_deref() {
                            Some(refused) => session.replace(refused).await?,
                            None => session.lease().await?,
                        };
                        self.counters.add(Count::ReplayedBearer);
                        outgoing.set_bearer(newer.bearer());
                        lease = Some(newer);
                        false
                    }
                    Verdict::ChannelStale | Verdict::NeedsChannel if new_channel => true,
                    Verdict::MaybeChannel if new_channel && is_aged(&open, clock, settings) => true,
                    _ => return self.conclude(answer, &method, &path, &open, lease, caller).await,
                },
                // Ruling 1: an answer that is lost or does not open is asked for again where that is harmless.
                Err(lost) if new_channel && outgoing.is_repeatable() && may_be_repeated(&lost) => true,
                Err(lost) => return Err(lost),
            };
            if stale {
                new_channel = false;
                open = session.replace_channel(&open).await?;
                self.counters.add(Count::ReplayedChannel);
            }
            // Sealed anew in any case: a nonce is used once.
            outgoing.set_envelope(self.seal(&open, &plaintext)?, open.channel().id_header());
        }
    }

    /// One sealed request and its answer, opened if it was sealed.
    async fn exchange(&self, outgoing: &Outgoing, open: &OpenChannel) -> Result<Answer, ProxyError> {
        let reply = self.upstream.send_kept(outgoing).await?;
        let (parts, body) = reply.into_parts();
        let body = body.collect(self.house.settings.sealed_answer).await?;
        let (body, was_sealed) = match form_of(&body) {
            Form::Plain => (body, false),
            Form::Json | Form::Binary => (open.channel().open(&body)?, true),
        };
        let reading = Reading::of(parts.status, &parts.headers, &body);
        Ok(Answer { parts, body, was_sealed, reading })
    }

    /// The answer to a sealed request that is the caller's: to be shown, and noticed where it is about us.
    async fn conclude(
        &self,
        answer: Answer,
        method: &Method,
        path: &str,
        open: &OpenChannel,
        lease: Option<Arc<Lease>>,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        let Answer { parts, body, was_sealed, reading } = answer;
        let in_the_clear = !was_sealed && !body.is_empty() && reading.is_success();
        let may_be_clear = self.house.settings.accept_plain_success
            || open.channel().spelling().envelope == EnvelopeForm::Raw;
        if in_the_clear && !may_be_clear {
            return Err(ProxyError::SealedRouteAnsweredPlain);
        }
        self.house.settings.adopted.notice(
            &self.house.session,
            method,
            path,
            &reading,
            &body,
            lease.as_deref(),
        );
        Ok(if was_sealed {
            self.house.responder.opened(parts, body, caller)
        } else {
            self.house.responder.collected(parts, body, caller)
        })
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

    /// A WebSocket handshake: on a 101 both sides are joined, anything else is an answer like others.
    async fn tunnel(
        &self,
        mut parts: Parts,
        route: &Route,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        let client =
            parts.extensions.remove::<OnUpgrade>().ok_or(ProxyError::Internal("no upgrade to join"))?;
        let mut lease = self.lease(route).await?;
        let handshake = |lease: Option<&Lease>, parts: Parts| {
            Outgoing::upgrade(parts, lease.map(Lease::bearer), &self.house.injected)
        };
        let mut reply = self.upstream.send(handshake(lease.as_deref(), parts.clone())).await?;
        if reply.status() == http::StatusCode::UNAUTHORIZED
            && let Some(refused) = lease.take()
        {
            let newer = self.house.session.replace(&refused).await?;
            self.counters.add(Count::ReplayedBearer);
            reply = self.upstream.send(handshake(Some(&newer), parts)).await?;
        }
        match answers::switch(&self.house.responder, reply, caller) {
            Ok((response, portal)) => {
                self.counters.add(Count::Tunnels);
                tokio::spawn(async move {
                    if let Err(error) = answers::tunnel(client, portal).await {
                        tracing::debug!(%error, "a tunnel broke");
                    }
                });
                Ok(response)
            }
            Err(reply) => Ok(self.house.responder.plain(*reply, caller)),
        }
    }

    /// The lease that goes along, where one does. Without waiting if there is a good one.
    async fn lease(&self, route: &Route) -> Result<Option<Arc<Lease>>, ProxyError> {
        match route.bearer() {
            Bearer::Never => Ok(None),
            Bearer::Required => match self.house.session.current() {
                Some(lease) => Ok(Some(lease)),
                None => Ok(Some(Box::pin(self.house.session.lease()).await?)),
            },
        }
    }

    fn seal(&self, open: &OpenChannel, plaintext: &[u8]) -> Result<Bytes, ProxyError> {
        let plaintext = match (plaintext.is_empty(), self.house.settings.empty_body) {
            (true, EmptyBody::Object) => b"{}",
            (true, EmptyBody::Header) => return Ok(Bytes::new()),
            (false, _) => plaintext,
        };
        Ok(open.channel().seal(plaintext, &mut rand::rng())?)
    }

    /// A plain request's body: at hand if it says that it is short, else the stream itself.
    async fn hold(&self, body: Incoming) -> Result<OutBody, ProxyError> {
        let limit = self.house.settings.replay_body;
        if body.is_end_stream() {
            return Ok(OutBody::Empty);
        }
        match body.size_hint().exact() {
            Some(length) if length <= limit as u64 => Ok(OutBody::Full(self.collect(body, limit).await?)),
            _ => Ok(OutBody::Streamed(body)),
        }
    }

    /// The whole body, if it is no longer than `limit` bytes.
    async fn collect(&self, body: Incoming, limit: usize) -> Result<Bytes, ProxyError> {
        let too_large = ProxyError::BodyTooLarge { limit };
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large);
        }
        let expected = body.size_hint().exact().map(|length| length as usize);
        let mut body = TimedBody::new(body, self.house.settings.body_idle_timeout);
        let mut first = Bytes::new();
        let mut more: Option<BytesMut> = None;
        while let Some(frame) = body.frame().await {
            // Trailers end here: they would speak of a body that nobody sees.
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            let so_far = more.as_ref().map_or(first.len(), BytesMut::len);
            if so_far + data.len() > limit {
                return Err(too_large);
            }
            match &mut more {
                Some(more) => more.extend_from_slice(&data),
                None if first.is_empty() => first = data, // the common case: one frame, nothing copied
                None => {
                    let whole =
                        more.insert(BytesMut::with_capacity(expected.unwrap_or(0).max(so_far + data.len())));
                    whole.extend_from_slice(&first);
                    whole.extend_from_slice(&data);
                }
            }
        }
        Ok(more.map_or(first, BytesMut::freeze))
    }

    /// The answer to a failure, and one line in the log under the request's id.
    fn explain(&self, error: &ProxyError, caller: &Caller) -> Response<Body> {
        self.counters.add(Count::Problems);
        let row = error.row();
        let id = caller.request_id().to_str().unwrap_or_default();
        if row.status.is_server_error() {
            tracing::warn!(code = row.code, request_id = id, error = %Chain(error), "answered with a problem");
        } else {
            tracing::info!(code = row.code, request_id = id, error = %error, "refused");
        }
        error.respond(caller)
    }
}

/// A plain request that has left, as far as it can be told again.
struct Sent {
    /// The request itself, where it may be sent again.
    kept: Option<Outgoing>,
    lease: Option<Arc<Lease>>,
    method: Method,
    uri: http::Uri,
}

/// An answer whose body is at hand, opened if it was sealed.
struct Answer {
    parts: response::Parts,
    body: Bytes,
    was_sealed: bool,
    reading: Reading,
}

/// An error with all that caused it, for the log.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(inner) = cause {
            write!(f, ": {inner}")?;
            cause = inner.source();
        }
        Ok(())
    }
}

/// The portal's own refusals are short JSON documents; nothing longer is looked at, in bytes.
const MAX_REFUSAL: usize = 64 * 1024;

/// Whether a reply to a plain request has to be looked at before it is passed on.
fn may_be_a_refusal(reply: &Reply) -> bool {
    let status = reply.status();
    status == http::StatusCode::UNAUTHORIZED
        || ((status.is_client_error() || status.is_server_error())
            && reply.headers().get(header::CONTENT_TYPE).is_some_and(|t| {
                t.as_bytes().ends_with(b"json") || t.as_bytes().starts_with(b"application/json")
            }))
}

/// A method that never has content is not sealed unless it has some; the others are, even without (ruling 4).
fn carries_body(parts: &Parts, body: &Incoming) -> bool {
    !body.is_end_stream() || matches!(parts.method, Method::POST | Method::PUT | Method::PATCH)
}

fn is_aged(open: &OpenChannel, clock: &SharedClock, settings: &Settings) -> bool {
    clock.wall().duration_since(open.opened_at()).is_ok_and(|age| age > settings.fresh_channel)
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

fn broken(error: TimedBodyError) -> ProxyError {
    match error {
        TimedBodyError::Idle(_) => ProxyError::ClientBodyStalled,
        TimedBodyError::Broken(source) => ProxyError::ClientBodyBroken(source),
    }
}

/// The two refusals that are answers: a preflight, and `OPTIONS *`.
fn local_answer(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = refusal.status();
    match refusal {
        Refusal::Preflight(preflight) => *response.headers_mut() = preflight.headers(),
        _ => {
            const ALLOW: http::HeaderValue =
                http::HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            response.headers_mut().insert(header::ALLOW, ALLOW);
        }
    }
    response
}
