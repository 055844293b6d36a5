//! The main job in every dialect, and in dialects drawn by lot.

use std::time::Duration;

use http::Method;
use portal_sim::{Aad, Envelope, OaepHash, Preset, SealedAnswers};

use crate::world::{World, WorldOptions};

/// Sign in, one plain call, one sealed one, one sealed one without a body, a refresh: all of the protocol.
async fn main_job(options: WorldOptions, what: &str) {
    let options = options.tls(true);
    let world = World::start(options).await;
    let profile = world.profile().await;
    assert_eq!(profile.status, 200, "{what}: {}", profile.text());
    assert_eq!(profile.json()["data"]["accountEmail"], "admin@example.com", "{what}");

    let change = world.change_password().await;
    assert_eq!(change.status, 200, "{what}: {}", change.text());
    assert_eq!(change.json()["data"]["success"], true, "{what}");
    assert_eq!(change.header("content-type"), Some("application/json"), "{what}");
    let dialect = world.sim.dialect().clone();
    if dialect.channel {
        // An opened answer has a length of its own; a plain one has whatever the portal gave it.
        assert_eq!(change.header("content-length"), Some(change.body.len().to_string().as_str()), "{what}");
    }

    let setup = world.client.send(Method::POST, &world.path("security/mfa/otp/setup"), &[], "").await;
    assert_eq!(setup.status, 200, "{what}: {}", setup.text());
    assert!(setup.json()["data"]["secret"].is_string(), "{what}");

    let log = world.sim.wire_log();
    let wire = |path: &str| log.iter().rev().find(|entry| entry.path.ends_with(path)).unwrap();
    assert_eq!(wire("password/change").sealed, dialect.channel, "{what}");
    assert_eq!(wire("login/initiate").sealed, dialect.channel, "{what}");
    if dialect.channel && dialect.envelope != Envelope::Raw {
        assert!(!wire("password/change").body.contains("battery"), "{what}");
        assert!(!wire("login/initiate").body.contains("battery"), "{what}");
        assert!(!wire("login/complete").body.contains("code"), "{what}");
    }

    world.sim.expire_access_tokens();
    let after = world.profile().await;
    assert_eq!(after.status, 200, "{what}: {}", after.text());
    let counters = world.sim.counters();
    assert_eq!((counters.logins, counters.refreshed), (1, 1), "{what}");
    let sealed_refresh = dialect.channel && dialect.sealed_paths.iter().any(|path| path == "token/refresh");
    let refresh =
        world.sim.wire_log().into_iter().rev().find(|entry| entry.path.ends_with("/refresh")).unwrap();
    assert_eq!(refresh.sealed, sealed_refresh, "{what}");
    assert_eq!(refresh.header("authorization"), None, "{what}: a refresh carries no bearer");
    assert!(world.stop().await, "{what}");
}

/// {json, binary} × AAD × OAEP hash × MGF1 hash.
async fn every_channel(preset: Preset) {
    for envelope in [Envelope::Json, Envelope::Binary] {
        for aad in Aad::ALL {
            for oaep in OaepHash::ALL {
                for mgf1 in OaepHash::ALL {
                    let options = WorldOptions::preset(preset).sim(|sim| {
                        let dialect = &mut sim.dialect;
                        (dialect.envelope, dialect.aad) = (envelope, *aad);
                        (dialect.oaep_hash, dialect.mgf1_hash) = (*oaep, *mgf1);
                    });
                    main_job(options, &format!("{preset} {envelope} aad={aad} oaep={oaep} mgf1={mgf1}"))
                        .await;
                }
            }
        }
    }
}

#[tokio::test]
async fn guide_with_every_envelope_aad_and_hash() {
    every_channel(Preset::Guide).await;
}

#[tokio::test]
async fn scv2_with_every_envelope_aad_and_hash() {
    every_channel(Preset::Scv2).await;
}

#[tokio::test]
async fn sdk_with_every_envelope_aad_and_hash() {
    every_channel(Preset::Sdk).await;
}

#[tokio::test]
async fn wiki_with_every_envelope_aad_and_hash() {
    every_channel(Preset::Wiki).await;
}

#[tokio::test]
async fn plain_has_no_channel_and_never_asks_for_one() {
    main_job(WorldOptions::preset(Preset::Plain), "plain").await;
    let world = World::start(WorldOptions::preset(Preset::Plain)).await;
    world.change_password().await.expect(200);
    let counters = world.sim.counters();
    assert_eq!((counters.public_key, counters.session), (0, 0));
    assert!(world.stop().await);
}

#[tokio::test]
async fn raw_is_plain_json_under_the_session_header() {
    let raw = |sim: &mut portal_sim::Settings| sim.dialect.envelope = Envelope::Raw;
    let world = World::start(WorldOptions::default().sim(raw)).await;
    world.change_password().await.expect(200);
    let wire = world.wire("password/change").pop().unwrap();
    assert!(wire.body.contains("currentPassword"));
    assert!(wire.header("x-secure-channel-session-id").is_some());
    assert!(world.stop().await);
}

#[tokio::test]
async fn errors_come_back_readable_whether_the_portal_seals_them_or_not() {
    for sealed_answers in [SealedAnswers::Always, SealedAnswers::ErrorsPlain, SealedAnswers::Never] {
        let world =
            World::start(WorldOptions::default().sim(|sim| sim.dialect.sealed_answers = sealed_answers))
                .await;
        let wrong = serde_json::json!({ "currentPassword": "not the password", "newPassword": "irrelevant" });
        let answer = world.client.post_json(&world.auth("password/change"), &wrong).await.expect(400);
        assert_eq!(answer.json()["code"], "AUTH.CURRENT_PASSWORD_INCORRECT");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_path_prefix_goes_before_every_path() {
    let world = World::start(WorldOptions::default().sim(|sim| sim.prefix = "/prometheus".into())).await;
    world.change_password().await.expect(200);
    assert!(world.sim.wire_log().iter().all(|entry| entry.path.starts_with("/prometheus/web/v1/")));
    assert!(world.stop().await);
}

#[tokio::test]
async fn thirty_dialects_drawn_by_lot_do_the_main_job() {
    for seed in 0..30 {
        tokio::time::timeout(
            Duration::from_secs(40),
            main_job(WorldOptions::random(seed), &format!("seed {seed}")),
        )
        .await
        .unwrap_or_else(|_| panic!("seed {seed} took too long"));
    }
}
