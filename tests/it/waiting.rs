//! While a login is under way requests wait, so many and so long; while a person is awaited they do not.

use std::time::{Duration, Instant};

use portal_sim::Fault;

use crate::world::{Answer, World, WorldOptions};

/// A portal whose next login takes so long.
async fn slow_login(options: WorldOptions, takes: Duration) -> World {
    let world = World::start(options.account("plain@example.com")).await;
    world.sim.next_on("login/initiate", Fault::Delay(takes));
    world
}

/// So many requests at once, on connections of their own.
async fn at_once(world: &World, count: usize) -> Vec<Answer> {
    let path = world.path("profile");
    let asks = (0..count).map(|_| {
        let (client, path) = (world.client.clone(), path.clone());
        tokio::spawn(async move { client.get(&path).await })
    });
    futures_util::future::join_all(asks).await.into_iter().map(Result::unwrap).collect()
}

#[track_caller]
fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").expect("a Retry-After").parse().expect("whole seconds")
}

#[tokio::test]
async fn as_many_requests_wait_for_a_login_as_may_and_the_next_are_told_at_once() {
    let options = WorldOptions::default().set("limits.waiting", "4");
    let world = slow_login(options, Duration::from_millis(1500)).await;
    let (served, told): (Vec<_>, Vec<_>) =
        at_once(&world, 10).await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(served.len(), 4, "{:?}", told.iter().map(Answer::text).collect::<Vec<_>>());
    for answer in told {
        assert!(retry_after(&answer) >= 1);
        answer.problem(503, "sign-in-queue-full");
    }
    assert_eq!(world.sim.counters().logins, 1);
    assert!(at_once(&world, 10).await.iter().all(|answer| answer.status == 200), "the queue is empty again");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_request_waits_for_a_login_no_longer_than_it_may() {
    let options = WorldOptions::default().set("limits.wait_timeout", "\"1s\"");
    let world = slow_login(options, Duration::from_secs(4)).await;
    let begun = Instant::now();
    for answer in at_once(&world, 3).await {
        assert!(retry_after(&answer) >= 1);
        answer.problem(503, "sign-in-timeout");
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // The login went on without them.
    world.eventually_200().await;
    assert_eq!(world.sim.counters().logins, 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn while_a_person_is_awaited_a_request_hears_so_at_once_and_where_to_answer() {
    let options = WorldOptions::default().account("mail@example.com").set("login.mfa", "\"email\"");
    let world = World::start(options).await;
    world.profile().await.problem(503, "mfa-required");
    let asked = world.sim.counters().requests;
    let begun = Instant::now();
    for answer in at_once(&world, 20).await {
        assert_eq!(retry_after(&answer), 5);
        let problem = answer.problem(503, "mfa-required");
        assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("portunus login")), "{problem}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waited");
    assert_eq!(world.sim.counters().requests, asked, "and the portal was not asked");
    crate::person::answer_with_the_mailed_code(&world).await;
    world.profile().await.expect(200);
    assert!(world.stop().await);
}
