//! What replicas share, and that one at a time is in a flight.

use super::*;

#[tokio::test]
async fn a_pair_an_intent_and_attempts_come_back_in_another_replica() {
    let server = Server::start();
    let (one, other) = (replica(&server).await, replica(&server).await);
    assert_eq!(other.load().await.unwrap(), None);
    commit(&one, 1).await;
    assert_eq!(other.load().await.unwrap(), Some(pair(1)));

    let lock = one.lock().await.unwrap();
    one.begin_refresh(Generation::numbered(1)).await.unwrap();
    assert_eq!(other.load().await.unwrap().unwrap().unanswered, 1);
    assert_eq!(one.load().await.unwrap().unwrap().unanswered, 1, "to itself as well");
    one.keep(Generation::numbered(1)).await.unwrap();
    assert_eq!(other.load().await.unwrap().unwrap().unanswered, 0);
    let attempts = Attempts { used_steps: vec![crate::session::Step(5)], ..Attempts::default() };
    one.record(attempts.clone()).await.unwrap();
    assert_eq!(other.attempts().await.unwrap(), attempts);
    one.commit(None).await.unwrap();
    assert_eq!(other.load().await.unwrap(), None);
    assert_eq!(other.attempts().await.unwrap(), attempts, "they outlive a sign-out");
    drop(lock);
}

#[tokio::test]
async fn nothing_at_redis_is_a_token_or_an_account() {
    let server = Server::start();
    let one = replica(&server).await;
    commit(&one, 1).await;
    let keys = server.cli(&["KEYS", "*"]);
    let all = format!("{keys} {}", server.cli(&["HGETALL", one.key()]));
    assert!(all.contains("sealed"), "{all}");
    assert!(!all.contains("CNRY") && !all.contains("example.com"), "{all}");
}

#[tokio::test]
async fn a_lock_is_one_replicas_until_it_drops_it_and_then_the_next_has_it_at_once() {
    let server = Server::start();
    let (one, other) = (replica(&server).await, replica(&server).await);
    let lock = one.lock().await.unwrap();
    let error = other.lock().await.unwrap_err();
    assert!(error.what.contains("another replica has been at portunus:{default-"), "{error}");
    assert!(other.commit(Some(pair(1))).await.is_err(), "nothing is written without it");
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.lock().await.map(|lock| (lock, Instant::now())) }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let freed = Instant::now();
    drop(lock);
    let (_lock, had) = waiting.await.unwrap().unwrap();
    assert!(had.duration_since(freed) < Duration::from_millis(100), "{:?}", had.duration_since(freed));
}

#[tokio::test]
async fn a_lock_is_renewed_for_as_long_as_it_is_held_and_outlives_a_call() {
    let server = Server::start();
    let one = replica(&server).await;
    let lock = one.lock().await.unwrap();
    let left = || server.cli(&["PTTL", &one.0.keys.lock]).parse::<u64>().unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!((1..=2_000).contains(&left()), "past its first lease, and ours: {}", left());
    one.record(Attempts::default()).await.unwrap();
    assert!(left() > 6_500, "a password may be on its way: {}", left());
    one.commit(Some(pair(1))).await.unwrap();
    assert!(left() <= 2_000, "it came back: {}", left());
    drop(lock);
    until("the lock is free", async || server.cli(&["EXISTS", &one.0.keys.lock]) == "0").await;
}

#[tokio::test]
async fn others_hear_of_a_new_pair_within_a_hundred_milliseconds() {
    let server = Server::start();
    let one = replica(&server).await;
    // So that the look every now and then does not find it first.
    let slow = RedisTimes { poll: Duration::from_secs(3600), ..times() };
    let other = RedisStore::open(door_to(&server), owned(), slow).await.unwrap();
    other.changed().await;
    let mut longest = Duration::ZERO;
    for n in 1..=20 {
        let heard = tokio::spawn({
            let other = other.clone();
            async move {
                other.changed().await;
                (Instant::now(), other.load().await.unwrap())
            }
        });
        let _lock = one.lock().await.unwrap();
        one.commit(Some(pair(n))).await.unwrap();
        let written = Instant::now();
        let (at, found) = heard.await.unwrap();
        assert_eq!(found, Some(pair(n)));
        longest = longest.max(at.saturating_duration_since(written));
    }
    assert!(longest < Duration::from_millis(100), "{longest:?}");
    let own = tokio::time::timeout(Duration::from_millis(100), one.changed());
    one.changed().await;
    assert!(own.await.is_err(), "of its own writing a replica hears nothing, but for its connection");
}

#[tokio::test]
async fn whoever_wakes_up_with_an_old_lock_overwrites_nothing() {
    let server = Server::start();
    let (slept, other) = (replica(&server).await, replica(&server).await);
    commit(&slept, 1).await;
    let lock = slept.lock().await.unwrap();
    slept.begin_refresh(Generation::numbered(1)).await.unwrap();
    // As it is when its lease ran out while it did not run.
    server.cli(&["DEL", &slept.0.keys.lock]);
    let theirs = other.lock().await.unwrap();
    assert_eq!(other.load().await.unwrap().unwrap().unanswered, 1, "the intent is there to be seen");

    let error = slept.commit(Some(pair(2))).await.unwrap_err();
    assert!(error.what.contains("went to another replica"), "{error}");
    assert!(slept.assure().await.is_err());
    other.commit(Some(pair(3))).await.unwrap();
    drop(theirs);
    until("the lock is free", async || server.cli(&["EXISTS", &other.0.keys.lock]) == "0").await;
    let error = slept.commit(Some(pair(2))).await.unwrap_err();
    assert!(error.what.contains("went to another replica"), "free again, but another has had it: {error}");
    drop(lock);
    assert_eq!(slept.load().await.unwrap(), Some(pair(3)));
    commit(&slept, 4).await;
    assert_eq!(other.load().await.unwrap(), Some(pair(4)));
}

#[tokio::test]
async fn a_lock_that_ran_out_unnoticed_is_still_good_while_nobody_else_had_it() {
    let server = Server::start();
    let one = replica(&server).await;
    let _lock = one.lock().await.unwrap();
    server.cli(&["DEL", &one.0.keys.lock]);
    one.assure().await.unwrap();
    one.commit(Some(pair(1))).await.unwrap();
    assert_eq!(server.cli(&["EXISTS", &one.0.keys.lock]), "1", "and it is taken again");
}

#[tokio::test]
async fn a_writing_whose_answer_was_lost_may_be_sent_again() {
    let server = Server::start();
    let one = replica(&server).await;
    commit(&one, 1).await;
    let hold = one.0.take().await.unwrap();
    let Found { there, newest } = one.0.find().await.unwrap();
    let write = |written: &'static str| {
        let inner = Arc::clone(&one.0);
        let owner = hold.title.owner.clone();
        let fence = hold.title.fence;
        async move {
            let mut call = inner.scripts.write.key(&inner.keys.login);
            call.key(&inner.keys.lock).arg(owner).arg(fence).arg(there).arg(there + 1).arg(written);
            call.arg("{}").arg(1000).arg(&inner.keys.channel).arg("somebody");
            inner.link.run::<String>(&call).await.unwrap()
        }
    };
    assert_eq!((there, newest.document.session), (1, Some(pair(1))));
    assert_eq!(write("a").await, "done");
    assert_eq!(write("a").await, "done", "the same one");
    assert_eq!(write("b").await, "changed", "another, over what is there no more");
    assert_eq!(server.cli(&["HGET", one.key(), "revision"]), "2");
}
