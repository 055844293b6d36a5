//! The checks, in their order.

use std::fmt;

use http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, MAX_FORWARDS};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use super::framing::Marks;
use super::key::KeyCheck;
use super::names::{Origin, OwnNames, Protocol, Spoken, own_origin, same};
use super::{BadSettings, Grant, Preflight, Refusal, Settings};
use crate::listener::{Malformed, Peer};

/// The checks, with their lists made ready.
#[derive(Debug, Clone)]
pub struct Guard {
    own: OwnNames,
    allowed_origins: Vec<Origin>,
    route_origins: Vec<Origin>,
    allow_credentials: bool,
    key: Option<KeyCheck>,
}

/// A request that has passed every check.
pub struct Admitted<B> {
    request: Request<B>,
    grant: Option<Grant>,
    host: Option<usize>,
}

/// Shows nothing of the request: its fields are a caller's credentials.
impl<B> fmt::Debug for Admitted<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("grant", &self.grant)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl<B> Admitted<B> {
    /// The request.
    pub fn request(&self) -> &Request<B> {
        &self.request
    }

    /// The allowed origin whose page sent it, if it is not our own.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// Which of [`Settings::hosts`] it is addressed to; none only by the Unix socket, where any host will do.
    pub fn host(&self) -> Option<usize> {
        self.host
    }

    /// The same request for another path: what it began with has done its work.
    #[must_use]
    pub fn at(mut self, path: PathAndQuery) -> Self {
        let mut parts = std::mem::take(self.request.uri_mut()).into_parts();
        parts.path_and_query = Some(path);
        // What was a target with another path is one with this.
        *self.request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        self
    }

    /// The request alone.
    pub fn into_request(self) -> Request<B> {
        self.request
    }

    /// The request and the grant.
    pub fn into_parts(self) -> (Request<B>, Option<Grant>) {
        (self.request, self.grant)
    }
}

impl Guard {
    /// Makes the lists ready.
    ///
    /// # Errors
    /// [`BadSettings`] of the first entry that cannot stand.
    pub fn new(settings: &Settings) -> Result<Self, BadSettings> {
        Ok(Self {
            own: OwnNames(settings.authorities()?),
            allowed_origins: Settings::origins(&settings.allowed_origins)?,
            route_origins: Settings::origins(&settings.route_origins)?,
            allow_credentials: settings.allow_credentials,
            key: KeyCheck::new(settings)?,
        })
    }

    /// Checks a request.
    ///
    /// # Errors
    /// The [`Refusal`] of the first check that it does not pass; or, as one, the two answers that this room gives
    /// itself.
    pub fn admit<B>(&self, mut request: Request<B>, peer: &Peer) -> Result<Admitted<B>, Refusal> {
        if let Some(fault) = request.extensions().get::<Malformed>() {
            return Err(seen_in_the_bytes(*fault));
        }
        let marks = Marks::read(request.headers(), request.version())?;
        check_method(request.method())?;
        let protocol = if peer.is_tls() { Protocol::Https } else { Protocol::Http };
        let plainly = if marks.origin.is_none() { self.plainly_ours(&request, marks.host) } else { None };
        let (host, grant) = if plainly.is_some() {
            (plainly, None)
        } else {
            let spoken = spoken_host(&request, marks.host, protocol)?;
            let host = self.own.find(spoken);
            if !peer.is_unix() && host.is_none() {
                return Err(Refusal::ForeignHost);
            }
            (host, self.check_origin(marks.origin, spoken, protocol, peer)?)
        };
        if marks.cross_site && grant.is_none() {
            return Err(Refusal::CrossSite);
        }
        let has_origin = marks.origin.is_some();
        let asterisk = check_target(request.method(), request.uri(), protocol)?;
        if request.method() == Method::OPTIONS {
            // Before the key: a browser never shows one with a preflight, and neither answer tells anything.
            if has_origin && let Some(preflight) = preflight(&request, grant.as_ref()) {
                return Err(Refusal::Preflight(preflight));
            }
            if asterisk || ends_here(request.headers_mut()) {
                return Err(Refusal::ServerOptions);
            }
        }
        if let Some(key) = &self.key
            && !peer.is_unix()
        {
            key.check(request.headers_mut())?;
        }
        Ok(Admitted { request, grant, host })
    }

    /// Which of our names the one name that is spoken is, byte for byte: then there is nothing to take apart.
    fn plainly_ours<B>(&self, request: &Request<B>, host: Option<&HeaderValue>) -> Option<usize> {
        let alone = request.version() <= Version::HTTP_11 && request.uri().authority().is_none();
        self.own.find_written(host.filter(|_| alone)?.as_bytes())
    }

    /// No `Origin` proves nothing, and the host has been checked; our own is the very name that the request is
    /// addressed to, so that two identities on two names stay apart.
    fn check_origin(
        &self,
        origin: Option<&HeaderValue>,
        spoken: Spoken<'_>,
        protocol: Protocol,
        peer: &Peer,
    ) -> Result<Option<Grant>, Refusal> {
        let Some(origin) = origin else { return Ok(None) };
        let text = origin.as_bytes();
        // On the Unix socket any host is accepted, so that being the same proves nothing there.
        if let Some(page) = own_origin(text, protocol)
            && same(page, spoken)
            && (!peer.is_unix() || self.own.find(page).is_some())
        {
            return Ok(None);
        }
        let grant = |by_rule| Some(Grant::new(origin.clone(), self.allow_credentials, by_rule));
        if self.allowed_origins.iter().any(|allowed| allowed.is(text)) {
            return Ok(grant(false));
        }
        if self.route_origins.iter().any(|allowed| allowed.is(text)) {
            return Ok(grant(true));
        }
        Err(Refusal::ForeignOrigin)
    }
}

/// What the listener saw and the parsed request does not show.
fn seen_in_the_bytes(fault: Malformed) -> Refusal {
    match fault {
        Malformed::TwoFramings => Refusal::AmbiguousLength,
        Malformed::RepeatedLength => Refusal::BadContentLength,
        Malformed::Fragment => Refusal::TargetForm,
        Malformed::BareLineFeed => Refusal::BareLineFeed,
        Malformed::Lost => Refusal::UnclearFraming,
    }
}

/// CONNECT would make a forward proxy of us; TRACE and TRACK send a request's credentials back to its sender.
fn check_method(method: &Method) -> Result<(), Refusal> {
    if *method == Method::CONNECT
        || *method == Method::TRACE
        || matches!(method.as_str(), "TRACK" | "PRI")
        // Methods are case-sensitive, and not every server knows it.
        || ["CONNECT", "TRACE", "TRACK"].iter().any(|refused| method.as_str().eq_ignore_ascii_case(refused))
    {
        return Err(Refusal::MethodRefused(method.clone()));
    }
    Ok(())
}

/// Whom the request is addressed to. In HTTP/1 there must be a valid `Host`, and the authority of an absolute
/// target overrules it (RFC 9112 section 3.2.2); in HTTP/2 the authority may stand alone, and a `Host` beside it
/// must agree (RFC 9113 section 8.3.1).
fn spoken_host<'a, B>(
    request: &'a Request<B>,
    host: Option<&'a HeaderValue>,
    protocol: Protocol,
) -> Result<Spoken<'a>, Refusal> {
    let parse = |text| Spoken::parse(text, protocol).ok_or(Refusal::MalformedHost);
    let host = host.map(|host| parse(host.as_bytes())).transpose()?;
    let target =
        request.uri().authority().map(|authority| parse(authority.as_str().as_bytes())).transpose()?;
    if request.version() <= Version::HTTP_11 {
        let host = host.ok_or(Refusal::MissingHost)?;
        return Ok(target.unwrap_or(host));
    }
    match (target, host) {
        (Some(target), Some(host)) if !same(target, host) => Err(Refusal::HostMismatch),
        (Some(only), _) | (None, Some(only)) => Ok(only),
        (None, None) => Err(Refusal::MissingHost),
    }
}

/// Whether the target is `*`, which only OPTIONS may have.
fn check_target(method: &Method, uri: &Uri, protocol: Protocol) -> Result<bool, Refusal> {
    let own = match protocol {
        Protocol::Http => Scheme::HTTP,
        Protocol::Https => Scheme::HTTPS,
    };
    if uri.scheme().is_some_and(|scheme| *scheme != own) {
        return Err(Refusal::TargetForm);
    }
    match uri.path() {
        "*" if *method == Method::OPTIONS => Ok(true),
        path if path.starts_with('/') => Ok(false),
        _ => Err(Refusal::TargetForm),
    }
}

/// Whether OPTIONS has no hop left (RFC 9110 section 7.6.2); if it has, this one is taken off. TRACE, the other method
/// that counts them, is refused.
fn ends_here(headers: &mut HeaderMap) -> bool {
    let left = headers.get(MAX_FORWARDS).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    if let Some(less) = left.and_then(|left| left.checked_sub(1)) {
        headers.insert(MAX_FORWARDS, HeaderValue::from(less));
    }
    left == Some(0)
}

fn preflight<B>(request: &Request<B>, grant: Option<&Grant>) -> Option<Preflight> {
    let headers = request.headers();
    let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    Some(match grant {
        None => Preflight::bare(),
        Some(grant) => Preflight::granting(
            grant.clone(),
            method.clone(),
            headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
        ),
    })
}

#[cfg(test)]
impl Guard {
    /// As [`Guard::admit`] for a caller on the loopback; for the rooms behind, which know no peers.
    pub(crate) fn admit_local<B>(&self, request: Request<B>) -> Result<Admitted<B>, Refusal> {
        let client = "127.0.0.1:50000".parse().unwrap();
        let (local, door) = ("127.0.0.1:8787".parse().unwrap(), crate::listener::Door(0));
        self.admit(request, &Peer::Tcp { client, local, door })
    }
}
