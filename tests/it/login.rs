//! PROTOCOL section 13, the rows about the login: what stops it, and that a password is never tried blindly.

use std::time::Duration;

use portal_sim::{Fault, Preset};

use crate::world::{World, WorldOptions};

fn simple() -> WorldOptions {
    WorldOptions::default().account("plain@example.com").set("session.backoff_first", "\"20ms\"")
}

fn arrived(world: &World, endpoint: &str) -> u64 {
    world.sim.counters().arrived.get(endpoint).copied().unwrap_or(0)
}

/// A crowd asks, then some more, one after the other; all hear the same, and the portal heard one login.
async fn one_attempt_however_many_ask(options: WorldOptions, code: &str) -> World {
    let world = World::start(options).await;
    let asks: Vec<_> = (0..30)
        .map(|_| {
            let (client, path) = (world.client.clone(), world.path("profile"));
            tokio::spawn(async move { client.get(&path).await })
        })
        .collect();
    for ask in asks {
        ask.await.unwrap().problem(503, code);
    }
    for _ in 0..10 {
        let answer = world.profile().await;
        assert_ne!(answer.status, 401);
        answer.problem(503, code);
    }
    assert_eq!(arrived(&world, "login/initiate"), 1, "{code}");
    world
}

#[tokio::test]
async fn a_wrong_password_is_tried_exactly_once_under_many_requests() {
    let mut options = simple();
    options.password = "not the right one".into();
    let world = one_attempt_however_many_ask(options, "credentials-refused").await;
    assert_eq!(world.sim.counters().wrong_password, 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_wrong_password_is_tried_exactly_once_whatever_the_vocabulary() {
    for preset in [Preset::Guide, Preset::Scv2, Preset::Sdk, Preset::Wiki] {
        let mut options = WorldOptions::preset(preset).account("plain@example.com");
        options.password = "not the right one".into();
        let world = one_attempt_however_many_ask(options, "credentials-refused").await;
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_pending_account_stops_the_login_and_is_said() {
    for preset in [Preset::Guide, Preset::Scv2, Preset::Sdk, Preset::Wiki] {
        let options = WorldOptions::preset(preset).account("pending@example.com");
        let world = one_attempt_however_many_ask(options, "pending-approval").await;
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_blocked_account_stops_the_login_and_is_said() {
    for email in ["locked@example.com", "suspended@example.com", "rejected@example.com", "closed@example.com"]
    {
        let options = WorldOptions::default().account(email);
        let world = one_attempt_however_many_ask(options, "account-blocked").await;
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn ruling_6_a_blocker_that_comes_as_a_success_is_read_too() {
    for form in [portal_sim::BlockedForm::StatusName, portal_sim::BlockedForm::StatusObject] {
        let options = WorldOptions::default()
            .account("suspended@example.com")
            .sim(|sim| sim.dialect.blocked_form = form);
        let world = one_attempt_however_many_ask(options, "account-blocked").await;
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_wrong_otp_secret_is_not_guessed_with() {
    let mut options = WorldOptions::default().set("login.code_retries", "0");
    options.otp_secret = Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into());
    let world = World::start(options).await;
    for _ in 0..20 {
        let answer = world.profile().await;
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    assert_eq!((arrived(&world, "login/initiate"), arrived(&world, "login/complete")), (1, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_risk_challenge_stops_the_login_and_is_said() {
    let options = simple();
    let world = World::start(options).await;
    let risk = Fault::Refuse { status: 403, code: "ACCESS.RISK_CHALLENGE_REQUIRED".into() };
    world.sim.plan(Some("login/initiate"), 0, 100, risk);
    for _ in 0..5 {
        world.profile().await.problem(503, "risk-challenge");
    }
    assert_eq!(arrived(&world, "login/initiate"), 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_pause_of_no_more_than_wait_through_is_no_news_to_the_client() {
    let options = simple().set("session.backoff_first", "\"10ms\"");
    for (pause, fault) in [("1s", Fault::RateLimited { retry_after: 1 }), ("1s", Fault::Status(503))] {
        let world = World::start(options.clone().set("session.wait_through", format!("{pause:?}"))).await;
        world.sim.next_on("login/initiate", fault);
        world.profile().await.expect(200);
        assert_eq!(arrived(&world, "login/initiate"), 2);
        assert!(world.stop().await);
    }
    let world = World::start(options.set("session.wait_through", "\"999ms\"")).await;
    world.sim.next_on("login/initiate", Fault::RateLimited { retry_after: 1 });
    world.profile().await.problem(503, "sign-in-rate-limited");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_portal_that_limits_our_login_is_waited_for() {
    let world = World::start(simple()).await;
    world.sim.next_on("login/initiate", Fault::RateLimited { retry_after: 3 });
    let answer = world.profile().await;
    assert_eq!(answer.header("retry-after"), Some("3"), "{}", answer.text());
    answer.problem(503, "sign-in-rate-limited");
    world.profile().await.problem(503, "sign-in-rate-limited");
    assert_eq!(arrived(&world, "login/initiate"), 1, "it waits");
    world.eventually_200().await;
    assert_eq!(arrived(&world, "login/initiate"), 2);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_login_that_the_portal_did_not_take_is_tried_again_after_a_pause() {
    // Of a connection that broke nobody knows what the portal took: that is an attempt, where a 503 is none.
    for (fault, attempts) in [(Fault::Status(503), "1"), (Fault::ResetConnection { processed: false }, "2")] {
        let world = World::start(simple().set("login.automatic_attempts", attempts)).await;
        world.sim.next_on("login/initiate", fault.clone());
        world.eventually_200().await;
        assert_eq!(world.sim.counters().logins, 1, "{fault:?}");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn ruling_1_a_complete_whose_answer_is_lost_begins_again_at_initiate() {
    let world = World::start(simple()).await;
    world.sim.next_on("login/complete", Fault::ResetConnection { processed: true });
    world.eventually_200().await;
    let counters = world.sim.counters();
    assert_eq!((counters.initiate, counters.complete), (2, 2));
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_1_logins_of_unknown_outcome_have_a_budget() {
    let world = World::start(simple().set("login.proven_attempts", "2")).await;
    world.sim.plan(Some("login/complete"), 0, 100, Fault::ResetConnection { processed: true });
    let mut last = world.profile().await;
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    while last.json()["code"] == "sign-in-failed" && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
        last = world.profile().await;
    }
    assert_eq!(last.status, 503);
    for _ in 0..10 {
        assert_eq!(world.profile().await.status, 503);
    }
    assert_eq!(arrived(&world, "login/initiate"), 2, "{}", last.text());
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_2_a_4000_to_our_own_initiate_renews_the_channel_and_begins_again() {
    let refuse = Fault::Refuse { status: 400, code: "4000".into() };
    let world = World::start(simple().set("session.fresh_channel", "\"0ms\"")).await;
    world.sim.next_on("login/initiate", refuse.clone());
    world.eventually_200().await;
    let counters = world.sim.counters();
    assert_eq!((arrived(&world, "login/initiate"), counters.logins), (2, 1));
    assert_eq!(counters.session, 2, "on a new channel");
    assert!(world.stop().await);

    // On a channel made just now it is about the request: the same one would be refused for ever.
    let world = World::start(simple()).await;
    world.sim.next_on("login/initiate", refuse);
    world.profile().await.problem(503, "sign-in-failed");
    world.profile().await.problem(503, "sign-in-failed");
    assert_eq!(arrived(&world, "login/initiate"), 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_channel_lost_in_the_middle_of_a_login_is_replaced() {
    let world = World::start(WorldOptions::default().set("session.backoff_first", "\"20ms\"")).await;
    world.sim.next_on("login/complete", Fault::DropChannels);
    world.eventually_200().await;
    assert_eq!(world.sim.counters().logins, 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn ruling_16_a_totp_code_is_used_once_however_often_the_login_begins() {
    let world = World::usual().await;
    world.profile().await.expect(200);
    assert_eq!(world.sim.counters().wrong_code, 0);
    assert!(world.stop().await);
}

#[tokio::test]
async fn every_refusal_of_initiate_has_its_word_for_a_client_and_at_the_admin_api() {
    use portunus::admin::{Cause, ClientError, LoginRequest};
    for (status, code, word, cause) in [
        (401, "AUTH.INVALID_CREDENTIALS", "credentials-refused", Cause::CredentialsRefused),
        (403, "AUTH.ACCOUNT_LOCKED", "account-blocked", Cause::AccountBlocked),
        (403, "AUTH.ACCOUNT_SUSPENDED", "account-blocked", Cause::AccountBlocked),
        (403, "AUTH.ACCOUNT_REJECTED", "account-blocked", Cause::AccountBlocked),
        (400, "U1068", "account-blocked", Cause::AccountBlocked),
        (400, "U1010", "pending-approval", Cause::PendingApproval),
        (403, "AUTH.FINGERPRINT_MISMATCH", "fingerprint-mismatch", Cause::FingerprintMismatch),
        (403, "ACCESS.RISK_CHALLENGE_REQUIRED", "risk-challenge", Cause::RiskChallenge),
        (429, "REQUEST.RATE_LIMITED", "sign-in-rate-limited", Cause::SignInRateLimited),
        (403, "ACCESS.PERMISSION_DENIED", "sign-in-failed", Cause::PortalRefused),
    ] {
        let world = World::start(simple()).await;
        world.sim.plan(Some("login/initiate"), 0, 100, Fault::Refuse { status, code: code.into() });
        world.profile().await.problem(503, word);
        match world.admin().login(&LoginRequest::default()).await {
            Err(ClientError::Refused(problem)) => assert_eq!(problem.code, cause, "{code}: {problem:?}"),
            other => panic!("{code}: {other:?}"),
        }
        assert!(world.stop().await);
    }
}
