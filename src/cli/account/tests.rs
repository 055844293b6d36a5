//! The commands against a running proxy and the simulator, with a person who reads the simulator's mails.

use portal_sim::{DEFAULT_PASSWORD, Fault, RateLimits, Settings, Sim};
use zeroize::Zeroizing;

use super::password::new_password;
use super::*;
use crate::app::{self, Running};
use crate::cli::args::LoginFlags;
use crate::cli::script::Script;
use crate::cli::terminal::{Paint, Unanswered};
use crate::cli::{login, logout};
use crate::clock::SystemClock;
use crate::config::{Config, Inputs};
use crate::secret::Password;

const EMAIL: &str = "new@example.com";
const FIRST: &str = "the first password";
const SECOND: &str = "the second password";

/// Portal, proxy, and the way in for commands.
struct World {
    sim: Sim,
    proxy: Running,
    client: Client,
    dir: tempfile::TempDir,
}

impl World {
    async fn start(login: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let rate_limits = RateLimits { enabled: false, ..RateLimits::default() };
        let mut settings = Settings { share_rsa_keys: true, rate_limits, ..Settings::default() };
        change(&mut settings);
        let sim = Sim::start(settings).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let edge: Vec<_> =
            sim.dialect().required_headers.iter().map(|name| format!("{name:?} = \"edge\"")).collect();
        let at = |name: &str| format!("{:?}", dir.path().join(name).to_string_lossy());
        let text = format!(
            "[listen]\naddresses = [\"127.0.0.1:0\"]\nworkers = 1\n[upstream]\nurl = {:?}\nextra_headers = {{ {} }}\n\
             [portal]\nname = {:?}\naccess_code = {{ env = \"CODE\" }}\n{login}\n[state]\ndir = {}\n[admin]\nsocket = {}\n",
            sim.url(),
            edge.join(", "),
            sim.settings().portal,
            at("state"),
            at("admin.sock"),
        );
        let environment: crate::config::Environment =
            [("CODE", sim.settings().access_code.as_str()), ("PW", DEFAULT_PASSWORD)]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
        let file = dir.path().join("proxy.toml");
        let inputs =
            Inputs { file: Some(&file), environment: &environment, flags: &[], unsafe_listen: false };
        let config =
            Config::from_text(&text, &inputs).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let proxy = app::start(&config, &environment, None, SystemClock::shared()).await.unwrap();
        let client = Client::new(proxy.admin_socket().unwrap());
        Self { sim, proxy, client, dir }
    }

    /// Somebody who answers these, each for the prompts that begin so, in turn.
    fn person<'a>(&'a self, answers: &[(&'static str, &'static str)]) -> Reader<'a> {
        Reader { sim: &self.sim, answers: answers.to_vec(), data: Vec::new(), said: Vec::new() }
    }

    async fn signed_in(&self, email: &str, password: &'static str) -> Reader<'_> {
        let flags = LoginFlags { email: Some(email.to_owned()), again: true, ..LoginFlags::default() };
        let mut person = self.person(&[("password", password)]);
        assert_eq!(login::login(&self.client, &flags, &mut person).await, Ok(Exit::Ok), "{:?}", person.said);
        person
    }
}

/// Somebody at the terminal who reads the simulator's mails and has its authenticator.
struct Reader<'a> {
    sim: &'a Sim,
    answers: Vec<(&'static str, &'static str)>,
    data: Vec<String>,
    said: Vec<String>,
}

impl Terminal for Reader<'_> {
    fn data(&mut self, line: &str) {
        self.data.push(line.to_owned());
    }

    fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }

    fn detail(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }

    fn interactive(&self) -> bool {
        true
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<Zeroizing<String>, Unanswered> {
        let prompt = (question.prompt)().unwrap();
        let secret = ["password", "new password", "again", "current password", "token"];
        assert_eq!(question.hidden, secret.iter().any(|word| prompt.starts_with(word)), "{prompt}");
        let mail = self.sim.inbox(EMAIL).pop();
        let answer = if let Some(at) = self.answers.iter().position(|(of, _)| prompt.starts_with(of)) {
            self.answers.remove(at).1.to_owned()
        } else if prompt.starts_with("code from the authenticator") {
            // While a set-up waits for its first code, only the new secret has one.
            Some(self.sim.otp_unspent(EMAIL))
                .filter(|code| !code.is_empty())
                .unwrap_or(self.sim.otp_now(EMAIL))
        } else if prompt.starts_with("code") {
            mail.and_then(|mail| mail.code).unwrap()
        } else if prompt.starts_with("token or link") {
            mail.and_then(|mail| mail.link).unwrap()
        } else if prompt.starts_with("which one") {
            "1".to_owned()
        } else {
            panic!("nobody answers {prompt:?}")
        };
        Ok(Zeroizing::new(answer))
    }

    fn line_from_stdin(&mut self) -> Result<Zeroizing<String>, Failure> {
        let piped = self.answers.iter().position(|(of, _)| *of == "(stdin)");
        let piped = piped.map(|at| self.answers.remove(at).1.to_owned());
        piped.map(Zeroizing::new).ok_or_else(|| Failure::usage("nothing is piped in"))
    }

    fn waiting(&mut self, _text: Option<&str>) {}

    fn paint(&self) -> Paint {
        Paint::default()
    }
}

const TALK: TalkFlags = TalkFlags { identity: None, no_input: false };

fn password_flags(command: PasswordCommand) -> PasswordFlags {
    PasswordFlags { command }
}

fn registering() -> RegisterFlags {
    RegisterFlags { email: Some(EMAIL.into()), name: Some("New".into()), ..RegisterFlags::default() }
}

#[tokio::test]
async fn from_registering_to_a_changed_password_by_commands_alone() {
    let world = World::start("", |_| {}).await;
    let client = &world.client;

    let mut person = world.person(&[("new password", FIRST), ("again", FIRST)]);
    assert_eq!(register(client, &registering(), &mut person).await, Ok(Exit::Ok), "{:?}", person.said);
    assert_eq!(person.data, [format!("the password of {EMAIL} is set"), format!("registered {EMAIL}")]);

    world.signed_in(EMAIL, FIRST).await;
    let mut person = world.person(&[]);
    assert_eq!(whoami(client, &ListFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert_eq!(person.data[0], format!("account  {EMAIL}"));

    let secret = world.dir.path().join("otp");
    let set_up = SetUpFlags { talk: TALK, write_secret: Some(secret.clone()) };
    let flags = MfaFlags { command: Some(MfaCommand::Setup(SetUpCommand::Otp(set_up))) };
    assert_eq!(mfa(client, &flags, &mut person).await, Ok(Exit::Ok), "{:?}", person.said);
    assert!(person.data.iter().all(|line| !line.contains("secret")), "it is in the file: {:?}", person.data);
    assert!(std::fs::read_to_string(&secret).unwrap().len() >= 32);
    person.data.clear();
    assert_eq!(mfa(client, &MfaFlags::default(), &mut person).await, Ok(Exit::Ok));
    let factors: Vec<_> = person.data.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(factors, ["EMAIL", "OTP"]);

    let flags = crate::cli::args::LogoutFlags::default();
    assert_eq!(logout::logout(client, &flags, &mut person).await, Ok(Exit::Ok));
    let out = whoami(client, &ListFlags::default(), &mut person).await.unwrap_err();
    assert_eq!(out.exit, Exit::PersonNeeded, "{out:?}");

    let flags = LoginFlags {
        email: Some(EMAIL.into()),
        mfa: Some(crate::cli::args::Factor::Otp),
        ..LoginFlags::default()
    };
    let mut person = world.person(&[("password", FIRST)]);
    assert_eq!(login::login(client, &flags, &mut person).await, Ok(Exit::Ok), "{:?}", person.said);

    let change = password_flags(PasswordCommand::Change(TALK));
    let mut person = world.person(&[("current", SECOND), ("new password", SECOND), ("again", SECOND)]);
    let refused = password(client, &change, &mut person).await.unwrap_err();
    assert_eq!(refused.exit, Exit::Refused, "{refused:?}");
    let mut person = world.person(&[("current", FIRST), ("new password", SECOND), ("again", SECOND)]);
    assert_eq!(password(client, &change, &mut person).await, Ok(Exit::Ok), "{:?}", person.said);

    let forgot = ForgotFlags { talk: TALK, email: Some(EMAIL.into()), turnstile_token_stdin: false };
    let forgot = password_flags(PasswordCommand::Forgot(forgot));
    assert_eq!(password(client, &forgot, &mut person).await, Ok(Exit::Ok));
    let reset = password_flags(PasswordCommand::Reset(TALK));
    let mut person = world.person(&[("new password", FIRST), ("again", FIRST)]);
    assert_eq!(password(client, &reset, &mut person).await, Ok(Exit::Ok), "{:?}", person.said);
    let mut person = world.person(&[("new password", FIRST), ("again", FIRST)]);
    let used = password(client, &reset, &mut person).await.unwrap_err();
    assert_eq!(used.exit, Exit::Refused, "{used:?}");
    assert!(used.what.contains("used up"), "{used:?}");
    world.proxy.stop().await;
}

#[tokio::test]
async fn a_registration_goes_on_where_it_was_left() {
    let world = World::start("", |_| {}).await;
    let mut person = world.person(&[("code", "000000"), ("code", "000000"), ("code", "000000")]);
    let stopped = register(&world.client, &registering(), &mut person).await.unwrap_err();
    assert_eq!(stopped.exit, Exit::Refused, "{stopped:?}");
    let mut person = world.person(&[("new password", FIRST), ("again", FIRST)]);
    let flags = RegisterFlags::default();
    assert_eq!(register(&world.client, &flags, &mut person).await, Ok(Exit::Ok), "{:?}", person.said);
    assert!(person.said[0].starts_with("going on with"), "{:?}", person.said);
    assert_eq!(world.sim.inbox(EMAIL).len(), 1, "the code that was sent was enough");
    let init = password_flags(PasswordCommand::Init(TALK));
    let mut person = world.person(&[("new password", FIRST), ("again", FIRST)]);
    let none = password(&world.client, &init, &mut person).await.unwrap_err();
    assert_eq!(none.exit, Exit::PersonNeeded, "{none:?}");
}

#[tokio::test]
async fn an_account_that_waits_for_approval_says_so_at_its_login() {
    let world = World::start("", |settings| settings.registration_pending = true).await;
    let mut person = world.person(&[("new password", FIRST), ("again", FIRST)]);
    assert_eq!(register(&world.client, &registering(), &mut person).await, Ok(Exit::Ok));
    let flags = LoginFlags { email: Some(EMAIL.into()), ..LoginFlags::default() };
    let mut person = world.person(&[("password", FIRST)]);
    let waits = login::login(&world.client, &flags, &mut person).await.unwrap_err();
    assert_eq!(waits.exit, Exit::Refused);
    assert!(waits.what.contains("approval"), "{waits:?}");
}

#[tokio::test]
async fn a_risk_challenge_and_a_foreign_client_hash_end_the_login_with_what_to_do() {
    let world = World::start("", |_| {}).await;
    let foreign = "the portal says that the client hash is not the one of this login";
    for (code, what, hint) in [
        (
            "ACCESS.RISK_CHALLENGE_REQUIRED",
            "the portal asks for a risk challenge",
            "the portal's own front end",
        ),
        ("AUTH.FINGERPRINT_MISMATCH", foreign, "keep `portal.client_hash` as it was"),
    ] {
        world.sim.next_on("login/initiate", Fault::Refuse { status: 403, code: code.into() });
        let flags = LoginFlags { email: Some("plain@example.com".into()), ..LoginFlags::default() };
        let mut person = world.person(&[("password", DEFAULT_PASSWORD)]);
        let ended = login::login(&world.client, &flags, &mut person).await.unwrap_err();
        assert_eq!((ended.exit, ended.what.as_str()), (Exit::Refused, what));
        assert!(ended.hint.is_some_and(|told| told.contains(hint)), "{code}");
    }
    assert_eq!(world.sim.counters().arrived["login/initiate"], 2, "neither is tried again by itself");
    world.signed_in("plain@example.com", DEFAULT_PASSWORD).await;
    world.proxy.stop().await;
}

#[tokio::test]
async fn a_changed_password_names_the_setting_to_update_and_sessions_are_listed_and_ended() {
    let login = "[login]\nemail = \"plain@example.com\"\npassword = { env = \"PW\" }";
    let world = World::start(login, |_| {}).await;
    let client = &world.client;
    let mut person =
        world.person(&[("current", DEFAULT_PASSWORD), ("new password", SECOND), ("again", SECOND)]);
    let change = password_flags(PasswordCommand::Change(TALK));
    assert_eq!(password(client, &change, &mut person).await, Ok(Exit::Ok), "{:?}", person.said);
    assert!(person.said[0].starts_with("update login.password: { env = \"PW\" }"), "{:?}", person.said);

    let mut person = world.person(&[]);
    assert_eq!(sessions(client, &SessionsFlags::default(), &mut person).await, Ok(Exit::Ok));
    assert!(person.data[0].ends_with("(this proxy)"), "{:?}", person.data);
    let id = person.data[0].split(' ').next().unwrap().to_owned();
    let json =
        SessionsFlags { list: ListFlags { json: true, ..ListFlags::default() }, ..SessionsFlags::default() };
    assert_eq!(sessions(client, &json, &mut person).await, Ok(Exit::Ok));
    let list: Value = serde_json::from_str(&person.data[1]).unwrap();
    assert_eq!(list[0]["id"], id.as_str());
    let others = SessionsFlags { terminate_others: true, ..SessionsFlags::default() };
    assert_eq!(sessions(client, &others, &mut person).await, Ok(Exit::Ok));
    let one = SessionsFlags { terminate: Some(id), ..SessionsFlags::default() };
    assert_eq!(sessions(client, &one, &mut person).await, Ok(Exit::Ok));
    assert_eq!(person.data[2..], ["ended: 0", "ended: 1"]);
    let backup = MfaFlags { command: Some(MfaCommand::BackupCodes(ListFlags::default())) };
    let old = mfa(client, &backup, &mut person).await.unwrap_err();
    assert_eq!(old.exit, Exit::Refused, "the proxy still has the old password: {old:?}");
}

#[tokio::test]
async fn where_the_portal_asks_for_a_turnstile_token_it_is_piped_in_or_the_portals_page_is_named() {
    const TOKEN: &str = "turnstile-token-1";
    let world = World::start("", |settings| settings.turnstile = Some(TOKEN.to_owned())).await;
    let forgot = |turnstile_token_stdin| {
        let email = Some("plain@example.com".into());
        password_flags(PasswordCommand::Forgot(ForgotFlags { talk: TALK, email, turnstile_token_stdin }))
    };
    let mut person = world.person(&[]);
    let refused = password(&world.client, &forgot(false), &mut person).await.unwrap_err();
    assert_eq!(refused.exit, Exit::Refused, "{refused:?}");
    let hint = refused.hint.unwrap();
    assert!(hint.contains("the portal's own page") && hint.contains("--turnstile-token-stdin"), "{hint}");
    let mut person = world.person(&[("(stdin)", TOKEN)]);
    assert_eq!(password(&world.client, &forgot(true), &mut person).await, Ok(Exit::Ok), "{:?}", person.said);
    assert!(world.sim.inbox("plain@example.com").pop().is_some());
    world.proxy.stop().await;
}

/// The portal ends every other sign-in of an account whose password changes (PROTOCOL section 8).
#[tokio::test]
async fn sessions_that_a_changed_password_ended_are_noticed_by_the_proxy_that_had_them() {
    let login = "[login]\nemail = \"plain@example.com\"\npassword = { env = \"PW\" }";
    let world = World::start(login, |_| {}).await;
    let mut person = world.person(&[]);
    assert_eq!(whoami(&world.client, &ListFlags::default(), &mut person).await, Ok(Exit::Ok));
    // Somebody resets it elsewhere: bearer and refresh token of the proxy are dead, and so is its password.
    let forgot =
        ForgotFlags { talk: TALK, email: Some("plain@example.com".into()), turnstile_token_stdin: false };
    let forgot = password_flags(PasswordCommand::Forgot(forgot));
    assert_eq!(password(&world.client, &forgot, &mut person).await, Ok(Exit::Ok));
    let link = world.sim.inbox("plain@example.com").pop().unwrap().token.unwrap();
    let body = serde_json::json!({ "token": link, "new_password": SECOND });
    world.client.account(http::Method::POST, "/v1/password/reset", Some(&body)).await.unwrap();
    let tried = world.sim.counters().wrong_password;
    for _ in 0..3 {
        let ended = whoami(&world.client, &ListFlags::default(), &mut person).await.unwrap_err();
        assert_eq!((ended.exit, ended.what.as_str()), (Exit::Refused, "the portal refused the credentials"));
    }
    assert_eq!(world.sim.counters().wrong_password, tried + 1, "the old password is tried once, and no more");
    let status = world.client.status().await.unwrap();
    assert_eq!(status.identities[0].state, crate::admin::State::Failed);
    // A person with the new one goes on.
    world.signed_in("plain@example.com", SECOND).await;
    assert_eq!(whoami(&world.client, &ListFlags::default(), &mut person).await, Ok(Exit::Ok));
    world.proxy.stop().await;
}

#[test]
fn a_new_password_is_asked_twice_hidden_and_measured_first() {
    let talk = TalkFlags::default();
    let mut person = Script::person(&["short", "long enough", "long enouhg", "long enough", "long enough"]);
    assert_eq!(new_password(&mut person, &talk), Ok(Password::new("long enough")));
    assert!(person.asked.iter().all(|(_, hidden)| *hidden));
    assert_eq!(person.prompts(), ["new password", "new password", "again", "new password", "again"]);
    assert_eq!(person.said.len(), 2, "{:?}", person.said);
}

#[test]
fn nobody_is_asked_under_no_input() {
    let talk = TalkFlags { no_input: true, ..TalkFlags::default() };
    let mut person = Script::person(&[]);
    assert_eq!(new_password(&mut person, &talk).unwrap_err().exit, Exit::PersonNeeded);
    assert_eq!(person.asked, []);
}
