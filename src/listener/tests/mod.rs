//! The listener over real sockets, spoken to in raw bytes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::splice::Source;

mod extended;
mod interim;
mod lean;

/// Longer than anything here takes; a test that waits for it fails.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Echo {
    /// Released by a test to let `/wait` answer.
    go: Notify,
    /// Requests that have reached the handler.
    calls: AtomicUsize,
    /// Bytes of `/flood` that hyper has taken.
    flooded: Arc<AtomicUsize>,
    /// Where interim answers to requests of before would go.
    past: std::sync::Mutex<Vec<Interim>>,
}

type Boxed = UnsyncBoxBody<Bytes, std::io::Error>;

fn text(text: impl Into<Bytes>) -> Response<Boxed> {
    Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed_unsync())
}

impl Source for Boxed {}

impl Handler for Echo {
    type Body = Boxed;

    async fn call(&self, mut request: Request<Content>, peer: &Peer, interim: Interim) -> Response<Boxed> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match request.uri().path() {
            "/wait" => {
                self.go.notified().await;
                text("waited")
            }
            path if path.starts_with("/hints/") => {
                let path = path.to_owned();
                let _ = request.into_body().collect().await;
                interim::hints(self, &path, interim).await
            }
            path if path.starts_with("/answers/") => lean::answer(path),
            "/peer" => text(format!("{peer:?}")),
            "/length" => {
                let body = TimedBody::new(request.into_body(), Duration::from_millis(100));
                match body.collect().await {
                    Ok(body) => text(body.to_bytes().len().to_string()),
                    Err(error) => {
                        let mut answer = text(error.to_string());
                        *answer.status_mut() = StatusCode::REQUEST_TIMEOUT;
                        answer
                    }
                }
            }
            "/pieces" => {
                let (mut body, mut largest) = (request.into_body(), 0);
                while let Some(frame) = body.frame().await {
                    largest = largest.max(frame.unwrap().into_data().unwrap().len());
                }
                text(largest.to_string())
            }
            "/flood" => {
                let flooded = Arc::clone(&self.flooded);
                let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
                let frames = futures_util::stream::repeat_with(move || {
                    flooded.fetch_add(chunk.len(), Ordering::SeqCst);
                    Ok(Frame::data(chunk.clone()))
                });
                Response::new(StreamBody::new(frames).boxed_unsync())
            }
            "/tunnel" => {
                if request.method() == http::Method::CONNECT {
                    let mut answer = text("");
                    *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
                    return answer;
                }
                let seat = request.extensions_mut().remove::<Tunnelled>();
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    let _seat = seat;
                    let mut io = TokioIo::new(upgrade.await.unwrap());
                    let mut bytes = [0; 64];
                    while let Ok(n @ 1..) = io.read(&mut bytes).await {
                        io.write_all(&bytes[..n]).await.unwrap();
                    }
                });
                let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
                *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                answer.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
                answer.headers_mut().insert("upgrade", HeaderValue::from_static("echo"));
                answer
            }
            path => text(path.to_owned()),
        }
    }

    fn overloaded(&self) -> Response<Boxed> {
        let mut answer = text("busy");
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        answer
    }
}

/// A running listener.
struct Server {
    echo: Arc<Echo>,
    limits: Limits,
    address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start(settings: Settings) -> Self {
        Self::start_on(settings, &[Endpoint::Tcp("127.0.0.1:0".parse().unwrap())])
    }

    fn start_on(settings: Settings, endpoints: &[Endpoint]) -> Self {
        let bound = bind(endpoints, NonZeroUsize::MIN).unwrap().remove(0);
        let address = bound.addresses()[0];
        let (echo, limits) = (Arc::new(Echo::default()), Limits::new(settings));
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(bound, Arc::clone(&echo), limits.clone(), async {
            let _ = stopped.await;
        }));
        Self { echo, limits, address, stop: Some(stop), served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn calls(&self, n: usize) {
        wait_for(|| self.echo.calls.load(Ordering::SeqCst) >= n).await;
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn stopped(self) {
        timeout(DEADLINE, self.served).await.expect("the drain ends").unwrap().unwrap();
    }
}

async fn wait_for(condition: impl Fn() -> bool) {
    timeout(DEADLINE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("the condition comes true");
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).await.unwrap();
}

async fn get(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> String {
    send(stream, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
    answer(stream).await
}

/// One answer with its body, as its `Content-Length` says.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    timeout(DEADLINE, async {
        let mut seen = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&seen);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.is_none_or(|length| length.parse::<usize>().unwrap() <= body.len()) {
                    return text.into_owned();
                }
            }
            let mut byte = [0];
            if stream.read(&mut byte).await.unwrap() == 0 {
                return String::from_utf8_lossy(&seen).into_owned();
            }
            seen.push(byte[0]);
        }
    })
    .await
    .expect("an answer comes")
}

/// Everything up to the end of the stream, which must come.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the connection ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn requests_share_a_connection_and_learn_their_peer() {
    let server = Server::start(Settings::default());
    let mut client = server.connect().await;
    assert!(get(&mut client, "/one").await.ends_with("/one"));
    let peer = get(&mut client, "/peer").await;
    assert!(peer.contains(&format!("{:?}", client.local_addr().unwrap())), "{peer}");
    send(&mut client, "GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer(&mut client).await.ends_with("/a"));
    assert!(answer(&mut client).await.ends_with("/b"));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_ended_and_told_so() {
    let limit = Duration::from_millis(200);
    let server = Server::start(Settings { header_timeout: limit, ..Settings::default() });
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    let mut second = server.connect().await;
    assert!(get(&mut second, "/one").await.ends_with("/one"));
    let began = std::time::Instant::now();
    send(&mut slow, "GET / HTTP/1.1\r\nhost: ").await;
    send(&mut second, "GET / HTTP/1.1\r\n").await;
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 408 "));
    assert!(began.elapsed() >= limit);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 408 "), "a later head has the same limit");
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test]
async fn a_resting_connection_outlives_the_head_limit_and_not_its_own() {
    let server = Server::start(Settings {
        header_timeout: Duration::from_millis(80),
        keep_alive_timeout: Duration::from_millis(500),
        ..Settings::default()
    });
    let mut client = server.connect().await;
    get(&mut client, "/one").await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(get(&mut client, "/two").await.ends_with("/two"));
    let rested = std::time::Instant::now();
    assert_eq!(rest(&mut client).await, "", "a resting connection ends without a word");
    assert!(rested.elapsed() >= Duration::from_millis(450));
}

#[tokio::test]
async fn a_request_may_take_longer_than_any_head_or_rest() {
    let short = Duration::from_millis(50);
    let server =
        Server::start(Settings { header_timeout: short, keep_alive_timeout: short, ..Settings::default() });
    let mut client = server.connect().await;
    send(&mut client, "GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.calls(1).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    server.echo.go.notify_one();
    assert!(answer(&mut client).await.ends_with("waited"));
}

#[tokio::test]
async fn a_body_that_pauses_too_long_is_the_clients_fault() {
    let server = Server::start(Settings::default());
    let mut client = server.connect().await;
    send(&mut client, "POST /length HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n12").await;
    assert!(answer(&mut client).await.starts_with("HTTP/1.1 408 "));
    let mut client = server.connect().await;
    send(&mut client, "POST /length HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n12345").await;
    assert!(answer(&mut client).await.ends_with("\r\n\r\n5"));
}

#[tokio::test]
async fn a_body_is_read_in_pieces_that_the_buffer_bounds() {
    for (buffer, is_small) in [(8 * 1024, true), (256 * 1024, false)] {
        let settings = Settings { max_buffer_bytes: buffer, max_head_bytes: 8 * 1024, ..Settings::default() };
        let server = Server::start(settings);
        let (mut from, mut to) = server.connect().await.into_split();
        let writing = tokio::spawn(async move {
            to.write_all(b"POST /pieces HTTP/1.1\r\nhost: a\r\ncontent-length: 4000000\r\n\r\n")
                .await
                .unwrap();
            to.write_all(&vec![b'x'; 4_000_000]).await.unwrap();
            to
        });
        let answer = answer(&mut from).await;
        let largest: usize = answer.rsplit("\r\n").next().unwrap().parse().unwrap();
        // hyper reads once more while its buffer is not full.
        assert!(largest <= 2 * buffer && (largest <= 16 * 1024) == is_small, "{buffer}: {largest}");
        drop(writing.await.unwrap());
    }
}

#[tokio::test]
async fn the_connection_cap_lets_n_in_and_answers_the_next() {
    let server = Server::start(Settings {
        max_connections: 2,
        retry_after: Duration::from_secs(7),
        ..Settings::default()
    });
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    get(&mut first, "/1").await;
    get(&mut second, "/2").await;
    assert_eq!(server.limits.open_connections(), 2);
    let mut third = server.connect().await;
    send(&mut third, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let refused = rest(&mut third).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 7\r\n"), "{refused}");
    drop(first);
    wait_for(|| server.limits.open_connections() == 1).await;
    let mut fourth = server.connect().await;
    assert!(get(&mut fourth, "/4").await.ends_with("/4"));
}

#[tokio::test]
async fn the_in_flight_cap_lets_n_in_and_answers_the_next_on_the_same_connection() {
    let server = Server::start(Settings { max_in_flight: 1, ..Settings::default() });
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    send(&mut first, "GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.calls(1).await;
    let busy = get(&mut second, "/2").await;
    assert!(busy.starts_with("HTTP/1.1 503 ") && busy.contains("retry-after: 1\r\n"), "{busy}");
    server.echo.go.notify_one();
    assert!(answer(&mut first).await.ends_with("waited"));
    wait_for(|| server.limits.in_flight() == 0).await;
    assert!(get(&mut second, "/3").await.ends_with("/3"));
}

#[tokio::test]
async fn a_client_that_goes_away_gives_back_what_it_took() {
    let server = Server::start(Settings::default());
    let mut client = server.connect().await;
    send(&mut client, "GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.calls(1).await;
    assert_eq!(server.limits.in_flight(), 1);
    drop(client);
    wait_for(|| server.limits.in_flight() == 0 && server.limits.open_connections() == 0).await;
}

/// A request of exactly `bytes` bytes.
fn head_of(bytes: usize) -> String {
    let empty = "GET / HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n";
    empty.replace("x: ", &format!("x: {}", "y".repeat(bytes - empty.len())))
}

#[tokio::test]
async fn a_head_of_the_limit_passes_and_one_byte_more_is_431() {
    let server = Server::start(Settings::default());
    let mut client = server.connect().await;
    send(&mut client, head_of(64 * 1024)).await;
    assert!(answer(&mut client).await.starts_with("HTTP/1.1 200 "));
    send(&mut client, head_of(64 * 1024 + 1)).await;
    assert!(rest(&mut client).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn as_many_fields_as_the_limit_pass_and_one_more_is_431() {
    for max_headers in [100, 20] {
        let server = Server::start(Settings { max_headers, ..Settings::default() });
        let request = |fields| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(fields));
        let mut client = server.connect().await;
        send(&mut client, request(max_headers)).await;
        assert!(answer(&mut client).await.starts_with("HTTP/1.1 200 "), "{max_headers}");
        send(&mut client, request(max_headers + 1)).await;
        assert!(rest(&mut client).await.starts_with("HTTP/1.1 431 "), "{max_headers}");
    }
}

#[tokio::test]
async fn a_drain_finishes_what_runs_closes_what_rests_and_lets_nobody_in() {
    let mut server = Server::start(Settings::default());
    let (mut resting, mut running) = (server.connect().await, server.connect().await);
    get(&mut resting, "/1").await;
    send(&mut running, "GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.calls(2).await;
    // Two more at the door when the order comes: one has spoken, one has not. This thread is the server's, and
    // it does not run between these lines.
    let at_the_door = |bytes: &[u8]| {
        let mut client = std::net::TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut client, bytes).unwrap();
        client.set_nonblocking(true).unwrap();
        TcpStream::from_std(client).unwrap()
    };
    let mut spoken = at_the_door(b"GET /late HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut silent = at_the_door(b"");
    server.stop();
    assert_eq!(rest(&mut resting).await, "");
    assert_eq!(rest(&mut silent).await, "");
    assert!(rest(&mut spoken).await.ends_with("/late"));
    assert!(!server.served.is_finished());
    assert!(TcpStream::connect(server.address).await.is_err());
    server.echo.go.notify_one();
    let last = rest(&mut running).await;
    assert!(last.ends_with("waited") && last.contains("connection: close"), "{last}");
    server.stopped().await;
}

#[tokio::test]
async fn dropping_serve_at_the_deadline_ends_every_connection() {
    let server = Server::start(Settings::default());
    let mut running = server.connect().await;
    send(&mut running, "GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.calls(1).await;
    server.served.abort();
    assert_eq!(rest(&mut running).await, "");
    wait_for(|| server.limits.open_connections() == 0 && server.limits.in_flight() == 0).await;
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served_beside_http1() {
    let mut server = Server::start(Settings::default());
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let uri = format!("http://{}/h2", server.address);
    let request = || Request::get(&uri).body(Empty::<Bytes>::new()).unwrap();
    let (one, two) = tokio::join!(sender.send_request(request()), sender.clone().send_request(request()));
    assert_eq!(one.unwrap().into_body().collect().await.unwrap().to_bytes(), "/h2");
    assert_eq!(two.unwrap().version(), http::Version::HTTP_2);
    assert!(get(&mut server.connect().await, "/h1").await.ends_with("/h1"));
    server.stop();
    timeout(DEADLINE, connection).await.expect("GOAWAY ends the connection").unwrap().unwrap();
    drop(sender);
    server.stopped().await;
}

#[tokio::test]
async fn first_bytes_that_come_one_by_one_are_still_told_apart() {
    let server = Server::start(Settings::default());
    let mut client = server.connect().await;
    for byte in b"PRIVATE / HTTP/1.1\r\nhost: a\r\n\r\n".chunks(1).take(2) {
        send(&mut client, byte).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // `PR` so far: no decision yet, and none against HTTP/1.
    send(&mut client, "OPFIND / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer(&mut client).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_tunnel_has_no_clock_and_keeps_its_place_under_the_cap_until_its_end() {
    let short = Duration::from_millis(50);
    let mut server =
        Server::start(Settings { header_timeout: short, keep_alive_timeout: short, ..Settings::default() });
    let mut client = server.connect().await;
    send(&mut client, "GET /tunnel HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await;
    assert!(answer(&mut client).await.starts_with("HTTP/1.1 101 "));
    wait_for(|| server.limits.in_flight() == 0).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(server.limits.open_connections(), 1);
    send(&mut client, "ping").await;
    let mut pong = [0; 4];
    client.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"ping");
    server.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!server.served.is_finished(), "a drain waits for tunnels");
    drop(client);
    let limits = server.limits.clone();
    server.stopped().await;
    assert_eq!(limits.open_connections(), 0);
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_the_body_back_and_is_sent_away() {
    let server = Server::start(Settings { write_timeout: Duration::from_millis(400), ..Settings::default() });
    let mut client = server.connect().await;
    send(&mut client, "GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.calls(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let taken = server.echo.flooded.load(Ordering::SeqCst);
    assert!(taken > 0);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.echo.flooded.load(Ordering::SeqCst), taken, "backpressure");
    // The kernel's socket buffers, and a little of ours.
    assert!(taken < 16 * 1024 * 1024, "{taken} bytes taken");
    wait_for(|| server.limits.open_connections() == 0).await;
}

#[tokio::test]
async fn chunked_overrules_a_length_and_the_connection_ends() {
    let server = Server::start(Settings::default());
    for fields in [
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
    ] {
        let mut client = server.connect().await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
        send(&mut client, format!("POST /length HTTP/1.1\r\nhost: a\r\n{fields}\r\n0\r\n\r\n{smuggled}"))
            .await;
        let answers = rest(&mut client).await;
        assert!(answers.starts_with("HTTP/1.1 200 ") && answers.ends_with("\r\n\r\n0"), "{answers}");
    }
    assert_eq!(server.echo.calls.load(Ordering::SeqCst), 2, "nothing was smuggled");
}

#[tokio::test]
async fn malformed_messages_never_reach_the_handler() {
    let server = Server::start(Settings::default());
    let cases = [
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n folded: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\n: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nhost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\nx",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x1\r\n\r\nx",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\nx",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for case in cases {
        let mut client = server.connect().await;
        send(&mut client, case).await;
        client.shutdown().await.unwrap();
        let refused = rest(&mut client).await;
        assert!(refused.starts_with("HTTP/1.1 400 ") || refused.is_empty(), "{case:?}: {refused:?}");
    }
    assert_eq!(server.echo.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_unix_socket_serves_beside_tcp_and_names_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.sock");
    let endpoints = [Endpoint::Unix(path.clone()), Endpoint::Tcp("[::1]:0".parse().unwrap())];
    let mut server = Server::start_on(Settings::default(), &endpoints);
    let uid = rustix::process::getuid().as_raw();
    let mut client = UnixStream::connect(&path).await.unwrap();
    let peer = get(&mut client, "/peer").await;
    assert!(peer.ends_with(&format!("Unix {{ uid: {uid}, door: Door(0) }}")), "{peer}");
    assert!(get(&mut server.connect().await, "/peer").await.contains("Tcp { client: [::1]:"));
    server.stop();
    assert_eq!(rest(&mut client).await, "");
    server.stopped().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn workers_share_a_port_and_their_caps() {
    let endpoint = Endpoint::Tcp("127.0.0.1:0".parse().unwrap());
    let limits = Limits::new(Settings { max_connections: 8, ..Settings::default() });
    let bound = bind(&[endpoint], NonZeroUsize::new(2).unwrap()).unwrap();
    let address = bound[0].addresses()[0];
    for worker in bound {
        tokio::spawn(serve(worker, Arc::new(Echo::default()), limits.clone(), std::future::pending()));
    }
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = TcpStream::connect(address).await.unwrap();
        assert!(get(&mut client, "/x").await.ends_with("/x"));
        clients.push(client);
    }
    assert_eq!(limits.open_connections(), 8);
    let refused = rest(&mut TcpStream::connect(address).await.unwrap()).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
}

/// tokio's registration and the control block come on top, some 500 bytes.
#[tokio::test]
async fn a_connections_task_stays_small() {
    let bound = bind(&[Endpoint::Tcp("127.0.0.1:0".parse().unwrap())], NonZeroUsize::MIN).unwrap().remove(0);
    let address = bound.addresses()[0];
    let listener = match bound.sockets.into_iter().next() {
        Some((super::bind::Listening::Tcp(listener), _)) => {
            tokio::net::TcpListener::from_std(listener).unwrap()
        }
        _ => panic!("not a TCP socket"),
    };
    let (_client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let limits = Limits::new(Settings::default());
    let register = super::control::Register::new(&limits.settings);
    let presence = register.enter(limits.enter_connection().unwrap());
    let worker = Arc::new(super::connection::Worker::new(Arc::new(Echo::default()), limits, None));
    let stream = super::socket::Stream::Tcp(accepted.unwrap().0);
    let run = super::connection::run(worker, stream, Peer::Unix { uid: 0, door: Door(0) }, presence);
    let bytes = size_of_val(&run);
    assert!(bytes <= 3072, "{bytes} bytes");
}
