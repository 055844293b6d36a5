//! A portal that tests play over a raw socket, and what they send to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// No test waits longer than this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) fn settings(url: &str) -> Settings {
    let sealed = SealedHeaders {
        session: HeaderName::from_static("x-sc-session-id").into(),
        version: true,
        content_type: HeaderValue::from_static("application/json;charset=UTF-8"),
    };
    Settings::new(url::Url::parse(url).unwrap(), sealed)
}

pub(crate) fn injected() -> Injected {
    let mut code = HeaderValue::from_static("CNRY-access-code");
    code.set_sensitive(true);
    Injected::new(vec![
        (HeaderName::from_static("x-portal-access-code"), code),
        (HeaderName::from_static("x-client-hash"), HeaderValue::from_static("hash")),
    ])
}

pub(crate) fn request(method: &str, body: OutBody) -> Outgoing {
    let request = http::Request::builder().method(method).uri("/path?q").body(()).unwrap();
    Outgoing::plain(request.into_parts().0, body, None, &injected())
}

pub(crate) fn get() -> Outgoing {
    request("GET", OutBody::Empty)
}

pub(crate) fn post() -> Outgoing {
    request("POST", OutBody::Full(Bytes::from_static(b"order")))
}

/// A portal whose every connection is played by `script`; it is told the connection's number.
pub(crate) struct Fake {
    pub(crate) url: String,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Requests whose head was read, by any connection.
    pub(crate) requests: Arc<AtomicUsize>,
}

impl Fake {
    pub(crate) async fn start<F, S>(script: S) -> Self
    where
        F: Future<Output = ()> + Send,
        S: Fn(Peer, usize) -> F + Clone + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen, heads) = (connections.clone(), requests.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let n = seen.fetch_add(1, Ordering::SeqCst);
                let (script, requests) = (script.clone(), heads.clone());
                tokio::spawn(async move { script(Peer { stream, requests }, n).await });
            }
        });
        Self { url, connections, requests }
    }

    /// One that gives `answer` to every request.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut peer, _| async move {
            while peer.head().await.is_some() {
                peer.say(answer).await;
            }
        })
        .await
    }

    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::new(&settings(&self.url)).unwrap()
    }

    pub(crate) fn upstream_with(&self, change: impl FnOnce(&mut Settings)) -> Upstream {
        let mut settings = settings(&self.url);
        change(&mut settings);
        Upstream::new(&settings).unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// The portal's end of one connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) requests: Arc<AtomicUsize>,
}

impl Peer {
    /// The next request's head and, where it has a length, its body; `None` at the end.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            text.push(self.stream.read_u8().await.ok()?);
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mut text = String::from_utf8(text).unwrap();
        if let Some(rest) = text.split("content-length: ").nth(1) {
            let length = rest.split("\r\n").next().unwrap().parse().unwrap();
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await.ok()?;
            text.push_str(&String::from_utf8_lossy(&body));
        }
        Some(text)
    }

    pub(crate) async fn say(&mut self, bytes: &str) {
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }

    /// Waits until the other end has closed; what still comes is thrown away.
    pub(crate) async fn gone(&mut self) {
        let mut rest = [0; 4096];
        while matches!(self.stream.read(&mut rest).await, Ok(n) if n > 0) {}
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub(crate) async fn body_of(reply: Result<Reply, UpstreamError>) -> Bytes {
    reply.unwrap().into_body().collect(1024).await.unwrap()
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("took too long")
}

pub(crate) fn lines<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let name = format!("{name}: ");
    head.split("\r\n").filter_map(|line| line.strip_prefix(name.as_str())).collect()
}
