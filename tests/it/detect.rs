//! `portunus detect` against the simulator: five hundred random dialects, found and then lived with.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use portal_sim::{Account as SimAccount, Factor, Fault, Preset as SimPreset, Settings as SimSettings, Sim};

use portunus::channel::KeyExchange;
use portunus::clock::SystemClock;
use portunus::config::{Config, Environment, Inputs};
use portunus::detect::{
    Account, Candidates, Cell, Confidence, DetectError, Found, LoginBudget, LoginEnd, OtpCodes, Settings,
    Talk, Target, detect,
};
use portunus::portal::{Dialect, Endpoint, Preset};
use portunus::secret::{OneTimeCode, Password};
use portunus::session::SessionError;
use portunus::upstream::{Injected, SealedHeaders, Upstream};
use serde_json::json;

use crate::world::Client;

const EMAIL: &str = "admin@example.com";
const SEEDS: u64 = 500;
/// Seeds run side by side; the machine's cores do the rest.
const SIDE_BY_SIDE: usize = 8;

#[test]
fn five_hundred_random_dialects_are_found_and_then_work() {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    runtime.block_on(find_and_use(seed));
                }
            });
        }
    });
}

async fn find_and_use(seed: u64) {
    let sim = started(SimSettings::random(seed)).await;
    let found = found(&sim, Some(&account(&sim)))
        .await
        .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{:#?}", sim.dialect()));
    let told = found.to_toml();
    assert_eq!(found.login, LoginEnd::Complete, "seed {seed}\n{told}");
    let spent = sim.counters();
    // The budget is six; what harmless calls find out leaves one to confirm it.
    assert_eq!((spent.initiate, posts(&sim, "/login/initiate")), (1, 1), "seed {seed}\n{told}");
    assert_eq!(
        (spent.rate_limited, spent.wrong_password, spent.wrong_code),
        (0, 0, 0),
        "seed {seed}\n{told}"
    );
    assert_eq!(sim.open_channels(), 0, "seed {seed}: a channel was left open");
    assert_truth(seed, &sim, &found);

    // What a person does next: the very text, read as a configuration, and the main job under it.
    let dialect = configured(&sim, &told).await;
    for cell in Cell::ALL.into_iter().filter(|cell| dialect.channel.is_some() || !cell.needs_channel()) {
        let same = match cell {
            Cell::AuthBase | Cell::LoginBase | Cell::ChannelBase | Cell::RefreshPath | Cell::SealedPaths => {
                continue;
            }
            cell => cell.written(&dialect) == cell.written(&found.dialect),
        };
        assert!(same, "seed {seed}: {cell:?}\n{told}");
    }
    for endpoint in Endpoint::ALL {
        let path = dialect.path(endpoint);
        assert_eq!(path, found.dialect.path(endpoint), "seed {seed}");
        assert_eq!(dialect.seals(&path), found.dialect.seals(&path), "seed {seed}: {path}");
    }
    main_job(seed, &sim, &told).await;
    assert_eq!(sim.counters().rate_limited, 0, "seed {seed}: detect left no room for the login");
    sim.stop().await;
}

/// The main job by the very text that was printed, through the proxy as it runs: sign in, a plain GET that gets the
/// bearer, a POST that leaves sealed and comes back opened, a refresh, sign out. The client knows nothing.
async fn main_job(seed: u64, sim: &Sim, told: &str) {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name).display().to_string();
    // A person enters the code: an authenticator of the proxy's own would wait for the next step.
    let text = format!(
        "[listen]\naddresses = [\"127.0.0.1:0\"]\nworkers = 1\n[upstream]\nurl = \"{}\"\n[login]\nemail = \"{EMAIL}\"\n\
         password = {{ env = \"PASSWORD\" }}\nmfa = \"otp\"\n[state]\ndir = \"{}\"\n[admin]\nsocket = \"{}\"\n\n{told}",
        sim.url(),
        at("state"),
        at("admin.sock"),
    );
    let variables = [
        ("PASSWORD".to_owned(), portal_sim::DEFAULT_PASSWORD.to_owned()),
        ("PORTUNUS_PORTAL_ACCESS_CODE".to_owned(), sim.settings().access_code.clone()),
    ];
    let environment: Environment = variables.into_iter().collect();
    let file = home.path().join("proxy.toml");
    let inputs = Inputs { file: Some(&file), environment: &environment, flags: &[], unsafe_listen: false };
    let config = Config::from_text(&text, &inputs).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let proxy = portunus::app::start(&config, &environment, None, SystemClock::shared()).await;
    let proxy = proxy.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
    let client = Client::new(proxy.addresses()[0]);
    let dialect = config.dialect();

    match proxy.session().lease().await {
        Err(SessionError::CodeRequired { .. }) => {}
        other => panic!("seed {seed}: {other:?}"),
    }
    let code = OneTimeCode::new(sim.otp_unspent(EMAIL));
    proxy.session().answer(code).await.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    let profile = client.get(&dialect.path(Endpoint::Profile)).await;
    assert_eq!(profile.status, 200, "seed {seed}: {}", profile.text());
    assert_eq!(profile.json()["data"]["accountEmail"], EMAIL, "seed {seed}");

    let path = dialect.path(Endpoint::PasswordChange);
    let same = portal_sim::DEFAULT_PASSWORD;
    let change = json!({"currentPassword": same, "newPassword": same});
    let answer = client.post_json(&path, &change).await;
    assert_eq!(answer.status, 200, "seed {seed}: {}", answer.text());
    assert_eq!(answer.json()["data"]["success"], true, "seed {seed}: {}", answer.text());
    let log = sim.wire_log();
    let wire = log.iter().rev().find(|entry| entry.path.ends_with(&path)).unwrap();
    assert_eq!(wire.sealed, sim.dialect().channel, "seed {seed}");
    assert!(wire.header("authorization").is_some(), "seed {seed}");
    if sim.dialect().channel && sim.dialect().envelope != portal_sim::Envelope::Raw {
        assert!(!wire.body.contains(same), "seed {seed}: the password left unsealed");
    }

    sim.expire_access_tokens();
    let renewed = client.get(&dialect.path(Endpoint::Profile)).await;
    assert_eq!(renewed.status, 200, "seed {seed}: {}", renewed.text());
    assert_eq!(sim.counters().refreshed, 1, "seed {seed}");
    proxy.session().sign_out().await.unwrap();
    assert_eq!(sim.counters().logout, 2, "seed {seed}: one by detect, one now");
    proxy.stop().await;
    assert_eq!(sim.open_channels(), 0, "seed {seed}: a channel was left open");
}

/// What was called seen is what the simulator speaks.
fn assert_truth(seed: u64, sim: &Sim, found: &Found) {
    let (truth, told) = (sim.dialect(), found.to_toml());
    let seen = |cell: Cell| found.findings.iter().any(|f| f.cell == cell && f.confidence == Confidence::Seen);
    let written = |cell: Cell| cell.written(&found.dialect).replace('"', "");
    let equal = |cell: Cell, truth: &str| {
        assert_eq!(
            written(cell).to_ascii_lowercase(),
            truth.to_ascii_lowercase(),
            "seed {seed}: {cell:?}\n{told}"
        );
    };
    assert_eq!(found.dialect.channel.is_some(), truth.channel, "seed {seed}\n{told}");
    assert_eq!(found.dialect.request_id_required, truth.require_request_id, "seed {seed}\n{told}");
    assert!(seen(Cell::LoginBase) && seen(Cell::RefreshPath) && seen(Cell::Method), "seed {seed}\n{told}");
    if !truth.channel {
        return;
    }
    equal(Cell::OaepHash, truth.oaep_hash.name());
    equal(Cell::Mgf1Hash, truth.mgf1_hash.name());
    equal(Cell::KeyExchange, if truth.session_call { "session" } else { "first-message" });
    equal(Cell::Envelope, truth.envelope.name());
    equal(Cell::SessionHeader, &truth.session_header);
    equal(Cell::Base64, truth.base64.name());
    if truth.envelope != portal_sim::Envelope::Raw {
        equal(Cell::Aad, truth.aad.name());
    }
    if truth.enforce_content_type {
        equal(Cell::ContentType, &truth.sealed_content_type);
    }
    if seen(Cell::ScVersion) {
        equal(Cell::ScVersion, &truth.sc_version.to_string());
    }
    let sealed = |name: &str| truth.sealed_paths.iter().any(|path| path == name);
    for (endpoint, name) in
        [(Endpoint::Refresh, "token/refresh"), (Endpoint::OtpSetup, "security/mfa/otp/setup")]
    {
        let path = found.dialect.path(endpoint);
        assert_eq!(found.dialect.seals(&path), sealed(name), "seed {seed}: {name}\n{told}");
    }
}

async fn started(settings: SimSettings) -> Sim {
    let otp = Factor::Otp { secret_base32: portal_sim::DEFAULT_TOTP_SECRET.to_owned() };
    let accounts = vec![SimAccount::new(EMAIL, vec![otp])];
    let settings = SimSettings { share_rsa_keys: true, accounts, ..settings };
    assert!(settings.rate_limits.enabled);
    Sim::start(settings).await.unwrap()
}

fn upstream(sim: &Sim, dialect: &Dialect) -> Upstream {
    let sealed = SealedHeaders {
        session: dialect.session_header.clone(),
        version: dialect.sc_version,
        content_type: dialect.sealed_content_type.clone(),
    };
    Upstream::new(&portunus::upstream::Settings::new(sim.url().parse().unwrap(), sealed)).unwrap()
}

fn injected(sim: &Sim) -> Injected {
    let code = HeaderValue::from_str(&sim.settings().access_code).unwrap();
    let hash = HeaderValue::from_static("0123456789abcdef");
    Injected::new(vec![
        (HeaderName::from_static("x-portal-access-code"), code),
        (HeaderName::from_static("x-client-hash"), hash),
    ])
}

fn target(sim: &Sim) -> Target {
    Target {
        portal: sim.settings().portal.clone(),
        upstream: upstream(sim, &Dialect::preset(Preset::Guide, "tenant")),
        injected: injected(sim),
        candidates: Candidates::default(),
    }
}

fn account(sim: &Sim) -> Account {
    Account {
        email: EMAIL.into(),
        password: Password::new(portal_sim::DEFAULT_PASSWORD),
        otp: Some(Arc::new(Authenticator(sim.clone()))),
    }
}

#[derive(Debug)]
struct Authenticator(Sim);

impl OtpCodes for Authenticator {
    fn next(&self) -> Pin<Box<dyn Future<Output = Option<OneTimeCode>> + Send + '_>> {
        Box::pin(async { Some(OneTimeCode::new(self.0.otp_unspent(EMAIL))) })
    }
}

/// Says yes to everything and keeps what it heard.
#[derive(Debug, Default)]
struct Listener {
    steps: Vec<String>,
    asked: Vec<LoginBudget>,
    refuse: bool,
}

impl Talk for Listener {
    fn step(&mut self, sentence: &str) {
        self.steps.push(sentence.to_owned());
    }

    fn may_log_in(&mut self, budget: &LoginBudget) -> bool {
        self.asked.push(budget.clone());
        !self.refuse
    }
}

async fn heard(
    target: &Target,
    account: Option<&Account>,
    settings: Settings,
    listener: &mut Listener,
) -> Result<Found, DetectError> {
    detect(target, account, settings, SystemClock::shared(), listener).await
}

async fn found(sim: &Sim, account: Option<&Account>) -> Result<Found, DetectError> {
    // Without patience, a call that would have to wait for its window is an error.
    let settings = Settings { patience: Duration::ZERO, ..Settings::default() };
    detect(&target(sim), account, settings, SystemClock::shared(), &mut Listener::default()).await
}

/// The text as the configuration reads it.
async fn configured(sim: &Sim, told: &str) -> Dialect {
    let environment = Environment::default();
    let inputs = Inputs {
        file: Some(Path::new("/nonexistent/proxy.toml")),
        environment: &environment,
        flags: &[],
        unsafe_listen: false,
    };
    let text = format!("[upstream]\nurl = \"{}\"\n[state]\ndir = \"/nonexistent\"\n\n{told}", sim.url());
    Config::from_text(&text, &inputs).unwrap_or_else(|problems| panic!("{problems}\n{text}")).dialect()
}

fn preset(preset: SimPreset) -> SimSettings {
    SimSettings::preset(preset)
}

#[tokio::test]
async fn a_documented_dialect_is_found_as_its_preset_with_one_login() {
    for (theirs, ours) in [
        (SimPreset::Guide, Preset::Guide),
        (SimPreset::Scv2, Preset::Scv2),
        (SimPreset::Sdk, Preset::Sdk),
        (SimPreset::Wiki, Preset::Wiki),
        (SimPreset::Plain, Preset::Plain),
    ] {
        let sim = started(preset(theirs)).await;
        let found = found(&sim, Some(&account(&sim))).await.unwrap();
        assert_eq!(found.preset(), ours, "{}", found.to_toml());
        // In the sdk a method goes back as received; by itself mfa/send only shows that integers are understood.
        let departures = if ours == Preset::Sdk { &[Cell::Method][..] } else { &[] };
        assert_eq!(found.overrides(), departures, "{ours:?}\n{}", found.to_toml());
        assert_eq!((found.login, sim.counters().initiate), (LoginEnd::Complete, 1), "{ours:?}");
    }
}

#[tokio::test]
async fn without_an_account_everything_is_found_but_nobody_is_named() {
    for seed in 0..40 {
        let sim = started(SimSettings::random(seed)).await;
        let found = found(&sim, None).await.unwrap();
        assert_truth(seed, &sim, &found);
        assert_eq!(found.login, LoginEnd::NotTried);
        assert_eq!(posts(&sim, "/login/initiate"), 0, "seed {seed}");
        assert!(sim.inbox(EMAIL).is_empty(), "seed {seed}: a mail was sent");
        assert_eq!(sim.open_channels(), 0);
    }
}

#[tokio::test]
async fn the_budget_is_shown_and_a_no_is_a_no() {
    let sim = started(preset(SimPreset::Guide)).await;
    let mut listener = Listener { refuse: true, ..Listener::default() };
    let account = account(&sim);
    let found = heard(&target(&sim), Some(&account), Settings::default(), &mut listener).await.unwrap();
    assert_eq!(found.login, LoginEnd::NotTried);
    let [budget] = &listener.asked[..] else { panic!("{:?}", listener.asked) };
    assert_eq!((budget.initiates, budget.completes, budget.email.as_str()), (6, true, EMAIL));
    assert_eq!(posts(&sim, "/login/initiate"), 0);
}

#[tokio::test]
async fn a_refused_password_is_sent_once_and_shown_nowhere() {
    for seed in 0..20 {
        let sim = started(SimSettings::random(seed)).await;
        let account = Account { password: Password::new("CNRY-wrong-password"), otp: None, ..account(&sim) };
        let mut listener = Listener::default();
        let settings = Settings { patience: Duration::ZERO, ..Settings::default() };
        let found = heard(&target(&sim), Some(&account), settings, &mut listener).await.unwrap();
        assert!(
            matches!(&found.login, LoginEnd::Refused(why) if why.contains("password")),
            "{:?}",
            found.login
        );
        assert_eq!(sim.counters().wrong_password, 1, "seed {seed}");
        assert_truth(seed, &sim, &found);
        let shown = format!("{found:?} {listener:?} {account:?} {}", found.to_toml());
        assert!(!shown.contains("CNRY"), "seed {seed}");
    }
}

#[tokio::test]
async fn a_blocked_account_is_told_and_not_tried_again() {
    for seed in 0..20 {
        let sim = started(SimSettings::random(seed)).await;
        sim.lock(EMAIL);
        let found = found(&sim, Some(&account(&sim))).await.unwrap();
        assert_eq!(found.login, LoginEnd::Refused("the account is locked".into()), "seed {seed}");
        assert_eq!(sim.counters().initiate, 1, "seed {seed}");
    }
}

#[tokio::test]
async fn where_only_the_login_is_sealed_the_login_itself_tells_the_form() {
    for (seed, envelope) in [(1, "json"), (2, "binary"), (3, "json"), (4, "binary")] {
        let mut settings = preset(SimPreset::Guide);
        settings.dialect.sealed_paths = vec!["login/initiate".into()];
        settings.set("envelope", envelope).unwrap();
        if seed > 2 {
            settings.set("aad", "session-id").unwrap();
        }
        settings.dialect.enforce_content_type = false;
        let sim = started(settings).await;
        let found = found(&sim, Some(&account(&sim))).await.unwrap();
        let told = found.to_toml();
        assert_eq!(found.login, LoginEnd::Complete, "{told}");
        assert_eq!(Cell::Envelope.written(&found.dialect), format!("\"{envelope}\""), "{told}");
        assert!(posts(&sim, "/login/initiate") <= 6);
        assert!(!found.dialect.seals(&found.dialect.path(Endpoint::Complete)), "{told}");
        assert!(found.dialect.seals(&found.dialect.path(Endpoint::Initiate)), "{told}");
    }
}

#[tokio::test]
async fn keys_go_in_a_first_message_where_no_session_call_takes_them() {
    for (type1, mgf1) in [("header", "sha256"), ("body", "sha1")] {
        let mut settings = preset(SimPreset::Scv2);
        settings.set("type1", type1).unwrap();
        settings.set("mgf1_hash", mgf1).unwrap();
        let sim = started(settings).await;
        // The close is heard before; from then on the call that makes a session is gone.
        sim.plan(Some("secure-channel/session"), 3, 100, Fault::Refuse { status: 400, code: "4000".into() });
        let found = found(&sim, None).await.unwrap();
        let told = found.to_toml();
        let spelling = found.dialect.channel.unwrap();
        assert_eq!(spelling.key_exchange, KeyExchange::FirstMessage, "{told}");
        assert_eq!(Cell::Mgf1Hash.written(&found.dialect), format!("\"{mgf1}\""), "{told}");
        assert_eq!(Cell::Envelope.written(&found.dialect), "\"binary\"", "{told}");
        assert_eq!(found.dialect.session_header.get(), "x-sc-session-id", "{told}");
    }
}

#[tokio::test]
async fn a_limit_that_the_portal_itself_names_is_waited_for_or_told() {
    let mut settings = preset(SimPreset::Guide);
    settings.rate_limits.scale = 0.2; // one complete, one mfa/send in a window
    settings.rate_limits.window_scale = 0.01;
    settings.set("envelope", "raw").unwrap();
    let sim = started(settings.clone()).await;
    let error = found(&sim, None).await.unwrap_err();
    assert!(matches!(error, DetectError::Limited { .. }), "{error}");
    let sim = started(settings).await;
    let patient = Settings { patience: Duration::from_secs(60), ..Settings::default() };
    let target = target(&sim);
    let found =
        detect(&target, None, patient, SystemClock::shared(), &mut Listener::default()).await.unwrap();
    assert_truth(0, &sim, &found);
}

#[tokio::test]
async fn what_cannot_be_found_out_is_told_with_what_to_do() {
    let plain = |settings| async move { started(settings).await };
    let refused = |sim: Sim, target: Target| async move {
        let account = account(&sim);
        let end = heard(&target, Some(&account), Settings::default(), &mut Listener::default()).await;
        let error = end.unwrap_err();
        assert_eq!(posts(&sim, "/login/initiate"), 0, "{error}: a password was sent");
        assert!(error.hint().is_some(), "{error}");
        error
    };

    let sim = plain(preset(SimPreset::Guide)).await;
    let mut wrong_code = target(&sim);
    let mut headers = wrong_code.injected.headers().to_vec();
    headers[0].1 = HeaderValue::from_static("wrong");
    wrong_code.injected = Injected::new(headers);
    let error = refused(sim, wrong_code).await;
    assert!(matches!(&error, DetectError::RefusedEverything { status } if *status == 403), "{error}");

    let sim = plain(SimSettings { prefix: "/prometheus".into(), ..preset(SimPreset::Guide) }).await;
    let mut no_prefix = target(&sim);
    let url = format!("http://{}", sim.addr()).parse().unwrap();
    let sealed = SealedHeaders {
        session: HeaderName::from_static("x-sc-session-id").into(),
        version: false,
        content_type: HeaderValue::from_static("application/json"),
    };
    no_prefix.upstream = Upstream::new(&portunus::upstream::Settings::new(url, sealed)).unwrap();
    assert!(matches!(refused(sim, no_prefix).await, DetectError::NoLogin));

    let mut elsewhere = preset(SimPreset::Guide);
    elsewhere.dialect.channel_base = "/hidden/channel".into();
    let sim = plain(elsewhere).await;
    let at = target(&sim);
    assert!(matches!(refused(sim, at).await, DetectError::NoChannel));

    let sim = plain(preset(SimPreset::Guide)).await;
    sim.plan(Some("secure-channel/session"), 2, 100, Fault::Refuse { status: 400, code: "4000".into() });
    let at = target(&sim);
    assert!(matches!(refused(sim, at).await, DetectError::NoSession(_)));

    let sim = plain(preset(SimPreset::Guide)).await;
    let at = target(&sim);
    sim.clone().stop().await;
    assert!(matches!(refused(sim, at).await, DetectError::Unreachable(_)));
}

#[tokio::test]
async fn a_channel_elsewhere_is_found_when_a_person_names_its_base() {
    let mut settings = preset(SimPreset::Guide);
    settings.dialect.channel_base = "/hidden/{portal}/channel".into();
    settings.dialect.session_header = "X-Tunnel".into();
    let sim = started(settings).await;
    let mut target = target(&sim);
    target.candidates.channel_bases = vec!["/hidden/{portal}/channel".into()];
    target.candidates.session_headers.push(HeaderName::from_static("x-tunnel"));
    let account = account(&sim);
    let (settings, clock, mut listener) = (Settings::default(), SystemClock::shared(), Listener::default());
    let told = portunus::detect::run(&target, Some(&account), settings, clock, &mut listener).await.unwrap();
    assert!(told.contains("channel_base = \"/hidden/{portal}/channel\"\n"), "{told}");
    assert!(told.contains("session_header = \"X-Tunnel\"\n"), "{told}");
    main_job(0, &sim, &told).await;
}

/// How often the path was posted to.
fn posts(sim: &Sim, path: &str) -> usize {
    sim.wire_log().iter().filter(|entry| entry.method == "POST" && entry.path.ends_with(path)).count()
}
