//! Which requests are sent again, route by route, and how much is held for it.

use std::time::Duration;

use http::Method;
use portal_sim::Fault;
use portunus::telemetry::Count;

use crate::world::{Answer, World, WorldOptions, until};

const KIB: usize = 1024;

/// A world in which `echo` has this replay policy.
async fn world(policy: &str) -> World {
    let route = format!("path = \"/web/v1/tenant/echo/*\"\nreplay = \"{policy}\"");
    let world = World::start(WorldOptions::default().account("plain@example.com").route(&route)).await;
    world.profile().await.expect(200);
    world
}

async fn echo(world: &World, method: Method) -> Answer {
    let body = if method == Method::GET { "" } else { "{}" };
    let headers = [("content-type", "application/json")];
    world.client.send(method, &world.path("echo"), &headers, body).await
}

fn replays(world: &World) -> u64 {
    world.proxy.totals().get(Count::ReplayedBearer)
}

#[tokio::test]
async fn after_a_refused_bearer_each_policy_sends_again_what_it_allows() {
    for (policy, get, post) in [("never", 401, 401), ("idempotent", 200, 401), ("buffered", 200, 200)] {
        let world = world(policy).await;
        for (method, status) in [(Method::GET, get), (Method::POST, post)] {
            let before = replays(&world);
            world.sim.expire_access_tokens();
            echo(&world, method.clone()).await.expect(status);
            assert_eq!(replays(&world) - before, u64::from(status == 200), "{policy} {method}");
            // Whatever became of this one, the next finds a good bearer.
            echo(&world, method).await.expect(200);
        }
        assert!(world.sim.counters().repeated.is_empty());
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn after_a_lost_answer_what_is_idempotent_is_sent_again_unless_the_policy_is_never() {
    for (policy, get) in [("never", 502), ("idempotent", 200), ("buffered", 200)] {
        let world = world(policy).await;
        world.sim.next_on("/echo", Fault::ResetConnection { processed: true });
        echo(&world, Method::GET).await.expect(get);
        world.sim.clear_faults();
        world.sim.next_on("/echo", Fault::ResetConnection { processed: true });
        echo(&world, Method::POST).await.problem(502, "portal-connection-broken");
        let times = if get == 200 { 3 } else { 2 };
        assert_eq!(world.sim.counters().at("echo"), times, "{policy}");
        assert!(world.stop().await);
    }
}

/// 64 KiB may be held, of which a slow request holds so many.
async fn nearly_full(kib: usize) -> (World, tokio::task::JoinHandle<Answer>) {
    let options = WorldOptions::default()
        .account("plain@example.com")
        .set("limits.held_bytes", "\"64KiB\"")
        .set("limits.replay_body", "\"64KiB\"")
        .set("limits.sealed_body", "\"16KiB\"")
        .set("limits.sealed_answer", "\"16KiB\"")
        .route("path = \"/web/v1/tenant/transfer\"\nprotect = \"sealed\"");
    let world = World::start(options).await;
    world.profile().await.expect(200);
    let (client, path) = (world.client.clone(), world.path("slow?ms=1500"));
    let slow =
        tokio::spawn(async move { client.send(Method::POST, &path, &[], "x".repeat(kib * KIB)).await });
    let sim = world.sim.clone();
    until("the slow request is at the portal", || sim.counters().arrived.contains_key("slow")).await;
    assert_eq!(held(&world).await, kib * KIB);
    (world, slow)
}

async fn held(world: &World) -> usize {
    let report = world.admin().status().await.unwrap();
    assert_eq!(report.held.limit, 64 * KIB);
    report.held.bytes
}

/// An answer has been read a moment before the proxy knows that it was.
async fn all_is_free(world: &World) {
    for _ in 0..100 {
        if held(world).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} bytes are held for nobody", held(world).await);
}

async fn transfer(world: &World, id: &str, bytes: usize) -> Answer {
    let body = format!("{{\"note\":\"{}\"}}", "x".repeat(bytes - 11));
    let headers = [("content-type", "application/json"), ("x-request-id", id)];
    world.client.send(Method::POST, &world.path("transfer"), &headers, body).await
}

#[tokio::test]
async fn a_body_for_which_there_is_no_room_streams_and_is_not_sent_again() {
    let (world, slow) = nearly_full(60).await;
    let put = async |bytes: usize| {
        let body = "x".repeat(bytes);
        world.client.send(Method::PUT, &world.path("upload"), &[], body).await
    };
    let not_kept = || world.proxy.totals().get(Count::NotKept);
    world.sim.expire_access_tokens();
    put(4 * KIB).await.expect(200);
    assert_eq!(not_kept(), 0, "there is just room for this one");
    world.sim.expire_access_tokens();
    put(4 * KIB + 1).await.expect(401);
    assert_eq!(not_kept(), 1, "and none for one byte more");
    slow.await.unwrap().expect(200);
    all_is_free(&world).await;
    world.sim.expire_access_tokens();
    put(60 * KIB).await.expect(200);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_sealed_body_for_which_there_is_no_room_is_a_503_that_says_when_to_come_again() {
    let (world, slow) = nearly_full(60).await;
    let answer = transfer(&world, "request-1", 8 * KIB).await;
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().unwrap() >= 1));
    let problem = answer.problem(503, "no-room");
    assert_eq!(problem["who"], "proxy");
    assert_eq!(world.sim.counters().transfer, 0, "nothing has left");
    assert_eq!(world.proxy.totals().get(Count::NoRoom), 1);
    slow.await.unwrap().expect(200);
    transfer(&world, "request-2", 8 * KIB).await.expect(200);
    all_is_free(&world).await;
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_sealed_answer_for_which_there_is_no_room_says_that_the_portal_has_acted() {
    let (world, slow) = nearly_full(36).await;
    // Its body takes 19 KiB, sealed and not; its answer would take 22 KiB more.
    transfer(&world, "request-1", 8 * KIB).await.problem(503, "answer-not-held");
    assert_eq!(world.sim.counters().transfer, 1);
    slow.await.unwrap().expect(200);
    transfer(&world, "request-2", 8 * KIB).await.expect(200);
    assert!(world.stop().await);
}

#[tokio::test]
async fn the_budget_is_the_same_for_all_workers_and_shown_in_the_metrics() {
    let (world, slow) = nearly_full(60).await;
    // Connections are spread over both workers.
    for n in 0..6 {
        transfer(&world, &format!("request-{n}"), 8 * KIB).await.problem(503, "no-room");
    }
    let metrics = world.admin_get("/metrics").await;
    for line in [
        "portunus_held_bytes 61440",
        "portunus_held_bytes_limit 65536",
        "portunus_no_room_total{identity=\"default\"} 6",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line}: {metrics}");
    }
    tokio::time::timeout(Duration::from_secs(10), slow).await.unwrap().unwrap().expect(200);
    assert!(world.stop().await);
}
