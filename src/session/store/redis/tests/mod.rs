//! On a real server, each test on one of its own. Two stores are two replicas.

mod away;
mod doors;
mod replicas;

use std::time::{Duration, Instant};

use redis_fixture::Server;

use super::*;
use crate::identity::IdentityName;
use crate::secret::RedisPassword;
use crate::session::SealingKey;
use crate::session::store::tests::pair;

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
