//! PROTOCOL section 13, the rows about tokens, and ruling 1 for the refresh.

use std::time::Duration;

use http::Method;
use portal_sim::{Fault, Lifetimes, Preset};
use serde_json::json;

use crate::world::{World, WorldOptions, until};

const REFRESH: &str = "token/refresh";

/// An account that needs no person and no code, so that a second login need not wait for the next TOTP step.
fn simple() -> WorldOptions {
    WorldOptions::default().account("plain@example.com")
}

async fn warm(options: WorldOptions) -> World {
    let world = World::start(options).await;
    world.profile().await.expect(200);
    world
}

/// An account whose login needs a person, who has answered once.
async fn signed_in_by_mail(options: WorldOptions) -> World {
    let world = World::start(options.account("mail@example.com").set("login.mfa", "\"email\"")).await;
    world.profile().await.problem(503, "mfa-required");
    crate::person::answer_with_the_mailed_code(&world).await;
    world.profile().await.expect(200);
    world
}

fn arrived(world: &World, endpoint: &str) -> u64 {
    world.sim.counters().arrived.get(endpoint).copied().unwrap_or(0)
}

#[tokio::test]
async fn an_expired_bearer_is_refreshed_once_and_the_get_sent_again() {
    let world = warm(WorldOptions::default()).await;
    world.sim.expire_access_tokens();
    world.profile().await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.refreshed, counters.unauthorized), (1, 1, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn an_expired_bearer_is_refreshed_once_and_the_sealed_post_sent_again() {
    let world = warm(WorldOptions::default()).await;
    world.change_password().await.expect(200);
    world.sim.expire_access_tokens();
    world.change_password().await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.refreshed), (1, 1));
    assert_eq!(counters.at("password/change"), 2);
    assert!(world.stop().await);
}

#[tokio::test]
async fn an_expired_bearer_is_refreshed_once_and_a_post_at_hand_sent_again() {
    let world = warm(WorldOptions::default()).await;
    world.sim.expire_access_tokens();
    let headers = [("x-request-id", "request-one"), ("content-type", "application/json")];
    let answer = world.client.send(Method::POST, &world.path("transfer"), &headers, "{}").await.expect(200);
    assert_eq!(answer.json()["data"]["timesProcessed"], 1);
    assert_eq!((arrived(&world, "transfer"), world.sim.times_processed("request-one")), (2, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_streamed_body_is_not_sent_again_but_the_next_request_finds_a_good_bearer() {
    let world = warm(WorldOptions::default().set("limits.replay_body", "\"0B\"")).await;
    world.sim.expire_access_tokens();
    world.client.send(Method::POST, &world.path("upload"), &[], "at hand for nobody").await.expect(401);
    world.client.send(Method::POST, &world.path("upload"), &[], "at hand for nobody").await.expect(200);
    assert_eq!(world.sim.counters().refreshed, 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_401_right_after_a_refresh_is_the_endpoints_own_and_the_session_stays() {
    let world = warm(WorldOptions::default()).await;
    let answer = world.client.get(&world.path("status/401")).await.expect(401);
    assert_eq!(answer.header("content-type"), Some("application/json"), "the portal's own words");
    assert_eq!((arrived(&world, "status"), world.sim.counters().refreshed), (2, 1));
    world.profile().await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.refreshed), (1, 1));
    assert!(world.stop().await);
}

/// Where many have waited for a bearer and are served with it at once, it can end before the last of them is: none of
/// them is the first to be refused with it before others are, so each would take that for the endpoint's own answer.
#[tokio::test]
async fn a_bearer_that_ends_while_many_are_served_with_it_costs_one_of_them_its_answer_at_most() {
    const MANY: u32 = 20;
    let world = warm(WorldOptions::default()).await;
    world.sim.expire_access_tokens();
    // All are refused before there is a new one; the third to be served with that ends it.
    world.sim.next_on(REFRESH, Fault::Delay(Duration::from_millis(500)));
    world.sim.plan(Some("items"), MANY + 2, 1, Fault::ExpireTokens);
    let asking = (0..MANY).map(|n| {
        let (client, path) = (world.client.clone(), world.path(&format!("items/{n}")));
        tokio::spawn(async move { client.get(&path).await.status })
    });
    let mut refused = 0;
    for status in futures_util::future::join_all(asking).await {
        match status.unwrap().as_u16() {
            200 => {}
            401 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused <= 1, "{refused}: whoever is the first cannot know better, all others do");
    assert_eq!((world.sim.counters().refreshed, world.sim.pending_faults()), (2, 0));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_wrong_current_password_that_looks_like_a_401_reaches_the_client() {
    let world = warm(WorldOptions::preset(Preset::Wiki)).await;
    let wrong = json!({ "currentPassword": "not this one", "newPassword": "irrelevant" });
    let answer = world.client.post_json(&world.auth("password/change"), &wrong).await.expect(401);
    assert_eq!(answer.json()["code"], "4010");
    world.profile().await.expect(200);
    assert_eq!(world.sim.counters().logins, 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_refresh_that_is_refused_ends_the_login_and_a_new_one_begins_where_no_person_is_needed() {
    for status in [400, 401, 403, 404] {
        let world = warm(simple().sim(|sim| sim.dialect.refresh_refused_status = status)).await;
        world.sim.revoke_sessions();
        world.profile().await.expect(200);
        let counters = world.sim.counters();
        assert_eq!((counters.logins, arrived(&world, REFRESH)), (2, 1), "{status}");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_refresh_that_is_refused_is_a_503_that_says_so_where_a_person_is_needed() {
    let world = signed_in_by_mail(WorldOptions::default()).await;
    world.sim.revoke_sessions();
    let problem = world.profile().await.problem(503, "sign-in-required");
    assert!(problem["hint"].as_str().unwrap().contains("portunus login"));
    for _ in 0..5 {
        world.profile().await.problem(503, "sign-in-required");
    }
    assert_eq!(arrived(&world, REFRESH), 1);
    assert_eq!(world.sim.counters().initiate, 1, "no mail to a person who may not be there");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_refresh_that_fails_for_now_keeps_the_token_and_uses_it_later() {
    let faults = [Fault::Status(500), Fault::Status(503), Fault::RateLimited { retry_after: 1 }];
    for fault in faults {
        let fast = WorldOptions::default().set("session.backoff_first", "\"50ms\"");
        let world = warm(fast).await;
        world.sim.expire_access_tokens();
        world.sim.next_on(REFRESH, fault.clone());
        let first = world.profile().await;
        assert!([200, 503].contains(&first.status.as_u16()), "{fault:?}: {} {}", first.status, first.text());
        let sim = world.sim.clone();
        world.eventually_200().await;
        let counters = sim.counters();
        assert_eq!((counters.logins, counters.refreshed), (1, 1), "{fault:?}");
        assert_eq!(counters.refresh_reuse_detected, 0, "{fault:?}");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn ruling_1_a_refresh_whose_answer_is_lost_is_followed_by_a_login_where_no_person_is_needed() {
    for fault in [Fault::ResetConnection { processed: true }, Fault::CloseMidBody, Fault::GarbageAnswer] {
        let world = warm(simple().set("session.backoff_first", "\"50ms\"")).await;
        world.sim.expire_access_tokens();
        world.sim.next_on(REFRESH, fault.clone());
        world.eventually_200().await;
        let counters = world.sim.counters();
        assert_eq!((counters.logins, arrived(&world, REFRESH)), (2, 1), "{fault:?}");
        assert_eq!(counters.refresh_reuse_detected, 0, "{fault:?}: the spent token is not shown again");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn ruling_1_where_a_person_would_be_needed_the_stored_token_is_tried_exactly_once_more() {
    let world = signed_in_by_mail(WorldOptions::default().set("session.backoff_first", "\"50ms\"")).await;
    world.sim.expire_access_tokens();
    world.sim.next_on(REFRESH, Fault::ResetConnection { processed: true });
    let _ = world.profile().await;
    let sim = world.sim.clone();
    until("it was tried again", || sim.counters().refresh == 2).await;
    for _ in 0..10 {
        world.profile().await.problem(503, "sign-in-required");
    }
    let counters = sim.counters();
    assert_eq!((arrived(&world, REFRESH), counters.refresh_reuse_detected), (2, 1));
    assert!(world.stop().await);

    // A portal that does not rotate: the second attempt saves the person the trouble.
    let kind = WorldOptions::default()
        .set("session.backoff_first", "\"50ms\"")
        .sim(|sim| sim.dialect.refresh_rotates = false);
    let world = signed_in_by_mail(kind).await;
    world.sim.expire_access_tokens();
    world.sim.next_on(REFRESH, Fault::ResetConnection { processed: true });
    world.eventually_200().await;
    assert_eq!((arrived(&world, REFRESH), world.sim.counters().logins), (2, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_bearer_is_renewed_before_it_expires_and_nobody_sees_a_401() {
    let short = Lifetimes { access: Duration::from_secs(2), ..Lifetimes::default() };
    let world = warm(WorldOptions::default().sim(|sim| sim.lifetimes = short)).await;
    let twice = |counters: &portal_sim::Counters| counters.refreshed >= 2;
    world.sim.wait_for("two refreshes that nobody asked for", Duration::from_secs(10), twice).await;
    world.profile().await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.unauthorized), (1, 0));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_403_is_the_clients_and_never_refreshes() {
    let world = warm(WorldOptions::default()).await;
    for code in
        ["ACCESS.PERMISSION_DENIED", "ACCESS.RISK_CHALLENGE_REQUIRED", "AUTH.FINGERPRINT_MISMATCH", "4000"]
    {
        world.sim.next_on("/echo", Fault::Refuse { status: 403, code: code.into() });
        let answer = world.client.get(&world.path("echo")).await.expect(403);
        assert_eq!(answer.json()["code"], code);
    }
    world.client.get("/web/v1/consumer/profile").await.expect(403);
    assert_eq!((arrived(&world, "echo"), arrived(&world, REFRESH)), (4, 0));
    world.profile().await.expect(200);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_fingerprint_mismatch_at_the_refresh_is_said_and_not_tried_again() {
    let world = warm(simple().set("session.backoff_first", "\"10ms\"")).await;
    world.sim.expire_access_tokens();
    world.sim.plan(
        Some(REFRESH),
        0,
        100,
        Fault::Refuse { status: 403, code: "AUTH.FINGERPRINT_MISMATCH".into() },
    );
    for _ in 0..5 {
        world.profile().await.problem(503, "fingerprint-mismatch");
    }
    assert_eq!((arrived(&world, REFRESH), world.sim.counters().logins), (1, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_15_a_429_passes_with_its_retry_after_and_later_requests_are_not_held_back() {
    let world = warm(WorldOptions::default()).await;
    world.sim.next_on("/echo", Fault::RateLimited { retry_after: 7 });
    let answer = world.client.get(&world.path("echo")).await.expect(429);
    assert_eq!(answer.header("retry-after"), Some("7"));
    world.client.get(&world.path("echo")).await.expect(200);
    assert_eq!(arrived(&world, "echo"), 2);
    assert!(world.stop().await);
}

#[tokio::test]
async fn an_endpoint_that_always_answers_401_makes_no_storm_of_refreshes() {
    let world = warm(
        WorldOptions::default()
            .set("session.complaints_burst", "3")
            .set("session.complaints_per_minute", "1"),
    )
    .await;
    for _ in 0..20 {
        world.client.get(&world.path("status/401")).await.expect(401);
    }
    let refreshes = arrived(&world, REFRESH);
    assert!((1..=4).contains(&refreshes), "{refreshes} refreshes");
    world.profile().await.expect(200);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_bearer_that_another_process_fetched_and_that_is_dead_as_well_is_renewed_before_a_client_sees_a_401()
 {
    let options = simple();
    let world = warm(options.clone()).await;
    let without_admin = options.set("admin.enabled", "false");
    let other = crate::world::start_proxy(&world.sim, &without_admin, world.directory()).await.unwrap();
    let client = crate::world::Client::new(other.addresses()[0]);
    let (profile, transfer) = (world.path("profile"), world.path("transfer"));
    for round in 1..=3 {
        client.get(&profile).await.expect(200);
        world.sim.expire_access_tokens();
        world.profile().await.expect(200);
        // Now the other process has a bearer of the round before, and finds one that dies with it.
        world.sim.expire_access_tokens();
        let id = format!("request-{round}");
        let headers = [("x-request-id", id.as_str()), ("content-type", "application/json")];
        match round {
            1 => client.get(&profile).await.expect(200),
            2 => client.send(Method::POST, &transfer, &headers, "{}").await.expect(200),
            _ => client.post_json(&world.auth("password/change"), &same_password()).await.expect(200),
        };
        let counters = world.sim.counters();
        assert_eq!((counters.refreshed, counters.logins), (2 * round, 1), "round {round}");
        assert!(counters.repeated.is_empty(), "{:?}", counters.repeated);
    }
    assert!(other.stop().await);
    assert!(world.stop().await);
}

fn same_password() -> serde_json::Value {
    json!({ "currentPassword": portal_sim::DEFAULT_PASSWORD, "newPassword": portal_sim::DEFAULT_PASSWORD })
}
