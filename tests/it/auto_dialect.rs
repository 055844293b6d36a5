//! Settings of the dialect that are `auto`: found when a channel is first opened, without a login; shown; found again.

use std::time::Duration;

use portal_sim::{Dialect, OaepHash, Preset, Sim};
use portunus::admin::FoundReport;

use crate::world::{Client, PATIENCE, World, WorldOptions, start_proxy};

const OPEN: [&str; 5] = ["channel_base", "session_header", "oaep_hash", "mgf1_hash", "base64"];

/// The same, with nothing said about what can be found.
fn all_auto(options: WorldOptions) -> WorldOptions {
    OPEN.into_iter().fold(options, |options, key| options.set(&format!("dialect.{key}"), "\"auto\""))
}

/// The portal's own values, as `proxy.toml` would have them.
fn truth(sim: &Sim) -> [(String, String); 5] {
    let dialect = sim.dialect();
    let values = [
        dialect.channel_base.as_str(),
        dialect.session_header.as_str(),
        dialect.oaep_hash.name(),
        dialect.mgf1_hash.name(),
        dialect.base64.name(),
    ];
    let mut at = 0;
    OPEN.map(|key| {
        at += 1;
        (format!("dialect.{key}"), format!("{:?}", values[at - 1]).to_ascii_lowercase())
    })
}

fn told(found: &[FoundReport]) -> Vec<(String, String)> {
    found.iter().map(|found| (found.setting.clone(), found.value.to_ascii_lowercase())).collect()
}

#[tokio::test]
async fn dialects_drawn_by_lot_are_completed_without_a_login_call_and_shown_by_status() {
    let mut seen = 0;
    for seed in 0..40 {
        let options = all_auto(WorldOptions::random(seed));
        if !options.sim.dialect.channel || !options.sim.dialect.session_call {
            continue;
        }
        seen += 1;
        let world = World::start(options).await;
        world.profile().await.expect(200);
        world.change_password().await.expect(200);
        let report = world.admin().status().await.unwrap();
        let found = &report.identities[0].found;
        assert_eq!(told(found), truth(&world.sim), "seed {seed}: {found:#?}");
        assert!(found.iter().all(|found| found.sure != "assumed" && !found.why.is_empty()), "seed {seed}");
        let counters = world.sim.counters();
        assert_eq!((counters.initiate, counters.logins), (1, 1), "seed {seed}");
        // Whatever came before the login was about the channel: nothing of it is rate limited.
        let log = world.sim.wire_log();
        let before = log.iter().take_while(|entry| !entry.path.ends_with("/login/initiate"));
        for entry in before {
            let is_channels = entry.path.contains("/session") || entry.method == "GET";
            assert!(is_channels && !entry.sealed, "seed {seed}: {} {}", entry.method, entry.path);
        }
        let sim = world.sim.clone();
        assert!(world.stop().await, "seed {seed}");
        assert_eq!(sim.open_channels(), 0, "seed {seed}: the search left a channel open");
    }
    assert!(seen > 15, "{seen}");
}

#[tokio::test]
async fn what_is_fixed_costs_no_call_and_what_is_open_few() {
    let calls = async |options: WorldOptions| {
        let world = World::start(options).await;
        world.change_password().await.expect(200);
        let count = |path: &str| world.wire(path).iter().filter(|entry| entry.path.ends_with(path)).count();
        let counted = [count("/public-key"), count("/session"), count("/session/close")];
        assert!(world.stop().await);
        counted
    };
    assert_eq!(calls(WorldOptions::default()).await, [1, 1, 0]);
    let one = |key: &str| WorldOptions::default().set(&format!("dialect.{key}"), "\"auto\"");
    // Without a header, and with the one that the preset has.
    assert_eq!(calls(one("session_header")).await, [1, 1, 2]);
    assert_eq!(calls(one("channel_base")).await, [2, 1, 0]);
    // A channel to try the hash, which is closed again.
    assert_eq!(calls(one("oaep_hash")).await, [2, 2, 1]);
    assert_eq!(calls(one("base64")).await, [2, 2, 1]);
}

#[tokio::test]
async fn what_was_found_is_kept_for_the_process() {
    let world = World::start(all_auto(WorldOptions::default())).await;
    world.change_password().await.expect(200);
    let before = world.wire("/session/close").len();
    for _ in 0..3 {
        world.sim.drop_channels();
        world.change_password().await.expect(200);
    }
    assert_eq!(world.wire("/session/close").len(), before, "nothing was searched for again");
    assert!(world.stop().await);
}

/// A portal that is another one from one moment to the next, under the same address.
async fn is_found_again(change: impl FnOnce(&mut Dialect)) {
    let directory = tempfile::tempdir().unwrap();
    let options = all_auto(WorldOptions::default()).set("session.find_again", "\"2s\"");
    let first = Sim::start(options.sim.clone()).await.unwrap();
    let proxy = start_proxy(&first, &options, directory.path()).await.unwrap();
    let client = Client::new(proxy.addresses()[0]);
    let same = portal_sim::DEFAULT_PASSWORD;
    let body = serde_json::json!({ "currentPassword": same, "newPassword": same });
    let path = "/web/v1/tenant/auth/password/change";
    client.post_json(path, &body).await.expect(200);
    let found = || proxy.session().found().into_iter().map(FoundReport::from).collect::<Vec<_>>();
    assert_eq!(told(&found()), truth(&first));

    let mut other = options.sim.clone();
    other.listen = first.addr();
    first.stop().await;
    change(&mut other.dialect);
    let second = Sim::start(other).await.unwrap();
    let deadline = tokio::time::Instant::now() + 2 * PATIENCE;
    while client.post_json(path, &body).await.status != 200 {
        assert!(tokio::time::Instant::now() < deadline, "it is not found again: {:#?}", found());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(told(&found()), truth(&second));
    assert!(proxy.stop().await);
    // Channels that were replaced end by themselves.
    second.stop().await;
}

#[tokio::test]
async fn what_works_no_more_is_found_again() {
    is_found_again(|dialect| {
        dialect.channel_base = "/sc".into();
        dialect.session_header = "X-SC-Session-Id".into();
        dialect.oaep_hash = OaepHash::Sha1;
    })
    .await;
}

#[tokio::test]
async fn a_header_that_no_longer_names_a_channel_is_found_again_though_channels_still_open() {
    is_found_again(|dialect| dialect.session_header = "X-SC-Session-Id".into()).await;
}

#[tokio::test]
async fn a_channel_that_is_nowhere_says_so_and_no_password_leaves() {
    let options = WorldOptions::preset(Preset::Guide)
        .sim(|sim| sim.dialect.channel_base = "/hidden".into())
        .set("dialect.channel_base", "\"auto\"");
    let world = World::start(options).await;
    let problem = world.profile().await;
    assert!(problem.status.is_server_error(), "{}", problem.text());
    let report = world.admin().status().await.unwrap();
    let error = report.identities[0].error.as_ref().unwrap_or_else(|| panic!("{}", problem.text()));
    assert!(error.text.contains("under no known path"), "{error:?} {}", problem.text());
    assert_eq!(world.wire("/login/initiate").len(), 0);
    assert!(world.stop().await);
}
