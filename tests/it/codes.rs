//! Codes that no person types: backup codes from a file, mailed codes from a program.

use std::time::Duration;

use portal_sim::{DEFAULT_PASSWORD, Fault, Settings, Sim};
use portunus::admin::{Cause, ClientError, LoginRequest, State};

use crate::command_line::{Running, portunus, said, write};
use crate::world::{World, WorldOptions, until};

const EMAIL: &str = "both@example.com";

fn by_backup_code() -> LoginRequest {
    LoginRequest { use_backup_code: true, ..LoginRequest::default() }
}

#[tokio::test]
async fn backup_codes_of_a_file_sign_in_over_the_admin_socket_until_none_is_left() {
    let files = tempfile::tempdir().unwrap();
    let codes = files.path().join("codes");
    write(&codes, "backup00\n\n back up01 \n");
    let options =
        WorldOptions::default().account(EMAIL).set("login.backup_codes", format!("{{ file = {codes:?} }}"));
    let world = World::start(options).await;
    // Without being told to, the proxy takes none.
    world.profile().await.problem(503, "mfa-required");
    for left in [1, 0] {
        let report = world.admin().login(&by_backup_code()).await.unwrap();
        assert_eq!((report.state, report.backup_codes_left), (State::SignedIn, Some(left)));
        world.profile().await.expect(200);
    }
    let begun = world.sim.counters().initiate;
    let Err(ClientError::Refused(problem)) = world.admin().login(&by_backup_code()).await else {
        panic!("a third code?")
    };
    assert_eq!(problem.code, Cause::NoBackupCode);
    // Another list, and it goes on; what was spent stays spent.
    write(&codes, "backup01\nbackup02\n");
    world.admin().login(&by_backup_code()).await.unwrap();
    let counters = world.sim.counters();
    assert_eq!((counters.initiate, counters.wrong_code), (begun + 1, 0));
    assert!(world.stop().await);
}

#[tokio::test]
async fn with_the_explicit_setting_the_first_request_spends_a_backup_code() {
    let files = tempfile::tempdir().unwrap();
    let codes = files.path().join("codes");
    write(&codes, "backup05\n");
    let options = WorldOptions::default()
        .account(EMAIL)
        .set("login.backup_codes", format!("{{ file = {codes:?} }}"))
        .set("login.use_backup_codes", "true");
    let world = World::start(options).await;
    world.profile().await.expect(200);
    world.admin().logout(None).await.unwrap();
    let Err(ClientError::Refused(problem)) = world.admin().login(&LoginRequest::default()).await else {
        panic!("the same code again?")
    };
    assert_eq!((problem.code, world.sim.counters().initiate), (Cause::NoBackupCode, 1));
    world.profile().await.problem(503, "no-backup-code");
    assert!(world.stop().await);
}

/// The portal has taken the code, and its answer is still on the way, when the proxy is killed.
#[tokio::test]
async fn a_proxy_killed_while_its_backup_code_was_on_the_way_sends_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    let sim = Sim::start(Settings { share_rsa_keys: true, ..Settings::default() }).await.unwrap();
    let at = |name: &str| home.path().join(name);
    write(&at("password"), DEFAULT_PASSWORD);
    write(&at("codes"), "backup03\nbackup04\n");
    let text = format!(
        "[listen]\naddresses = [\"127.0.0.1:0\"]\n[upstream]\nurl = {:?}\n[portal]\naccess_code = {{ env = \"CODE\" }}\n\
         [login]\nemail = {EMAIL:?}\npassword = {{ file = \"password\" }}\nbackup_codes = {{ file = \"codes\" }}\n\
         [admin]\nsocket = \"p.sock\"\n",
        sim.url()
    );
    write(&at("proxy.toml"), &text);
    let ask = |words: &[&str]| {
        let mut asked = portunus(home.path());
        asked.args(words).arg("-c").arg(at("proxy.toml")).env("CODE", "TENANT-DEMO");
        asked
    };
    let login = ["login", "--use-backup-code", "--no-input"];

    let mut run = Running::start(&mut ask(&["run"]));
    run.line("listening on http://").await;
    sim.next_on("login/complete", Fault::StallBody);
    let waiting = ask(&login).spawn().unwrap();
    until("the portal has taken the code", || sim.counters().complete == 1).await;
    run.kill().await;
    drop(waiting);

    let mut run = Running::start(&mut ask(&["run"]));
    run.line("listening on http://").await;
    let (exit, out, error) = said(&mut ask(&login)).await;
    assert_eq!(exit, 0, "{error}");
    assert!(out.starts_with("signed in as b***@example.com"), "{out}");
    assert!(error.contains("a backup code is spent; 0 are left in login.backup_codes"), "{error}");
    let counters = sim.counters();
    assert_eq!((counters.complete, counters.wrong_code), (2, 0), "the spent code was not sent again");

    let (exit, _, error) = said(&mut ask(&login)).await;
    assert_eq!((exit, sim.counters().complete), (3, 2), "{error}");
    assert!(error.contains("no backup code can be used"), "{error}");
    assert_eq!(tokio::time::timeout(Duration::from_secs(60), run.interrupt()).await.unwrap(), 0);
}

/// A program that asks the simulator's control port for the code of the newest mail, as another asks a mail server.
fn mail_reader(control: std::net::SocketAddr, to: &str) -> String {
    let (ip, port) = (control.ip(), control.port());
    format!(
        "PATH=/usr/bin:/bin\nexec 3<>/dev/tcp/{ip}/{port}\nprintf 'GET /inbox/{to} HTTP/1.0\\r\\n\\r\\n' >&3\n\
         grep -o '\"code\": *\"[0-9]*\"' <&3 | tail -n 1 | tr -dc 0-9\n"
    )
}

fn by_mailbox(script: &std::path::Path) -> WorldOptions {
    WorldOptions::default()
        .account("mail@example.com")
        .set("login.code_command", format!("{{ command = [\"/bin/bash\", {script:?}] }}"))
        .set("login.code_every", "\"100ms\"")
        .sim(|sim| sim.lifetimes.mfa_cooldown = Duration::ZERO)
}

#[tokio::test]
async fn a_program_that_reads_the_mailbox_signs_in_at_the_first_request_and_for_a_person_too() {
    let files = tempfile::tempdir().unwrap();
    let script = files.path().join("read-mail");
    let world = World::start(by_mailbox(&script)).await;
    let control = portal_sim::serve_control(&world.sim, ([127, 0, 0, 1], 0).into()).await.unwrap();
    write(&script, &mail_reader(control, "mail@example.com"));
    world.profile().await.expect(200);
    world.admin().logout(None).await.unwrap();
    // The mail of the first login lies there still; its code is not sent again.
    let report = world.admin().login(&LoginRequest::default()).await.unwrap();
    assert_eq!(report.state, State::SignedIn);
    let counters = world.sim.counters();
    assert_eq!((counters.initiate, counters.mfa_send, counters.complete), (2, 2, 2));
    assert_eq!((counters.wrong_code, world.sim.inbox("mail@example.com").len()), (0, 2));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_mailbox_program_that_takes_too_long_leaves_the_code_to_a_person() {
    let files = tempfile::tempdir().unwrap();
    let script = files.path().join("read-mail");
    write(&script, "sleep 60; echo 123456\n");
    let world = World::start(by_mailbox(&script).set("login.code_timeout", "\"300ms\"")).await;
    let begun = std::time::Instant::now();
    let report = world.admin().login(&LoginRequest::default()).await.unwrap();
    assert_eq!(report.state, State::AwaitingCode);
    let why = report.challenge.and_then(|challenge| challenge.unfetched);
    assert_eq!(why.as_deref(), Some("login.code_command: /bin/bash did not end within 0.3 seconds"));
    assert!(begun.elapsed() >= Duration::from_millis(300) && begun.elapsed() < Duration::from_secs(30));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_mailbox_program_that_fails_leaves_the_code_to_a_person() {
    let files = tempfile::tempdir().unwrap();
    let script = files.path().join("read-mail");
    write(&script, "echo 123456; exit 3\n");
    let world = World::start(by_mailbox(&script)).await;
    let report = world.admin().login(&LoginRequest::default()).await.unwrap();
    assert_eq!(report.state, State::AwaitingCode);
    let why = report.challenge.and_then(|challenge| challenge.unfetched);
    assert_eq!(why.as_deref(), Some("login.code_command: /bin/bash failed (exit status: 3)"));
    let code = world.sim.inbox("mail@example.com").pop().unwrap().code.unwrap();
    let report = world.admin().answer(None, &portunus::secret::OneTimeCode::new(code)).await.unwrap();
    assert_eq!(report.state, State::SignedIn);
    assert_eq!(world.sim.counters().wrong_code, 0, "what a failed program printed is not sent");
    assert!(world.stop().await);
}
