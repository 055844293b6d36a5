//! No secret in anything that the proxy shows or keeps: logs at trace, problems, metrics, status, `Debug`, files.

use std::fs;
use std::path::Path;

use http::Method;
use portal_sim::{Account, Factor, Fault};
use portunus::admin::LoginRequest;
use portunus::canary::Hunt;
use portunus::secret::{OneTimeCode, Password};
use portunus::telemetry::{self, LogFormat, LogSettings};
use serde_json::json;

use crate::command_line::{DEADLINE, portunus};
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

/// Panics where a secret shows.
#[track_caller]
fn assert_clean(place: &str, text: &str, hunt: &Hunt) {
    if let Some(hit) = hunt.hits(text.as_bytes()).first() {
        let around = &text.as_bytes()[hit.at.saturating_sub(160)..(hit.at + 80).min(text.len())];
        panic!("{place} shows {} as {}: …{}…", hit.name, hit.form, String::from_utf8_lossy(around));
    }
}

fn files(directory: &Path, found: &mut Vec<(String, String)>) {
    // Where nothing is remembered there is no directory either.
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(bytes) = fs::read(&path) {
            found.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

#[tokio::test]
async fn no_secret_shows_anywhere_in_a_whole_journey_with_all_its_failures() {
    let settings = LogSettings { level: "trace".parse().unwrap(), format: LogFormat::Text, color: false };
    let captured = telemetry::capture_logs(&settings).unwrap();
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
    shown.push(("Debug of the proxy", format!("{:?} {:#?}", world.proxy, world.proxy)));
    for resident in world.proxy.residents() {
        let session = resident.session();
        shown.push(("Debug of a session", format!("{resident:#?} {session:#?} {:#?}", session.status())));
    }

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
    let logs = String::from_utf8(captured.take()).unwrap();
    assert!(logs.contains("portunus"), "something was logged: {logs}");
    let mut hunt = Hunt::default();
    secrets.iter().for_each(|secret| hunt.add(&secret[..secret.len().min(24)], secret));
    assert_clean("the log", &logs, &hunt);
    for (place, text) in &shown {
        assert_clean(place, text, &hunt);
    }
    for (file, text) in &kept {
        assert_clean(file, text, &hunt);
    }
}

#[tokio::test]
async fn check_leaks_searches_what_a_persons_own_configuration_shows_and_keeps() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("my.toml");
    // The secrets' sources do not exist: they are not asked.
    let text = "[upstream]\nurl = \"https://portal.example.com\"\nextra_headers = { X-Edge = { env = \"NOT_THERE\" } }\n\
                [portal]\nname = \"partner\"\ndialect = \"sdk\"\nclient_hash = { file = \"not-there\" }\n\
                [login]\nemail = \"me@example.com\"\npassword = { command = [\"false\"] }\n\
                [guard]\nlocal_key = { file = \"not-there\" }\n[log]\nlevel = \"debug,hyper=trace\"\nformat = \"json\"\n";
    fs::write(&file, text).unwrap();
    let mut command = portunus(home.path());
    command.args(["check", "--leaks", "-v", "-c"]).arg(&file);
    let output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for place in ["journey", "log", "problems", "admin API", "Debug", "state"] {
        let line =
            said.lines().find(|line| line.contains(place)).unwrap_or_else(|| panic!("{place}: {said}"));
        assert!(place == "journey" || line.contains("none of"), "{line}");
        assert!(!line.contains(" in 0 bytes"), "{line}");
    }
    assert!(!said.contains("CNRY"), "{said}");
    assert!(!home.path().join(".local").exists(), "nothing of the person's own is touched");

    // One of several identities, with a login and headers of its own.
    let identity = "[identities]\n[[identity]]\nname = \"alice\"\nemail = \"alice@example.com\"\n\
                    password = { command = [\"false\"] }\notp_secret = { file = \"not-there\" }\n\
                    access_code = { env = \"NOT_THERE\" }\nclient_hash = { file = \"not-there\" }\n";
    fs::write(&file, format!("{text}{identity}")).unwrap();
    let mut command = portunus(home.path());
    command.args(["check", "--leaks", "-v", "--identity", "alice", "-c"]).arg(&file);
    let output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("for alice") && !said.contains("CNRY"), "{said}");
}
