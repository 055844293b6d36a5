//! Logins at a real Redis, as those see them who ask the proxy: status, metrics, several identities, a replica that
//! never signed in.

use redis_fixture::Server;

use crate::world::{World, WorldOptions, until};

/// Their logins are at this Redis.
fn at(redis: &Server, options: WorldOptions) -> WorldOptions {
    options
        .set("state.store", format!("\"redis://127.0.0.1:{}\"", redis.port()))
        .set("state.key", "{ env = \"SEALING\" }")
        .set("state.redis_poll", "\"50ms\"")
        .set("state.redis_timeout", "\"500ms\"")
        .set("session.backoff_first", "\"20ms\"")
        .set("session.backoff_most", "\"100ms\"")
        .secret("SEALING", "what all replicas know")
}

/// What the admin API says of it: status, and the metrics.
async fn said(world: &World) -> (bool, bool) {
    let status = world.admin().status().await.unwrap();
    let degraded = status.identities[0].degraded.is_some();
    let metrics = world.admin_get("/metrics").await;
    let line = metrics.lines().find(|line| line.starts_with("portunus_store_away{")).unwrap_or_default();
    assert!(line.contains("identity=\"default\"") && line.ends_with(['0', '1']), "{metrics}");
    (degraded, line.ends_with('1'))
}

async fn until_away(world: &World, away: bool) {
    let counters = || world.proxy.session().counters();
    until("the store is noticed", || counters().store_away == away).await;
    assert_eq!(said(world).await, (away, away));
}

#[tokio::test]
async fn status_and_metrics_say_that_redis_is_away_and_that_it_is_back() {
    let mut redis = Server::start();
    let world = World::start(at(&redis, WorldOptions::default())).await;
    world.profile().await.expect(200);
    assert_eq!(said(&world).await, (false, false));
    redis.kill();
    until_away(&world, true).await;
    world.profile().await.expect(200);
    let status = world.admin().status().await.unwrap();
    assert!(status.identities[0].ready, "what is held serves on: {status:?}");
    redis.restart();
    until_away(&world, false).await;
    world.profile().await.expect(200);
    assert_eq!(world.sim.counters().logins, 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_replica_that_never_signed_in_says_503_while_redis_is_away_and_serves_once_it_is_back() {
    let mut redis = Server::start();
    // Otherwise a request waits with the pauses between the looks.
    let options = at(&redis, WorldOptions::default()).set("session.wait_through", "\"0ms\"");
    let world = World::start(options).await;
    redis.kill();
    until_away(&world, true).await;
    let answer = world.profile().await;
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
    let problem = answer.problem(503, "state-unusable");
    assert!(problem["hint"].as_str().unwrap().contains("the Redis of state.store"), "{problem}");
    assert_eq!(problem["retryable"], true);
    assert_eq!(
        world.sim.counters().initiate,
        0,
        "its budget of attempts is at Redis: nothing is tried without"
    );
    redis.restart();
    world.eventually_200().await;
    assert!(world.stop().await);
}

#[tokio::test]
async fn identities_share_one_redis_and_not_a_login() {
    let redis = Server::start();
    let identity = |name: &str, email: &str| {
        format!(
            "name = \"{name}\"\nemail = \"{email}\"\npassword = {{ env = \"PW\" }}\npath_prefix = \"/{name}\""
        )
    };
    let options = at(&redis, WorldOptions::default().nobody())
        .secret("PW", portal_sim::DEFAULT_PASSWORD)
        .table("identity", &identity("one", "plain@example.com"))
        .table("identity", &identity("two", "nomfa@example.com"));
    let options = options.sim(|sim| sim.accounts.push(portal_sim::Account::new("nomfa@example.com", vec![])));
    let profiles = async |world: &World| {
        for (name, email) in [("one", "plain@example.com"), ("two", "nomfa@example.com")] {
            let path = format!("/{name}{}", world.path("profile"));
            let profile = world.client.get(&path).await.expect(200).json();
            assert_eq!(profile["data"]["accountEmail"], email);
        }
    };
    let world = World::start(options.clone()).await;
    profiles(&world).await;
    let keys = redis.cli(&["KEYS", "portunus:*:login"]);
    let named = |name: &str| keys.lines().filter(|key| key.contains(&format!("{{{name}-"))).count();
    assert_eq!((keys.lines().count(), named("one"), named("two")), (2, 1, 1), "{keys}");
    // Another replica, with nothing of the first but the key.
    let world = world.restarted(&options).await;
    profiles(&world).await;
    assert_eq!(world.sim.counters().logins, 2, "no login but the first two");
    assert!(world.stop().await);
}
