//! Bodies of any size pass in constant memory, events one by one, WebSockets both ways; and the drain.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::world::{PATIENCE, World, WorldOptions, until};

const MIB: usize = 1 << 20;
const LARGE: usize = 64 * MIB;

/// This process's resident memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn a_large_download_streams_whole_and_in_constant_memory() {
    let world = World::start(WorldOptions::default().tls(false)).await;
    world.profile().await.expect(200);
    let (before, mut most) = (resident(), 0);
    let mut connection = world.client.connect().await;
    let path = world.path(&format!("download?bytes={LARGE}"));
    let response = connection.open(Method::GET, &path, &[], "").await;
    assert_eq!(response.headers()["content-length"], LARGE.to_string());
    let (mut body, mut length) = (response.into_body(), 0_usize);
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(
            data.iter().enumerate().step_by(509).all(|(at, byte)| usize::from(*byte) == (length + at) % 251)
        );
        length += data.len();
        most = most.max(resident());
    }
    assert_eq!(length, LARGE);
    assert!(most.saturating_sub(before) < LARGE / 3, "{} MiB more", most.saturating_sub(before) / MIB);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_large_upload_streams_whole_and_in_constant_memory() {
    let world = World::start(WorldOptions::default().tls(false)).await;
    world.profile().await.expect(200);
    let before = resident();
    let chunk = Bytes::from_iter((0..MIB).map(|n| (n % 253) as u8));
    let mut digest = Sha256::new();
    (0..LARGE / MIB).for_each(|_| digest.update(&chunk));
    let chunks = futures_util::stream::iter(
        (0..LARGE / MIB).map(move |_| Ok::<_, Infallible>(Frame::data(chunk.clone()))),
    );

    let stream = TcpStream::connect(world.client.address()).await.unwrap();
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    let request = Request::put(world.path("upload"))
        .header("host", world.client.host())
        .body(StreamBody::new(chunks))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let answer: serde_json::Value =
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(answer["data"]["bytes"], LARGE);
    assert_eq!(answer["data"]["sha256"], data_encoding::HEXLOWER.encode(&digest.finalize()));
    let more = resident().saturating_sub(before);
    assert!(more < LARGE / 3, "{} MiB more", more / MIB);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_portal_back() {
    let world = World::usual().await;
    world.profile().await.expect(200);
    let before = resident();
    let mut connection = world.client.connect().await;
    let path = world.path(&format!("download?bytes={}", 4 * LARGE));
    let response = connection.open(Method::GET, &path, &[], "").await;
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(!first.is_empty());
    // Another client is served meanwhile, so time enough has passed for buffers without a bound to fill.
    for _ in 0..100 {
        world.profile().await.expect(200);
    }
    let more = resident().saturating_sub(before);
    assert!(more < LARGE / 2, "{} MiB wait for a client that reads nothing", more / MIB);
    drop((body, connection));
    assert!(world.stop().await);
}

#[tokio::test]
async fn events_arrive_one_by_one_as_they_are_sent() {
    let world = World::usual().await;
    let mut connection = world.client.connect().await;
    let path = world.path("events?count=4&interval_ms=150");
    let response = connection.open(Method::GET, &path, &[("accept", "text/event-stream")], "").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut body, mut arrivals, mut text) = (response.into_body(), Vec::new(), String::new());
    while let Some(frame) = body.frame().await {
        text += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
        arrivals.push(Instant::now());
    }
    assert_eq!(text.matches("event: tick").count(), 4);
    assert_eq!(arrivals.len(), 4, "each in a frame of its own: {text}");
    assert!(arrivals[3] - arrivals[0] > Duration::from_millis(300), "not all at the end");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_websocket_speaks_both_ways() {
    let world = World::usual().await;
    let stream = TcpStream::connect(world.client.address()).await.unwrap();
    let url = format!("ws://{}{}", world.client.host(), world.path("ws"));
    let (mut socket, handshake) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    assert_eq!(handshake.status(), 101);
    for n in 0..20 {
        let message = Message::text(format!("message {n}"));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    let large = Message::binary(vec![7_u8; 3 * MIB]);
    socket.send(large.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), large);
    farewell(socket).await;
    let wire = world.wire("/ws").pop().unwrap();
    assert!(wire.header("authorization").is_some_and(|bearer| bearer.starts_with("Bearer ")));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_websocket_with_an_expired_bearer_is_opened_with_a_new_one() {
    let world = World::usual().await;
    world.profile().await.expect(200);
    world.sim.expire_access_tokens();
    let stream = TcpStream::connect(world.client.address()).await.unwrap();
    let url = format!("ws://{}{}", world.client.host(), world.path("ws"));
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
    assert_eq!(world.sim.counters().refreshed, 1);
    farewell(socket).await;
    assert!(world.stop().await);
}

/// The closing handshake, both halves.
async fn farewell(mut socket: tokio_tungstenite::WebSocketStream<TcpStream>) {
    socket.close(None).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        assert!(message.is_close(), "{message:?}");
    }
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_takes_nothing_new() {
    let world = World::usual().await;
    world.profile().await.expect(200);
    let (client, path) = (world.client.clone(), world.path("slow?ms=700"));
    let running = tokio::spawn(async move { client.get(&path).await });
    let sim = world.sim.clone();
    until("the slow request is at the portal", || sim.counters().at("slow") == 1).await;
    let (client, address) = (world.client.clone(), world.client.address());
    let stopping = tokio::spawn(world.stop());
    let refused = tokio::time::timeout(PATIENCE, async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    refused.await.expect("nothing new is taken");
    assert_eq!(running.await.unwrap().status, 200, "what runs is finished");
    assert!(stopping.await.unwrap(), "everything was drained");
    drop(client);
}

#[tokio::test]
async fn a_stop_ends_at_its_deadline_whatever_runs() {
    let world = World::start(WorldOptions::default().set("limits.drain", "\"300ms\"")).await;
    world.profile().await.expect(200);
    let (client, path) = (world.client.clone(), world.path("slow?ms=60000"));
    let running = tokio::spawn(async move {
        let mut connection = client.connect().await;
        // It breaks off; how is not said here.
        connection.try_send(Method::GET, &path).await
    });
    let sim = world.sim.clone();
    until("the slow request is at the portal", || sim.counters().at("slow") == 1).await;
    let begun = Instant::now();
    assert!(!world.stop().await, "not everything was finished");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(!running.await.unwrap().is_ok_and(|status| status == 200));
}
