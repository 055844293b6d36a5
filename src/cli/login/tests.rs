//! The talk against a real admin server with a fake session, the person played by a script.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::UnixListener;

use super::*;
use crate::admin::fake::{CODE, FakeSession, PASSWORD, Script as PortalScript};
use crate::admin::{AdminState, Identity, Limits, Phase, SignIn, bind, serve};
use crate::cli::script::Script;
use crate::clock::SystemClock;
use crate::identity::IdentityName;
use crate::session::{Codes, Credentials, FactorKind, MfaChoice, SessionError};

struct World {
    client: Client,
    session: Arc<FakeSession>,
    _dir: tempfile::TempDir,
}

fn world_of(names: &[&str], script: &PortalScript) -> World {
    let session = Arc::new(FakeSession::new(script.clone(), SystemTime::now()));
    let identity = |name: &&str| {
        let session: Arc<dyn SignIn> = session.clone();
        Identity::new(IdentityName::new(name).unwrap(), session, script.configured.clone())
    };
    let identities = names.iter().map(identity).collect();
    let state = AdminState::new(identities, SystemClock::shared(), "0.1.0", vec![], Vec::new, || {});
    let dir = tempfile::tempdir().unwrap();
    let socket = bind(&dir.path().join("p.sock")).unwrap();
    let client = Client::new(socket.file.path());
    tokio::spawn(async move {
        let listener = UnixListener::from_std(socket.listener).unwrap();
        serve(listener, state, Limits::default(), std::future::pending()).await;
        drop(socket.file);
    });
    World { client, session, _dir: dir }
}

fn world(script: &PortalScript) -> World {
    world_of(&["default"], script)
}

fn configured(password: Option<&str>) -> Option<Credentials> {
    let password = password.map(Password::new);
    Some(Credentials {
        email: "root@example.com".into(),
        password,
        otp_secret: None,
        mfa: MfaChoice::Auto,
        codes: Codes::default(),
    })
}

impl World {
    async fn login(&self, flags: &LoginFlags, script: &mut Script) -> Result<Exit, Failure> {
        let done = login(&self.client, flags, script);
        tokio::time::timeout(Duration::from_secs(20), done).await.expect("the login hangs")
    }
}

#[tokio::test]
async fn nothing_configured_asks_for_address_password_and_code() {
    let world = world(&PortalScript::default());
    let mut person = Script::person(&["root@example.com", PASSWORD, "123 456"]);
    assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(person.prompts(), ["e-mail", "password", "code from the authenticator app"]);
    let hidden: Vec<_> = person.asked.iter().map(|(_, hidden)| *hidden).collect();
    assert_eq!(hidden, [false, true, false]);
    assert_eq!(person.data, ["signed in as r***@example.com, 59 min 59 s left"]);
}

#[tokio::test]
async fn what_is_configured_is_not_asked_for() {
    let script =
        PortalScript { configured: configured(Some(PASSWORD)), methods: vec![], ..PortalScript::default() };
    let world = world(&script);
    let mut person = Script::person(&[]);
    assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(person.asked, []);
    assert!(person.data[0].starts_with("signed in as r***@example.com, "), "{:?}", person.data);
}

#[tokio::test]
async fn already_signed_in_does_nothing_unless_asked_to() {
    let script =
        PortalScript { configured: configured(Some(PASSWORD)), methods: vec![], ..PortalScript::default() };
    let world = world(&script);
    let expires_at = SystemTime::now() + Duration::from_secs(600);
    world.session.put(Phase::SignedIn { expires_at, account: None });
    let mut person = Script::person(&[]);
    assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(world.session.asked(), [""; 0]);
    let again = LoginFlags { again: true, ..LoginFlags::default() };
    assert_eq!(world.login(&again, &mut person).await, Ok(Exit::Ok));
    assert_eq!(world.session.asked(), ["sign_in None"]);
}

#[tokio::test]
async fn a_mistyped_password_is_asked_for_again_three_times_in_all() {
    let world =
        world(&PortalScript { configured: configured(None), methods: vec![], ..PortalScript::default() });
    let mut person = Script::person(&["short", "wrong horse", PASSWORD]);
    assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(person.prompts(), ["password"; 3]);
    assert_eq!(
        person.said,
        ["a password has 8 to 128 characters; nothing was sent", "the portal refused the credentials"]
    );
    let world = self::world(&PortalScript { configured: configured(None), ..PortalScript::default() });
    let mut person = Script::person(&["wrong horse 1", "wrong horse 2", "wrong horse 3"]);
    let failure = world.login(&LoginFlags::default(), &mut person).await.unwrap_err();
    assert_eq!((failure.exit, world.session.asked().len()), (Exit::Refused, 3));
}

#[tokio::test]
async fn a_configured_password_that_the_portal_refused_is_not_sent_again() {
    let script = PortalScript {
        configured: configured(Some("old password")),
        methods: vec![],
        ..PortalScript::default()
    };
    let world = world(&script);
    world.session.put(Phase::Failed(SessionError::CredentialsRefused));
    let mut person = Script::person(&[PASSWORD]);
    assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!((person.prompts(), world.session.asked().len()), (vec!["password"], 1));
}

#[tokio::test]
async fn a_wrong_code_begins_again_where_the_portal_ended_the_login() {
    let world = world(&PortalScript { configured: configured(Some(PASSWORD)), ..PortalScript::default() });
    let mut person = Script::person(&["654321", CODE]);
    assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(world.session.asked(), ["sign_in None", "answer", "sign_in None", "answer"]);
    assert!(
        person.said[0].ends_with("the portal refused the code (AUTH.MFA_CODE_INVALID)"),
        "{:?}",
        person.said
    );
}

#[tokio::test]
async fn a_wrong_code_is_answered_in_place_where_the_portal_keeps_the_login() {
    let script =
        PortalScript { configured: configured(Some(PASSWORD)), strict: false, ..PortalScript::default() };
    let world = world(&script);
    let mut person = Script::person(&["654321", CODE]);
    assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(world.session.asked(), ["sign_in None", "answer", "answer"]);
}

#[tokio::test]
async fn after_three_wrong_codes_it_is_over() {
    let world = world(&PortalScript { configured: configured(Some(PASSWORD)), ..PortalScript::default() });
    let mut person = Script::person(&["654321", "654322", "654323"]);
    let failure = world.login(&LoginFlags::default(), &mut person).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Refused);
    assert_eq!(world.session.asked().iter().filter(|asked| *asked == "answer").count(), 3);
}

#[tokio::test]
async fn a_pending_challenge_is_answered_without_a_new_login() {
    let world = world(&PortalScript { configured: configured(Some(PASSWORD)), ..PortalScript::default() });
    world.session.sign_in(None).await.unwrap_err();
    let mut person = Script::person(&[CODE]);
    assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(world.session.asked(), ["sign_in None", "answer"]);
}

#[tokio::test]
async fn among_several_factors_the_person_chooses() {
    let methods = vec![FactorKind::Otp, FactorKind::Email];
    let script = PortalScript { configured: configured(Some(PASSWORD)), methods, ..PortalScript::default() };
    let world = world(&script);
    let mut person = Script::person(&["3", "2", CODE]);
    assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(person.prompts(), ["which one [1]", "which one [1]", "code sent to r***@example.com"]);
    assert_eq!(
        person.said,
        [
            "the portal offers several second factors:",
            "  1  authenticator app",
            "  2  e-mail",
            "a number from 1 to 2"
        ]
    );
    assert_eq!(world.session.asked(), ["sign_in None", "send_code Some(Email)", "answer"]);
}

#[tokio::test]
async fn the_flag_chooses_the_factor_and_one_not_offered_is_said() {
    let methods = vec![FactorKind::Otp, FactorKind::Email];
    let script = PortalScript { configured: configured(Some(PASSWORD)), methods, ..PortalScript::default() };
    let world = world(&script);
    world.session.sign_in(None).await.unwrap_err();
    let flags = LoginFlags { mfa: Some(super::super::args::Factor::BackupCode), ..LoginFlags::default() };
    let failure = world.login(&flags, &mut Script::person(&[])).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert_eq!(failure.hint.unwrap(), "it offers: authenticator app, e-mail");
    let flags = LoginFlags { mfa: Some(super::super::args::Factor::Otp), ..LoginFlags::default() };
    assert_eq!(world.login(&flags, &mut Script::person(&[CODE])).await, Ok(Exit::Ok));
}

#[tokio::test]
async fn r_sends_the_code_again_once_the_cooldown_is_over() {
    let script = PortalScript {
        configured: configured(Some(PASSWORD)),
        methods: vec![FactorKind::Email],
        ..PortalScript::default()
    };
    let cold = world(&script);
    let mut person = Script::person(&["r", CODE]);
    assert_eq!(cold.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert!(person.said[0].starts_with("another code can be sent in "), "{:?}", person.said);
    assert_eq!(cold.session.asked(), ["sign_in None", "answer"]);

    let warm = world(&PortalScript { cooldown: Duration::ZERO, ..script });
    let mut person = Script::person(&["R", CODE]);
    assert_eq!(warm.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(warm.session.asked(), ["sign_in None", "send_code None", "answer"]);
    assert_eq!(person.said, ["sent again: code sent to r***@example.com"]);
}

#[tokio::test]
async fn why_the_mailed_code_was_not_fetched_is_told_before_it_is_asked_for() {
    let why = "login.code_command: read-mail failed (exit status: 3)";
    let script = PortalScript {
        configured: configured(Some(PASSWORD)),
        methods: vec![FactorKind::Email],
        unfetched: Some(why.to_owned()),
        ..PortalScript::default()
    };
    let mut person = Script::person(&[CODE]);
    assert_eq!(world(&script).login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(person.said, [format!("the code is not fetched by itself: {why}")]);
    assert_eq!(person.prompts(), ["code sent to r***@example.com"]);
}

/// A person at whose prompt something else happens meanwhile.
struct Overtaken {
    person: Script,
    session: Arc<FakeSession>,
    by: Phase,
}

impl Terminal for Overtaken {
    fn data(&mut self, line: &str) {
        self.person.data(line);
    }

    fn say(&mut self, line: &str) {
        self.person.say(line);
    }

    fn detail(&mut self, line: &str) {
        self.person.detail(line);
    }

    fn interactive(&self) -> bool {
        self.person.interactive()
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<Zeroizing<String>, Unanswered> {
        self.session.put(self.by.clone());
        self.person.ask(question)
    }

    fn line_from_stdin(&mut self) -> Result<Zeroizing<String>, Failure> {
        self.person.line_from_stdin()
    }

    fn waiting(&mut self, text: Option<&str>) {
        self.person.waiting(text);
    }

    fn paint(&self) -> crate::cli::terminal::Paint {
        self.person.paint()
    }
}

#[tokio::test]
async fn a_code_typed_after_the_mailbox_was_faster_ends_signed_in() {
    let script = PortalScript {
        configured: configured(Some(PASSWORD)),
        methods: vec![FactorKind::Email],
        ..PortalScript::default()
    };
    let world = world(&script);
    let overtaken =
        |by| Overtaken { person: Script::person(&["654321"]), session: world.session.clone(), by };
    let expires_at = SystemTime::now() + Duration::from_secs(600);
    let mut person = overtaken(Phase::SignedIn { expires_at, account: Some("root@example.com".into()) });
    assert_eq!(login(&world.client, &LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert!(person.person.data[0].starts_with("signed in as r***@example.com, "), "{:?}", person.person.data);
    assert_eq!(world.session.asked(), ["sign_in None"], "the typed code is not sent");

    let again = LoginFlags { again: true, ..LoginFlags::default() };
    let failure = login(&world.client, &again, &mut overtaken(Phase::SignedOut)).await.unwrap_err();
    assert_eq!((failure.exit, failure.what.as_str()), (Exit::PersonNeeded, "no code is awaited"));
}

#[tokio::test]
async fn whose_login_it_is_is_said_and_an_unnamed_one_has_no_name() {
    let world = world(&PortalScript { configured: configured(Some(PASSWORD)), ..PortalScript::default() });
    let expires_at = SystemTime::now() + Duration::from_secs(600);
    for (account, said) in [
        (Some("other@example.com"), "signed in as o***@example.com, "),
        // Adopted from a client: the configured account is the best guess.
        (None, "signed in as r***@example.com, "),
    ] {
        world.session.put(Phase::SignedIn { expires_at, account: account.map(str::to_owned) });
        let mut person = Script::person(&[]);
        assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
        assert!(person.data[0].starts_with(said), "{:?}", person.data);
    }
    for (name, said) in [("default", "signed in, "), ("alice", "signed in as alice, ")] {
        let world = world_of(&[name], &PortalScript::default());
        world.session.put(Phase::SignedIn { expires_at, account: None });
        let mut person = Script::person(&[]);
        assert_eq!(world.login(&LoginFlags::default(), &mut person).await, Ok(Exit::Ok));
        assert!(person.data[0].starts_with(said), "{:?}", person.data);
    }
}

#[tokio::test]
async fn no_input_fails_at_once_and_says_which_way_is_left() {
    let world = world(&PortalScript { configured: configured(None), ..PortalScript::default() });
    let flags = LoginFlags { no_input: true, ..LoginFlags::default() };
    let begun = Instant::now();
    let failure = world.login(&flags, &mut Script::person(&[])).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(
        (failure.exit, failure.what.as_str()),
        (Exit::PersonNeeded, "password is needed, and nobody can be asked")
    );
    assert!(failure.hint.unwrap().contains("--password-stdin"));
    assert_eq!(world.session.asked(), [""; 0], "and no attempt is spent");
}

#[tokio::test]
async fn without_a_terminal_a_code_is_not_waited_for() {
    let world = world(&PortalScript { configured: configured(Some(PASSWORD)), ..PortalScript::default() });
    let failure = world.login(&LoginFlags::default(), &mut Script::pipe(&[])).await.unwrap_err();
    assert_eq!(failure.exit, Exit::PersonNeeded);
    assert_eq!(failure.what, "the login waits for a code: code from the authenticator app");
    assert!(failure.hint.unwrap().contains("--code-stdin"));
}

#[tokio::test]
async fn a_script_pipes_password_and_code_in() {
    let world = world(&PortalScript { configured: configured(None), ..PortalScript::default() });
    let flags =
        LoginFlags { password_stdin: true, code_stdin: true, no_input: true, ..LoginFlags::default() };
    let mut pipe = Script::pipe(&[PASSWORD, CODE]);
    assert_eq!(world.login(&flags, &mut pipe).await, Ok(Exit::Ok));
    assert!(pipe.stdin.is_empty() && pipe.asked.is_empty());
}

#[tokio::test]
async fn a_piped_secret_is_tried_once() {
    let world = world(&PortalScript { configured: configured(None), ..PortalScript::default() });
    let flags = LoginFlags { password_stdin: true, code_stdin: true, ..LoginFlags::default() };
    let mut terminal = Script { interactive: true, ..Script::pipe(&["wrong horse", "never read"]) };
    let failure = world.login(&flags, &mut terminal).await.unwrap_err();
    assert_eq!((failure.exit, world.session.asked().len()), (Exit::Refused, 1));
    let mut terminal = Script { interactive: true, ..Script::pipe(&[PASSWORD, "654321"]) };
    let failure = world.login(&flags, &mut terminal).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Refused);
    assert_eq!(world.session.asked().iter().filter(|asked| *asked == "answer").count(), 1);
}

#[tokio::test]
async fn an_interrupted_or_expired_prompt_ends_the_command() {
    let world = world(&PortalScript { configured: configured(Some(PASSWORD)), ..PortalScript::default() });
    for (why, exit) in [(Unanswered::Interrupted, Exit::Interrupted), (Unanswered::Ended, Exit::PersonNeeded)]
    {
        let mut person = Script::person(&[]);
        person.answers.push_back(Err(why));
        assert_eq!(world.login(&LoginFlags::default(), &mut person).await.unwrap_err().exit, exit);
    }
    let script = PortalScript {
        configured: configured(Some(PASSWORD)),
        pending: Duration::ZERO,
        ..PortalScript::default()
    };
    let failure =
        self::world(&script).login(&LoginFlags::default(), &mut Script::person(&[])).await.unwrap_err();
    assert_eq!((failure.exit, failure.what.as_str()), (Exit::PersonNeeded, "the time for the code is over"));
}

#[tokio::test]
async fn a_refused_account_ends_it_with_the_reason() {
    let failure = Some(SessionError::PendingApproval);
    let script = PortalScript { configured: configured(Some(PASSWORD)), failure, ..PortalScript::default() };
    let failure = world(&script).login(&LoginFlags::default(), &mut Script::person(&[])).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Refused);
    assert_eq!(failure.what, "the account waits for an administrator's approval");
}

#[tokio::test]
async fn of_several_identities_one_has_to_be_named() {
    let script =
        PortalScript { configured: configured(Some(PASSWORD)), methods: vec![], ..PortalScript::default() };
    let world = world_of(&["alice", "bob"], &script);
    let failure = world.login(&LoginFlags::default(), &mut Script::person(&[])).await.unwrap_err();
    assert_eq!(
        (failure.exit, failure.what.as_str()),
        (Exit::Usage, "several identities are configured: alice, bob")
    );
    let named = |name: &str| LoginFlags { identity: Some(name.into()), ..LoginFlags::default() };
    assert_eq!(world.login(&named("eve"), &mut Script::person(&[])).await.unwrap_err().exit, Exit::Usage);
    assert_eq!(world.login(&named("bob"), &mut Script::person(&[])).await, Ok(Exit::Ok));
}

#[tokio::test]
async fn a_backup_code_is_taken_by_the_flag_alone_and_how_many_are_left_is_told() {
    let script = PortalScript {
        configured: configured(Some(PASSWORD)),
        methods: vec![],
        backup_codes_left: Some(7),
        ..PortalScript::default()
    };
    let world = world(&script);
    let expires_at = SystemTime::now() + Duration::from_secs(600);
    world.session.put(Phase::SignedIn { expires_at, account: None });
    let flags = LoginFlags { use_backup_code: true, no_input: true, ..LoginFlags::default() };
    let mut person = Script::person(&[]);
    assert_eq!(world.login(&flags, &mut person).await, Ok(Exit::Ok));
    assert_eq!(world.session.asked(), ["sign_in_by_backup_code"], "signed in or not");
    assert_eq!(person.said, ["a backup code is spent; 7 are left in login.backup_codes"]);
    let mut person = Script::person(&[]);
    assert_eq!(
        world.login(&LoginFlags { again: true, ..LoginFlags::default() }, &mut person).await,
        Ok(Exit::Ok)
    );
    assert_eq!((world.session.asked().len(), person.said.len()), (2, 0));
}

#[tokio::test]
async fn that_no_backup_code_is_left_ends_the_command_and_asks_for_nothing() {
    let failure = Some(SessionError::NoBackupCode { reason: "every code has been spent" });
    let script = PortalScript { configured: configured(Some(PASSWORD)), failure, ..PortalScript::default() };
    let flags = LoginFlags { use_backup_code: true, ..LoginFlags::default() };
    let mut person = Script::person(&[]);
    let failure = world(&script).login(&flags, &mut person).await.unwrap_err();
    assert_eq!((failure.exit, person.asked.len()), (Exit::PersonNeeded, 0));
    assert_eq!(failure.what, "no backup code can be used: every code has been spent");
    assert!(failure.hint.unwrap().contains("login.backup_codes"));
}

#[tokio::test]
async fn no_running_proxy_is_its_own_end() {
    let client = Client::new("/nonexistent/portunus.sock");
    let failure = login(&client, &LoginFlags::default(), &mut Script::person(&[])).await.unwrap_err();
    assert_eq!(failure.exit, Exit::NotRunning);
    assert_eq!(failure.what, "no portunus is running here: no socket at /nonexistent/portunus.sock");
}
