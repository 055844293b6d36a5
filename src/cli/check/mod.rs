//! `portunus check`: every step from the configuration to the portal, each with what is wrong and what to do.
//!
//! The steps are those of a start and of a first request, in their order and through the same rooms. What a
//! step finds is handed to the next; where it failed, what needs it is skipped. Nothing is written but a client
//! hash that was never made, and at the Redis of `state.store` a trial that is removed again; nothing stays open, and
//! without `--login` no credential leaves.

mod fault;
mod holder;
#[cfg(feature = "demo")]
mod leaks;
#[cfg(feature = "demo")]
mod other_doors;

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::args::{CheckFlags, GlobalFlags};
use super::environment::Environment;
use super::exit::Exit;
use super::failure::Failure;
use super::join;
use super::span::short;
use super::stage::{Fault, Passed, Stages};
use super::terminal::Terminal;
use crate::admin::Whose;
use crate::app::{self, Secrets, StartError, Visit};
use crate::channel::KeyExchange;
use crate::clock::SystemClock;
use crate::config::{self, Config, Inputs};
use crate::identity::IdentityName;
use crate::listener::Handed;
use crate::portal::Client;
use crate::session::Credentials;

/// How long a login may take: a code that was used already makes it wait for the next, up to 30 s, and a refused
/// code makes it begin again.
const LOGIN_TIME: Duration = Duration::from_secs(90);

/// How long a secret may take to be fetched: a person may have to type it.
const SECRETS_TIME: Duration = Duration::from_secs(600);

/// Runs the stages; the exit code is the first fault's.
pub(super) async fn check(
    global: &GlobalFlags,
    flags: &CheckFlags,
    environment: &Environment,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let variables = join::variables(environment);
    let file = join::config_file(global, environment)?;
    let set = flags.settings.as_flags();
    let inputs = Inputs {
        file: file.as_deref(),
        environment: &variables,
        flags: &set,
        unsafe_listen: flags.settings.unsafe_listen,
    };
    if flags.leaks {
        #[cfg(feature = "demo")]
        return leaks::leaks(global, &inputs, environment, flags, terminal).await;
        #[cfg(not(feature = "demo"))]
        return Err(Failure::usage("--leaks needs the simulator, which this build is without"));
    }
    let mut stages = Stages::new(terminal, flags.json);
    let config = stages
        .stage("configuration", Some(&inputs), |inputs| async { read(inputs, flags.identity.as_deref()) })
        .await;
    let config = config.as_ref();

    let given = variables.clone();
    let person = join::Typist::of(flags.no_input, environment);
    let person = person.as_ref().map(|person| person as _);
    let secrets = stages
        .stage_within(SECRETS_TIME, "secrets", config, |config| async move {
            let from = config.surroundings(&variables, person);
            let secrets = Secrets::fetch(config, &from).await.map_err(|error| fault::of_start(&error))?;
            Ok(Passed { detail: named(&secrets), value: secrets })
        })
        .await;
    if let Some((config, secrets)) =
        config.zip(secrets.as_ref()).filter(|(config, _)| config.login_store.kind.is_shared())
    {
        stages
            .stage("store", Some(()), |()| async {
                let found = app::try_store(config, secrets).await.map_err(|error| fault::of_start(&error))?;
                Ok(Passed { value: (), detail: found })
            })
            .await;
    }
    stages.stage("listen", config, |config| async { listen(config, &given) }).await;

    let both = config.zip(secrets.as_ref());
    match (both, reach(&mut stages, both).await) {
        (Some((config, secrets)), Some(visit)) => {
            portal(&mut stages, config, &visit, secrets, flags.login).await;
        }
        _ => {
            let rest = ["access code", "public key", "secure channel", "login", "profile", "logout"];
            stages.skip_all(&rest);
        }
    }
    Ok(stages.finish())
}

fn read(inputs: &Inputs<'_>, identity: Option<&str>) -> Result<Passed<Config>, Fault> {
    let config = Config::load(inputs).map_err(|problems| Fault {
        what: problems.to_string(),
        who: Whose::Person,
        hint: Some("proxy.toml of the project documents every setting; after a change, check again".into()),
        exit: Exit::Usage,
    })?;
    let config = part_of(config, identity)?;
    let from = inputs.file.map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    let portal = config.portal.name.as_str();
    let whose = config.own().map(|own| format!(", for {}", own.name)).unwrap_or_default();
    let detail = format!(
        "{from}: portal {portal} at {}, dialect {}{whose}",
        config.upstream.url,
        config.portal.dialect.name()
    );
    Ok(Passed { value: config, detail })
}

/// The part of the one identity that is looked at: the one that is named, else the default, else the only one.
fn part_of(config: Config, named: Option<&str>) -> Result<Config, Fault> {
    let named = named.or(config.choosing.default.as_ref().map(IdentityName::as_str));
    let found = match (config.identities.as_slice(), named) {
        ([], None) => return Ok(config),
        ([only], None) => Some(only),
        (_, None) => None,
        (all, Some(name)) => all.iter().find(|identity| identity.name.as_str() == name),
    };
    if let Some(found) = found {
        return Ok(config.of(found));
    }
    let names: Vec<_> = config.identities.iter().map(|identity| identity.name.to_string()).collect();
    let (what, hint) = match (named, names.is_empty()) {
        (Some(name), true) => {
            (format!("there is no identity {name}; there are no [[identity]] tables"), "leave --identity out")
        }
        (Some(name), false) => {
            (format!("there is no identity {name}; there is {}", names.join(", ")), "name one of them")
        }
        (None, _) => (
            format!("several identities are configured: {}", names.join(", ")),
            "name one: `portunus check --identity NAME`",
        ),
    };
    Err(Fault { what, who: Whose::Person, hint: Some(hint.into()), exit: Exit::Usage })
}

fn named(secrets: &Secrets) -> String {
    let credentials = secrets.credentials();
    let had = [
        (true, "client hash"),
        (secrets.has_access_code(), "access code"),
        (credentials.is_some_and(|has| has.password.is_some()), "password"),
        (credentials.is_some_and(|has| has.otp_secret.is_some()), "otp secret"),
    ];
    had.iter().filter(|(had, _)| *had).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

fn listen(config: &Config, environment: &config::Environment) -> Result<Passed<()>, Fault> {
    // Before they are taken.
    let inherits = app::has_inherited(config, environment);
    let free = app::try_addresses(config, environment).map_err(|error| match error {
        StartError::Bind(error) => fault::of_bind(&error, config),
        other => fault::of_start(&other),
    })?;
    let free: Vec<_> = free.iter().map(ToString::to_string).collect();
    let inherited = match (config.listen.inherited.as_slice(), inherits) {
        ([], _) => String::new(),
        (sockets, true) => format!("; inherited: {}", names(sockets)),
        (sockets, false) => {
            format!("; not looked at, since this process was not given it: {}", names(sockets))
        }
    };
    let free = if free.is_empty() { "nothing of its own".to_owned() } else { free.join(", ") };
    Ok(Passed { value: (), detail: format!("free: {free}{inherited}") })
}

fn names(sockets: &[Handed]) -> String {
    sockets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// DNS, TCP and TLS, by one connection on the way that requests take.
async fn reach(stages: &mut Stages<'_, impl Terminal>, both: Option<(&Config, &Secrets)>) -> Option<Visit> {
    let names = ["dns", "tcp", "tls"];
    let Some((config, secrets)) = both else {
        stages.skip_all(&names);
        return None;
    };
    let begun = Instant::now();
    let visit = match Visit::prepare(config, secrets, SystemClock::shared()) {
        Ok(visit) => visit,
        Err(error) => {
            stages.done::<()>("upstream", begun.elapsed(), Err(fault::of_start(&error)));
            stages.skip_all(&names);
            return None;
        }
    };
    let (reached, connected) = visit.upstream.probe().await;
    let base = visit.upstream.base();
    let host = base.host();
    let http = if reached.http2 { "HTTP/2" } else { "HTTP/1.1" };
    let peer = reached.peer.map(|peer| peer.to_string()).unwrap_or_default();
    let via = config.forward_proxy.as_ref();
    let way = via.map(|via| format!(" (a tunnel through the proxy that {} names)", via.named_by));
    let steps = [
        ("dns", reached.dns, format!("{} resolves", via.map_or(host, |via| &via.host))),
        ("tcp", reached.tcp, format!("connected to {peer}{}", way.unwrap_or_default())),
        ("tls", reached.tls, format!("the certificate is trusted, and is for {host}; {http}")),
    ];
    let mut failed = connected.err().map(|error| fault::of_upstream(&error, config));
    let is_up = failed.is_none();
    let mut spent = Duration::ZERO;
    for (name, took, detail) in steps {
        match (took, failed.take()) {
            (Some(took), fault) => {
                stages.done(name, took, Ok(Passed { value: (), detail }));
                (spent, failed) = (spent + took, fault);
            }
            // The stage that failed took what is left of the time.
            (None, Some(fault)) => {
                stages.done::<()>(name, begun.elapsed().saturating_sub(spent), Err(fault));
            }
            (None, None) if is_up => stages.leave_out(name, "upstream.url is http://"),
            (None, None) => stages.skip(name),
        }
    }
    is_up.then_some(visit)
}

/// What the portal says: to the access code, to a channel, and to a login if one was asked for.
async fn portal(
    stages: &mut Stages<'_, impl Terminal>,
    config: &Config,
    visit: &Visit,
    secrets: &Secrets,
    login: bool,
) {
    let Visit { client, session, .. } = visit;
    let (has_code, credentials) = (secrets.has_access_code(), secrets.credentials());
    let known = stages
        .stage("access code", Some(()), |()| async {
            match client.profile(None).await {
                Err(error) => fault::of_knock(&error, has_code, config),
                Ok(_) => Ok("the profile is given to anybody: this portal asks for no login".to_owned()),
            }
            .map(|detail| Passed { value: (), detail })
        })
        .await;
    let is_open = !config.dialect.left_open().is_none();
    let known = if is_open { find_out(stages, known, client, config).await } else { known };
    let ready = if let Some(spelling) = config.dialect().channel {
        let key = stages
            .stage("public key", known, |()| async {
                let key = client.served_key().await.map_err(|error| fault::of_key(&error, config))?;
                let pinned = if config.portal.key_pin.is_some() { "the pinned one" } else { "not pinned" };
                let (bits, id, print) = (key.bits(), key.id(), key.fingerprint());
                Ok(Passed { value: (), detail: format!("RSA-{bits} {id}, {pinned}, sha256 {print}") })
            })
            .await;
        if spelling.key_exchange == KeyExchange::FirstMessage && key.is_some() {
            let why = "the first sealed call brings it along; --login makes one";
            stages.leave_out("secure channel", why);
            key
        } else {
            stages
                .stage("secure channel", key, |()| async {
                    let passage = session.passage().await;
                    let passage = passage.map_err(|error| fault::of_opening(&error, config))?;
                    let open = passage.open_channel().map(|open| left(open.expires_at())).unwrap_or_default();
                    Ok(Passed {
                        value: (),
                        detail: format!("open for {open}; {}", fault::spelling(passage.spelling())),
                    })
                })
                .await
        }
    } else {
        for name in ["public key", "secure channel"] {
            stages.leave_out(name, "the dialect plain has no secure channel");
        }
        known
    };
    sign_in(stages, ready.filter(|()| login), visit, credentials).await;
    session.close().await;
}

/// What is `auto` in the dialect.
async fn find_out(
    stages: &mut Stages<'_, impl Terminal>,
    known: Option<()>,
    client: &Client,
    config: &Config,
) -> Option<()> {
    stages
        .stage("dialect", known, |()| async {
            let found = client.find_out().await.map_err(|error| fault::of_search(&error, config))?;
            let told =
                found.iter().map(|found| format!("{} = {} ({})", found.setting, found.value, found.sure));
            Ok(Passed { value: (), detail: told.collect::<Vec<_>>().join(", ") })
        })
        .await
}

/// How long until then, for a person.
fn left(end: SystemTime) -> String {
    short(end.duration_since(SystemTime::now()).unwrap_or_default().as_secs())
}

/// The whole of a login, and its end.
async fn sign_in(
    stages: &mut Stages<'_, impl Terminal>,
    wanted: Option<()>,
    visit: &Visit,
    credentials: Option<&Credentials>,
) {
    let Visit { client, session, .. } = visit;
    let lease = stages
        .stage_within(LOGIN_TIME, "login", wanted, |()| async {
            let who = credentials.map(|credentials| credentials.email.clone());
            let who = who.ok_or_else(fault::no_account)?;
            let lease = session.lease().await.map_err(|error| fault::of_login(&error))?;
            let detail = format!("{who} is signed in for {}", left(lease.expires_at()));
            Ok(Passed { value: lease, detail })
        })
        .await;
    let signed_in = lease.is_some();
    stages
        .stage("profile", lease, |lease| async move {
            let email = client.profile(Some(lease.bearer())).await;
            let email = email.map_err(|error| fault::of_call(&error))?;
            let detail = email.unwrap_or_else(|| "answered, without naming an account".to_owned());
            Ok(Passed { value: (), detail })
        })
        .await;
    stages
        .stage("logout", signed_in.then_some(()), |()| async {
            session.sign_out().await.map_err(|error| fault::of_login(&error))?;
            Ok(Passed { value: (), detail: "signed out at the portal; the channel is closed".to_owned() })
        })
        .await;
}
