//! Redis that goes away, comes back, and may have forgotten meanwhile.

use super::*;

#[tokio::test]
async fn one_that_goes_away_is_said_to_be_and_is_found_again() {
    let mut server = Server::start();
    let one = replica(&server).await;
    commit(&one, 1).await;
    one.changed().await;
    server.kill();
    until("it is away", async || one.is_away()).await;
    let begun = Instant::now();
    assert!(one.load().await.is_err() && one.lock().await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody waits for long: {:?}", begun.elapsed());
    server.restart();
    tokio::time::timeout(Duration::from_secs(10), one.changed()).await.expect("a look at what is there");
    until("it is back", async || !one.is_away()).await;
}

#[tokio::test]
async fn one_that_hangs_is_away_within_its_time_out() {
    let server = Server::start();
    let one = replica(&server).await;
    server.pause();
    let begun = Instant::now();
    let error = one.load().await.unwrap_err();
    assert!(one.is_away(), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    server.resume();
    until("it is back", async || !one.is_away()).await;
}

#[tokio::test]
async fn a_login_that_redis_forgot_is_put_back_by_whoever_has_seen_it() {
    let mut server = Server::start();
    let (one, other) = (replica(&server).await, replica(&server).await);
    commit(&one, 5).await;
    assert_eq!(other.load().await.unwrap(), Some(pair(5)));
    let losses: [&mut dyn FnMut(&mut Server); 3] = [
        &mut |server| drop(server.cli(&["FLUSHALL"])),
        // As an eviction does.
        &mut |server| drop(server.cli(&["DEL", &Keys::of("default", "x").login, one.key()])),
        &mut |server| {
            server.kill();
            server.restart();
        },
    ];
    for lose in losses {
        lose(&mut server);
        until("it is there again", async || {
            server.cli(&["HGET", one.key(), "revision"]) == one.0.seen_revision().to_string()
        })
        .await;
        assert_eq!(replica(&server).await.load().await.unwrap(), Some(pair(5)));
    }
    commit(&other, 6).await;
    assert_eq!(one.load().await.unwrap(), Some(pair(6)));
}

#[tokio::test]
async fn a_flush_during_a_flight_loses_neither_the_flight_nor_the_login() {
    let server = Server::start();
    let (one, other) = (replica(&server).await, replica(&server).await);
    commit(&one, 1).await;
    let lock = one.lock().await.unwrap();
    one.begin_refresh(Generation::numbered(1)).await.unwrap();
    server.cli(&["FLUSHALL"]);
    one.commit(Some(pair(2))).await.unwrap();
    drop(lock);
    until("the other has it", async || other.load().await.unwrap() == Some(pair(2))).await;
}

#[tokio::test]
async fn a_start_without_redis_is_an_error_with_a_way_out_or_waits() {
    let mut server = Server::start();
    server.kill();
    let error = RedisStore::open(door_to(&server), owned(), times()).await.unwrap_err();
    assert!(error.what.contains(&format!("redis://127.0.0.1:{}", server.port())), "{error}");
    assert!(error.hint.contains("see that it runs"), "{error}");
    let patient = RedisTimes { wait: Duration::from_secs(20), ..times() };
    let waiting = tokio::spawn(RedisStore::open(door_to(&server), owned(), patient));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(!waiting.is_finished());
    server.restart();
    assert_eq!(waiting.await.unwrap().unwrap().load().await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_is_never_overwritten() {
    let server = Server::start();
    commit(&replica(&server).await, 1).await;
    let other_key = Owned { key: SealingKey::new(&[8; 32]), ..owned() };
    let error = RedisStore::open(door_to(&server), other_key, times()).await.unwrap_err();
    assert!(error.what.contains("was sealed with another key"), "{error}");
    assert!(error.hint.contains("redis-cli DEL 'portunus:{default-"), "{error}");

    let one = replica(&server).await;
    server.cli(&["HSET", one.key(), "document", "CNRY", "revision", "7"]);
    let _lock = one.lock().await.unwrap_err();
    assert!(one.load().await.is_err());
    assert_eq!(server.cli(&["HGET", one.key(), "document"]), "CNRY");
}
