//! Every way to the portal held against every other: HTTP/1.1 in the clear and under TLS, and HTTP/2, each with bodies
//! that are held and bodies that stream. The portal is played answer by answer: what takes time, breaks off, or is
//! given up happens in the same order by all of them. Where they differ, the test says why.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::two_ways::Read;
use super::{status, values};
use crate::plain_world::{PATIENCE, Plain, Started};

/// What the portal speaks, and whether a small body streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    name: &'static str,
    alpn: Option<&'static str>,
    streams: bool,
}

const fn way(name: &'static str, alpn: Option<&'static str>, streams: bool) -> Way {
    Way { name, alpn, streams }
}

const WAYS: [Way; 6] = [
    way("our own exchange", None, false),
    way("our own exchange under TLS", Some("http/1.1"), false),
    way("hyper's client", None, true),
    way("hyper's client under TLS", Some("http/1.1"), true),
    way("HTTP/2, held", Some("h2"), false),
    way("HTTP/2, streamed", Some("h2"), true),
];

impl Way {
    fn is_http2(self) -> bool {
        self.alpn == Some("h2")
    }

    /// A proxy that takes this way, and its portal.
    async fn open(self) -> (Started, Portal) {
        let portal = Portal::open(self).await;
        let scheme = if self.alpn.is_some() { "https" } else { "http" };
        let mut plain = Plain::at(&format!("{scheme}://localhost:{}", portal.port))
            .with("portal", "client_hash = \"a-client-hash-of-all-0123456789abcdef\"")
            .with("upstream", &format!("ca_file = {:?}", portal.authority.path()));
        if self.streams {
            plain = plain.with("limits", "replay_body = 0");
        }
        (plain.start().await, portal)
    }
}

/// A request that has arrived. Whoever drops it says nothing: the portal hangs up.
struct Asked {
    request: Request<Incoming>,
    answer: oneshot::Sender<Response<Pieces>>,
}

impl Asked {
    /// The request's body, whole.
    async fn hear(&mut self) -> Bytes {
        self.request.body_mut().collect().await.unwrap().to_bytes()
    }

    /// An answer's head; its body comes by what is given back.
    fn answer(self, head: Response<()>) -> (Speaker, Request<Incoming>) {
        let (sender, pieces) = mpsc::channel(1);
        let (parts, ()) = head.into_parts();
        let answered = self.answer.send(Response::from_parts(parts, Pieces(pieces)));
        assert!(answered.is_ok(), "the request was given up");
        (Speaker(sender), self.request)
    }

    /// Waits until the proxy has given the request up.
    async fn given_up(mut self) {
        assert!(timeout(PATIENCE, self.answer.closed()).await.is_ok(), "the portal is not told");
    }
}

/// An answer's body, as it comes.
struct Pieces(mpsc::Receiver<io::Result<Frame<Bytes>>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx)
    }
}

/// Who says the body. It ends with this.
struct Speaker(mpsc::Sender<io::Result<Frame<Bytes>>>);

impl Speaker {
    async fn say(&self, bytes: impl Into<Bytes>) {
        assert!(self.0.send(Ok(Frame::data(bytes.into()))).await.is_ok(), "nobody listens");
    }

    async fn trail(self, name: &'static str, value: &'static str) {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        )]);
        assert!(self.0.send(Ok(Frame::trailers(trailers))).await.is_ok(), "nobody listens");
    }

    async fn break_off(self) {
        assert!(self.0.send(Err(io::Error::other("broken off"))).await.is_ok(), "nobody listens");
    }

    async fn given_up(self) {
        assert!(timeout(PATIENCE, self.0.closed()).await.is_ok(), "the portal is not told");
    }
}

struct Portal {
    port: u16,
    authority: NamedTempFile,
    asked: mpsc::UnboundedReceiver<Asked>,
}

impl Portal {
    async fn open(way: Way) -> Self {
        let (authority, acceptor) = certified(way.alpn);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (sender, acceptor) = (sender.clone(), acceptor.clone());
                tcp.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    if way.alpn.is_none() {
                        return serve(tcp, false, sender).await;
                    }
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        serve(tls, way.is_http2(), sender).await;
                    }
                });
            }
        });
        Self { port, authority, asked }
    }

    async fn next(&mut self) -> Asked {
        timeout(PATIENCE, self.asked.recv()).await.expect("a request arrives").unwrap()
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    is_http2: bool,
    asked: mpsc::UnboundedSender<Asked>,
) {
    let service = service_fn(move |request| {
        let asked = asked.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let _ = asked.send(Asked { request, answer });
            answered.await.map_err(io::Error::other)
        }
    });
    let io = TokioIo::new(stream);
    if is_http2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(io, service).await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
    }
}

/// An authority's certificate in a file, and who accepts TLS for localhost under it.
fn certified(alpn: Option<&str>) -> (NamedTempFile, TlsAcceptor) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "an authority for every way");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &authority).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (file, TlsAcceptor::from(Arc::new(config)))
}

/// The answers as a client reads them, whatever the order of their fields' names.
fn read(answer: &str, is_head: bool) -> Vec<Read> {
    Read::of(answer, is_head).into_iter().map(Read::sorted).collect()
}

fn head(status: u16, fields: &[(&str, &str)]) -> Response<()> {
    let mut head = Response::builder().status(status);
    for (name, value) in fields {
        head = head.header(*name, *value);
    }
    head.body(()).unwrap()
}

/// What came is the same by all ways.
fn assert_all_alike<T: PartialEq + std::fmt::Debug>(what: &str, seen: &[(Way, T)]) {
    assert_eq!(seen.len(), WAYS.len());
    for (way, one) in seen {
        assert_eq!(*one, seen[0].1, "{what}: {} and {} differ", way.name, seen[0].0.name);
    }
}

/// Answers that are whole: status, fields, body.
type Whole = (u16, &'static [(&'static str, &'static str)], &'static str);
const WHOLE: &[Whole] = &[
    (200, &[("content-length", "2"), ("content-type", "text/plain")], "ok"),
    (200, &[("x-b", "1"), ("x-a", "1"), ("x-b", "2"), ("x-b", ""), ("content-length", "0")], ""),
    (200, &[("content-encoding", "gzip"), ("etag", "\"1\""), ("vary", "Accept-Encoding")], "zz"),
    (200, &[("set-cookie", "a=1; Secure"), ("set-cookie", "b=2"), ("content-length", "2")], "ok"),
    (200, &[("content-type", "application/json")], "{\"a\":1}"),
    (200, &[("strict-transport-security", "max-age=1"), ("access-control-allow-origin", "*")], "ok"),
    (204, &[("x-a", "b")], ""),
    (206, &[("content-range", "bytes 0-1/5"), ("etag", "\"1\""), ("content-length", "2")], "ok"),
    (304, &[("etag", "\"1\"")], ""),
    (307, &[("location", "/b?c#d"), ("content-length", "0")], ""),
    (
        401,
        &[("www-authenticate", "Bearer"), ("content-type", "application/json"), ("content-length", "2")],
        "{}",
    ),
    (404, &[("content-length", "0")], ""),
    (416, &[("content-range", "bytes */5"), ("content-length", "0")], ""),
    (500, &[("content-length", "3")], "oh!"),
];

#[tokio::test]
async fn whole_answers_and_their_requests_are_alike_by_every_way() {
    // Not PUT: what may be asked for again is read whole where it is held, and then has a length where it had none.
    for method in ["POST", "HEAD"] {
        let mut seen = Vec::new();
        for way in WAYS {
            let (proxy, mut portal) = way.open().await;
            let mut all = Vec::new();
            for &(code, fields, body) in WHOLE {
                let lines = format!(
                    "{method} /a%20b?c=%2F\r\nX-Request-Id: the-same-by-all\r\nX-B: 1\r\nX-A: 1\r\nx-b: 2\r\nTE: trailers\r\n\
                     Accept-Encoding: br\r\nIf-None-Match: \"1\"\r\nRange: bytes=0-1\r\nX-Client-Hash: forged\r\n\
                     Content-Type: text/plain\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 2"
                );
                let (answer, arrived) = tokio::join!(proxy.ask(&lines, "hi"), async {
                    let mut asked = portal.next().await;
                    let sent = asked.hear().await;
                    let (speaker, request) = asked.answer(head(code, fields));
                    let (parts, _) = request.into_parts();
                    if method != "HEAD" && !body.is_empty() {
                        speaker.say(body).await;
                    }
                    let target = parts.uri.path_and_query().unwrap().to_string();
                    let mut fields: Vec<_> = parts
                        .headers
                        .iter()
                        // The one framed by its length, the other by its version.
                        .filter(|(name, _)| {
                            !["host", "connection", "transfer-encoding", "content-length"]
                                .contains(&name.as_str())
                        })
                        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                        .collect();
                    // By name; those of one name stay in their order.
                    fields.sort_by(|one, other| one.split(':').next().cmp(&other.split(':').next()));
                    (parts.method, target, fields, sent)
                });
                let answer = read(&answer, method == "HEAD");
                all.push((code, answer, arrived));
            }
            assert!(proxy.stop().await);
            seen.push((way, all));
        }
        assert_all_alike(method, &seen);
        let (_, _, (_, target, fields, sent)) = &seen[0].1[0];
        assert_eq!((target.as_str(), &sent[..]), ("/a%20b?c=%2F", &b"hi"[..]));
        assert!(fields.iter().any(|line| line == "x-client-hash: a-client-hash-of-all-0123456789abcdef"));
        assert!(
            !fields.iter().any(|line| line.contains("forged") || line.starts_with("x-hop")),
            "{fields:?}"
        );
    }
}

#[tokio::test]
async fn a_streamed_answer_comes_piece_by_piece_and_with_its_trailers_by_every_way() {
    let mut seen = Vec::new();
    for way in WAYS {
        let (proxy, mut portal) = way.open().await;
        let mut raw = proxy.connect().await;
        raw.head("POST /events\r\nX-Request-Id: the-same-by-all\r\nTE: trailers\r\nConnection: close, TE\r\nContent-Length: 2").await;
        raw.send(b"hi").await;
        let mut asked = portal.next().await;
        assert_eq!(asked.hear().await, "hi");
        assert_eq!(asked.request.headers()["te"], "trailers", "{}", way.name);
        // Over HTTP/1.1 it is named as a field of the hop (RFC 9110 section 10.1.4).
        let named = asked.request.headers().get("connection").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(named.as_deref(), (!way.is_http2()).then_some("te"), "{}", way.name);
        let fields = [("content-type", "text/event-stream"), ("trailer", "grpc-status")];
        let (speaker, _request) = asked.answer(head(200, &fields));
        let mut answer = raw.until("\r\n\r\n").await;
        for number in 0..5 {
            // The next one is not said before this one has arrived.
            speaker.say(format!("data: {number}\n\n")).await;
            answer.push_str(&raw.until(&format!("data: {number}\n\n")).await);
        }
        speaker.trail("grpc-status", "0").await;
        answer.push_str(&raw.rest().await);
        let read = read(&answer, false);
        assert!(read[0].body.as_deref().is_some_and(|body| body.contains("grpc-status: 0")), "{answer}");
        seen.push((way, read));
        assert!(proxy.stop().await);
    }
    assert_all_alike("events", &seen);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_broken_one_by_every_way() {
    for begun in [false, true] {
        let mut seen = Vec::new();
        for way in WAYS {
            let (proxy, mut portal) = way.open().await;
            let mut raw = proxy.connect().await;
            raw.head("POST /a\r\nX-Request-Id: the-same-by-all\r\nConnection: close\r\nContent-Length: 2")
                .await;
            raw.send(b"hi").await;
            let asked = portal.next().await;
            let answer = if begun {
                let (speaker, _request) = asked.answer(head(200, &[("content-type", "text/plain")]));
                speaker.say("begun").await;
                let begun = raw.until("begun").await;
                speaker.break_off().await;
                begun + &raw.rest().await
            } else {
                drop(asked); // no word of an answer
                raw.rest().await
            };
            let read = read(&answer, false);
            if begun {
                assert_eq!(read[0].body, None, "taken for whole: {answer}");
            } else {
                assert_eq!(status(&answer), 502, "{answer}");
            }
            seen.push((way, read));
            assert!(proxy.stop().await);
        }
        assert_all_alike("broken off", &seen);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_longer_worked_for_by_any_way() {
    for way in WAYS {
        let (proxy, mut portal) = way.open().await;
        // Before the answer.
        let mut raw = proxy.connect().await;
        raw.head("POST /slow\r\nContent-Length: 2").await;
        raw.send(b"hi").await;
        let asked = portal.next().await;
        drop(raw);
        asked.given_up().await;
        // Within the answer.
        let mut raw = proxy.connect().await;
        raw.head("POST /large\r\nContent-Length: 2").await;
        raw.send(b"hi").await;
        let (speaker, _request) = portal.next().await.answer(head(200, &[]));
        speaker.say("begun").await;
        raw.until("begun").await;
        drop(raw);
        speaker.given_up().await;
        // Within the upload: one that streams ends in a fault and never as if it were whole.
        let mut raw = proxy.connect().await;
        raw.head("POST /upload\r\nContent-Length: 200000").await;
        raw.send(b"begun").await;
        let mut asked = portal.next().await;
        let upload = asked.request.body_mut();
        assert_eq!(upload.frame().await.unwrap().unwrap().into_data().unwrap(), "begun", "{}", way.name);
        drop(raw);
        let ended = timeout(PATIENCE, upload.frame()).await.expect("the portal is told");
        assert!(matches!(ended, Some(Err(_))), "{}: {ended:?}", way.name);
        // The same where it is held: then the portal never hears of it.
        let mut raw = proxy.connect().await;
        raw.head("POST /form\r\nContent-Length: 2").await;
        raw.send(b"h").await;
        if way.streams {
            let mut asked = portal.next().await;
            drop(raw);
            let ended =
                timeout(PATIENCE, asked.request.body_mut().collect()).await.expect("the portal is told");
            assert!(ended.is_err(), "{}: {ended:?}", way.name);
        } else {
            drop(raw);
            assert!(timeout(Duration::from_millis(100), portal.asked.recv()).await.is_err(), "{}", way.name);
        }
        // And all is well for whoever comes next.
        let (answer, ()) = tokio::join!(proxy.ask("POST /next\r\nContent-Length: 2", "hi"), async {
            let mut asked = portal.next().await;
            asked.hear().await;
            drop(asked.answer(head(204, &[])));
        });
        assert_eq!(status(&answer), 204, "{}", way.name);
        assert!(proxy.stop().await);
    }
}

#[tokio::test]
async fn a_hint_over_http2_stays_there_and_the_answer_behind_it_passes() {
    let (authority, acceptor) = certified(Some("h2"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let portal = tokio::spawn(async move {
        let tls = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        // hyper's server has no word for interim answers.
        let mut connection = h2::server::handshake(tls).await.unwrap();
        while let Some(Ok((_request, mut respond))) = connection.accept().await {
            respond.send_informational(head(103, &[("link", "</a.css>; rel=preload")])).unwrap();
            respond.send_response(head(204, &[("x-final", "1")]), true).unwrap();
        }
    });
    let ca_file = format!("ca_file = {:?}", authority.path());
    let proxy = Plain::at(&format!("https://localhost:{port}")).with("upstream", &ca_file).start().await;
    for _ in 0..2 {
        // hyper's client does not pass them on: over HTTP/1.1 they are relayed (`ahead`).
        let answer = proxy.ask("POST /a\r\nContent-Length: 2", "hi").await;
        assert_eq!((status(&answer), values(&answer, "x-final")), (204, vec!["1"]), "{answer}");
    }
    assert!(proxy.stop().await);
    portal.abort();
}

/// More than what sockets and windows hold on the way.
const LARGE: usize = 96 << 20;
/// The most that may be on the way while nobody takes anything.
const ON_THE_WAY: usize = 48 << 20;
const PIECE: usize = 256 << 10;
/// Nothing moves any more after so long.
const STILL: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_slow_reader_slows_the_portal_down_by_every_way_and_gets_all_of_it() {
    for way in WAYS {
        let (proxy, mut portal) = way.open().await;
        let mut raw = proxy.connect().await;
        raw.head("POST /large\r\nConnection: close\r\nContent-Length: 2").await;
        raw.send(b"hi").await;
        let (speaker, _request) =
            portal.next().await.answer(head(200, &[("content-length", &LARGE.to_string())]));
        let piece = Bytes::from(vec![b'x'; PIECE]);
        let mut left = LARGE / PIECE;
        while timeout(STILL, speaker.say(piece.clone())).await.is_ok() {
            left -= 1;
            assert!(LARGE - left * PIECE < ON_THE_WAY, "{}: all of it is taken", way.name);
        }
        let speaking = async {
            for _ in 0..left {
                speaker.say(piece.clone()).await;
            }
            drop(speaker);
        };
        let (answer, ()) = tokio::join!(raw.rest(), speaking);
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!((status(&answer), body.len()), (200, LARGE), "{}", way.name);
        assert!(proxy.stop().await);
    }
}

#[tokio::test]
async fn a_slow_portal_slows_an_upload_down_by_every_way_and_gets_all_of_it() {
    for way in WAYS {
        let (proxy, mut portal) = way.open().await;
        let mut raw = proxy.connect().await;
        raw.head(&format!("POST /upload\r\nConnection: close\r\nContent-Length: {LARGE}")).await;
        let mut asked = portal.next().await;
        let piece = vec![b'x'; PIECE];
        let mut sent = 0;
        while let Ok(written) = timeout(STILL, raw.stream.write(&piece[..PIECE.min(LARGE - sent)])).await {
            sent += written.unwrap();
            assert!(sent < ON_THE_WAY, "{}: all of it is taken", way.name);
        }
        let (mut reads, mut writes) = raw.stream.split();
        let uploading = async {
            while sent < LARGE {
                sent += writes.write(&piece[..PIECE.min(LARGE - sent)]).await.unwrap();
            }
        };
        let taking = async {
            let upload = asked.request.body_mut();
            let mut taken = 0;
            while let Some(frame) = upload.frame().await {
                taken += frame.unwrap().into_data().map_or(0, |data| data.len());
            }
            drop(asked.answer(head(204, &[])));
            taken
        };
        let ((), taken) = timeout(PATIENCE * 3, async { tokio::join!(uploading, taking) }).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, reads.read_to_end(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!((taken, status(&answer)), (LARGE, 204), "{}", way.name);
        assert!(proxy.stop().await);
    }
}

#[tokio::test]
async fn an_answer_during_the_upload_reaches_the_client_by_every_way() {
    let mut seen = Vec::new();
    for way in WAYS {
        let (proxy, mut portal) = way.open().await;
        let mut raw = proxy.connect().await;
        raw.head("POST /upload\r\nX-Request-Id: the-same-by-all\r\nContent-Length: 1000000").await;
        raw.send(b"the beginning").await;
        let (speaker, request) = portal.next().await.answer(head(413, &[("content-type", "text/plain")]));
        speaker.say("too much").await;
        drop((speaker, request));
        // The connection cannot go on: nobody knows whether the rest will come after all.
        let answer = raw.rest().await;
        assert_eq!(status(&answer), 413, "{}: {answer}", way.name);
        // Over HTTP/2 the upload has ended before the head is written, which then can say that the connection will.
        let answers = read(&answer, false).into_iter().map(|read| read.without("connection: close"));
        seen.push((way, answers.collect::<Vec<_>>()));
        assert!(proxy.stop().await);
    }
    assert_all_alike("an early answer", &seen);
}

#[tokio::test]
async fn trailers_of_a_request_go_upstream_by_no_way() {
    for way in WAYS {
        let (proxy, mut portal) = way.open().await;
        let mut raw = proxy.connect().await;
        raw.head("POST /a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Client-Hash\r\nConnection: close")
            .await;
        raw.send(b"5\r\nhello\r\n0\r\nX-Client-Hash: evil\r\nX-Other: 1\r\n\r\n").await;
        let mut asked = portal.next().await;
        assert!(!asked.request.headers().contains_key("trailer"));
        let body = asked.request.body_mut().collect().await.unwrap();
        drop(asked.answer(head(204, &[])));
        assert!(body.trailers().is_none(), "{}: {:?}", way.name, body.trailers());
        assert_eq!(body.to_bytes(), "hello");
        assert_eq!(status(&raw.rest().await), 204);
        assert!(proxy.stop().await);
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_told_to_go_on_by_every_way() {
    for way in WAYS {
        let (proxy, mut portal) = way.open().await;
        for length in [5, 200_000] {
            let mut raw = proxy.connect().await;
            raw.head(&format!(
                "POST /a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\nConnection: close"
            ))
            .await;
            let taking = async {
                let mut asked = portal.next().await;
                let taken = asked.hear().await.len();
                drop(asked.answer(head(204, &[])));
                taken
            };
            // Over HTTP/2 nobody relays the portal's word: then it is ours, once `continue_timeout` has passed.
            let asking = async {
                let interim = raw.until("\r\n\r\n").await;
                assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n", "{}", way.name);
                raw.send(&vec![b'x'; length]).await;
                raw.rest().await
            };
            let (taken, answer) = tokio::join!(taking, asking);
            assert_eq!((taken, status(&answer)), (length, 204), "{}", way.name);
        }
        assert!(proxy.stop().await);
    }
}
