//! The commands from the outside: arguments in, exit code out.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::UnixListener;

use super::args::{LogoutFlags, StatusFlags};
use super::script::Script;
use super::*;
use crate::admin::fake::{FakeSession, Script as PortalScript};
use crate::admin::{AdminState, Client, Identity, Limits, Phase, bind, serve};
use crate::clock::SystemClock;
use crate::identity::IdentityName;

fn run_line(line: &str) -> Exit {
    let home = tempfile::tempdir().unwrap();
    let variables = [("XDG_RUNTIME_DIR".into(), home.path().into())];
    run(line.split(' ').map(Into::into), &Environment::new(variables))
}

#[test]
fn the_exit_code_says_which_kind_of_end_it_was() {
    assert_eq!(run_line("portunus --version"), Exit::Ok);
    assert_eq!(run_line("portunus nonsense"), Exit::Usage);
    assert_eq!(run_line("portunus login --password hunter2-hunter2"), Exit::Usage);
    for command in ["status", "logout", "login --no-input"] {
        assert_eq!(run_line(&format!("portunus {command}")), Exit::NotRunning, "{command}");
    }
}

#[test]
fn without_any_place_for_a_socket_the_flag_is_asked_for() {
    let environment = Environment::default();
    let failure = join::client(&GlobalFlags::default(), &environment, &mut Script::default()).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.hint.unwrap().contains("--socket"));
}

/// What an admin API over these lives as long as, and who speaks to it.
fn served(identities: Vec<Identity>) -> (impl Sized, Client) {
    let state = AdminState::new(identities, SystemClock::shared(), "0.1.0", vec![], Vec::new, || {});
    let dir = tempfile::tempdir().unwrap();
    let socket = bind(&dir.path().join("p.sock")).unwrap();
    let client = Client::new(socket.file.path());
    let listener = UnixListener::from_std(socket.listener).unwrap();
    tokio::spawn(serve(listener, state, Limits::default(), std::future::pending()));
    ((socket.file, dir), client)
}

#[tokio::test]
async fn status_prints_the_apis_own_json_and_logout_its_end() {
    let session = Arc::new(FakeSession::new(PortalScript::default(), SystemTime::now()));
    let identities = vec![Identity::new(IdentityName::sole(), session.clone(), None)];
    let (_socket, client) = served(identities);

    let mut out = Script::default();
    let json = StatusFlags { json: true, ..StatusFlags::default() };
    assert_eq!(status::status(&client, &json, &mut out).await, Ok(Exit::PersonNeeded));
    let printed: serde_json::Value = serde_json::from_str(&out.data[0]).unwrap();
    assert_eq!(printed["identities"][0]["state"], "signed-out");

    let expires_at = SystemTime::now() + std::time::Duration::from_secs(60);
    session.put(Phase::SignedIn { expires_at, account: Some("root@example.com".to_owned()) });
    assert_eq!(status::status(&client, &StatusFlags::default(), &mut out).await, Ok(Exit::Ok));
    assert!(out.data[1].contains("signed in, "), "{}", out.data[1]);

    assert_eq!(logout::logout(&client, &LogoutFlags::default(), &mut out).await, Ok(Exit::Ok));
    assert_eq!(out.data[2], "signed out r***@example.com");
    assert_eq!(logout::logout(&client, &LogoutFlags::default(), &mut out).await, Ok(Exit::Ok));
    assert_eq!(out.data[3], "signed out", "of whom is not known any more");
    assert_eq!(session.asked(), ["sign_out", "sign_out"]);
}

#[tokio::test]
async fn status_of_several_shows_all_or_the_one_that_is_named() {
    let name = |name: &str| IdentityName::new(name).unwrap();
    let fake = || Arc::new(FakeSession::new(PortalScript::default(), SystemTime::now()));
    let alice = fake();
    let expires_at = SystemTime::now() + std::time::Duration::from_secs(60);
    alice.put(Phase::SignedIn { expires_at, account: None });
    let identities =
        vec![Identity::new(name("alice"), alice, None), Identity::new(name("bob"), fake(), None)];
    let (_socket, client) = served(identities);

    let mut out = Script::default();
    let of = |name: Option<&str>, json: bool| StatusFlags { identity: name.map(str::to_owned), json };
    assert_eq!(status::status(&client, &of(None, false), &mut out).await, Ok(Exit::PersonNeeded));
    assert!(out.data[0].contains("alice") && out.data[0].contains("portunus login --identity bob"));
    assert_eq!(status::status(&client, &of(Some("alice"), false), &mut out).await, Ok(Exit::Ok));
    assert!(out.data[1].contains("alice") && !out.data[1].contains("bob"), "{}", out.data[1]);
    assert_eq!(status::status(&client, &of(Some("bob"), true), &mut out).await, Ok(Exit::PersonNeeded));
    let printed: serde_json::Value = serde_json::from_str(&out.data[2]).unwrap();
    assert_eq!((&printed["identity"], &printed["state"]), (&"bob".into(), &"signed-out".into()));
    let unknown = status::status(&client, &of(Some("eve"), false), &mut out).await.unwrap_err();
    assert_eq!(unknown.exit, Exit::Usage);
    assert!(unknown.what.contains("alice, bob"), "{}", unknown.what);
}
