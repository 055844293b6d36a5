//! `portunus detect` as a program: what it prints on stdout is a configuration that works.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use portal_sim::{Account, Factor, Settings, Sim};

const EMAIL: &str = "admin@example.com";

/// The sections of a person's own, before what detect prints.
fn own_sections(sim: &Sim, home: &Path) -> String {
    format!(
        "[upstream]\nurl = \"{}\"\n[login]\nemail = \"{EMAIL}\"\npassword = {{ env = \"TEST_PASSWORD\" }}\n\
         otp_secret = {{ env = \"TEST_SEED\" }}\n[state]\ndir = \"{}\"\n",
        sim.url(),
        home.join("state").display()
    )
}

async fn portunus(sim: &Sim, home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portunus"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("PORTUNUS_PORTAL_ACCESS_CODE", &sim.settings().access_code)
        .env("TEST_PASSWORD", portal_sim::DEFAULT_PASSWORD)
        .env("TEST_SEED", portal_sim::DEFAULT_TOTP_SECRET)
        .stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn started(seed: u64) -> Sim {
    let otp = Factor::Otp { secret_base32: portal_sim::DEFAULT_TOTP_SECRET.to_owned() };
    let accounts = vec![Account::new(EMAIL, vec![otp])];
    Sim::start(Settings { share_rsa_keys: true, accounts, ..Settings::random(seed) }).await.unwrap()
}

#[tokio::test]
async fn ten_random_dialects_in_a_row_are_detected_by_the_program_and_printed_as_a_configuration() {
    for seed in 1..=10 {
        let (sim, home) = (started(seed).await, tempfile::tempdir().unwrap());
        let config = home.path().join("proxy.toml");
        std::fs::write(&config, own_sections(&sim, home.path())).unwrap();
        let file = config.to_str().unwrap();
        let found = portunus(&sim, home.path(), &["detect", "-c", file, "--yes", "--patience", "0s"]).await;
        let (told, talk) = (text(&found.stdout), text(&found.stderr));
        assert_eq!(found.status.code(), Some(0), "seed {seed}: {talk}");
        assert!(talk.contains("a login was completed, used and ended"), "seed {seed}: {talk}");
        assert_eq!(sim.counters().initiate, 1, "seed {seed}");
        for secret in [portal_sim::DEFAULT_PASSWORD, portal_sim::DEFAULT_TOTP_SECRET] {
            assert!(!told.contains(secret) && !talk.contains(secret), "seed {seed}");
        }
        // The main job by the very text is `detect::five_hundred_random_dialects_are_found_and_then_work`.
        std::fs::write(&config, format!("{}\n{told}", own_sections(&sim, home.path()))).unwrap();
        // The first run has used up what a minute allows; the second is not about waiting.
        sim.clear_rate_limits();
        let again = portunus(&sim, home.path(), &["detect", "-c", file, "--no-login"]).await;
        assert_eq!(again.status.code(), Some(0), "seed {seed}: {}", text(&again.stderr));
        assert_eq!(sim.counters().initiate, 1, "seed {seed}: --no-login logged in");
        sim.stop().await;
    }
}

#[tokio::test]
async fn without_a_configuration_an_url_is_enough_and_nobody_is_logged_in() {
    let (sim, home) = (started(7).await, tempfile::tempdir().unwrap());
    let found = portunus(&sim, home.path(), &["detect", "--upstream", sim.url().as_str()]).await;
    assert_eq!(found.status.code(), Some(0), "{}", text(&found.stderr));
    assert!(text(&found.stdout).contains("[portal]"), "{}", text(&found.stdout));
    assert_eq!(sim.counters().initiate, 0);
}

#[tokio::test]
async fn a_portal_that_is_not_there_is_exit_code_4_with_a_hint_and_nothing_on_stdout() {
    let (sim, home) = (started(7).await, tempfile::tempdir().unwrap());
    let gone = portunus(&sim, home.path(), &["detect", "--upstream", "http://127.0.0.1:1"]).await;
    assert_eq!(gone.status.code(), Some(4), "{}", text(&gone.stderr));
    assert!(gone.stdout.is_empty());
    assert!(text(&gone.stderr).contains("hint: "), "{}", text(&gone.stderr));
}
