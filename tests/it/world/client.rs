//! A plain HTTP client, as a legacy tool would be: no TLS, no tokens, one connection a request unless kept.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Where requests go, and under which `Host`.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    host: String,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The answer, if it has this status; what it was instead, if not.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.text());
        self
    }

    /// The proxy's own answer, with this status and code, in all the forms in which it has to say so.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> serde_json::Value {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["type"], format!("urn:portunus:problem:{code}"), "{problem}");
        assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()));
        let proxy_status = answer.header("proxy-status").unwrap();
        assert!(proxy_status.starts_with("portunus; error="), "{proxy_status}");
        for member in ["title", "detail", "instance", "who"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {problem}");
        }
        problem
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, host: format!("localhost:{}", address.port()) }
    }

    /// The same way under another name.
    pub fn under(&self, host: &str) -> Self {
        Self { address: self.address, host: host.to_owned() }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection of its own, for tests that care about connections.
    pub async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver.with_upgrades());
        Connection { sender, host: self.host.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub async fn post_json(&self, path: &str, json: &serde_json::Value) -> Answer {
        let body = serde_json::to_vec(json).unwrap();
        self.send(Method::POST, path, &[("content-type", "application/json")], body).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.connect().await.send(method, path, headers, body).await
    }
}

/// One kept connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (parts, body) = self.open(method, path, headers, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// The answer's head; its body is still on the way.
    pub async fn open(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> http::Response<Incoming> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.sender.ready().await.unwrap();
        self.sender.send_request(request).await.unwrap()
    }

    /// For requests that may fail: the status, if an answer came whole.
    pub async fn try_send(&mut self, method: Method, path: &str) -> Result<StatusCode, hyper::Error> {
        let request = Request::builder().method(method).uri(path).header("host", &self.host);
        let response = self.sender.send_request(request.body(Full::default()).unwrap()).await?;
        let status = response.status();
        response.into_body().collect().await?;
        Ok(status)
    }
}
