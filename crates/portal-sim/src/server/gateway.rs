//! The gateway: what every request meets before its handler, in this order: log, fault, portal and client,
//! path, rate, channel, token, body. An answer goes back through the channel that it came by.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value};

use super::body::{Body, empty, full};
use super::connections::Connection;
use super::mishap;
use super::sealing::Arrival;
use crate::business;
use crate::faults::Fault;
use crate::portal::{self, Answer, Call, Endpoint, Place, Portal, Refusal};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most that a collected body may measure.
const MOST_COLLECTED: usize = 16 << 20;

/// Answers one request, whatever happens.
pub(super) async fn answer(
    portal: Arc<Portal>,
    connection: Arc<Connection>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let busy = connection.busy();
    let (parts, body) = request.into_parts();
    let number = portal.wire.arrived(&parts);
    let place = portal.routes.find(parts.uri.path());
    portal.tally.arrived(match &place {
        Place::Found(endpoint, _) => Some(*endpoint),
        Place::OtherPortal | Place::Nowhere => None,
    });
    let request_id = parts.headers.get(REQUEST_ID).cloned();
    let (path, method) = (parts.uri.path().to_owned(), parts.method.clone());

    portal.faults.arrived();
    let fault = portal.faults.take(&path, |fault| *fault != Fault::CorruptTag);
    if let Some(fault) = &fault {
        portal.tally.change(|c| {
            c.faults += 1;
            *c.faults_by_name.entry(fault.name()).or_default() += 1;
        });
    }
    let visit = Visit { portal: &portal, peer, number, path: &path };
    let mut response = match before(&portal, &connection, fault.as_ref()).await {
        Err(refusal) => visit.refuse(&refusal),
        Ok(()) => visit.enter(place, parts, body).await.unwrap_or_else(|refusal| visit.refuse(&refusal)),
    };
    if let Some(fault) = fault {
        response = mishap::befall(fault, &portal, &connection, response).await;
    }

    if let Some(id) = request_id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let status = response.status().as_u16();
    portal.wire.answered(number, status);
    tracing::info!(%method, path, status);
    portal.tally.change(|c| *c.statuses.entry(status).or_default() += 1);
    response.map(|body| {
        body.map_frame(move |frame| {
            // Moved in here so that the connection counts as busy until the body is out.
            let _ = &busy;
            frame
        })
        .boxed_unsync()
    })
}

/// What faults do before a request is looked at.
async fn before(portal: &Arc<Portal>, connection: &Connection, fault: Option<&Fault>) -> Result<(), Refusal> {
    match fault {
        Some(Fault::DropChannels) => portal.drop_channels(),
        Some(Fault::RotateRsaKey) => {
            // Making a key takes long enough to be noticed by every other connection.
            let portal = Arc::clone(portal);
            let _ = tokio::task::spawn_blocking(move || portal.rotate_key()).await;
        }
        Some(Fault::ExpireTokens) => portal.expire_access_tokens(),
        Some(Fault::RevokeTokens) => portal.revoke_sessions(),
        Some(Fault::Status(status)) => return Err(Refusal::Wanted(*status)),
        Some(Fault::Refuse { status, code }) => return Err(Refusal::Coded(*status, code.clone())),
        Some(Fault::RateLimited { retry_after }) => return Err(Refusal::RateLimited(Some(*retry_after))),
        Some(Fault::Delay(pause)) => tokio::time::sleep(*pause).await,
        Some(Fault::ResetConnection { processed: false }) => match connection.reset().await {},
        _ => {}
    }
    Ok(())
}

/// One request's way through the gateway.
pub(super) struct Visit<'a> {
    pub(super) portal: &'a Arc<Portal>,
    peer: SocketAddr,
    pub(super) number: u64,
    pub(super) path: &'a str,
}

impl Visit<'_> {
    async fn enter(&self, place: Place, parts: Parts, body: Incoming) -> Result<Response<Body>, Refusal> {
        let portal = self.portal;
        let client_hash = self.admit(&parts.headers)?;
        let (endpoint, tail) = match place {
            Place::Found(endpoint, tail) => (endpoint, tail),
            Place::OtherPortal => return Err(Refusal::PortalMismatch),
            Place::Nowhere => return Err(Refusal::NotFound),
        };
        let methods = endpoint.methods();
        if !methods.is_empty() && !methods.contains(&parts.method.as_str()) {
            return Err(Refusal::MethodNotAllowed);
        }
        self.count(endpoint, &client_hash)?;
        if endpoint.streams() {
            let who = portal.identify(text(&parts.headers, &AUTHORIZATION), &client_hash)?;
            self.processed(endpoint, &parts.headers);
            tracing::debug!(endpoint = %endpoint, email = %who.sub, "streaming");
            return business::stream(portal, endpoint, parts, body, self.number).await;
        }
        let raw =
            Limited::new(body, MOST_COLLECTED).collect().await.map_err(|_| Refusal::BodyTooLarge)?.to_bytes();
        portal.wire.body(self.number, &raw);
        match endpoint {
            Endpoint::PublicKey | Endpoint::Session | Endpoint::SessionClose => {
                self.channel_call(endpoint, &parts.headers, &raw, client_hash).await
            }
            _ => {
                let (arrival, plain) = self.open(endpoint, &parts.headers, raw, &client_hash).await?;
                let sealed = matches!(arrival, Arrival::Sealed { .. });
                if sealed {
                    portal.tally.change(|c| c.sealed_requests += 1);
                    portal.wire.sealed(self.number);
                }
                let answered = self.call(endpoint, tail, parts, plain, client_hash, sealed).await;
                self.leave(&arrival, answered).await
            }
        }
    }

    /// The headers that every request carries; the client hash is what the rest needs of them.
    fn admit(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let settings = &self.portal.settings;
        if named(headers, "x-portal-access-code") != Some(settings.access_code.as_str()) {
            return Err(Refusal::AccessCode);
        }
        let client_hash = named(headers, "x-client-hash").filter(|hash| !hash.is_empty());
        let client_hash = client_hash.ok_or(Refusal::Malformed("X-Client-Hash header is required"))?;
        if settings.dialect.require_request_id && named(headers, REQUEST_ID.as_str()).is_none() {
            return Err(Refusal::Malformed("X-Request-Id header is required"));
        }
        if settings.dialect.required_headers.iter().any(|name| named(headers, name).is_none()) {
            return Err(Refusal::Malformed("A required header is missing"));
        }
        Ok(client_hash.to_owned())
    }

    fn count(&self, endpoint: Endpoint, client_hash: &str) -> Result<(), Refusal> {
        let rules = self.portal.rate_limits();
        let who = format!("{client_hash} {}", self.peer.ip());
        self.portal.limits.count(&who, endpoint, &rules).map_err(|wait| {
            self.portal.tally.change(|c| c.rate_limited += 1);
            let wait = rules.retry_after.then(|| wait.as_secs() + 1);
            match endpoint {
                Endpoint::Initiate | Endpoint::Complete => Refusal::TooManyAttempts(wait),
                _ => Refusal::RateLimited(wait),
            }
        })
    }

    async fn channel_call(
        &self,
        endpoint: Endpoint,
        headers: &HeaderMap,
        raw: &Bytes,
        client_hash: String,
    ) -> Result<Response<Body>, Refusal> {
        let portal = self.portal;
        let answer = match endpoint {
            Endpoint::PublicKey => portal::public_key(portal)?,
            Endpoint::SessionClose => {
                portal::close_channel(portal, named(headers, &portal.dialect().session_header))?
            }
            _ => {
                let (key_id, wrapped) = portal::read_session_request(portal, object(headers, raw)?)?;
                let (channel, expires) = self.unwrap(key_id, wrapped, client_hash).await?;
                portal::session_answer(&channel, expires)
            }
        };
        self.processed(endpoint, headers);
        Ok(self.write(&answer))
    }

    async fn call(
        &self,
        endpoint: Endpoint,
        tail: String,
        parts: Parts,
        plain: Bytes,
        client_hash: String,
        sealed: bool,
    ) -> Result<Response<Body>, Refusal> {
        let portal = self.portal;
        let who = match endpoint.needs_token() {
            true => Some(portal.identify(text(&parts.headers, &AUTHORIZATION), &client_hash).inspect_err(
                |refusal| {
                    if matches!(refusal, Refusal::TokenMissing | Refusal::TokenInvalid) {
                        portal.tally.change(|c| c.unauthorized += 1);
                    }
                },
            )?),
            false => None,
        };
        if endpoint.is_business() {
            self.processed(endpoint, &parts.headers);
            return business::answer(portal, endpoint, &tail, &parts, &plain, sealed).await;
        }
        let body = match parts.method.as_str() {
            "POST" if !plain.is_empty() => object(&parts.headers, &plain)?,
            _ => Map::new(),
        };
        let call = Call {
            endpoint,
            method: parts.method.clone(),
            tail,
            client_hash,
            user_agent: text(&parts.headers, &USER_AGENT).unwrap_or_default().to_owned(),
            address: self.peer.ip().to_string(),
            body,
            who,
        };
        let outcome = portal.handle(call);
        if !matches!(outcome, Err(Refusal::Fields(_))) {
            self.processed(endpoint, &parts.headers);
        }
        Ok(self.write(&outcome?))
    }

    fn write(&self, answer: &Answer) -> Response<Body> {
        if answer.status == 204 {
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        }
        self.json(answer.status, answer.write(self.portal.dialect()))
    }

    pub(super) fn refuse(&self, refusal: &Refusal) -> Response<Body> {
        let (status, retry_after, body) = portal::write_refusal(refusal, self.portal.dialect());
        let mut response = self.json(status, body);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn json(&self, status: u16, body: Vec<u8>) -> Response<Body> {
        self.portal.wire.answer(self.number, &body);
        let mut response = Response::new(full(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn processed(&self, endpoint: Endpoint, headers: &HeaderMap) {
        self.portal.tally.processed(endpoint, named(headers, REQUEST_ID.as_str()));
    }
}

/// A body that must be a JSON object.
fn object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let json = text(headers, &CONTENT_TYPE).is_some_and(|value| value.starts_with("application/json"));
    if !json {
        return Err(Refusal::Malformed("Content type must be application/json"));
    }
    serde_json::from_slice(body).map_err(|_| Refusal::Malformed("Body must be a JSON object"))
}

pub(super) fn named<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
