//! PROTOCOL section 13, the rows about the channel, and rulings 1 and 2: what is sent again, and what never.

use http::Method;
use portal_sim::{Fault, Lifetimes, Preset};
use portunus::telemetry::Count;
use serde_json::json;
use std::time::Duration;

use crate::world::{Answer, World, WorldOptions};

/// `transfer` must not happen twice; here it is sealed.
fn sealed_transfer() -> WorldOptions {
    WorldOptions::default().sim(|sim| sim.dialect.sealed_paths.push("transfer".into()))
}

async fn send(world: &World, method: Method, path: &str, id: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("x-request-id", id)];
    world.client.send(method, &world.path(path), &headers, json!({ "amount": 7 }).to_string()).await
}

async fn transfer(world: &World, id: &str) -> Answer {
    send(world, Method::POST, "transfer", id).await
}

/// A world that is signed in and has an open channel.
async fn warm(options: WorldOptions) -> World {
    let world = World::start(options).await;
    transfer(&world, "warm-up").await.expect(200);
    world
}

fn arrived(world: &World, endpoint: &str) -> u64 {
    world.sim.counters().arrived.get(endpoint).copied().unwrap_or(0)
}

#[tokio::test]
async fn keys_are_renewed_after_as_many_messages_as_the_configuration_says() {
    let world = warm(sealed_transfer()).await;
    for n in 0..12 {
        transfer(&world, &format!("default-{n:08}")).await.expect(200);
    }
    assert_eq!(world.sim.counters().session, 1, "sixteen millions by default");
    assert!(world.stop().await);

    let world = warm(sealed_transfer().set("session.renew_after_messages", 3)).await;
    let mut sent = 1;
    while world.sim.counters().session < 4 {
        assert!(sent < 100, "{:?}", world.sim.counters());
        transfer(&world, &format!("renewed-{sent:08}")).await.expect(200);
        sent += 1;
    }
    let counters = world.sim.counters();
    assert_eq!((counters.transfer, counters.logins), (sent, 1), "each once, and under one login");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_stale_channel_is_replaced_once_and_the_call_is_processed_exactly_once() {
    let world = warm(sealed_transfer()).await;
    world.sim.drop_channels();
    let answer = transfer(&world, "request-one").await.expect(200).json();
    assert_eq!((&answer["data"]["executed"], &answer["data"]["sealed"]), (&json!(true), &json!(true)));
    assert_eq!(world.sim.times_processed("request-one"), 1);
    let counters = world.sim.counters();
    assert_eq!((counters.session, counters.logins, counters.refresh), (2, 1, 0));

    let bodies: Vec<_> = world.wire("transfer").into_iter().rev().take(2).collect();
    assert_ne!(bodies[0].body, bodies[1].body, "sealed anew: a nonce is used once");
    assert_eq!(bodies[0].header("x-request-id"), bodies[1].header("x-request-id"), "ruling 14");
    assert_eq!(world.proxy.totals().get(Count::ReplayedChannel), 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_secure_channel_code_means_a_stale_channel_whatever_its_status() {
    for status in [400, 401, 403, 404, 409, 500] {
        let world = warm(sealed_transfer().sim(|sim| {
            sim.dialect.stale_status = status;
            sim.dialect.stale_code = "SECURE_CHANNEL.SOMETHING_NEW".into();
        }))
        .await;
        world.sim.drop_channels();
        transfer(&world, "request-one").await.expect(200);
        assert_eq!(world.sim.times_processed("request-one"), 1, "{status}");
        let counters = world.sim.counters();
        assert_eq!((counters.session, counters.logins, counters.refresh), (2, 1, 0), "{status}");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_channel_that_stays_stale_is_the_clients_answer_after_one_repetition() {
    let world = warm(sealed_transfer()).await;
    let stale = Fault::Refuse { status: 400, code: "SECURE_CHANNEL.SESSION_NOT_FOUND".into() };
    world.sim.plan(Some("/transfer"), 0, 10, stale);
    let answer = transfer(&world, "request-one").await.expect(400);
    assert_eq!(answer.json()["code"], "SECURE_CHANNEL.SESSION_NOT_FOUND");
    assert_eq!(arrived(&world, "transfer"), 1 + 2);
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_2_a_4000_on_an_old_channel_is_tried_once_on_a_new_one() {
    let world = warm(sealed_transfer().set("session.fresh_channel", "\"0ms\"")).await;
    world.sim.next_on("/transfer", Fault::Refuse { status: 400, code: "4000".into() });
    transfer(&world, "request-one").await.expect(200);
    assert_eq!((world.sim.times_processed("request-one"), world.sim.counters().session), (1, 2));

    world.sim.plan(Some("/transfer"), 0, 2, Fault::Refuse { status: 400, code: "4000".into() });
    transfer(&world, "request-two").await.expect(400);
    assert_eq!(world.sim.times_processed("request-two"), 0);
    assert_eq!(world.sim.counters().session, 3, "once, then it is the client's");
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_2_a_4000_on_a_channel_made_just_now_is_the_clients_own() {
    let world = warm(sealed_transfer()).await;
    world.sim.next_on("/transfer", Fault::Refuse { status: 400, code: "4000".into() });
    transfer(&world, "request-one").await.expect(400);
    assert_eq!((arrived(&world, "transfer"), world.sim.counters().session), (2, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_2_a_plain_call_is_never_sent_twice_for_a_4000() {
    let world = World::start(WorldOptions::default().set("session.fresh_channel", "\"0ms\"")).await;
    world.sim.next_on("/echo", Fault::Refuse { status: 400, code: "4000".into() });
    world.client.get(&world.path("echo")).await.expect(400);
    assert_eq!(arrived(&world, "echo"), 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_1_a_sealed_post_whose_answer_is_lost_is_never_sent_again() {
    let lost = [
        (Fault::ResetConnection { processed: true }, "portal-connection-broken"),
        (Fault::CloseMidBody, "answer-broken"),
        (Fault::CorruptTag, "answer-does-not-open"),
        (Fault::GarbageAnswer, "sealed-route-answered-plain"),
    ];
    let world = warm(sealed_transfer()).await;
    for (fault, code) in lost {
        world.sim.next_on("/transfer", fault);
        let before = arrived(&world, "transfer");
        let problem = transfer(&world, code).await.problem(502, code);
        assert_eq!(arrived(&world, "transfer"), before + 1, "{code}");
        assert_eq!(world.sim.times_processed(code), 1, "{code}");
        assert_eq!(problem["retryable"], false);
        let hint = problem["hint"].as_str().unwrap();
        if code != "sealed-route-answered-plain" {
            assert!(hint.contains("acted"), "the portal may have acted: {hint}");
        }
        transfer(&world, &format!("{code}-after")).await.expect(200);
    }
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_1_a_sealed_call_that_may_be_repeated_is_asked_again_on_a_new_channel() {
    for fault in [Fault::ResetConnection { processed: true }, Fault::CloseMidBody, Fault::CorruptTag] {
        let route = "path = \"/web/v1/tenant/echo/*\"\nprotect = \"sealed\"";
        let world = World::start(WorldOptions::default().route(route)).await;
        send(&world, Method::PUT, "echo/x", "warm-up").await.expect(200);
        world.sim.next_on("/echo", fault.clone());
        let answer = send(&world, Method::PUT, "echo/x", "request-one").await.expect(200).json();
        assert_eq!(answer["data"]["sealed"], true);
        assert_eq!(world.sim.times_processed("request-one"), 2, "{fault:?}");
        assert_eq!(world.sim.counters().session, 2, "{fault:?}");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn ruling_1_a_plain_get_whose_answer_is_lost_is_asked_once_more_and_a_post_never() {
    // One worker, so that each request finds the connection of the one before.
    let world = World::start(WorldOptions::default().set("listen.workers", 1)).await;
    world.client.get(&world.path("echo")).await.expect(200);
    let reset = Fault::ResetConnection { processed: true };
    world.sim.next_on("/echo", reset.clone());
    world.client.get(&world.path("echo")).await.expect(200);
    assert_eq!(arrived(&world, "echo"), 3);

    world.sim.plan(Some("/echo"), 0, 2, reset.clone());
    world.client.get(&world.path("echo")).await.problem(502, "portal-connection-broken");
    assert_eq!(arrived(&world, "echo"), 5, "once more, and no more");

    world.sim.next_on("/transfer", reset);
    transfer(&world, "request-one").await.problem(502, "portal-connection-broken");
    assert_eq!(world.sim.times_processed("request-one"), 1);
    assert_eq!(arrived(&world, "transfer"), 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn invalid_payload_to_a_plain_request_is_sealed_sent_again_once_and_remembered() {
    let untold = WorldOptions::default()
        .sim(|sim| sim.dialect.sealed_paths.push("transfer".into()))
        .set("dialect.sealed_paths", r#"["{login}/*", "{password}/change"]"#);
    let world = World::start(untold).await;
    let answer = transfer(&world, "request-one").await.expect(200).json();
    assert_eq!(answer["data"]["sealed"], true);
    assert_eq!((arrived(&world, "transfer"), world.sim.times_processed("request-one")), (2, 1));
    assert_eq!(world.proxy.totals().get(Count::Learned), 1);

    transfer(&world, "request-two").await.expect(200);
    assert_eq!((arrived(&world, "transfer"), world.sim.times_processed("request-two")), (3, 1), "remembered");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_rotated_key_is_fetched_anew_and_the_call_goes_through() {
    let world = warm(sealed_transfer()).await;
    let sim = world.sim.clone();
    tokio::task::spawn_blocking(move || sim.rotate_key()).await.unwrap();
    transfer(&world, "request-one").await.expect(200);
    assert_eq!(world.sim.times_processed("request-one"), 1);
    assert_eq!(world.sim.counters().public_key, 2);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_key_that_rotates_between_its_fetch_and_its_use_is_fetched_again() {
    let world = World::start(sealed_transfer()).await;
    world.sim.next_on("secure-channel/session", Fault::RotateRsaKey);
    transfer(&world, "request-one").await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.public_key, counters.session), (2, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_pinned_key_is_used_and_another_is_a_hard_explained_failure() {
    let wrong =
        World::start(WorldOptions::default().set("portal.key_pin", format!("{:?}", "ab".repeat(32)))).await;
    let problem = wrong.change_password().await.problem(502, "portal-key-not-pinned");
    assert!(problem["hint"].as_str().unwrap().contains("pin"));
    assert_eq!(wrong.sim.counters().session, 0);
    assert_eq!(wrong.sim.counters().arrived.get("login/initiate"), None, "no password under a key of nobody");
    assert!(wrong.stop().await);
}

#[tokio::test]
async fn a_channel_that_expires_is_replaced_before_the_portal_complains() {
    let short = Lifetimes { channel: Duration::from_millis(1500), ..Lifetimes::default() };
    let world = warm(sealed_transfer().sim(|sim| sim.lifetimes = short)).await;
    let sim = world.sim.clone();
    let (mut n, deadline) = (0, tokio::time::Instant::now() + crate::world::PATIENCE);
    while sim.counters().session < 3 {
        n += 1;
        assert!(tokio::time::Instant::now() < deadline, "{:#?}", sim.counters());
        transfer(&world, &format!("request-{n}")).await.expect(200);
    }
    assert_eq!(sim.counters().stale_channel, 0);
    assert!(world.stop().await);
}

#[tokio::test]
async fn an_answer_in_the_clear_to_a_sealed_call_is_not_believed() {
    let world = warm(sealed_transfer().set("dialect.accept_plain_success", "false").sim(|sim| {
        sim.dialect.sealed_answers = portal_sim::SealedAnswers::Always;
    }))
    .await;
    world.sim.next_on("/transfer", Fault::GarbageAnswer);
    transfer(&world, "request-one").await.problem(502, "sealed-route-answered-plain");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_portal_that_serves_no_channel_fails_sealed_calls_and_leaves_plain_ones_alone() {
    // The account needs no login call to be sealed: the portal itself has no channel at all.
    let options =
        WorldOptions::preset(Preset::Plain).route("path = \"/web/v1/tenant/transfer\"\nprotect = \"plain\"");
    let world = World::start(options).await;
    world.profile().await.expect(200);
    transfer(&world, "request-one").await.expect(200);
    assert_eq!(world.sim.counters().session, 0);
    assert!(world.stop().await);
}
