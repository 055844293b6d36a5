//! The account's flows by a plain client through the proxy, and by the admin API: every step, and every way in which
//! a step is refused.

use http::Method;
use portal_sim::{DEFAULT_PASSWORD, Fault};
use portunus::admin::{Cause, Client, ClientError, LoginRequest, State};
use portunus::secret::Password;
use serde_json::{Value, json};

use crate::world::{World, WorldOptions, start_proxy};

const NEW: &str = "new@example.com";
const PLAIN: &str = "plain@example.com";
const PASSWORD: &str = "a brand new password";

fn mail(world: &World, to: &str) -> portal_sim::Mail {
    world.sim.inbox(to).pop().unwrap()
}

async fn world() -> World {
    World::start(WorldOptions::default().account(PLAIN)).await
}

/// A call of a plain client, whose answer has this status.
async fn through(world: &World, path: &str, body: Value, status: u16) -> Value {
    let answer = world.client.post_json(path, &body).await.expect(status);
    if answer.body.is_empty() { Value::Null } else { answer.json()["data"].clone() }
}

/// A call to the admin API.
async fn admin(world: &World, method: Method, path: &str, body: Option<Value>) -> Result<Value, ClientError> {
    world.admin().account(method, path, body.as_ref()).await
}

async fn post(world: &World, path: &str, body: Value) -> Result<Value, ClientError> {
    admin(world, Method::POST, path, Some(body)).await
}

async fn get(world: &World, path: &str) -> Value {
    admin(world, Method::GET, path, None).await.unwrap()
}

#[track_caller]
fn refused(answer: Result<Value, ClientError>, cause: Cause) {
    match answer {
        Err(ClientError::Refused(problem)) => assert_eq!(problem.code, cause, "{problem:?}"),
        other => panic!("expected {cause:?}, got {other:?}"),
    }
}

#[tokio::test]
async fn a_plain_client_registers_through_the_proxy_from_initiate_to_the_first_password() {
    let world = World::start(WorldOptions::default().nobody()).await;
    let step = |name: &str| world.auth(&format!("register/{name}"));
    let begun = through(&world, &step("initiate"), json!({ "email": NEW, "accountName": "New" }), 200).await;
    let session = begun["sessionId"].clone();
    assert_eq!(begun["expiresIn"], 600);
    let sent = through(&world, &step("code/send"), json!({ "sessionId": session }), 200).await;
    assert_eq!(sent["maskedTarget"], "n***@example.com");
    through(&world, &step("verify"), json!({ "sessionId": session, "code": "not it" }), 400).await;
    let code = mail(&world, NEW).code;
    through(&world, &step("verify"), json!({ "sessionId": session, "code": code }), 200).await;
    let done = through(&world, &step("complete"), json!({ "sessionId": session }), 201).await;
    assert_eq!(done["email"], NEW);
    let first = json!({ "sessionId": session, "newPassword": PASSWORD });
    let set = through(&world, &world.auth("password/init"), first.clone(), 201).await;
    assert_eq!(set["passwordSet"], true);
    through(&world, &world.auth("password/init"), first, 404).await;
    for call in ["register/initiate", "register/verify", "password/init"] {
        let wire = world.wire(call).pop().unwrap();
        assert!(wire.sealed && wire.header("authorization").is_none(), "{call}");
    }
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_plain_client_has_a_password_reset_through_the_proxy_and_the_portal_answers_everybody_alike() {
    let world = World::start(WorldOptions::default().nobody()).await;
    let forgot = |email: &str| json!({ "email": email });
    let known = through(&world, &world.auth("password/forgot"), forgot(PLAIN), 200).await;
    let unknown = through(&world, &world.auth("password/forgot"), forgot("nobody@example.com"), 200).await;
    assert_eq!(known, unknown);
    let reset = json!({ "token": mail(&world, PLAIN).token, "newPassword": PASSWORD });
    through(&world, &world.auth("password/reset"), reset.clone(), 200).await;
    through(&world, &world.auth("password/reset"), reset, 400).await;
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_plain_client_asks_about_the_account_through_the_proxy() {
    let world = world().await;
    let list = world.client.get(&world.path("security/sessions")).await.expect(200).json();
    assert_eq!(list["data"][0]["isCurrent"], true);
    let ended =
        world.client.send(Method::DELETE, &world.path("security/sessions"), &[], "").await.expect(200);
    assert_eq!(ended.json()["data"]["terminatedSessions"], 0);
    let setup = through(&world, &world.path("security/mfa/otp/setup"), json!({}), 200).await;
    assert!(setup["qrCodeUri"].as_str().unwrap().starts_with("otpauth://"));
    let code = json!({ "code": world.sim.otp_now(PLAIN) });
    through(&world, &world.path("security/mfa/otp/verify"), code, 204).await;
    let factors = world.client.get(&world.path("security/mfa")).await.expect(200).json();
    assert_eq!(factors["data"][0]["mfaMethod"]["code"], "OTP");
    let codes = world.client.get(&world.path("security/mfa/backup-codes")).await.expect(200).json();
    assert_eq!(codes["data"], json!({ "remainingCount": 0, "totalCount": 0 }));
    let wrong = json!({ "currentPassword": "not the password", "newPassword": PASSWORD });
    let answer = world.client.post_json(&world.auth("password/change"), &wrong).await;
    assert_eq!(answer.json()["code"], "AUTH.CURRENT_PASSWORD_INCORRECT", "{}", answer.text());
    world.change_password().await.expect(200);
    assert!(world.stop().await);
}

#[tokio::test]
async fn the_admin_api_tells_everything_about_the_account() {
    let world = world().await;
    assert_eq!(get(&world, "/v1/account/profile").await["email"], PLAIN);
    let list = get(&world, "/v1/account/sessions").await;
    let id = list["sessions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["sessions"][0]["current"], true);
    let others = admin(&world, Method::DELETE, "/v1/account/sessions", None).await.unwrap();
    assert_eq!(others["terminated"], 0);
    refused(post(&world, "/v1/account/otp/verify", json!({ "code": "123456" })).await, Cause::NoOtpSetup);
    let setup = post(&world, "/v1/account/otp/setup", json!({})).await.unwrap();
    assert!(setup["uri"].as_str().unwrap().starts_with("otpauth://"));
    refused(post(&world, "/v1/account/otp/verify", json!({ "code": "00000x" })).await, Cause::CodeRefused);
    let code = world.sim.otp_now(PLAIN);
    assert_eq!(
        post(&world, "/v1/account/otp/verify", json!({ "code": code })).await.unwrap(),
        json!({ "done": true })
    );
    assert_eq!(get(&world, "/v1/account/mfa").await["factors"][0]["code"], "OTP");
    assert_eq!(get(&world, "/v1/account/backup-codes").await["remaining"], 0);
    let one = format!("/v1/account/sessions/{id}");
    assert_eq!(admin(&world, Method::DELETE, &one, None).await.unwrap()["terminated"], 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn the_admin_api_registers_and_keeps_what_is_under_way() {
    let world = World::start(WorldOptions::default().nobody()).await;
    let steps = ["/v1/register/send", "/v1/register/complete"].map(|step| (step, json!({})));
    let others = [
        ("/v1/register/verify", json!({ "code": "123456" })),
        ("/v1/password/init", json!({ "new_password": PASSWORD })),
    ];
    for (step, body) in steps.into_iter().chain(others) {
        refused(post(&world, step, body).await, Cause::NoRegistration);
    }
    refused(admin(&world, Method::GET, "/v1/register", None).await, Cause::NoRegistration);
    assert_eq!(world.sim.counters().requests, 0, "there is nothing to ask the portal");

    let begun = post(&world, "/v1/register/initiate", json!({ "email": NEW, "name": "New" })).await.unwrap();
    assert_eq!((&begun["step"], begun["expires_in"].as_u64()), (&json!("begun"), Some(600)));
    let sent = post(&world, "/v1/register/send", json!({})).await.unwrap();
    assert_eq!((&sent["step"], &sent["masked_target"]), (&json!("code-sent"), &json!("n***@example.com")));
    refused(post(&world, "/v1/register/verify", json!({ "code": "not it" })).await, Cause::CodeRefused);
    let code = mail(&world, NEW).code;
    let verified = post(&world, "/v1/register/verify", json!({ "code": code })).await.unwrap();
    assert_eq!(verified["step"], "verified");
    assert_eq!(get(&world, "/v1/register").await["step"], "verified");
    assert_eq!(post(&world, "/v1/register/complete", json!({})).await.unwrap()["step"], "completed");
    let set = post(&world, "/v1/password/init", json!({ "new_password": PASSWORD })).await.unwrap();
    assert_eq!(set["email"], NEW);
    refused(admin(&world, Method::GET, "/v1/register", None).await, Cause::NoRegistration);
    // The address is taken now, and the portal says so.
    let again = post(&world, "/v1/register/initiate", json!({ "email": NEW, "name": "New" })).await;
    refused(again, Cause::PortalRefused);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_registration_that_needs_approval_or_has_ended_at_the_portal_says_so_by_the_admin_api() {
    let options = WorldOptions::default().nobody().sim(|sim| sim.registration_pending = true);
    let world = World::start(options).await;
    let begin = json!({ "email": NEW, "name": "New" });
    post(&world, "/v1/register/initiate", begin.clone()).await.unwrap();
    post(&world, "/v1/register/send", json!({})).await.unwrap();
    let code = mail(&world, NEW).code;
    post(&world, "/v1/register/verify", json!({ "code": code })).await.unwrap();
    post(&world, "/v1/register/complete", json!({})).await.unwrap();

    let other = json!({ "email": "other@example.com", "name": "Other" });
    post(&world, "/v1/register/initiate", other).await.unwrap();
    let gone = Fault::Refuse { status: 404, code: "AUTH.SESSION_NOT_FOUND".into() };
    world.sim.next_on("register/code/send", gone);
    refused(post(&world, "/v1/register/send", json!({})).await, Cause::NoRegistration);
    refused(admin(&world, Method::GET, "/v1/register", None).await, Cause::NoRegistration);
    assert!(world.stop().await);
}

#[tokio::test]
async fn the_admin_api_forgets_resets_and_changes_passwords() {
    let world = world().await;
    let mut answers = Vec::new();
    for email in [PLAIN, "nobody@example.com"] {
        answers.push(post(&world, "/v1/password/forgot", json!({ "email": email })).await.unwrap());
    }
    assert_eq!(answers[0], answers[1], "the same answer whatever the address");
    let reset = json!({ "token": mail(&world, PLAIN).token, "new_password": PASSWORD });
    post(&world, "/v1/password/reset", reset.clone()).await.unwrap();
    refused(post(&world, "/v1/password/reset", reset).await, Cause::ResetTokenRefused);
    assert!(world.stop().await);

    let world = self::world().await;
    let change = |current: &str| json!({ "current_password": current, "new_password": PASSWORD });
    let wrong = post(&world, "/v1/password/change", change("not the password")).await;
    refused(wrong, Cause::CurrentPasswordRefused);
    let done = post(&world, "/v1/password/change", change(DEFAULT_PASSWORD)).await.unwrap();
    assert_eq!(done["update"], r#"login.password: { env = "PASSWORD" }"#);
    assert!(world.stop().await);
}

/// The portal ends every other sign-in of an account whose password is changed (PROTOCOL section 8).
#[tokio::test]
async fn a_password_that_another_client_changed_is_noticed_and_the_old_one_tried_once() {
    let options = WorldOptions::default().account(PLAIN);
    let world = World::start(options.clone()).await;
    world.profile().await.expect(200);
    let home = tempfile::tempdir().unwrap();
    let other = start_proxy(&world.sim, &options, home.path()).await.unwrap();
    let change = json!({ "current_password": DEFAULT_PASSWORD, "new_password": PASSWORD });
    let there = Client::new(other.admin_socket().unwrap());
    there.account(Method::POST, "/v1/password/change", Some(&change)).await.unwrap();
    there.account(Method::GET, "/v1/account/profile", None::<&()>).await.expect("its own sign-in lives");

    for _ in 0..3 {
        world.profile().await.problem(503, "credentials-refused");
    }
    let counters = world.sim.counters();
    assert_eq!((counters.wrong_password, counters.refreshed), (1, 0));
    assert_eq!(world.admin().status().await.unwrap().identities[0].state, State::Failed);
    // Whoever has the new one goes on here too.
    let login = LoginRequest { password: Some(Password::new(PASSWORD)), ..LoginRequest::default() };
    world.admin().login(&login).await.unwrap();
    world.profile().await.expect(200);
    assert!(other.stop().await && world.stop().await);
}

/// Every call with a body, and a good one.
fn posts() -> Vec<(&'static str, Value)> {
    vec![
        ("/v1/account/otp/setup", json!({})),
        ("/v1/account/otp/verify", json!({ "code": "123456" })),
        ("/v1/password/forgot", json!({ "email": PLAIN })),
        ("/v1/password/reset", json!({ "token": "reset_1", "new_password": PASSWORD })),
        ("/v1/password/init", json!({ "new_password": PASSWORD })),
        ("/v1/password/change", json!({ "current_password": PASSWORD, "new_password": PASSWORD })),
        ("/v1/register/initiate", json!({ "email": NEW, "name": "New" })),
        ("/v1/register/send", json!({})),
        ("/v1/register/verify", json!({ "code": "123456" })),
        ("/v1/register/complete", json!({})),
    ]
}

const GETS: [&str; 4] =
    ["/v1/account/profile", "/v1/account/sessions", "/v1/account/mfa", "/v1/account/backup-codes"];

#[tokio::test]
async fn bad_input_to_the_admin_api_is_refused_before_the_portal_hears_of_it() {
    let world = World::start(WorldOptions::default().nobody()).await;
    for (path, good) in posts() {
        let mut bodies = vec![json!([]), json!("text"), json!({ "unknown": 1 })];
        for field in good.as_object().unwrap().keys() {
            let with = |value: Value| {
                let mut body = good.clone();
                body[field] = value;
                body
            };
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(field);
            bodies.extend([without, with(json!("")), with(json!("x".repeat(5000))), with(json!(7))]);
        }
        for body in bodies {
            refused(post(&world, path, body).await, Cause::BadRequest);
        }
        let mut foreign = good;
        foreign["identity"] = json!("eve");
        refused(post(&world, path, foreign).await, Cause::UnknownIdentity);
    }
    for path in GETS {
        let foreign = admin(&world, Method::GET, &format!("{path}?identity=eve"), None).await;
        refused(foreign, Cause::UnknownIdentity);
    }
    refused(admin(&world, Method::DELETE, "/v1/account/sessions/%zz", None).await, Cause::BadRequest);
    refused(admin(&world, Method::GET, "/v1/account/nonsense", None).await, Cause::NotFound);
    assert_eq!(world.sim.counters().requests, 0);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_wrong_method_is_refused_and_no_login_is_said() {
    let world = World::start(WorldOptions::default().nobody()).await;
    for (path, body) in posts() {
        refused(admin(&world, Method::GET, path, None).await, Cause::MethodNotAllowed);
        refused(admin(&world, Method::PUT, path, Some(body)).await, Cause::MethodNotAllowed);
    }
    for path in GETS {
        refused(post(&world, path, json!({})).await, Cause::MethodNotAllowed);
        refused(admin(&world, Method::GET, path, None).await, Cause::SignInRequired);
    }
    refused(admin(&world, Method::GET, "/v1/account/sessions/1", None).await, Cause::MethodNotAllowed);
    for path in ["/v1/account/sessions", "/v1/account/sessions/1"] {
        refused(admin(&world, Method::DELETE, path, None).await, Cause::SignInRequired);
    }
    let needs_login = ["/v1/account/otp/setup", "/v1/account/otp/verify", "/v1/password/change"];
    for (path, body) in posts().into_iter().filter(|(path, _)| needs_login.contains(path)) {
        refused(post(&world, path, body).await, Cause::SignInRequired);
    }
    assert_eq!(world.sim.counters().requests, 0);
    assert!(world.stop().await);
}

#[tokio::test]
async fn what_the_portal_refuses_limits_or_loses_is_told_apart_by_the_admin_api() {
    let world = world().await;
    get(&world, "/v1/account/profile").await;
    let calls = [
        (Method::GET, "/v1/account/profile", "/profile", None),
        (Method::GET, "/v1/account/mfa", "security/mfa", None),
        (Method::DELETE, "/v1/account/sessions", "security/sessions", None),
        (Method::POST, "/v1/password/forgot", "password/forgot", Some(json!({ "email": PLAIN }))),
        (
            Method::POST,
            "/v1/register/initiate",
            "register/initiate",
            Some(json!({ "email": NEW, "name": "N" })),
        ),
    ];
    for (method, path, at_the_portal, body) in calls {
        for (fault, cause) in [
            (Fault::RateLimited { retry_after: 7 }, Cause::SignInRateLimited),
            (Fault::Status(503), Cause::PortalTrouble),
            (Fault::Refuse { status: 403, code: "ACCESS.PERMISSION_DENIED".into() }, Cause::PortalRefused),
            (Fault::GarbageAnswer, Cause::PortalNotUnderstood),
        ] {
            // No address is a reason to refuse this one: something else is asked for.
            let cause = match (at_the_portal, cause) {
                ("password/forgot", Cause::PortalRefused) => Cause::ForgotRefused,
                // They are sealed, and a success in the clear says nothing about what the portal did.
                ("password/forgot" | "register/initiate", Cause::PortalNotUnderstood) => {
                    Cause::OutcomeUnknown
                }
                (_, cause) => cause,
            };
            world.sim.next_on(at_the_portal, fault.clone());
            match admin(&world, method.clone(), path, body.clone()).await {
                Err(ClientError::Refused(problem)) => {
                    assert_eq!(problem.code, cause, "{path} {fault:?}: {problem:?}");
                    let wait = (cause == Cause::SignInRateLimited).then_some(7);
                    assert_eq!(problem.retry_after, wait, "{path}");
                }
                other => panic!("{path} {fault:?}: {other:?}"),
            }
        }
    }
    let lost = Fault::ResetConnection { processed: true };
    world.sim.next_on("password/forgot", lost);
    refused(post(&world, "/v1/password/forgot", json!({ "email": PLAIN })).await, Cause::OutcomeUnknown);
    assert!(world.stop().await);
}
