//! Logins that need a person: codes over the admin socket, adopted logins, and logouts.

use portunus::admin::{Cause, ClientError, FactorName, IdentityReport, LoginRequest, State};
use portunus::secret::{OneTimeCode, Password};
use serde_json::json;
use std::time::Duration;

use crate::world::{World, WorldOptions, until};

const MAIL: &str = "mail@example.com";

/// An account whose code is mailed as soon as somebody asks for anything.
fn by_mail() -> WorldOptions {
    WorldOptions::default().account(MAIL).set("login.mfa", "\"email\"")
}

/// The newest code in the inbox.
fn mailed(world: &World) -> String {
    world.sim.inbox(MAIL).pop().and_then(|mail| mail.code).unwrap()
}

async fn identity(world: &World) -> IdentityReport {
    world.admin().status().await.unwrap().identities.remove(0)
}

/// Waits for the challenge, and answers it with the code from the inbox.
pub async fn answer_with_the_mailed_code(world: &World) {
    until("a code was mailed", || !world.sim.inbox(MAIL).is_empty()).await;
    let report = world.admin().answer(None, &OneTimeCode::new(mailed(world))).await.unwrap();
    assert_eq!(report.state, State::SignedIn);
}

#[track_caller]
fn refused(result: Result<IdentityReport, ClientError>, cause: Cause) {
    match result {
        Err(ClientError::Refused(problem)) => assert_eq!(problem.code, cause, "{problem:?}"),
        other => panic!("expected {cause:?}, got {other:?}"),
    }
}

#[tokio::test]
async fn a_code_by_mail_is_asked_for_once_and_entered_over_the_admin_socket() {
    let world = World::start(by_mail()).await;
    let problem = world.profile().await.problem(503, "mfa-required");
    assert_eq!(problem["retryable"], true);
    for _ in 0..10 {
        world.profile().await.problem(503, "mfa-required");
    }
    assert_eq!(world.sim.inbox(MAIL).len(), 1, "one code, however many ask");

    let report = identity(&world).await;
    assert_eq!(report.state, State::AwaitingCode);
    let challenge = report.challenge.unwrap();
    assert_eq!(challenge.method, FactorName::Email);
    assert!(challenge.expires_in > 0 && challenge.resend_in.is_some());

    answer_with_the_mailed_code(&world).await;
    assert_eq!(world.profile().await.expect(200).json()["data"]["accountEmail"], MAIL);
    let counters = world.sim.counters();
    assert_eq!((counters.initiate, counters.mfa_send, counters.complete), (1, 1, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn no_mail_is_sent_without_a_person_unless_the_configuration_says_so() {
    let world = World::start(WorldOptions::default().account(MAIL)).await;
    world.profile().await.problem(503, "mfa-required");
    assert_eq!(identity(&world).await.state, State::AwaitingCode);
    assert_eq!(world.sim.inbox(MAIL).len(), 0, "a restart loop would send one each time");
    world.admin().resend(None, None).await.unwrap();
    answer_with_the_mailed_code(&world).await;
    world.profile().await.expect(200);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_code_is_sent_again_when_asked_and_only_the_newest_is_good() {
    let world = World::start(by_mail().sim(|sim| sim.lifetimes.mfa_cooldown = Duration::ZERO)).await;
    world.profile().await.problem(503, "mfa-required");
    let first = mailed(&world);
    world.admin().resend(None, None).await.unwrap();
    until("a second code was mailed", || world.sim.inbox(MAIL).len() == 2).await;
    if mailed(&world) != first {
        refused(world.admin().answer(None, &OneTimeCode::new(first)).await, Cause::CodeRefused);
    }
    // The refused code has begun a new challenge, with a code of its own.
    until("a new code was mailed", || world.sim.inbox(MAIL).len() >= 3).await;
    answer_with_the_mailed_code(&world).await;
    world.profile().await.expect(200);
    assert!(world.stop().await);
}

#[tokio::test]
async fn inside_the_cooldown_no_code_is_sent_and_the_time_left_is_told() {
    let world = World::start(by_mail()).await;
    world.profile().await.problem(503, "mfa-required");
    let refusal = world.admin().resend(None, None).await;
    refused(refusal, Cause::SignInRateLimited);
    assert_eq!(world.sim.inbox(MAIL).len(), 1);
    answer_with_the_mailed_code(&world).await;
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_wrong_code_begins_a_new_challenge_and_the_right_one_then_signs_in() {
    let world = World::start(by_mail()).await;
    world.profile().await.problem(503, "mfa-required");
    let wrong = if mailed(&world) == "000000" { "000001" } else { "000000" };
    refused(world.admin().answer(None, &OneTimeCode::new(wrong)).await, Cause::CodeRefused);
    assert_eq!(identity(&world).await.state, State::AwaitingCode);
    until("a new code was mailed", || world.sim.inbox(MAIL).len() == 2).await;
    answer_with_the_mailed_code(&world).await;
    world.profile().await.expect(200);
    assert_eq!(world.sim.counters().wrong_code, 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_person_signs_in_with_a_password_typed_and_a_factor_chosen() {
    let world = World::start(WorldOptions::default().nobody()).await;
    world.profile().await.problem(503, "sign-in-required");
    assert_eq!(world.sim.counters().requests, 0, "nothing to ask the portal with");
    let login = LoginRequest {
        email: Some("both@example.com".into()),
        password: Some(Password::new(portal_sim::DEFAULT_PASSWORD)),
        mfa: Some(FactorName::BackupCode),
        ..LoginRequest::default()
    };
    let report = world.admin().login(&login).await.unwrap();
    assert_eq!(report.state, State::AwaitingCode);
    let report = world.admin().answer(None, &OneTimeCode::new("backup03")).await.unwrap();
    assert_eq!(report.state, State::SignedIn);
    assert_eq!(world.profile().await.expect(200).json()["data"]["accountEmail"], "both@example.com");
    assert!(world.stop().await);
}

#[tokio::test]
async fn after_a_logout_over_the_admin_socket_nothing_signs_in_until_asked() {
    let world = World::start(WorldOptions::default().account("plain@example.com")).await;
    world.profile().await.expect(200);
    world.admin().logout(None).await.unwrap();
    assert_eq!(world.sim.counters().logout, 1);
    for _ in 0..3 {
        world.profile().await.problem(503, "signed-out");
    }
    assert_eq!(world.sim.counters().logins, 1);
    world.admin().login(&LoginRequest::default()).await.unwrap();
    world.profile().await.expect(200);
    assert_eq!(world.sim.counters().logins, 2);
    assert!(world.stop().await);
}

/// Logs in as a tool would that knows the portal's API: plain JSON, through the proxy.
async fn log_in_through(world: &World) -> serde_json::Value {
    let credentials = json!({ "email": MAIL, "password": portal_sim::DEFAULT_PASSWORD });
    let initiated = world.client.post_json(&world.login("initiate"), &credentials).await.expect(200).json();
    let session = initiated["data"]["sessionId"].clone();
    let send = json!({ "sessionId": session, "method": 10_011_001 });
    let sent = world.client.post_json(&world.login("mfa/send"), &send).await.expect(200).json();
    assert_eq!(sent["data"]["sent"], true);
    let complete = json!({ "sessionId": session, "method": 10_011_001, "code": mailed(world) });
    world.client.post_json(&world.login("complete"), &complete).await.expect(200).json()
}

#[tokio::test]
async fn a_client_that_logs_in_itself_in_plain_json_is_served() {
    let world = World::start(WorldOptions::default().nobody()).await;
    let completed = log_in_through(&world).await;
    assert!(completed["data"]["accessToken"].as_str().unwrap().starts_with("ey"));
    for call in ["login/initiate", "mfa/send", "login/complete"] {
        let wire = world.wire(call).pop().unwrap();
        assert!(wire.sealed, "{call}");
        assert_eq!(wire.header("authorization"), None, "{call}");
    }
    world.profile().await.problem(503, "sign-in-required");
    assert!(world.stop().await);
}

#[tokio::test]
async fn with_adopt_the_tokens_of_a_clients_login_become_the_proxys_session() {
    let world = World::start(WorldOptions::default().nobody().set("login.adopt", "true")).await;
    world.profile().await.problem(503, "sign-in-required");
    log_in_through(&world).await;
    until("the login is the proxy's", || world.proxy.session().current().is_some()).await;
    assert_eq!(world.profile().await.expect(200).json()["data"]["accountEmail"], MAIL);
    // It is kept alive like any other.
    world.sim.expire_access_tokens();
    world.profile().await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.refreshed), (1, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_clients_own_logout_through_the_proxy_is_noticed() {
    let world = World::start(WorldOptions::default().account("plain@example.com")).await;
    world.profile().await.expect(200);
    let answer = world.client.post_json(&world.auth("logout"), &json!({})).await.expect(200);
    assert_eq!(answer.json()["data"]["terminatedSessions"], 1);
    until("the lease is gone", || world.proxy.session().current().is_none()).await;
    let refreshes = world.sim.counters().refresh;
    assert_eq!(refreshes, 0, "a login that a client ended is not refreshed");
    assert!(world.stop().await);
}
