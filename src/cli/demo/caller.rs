//! The plain HTTP client of the tour: what `curl` would send, and no more.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long one request may take.
const TIME: Duration = Duration::from_secs(20);

/// Sends requests to one address.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Caller {
    pub(in crate::cli) address: SocketAddr,
}

/// A whole answer.
#[derive(Debug)]
pub(in crate::cli) struct Answer {
    pub(in crate::cli) status: StatusCode,
    pub(in crate::cli) headers: HeaderMap,
    pub(in crate::cli) body: Bytes,
}

impl Caller {
    pub(in crate::cli) async fn get(self, path: &str) -> Result<Answer, String> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub(in crate::cli) async fn send(
        self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let whole = async {
            let (parts, body) = self.open(method, path, headers, body).await?.into_parts();
            let body = body.collect().await.map_err(|error| format!("the answer broke off: {error}"))?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(TIME, whole).await.unwrap_or_else(|_| Err(no_answer()))
    }

    /// The head of the answer; its body is still on the way.
    pub(in crate::cli) async fn open(
        self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response<Incoming>, String> {
        let failed = |error: hyper::Error| format!("the proxy does not answer: {error}");
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.map_err(|error| format!("no connection to the proxy: {error}"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header(header::HOST, format!("localhost:{}", self.address.port()));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let sent = tokio::time::timeout(TIME, sender.send_request(request)).await;
        sent.map_err(|_| no_answer())?.map_err(failed)
    }
}

impl Answer {
    pub(in crate::cli) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(in crate::cli) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(in crate::cli) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The answer, if it has this status; what came instead, if not.
    pub(in crate::cli) fn expect(self, status: u16) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("the answer is {} instead of {status}: {}", self.status.as_u16(), self.text()))
    }
}

fn no_answer() -> String {
    format!("no answer within {} s", TIME.as_secs())
}
