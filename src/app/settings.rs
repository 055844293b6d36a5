//! From the configuration's words to each room's own settings.

use std::net::SocketAddr;

use super::StartError;
use crate::config::{self, Auto, Config};
use crate::places::Places;
use crate::portal::{self, Adopted, Dialect};
use crate::route::{self, CredentialHeader, DialectPaths, HeaderSettings, OnClient, Rule};
use crate::secret::LocalKey;
use crate::session::Credentials;
use crate::upstream::{Injected, Jar, JarLimits};
use crate::whose::Ways;
use crate::{channel, guard, listener, proxy, response, session};

pub(super) fn listener(config: &Config) -> listener::Settings {
    let limits = &config.limits;
    listener::Settings {
        max_connections: limits.connections,
        max_in_flight: limits.in_flight,
        retry_after: limits.retry_after,
        header_timeout: limits.header_timeout,
        keep_alive_timeout: limits.keep_alive,
        body_idle_timeout: limits.body_idle_timeout,
        write_timeout: limits.write_timeout,
        max_head_bytes: limits.header_bytes,
        max_headers: limits.headers,
        max_buffer_bytes: limits.buffer_bytes,
        max_streams: limits.streams,
        max_reset_streams: limits.reset_streams,
        max_error_streams: limits.error_streams,
        max_interim: limits.interim,
    }
}

pub(super) fn guard(
    config: &Config,
    addresses: &[SocketAddr],
    ways: &[Ways],
    local_key: Option<LocalKey>,
) -> guard::Settings {
    let mut hosts: Vec<String> = addresses
        .iter()
        .filter(|address| address.ip().is_loopback())
        .flat_map(|address| guard::own_names(address.port()))
        .collect();
    // Another address is a name of its own; the unspecified one names nobody.
    let named = addresses.iter().filter(|a| !a.ip().is_loopback() && !a.ip().is_unspecified());
    hosts.extend(named.map(ToString::to_string));
    let is_tls = config.listen.tls_cert_file.is_some();
    hosts.extend(config.guard.allowed_hosts.iter().map(|host| match host.authority() {
        // Without a port that of the protocol is meant; the guard knows it for http.
        name if is_tls && name.port().is_none() => format!("{name}:443"),
        name => name.to_string(),
    }));
    hosts.extend(ways.iter().flat_map(|ways| ways.hosts.iter().cloned()));
    hosts.sort_unstable();
    hosts.dedup();
    let origins = |origins: &[config::Origin]| -> Vec<String> {
        origins.iter().filter_map(|origin| origin.header().to_str().ok().map(str::to_owned)).collect()
    };
    guard::Settings {
        hosts,
        allowed_origins: origins(&config.guard.allowed_origins),
        route_origins: config.routes.iter().flat_map(|route| origins(&route.allow_origin)).collect(),
        allow_credentials: config.guard.allow_credentials,
        local_key,
        local_key_header: config.guard.local_key_header.clone(),
    }
}

pub(super) fn route(
    config: &Config,
    dialect: &Dialect,
    injected: &Injected,
) -> Result<route::Settings, StartError> {
    let (before_login, sealed) = (dialect.pre_login_paths(), dialect.sealed_paths());
    let channel_bases = super::scout::channel_bases(config, dialect);
    let defaults = route::default_rules(DialectPaths {
        channel_bases: &channel_bases,
        logout_path: &dialect.path(portal::Endpoint::Logout),
        before_login: &before_login,
        sealed: &sealed,
    })?;
    let mut rules: Vec<Rule> = config.routes.iter().map(|written| rule(written, dialect)).collect();
    rules.extend(defaults);
    Ok(route::Settings {
        rules,
        unmatched: if dialect.channel.is_some() { route::Protection::Auto } else { route::Protection::Plain },
        at_expiry: at_expiry(config.session.at_expiry),
        max_target_bytes: config.limits.uri,
        max_learned: config.limits.learned_paths,
        policy: policy(config),
        headers: headers(config, injected),
    })
}

/// A written rule. `auto` is sealed where the dialect seals that very path, and else learns.
fn rule(written: &config::Route, dialect: &Dialect) -> Rule {
    let path = written.path.as_str();
    let protection = match written.protect {
        config::Protect::Sealed => route::Protection::Sealed,
        config::Protect::Plain => route::Protection::Plain,
        config::Protect::Auto if dialect.channel.is_none() => route::Protection::Plain,
        config::Protect::Auto if dialect.seals(path) => route::Protection::Sealed,
        config::Protect::Auto => route::Protection::Auto,
    };
    let bearer = match written.bearer {
        config::Bearer::Never => route::Bearer::Never,
        config::Bearer::Required => route::Bearer::Required,
    };
    let allow_origin =
        written.allow_origin.iter().filter_map(|o| o.header().to_str().ok().map(str::to_owned)).collect();
    Rule {
        methods: written.methods.clone(),
        protection,
        bearer,
        replay: replay(written.replay),
        at_expiry: written.at_expiry.map(at_expiry),
        allow_origin,
        ..Rule::for_path(path)
    }
}

fn at_expiry(written: config::AtExpiry) -> route::AtExpiry {
    match written {
        config::AtExpiry::LetRun => route::AtExpiry::LetRun,
        config::AtExpiry::Close => route::AtExpiry::Close,
    }
}

fn replay(written: config::Replay) -> route::Replay {
    match written {
        config::Replay::Never => route::Replay::Never,
        config::Replay::Idempotent => route::Replay::Idempotent,
        config::Replay::Buffered => route::Replay::Buffered,
    }
}

/// What one of several identities may ask for; where there is one, everything.
fn policy(config: &Config) -> route::Policy {
    let Some(own) = config.own() else { return route::Policy::default() };
    route::Policy {
        read_only: own.read_only,
        allow: own.allow.iter().map(|allowed| (allowed.method.clone(), allowed.path.clone())).collect(),
        most_replay: replay(own.replay),
    }
}

fn headers(config: &Config, injected: &Injected) -> HeaderSettings {
    let passed = &config.upstream.pass_headers;
    let ours = injected.headers().iter().map(|(name, _)| name).filter(|name| !passed.contains(name));
    let dropped = ours.map(|name| CredentialHeader { name: name.clone(), on_client: OnClient::Drop });
    let pass = passed.iter().map(|name| CredentialHeader { name: name.clone(), on_client: OnClient::Pass });
    HeaderSettings {
        credentials: dropped.chain(pass).collect(),
        cookies: match config.upstream.cookies {
            // Those of the jar are the proxy's own: no caller's come beside them.
            config::Cookies::Strip | config::Cookies::Jar => route::Cookies::Strip,
            config::Cookies::Pass => route::Cookies::Pass,
        },
        local_key_header: Some(config.guard.local_key_header.clone()),
        identity_header: Some(config.choosing.header.clone()),
    }
}

fn jar(config: &Config) -> JarLimits {
    JarLimits { cookies: config.limits.cookies, bytes: config.limits.cookie_bytes }
}

/// The same headers, and a jar of this identity's own where the portal's cookies are kept.
pub(super) fn with_jar(config: &Config, injected: Injected) -> Injected {
    match config.upstream.cookies {
        config::Cookies::Jar => injected.with_jar(Jar::new(jar(config))),
        config::Cookies::Strip | config::Cookies::Pass => injected,
    }
}

pub(super) fn answer_cookies(config: &Config) -> response::Cookies {
    match config.upstream.cookies {
        config::Cookies::Strip | config::Cookies::Jar => response::Cookies::Strip,
        config::Cookies::Pass => response::Cookies::Pass,
    }
}

pub(super) fn client(config: &Config) -> portal::Settings {
    portal::Settings {
        max_answer: config.limits.own_answer,
        call_timeout: config.limits.own_call,
        fresh_channel: config.session.fresh_channel,
        assumed_token_life: config.session.assumed_token_life,
        keys: channel::Settings {
            renew_after_messages: config.session.renew_after_messages,
            refuse_after_messages: config.session.refuse_after_messages,
        },
    }
}

pub(super) fn session(config: &Config, credentials: Option<Credentials>) -> session::Settings {
    let written = &config.session;
    session::Settings {
        identity: config.identity.clone(),
        credentials,
        wait_timeout: config.limits.wait_timeout,
        max_waiting: config.limits.waiting,
        refresh_at: f64::from(written.refresh_at) / 100.0,
        refresh_jitter: f64::from(written.refresh_jitter) / 100.0,
        margin: written.margin,
        backoff_first: written.backoff_first,
        backoff_most: written.backoff_most,
        wait_through: written.wait_through,
        retry_after_most: written.retry_after_most,
        automatic_attempts: config.login.automatic_attempts as usize,
        proven_attempts: config.login.proven_attempts as usize,
        person_attempts: config.login.person_attempts as usize,
        attempt_window: config.login.attempt_window,
        code_retries: config.login.code_retries,
        code_every: config.login.code_every,
        complaints_burst: written.complaints_burst,
        complaints_per_minute: written.complaints_per_minute,
        channel_life: written.channel_life,
        channel_backoff_first: written.channel_backoff_first,
        channel_backoff_most: written.channel_backoff_most,
        close_timeout: written.close_timeout,
        heartbeat: written.heartbeat,
        clock_tolerance: written.clock_tolerance,
    }
}

/// How many requests of this identity may be under way, where that is bounded.
pub(super) fn places(config: &Config) -> Option<Places> {
    let limits = &config.limits;
    let most = match (config.own().and_then(|own| own.in_flight), limits.in_flight_each) {
        (Some(own), _) => own,
        (None, Auto::Given(each)) => each,
        // Whoever is alone has all of them.
        (None, Auto::Auto) if config.identities.len() < 2 => return None,
        (None, Auto::Auto) => (limits.in_flight / 2).max(1),
    };
    Some(Places::new(most))
}

fn hops(config: &Config) -> proxy::Hops {
    let forwarded = match config.upstream.forwarded {
        config::Forwarded::Off => proxy::Forwarded::Off,
        config::Forwarded::Forwarded => proxy::Forwarded::Standard,
        config::Forwarded::XForwarded => proxy::Forwarded::Customary,
        config::Forwarded::Both => proxy::Forwarded::Both,
    };
    proxy::Hops::new(config.upstream.via, forwarded)
}

pub(super) fn proxy(config: &Config, dialect: &Dialect, adopted: Adopted) -> proxy::Settings {
    proxy::Settings {
        sealed_body: config.limits.sealed_body,
        sealed_answer: config.limits.sealed_answer,
        replay_body: config.limits.replay_body,
        body_idle_timeout: config.limits.body_idle_timeout,
        retry_after: config.limits.retry_after,
        fresh_channel: config.session.fresh_channel,
        session_header: dialect.session_header.clone(),
        empty_body: dialect.empty_body,
        accept_plain_success: dialect.accept_plain_success,
        hops: hops(config),
        adopted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Inputs};

    /// Those that no room's settings show, with the code that reads them.
    const READ_WHERE_THEY_ARE_USED: &[(&str, &str, &str)] = &[
        ("listen.workers", include_str!("build.rs"), "match config.listen.workers {"),
        ("session.find_again", include_str!("scout.rs"), "config.session.find_again"),
        ("limits.held_bytes", include_str!("ground.rs"), "HeldBytes::new(config.limits.held_bytes)"),
        ("limits.drain", include_str!("mod.rs"), "drain: config.limits.drain,"),
        ("limits.secret_command", include_str!("../config/mod.rs"), "self.limits.secret_command"),
        (
            "login.code_timeout",
            include_str!("../config/section/login.rs"),
            "source(\"login.code_command\", &self.code_command, self.code_timeout)",
        ),
        ("state.lock_timeout", include_str!("store.rs"), "config.login_store.lock_timeout"),
        ("state.redis_timeout", include_str!("store.rs"), "timeout: store.redis.timeout"),
        ("state.redis_lease", include_str!("store.rs"), "lease: written.lease"),
        ("state.redis_poll", include_str!("store.rs"), "poll: written.poll"),
        ("state.redis_wait", include_str!("store.rs"), "config.login_store.redis.wait"),
    ];

    fn config(below: &str) -> Option<Config> {
        let text = format!("[upstream]\nurl = \"https://portal.test\"\n{below}");
        let environment: Environment = [("HOME", "/home/you")].into_iter().collect();
        let inputs = Inputs { file: None, environment: &environment, flags: &[], unsafe_listen: false };
        // Of an identity's own configuration, as it is served.
        Config::from_text(&text, &inputs).ok().map(|config| config.each().remove(0))
    }

    /// What all rooms are given.
    fn given(config: &Config) -> String {
        let dialect = config.dialect();
        let adopted = Adopted::new(&dialect, config.login.adopt, config.session.assumed_token_life);
        let injected = Injected::new(Vec::new());
        format!(
            "{:#?}",
            (
                (listener(config), guard(config, &[], &[], None), session(config, None), client(config)),
                (route(config, &dialect, &injected).unwrap(), proxy(config, &dialect, adopted)),
                (config.upstream.settings(&dialect), places(config), jar(config), dialect),
            )
        )
    }

    /// Section, key and both ends of every number, duration and size in `proxy.toml`.
    fn bounds() -> Vec<(String, String, [String; 2])> {
        let (mut found, mut section, mut ends) = (Vec::new(), String::new(), None);
        for line in include_str!("../../proxy.toml").lines() {
            let bare = line.trim_start_matches("# ").trim_start_matches("e.g. ");
            if let Some(name) = bare.strip_prefix('[').filter(|_| bare.ends_with(']')) {
                section = name.trim_matches(['[', ']']).to_owned();
            } else if let Some(range) = ["# (a number, ", "# (a duration, ", "# (a size, "]
                .iter()
                .find_map(|kind| line.strip_prefix(kind)?.strip_suffix(')'))
            {
                let (least, most) = range.split_once(" to ").unwrap();
                let written = |end: &str| match end.parse::<u64>() {
                    Ok(_) => end.to_owned(),
                    Err(_) => format!("\"{end}\""),
                };
                ends = Some([written(most), written(least)]);
            } else if let (Some((key, _)), Some(ends)) = (bare.split_once(" = "), ends.take()) {
                found.push((section.clone(), key.to_owned(), ends));
            }
        }
        found
    }

    #[test]
    fn every_bound_of_the_reference_reaches_who_keeps_to_it() {
        let bounds = bounds();
        assert!(bounds.len() >= 70, "{bounds:?}");
        let mut lost = Vec::new();
        for (section, key, ends) in bounds {
            let name = format!("{section}.{key}");
            if let Some((_, text, read)) =
                READ_WHERE_THEY_ARE_USED.iter().find(|(setting, ..)| *setting == name)
            {
                assert!(text.matches(read).count() >= 1, "{name}: {read}");
                continue;
            }
            // It may be no less than the other, whose default is as much as it can be.
            let beside = if key == "refuse_after_messages" { "renew_after_messages = 1\n" } else { "" };
            let below = |line: &str| match section.as_str() {
                "identity" => format!("[[identity]]\nname = \"alice\"\n{line}\n"),
                "upstream" => format!("{line}\n"),
                section => format!("[{section}]\n{beside}{line}\n"),
            };
            let default = given(&config(&below("")).unwrap());
            // One end may be the default, or be forbidden beside other defaults.
            let changed: Vec<_> =
                ends.iter().filter_map(|end| config(&below(&format!("{key} = {end}")))).collect();
            if !changed.iter().any(|config| given(config) != default) {
                lost.push(name);
            }
        }
        assert_eq!(lost, [""; 0], "set, and nobody heard of it");
    }
}
