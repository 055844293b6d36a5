//! On a real server, each test on one of its own. Two stores are two replicas.

mod away;
mod doors;
mod replicas;

use std::time::{Duration, Instant, SystemTime};

use redis_fixture::Server;

use super::*;
use crate::identity::IdentityName;
use crate::secret::{AccessToken, RedisPassword, RefreshToken};
use crate::session::SealingKey;

fn owned() -> Owned {
    Owned {
        identity: IdentityName::sole(),
        realm: "https://portal.example.com tenant me@example.com".into(),
        key: SealingKey::new(&[7; 32]),
        lock_timeout: Duration::from_millis(500),
    }
}

fn times() -> RedisTimes {
    RedisTimes {
        lease: Duration::from_secs(2),
        call: Duration::from_secs(5),
        poll: Duration::from_millis(200),
        wait: Duration::ZERO,
    }
}

fn door(url: &str) -> RedisDoor {
    let (url, password) = RedisUrl::parse(url).unwrap();
    RedisDoor { url, password: password.map(RedisPassword::new), ca: None, timeout: Duration::from_secs(1) }
}

fn door_to(server: &Server) -> RedisDoor {
    door(&format!("redis://127.0.0.1:{}", server.port()))
}

/// One more replica.
async fn replica(server: &Server) -> RedisStore {
    RedisStore::open(door_to(server), owned(), times()).await.unwrap()
}

fn pair(n: u64) -> SavedSession {
    let issued_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    SavedSession {
        account: Some("me@example.com".into()),
        access: AccessToken::new(format!("CNRY-access-{n}")),
        refresh: Some(RefreshToken::new(format!("CNRY-refresh-{n}"))),
        issued_at,
        expires_at: issued_at + Duration::from_millis(3_600_123),
        generation: Generation::numbered(n),
        without_factor: false,
        unanswered: 0,
    }
}

async fn commit(store: &RedisStore, n: u64) {
    let _lock = store.lock().await.unwrap();
    store.commit(Some(pair(n))).await.unwrap();
}

/// Waits until it is so; news and looks take a while.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
