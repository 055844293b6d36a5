//! What outlives the bearer that it was asked for with: events, WebSockets, long downloads, under either policy.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use portunus::telemetry::Count;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::world::{PATIENCE, World, WorldOptions, until};

/// More than the buffers between the portal and a client that does not read.
const LONG: usize = 48 << 20;

/// A portal whose bearers live for a second, and an account that needs no code.
async fn world(options: WorldOptions) -> World {
    let options = options.account("plain@example.com");
    let world =
        World::start(options.sim(|sim| sim.lifetimes.access = Duration::from_secs(1)).tls(false)).await;
    world.profile().await.expect(200);
    world
}

fn closing() -> WorldOptions {
    WorldOptions::default().set("session.at_expiry", "\"close\"")
}

/// Until a bearer of this moment has been renewed twice, and so has ended.
async fn bearer_ends(world: &World) {
    let (sim, before) = (world.sim.clone(), world.sim.counters().refreshed);
    until("the bearer was renewed twice", || sim.counters().refreshed >= before + 2).await;
}

fn closed(world: &World) -> u64 {
    world.proxy.totals().get(Count::ClosedAtExpiry)
}

async fn events(world: &World, count: usize) -> Incoming {
    let path = world.path(&format!("events?count={count}&interval_ms=50"));
    let headers = [("accept", "text/event-stream")];
    let response = world.client.connect().await.open(Method::GET, &path, &headers, "").await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

async fn download(world: &World) -> Incoming {
    let path = world.path(&format!("download?bytes={LONG}"));
    let response = world.client.connect().await.open(Method::GET, &path, &[], "").await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// The rest of a body, and whether it broke off.
async fn rest(mut body: Incoming) -> (Vec<u8>, bool) {
    let mut whole = Vec::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => whole.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => return true,
            }
        }
        false
    };
    let broke = tokio::time::timeout(PATIENCE * 2, reading).await.expect("a body ends or breaks off");
    (whole, broke)
}

async fn socket(world: &World) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(world.client.address()).await.unwrap();
    let url = format!("ws://{}{}", world.client.host(), world.path("ws"));
    tokio_tungstenite::client_async(url, stream).await.unwrap().0
}

/// Whether the portal's end of a WebSocket still answers.
async fn answers(socket: &mut WebSocketStream<TcpStream>) -> bool {
    let message = Message::text("are you there?");
    socket.send(message.clone()).await.is_ok()
        && matches!(socket.next().await, Some(Ok(answer)) if answer == message)
}

#[tokio::test]
async fn events_go_on_when_their_bearer_ends() {
    let world = world(WorldOptions::default()).await;
    let body = events(&world, 50).await;
    let (reading, ()) = tokio::join!(rest(body), bearer_ends(&world));
    let (text, broke) = reading;
    assert_eq!(String::from_utf8(text).unwrap().matches("event: tick").count(), 50);
    assert!(!broke && closed(&world) == 0);
    assert!(world.stop().await);
}

#[tokio::test]
async fn events_break_off_when_their_bearer_ends_where_that_is_the_policy() {
    let world = world(closing()).await;
    let (text, broke) = rest(events(&world, 400).await).await;
    let count = String::from_utf8(text).unwrap().matches("event: tick").count();
    assert!(broke && (1..400).contains(&count), "{count}");
    assert_eq!(closed(&world), 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_long_download_goes_on_when_its_bearer_ends() {
    let world = world(WorldOptions::default()).await;
    let body = download(&world).await;
    bearer_ends(&world).await;
    let (bytes, broke) = rest(body).await;
    assert!(!broke && bytes.len() == LONG && closed(&world) == 0, "{} bytes", bytes.len());
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_long_download_breaks_off_when_its_bearer_ends_where_that_is_the_policy() {
    let world = world(closing()).await;
    let body = download(&world).await;
    bearer_ends(&world).await;
    let (bytes, broke) = rest(body).await;
    assert!(broke && bytes.len() < LONG, "{} bytes", bytes.len());
    assert_eq!(closed(&world), 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_websocket_goes_on_when_its_bearer_ends() {
    let world = world(WorldOptions::default()).await;
    let mut socket = socket(&world).await;
    assert!(answers(&mut socket).await);
    bearer_ends(&world).await;
    assert!(answers(&mut socket).await && closed(&world) == 0);
    drop(socket);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_websocket_breaks_off_when_its_bearer_ends_where_that_is_the_policy() {
    let world = world(closing()).await;
    let mut socket = socket(&world).await;
    assert!(answers(&mut socket).await);
    let said = tokio::time::timeout(PATIENCE, socket.next()).await.expect("it breaks off");
    assert!(!matches!(said, Some(Ok(_))), "{said:?}");
    assert_eq!(closed(&world), 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_route_has_a_policy_of_its_own() {
    let exempt = "path = \"/web/v1/tenant/events\"\nat_expiry = \"let-run\"";
    let world = world(closing().route(exempt)).await;
    let mut socket = socket(&world).await;
    let (text, broke) = rest(events(&world, 50).await).await;
    assert_eq!(String::from_utf8(text).unwrap().matches("event: tick").count(), 50);
    assert!(!broke, "the route's policy");
    assert!(!answers(&mut socket).await, "the policy of all others");
    assert_eq!(closed(&world), 1);
    assert!(world.stop().await);
}
