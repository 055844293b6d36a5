//! The ways in: an ACL user, TLS, a Sentinel, a cluster.

use super::*;

/// What the documentation says the user needs.
const RIGHTS: &str = "~portunus:* resetchannels &portunus:* -@all +@read +@write +@scripting +@connection \
                      +subscribe +publish +time";

#[tokio::test]
async fn an_acl_user_with_the_documented_rights_is_enough_and_each_refusal_is_explained() {
    let server = Server::with(&format!(
        "user default off\nuser app on >CNRY-right {RIGHTS}\nuser poor on >CNRY-right ~portunus:* -@all +@connection"
    ));
    let as_user = |who: &str| door(&format!("redis://{who}@127.0.0.1:{}", server.port()));
    let one = RedisStore::open(as_user("app:CNRY-right"), owned(), times()).await.unwrap();
    let other = RedisStore::open(as_user("app:CNRY-right"), owned(), times()).await.unwrap();
    commit(&one, 1).await;
    assert_eq!(other.load().await.unwrap(), Some(pair(1)));
    for (who, hint) in
        [("app:CNRY-wrong", "redis_password"), ("poor:CNRY-right", "give its user these rights")]
    {
        let error = RedisStore::open(as_user(who), owned(), times()).await.unwrap_err();
        assert!(error.hint.contains(hint), "{who}: {error}");
        assert!(!format!("{error:?}").contains("CNRY"), "{error:?}");
    }
    assert!(!format!("{:?} {one:?}", as_user("app:CNRY-right")).contains("CNRY"));
}

#[tokio::test]
async fn tls_trusts_the_authority_that_is_named_and_no_other() {
    let server = Server::with_tls();
    let ca = std::fs::read(server.ca()).unwrap();
    let plain = door(&format!("rediss://127.0.0.1:{}", server.port()));
    let trusting = RedisDoor { ca: Some(ca), ..plain.clone() };
    let one = RedisStore::open(trusting, owned(), times()).await.unwrap();
    commit(&one, 1).await;
    assert_eq!(one.load().await.unwrap(), Some(pair(1)));
    let error = RedisStore::open(plain, owned(), times()).await.unwrap_err();
    assert!(error.hint.contains("redis_ca"), "{error}");
}

#[tokio::test]
async fn a_cluster_keeps_a_login_in_one_slot() {
    let node = Server::cluster();
    let cluster = || door(&format!("redis-cluster://127.0.0.1:{}", node.port()));
    let one = RedisStore::open(cluster(), owned(), times()).await.unwrap();
    let other = RedisStore::open(cluster(), owned(), times()).await.unwrap();
    commit(&one, 1).await;
    other.changed().await;
    assert_eq!(other.load().await.unwrap(), Some(pair(1)));
    commit(&one, 2).await;
    tokio::time::timeout(Duration::from_secs(5), other.changed()).await.expect("news travel here too");
    commit(&other, 3).await;
    assert_eq!(one.load().await.unwrap(), Some(pair(3)));
}

#[tokio::test]
async fn a_failover_by_sentinel_takes_the_login_and_its_lock_along() {
    let mut master = Server::start();
    let second = Server::replica_of(&master);
    let sentinel = Server::sentinel_of(&master);
    let by_name = || door(&format!("redis-sentinel://127.0.0.1:{}?master=mine", sentinel.port()));
    let one = RedisStore::open(by_name(), owned(), times()).await.unwrap();
    let other = RedisStore::open(by_name(), owned(), times()).await.unwrap();
    commit(&one, 1).await;
    let lock = one.lock().await.unwrap();
    one.begin_refresh(Generation::numbered(1)).await.unwrap();
    second.until("the replica has it", || second.cli(&["HGET", one.key(), "revision"]) == "2");
    master.kill();
    until("the replica is master, and ours", async || {
        second.cli(&["ROLE"]).starts_with("master") && one.commit(Some(pair(2))).await.is_ok()
    })
    .await;
    drop(lock);
    until("the other has it", async || other.load().await.is_ok_and(|found| found == Some(pair(2)))).await;
    commit(&other, 3).await;
    assert_eq!(one.load().await.unwrap(), Some(pair(3)));
}
