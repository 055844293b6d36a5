//! The portal's answer, made local.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Response, StatusCode, Version, response};
use http_body::Body as _;

use super::body::WithTrailers;
use super::{Body, Caller, Cookies, links};
use crate::route::HeaderPolicy;
use crate::upstream::{Base, OnInterim, Reply, X_REQUEST_ID};

/// Makes the portal's answers local: its links, its cookies, its headers.
#[derive(Debug, Clone)]
pub struct Responder {
    base: Arc<Base>,
    cookies: Cookies,
    headers: Arc<HeaderPolicy>,
}

impl Responder {
    /// For answers of the portal at `base`, under the policy of the route table.
    pub fn new(base: Base, cookies: Cookies, headers: HeaderPolicy) -> Self {
        Self { base: Arc::new(base), cookies, headers: Arc::new(headers) }
    }

    /// The answer to a plain request: the body streams through.
    pub fn plain(&self, reply: Reply, caller: &Caller) -> Response<Body> {
        let (mut parts, body) = reply.into_parts();
        self.localize(&mut parts, caller);
        let body = if caller.takes_trailers() && !body.is_end_stream() {
            Body::WithTrailers(Box::new(WithTrailers { body, policy: self.headers.clone() }))
        } else {
            Body::Streamed(body)
        };
        Response::from_parts(parts, body)
    }

    /// The answer to a plain request whose body had to be looked at first: the same bytes.
    pub fn collected(&self, mut parts: response::Parts, body: Bytes, caller: &Caller) -> Response<Body> {
        self.localize(&mut parts, caller);
        whole(parts, body, caller)
    }

    /// The answer to a sealed request, opened: JSON (ruling 10), under the portal's status.
    pub fn opened(&self, mut parts: response::Parts, plaintext: Bytes, caller: &Caller) -> Response<Body> {
        self.localize(&mut parts, caller);
        transformed(&mut parts.headers);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // The portal sealed it: no cache in between was meant to see it.
        parts.headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        whole(parts, plaintext, caller)
    }

    /// Passes the portal's interim answers on, made local; `None` where none can come through.
    pub fn relay(&self, caller: &Caller) -> Option<OnInterim> {
        if !caller.interim().is_open() {
            return None;
        }
        let (responder, caller) = (self.clone(), caller.clone());
        Some(OnInterim::new(move |status, headers| responder.tell(&caller, status, headers)))
    }

    /// Passes one interim answer on, made local, if it can come through.
    pub fn tell(&self, caller: &Caller, status: StatusCode, headers: &HeaderMap) {
        if caller.interim().is_open() {
            let mut headers = headers.clone();
            self.headers.clean_interim(&mut headers);
            links::rewrite(&mut headers, &self.base, caller);
            caller.interim().send(status, &headers);
        }
    }

    pub(super) fn localize(&self, parts: &mut response::Parts, caller: &Caller) {
        parts.version = Version::HTTP_11;
        self.headers.clean_response(&mut parts.headers);
        links::rewrite(&mut parts.headers, &self.base, caller);
        self.cookies.apply(&mut parts.headers, &self.base, caller.prefix());
        parts.headers.insert(X_REQUEST_ID, caller.request_id().clone());
    }
}

/// What opening an envelope does to the metadata of a representation (RFC 9110 section 7.7, RFC 9530 section 6).
fn transformed(headers: &mut HeaderMap) {
    for name in [
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::ACCEPT_RANGES,
        HeaderName::from_static("content-md5"),
        HeaderName::from_static("digest"),
        HeaderName::from_static("content-digest"),
        HeaderName::from_static("repr-digest"),
    ] {
        headers.remove(name);
    }
    if let Some(etag) = headers.get(header::ETAG)
        && !etag.as_bytes().starts_with(b"W/")
    {
        // The same resource, other bytes: it compares weakly only (RFC 9110 section 8.8.1).
        match HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat()) {
            Ok(weak) => headers.insert(header::ETAG, weak),
            Err(_) => headers.remove(header::ETAG),
        };
    }
}

/// A response whose bytes are at hand.
pub(super) fn whole(mut parts: response::Parts, body: Bytes, caller: &Caller) -> Response<Body> {
    parts.headers.remove(header::TRANSFER_ENCODING);
    if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::Empty);
    }
    if caller.is_head() && body.is_empty() {
        return Response::from_parts(parts, Body::Empty); // the portal's own length stays
    }
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = if caller.is_head() { Body::Empty } else { Body::from(body) };
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;

    fn responder() -> Responder {
        let base = Base::new(&url::Url::parse("https://portal.example").unwrap()).unwrap();
        Responder::new(base, Cookies::Pass, HeaderPolicy::default())
    }

    fn caller(method: &str) -> Caller {
        Caller::of(&mut http::Request::builder().method(method).body(()).unwrap().into_parts().0)
    }

    fn sealed(status: u16) -> response::Parts {
        Response::builder()
            .status(status)
            .version(Version::HTTP_2)
            .header("content-type", "application/octet-stream")
            .header("content-length", "999")
            .header("content-encoding", "gzip")
            .header("content-digest", "sha-256=:x:")
            .header("repr-digest", "sha-256=:x:")
            .header("digest", "x")
            .header("accept-ranges", "bytes")
            .header("etag", "\"v1\"")
            .header("x-business", "kept")
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    #[test]
    fn an_opened_answer_describes_its_plaintext() {
        let answer = responder().opened(sealed(403), Bytes::from_static(b"{\"a\":1}"), &caller("POST"));
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.version(), Version::HTTP_11);
        assert_eq!(answer.body().size_hint().exact(), Some(7));
        let headers = answer.headers();
        assert_eq!(headers["content-length"], "7");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["etag"], "W/\"v1\"");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-business"], "kept");
        for gone in ["content-encoding", "content-digest", "repr-digest", "digest", "accept-ranges"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn what_has_no_body_gets_none() {
        let no_content = responder().opened(sealed(204), Bytes::from_static(b"{}"), &caller("POST"));
        assert!(no_content.body().is_end_stream() && !no_content.headers().contains_key("content-length"));
        let head = responder().opened(sealed(200), Bytes::from_static(b"{}"), &caller("HEAD"));
        assert!(head.body().is_end_stream());
        assert_eq!(head.headers()["content-length"], "2");
    }

    #[test]
    fn every_answer_carries_the_requests_id_once() {
        let mut parts = sealed(200);
        parts.headers.append("x-request-id", HeaderValue::from_static("one"));
        parts.headers.append("x-request-id", HeaderValue::from_static("two"));
        let caller = caller("GET");
        let answer = responder().collected(parts, Bytes::new(), &caller);
        let ids: Vec<_> = answer.headers().get_all("x-request-id").iter().collect();
        assert_eq!(ids, [caller.request_id()]);
        assert_eq!(answer.headers()["content-length"], "0");
    }
}
