//! A plain request: streamed both ways, and told once more where a newer bearer or the channel helps.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use http_body::Body as _;

use super::body::Kept;
use super::{NEWER_BEARERS, Proxy};
use crate::inflow::Inflow;
use crate::listener::Content;
use crate::portal::{Reading, Verdict};
use crate::response::{Body, Caller, ProxyError};
use crate::route::{Bearer, Protection, Replay, Route};
use crate::session::Lease;
use crate::telemetry::Count;
use crate::upstream::{OutBody, Outgoing, Reply};

/// A plain request, before it leaves.
pub(super) struct Plain {
    outgoing: Outgoing,
    /// Unless there is none, or it is in `outgoing` already.
    body: Option<Inflow>,
    route: Route,
    lease: Option<Arc<Lease>>,
    /// Whether the answer may change the sign-in itself.
    concerns: bool,
    /// Its body is here, but not kept: it is sent once.
    for_once: bool,
}

impl Proxy {
    /// A plain request as far as it comes without waiting.
    pub(super) fn prepare(&self, parts: Parts, body: Content, route: Route) -> Plain {
        let lease = self.lease_at_hand(&route);
        let concerns = self.house.settings.adopted.concerns(&parts.method, parts.uri.path());
        let bearer = lease.as_deref().map(Lease::bearer);
        let (at_hand, body, for_once) = match body {
            body if body.is_end_stream() => (OutBody::Empty, None, false),
            Content::Coming(body) => (OutBody::Empty, Some(body), false),
            Content::Whole(bytes) => match self.keep(bytes) {
                Kept::Held(bytes) => (OutBody::Full(bytes), None, false),
                Kept::ForOnce(bytes) => (OutBody::Full(bytes), None, true),
            },
        };
        let mut outgoing = Outgoing::plain(parts, at_hand, bearer, &self.house.injected);
        if for_once || route.replay() == Replay::Never {
            outgoing.only_once();
        }
        Plain { outgoing, body, route, lease, concerns, for_once }
    }

    /// A plain request: it streams both ways, unless its body is small enough to be kept for a replay.
    pub(super) async fn plain(
        &self,
        mut plain: Box<Plain>,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        if plain.waits() {
            plain = Box::pin(self.complete(plain)).await?;
        }
        if !plain.outgoing.is_held() {
            return Box::pin(self.streamed(plain, caller)).await;
        }
        let reply = self.upstream.send_hearing(&plain.outgoing, &self.teller(caller)).await?;
        let refusal = match sorted(reply, plain.concerns, false) {
            Ok(reply) => return Ok(self.pass(reply, plain.lease.as_ref(), &plain.route, caller)),
            Err(refusal) => *refusal,
        };
        Box::pin(self.reconsider(plain.sent(), refusal, caller)).await
    }

    /// Waits for a lease, and for a body that is to be kept.
    async fn complete(&self, mut plain: Box<Plain>) -> Result<Box<Plain>, ProxyError> {
        if plain.lease.is_none()
            && let Some(lease) = self.lease(&plain.route).await?
        {
            plain.outgoing.set_bearer(lease.bearer());
            plain.lease = Some(lease);
        }
        if let Some(body) = plain.body.take() {
            plain.outgoing.set_body(self.hold(body).await?);
        }
        Ok(plain)
    }

    /// The same for a body that streams, and can be sent but once.
    async fn streamed(&self, mut plain: Box<Plain>, caller: &Caller) -> Result<Response<Body>, ProxyError> {
        plain.outgoing.on_interim(self.house.responder.relay(caller));
        let waits = plain.outgoing.waits_to_be_asked();
        let concerns = plain.concerns;
        let (sent, outgoing) = plain.parted();
        let reply = self.upstream.send(outgoing).await?;
        let refusal = match sorted(reply, concerns, waits) {
            Ok(reply) => return Ok(self.pass(reply, sent.lease.as_ref(), &sent.route, caller)),
            Err(refusal) => *refusal,
        };
        let mut response = self.reconsider(sent, refusal, caller).await?;
        if waits {
            // It was refused, and whether its body will come after all is the client's choice.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    /// A plain request was refused: a newer bearer, or the channel, may help; then it goes out once more.
    async fn reconsider(
        &self,
        sent: Sent,
        reply: Reply,
        caller: &Caller,
    ) -> Result<Response<Body>, ProxyError> {
        let Sent { kept, lease, route, method, uri, bearers_left } = sent;
        let (parts, body) = reply.into_parts();
        let body = match body.peek(MAX_REFUSAL).await? {
            Ok(body) => body,
            // Too long for the portal's own error: whatever it is, it is the caller's.
            Err(body) => {
                let reply = Response::from_parts(parts, body);
                return Ok(self.pass(reply, lease.as_ref(), &route, caller));
            }
        };
        let reading = Reading::of(parts.status, &parts.headers, &body);
        match (reading.verdict(), lease, kept) {
            (Verdict::BearerRefused, Some(lease), kept) => {
                // Also for a request that cannot be sent again: the next one shall find a good lease.
                let newer = self.newer(Some(&lease)).await?;
                let (Some(newer), Some(mut outgoing)) = (newer, kept) else {
                    return Ok(self.house.responder.collected(parts, body, caller));
                };
                self.counters.add(Count::ReplayedBearer);
                outgoing.set_bearer(newer.lease.bearer());
                let bearers_left = bearers_left - 1;
                let reply = self.upstream.send_hearing(&outgoing, &self.teller(caller)).await?;
                let is_final = reply.status() != StatusCode::UNAUTHORIZED || bearers_left == 0;
                if is_final || self.is_own_refusal(&newer, uri.path()) {
                    return Ok(self.pass(reply, Some(&newer.lease), &route, caller));
                }
                let (kept, lease) = (Some(outgoing), Some(newer.lease));
                let sent = Sent { kept, lease, route, method, uri, bearers_left };
                Box::pin(self.reconsider(sent, reply, caller)).await
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
                self.sealed(request, plaintext, &route, caller).await
            }
            (_, lease, _) => {
                self.notice(&method, uri.path(), &reading, &body, lease.as_deref()).await;
                Ok(self.house.responder.collected(parts, body, caller))
            }
        }
    }
}

/// A plain request that has left, as far as it can be told again.
struct Sent {
    /// The request itself, where it may be sent again.
    kept: Option<Outgoing>,
    lease: Option<Arc<Lease>>,
    route: Route,
    method: Method,
    uri: Uri,
    /// How often it may go out again for its bearer. Over zero.
    bearers_left: u8,
}

impl Plain {
    fn waits(&self) -> bool {
        self.body.is_some() || (self.lease.is_none() && self.route.bearer() == Bearer::Required)
    }

    /// After it was sent from where it is.
    fn sent(self) -> Sent {
        let for_once = self.for_once;
        let (mut sent, outgoing) = self.parted();
        sent.kept = (!for_once && sent.route.replay().allows(&sent.method)).then_some(outgoing);
        sent
    }

    /// Before it is sent, and gone.
    fn parted(self) -> (Sent, Outgoing) {
        let Self { outgoing, route, lease, .. } = self;
        let uri = outgoing.path().cloned().map(Uri::from).unwrap_or_default();
        let method = outgoing.method().clone();
        (Sent { kept: None, lease, route, method, uri, bearers_left: NEWER_BEARERS }, outgoing)
    }
}

/// The portal's own refusals are short JSON documents; nothing longer is looked at, in bytes.
const MAX_REFUSAL: usize = 64 * 1024;

/// A reply that passes on, or else one that may be a refusal.
fn sorted(reply: Reply, concerns: bool, waits: bool) -> Result<Reply, Box<Reply>> {
    if concerns || may_be_a_refusal(&reply, waits) { Err(Box::new(reply)) } else { Ok(reply) }
}

/// Whether a reply to a plain request has to be looked at before it is passed on.
fn may_be_a_refusal(reply: &Reply, waits: bool) -> bool {
    let status = reply.status();
    let failed = status.is_client_error() || status.is_server_error();
    status == StatusCode::UNAUTHORIZED
        || (failed && waits)
        || (failed
            && reply.headers().get(header::CONTENT_TYPE).is_some_and(|t| {
                t.as_bytes().ends_with(b"json") || t.as_bytes().starts_with(b"application/json")
            }))
}
