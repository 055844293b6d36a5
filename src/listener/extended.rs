//! WebSockets over HTTP/2 (RFC 8441): an extended CONNECT becomes the handshake that HTTP/1.1 would have had, so
//! that every check behind has one kind of handshake to look at; its answer is turned back here.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;

use super::control::Control;

/// Keeps a connection of HTTP/2 from counting as one at rest for as long as it lives. It is in the extensions of a
/// handshake that came over HTTP/2; whoever joins the tunnel keeps it until the tunnel ends.
#[derive(Debug, Clone)]
pub struct Tunnelled {
    _seat: Arc<Seat>,
}

#[derive(Debug)]
struct Seat(Arc<Control>);

impl Tunnelled {
    pub(super) fn on(control: &Arc<Control>) -> Self {
        control.tunnel_began();
        Self { _seat: Arc::new(Seat(Arc::clone(control))) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// Whether the request was an extended CONNECT for a WebSocket; then it has become a handshake of HTTP/1.1. Other
/// protocols, and a `Host` that is not the authority, stay CONNECT, which is refused.
pub(super) fn to_handshake<B>(request: &mut Request<B>) -> bool {
    let is_websocket = request.version() == Version::HTTP_2
        && *request.method() == Method::CONNECT
        && request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket");
    if !is_websocket {
        return false;
    }
    let authority = request.uri().authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
    let Some(authority) = authority else { return false };
    if request.headers().get(HOST).is_some_and(|host| *host != authority) {
        return false;
    }
    *request.method_mut() = Method::GET;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    headers.insert(HOST, authority);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    // HTTP/2 has no use for the key (RFC 8441 section 5); the portal's HTTP/1.1 has.
    let mut nonce = [0; 16];
    rand::fill(&mut nonce);
    if let Ok(key) = HeaderValue::from_str(&BASE64_STANDARD.encode(nonce)) {
        headers.insert(SEC_WEBSOCKET_KEY, key);
    }
    headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
    true
}

/// Turns the answer to such a handshake back: 101 is 200 there, and the rest of HTTP/1.1's ceremony is not.
pub(super) fn from_answer<B>(response: &mut Response<B>) {
    let accepted = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if accepted {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
        response.headers_mut().remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(protocol: &'static str, host: Option<&str>) -> Request<()> {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .version(Version::HTTP_2)
            .uri("http://localhost:8787/chat?x=1")
            .header("sec-websocket-protocol", "chat");
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let mut request = request.body(()).unwrap();
        request.extensions_mut().insert(Protocol::from_static(protocol));
        request
    }

    #[test]
    fn an_extended_connect_becomes_a_handshake_and_its_answer_is_turned_back() {
        let mut request = connect("websocket", None);
        assert!(to_handshake(&mut request));
        assert_eq!((request.method(), request.version()), (&Method::GET, Version::HTTP_11));
        assert_eq!(request.uri().path_and_query().unwrap().as_str(), "/chat?x=1");
        let headers = request.headers();
        assert_eq!(headers[HOST], "localhost:8787");
        assert_eq!(
            (&headers[CONNECTION], &headers[UPGRADE]),
            (&"Upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
        assert_eq!(BASE64_STANDARD.decode(headers[SEC_WEBSOCKET_KEY].as_bytes()).unwrap().len(), 16);
        assert_eq!(headers["sec-websocket-protocol"], "chat");

        let mut answer = Response::builder()
            .status(101)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-accept", "x")
            .header("sec-websocket-protocol", "chat")
            .body(())
            .unwrap();
        from_answer(&mut answer);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers().len(), 1);
    }

    #[test]
    fn any_other_connect_stays_what_it_is() {
        for mut request in [
            connect("connect-udp", None),
            connect("WebSocket2", None),
            connect("websocket", Some("evil.example")),
            Request::builder().method("CONNECT").version(Version::HTTP_2).uri("x:80").body(()).unwrap(),
            Request::builder().method("CONNECT").uri("x:80").body(()).unwrap(),
        ] {
            assert!(!to_handshake(&mut request));
            assert_eq!(*request.method(), Method::CONNECT);
        }
    }
}
