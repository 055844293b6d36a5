//! Many at once: one flight for all, and no failed request over any expiry or loss.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::Method;
use portal_sim::Lifetimes;
use tokio::task::JoinSet;

use crate::world::{Client, World, WorldOptions};

fn options() -> WorldOptions {
    WorldOptions::default().sim(|sim| {
        sim.wire_log = 0;
        sim.dialect.sealed_paths.push("transfer".into());
    })
}

/// One request of the mix: plain GETs, and every fourth a sealed POST.
async fn one(connection: &mut crate::world::Connection, n: u64) -> (u16, String) {
    let id = format!("load-{n:08}");
    let headers = [("content-type", "application/json"), ("x-request-id", id.as_str())];
    let answer = match n % 4 {
        0 => connection.send(Method::POST, "/web/v1/tenant/transfer", &headers, r#"{"amount":1}"#).await,
        _ => connection.send(Method::GET, "/web/v1/tenant/items/7", &headers[1..], "").await,
    };
    (answer.status.as_u16(), answer.text())
}

/// So many clients send the mix until they are told to stop; every answer has to be a 200. Returns how many.
async fn hammer(client: &Client, clients: usize, stop: Arc<AtomicBool>, counter: Arc<AtomicU64>) -> u64 {
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (client, stop, counter) = (client.clone(), Arc::clone(&stop), Arc::clone(&counter));
        tasks.spawn(async move {
            let mut connection = client.connect().await;
            while !stop.load(Relaxed) {
                let n = counter.fetch_add(1, Relaxed);
                let (status, text) = one(&mut connection, n).await;
                assert_eq!(status, 200, "request {n}: {text}");
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    counter.load(Relaxed)
}

/// So many at once, numbered from `first`, each on a connection of its own.
async fn crowd(world: &World, first: u64, size: u64) {
    let mut tasks = JoinSet::new();
    for n in first..first + size {
        let client = world.client.clone();
        tasks.spawn(async move { one(&mut client.connect().await, n).await });
    }
    while let Some(answer) = tasks.join_next().await {
        let (status, text) = answer.unwrap();
        assert_eq!(status, 200, "{text}");
    }
}

#[tokio::test]
async fn a_hundred_first_callers_make_one_login_and_one_channel() {
    let world = World::start(options()).await;
    crowd(&world, 0, 100).await;
    let counters = world.sim.counters();
    assert_eq!((counters.initiate, counters.complete, counters.session), (1, 1, 1));
    assert_eq!(counters.at("items") + counters.transfer, 100);
    assert!(counters.repeated.is_empty());
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_hundred_over_an_expiry_make_one_refresh_and_none_of_them_fails() {
    let world = World::start(options()).await;
    crowd(&world, 900_000, 4).await;
    world.sim.expire_access_tokens();
    crowd(&world, 0, 100).await;
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.refresh, counters.refresh_reuse_detected), (1, 1, 0));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_hundred_over_a_lost_channel_open_one_and_none_of_them_fails() {
    let world = World::start(options()).await;
    crowd(&world, 900_000, 4).await;
    world.sim.drop_channels();
    crowd(&world, 0, 100).await;
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.session, counters.refresh), (1, 2, 0));
    assert!(counters.repeated.is_empty(), "processed twice: {:?}", counters.repeated);
    assert!(world.stop().await);
}

async fn five_thousand_with(lifetimes: Lifetimes) -> World {
    let world = World::start(options().sim(|sim| sim.lifetimes = lifetimes)).await;
    let (stop, counter) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (watched, ended) = (Arc::clone(&counter), Arc::clone(&stop));
    let sim = world.sim.clone();
    let watcher = tokio::spawn(async move {
        // Five thousand, and for so long that the short life has ended a few times.
        let enough = tokio::time::Instant::now() + Duration::from_secs(4);
        while watched.load(Relaxed) < 5_000 || tokio::time::Instant::now() < enough {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        ended.store(true, Relaxed);
        drop(sim);
    });
    let sent = hammer(&world.client, 16, stop, counter).await;
    watcher.await.unwrap();
    assert!(sent >= 5_000);
    let counters = world.sim.counters();
    assert_eq!(counters.logins, 1, "{counters:#?}");
    assert_eq!(counters.refresh_reuse_detected, 0);
    assert!(counters.repeated.is_empty(), "{:?}", counters.repeated);
    world
}

#[tokio::test]
async fn five_thousand_requests_over_bearers_that_live_a_second_all_succeed() {
    let world =
        five_thousand_with(Lifetimes { access: Duration::from_millis(1500), ..Lifetimes::default() }).await;
    assert!(world.sim.counters().refreshed >= 2, "{:#?}", world.sim.counters());
    assert!(world.stop().await);
}

#[tokio::test]
async fn five_thousand_requests_over_channels_that_live_a_second_all_succeed() {
    let world =
        five_thousand_with(Lifetimes { channel: Duration::from_millis(1500), ..Lifetimes::default() }).await;
    assert!(world.sim.counters().session >= 3, "{:#?}", world.sim.counters());
    assert!(world.stop().await);
}

#[tokio::test]
async fn under_load_lost_channels_rotated_keys_and_expired_bearers_are_never_seen_by_a_client() {
    let settings =
        options().set("session.complaints_burst", "1000").set("session.complaints_per_minute", "1000");
    let world = World::start(settings).await;
    crowd(&world, 900_000, 4).await;
    let (stop, counter) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (sim, ended, sent) = (world.sim.clone(), Arc::clone(&stop), Arc::clone(&counter));
    let chaos = tokio::spawn(async move {
        for round in 0..24_u32 {
            match round % 3 {
                0 => sim.drop_channels(),
                1 => sim.expire_access_tokens(),
                _ if round % 6 == 2 => {
                    let sim = sim.clone();
                    tokio::task::spawn_blocking(move || sim.rotate_key()).await.unwrap();
                }
                _ => {
                    sim.drop_channels();
                    sim.expire_access_tokens();
                }
            }
            // The contract allows for one loss of each kind in one request's life: none shall meet two.
            let (before, pause) =
                (sent.load(Relaxed), tokio::time::Instant::now() + Duration::from_millis(120));
            while sent.load(Relaxed) < before + 64 || tokio::time::Instant::now() < pause {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        ended.store(true, Relaxed);
    });
    let sent = hammer(&world.client, 8, stop, counter).await;
    chaos.await.unwrap();
    let counters = world.sim.counters();
    assert!(sent > 500, "only {sent} requests in that time");
    assert_eq!((counters.logins, counters.refresh_reuse_detected), (1, 0), "{counters:#?}");
    assert!(counters.refreshed >= 8 && counters.session >= 8, "{counters:#?}");
    assert!(counters.repeated.is_empty(), "processed twice: {:?}", counters.repeated);
    assert!(world.stop().await);
}
