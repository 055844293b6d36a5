//! `portunus check --leaks`: whether this configuration lets a secret show.
//!
//! The proxy is started as it is configured, but before the simulator, on a free port, in a directory of its own, and
//! with a made-up secret of the same shape in the place of each real one, which is not fetched. Then it is put through
//! what goes well and what goes wrong, and everything it has said and kept is searched.

use std::path::Path;

use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use http::Method;
use portal_sim::{Account, Factor, Fault as SimFault, Preset, Sim};
use rand::RngExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::other_doors;
use crate::admin::Whose;
use crate::app::{self, Running};
use crate::canary::{Hit, Hunt};
use crate::cli::args::{CheckFlags, GlobalFlags};
use crate::cli::demo::{Caller, Files, sections};
use crate::cli::environment::Environment;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::stage::{Fault, Passed, Stages};
use crate::cli::terminal::Terminal;
use crate::clock::SystemClock;
use crate::config::{self, ClientHashSource, Config, ExtraValue, Inputs, Listen, SecretSource};
use crate::telemetry;

/// The account at the simulator.
const EMAIL: &str = "canary@example.com";
/// What is searched, in this order.
const PLACES: [&str; 5] = ["log", "problems", "admin API", "Debug", "state"];

/// Everything that was said and kept, by place.
pub(super) type Shown = Vec<(&'static str, Vec<u8>)>;

/// Runs the hunt.
pub(super) async fn leaks(
    global: &GlobalFlags,
    inputs: &Inputs<'_>,
    environment: &Environment,
    flags: &CheckFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let mut stages = Stages::new(terminal, flags.json);
    let identity = flags.identity.as_deref();
    let config =
        stages.stage("configuration", Some(inputs), |inputs| async { super::read(inputs, identity) }).await;
    let level = global.verbose;
    let hunted = stages
        .stage_within(super::LOGIN_TIME, "journey", config, |config| async move {
            let (hunt, shown) = journey(config, environment).await.map_err(broken)?;
            let detail = format!("{} secrets, signed in, {} kinds of failure", hunt.len(), FAULTS.len());
            Ok(Passed { value: (hunt, shown), detail })
        })
        .await;
    for place in PLACES {
        stages
            .stage(place, hunted.as_ref(), |(hunt, shown)| async move {
                let bytes: Vec<&[u8]> =
                    shown.iter().filter(|(of, _)| *of == place).map(|(_, bytes)| bytes.as_slice()).collect();
                let length: usize = bytes.iter().map(|bytes| bytes.len()).sum();
                let found: Vec<Hit> = bytes.iter().flat_map(|bytes| hunt.hits(bytes)).collect();
                judge(place, hunt, length, &found, level)
            })
            .await;
    }
    Ok(stages.finish())
}

fn judge(place: &str, hunt: &Hunt, length: usize, found: &[Hit], verbose: bool) -> Result<Passed<()>, Fault> {
    if found.is_empty() {
        let detail = format!("none of {} secrets in {length} bytes", hunt.len());
        return Ok(Passed { value: (), detail });
    }
    let mut names: Vec<String> = found
        .iter()
        .map(|hit| match verbose {
            true => format!("{} ({}, byte {})", hit.name, hit.form, hit.at),
            false => format!("{} ({})", hit.name, hit.form),
        })
        .collect();
    names.sort();
    names.dedup();
    Err(Fault {
        what: format!("{place}: {}", names.join(", ")),
        who: Whose::Proxy,
        hint: Some(
            "a library named in log.level can show what it is given; else this is a fault: report it".into(),
        ),
        exit: Exit::Failed,
    })
}

fn broken(what: String) -> Fault {
    let hint = "this says nothing about leaks; `portunus check` says what is wrong with the configuration";
    Fault { what, who: Whose::Proxy, hint: Some(hint.into()), exit: Exit::Failed }
}

const FAULTS: [SimFault; 4] = [
    SimFault::CorruptTag,
    SimFault::GarbageAnswer,
    SimFault::CloseMidBody,
    SimFault::ResetConnection { processed: true },
];

async fn journey(config: Config, environment: &Environment) -> Result<(Hunt, Shown), String> {
    let files = Files::make(environment).map_err(|error| format!("no directory can be made: {error}"))?;
    let mut canaries = Canaries::default();
    let (sim, config) = stand_in(config, &mut canaries, files.path()).await?;
    let log = telemetry::capture_logs(&config.log.settings(false)).map_err(|error| error.to_string())?;
    let mut shown: Shown = vec![("Debug", format!("{config:?}").into_bytes())];
    let started = app::start(&config, &canaries.environment(), None, SystemClock::shared()).await;
    let running = started.map_err(|error| format!("the proxy does not start: {error}"))?;
    let caller = Caller { address: running.addresses().first().copied().ok_or("it listens nowhere")? };
    let path = |name: &str| format!("/web/v1/{}/{name}", sim.settings().portal);

    running.session().lease().await.map_err(|error| format!("the proxy is not signed in: {error}"))?;
    go_wrong(&sim, caller, &mut canaries, &path, &mut shown).await;
    show(&running, &mut shown).await;
    canaries.add_tokens(&sim);
    running.stop().await;
    sim.stop().await;
    other_doors::knock(&mut canaries, files.path(), &mut shown).await?;
    read_files(files.path(), &mut shown);
    shown.push(("log", log.take()));
    Ok((canaries.hunt, shown))
}

/// A simulator for this configuration, and the configuration for it.
async fn stand_in(
    person: Config,
    canaries: &mut Canaries,
    directory: &Path,
) -> Result<(Sim, Config), String> {
    let preset: Preset = person.portal.dialect.name().parse()?;
    let mut settings = portal_sim::Settings::preset(preset);
    settings.portal = person.portal.name.as_str().to_owned();
    settings.rate_limits.enabled = false;
    if settings.dialect.channel {
        settings.dialect.sealed_paths.push("transfer".into());
    }
    let seed = BASE32_NOPAD.encode(&rand::rng().random::<[u8; 20]>());
    let otp = Factor::Otp { secret_base32: seed.clone() };
    let password = canaries.make("login.password");
    settings.accounts.push(Account { password: password.clone(), ..Account::new(EMAIL, vec![otp]) });
    settings.access_code = canaries.make("portal.access_code");
    canaries.put("login.otp_secret", "OTP_SECRET", &seed);
    canaries.put("login.password", "PASSWORD", &password);
    canaries.put("portal.access_code", "ACCESS_CODE", &settings.access_code.clone());
    let spelled = sections(&settings.dialect, &settings.portal);
    let sim = Sim::start(settings).await.map_err(|error| format!("the simulator does not start: {error}"))?;

    let nothing = config::Environment::default();
    let inputs = Inputs { file: None, environment: &nothing, flags: &[], unsafe_listen: false };
    let text = format!(
        "[listen]\naddresses = [\"127.0.0.1:0\"]\nworkers = 1\n[upstream]\nurl = \"{}\"\n\
         [login]\nemail = \"{EMAIL}\"\npassword = {{ env = \"PASSWORD\" }}\notp_secret = {{ env = \"OTP_SECRET\" }}\n\
         [state]\ndir = {:?}\n[admin]\nsocket = {:?}\n{}",
        sim.url(),
        directory.join("state"),
        directory.join("admin.sock"),
        spelled.replace("{ file = \"access-code\" }", "{ env = \"ACCESS_CODE\" }"),
    );
    let plain = Config::from_text(&text, &inputs).map_err(|problems| problems.to_string())?;
    Ok((sim, joined(person, plain, canaries)))
}

/// What a person has configured, but for where the portal, the sockets, the files and the secrets are.
fn joined(person: Config, plain: Config, canaries: &mut Canaries) -> Config {
    let mut source = |setting: &str, name: &str| {
        let canary = canaries.make(setting);
        canaries.put(setting, name, &canary);
        SecretSource::Env(name.to_owned())
    };
    let mut upstream = person.upstream;
    for (nth, header) in upstream.extra_headers.iter_mut().enumerate() {
        if let ExtraValue::Secret(_) = header.value {
            let setting = format!("upstream.extra_headers.{}", header.name);
            header.value = ExtraValue::Secret(source(&setting, &format!("EXTRA_{nth}")));
        }
    }
    upstream.url = plain.upstream.url;
    (upstream.ca_file, upstream.spki_pin) = (None, None);
    (upstream.client_cert_file, upstream.client_key_file) = (None, None);
    (upstream.proxy, upstream.proxy_credentials) = (None, None);
    let mut guard = person.guard;
    guard.local_key = guard.local_key.map(|_| source("guard.local_key", "LOCAL_KEY"));
    // In the directory, wherever the person's own is kept.
    let mut login_store = plain.login_store;
    login_store.key = person.login_store.key.map(|_| source("state.key", "STATE_KEY"));
    let mut portal = plain.portal;
    portal.client_hash = match person.portal.client_hash {
        ClientHashSource::Literal(_) | ClientHashSource::Source(_) => {
            ClientHashSource::Source(source("portal.client_hash", "CLIENT_HASH"))
        }
        made => made,
    };
    let login = config::Login {
        email: plain.login.email,
        password: plain.login.password,
        otp_secret: plain.login.otp_secret,
        backup_codes: None,
        ..person.login
    };
    Config {
        listen: Listen { workers: person.listen.workers, ..plain.listen },
        upstream,
        forward_proxy: None,
        portal,
        dialect: plain.dialect,
        login,
        identities: Vec::new(),
        guard,
        state_dir: plain.state_dir,
        login_store,
        admin_socket: plain.admin_socket,
        ..person
    }
}

/// Requests and answers that end badly.
async fn go_wrong(
    sim: &Sim,
    caller: Caller,
    canaries: &mut Canaries,
    path: &impl Fn(&str) -> String,
    shown: &mut Shown,
) {
    // Where there is a local key it opens; where there is none nobody reads it.
    let key = format!("Bearer {}", canaries.value("LOCAL_KEY").unwrap_or_default());
    let forged = format!("Bearer {}", canaries.make("a caller's Authorization"));
    let query = format!("{}?token={}", path("status/404"), canaries.make("a caller's query"));
    let sent = format!("{{\"pin\":\"{}\"}}", canaries.make("a caller's body"));
    let own = [("proxy-authorization", key.as_str()), ("authorization", forged.as_str())];
    let foreign = [("origin", "https://evil.example"), ("authorization", forged.as_str())];
    let json = [("proxy-authorization", key.as_str()), ("content-type", "application/json")];
    let mut asked = vec![
        caller.send(Method::GET, &path("profile"), &own, Bytes::new()).await,
        caller.send(Method::GET, &query, &own, Bytes::new()).await,
        caller.send(Method::GET, &query, &foreign, Bytes::new()).await,
        caller.send(Method::GET, &query, &[("host", "evil.example")], Bytes::new()).await,
    ];
    for fault in FAULTS {
        sim.next_on("/transfer", fault);
        asked.push(caller.send(Method::POST, &path("transfer"), &json, sent.clone().into()).await);
    }
    sim.drop_channels();
    asked.push(caller.send(Method::POST, &path("transfer"), &json, sent.into()).await);
    sim.expire_access_tokens();
    sim.next_on("token/refresh", SimFault::Status(500));
    asked.push(caller.send(Method::GET, &path("profile"), &own, Bytes::new()).await);
    for answer in asked.into_iter().flatten() {
        // The portal's own words are its own affair.
        if answer.header("content-type").contains("problem+json") {
            shown.push(("problems", format!("{:?} {}", answer.headers, answer.text()).into_bytes()));
        }
    }
}

/// What the running proxy tells about itself.
async fn show(running: &Running, shown: &mut Shown) {
    let session = running.session();
    shown.push(("Debug", format!("{running:?} {session:?} {:?}", session.status()).into_bytes()));
    for path in ["/v1/status", "/metrics", "/v1/metrics", "/v1/nothing"] {
        let Some(socket) = running.admin_socket() else { return };
        let Ok(mut stream) = tokio::net::UnixStream::connect(socket).await else { continue };
        let request = format!("GET {path} HTTP/1.1\r\nhost: portunus\r\nconnection: close\r\n\r\n");
        let mut answer = Vec::new();
        if stream.write_all(request.as_bytes()).await.is_ok() {
            let _ = stream.read_to_end(&mut answer).await;
        }
        shown.push(("admin API", answer));
    }
}

fn read_files(directory: &Path, shown: &mut Shown) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_files(&path, shown);
        } else if let Ok(bytes) = std::fs::read(&path) {
            shown.push(("state", bytes));
        }
    }
}

/// Made-up secrets, in the variables that the configuration takes them from.
#[derive(Default)]
pub(super) struct Canaries {
    pub(super) hunt: Hunt,
    variables: Vec<(String, String)>,
}

impl Canaries {
    /// A new one that is looked for.
    pub(super) fn make(&mut self, name: &str) -> String {
        let text = format!("CNRY-{:032x}", rand::rng().random::<u128>());
        self.hunt.add(name, &text);
        text
    }

    pub(super) fn put(&mut self, setting: &str, variable: &str, text: &str) {
        if setting == "login.otp_secret" {
            self.hunt.add(setting, text);
        }
        self.variables.push((variable.to_owned(), text.to_owned()));
    }

    fn value(&self, variable: &str) -> Option<String> {
        self.variables.iter().find(|(name, _)| name == variable).map(|(_, text)| text.clone())
    }

    pub(super) fn environment(&self) -> config::Environment {
        self.variables.iter().cloned().collect()
    }

    /// The portal's own secrets, as they went over the wire.
    fn add_tokens(&mut self, sim: &Sim) {
        for entry in sim.wire_log() {
            if let Some(bearer) =
                entry.header("authorization").and_then(|value| value.strip_prefix("Bearer "))
            {
                self.hunt.add("a bearer", bearer);
            }
            for text in [&entry.body, &entry.answer] {
                let Ok(body) = serde_json::from_str::<serde_json::Value>(text) else { continue };
                for at in ["/refreshToken", "/data/refreshToken", "/data/accessToken"] {
                    if let Some(token) = body.pointer(at).and_then(serde_json::Value::as_str) {
                        self.hunt.add("a token", token);
                    }
                }
            }
        }
    }
}
