//! Long uploads of known length, which go from the client's connection to the portal's without a task between them.

use std::time::Duration;

use portunus::splice::WORTHWHILE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{status, values};
use crate::plain_world::{PATIENCE, Plain, Stage};
use crate::world::{World, WorldOptions};

/// More than what the kernel keeps between two of them.
const LONG: usize = 24 << 20;
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| n as u8 ^ (n >> 8) as u8 ^ (n >> 16) as u8).collect()
}

/// A request's head, and its content of this length.
async fn request(stream: &mut TcpStream, length: usize) -> (String, Vec<u8>) {
    let mut seen = Vec::new();
    let mut body = loop {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "{:?}", String::from_utf8_lossy(&seen));
        if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            break seen.split_off(end + 4);
        }
    };
    let begun = body.len();
    body.resize(length, 0);
    stream.read_exact(&mut body[begun..]).await.unwrap();
    (String::from_utf8(seen).unwrap(), body)
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it ends in time")
}

#[tokio::test]
async fn it_arrives_as_it_is_and_both_connections_go_on() {
    for length in [WORTHWHILE as usize + 16 * 1024, LONG] {
        let mut stage = Stage::open().await;
        let proxy = Plain::before(stage.address).start().await;
        let mut raw = proxy.connect().await;
        let sent = content(length);
        let portal = async {
            let mut upstream = stage.next().await;
            let (head, body) = request(&mut upstream, length).await;
            assert_eq!(values(&head, "content-length"), [length.to_string()]);
            assert!(values(&head, "transfer-encoding").is_empty());
            assert!(body == sent, "it came through unchanged");
            upstream.write_all(OK).await.unwrap();
            let (head, _) = request(&mut upstream, 0).await;
            assert!(head.starts_with("GET /next "), "on the same connection: {head}");
            upstream.write_all(OK).await.unwrap();
        };
        let client = async {
            raw.head(&format!("PUT /long\r\nContent-Length: {length}")).await;
            raw.send(&sent).await;
            let answer = raw.until("\r\n\r\nok").await;
            assert_eq!(status(&answer), 200, "{answer}");
            assert!(values(&answer, "connection").is_empty(), "{answer}");
            raw.head("GET /next").await;
            assert_eq!(status(&raw.until("\r\n\r\nok").await), 200);
        };
        in_time(async { tokio::join!(portal, client) }).await;
        drop(raw);
        assert!(proxy.stop().await);
    }
}

#[tokio::test]
async fn a_portal_that_refuses_it_early_is_heard_by_a_client_that_writes_on() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    let portal = async {
        let mut upstream = stage.next().await;
        request(&mut upstream, 100_000).await;
        let refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\nno room";
        upstream.write_all(refusal).await.unwrap();
        // Closed with bytes unread: what it says by that is a reset.
    };
    let client = async {
        raw.head(&format!("POST /long\r\nContent-Length: {LONG}")).await;
        raw.send(&content(LONG)).await;
        let answer = raw.rest().await;
        assert_eq!(status(&answer), 413, "{answer}");
        assert!(answer.ends_with("no room"), "{answer}");
        assert_eq!(values(&answer, "connection"), ["close"]);
    };
    in_time(async { tokio::join!(portal, client) }).await;
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn an_answer_that_begins_early_keeps_neither_side_waiting() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    let portal = async {
        let mut upstream = stage.next().await;
        let (_, mut begun) = request(&mut upstream, 50_000).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n");
        upstream.write_all(head.as_bytes()).await.unwrap();
        // It sends back what it gets, as it gets it; whoever does not read stops it.
        let mut echoed = 0;
        let (mut read, mut write) = upstream.split();
        let (mut piece, mut at) = (vec![0; 64 * 1024], 0);
        while echoed < LONG {
            tokio::select! {
                n = read.read(&mut piece), if begun.len() < LONG => {
                    begun.extend_from_slice(&piece[..n.unwrap()]);
                }
                n = write.write(&begun[at..]), if at < begun.len() => {
                    at += n.unwrap();
                    echoed = at;
                }
            }
        }
    };
    // It reads nothing until it has sent all.
    let client = async {
        raw.head(&format!("POST /long\r\nContent-Length: {LONG}")).await;
        let sent = content(LONG);
        raw.stream.write_all(&sent).await.unwrap();
        let mut got = Vec::new();
        raw.stream.read_to_end(&mut got).await.unwrap();
        let body = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert!(got[body..] == sent, "{} bytes", got.len() - body);
    };
    in_time(async { tokio::join!(portal, client) }).await;
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_ends_it_at_the_portal() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    raw.head(&format!("POST /long\r\nContent-Length: {LONG}")).await;
    raw.send(&content(100_000)).await;
    let mut upstream = stage.next().await;
    request(&mut upstream, 100_000).await;
    drop(raw);
    let rest = in_time(upstream.read(&mut [0; 1])).await;
    assert!(!matches!(rest, Ok(1..)), "{rest:?}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_client_that_leaves_while_the_answer_is_waited_for_ends_that() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    let length = WORTHWHILE as usize + 16 * 1024;
    raw.head(&format!("POST /long\r\nContent-Length: {length}")).await;
    let sent = content(length);
    let mut upstream = stage.next().await;
    tokio::join!(raw.send(&sent), request(&mut upstream, length));
    drop(raw);
    let rest = in_time(upstream.read(&mut [0; 1])).await;
    assert!(!matches!(rest, Ok(1..)), "{rest:?}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_portal_that_takes_no_more_of_it_is_a_504() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).with("upstream", "body_idle_timeout = \"300ms\"").start().await;
    let (mut raw, sent) = (proxy.connect().await, content(LONG));
    let sending = async {
        raw.head(&format!("POST /long\r\nContent-Length: {LONG}")).await;
        raw.send(&sent).await;
        raw.rest().await
    };
    let (answer, _kept) = in_time(async { tokio::join!(sending, stage.next()) }).await;
    assert_eq!(status(&answer), 504, "{answer}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn where_the_portal_is_gone_the_client_is_told_although_it_writes_on() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    let sending = async {
        raw.head(&format!("POST /long\r\nContent-Length: {LONG}")).await;
        raw.send(&content(LONG)).await;
        raw.rest().await
    };
    let portal = async {
        let mut upstream = stage.next().await;
        request(&mut upstream, 1000).await;
    };
    let (answer, ()) = in_time(async { tokio::join!(sending, portal) }).await;
    assert_eq!(status(&answer), 502, "{answer}");
    assert!(answer.contains("portal-connection-broken"), "{answer}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn over_tls_and_to_http2_it_passes_in_the_same_pieces() {
    for (tls, http2) in [(false, "false"), (true, "false"), (true, "true")] {
        let world = World::start(WorldOptions::default().tls(tls).set("upstream.http2", http2)).await;
        world.profile().await.expect(200);
        let sent = content(3 << 20);
        let mut stream = TcpStream::connect(world.client.address()).await.unwrap();
        let (path, host) = (world.path("upload"), world.client.host().to_owned());
        let head = format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", sent.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&sent).await.unwrap();
        let answer = crate::plain_world::read_until(&mut stream, "sha256").await;
        assert_eq!(status(&answer), 200, "{answer}");
        let digest = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(&sent));
        assert!(answer.contains(&digest), "tls: {tls}, http2: {http2}: {answer}");
        drop(stream);
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_refused_bearer_is_its_answer_and_the_next_upload_has_a_good_one() {
    let world = World::start(WorldOptions::default().tls(false)).await;
    world.profile().await.expect(200);
    world.sim.expire_access_tokens();
    let sent = content(1 << 20);
    for expected in [401, 200] {
        let mut stream = TcpStream::connect(world.client.address()).await.unwrap();
        let (path, host) = (world.path("upload"), world.client.host().to_owned());
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            sent.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(&sent).await;
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(status(&answer), expected, "{answer}");
    }
    assert_eq!(world.sim.counters().refreshed, 1);
    assert!(world.stop().await);
}
