//! What remembers the login: a directory, a Redis, or nobody.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Secrets, StartError};
use crate::config::{ClientHashSource, Config, LoginStore, StoreKind, Surroundings};
use crate::secret::{ClientHash, SealingPassphrase};
use crate::session::{
    FileStore, MemoryStore, Owned, RedisDoor, RedisStore, RedisTimes, SealingKey, Store, StoreError,
};
use crate::state_dir::StateDir;

/// Opens it; of a Redis, once it answers.
///
/// # Errors
/// If the state directory or the Redis cannot be used.
pub(super) async fn open(config: &Config, secrets: &Secrets) -> Result<Arc<dyn Store>, StartError> {
    Ok(match &config.login_store.kind {
        StoreKind::Memory => Arc::new(MemoryStore::new()),
        StoreKind::File => {
            let dir = StateDir::open(&config.state_dir)?;
            let key = match &secrets.sealing {
                Some(passphrase) => SealingKey::from_passphrase(passphrase.clone()),
                None => SealingKey::new(&*dir.sealing_key()?),
            };
            Arc::new(FileStore::new(dir, owned(config, key)))
        }
        StoreKind::Redis(_) | StoreKind::RedisFrom(_) => {
            Arc::new(redis(config, secrets, config.login_store.redis.wait).await?)
        }
    })
}

/// What a look at the Redis of the configuration finds, for `portunus check`. What is written there to see whether it
/// may be is removed again.
///
/// # Errors
/// If it cannot be used.
pub async fn try_store(config: &Config, secrets: &Secrets) -> Result<String, StartError> {
    let store = redis(config, secrets, Duration::ZERO).await?;
    let saved = store.load().await.map_err(StartError::Store)?;
    store.try_writing().await.map_err(StartError::Store)?;
    let what = if saved.is_some() { "a login is stored" } else { "no login is stored yet" };
    Ok(format!("{} answers, and takes what is written; {what}", store.address()))
}

/// The Redis of the configuration, if logins are kept at one.
async fn redis(config: &Config, secrets: &Secrets, wait: Duration) -> Result<RedisStore, StartError> {
    // Checked when the configuration and its secrets were read.
    let (Some(passphrase), Some(door)) = (&secrets.sealing, &secrets.redis) else {
        let what = "the Redis of state.store was not prepared".into();
        let hint = "this is a mistake in portunus; report it".into();
        return Err(StartError::Store(StoreError { what, hint }));
    };
    let key = SealingKey::from_passphrase(passphrase.clone());
    let written = &config.login_store.redis;
    let times = RedisTimes { lease: written.lease, call: config.limits.own_call, poll: written.poll, wait };
    // Boxed: a connection's future is large, and this one is part of many others.
    let opened: Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(RedisStore::open(door.clone(), owned(config, key), times));
    opened.await.map_err(StartError::Store)
}

fn owned(config: &Config, key: SealingKey) -> Owned {
    let account = config.login.email.as_ref().map_or_else(String::new, |email| email.as_str().to_lowercase());
    Owned {
        identity: config.identity.clone(),
        // Tokens are for the portal that gave them: one that is configured later never gets to see them.
        realm: format!("{} {account}", portal_of(config)),
        key,
        lock_timeout: config.login_store.lock_timeout,
    }
}

fn portal_of(config: &Config) -> String {
    format!("{} {}", config.upstream.url, config.portal.name.as_str())
}

/// What leads to the Redis, if logins are kept at one.
///
/// # Errors
/// If a secret or the file of its authorities cannot be had.
pub(super) async fn door(
    store: &LoginStore,
    from: &Surroundings<'_>,
) -> Result<Option<RedisDoor>, StartError> {
    let Some((url, password)) = store.fetch_redis(from).await? else { return Ok(None) };
    let ca = store.redis.ca.as_ref().map(|path| {
        std::fs::read(path).map_err(|source| {
            let what = format!("state.redis_ca: cannot read {}: {source}", path.display());
            StartError::Store(StoreError { what, hint: "name the PEM file of the authority there".into() })
        })
    });
    Ok(Some(RedisDoor { url, password, ca: ca.transpose()?, timeout: store.redis.timeout }))
}

/// The client hash. Replicas that share a passphrase have one that is made from it: to the portal they are one client
/// (PROTOCOL section 2).
///
/// # Errors
/// Why it cannot be had.
pub(super) async fn client_hash(
    config: &Config,
    passphrase: Option<&SealingPassphrase>,
    from: &Surroundings<'_>,
) -> Result<ClientHash, StartError> {
    match (passphrase, &config.portal.client_hash) {
        (Some(passphrase), ClientHashSource::Auto | ClientHashSource::Own(_))
            if config.login_store.kind.is_shared() =>
        {
            let purpose = format!("client hash {} {}", config.identity, portal_of(config));
            Ok(ClientHash::new(SealingKey::shared(passphrase, &purpose)))
        }
        (_, source) => Ok(source.fetch(&config.state_dir, from).await?),
    }
}
