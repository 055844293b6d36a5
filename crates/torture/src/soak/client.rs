//! The callers: connections that are kept as a browser keeps them, and answers that are read to their end.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// No caller waits longer for the whole of an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// Whether the proxy itself gave it.
    pub(super) fn is_a_problem(&self) -> bool {
        self.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json")
    }
}

/// All callers together.
#[derive(Debug)]
pub(super) struct Callers {
    address: String,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Callers {
    pub(super) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), idle: Mutex::default() }
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// Why there is none, in a few words.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        match tokio::time::timeout(PATIENCE, self.asked(request)).await {
            Ok(answer) => answer.map_err(|error| {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                format!("connection: {error} {}", cause.unwrap_or_default()).trim_end().to_owned()
            }),
            Err(_) => Err("no whole answer in time".to_owned()),
        }
    }

    async fn asked(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
        let host = http::HeaderValue::try_from(self.address.as_str()).expect("an address is a host");
        request.headers_mut().insert("host", host);
        let mut connection = match self.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(&self.address).await.expect("the proxy listens");
                let (connection, work) = handshake(TokioIo::new(stream)).await?;
                tokio::spawn(work);
                connection
            }
        };
        connection.ready().await?;
        let (parts, body) = connection.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.lock().push(connection);
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Closes what is idle.
    pub(super) fn leave(&self) {
        self.lock().clear();
    }

    fn take(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.lock();
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Full<Bytes>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
