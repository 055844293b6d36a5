//! `[state]`: what outlives the process.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::document::{Value, Written};
use crate::config::environment::Environment;
use crate::config::layers::Section;
use crate::config::problem::Problem;
use crate::config::reader::Reader;
use crate::config::secret_form;
use crate::config::secret_source::{SecretCause, SecretError, SecretSource, Surroundings};
use crate::config::setting::{Fallback, Kind, Setting, ms, section, span};
use crate::config::values::{Auto, FromWritten};
use crate::secret::{RedisPassword, SealingPassphrase};
use crate::session::RedisUrl;

const HOUR: Duration = Duration::from_secs(3600);

section! {
    /// What outlives the process, as written.
    pub(in crate::config) struct State in "state" {
        "The directory, 0700. \"auto\" is $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/portunus, else \
         ~/.local/state/portunus."
            dir: Auto<PathBuf> = Fallback::Is(r#""auto""#), Kind::Path;
        "Where logins are kept, so that they outlive the process: file is the directory, memory is nowhere. Replicas on \
         several machines share one by redis://USER@HOST:PORT/DB; rediss:// has TLS, redis-sentinel://HOST:PORT/DB?master=NAME \
         and redis-cluster://HOST:PORT take &node=HOST:PORT for each further one. Valkey will do as well."
            store: StoreKind = Fallback::Is(r#""file""#), Kind::SecretOr("file, memory or the URL of a Redis");
        "A passphrase that seals them. Without it a key is made once, and kept beside them; with Redis there has to be \
         one, the same for all replicas."
            key: Option<SecretSource> = Fallback::Nothing(r#"{ command = ["secret-tool", "lookup", "service", "portunus"] }"#), Kind::Secret;
        "How long to wait for another portunus of the same login, which may be waiting for the next TOTP step."
            lock_timeout: Duration = Fallback::Is(r#""60s""#), span(ms(100), Duration::from_secs(600));
        "The password of the URL's user, which the URL itself does not hold."
            redis_password: Option<SecretSource> = Fallback::Nothing(r#"{ file = "redis-password" }"#), Kind::Secret;
        "The certificate authorities that may have signed the certificate of a rediss://, in PEM. Without it those of the \
         system."
            redis_ca: Option<PathBuf> = Fallback::Nothing(r#""redis-ca.pem""#), Kind::Path;
        "How long a connection to Redis may take, and each command there."
            redis_timeout: Duration = Fallback::Is(r#""2s""#), span(ms(50), Duration::from_secs(60));
        "How long the lock of a replica outlives it. Renewed while it works; while a call to the portal may be under way it \
         is limits.own_call longer."
            redis_lease: Duration = Fallback::Is(r#""10s""#), span(ms(500), Duration::from_secs(600));
        "How often Redis is looked at, in case that the news of another replica's login was lost."
            redis_poll: Duration = Fallback::Is(r#""1s""#), span(ms(10), HOUR);
        "How long a start waits for Redis. One that runs already goes on with what it has when Redis goes away."
            redis_wait: Duration = Fallback::Is(r#""10s""#), span(ms(0), HOUR);
        "Whether the process may be dumped to a core file, or looked into by a debugger: what it knows is in its memory."
            core_dump: bool = Fallback::Is("false"), Kind::Switch;
    }
}

/// Where logins are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoreKind {
    /// In the state directory.
    #[default]
    File,
    /// In memory: a restart signs in anew.
    Memory,
    /// At a Redis that replicas share.
    Redis(RedisUrl),
    /// The same; the URL is a secret, since it may hold a password.
    RedisFrom(SecretSource),
}

impl StoreKind {
    /// Whether replicas on several machines share it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_) | Self::RedisFrom(_))
    }
}

impl FromWritten for StoreKind {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        match &written.value {
            Value::Text(text) if text == "file" => Some(Self::File),
            Value::Text(text) if text == "memory" => Some(Self::Memory),
            Value::Text(text) if RedisUrl::is_meant(text) => {
                let problem =
                    |what: String| Problem::new(&written.place, format!("'{}' {what}", setting.key));
                match RedisUrl::parse(text) {
                    Ok((url, None)) => return Some(Self::Redis(url)),
                    Ok((_, Some(_))) => reader.report(
                        problem("holds a password, and no secret is written here".into())
                            .hint("write the URL without it, and name its source in redis_password"),
                    ),
                    Err(what) => reader.report(problem(what)),
                }
                None
            }
            Value::Text(text) if text.contains("://") => {
                let text = format!("'{}' is a URL, and not of a Redis", setting.key);
                reader.report(
                    Problem::new(&written.place, text).hint("write redis://HOST:PORT, or rediss:// for TLS"),
                );
                None
            }
            Value::Text(text) => {
                reader.not_understood(written, setting, text);
                None
            }
            Value::Table(table) => {
                secret_form::named(table, &written.place, setting, reader).map(Self::RedisFrom)
            }
            Value::Integer(_) | Value::Switch(_) | Value::List(_) | Value::Foreign(_) => {
                reader.mismatch(written, setting);
                None
            }
        }
    }
}

/// How logins are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginStore {
    /// Where.
    pub kind: StoreKind,
    /// What makes the key that seals them; without it a key file in the state directory does.
    pub key: Option<SecretSource>,
    /// How long to wait for another process's flight.
    pub lock_timeout: Duration,
    /// How to deal with a Redis.
    pub redis: RedisSettings,
}

/// How to deal with a Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Where the password comes from.
    pub password: Option<SecretSource>,
    /// The file of the only authorities to trust.
    pub ca: Option<PathBuf>,
    /// How long a connection or a command may take.
    pub timeout: Duration,
    /// How long a lock outlives its replica.
    pub lease: Duration,
    /// How often it is looked at.
    pub poll: Duration,
    /// How long a start waits for it.
    pub wait: Duration,
}

impl LoginStore {
    /// The Redis and its password, fetched from their sources, if logins are kept at one.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub async fn fetch_redis(
        &self,
        from: &Surroundings<'_>,
    ) -> Result<Option<(RedisUrl, Option<RedisPassword>)>, SecretError> {
        let (url, within) = match &self.kind {
            StoreKind::File | StoreKind::Memory => return Ok(None),
            StoreKind::Redis(url) => (url.clone(), None),
            StoreKind::RedisFrom(source) => {
                let read = |text: String| RedisUrl::parse(&text);
                source.resolve("state.store", read, from).await?.map_err(|what| SecretError {
                    setting: "state.store".into(),
                    cause: SecretCause::NotARedisUrl(what),
                })?
            }
        };
        let password = match &self.redis.password {
            Some(source) => Some(source.resolve("state.redis_password", RedisPassword::new, from).await?),
            None => within.map(RedisPassword::new),
        };
        Ok(Some((url, password)))
    }

    /// The passphrase, fetched from its source, if there is to be one.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn fetch_key(&self, from: &Surroundings<'_>) -> Result<Option<SealingPassphrase>, SecretError> {
        match &self.key {
            Some(source) => source.resolve("state.key", SealingPassphrase::new, from).await.map(Some),
            None => Ok(None),
        }
    }
}

impl State {
    /// The directory's path, how logins are kept, and whether there may be core dumps.
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<(PathBuf, LoginStore, bool)> {
        let state = Self::fields(section)?;
        if state.store.is_shared() && state.key.is_none() {
            let place = section.place_of("store", Self::SETTINGS);
            let text = "a Redis keeps what is sealed only, and 'key' names no passphrase to seal it with";
            let hint = "write key = { file = \"path\" } or its like in [state]: the same passphrase for all replicas";
            section.reader.report(Problem::new(&place, text).hint(hint));
        }
        let redis = RedisSettings {
            password: state.redis_password,
            ca: state.redis_ca,
            timeout: state.redis_timeout,
            lease: state.redis_lease,
            poll: state.redis_poll,
            wait: state.redis_wait,
        };
        let logins =
            LoginStore { kind: state.store, key: state.key, lock_timeout: state.lock_timeout, redis };
        let Auto::Auto = state.dir else {
            let Auto::Given(dir) = state.dir else { return None };
            return Some((dir, logins, state.core_dump));
        };
        let found = found(section.reader.environment);
        if found.is_none() {
            let place = section.place_of("dir", Self::SETTINGS);
            let text = "no state directory: neither HOME nor XDG_STATE_HOME is set";
            section.reader.report(Problem::new(&place, text).hint("write dir = \"/path\" in [state]"));
        }
        found.map(|dir| (dir, logins, state.core_dump))
    }
}

fn found(environment: &Environment) -> Option<PathBuf> {
    // systemd separates several by colons; the first is the one of the service.
    let systemd = environment.get("STATE_DIRECTORY").and_then(|all| all.split(':').next()).map(PathBuf::from);
    systemd
        .filter(|path| path.is_absolute())
        .or_else(|| environment.absolute_path("XDG_STATE_HOME").map(|base| base.join("portunus")))
        .or_else(|| environment.absolute_path("HOME").map(|home| home.join(".local/state/portunus")))
}
