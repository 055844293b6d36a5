//! No secret in anything that the proxy shows or keeps: logs at trace, problems, metrics, status, `Debug`, files.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use data_encoding::{HEXLOWER, HEXUPPER};
use http::Method;
use portal_sim::{Account, Factor, Fault};
use portunus::admin::LoginRequest;
use portunus::secret::{OneTimeCode, Password};
use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::world::{World, WorldOptions};

const EMAIL: &str = "canary@example.com";
const PASSWORD: &str = "CNRY-password-6f1d";
const NEW_PASSWORD: &str = "CNRY-new-password-77ab";
const TYPED_PASSWORD: &str = "CNRY-typed-password-0c3e";
const TYPED_CODE: &str = "CNRYcode42";
const OTP_SECRET: &str = "CNRYOTPSECRETAAAABBBBCCCC2345672";
const ACCESS_CODE: &str = "CNRY-access-code-9d20";
const CLIENT_HASH: &str = "CNRY-client-hash-51ce";
const FORGED_BEARER: &str = "CNRY-forged-bearer-e8a4";
const IN_QUERY: &str = "CNRY-query-token-3b99";

/// Everything that is logged, as one text.
#[derive(Debug, Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Logs at the level `trace` as the program would show them: libraries below `info` only if they are named.
fn capture() -> Captured {
    let captured = Captured::default();
    let targets = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("portunus", LevelFilter::TRACE)
        .with_target("portal_sim", LevelFilter::OFF);
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(captured.clone());
    let subscriber = tracing_subscriber::registry().with(layer).with(targets);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    captured
}

/// What a secret could look like in a text.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        HEXLOWER.encode(secret.as_bytes()),
        HEXUPPER.encode(secret.as_bytes()),
        secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned(),
    ];
    // Base64 at each of the three places in a group where it can begin; the ends depend on what stands beside.
    for before in 0..3 {
        let padded = format!("{}{secret}", "\0".repeat(before));
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded);
            let first = before + usize::from(before > 0);
            let whole = padded.len() / 3 * 4;
            forms.push(text[first..whole].to_owned());
        }
    }
    forms.dedup();
    forms
}

#[track_caller]
fn assert_clean(place: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        for form in forms(secret) {
            if let Some(at) = text.find(&form) {
                let around = &text.as_bytes()[at.saturating_sub(160)..(at + form.len() + 40).min(text.len())];
                panic!("{place} shows {form}: …{}…", String::from_utf8_lossy(around));
            }
        }
    }
}

fn files(directory: &Path, found: &mut Vec<(String, String)>) {
    // Where nothing is remembered there is no directory either.
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

#[test]
fn a_secret_is_found_in_every_form_that_is_looked_for() {
    let secrets = [PASSWORD.to_owned()];
    for hidden in [
        format!("password={PASSWORD}"),
        STANDARD_NO_PAD.encode(format!("user:{PASSWORD}")),
        STANDARD_NO_PAD.encode(format!("users:{PASSWORD}!")),
        STANDARD_NO_PAD.encode(format!("{PASSWORD}, and more")),
        HEXLOWER.encode(format!("x{PASSWORD}").as_bytes()),
        format!("{:?}", PASSWORD.as_bytes()),
    ] {
        let caught = std::panic::catch_unwind(|| assert_clean("a test", &hidden, &secrets));
        assert!(caught.is_err(), "{hidden}");
    }
    assert_clean("a test", "nothing of the kind", &secrets);
}

#[tokio::test]
async fn no_secret_shows_anywhere_in_a_whole_journey_with_all_its_failures() {
    let captured = capture();
    let mut options = WorldOptions::default()
        .sim(|sim| {
            sim.access_code = ACCESS_CODE.to_owned();
            let otp = Factor::Otp { secret_base32: OTP_SECRET.to_owned() };
            let account = Account { password: PASSWORD.to_owned(), ..Account::new(EMAIL, vec![otp]) };
            sim.accounts.push(account);
            sim.dialect.sealed_paths.push("transfer".into());
        })
        .set("portal.client_hash", format!("{{ command = [\"printf\", \"{CLIENT_HASH}\"] }}"))
        .set("login.adopt", "true")
        .set("session.backoff_first", "\"20ms\"");
    options.email = Some(EMAIL);
    options.password = PASSWORD.to_owned();
    options.otp_secret = Some(OTP_SECRET.to_owned());
    let world = World::start(options).await;
    let mut shown: Vec<(&str, String)> = Vec::new();

    // What goes well.
    world.profile().await.expect(200);
    let change = |old: &str, new: &str| json!({ "currentPassword": old, "newPassword": new });
    let change_path = world.auth("password/change");
    world.client.post_json(&change_path, &change(PASSWORD, NEW_PASSWORD)).await.expect(200);
    world.client.post_json(&change_path, &change(NEW_PASSWORD, PASSWORD)).await.expect(200);
    world.sim.expire_access_tokens();
    world.profile().await.expect(200);
    world.sim.drop_channels();
    let transfer = world.path("transfer");
    world.client.post_json(&transfer, &json!({ "pin": NEW_PASSWORD })).await.expect(200);

    // What goes wrong, on the way and at the portal.
    let forged = format!("Bearer {FORGED_BEARER}");
    let headers = [("authorization", forged.as_str()), ("x-client-hash", FORGED_BEARER)];
    let query = world.path(&format!("status/404?token={IN_QUERY}"));
    world.client.send(Method::GET, &query, &headers, "").await.expect(404);
    let foreign = [("origin", "https://evil.example"), ("authorization", forged.as_str())];
    shown.push(("a refusal", world.client.send(Method::GET, &query, &foreign, "").await.text()));
    for fault in [
        Fault::CorruptTag,
        Fault::GarbageAnswer,
        Fault::CloseMidBody,
        Fault::ResetConnection { processed: true },
    ] {
        world.sim.next_on("/transfer", fault);
        let answer = world.client.post_json(&transfer, &json!({ "pin": NEW_PASSWORD })).await.expect(502);
        shown.push(("a problem", format!("{:?} {}", answer.headers, answer.text())));
    }
    world.sim.expire_access_tokens();
    world.sim.next_on("token/refresh", Fault::Status(500));
    let answer = world.profile().await;
    shown.push(("a failed refresh", format!("{:?} {}", answer.headers, answer.text())));
    let active = format!("{:?} {:?}", world.proxy.session(), world.proxy.session().status());
    shown.push(("Debug of the session", active));

    // Persons, who mistype.
    let login = LoginRequest {
        email: Some("mail@example.com".into()),
        password: Some(Password::new(TYPED_PASSWORD)),
        ..LoginRequest::default()
    };
    shown.push(("Debug of a login", format!("{login:?}")));
    shown.push(("the admin's refusal", format!("{:?}", world.admin().login(&login).await)));
    let answer = world.admin().answer(None, &OneTimeCode::new(TYPED_CODE)).await;
    shown.push(("the admin's refusal of a code", format!("{answer:?}")));
    let credentials = json!({ "email": EMAIL, "password": TYPED_PASSWORD });
    let answer = world.client.post_json(&world.login("initiate"), &credentials).await;
    shown.push(("a client's refused login", answer.text()));

    for path in ["/v1/status", "/metrics", "/v1/metrics", "/v1/nothing"] {
        shown.push(("the admin API", world.admin_get(path).await));
    }
    shown.push(("Debug of the proxy", format!("{:?}", world.proxy)));

    // The portal's own secrets, as they went over the wire.
    let mut secrets: Vec<String> = [
        PASSWORD,
        NEW_PASSWORD,
        TYPED_PASSWORD,
        TYPED_CODE,
        OTP_SECRET,
        ACCESS_CODE,
        CLIENT_HASH,
        FORGED_BEARER,
        IN_QUERY,
    ]
    .map(str::to_owned)
    .to_vec();
    let log = world.sim.wire_log();
    for entry in &log {
        if let Some(bearer) = entry.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
            secrets.push(bearer.to_owned());
        }
        if entry.path.ends_with("/refresh") {
            // A refresh that met a fault was not read.
            if let Ok(body) = serde_json::from_str::<serde_json::Value>(&entry.body) {
                secrets.push(body["refreshToken"].as_str().unwrap().to_owned());
            }
            if let Ok(answer) = serde_json::from_str::<serde_json::Value>(&entry.answer) {
                let tokens = ["accessToken", "refreshToken"].map(|name| answer["data"][name].as_str());
                secrets.extend(tokens.into_iter().flatten().map(str::to_owned));
            }
        }
    }
    secrets.sort();
    secrets.dedup();
    assert!(secrets.len() >= 9 + 3, "the tokens are among them: {}", secrets.len());

    let mut kept = Vec::new();
    files(world.directory(), &mut kept);
    world.stop().await;
    let logs = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(logs.contains("portunus"), "something was logged: {logs}");
    assert_clean("the log", &logs, &secrets);
    for (place, text) in &shown {
        assert_clean(place, text, &secrets);
    }
    for (file, text) in &kept {
        assert_clean(file, text, &secrets);
    }
}
