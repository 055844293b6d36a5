//! From the configuration's words to each room's own settings.

use std::net::SocketAddr;

use super::StartError;
use crate::config::{self, Config};
use crate::portal::{self, Adopted, Dialect};
use crate::route::{self, CredentialHeader, DialectPaths, HeaderSettings, OnClient, Rule};
use crate::secret::LocalKey;
use crate::session::Credentials;
use crate::upstream::{Injected, Jar, JarLimits};
use crate::whose::Ways;
use crate::{guard, listener, proxy, response, session};

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

/// The same headers, and a jar of this identity's own where the portal's cookies are kept.
pub(super) fn with_jar(config: &Config, injected: Injected) -> Injected {
    let limits = JarLimits { cookies: config.limits.cookies, bytes: config.limits.cookie_bytes };
    match config.upstream.cookies {
        config::Cookies::Jar => injected.with_jar(Jar::new(limits)),
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
        fresh_channel: config.session.fresh_channel,
        session_header: dialect.session_header.clone(),
        empty_body: dialect.empty_body,
        accept_plain_success: dialect.accept_plain_success,
        hops: hops(config),
        adopted,
    }
}
