//! A request that may leave, and the doors that make one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, request};

use super::ahead::{Ahead, Gate};
use super::body::WireBody;
use super::{Base, Injected, Jar, OnInterim, OutBody, SealedHeaders, Told};
use crate::inflow::{Inflow, Straight};
use crate::pieces;

/// The request's id, kept or made (ruling 14).
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const X_SC_VERSION: HeaderName = HeaderName::from_static("x-sc-version");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A request that may leave.
pub struct Outgoing {
    method: Method,
    path: Option<PathAndQuery>,
    headers: HeaderMap,
    extensions: http::Extensions,
    body: OutBody,
    injected: Injected,
    bearer: Option<HeaderValue>,
    /// What names the channel, on a sealed request.
    channel: Option<Named>,
    upgrade: bool,
    /// It goes out once, whatever comes of it.
    once: bool,
    interim: Option<OnInterim>,
}

/// What names the channel of a sealed request.
#[derive(Debug, Clone)]
pub(super) enum Named {
    /// Its id, in the session header.
    ById(HeaderValue),
    /// Nothing yet: its keys are inside (PROTOCOL section 4, type 1).
    ByItsKeys,
}

impl Named {
    fn by(id: Option<&HeaderValue>) -> Self {
        id.map_or(Self::ByItsKeys, |id| Self::ById(id.clone()))
    }
}

impl Outgoing {
    /// A call of our own without a body under seal: public-key, session, close, logout, or a sign-in call of a
    /// dialect that does not seal it. `path` is relative to the base URL and begins with `/`.
    pub fn hello(
        method: Method,
        path: &str,
        json: Option<Bytes>,
        injected: &Injected,
        extra: &[(HeaderName, HeaderValue)],
    ) -> Self {
        let mut own = Self::own(method, path, injected);
        if let Some(json) = json {
            own.headers.insert(header::CONTENT_TYPE, JSON);
            own.body = OutBody::Full(json);
        }
        for (name, value) in extra {
            own.headers.insert(name, value.clone());
        }
        own
    }

    /// A call of our own whose every header is given, to find out what the portal insists on: there is no
    /// request id and no content type unless `headers` has one.
    pub fn probe(
        method: Method,
        path: &str,
        body: Option<Bytes>,
        headers: &[(HeaderName, HeaderValue)],
        injected: &Injected,
    ) -> Self {
        let mut own = Self::own(method, path, injected);
        own.headers.remove(X_REQUEST_ID);
        for (name, value) in headers {
            own.headers.insert(name, value.clone());
        }
        own.body = body.map_or(OutBody::Empty, OutBody::Full);
        own
    }

    /// A sealed call of our own, such as `login/initiate`; `envelope` under the channel named `session`, or the
    /// first message of one that has no name.
    pub fn sign_in(path: &str, envelope: Bytes, session: Option<&HeaderValue>, injected: &Injected) -> Self {
        let mut own = Self::own(Method::POST, path, injected);
        own.body = OutBody::Full(envelope);
        own.channel = Some(Named::by(session));
        own
    }

    /// A client's request whose body is under seal, on the channel of this id, or as the first message of one
    /// that has none yet.
    ///
    /// `parts` have been through the header policy: no hop-by-hop headers, none of the injected ones.
    pub fn sealed(
        parts: request::Parts,
        envelope: Bytes,
        channel_id: Option<&HeaderValue>,
        lease_bearer: Option<&HeaderValue>,
        injected: &Injected,
    ) -> Self {
        let mut outgoing = Self::plain(parts, OutBody::Full(envelope), lease_bearer, injected);
        // They spoke of the plaintext (RFC 9110 section 8.4, RFC 9530).
        for name in [header::CONTENT_ENCODING, DIGEST, CONTENT_DIGEST, REPR_DIGEST, CONTENT_MD5] {
            outgoing.headers.remove(name);
        }
        // What comes back has to be opened: whole, and not compressed.
        for name in [header::RANGE, header::IF_RANGE, header::ACCEPT_ENCODING] {
            outgoing.headers.remove(name);
        }
        outgoing.channel = Some(Named::by(channel_id));
        outgoing
    }

    /// A client's request that passes as it is; `parts` as in [`Outgoing::sealed`].
    pub fn plain(
        parts: request::Parts,
        body: OutBody,
        bearer: Option<&HeaderValue>,
        injected: &Injected,
    ) -> Self {
        let request::Parts { method, uri, mut headers, extensions, .. } = parts;
        if !headers.keys().any(|name| *name == X_REQUEST_ID) {
            request_id(&mut headers);
        }
        let (path, injected, bearer) = (path_of(uri), injected.clone(), bearer.cloned());
        let (channel, upgrade, once, interim) = (None, false, false, None);
        Self { method, path, headers, extensions, body, injected, bearer, channel, upgrade, once, interim }
    }

    /// A WebSocket handshake (RFC 6455 section 4.1); `parts` as in [`Outgoing::sealed`].
    ///
    /// It goes out on a connection of its own, which is never used for anything else.
    pub fn upgrade(parts: request::Parts, bearer: Option<&HeaderValue>, injected: &Injected) -> Self {
        let mut outgoing = Self::plain(parts, OutBody::Empty, bearer, injected);
        outgoing.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        outgoing.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        outgoing.upgrade = true;
        outgoing
    }

    /// The same request once more, under the same id; `None` if its body has gone by.
    pub fn try_clone(&self) -> Option<Self> {
        Some(Self {
            method: self.method.clone(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            extensions: self.extensions.clone(),
            body: self.body.try_clone()?,
            injected: self.injected.clone(),
            bearer: self.bearer.clone(),
            channel: self.channel.clone(),
            upgrade: self.upgrade,
            once: self.once,
            interim: self.interim.clone(),
        })
    }

    /// Whether its body is at hand, so that [`Outgoing::try_clone`] gives a copy.
    pub fn is_held(&self) -> bool {
        !matches!(self.body, OutBody::Streamed(_))
    }

    /// The client's request again, with its body if that is at hand, for another door.
    pub fn into_request(self) -> (request::Parts, Option<Bytes>) {
        let mut parts = Request::new(()).into_parts().0;
        parts.method = self.method;
        parts.uri = self.path.map(Uri::from).unwrap_or_default();
        parts.headers = self.headers;
        parts.extensions = self.extensions;
        let body = match self.body {
            OutBody::Empty => Some(Bytes::new()),
            OutBody::Full(bytes) => Some(bytes),
            OutBody::Streamed(_) => None,
        };
        (parts, body)
    }

    /// Whether its body waits until the portal asks for it (RFC 9110 section 10.1.1).
    pub fn waits_to_be_asked(&self) -> bool {
        !self.is_held() && expects_continue(&self.headers)
    }

    /// Who hears of the interim answers to it; nobody, unless told.
    pub fn on_interim(&mut self, told: Option<OnInterim>) {
        self.interim = told;
    }

    /// Gives it its body, once that is at hand or is known to stream.
    pub fn set_body(&mut self, body: OutBody) {
        self.body = body;
    }

    /// Puts a newer bearer in, for a request that is sent again.
    pub fn set_bearer(&mut self, bearer: &HeaderValue) {
        self.bearer = Some(bearer.clone());
    }

    /// Puts a newer envelope in, for a request that is sent again on another channel.
    pub fn set_envelope(&mut self, envelope: Bytes, channel_id: Option<&HeaderValue>) {
        self.body = OutBody::Full(envelope);
        self.channel = Some(Named::by(channel_id));
    }

    /// The request's id.
    pub fn id(&self) -> Option<&HeaderValue> {
        self.headers.get(X_REQUEST_ID)
    }

    /// It goes out once, even where it could be repeated and its answer is lost.
    pub fn only_once(&mut self) {
        self.once = true;
    }

    /// Whether it may be sent twice by its method (RFC 9110 section 9.2.2) and its body (it is at hand).
    pub fn is_repeatable(&self) -> bool {
        let is_held = !matches!(self.body, OutBody::Streamed(_));
        self.method.is_idempotent() && !self.upgrade && !self.once && is_held
    }

    pub(super) fn is_upgrade(&self) -> bool {
        self.upgrade
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query, as they came; none for `/`.
    pub fn path(&self) -> Option<&PathAndQuery> {
        self.path.as_ref()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn injected(&self) -> &Injected {
        &self.injected
    }

    /// The identity's cookies, where it keeps any.
    pub(super) fn jar(&self) -> Option<&Jar> {
        self.injected.jar()
    }

    pub(super) fn bearer(&self) -> Option<&HeaderValue> {
        self.bearer.as_ref()
    }

    pub(super) fn channel(&self) -> Option<&Named> {
        self.channel.as_ref()
    }

    /// The body's bytes at hand.
    pub(super) fn held(&self) -> &Bytes {
        static NOTHING: Bytes = Bytes::new();
        match &self.body {
            OutBody::Full(bytes) => bytes,
            OutBody::Empty | OutBody::Streamed(_) => &NOTHING,
        }
    }

    /// Its content, if that comes straight from the client's connection; from then on it has none.
    pub(super) fn take_straight(&mut self) -> Option<Straight> {
        match std::mem::replace(&mut self.body, OutBody::Empty) {
            OutBody::Streamed(Inflow::Straight(content)) => Some(content),
            other => {
                self.body = other;
                None
            }
        }
    }

    /// Who hears of the interim answers to it.
    pub(super) fn told(&self) -> Option<&Told<'_>> {
        self.interim.as_ref().map(OnInterim::told)
    }

    fn own(method: Method, path: &str, injected: &Injected) -> Self {
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(header::ACCEPT, JSON);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        request_id(&mut headers);
        injected.put(&mut headers);
        Self {
            method,
            path: Some(own_path(path)),
            headers,
            extensions: http::Extensions::new(),
            body: OutBody::Empty,
            injected: injected.jar_alone(),
            bearer: None,
            channel: None,
            upgrade: false,
            once: false,
            interim: None,
        }
    }

    /// The request as it goes on the wire; `patience` is how long a body waits to be asked for.
    pub(super) fn dress(self, base: &Base, sealed: &SealedHeaders, patience: Duration) -> Request<WireBody> {
        let Self {
            method,
            path,
            mut headers,
            extensions,
            body,
            injected,
            bearer,
            channel,
            upgrade,
            once: _,
            interim,
        } = self;
        let is_sealed = channel.is_some();
        injected.put(&mut headers);
        if let Some(jar) = injected.jar() {
            headers.remove(header::COOKIE);
            headers.extend(jar.cookies_for(base, path.as_ref()).map(|cookies| (header::COOKIE, cookies)));
        }
        if let Some(bearer) = bearer {
            headers.insert(header::AUTHORIZATION, bearer);
        }
        headers.insert(header::HOST, base.host_header().clone());
        if let Some(channel) = channel {
            match channel {
                Named::ById(id) => _ = headers.insert(sealed.session.get(), id),
                Named::ByItsKeys => _ = headers.remove(sealed.session.get()),
            }
            headers.insert(header::CONTENT_TYPE, sealed.content_type.clone());
            if sealed.version {
                headers.insert(X_SC_VERSION, HeaderValue::from_static("2"));
            }
        }
        let mut body = WireBody::from(body);
        // Of what comes back under seal nothing but the body counts, and after a switch there is no answer.
        let takes_trailers = !is_sealed && !upgrade && headers.contains_key(header::TE);
        let gate = frame(&method, &body, &mut headers).then(Arc::<Gate>::default);
        if takes_trailers {
            ask_for_trailers(&mut headers);
        }
        if let Some(gate) = &gate {
            body.wait_at(gate.clone(), patience);
        }

        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = base.target(path);
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        *request.extensions_mut() = extensions;
        let ahead = Ahead { interim, gate };
        if !ahead.is_nobody() {
            hyper::ext::on_informational(&mut request, move |interim| {
                ahead.heard(interim.status(), interim.headers());
            });
        }
        request
    }
}

/// Without the query, which may hold anything, and without the body.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", &self.method)
            .field("path", &self.path.as_ref().map(PathAndQuery::path))
            .field("body", &self.body)
            .field("sealed", &self.channel.is_some())
            .finish_non_exhaustive()
    }
}

const AGENT: &str = concat!("portunus/", env!("CARGO_PKG_VERSION"));
const DIGEST: HeaderName = HeaderName::from_static("digest");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// The id of a request: the caller's if there is one plausible one, else a new UUIDv4 (ruling 14). Either way it
/// is in `headers` afterwards, so that asking twice gives the same.
pub fn request_id(headers: &mut HeaderMap) -> HeaderValue {
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    if let (Some(id), None) = (given.next(), given.next())
        && is_plausible_id(id.as_bytes())
    {
        return id.clone();
    }
    new_request_id(headers)
}

/// A new id, in place of whatever `headers` had.
pub fn new_request_id(headers: &mut HeaderMap) -> HeaderValue {
    let id = new_id();
    headers.insert(X_REQUEST_ID, id.clone());
    id
}

fn new_id() -> HeaderValue {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
    let id = pieces::copy(text.as_bytes());
    HeaderValue::from_maybe_shared(id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

fn is_plausible_id(id: &[u8]) -> bool {
    (8..=128).contains(&id.len())
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'+' | b'/' | b'='))
}

/// Own framing (RFC 9112 section 6): the client's said how *its* connection was framed. Whether the body is to wait
/// until the portal asks for it.
fn frame(method: &Method, body: &WireBody, headers: &mut HeaderMap) -> bool {
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::TE);
    headers.remove(header::TRAILER);
    // The listener asks the client for its body at the moment it is first wanted: of one that is held that is now
    // past, of one that streams it is when the portal asks.
    let waits = body.is_streamed() && expects_continue(headers);
    if !waits {
        headers.remove(header::EXPECT);
    }
    match body {
        WireBody::Empty if *method == Method::POST || *method == Method::PUT || *method == Method::PATCH => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        // hyper would drop the body of a GET whose length it does not know.
        WireBody::Streamed(_) if http_body::Body::size_hint(body).exact().is_none() => {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        WireBody::Empty | WireBody::Full(_) | WireBody::Streamed(_) => {} // hyper writes the length
    }
    waits
}

/// The portal may send trailers, since the client reads them; a field of this hop (RFC 9110 section 10.1.4).
pub(super) fn ask_for_trailers(headers: &mut HeaderMap) {
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|e| e.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn path_of(uri: Uri) -> Option<PathAndQuery> {
    uri.into_parts().path_and_query
}

/// A path of our own as a target; what no target may hold is percent-encoded.
fn own_path(path: &str) -> PathAndQuery {
    if path.starts_with('/')
        && let Ok(path) = PathAndQuery::try_from(path)
    {
        return path;
    }
    let mut encoded = String::with_capacity(path.len() + 8);
    if !path.starts_with('/') {
        encoded.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%?".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    PathAndQuery::try_from(encoded).unwrap_or_else(|_| PathAndQuery::from_static("/"))
}
