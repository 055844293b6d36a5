//! PROTOCOL section 4, type 1, and ruling 11: a portal without `POST session`, whose channel is born by the first
//! sealed call, the proxy's own or a client's.

use std::time::Duration;

use http::Method;
use portal_sim::{Aad, EmptyBody, Envelope, Fault, Lifetimes, Preset, SealedAnswers, Type1, WireEntry};
use portunus::telemetry::Count;
use serde_json::json;

use crate::world::{Answer, World, WorldOptions};

/// The portal of SCv2 that takes keys inside a message only.
fn type_1(type1: Type1) -> WorldOptions {
    WorldOptions::preset(Preset::Scv2).sim(|sim| {
        sim.dialect.type1 = type1;
        sim.dialect.session_call = false;
        sim.dialect.sealed_paths.push("transfer".into());
    })
}

async fn send(world: &World, method: Method, path: &str, id: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("x-request-id", id)];
    world.client.send(method, &world.path(path), &headers, json!({ "amount": 7 }).to_string()).await
}

async fn transfer(world: &World, id: &str) -> Answer {
    send(world, Method::POST, "transfer", id).await
}

/// A world that is signed in, with a channel that its login has opened.
async fn warm(options: WorldOptions) -> World {
    let world = World::start(options).await;
    world.profile().await.expect(200);
    assert_eq!((world.sim.counters().session, first_messages(&world).len()), (1, 1));
    world
}

/// The requests that carried keys.
fn first_messages(world: &World) -> Vec<WireEntry> {
    world.wire("").into_iter().filter(|entry| entry.body.starts_with("SC\u{2}\u{1}")).collect()
}

fn arrived(world: &World, endpoint: &str) -> u64 {
    world.sim.counters().arrived.get(endpoint).copied().unwrap_or(0)
}

#[tokio::test]
async fn the_first_sealed_call_of_a_login_opens_the_channel_that_the_others_use() {
    for type1 in [Type1::Header, Type1::Body] {
        for aad in Aad::ALL {
            for sealed_answers in SealedAnswers::ALL {
                let world = warm(type_1(type1).sim(|sim| {
                    (sim.dialect.aad, sim.dialect.sealed_answers) = (*aad, *sealed_answers);
                }))
                .await;
                let what = format!("{type1} {aad} {sealed_answers}");
                let carrier = &first_messages(&world)[0];
                assert!(carrier.path.ends_with("/login/initiate"), "{what}: {}", carrier.path);
                assert_eq!(carrier.header("x-sc-session-id"), None, "{what}");
                assert_eq!(carrier.header("x-sc-version"), Some("2"), "{what}");
                assert_eq!(carrier.header("content-type"), Some("application/json;charset=UTF-8"), "{what}");
                world.change_password().await.expect(200);
                let later = world.wire("password/change").pop().unwrap();
                assert!(later.body.starts_with("SC\u{2}\u{2}"), "{what}");
                assert!(later.header("x-sc-session-id").is_some(), "{what}");
                assert_eq!((world.sim.counters().session, world.sim.open_channels()), (1, 1), "{what}");
                let sim = world.sim.clone();
                assert!(world.stop().await);
                assert_eq!(sim.open_channels(), 0, "{what}: closed when it is no longer needed");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_logs_in_by_itself_opens_the_channel_and_never_sees_its_id() {
    for type1 in [Type1::Header, Type1::Body] {
        let world = World::start(type_1(type1).nobody()).await;
        let login = json!({"email": "admin@example.com", "password": portal_sim::DEFAULT_PASSWORD});
        let answer = world.client.post_json(&world.login("initiate"), &login).await.expect(200);
        assert!(answer.json()["data"]["sessionId"].is_string(), "the login's own session");
        assert_eq!(answer.header("x-sc-session-id"), None);
        let code = json!({
            "sessionId": answer.json()["data"]["sessionId"],
            "method": 10_011_002,
            "code": world.sim.otp_unspent("admin@example.com"),
        });
        world.client.post_json(&world.login("complete"), &code).await.expect(200);
        assert_eq!((world.sim.counters().session, first_messages(&world).len()), (1, 1));
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn forty_clients_at_once_open_one_channel_and_each_is_served_once() {
    let world = warm(type_1(Type1::Header)).await;
    world.sim.drop_channels();
    let calls = (0..40).map(|n| {
        let world = &world;
        async move { (n, transfer(world, &format!("request-{n}")).await) }
    });
    for (n, answer) in futures_util::future::join_all(calls).await {
        answer.expect(200);
        assert_eq!(world.sim.times_processed(&format!("request-{n}")), 1, "request {n}");
    }
    let counters = world.sim.counters();
    assert_eq!((counters.session, counters.logins, counters.refresh), (2, 1, 0));
    assert_eq!(first_messages(&world).len(), 2, "one for the login, one for the forty");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_stale_channel_is_replaced_by_a_new_first_message() {
    for type1 in [Type1::Header, Type1::Body] {
        let world = warm(type_1(type1)).await;
        world.sim.drop_channels();
        let answer = transfer(&world, "request-one").await.expect(200).json();
        assert_eq!((&answer["data"]["executed"], &answer["data"]["sealed"]), (&json!(true), &json!(true)));
        assert_eq!(world.sim.times_processed("request-one"), 1);
        assert!(first_messages(&world).pop().unwrap().path.ends_with("/transfer"));
        assert_eq!(world.sim.counters().session, 2);
        assert_eq!(world.proxy.totals().get(Count::ReplayedChannel), 1);
        transfer(&world, "request-two").await.expect(200);
        assert_eq!(world.sim.counters().session, 2, "and used from then on");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn keys_that_are_refused_are_made_anew_under_a_fresh_key_of_the_portals_once() {
    let world = warm(type_1(Type1::Header)).await;
    world.sim.drop_channels();
    // The complaint about the old channel passes; then the key rotates under the first message.
    world.sim.plan(Some("/transfer"), 1, 1, Fault::RotateRsaKey);
    let rotated = transfer(&world, "request-one").await;
    // The channel is renewed once for one call, and that was spent on the stale one.
    assert_eq!(rotated.status, 400, "{}", rotated.text());
    transfer(&world, "request-two").await.expect(200);

    world.sim.drop_channels();
    transfer(&world, "request-three").await.expect(200);
    assert!(world.stop().await);

    // Without a channel before, the first message itself is told once more.
    let world = World::start(type_1(Type1::Header).nobody()).await;
    world.sim.next_on("login/initiate", Fault::RotateRsaKey);
    let login = json!({"email": "admin@example.com", "password": portal_sim::DEFAULT_PASSWORD});
    world.client.post_json(&world.login("initiate"), &login).await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.public_key, counters.session, counters.initiate), (2, 1, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_portal_that_reads_no_first_message_is_told_twice_and_its_answer_is_the_clients() {
    let world = World::start(type_1(Type1::Refused).nobody()).await;
    let login = json!({"email": "admin@example.com", "password": portal_sim::DEFAULT_PASSWORD});
    let answer = world.client.post_json(&world.login("initiate"), &login).await.expect(400);
    assert_eq!(answer.json()["code"], "SECURE_CHANNEL.INVALID_PAYLOAD");
    assert_eq!(arrived(&world, "login/initiate"), 2);
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_1_a_post_whose_first_message_is_lost_is_never_sent_again() {
    for (fault, code) in [
        (Fault::ResetConnection { processed: true }, "portal-connection-broken"),
        (Fault::CloseMidBody, "answer-broken"),
        (Fault::CorruptTag, "answer-does-not-open"),
    ] {
        let world = warm(type_1(Type1::Header)).await;
        world.sim.drop_channels();
        // The complaint about the old channel is not sealed, so that only the first message meets the fault.
        let skip = u32::from(fault != Fault::CorruptTag);
        world.sim.plan(Some("/transfer"), skip, 1, fault);
        let problem = transfer(&world, "request-one").await.problem(502, code);
        assert_eq!(problem["retryable"], false);
        assert_eq!(world.sim.times_processed("request-one"), 1, "{code}");
        transfer(&world, "request-two").await.expect(200);
        assert_eq!(first_messages(&world).len(), 3, "{code}: the next call brings keys of its own");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn ruling_1_a_call_that_may_be_repeated_is_asked_again_under_new_keys() {
    let route = "path = \"/web/v1/tenant/echo/*\"\nprotect = \"sealed\"";
    for fault in [Fault::ResetConnection { processed: true }, Fault::CloseMidBody, Fault::CorruptTag] {
        let world = World::start(type_1(Type1::Body).route(route)).await;
        world.profile().await.expect(200);
        world.sim.drop_channels();
        send(&world, Method::PUT, "echo/x", "warm-up").await.expect(200);
        world.sim.next_on("/echo", fault.clone());
        send(&world, Method::PUT, "echo/x", "request-one").await.expect(200);
        assert_eq!(world.sim.times_processed("request-one"), 2, "{fault:?}");
        assert_eq!(first_messages(&world).len(), 3, "{fault:?}");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn ruling_1_a_login_whose_first_message_is_lost_begins_again() {
    for fault in [Fault::ResetConnection { processed: true }, Fault::CloseMidBody, Fault::CorruptTag] {
        // By default a login that may have been refused is not repeated without a person.
        let world = World::start(type_1(Type1::Header).set("login.automatic_attempts", 3)).await;
        world.sim.next_on("login/initiate", fault.clone());
        world.eventually_200().await;
        let counters = world.sim.counters();
        assert_eq!((counters.logins, arrived(&world, "login/initiate")), (1, 2), "{fault:?}");
        assert_eq!(first_messages(&world).len(), 2, "{fault:?}");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_bearer_refused_to_a_first_message_is_replaced_while_others_wait_for_nothing() {
    let world = warm(type_1(Type1::Header)).await;
    world.sim.drop_channels();
    world.sim.expire_access_tokens();
    // The refresh is sealed too: it must not wait for the call that waits for it.
    let answers =
        futures_util::future::join(transfer(&world, "request-one"), transfer(&world, "request-two"));
    let (one, two) = tokio::time::timeout(Duration::from_secs(8), answers).await.expect("nobody is stuck");
    one.expect(200);
    two.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.refreshed, counters.logins), (1, 1));
    assert_eq!(counters.session, 2);
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_4_a_call_without_a_body_carries_keys_in_an_empty_object() {
    let world = warm(type_1(Type1::Header).sim(|sim| {
        sim.dialect.empty_body = EmptyBody::Header;
        sim.dialect.sealed_paths.push("security/mfa/otp/setup".into());
    }))
    .await;
    let path = world.path("security/mfa/otp/setup");
    world.sim.drop_channels();
    let setup = world.client.send(Method::POST, &path, &[], "").await.expect(200);
    assert!(setup.json()["data"]["secret"].is_string());
    assert_eq!(world.sim.counters().session, 2);
    world.client.send(Method::POST, &path, &[], "").await.expect(200);
    assert_eq!(world.wire("otp/setup").pop().unwrap().body, "", "on an open channel its id will do");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_the_channel_to_the_others() {
    let world = warm(type_1(Type1::Header)).await;
    world.sim.drop_channels();
    let held = Fault::Delay(Duration::from_secs(5));
    world.sim.plan(Some("/transfer"), 1, 1, held);
    let gone = tokio::time::timeout(Duration::from_millis(1500), transfer(&world, "request-gone")).await;
    assert!(gone.is_err(), "{gone:?}");
    // Whoever asks next waits no longer than it takes to see that the first has gone.
    tokio::time::timeout(Duration::from_secs(4), transfer(&world, "request-next")).await.unwrap().expect(200);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_channel_that_the_portal_lets_expire_is_replaced_when_it_complains() {
    let short = Lifetimes { channel: Duration::from_millis(300), ..Lifetimes::default() };
    let world = warm(type_1(Type1::Header).sim(|sim| sim.lifetimes = short)).await;
    // Nobody has told the proxy how long it lives.
    let (mut n, deadline) = (0, tokio::time::Instant::now() + crate::world::PATIENCE);
    while world.sim.counters().stale_channel == 0 {
        n += 1;
        assert!(tokio::time::Instant::now() < deadline, "{:#?}", world.sim.counters());
        transfer(&world, &format!("request-{n}")).await.expect(200);
        assert_eq!(world.sim.times_processed(&format!("request-{n}")), 1);
    }
    assert!(world.sim.counters().session > 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn the_envelope_of_later_messages_is_the_dialects_own() {
    // The first message is binary whatever the envelope says: this portal reads both forms.
    let world = warm(type_1(Type1::Header)).await;
    assert_eq!(world.sim.dialect().envelope, Envelope::Binary);
    transfer(&world, "request-one").await.expect(200);
    assert!(world.wire("transfer").pop().unwrap().body.starts_with("SC\u{2}\u{2}"));
    assert!(world.stop().await);
}
