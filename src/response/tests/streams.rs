//! Bodies that stream, and upgrades: a real client, a hyper server that forwards, a fake portal.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::*;
use crate::inflow::Inflow;
use crate::route::HeaderPolicy;
use crate::upstream::fake::*;
use crate::upstream::{OutBody, Outgoing, Upstream, UpstreamError};

/// The least proxy: what it failed with is told.
async fn proxy(upstream: Upstream) -> (SocketAddr, mpsc::UnboundedReceiver<UpstreamError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (failed, failures) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (upstream, failed) = (upstream.clone(), failed.clone());
            let service = service_fn(move |request| forward(upstream.clone(), failed.clone(), request));
            let serve = hyper::server::conn::http1::Builder::new()
                .half_close(false)
                .writev(false)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::spawn(async move {
                let _ = serve.await;
            });
        }
    });
    (address, failures)
}

async fn forward(
    upstream: Upstream,
    failed: mpsc::UnboundedSender<UpstreamError>,
    mut request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<Body>, hyper::Error> {
    let client = hyper::upgrade::on(&mut request);
    let responder = Responder::new(upstream.base().clone(), Cookies::Pass, HeaderPolicy::default());
    let (mut parts, body) = request.into_parts();
    let caller = Caller::of(&mut parts);
    let wants_upgrade = parts.headers.remove("upgrade").is_some();
    parts.headers.remove("connection");
    let outgoing = if wants_upgrade {
        Outgoing::upgrade(parts, None, &injected())
    } else {
        Outgoing::plain(parts, OutBody::Streamed(Inflow::ByHyper(body)), None, &injected())
    };
    Ok(match upstream.send(outgoing).await {
        Ok(reply) if reply.status() == 101 => {
            let (answer, portal) = switch(&responder, reply, &caller).unwrap();
            tokio::spawn(tunnel(client, portal));
            answer
        }
        Ok(reply) => responder.plain(reply, &caller),
        Err(e) => {
            let problem = ProxyError::from(e);
            let answer = problem.respond(&caller);
            if let ProxyError::Upstream(e) = problem {
                let _ = failed.send(e);
            }
            answer
        }
    })
}

async fn client(address: SocketAddr, say: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(say.as_bytes()).await.unwrap();
    stream
}

/// Reads until `end` has come.
async fn heard(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    within(async {
        while !String::from_utf8_lossy(&text).contains(end) {
            let n = stream.read_buf(&mut text).await.unwrap();
            assert!(n > 0, "ended early: {}", String::from_utf8_lossy(&text));
        }
    })
    .await;
    String::from_utf8(text).unwrap()
}

/// Reads a chunked body to its end, framing and all.
async fn chunked(peer: &mut Peer) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"0\r\n\r\n") {
        text.push(peer.stream.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_body_of_unknown_length_streams_whatever_the_method_and_without_trailers() {
    for method in ["GET", "POST"] {
        let fake = Fake::start(|mut peer, _| async move {
            let head = peer.head().await.unwrap();
            assert_eq!(lines(&head, "transfer-encoding"), ["chunked"]);
            assert!(lines(&head, "content-length").is_empty() && lines(&head, "trailer").is_empty());
            let body = chunked(&mut peer).await;
            assert_eq!(body, "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
            peer.say(OK).await;
            peer.gone().await;
        })
        .await;
        let (address, _) = proxy(fake.upstream()).await;
        let request = format!(
            "{method} / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntrailer: x-client-hash\r\n\r\n3\r\none\r\n"
        );
        let mut stream = client(address, &request).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(b"3\r\ntwo\r\n0\r\nx-client-hash: forged\r\n\r\n").await.unwrap();
        heard(&mut stream, "\r\n\r\nok").await;
    }
}

#[tokio::test]
async fn a_body_of_known_length_keeps_it_and_its_connection_is_reused() {
    let fake = Fake::start(|mut peer, _| async move {
        while let Some(head) = peer.head().await {
            assert_eq!(lines(&head, "content-length"), ["5"]);
            peer.say(OK).await;
        }
    })
    .await;
    let (address, _) = proxy(fake.upstream()).await;
    for _ in 0..3 {
        let mut stream = client(address, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12345").await;
        heard(&mut stream, "\r\n\r\nok").await;
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn the_head_is_due_from_the_end_of_an_upload_and_not_before() {
    let fake = Fake::start(|mut peer, _| async move {
        peer.head().await;
        peer.gone().await;
    })
    .await;
    let upstream = fake.upstream_with(|s| s.head_timeout = Duration::from_millis(50));
    let (address, mut failures) = proxy(upstream).await;
    let mut stream =
        client(address, "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(failures.try_recv().is_err(), "the upload is not over");
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(matches!(within(failures.recv()).await.unwrap(), UpstreamError::HeadTimeout(_)));
    assert!(heard(&mut stream, "portal-timeout").await.starts_with("HTTP/1.1 504"));
}

#[tokio::test]
async fn a_client_that_stands_still_in_its_upload_is_told_from_a_portal_that_does() {
    let (gone, mut seen) = mpsc::unbounded_channel();
    let fake = Fake::start(move |mut peer, _| {
        let gone = gone.clone();
        async move {
            peer.stream.read_u8().await.unwrap();
            peer.gone().await;
            gone.send(()).unwrap();
        }
    })
    .await;
    let upstream = fake.upstream_with(|s| s.body_idle_timeout = Duration::from_millis(60));
    let (address, mut failures) = proxy(upstream).await;
    let mut stream = client(address, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345").await;
    assert!(matches!(within(failures.recv()).await.unwrap(), UpstreamError::ClientStalled(_)));
    assert!(heard(&mut stream, "client-body-timeout").await.starts_with("HTTP/1.1 408"));
    within(seen.recv()).await.unwrap();

    // The portal takes the head and reads no further.
    let full = Fake::start(|peer, _| async move {
        let _held = peer;
        std::future::pending::<()>().await;
    })
    .await;
    let upstream = full.upstream_with(|s| s.body_idle_timeout = Duration::from_millis(60));
    let (address, mut failures) = proxy(upstream).await;
    let mut stream = client(address, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n").await;
    let (mut reader, mut writer) = stream.split();
    let pour = async {
        let block = [0; 65536];
        while writer.write_all(&block).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let failure = within(async {
        tokio::select! { f = failures.recv() => f.unwrap(), () = pour => unreachable!() }
    })
    .await;
    assert!(matches!(failure, UpstreamError::UploadStalled(_)), "{failure:?}");
    let mut told = vec![0; 12];
    within(reader.read_exact(&mut told)).await.unwrap();
    assert_eq!(told, b"HTTP/1.1 504");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_request_at_the_portal() {
    for request in
        ["POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"]
    {
        let (gone, mut seen) = mpsc::unbounded_channel();
        let fake = Fake::start(move |mut peer, _| {
            let gone = gone.clone();
            async move {
                peer.stream.read_u8().await.unwrap();
                gone.send("begun").unwrap();
                peer.gone().await;
                gone.send("gone").unwrap();
            }
        })
        .await;
        let upstream = fake.upstream();
        let (address, _failures) = proxy(upstream.clone()).await;
        let stream = client(address, request).await;
        assert_eq!(within(seen.recv()).await, Some("begun"));
        drop(stream);
        assert_eq!(within(seen.recv()).await, Some("gone"), "{request}");
        assert_eq!(upstream.idle(), 0);
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_reaches_the_client_and_spends_the_connection() {
    let (gone, mut seen) = mpsc::unbounded_channel();
    let fake = Fake::start(move |mut peer, _| {
        let gone = gone.clone();
        async move {
            let mut byte = [0];
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                peer.stream.read_exact(&mut byte).await.unwrap();
                head.push(byte[0]);
            }
            peer.say("HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig").await;
            peer.gone().await;
            gone.send(()).unwrap();
        }
    })
    .await;
    let upstream = fake.upstream();
    let (address, _failures) = proxy(upstream.clone()).await;
    let mut stream =
        client(address, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n12345").await;
    assert!(heard(&mut stream, "big").await.starts_with("HTTP/1.1 413"));
    assert_eq!(upstream.idle(), 0);
    within(seen.recv()).await.unwrap(); // although the client has neither ended its upload nor gone away
}

#[tokio::test]
async fn the_answer_to_head_keeps_its_length_and_has_no_body() {
    let fake = Fake::answering("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n").await;
    let (address, _failures) = proxy(fake.upstream()).await;
    let mut stream = client(address, "HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = heard(&mut stream, "\r\n\r\n").await;
    assert!(answer.contains("content-length: 1234\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_large_answer_streams_through_unchanged() {
    const SIZE: usize = 4 * 1024 * 1024;
    let fake = Fake::start(|mut peer, _| async move {
        peer.head().await;
        peer.say(&format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n")).await;
        for i in 0..SIZE / 4096 {
            peer.stream.write_all(&[u8::try_from(i % 251).unwrap(); 4096]).await.unwrap();
        }
        peer.gone().await;
    })
    .await;
    let (address, _failures) = proxy(fake.upstream()).await;
    let mut stream = client(address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let mut all = Vec::new();
    within(stream.read_to_end(&mut all)).await.unwrap();
    let body = &all[all.len() - SIZE..];
    assert!(body.chunks(4096).enumerate().all(|(i, c)| c.iter().all(|b| usize::from(*b) == i % 251)));
}

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[tokio::test]
async fn a_websocket_becomes_a_tunnel_both_ways_and_ends_with_either_side() {
    let (gone, mut seen) = mpsc::unbounded_channel();
    let fake = Fake::start(move |mut peer, _| {
        let gone = gone.clone();
        async move {
            let head = peer.head().await.unwrap();
            assert_eq!(lines(&head, "upgrade"), ["websocket"]);
            assert_eq!(lines(&head, "connection"), ["Upgrade"]);
            assert_eq!(lines(&head, "x-portal-access-code").len(), 1);
            peer.say(SWITCHED).await;
            peer.say("first bytes").await;
            let mut bytes = [0; 4];
            peer.stream.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"ping");
            peer.say("pong").await;
            peer.gone().await;
            gone.send(()).unwrap();
        }
    })
    .await;
    let upstream = fake.upstream();
    let (address, _failures) = proxy(upstream.clone()).await;
    let mut stream = client(address, HANDSHAKE).await;
    let answer = heard(&mut stream, "first bytes").await;
    assert!(answer.starts_with("HTTP/1.1 101") && answer.contains("upgrade: websocket\r\n"), "{answer}");
    stream.write_all(b"ping").await.unwrap();
    heard(&mut stream, "pong").await;
    drop(stream);
    within(seen.recv()).await.unwrap();
    assert_eq!(upstream.idle(), 0);
}

#[tokio::test]
async fn a_refused_or_wrong_switch_is_no_tunnel_and_its_connection_serves_nothing_else() {
    for (answer, status) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", "HTTP/1.1 403"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "HTTP/1.1 200"),
        ("HTTP/1.1 101 X\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n", "HTTP/1.1 502"),
        ("HTTP/1.1 101 X\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n", "HTTP/1.1 502"),
    ] {
        let fake = Fake::start(move |mut peer, _| async move {
            peer.head().await;
            peer.say(answer).await;
            peer.gone().await;
        })
        .await;
        let upstream = fake.upstream();
        let (address, _failures) = proxy(upstream.clone()).await;
        let mut stream = client(address, HANDSHAKE).await;
        assert!(heard(&mut stream, "\r\n\r\n").await.starts_with(status), "{answer}");
        assert_eq!(upstream.idle(), 0);
    }
}
