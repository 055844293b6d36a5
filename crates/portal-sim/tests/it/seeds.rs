//! Random dialects are valid dialects.

use std::collections::HashSet;

use portal_sim::{DEFAULT_PASSWORD, Settings, Sim};
use serde_json::json;

use crate::client::{Client, succeeded};

/// This crate's client opens its channel by `POST session`; type 1 in its place is `flows.rs`'s matter.
fn quick(seed: u64) -> Settings {
    let mut settings = Settings { share_rsa_keys: true, ..Settings::random(seed) };
    settings.dialect.session_call = true;
    settings
}

#[tokio::test]
async fn two_hundred_seeds_start_and_tell_their_key() {
    let mut seen = HashSet::new();
    for seed in 0..200 {
        let sim = Sim::start(quick(seed)).await.unwrap();
        let client = Client::new(&sim);
        let key = client.send("GET", &client.path("sc/public-key"), client.headers(), vec![]).await.unwrap();
        let again =
            client.send("GET", &client.path("sc/public-key"), client.headers(), vec![]).await.unwrap();
        if sim.dialect().channel {
            assert_eq!(key.status, 200, "seed {seed}: {key:?}");
            assert_eq!(key.data(), again.data());
            assert_eq!(key.data()["keySize"], 2048);
        } else {
            assert_eq!(key.status, 404, "seed {seed}");
        }
        seen.insert(format!("{:?}", sim.dialect()));
        sim.stop().await;
    }
    assert!(seen.len() > 195, "{} dialects of 200 seeds", seen.len());
}

#[tokio::test]
async fn a_login_works_in_two_hundred_random_dialects() {
    for seed in 0..200 {
        let sim = Sim::start(quick(seed)).await.unwrap();
        let form = sim.dialect().response_form;
        let mut client = Client::new(&sim);
        let done = client.log_in("admin@example.com").await;
        assert!(succeeded(&done, form), "seed {seed}: {done:?}");
        let profile = client.get("profile").await;
        assert_eq!(profile.data()["accountEmail"], "admin@example.com", "seed {seed}");
        let renewed = client.renew().await;
        assert!(succeeded(&renewed, form), "seed {seed}: {renewed:?}");
        assert_eq!(renewed.data()["refreshToken"].is_string(), sim.dialect().refresh_rotates);
        let body = json!({"currentPassword": DEFAULT_PASSWORD, "newPassword": "another good one"});
        let changed = client.post("auth/password/change", body).await;
        assert!(succeeded(&changed, form), "seed {seed}: {changed:?}");
        sim.stop().await;
    }
}
