//! The main job: a plain request goes in, a sealed and signed-in one goes out.

use http::Method;
use serde_json::json;

use crate::world::{World, WorldOptions};

#[tokio::test]
async fn a_plain_request_gets_the_profile_of_whoever_is_configured() {
    let world = World::usual().await;
    let profile = world.profile().await.expect(200).json();
    assert_eq!(profile["data"]["accountEmail"], "admin@example.com");
    let counters = world.sim.counters();
    assert_eq!((counters.initiate, counters.complete, counters.session), (1, 1, 1));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_password_change_is_sealed_on_the_wire_and_plain_for_the_client() {
    for http2 in [false, true] {
        let world = World::start(WorldOptions::default().tls(http2)).await;
        let answer = world.change_password().await.expect(200);
        assert_eq!(answer.json()["data"]["success"], true);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));

        let wire = world.wire("password/change").pop().unwrap();
        assert!(wire.sealed);
        let envelope: serde_json::Value = serde_json::from_str(&wire.body).unwrap();
        assert_eq!(envelope["v"], 2);
        assert!(!wire.body.contains(portal_sim::DEFAULT_PASSWORD));
        assert!(wire.answer.contains("\"p\""), "the answer was sealed too: {}", wire.answer);
        assert_eq!(wire.version, if http2 { "HTTP/2.0" } else { "HTTP/1.1" });
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn the_channel_is_closed_at_the_portal_when_the_proxy_stops() {
    let world = World::usual().await;
    world.profile().await.expect(200);
    assert_eq!(world.sim.open_channels(), 1);
    let sim = world.sim.clone();
    assert!(world.stop().await);
    assert_eq!(sim.counters().session_close, 1);
    assert_eq!(sim.open_channels(), 0);
}

/// All values of one header as the portal saw it.
fn seen(echo: &serde_json::Value, name: &str) -> Vec<String> {
    let headers = echo["data"]["headers"].as_array().unwrap();
    let values = headers.iter().filter(|header| header[0] == name);
    values.map(|header| header[1].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_header_of_ours_is_there_once_and_the_clients_copies_are_dropped_and_counted() {
    let options =
        WorldOptions::default().set("upstream.extra_headers", r#"{ "CF-Connecting-IP" = "192.0.2.1" }"#);
    let world = World::start(options).await;
    let forged = [
        ("x-portal-access-code", "FORGED"),
        ("x-client-hash", "forged"),
        ("authorization", "Bearer forged"),
        ("x-secure-channel-session-id", "forged"),
        ("x-sc-session-id", "forged"),
        ("x-sc-version", "9"),
        ("cf-connecting-ip", "203.0.113.9"),
    ];
    let kept = [("accept-language", "ja"), ("x-workspace-id", "7"), ("x-turnstile-token", "t")];
    let headers: Vec<_> = forged.iter().chain(&kept).copied().collect();
    let path = world.path("echo/headers?a=1&b=%20x");
    let echo = world.client.send(Method::GET, &path, &headers, "").await.expect(200).json();

    for (name, _) in forged {
        let values = seen(&echo, name);
        assert!(values.len() <= 1, "{name}: {values:?}");
        assert!(!values.iter().any(|value| value.to_lowercase().contains("forged")), "{name}: {values:?}");
    }
    assert_eq!(seen(&echo, "x-portal-access-code"), ["TENANT-DEMO"]);
    assert_eq!(seen(&echo, "cf-connecting-ip"), ["192.0.2.1"]);
    assert_eq!(seen(&echo, "x-client-hash").len(), 1);
    assert!(seen(&echo, "authorization")[0].starts_with("Bearer ey"));
    assert_eq!(seen(&echo, "x-secure-channel-session-id"), [""; 0], "a plain call names no channel");
    assert_eq!(seen(&echo, "x-sc-version"), [""; 0]);
    for (name, value) in kept {
        assert_eq!(seen(&echo, name), [value]);
    }
    assert_eq!(echo["data"]["path"], path);
    let dropped = world.proxy.totals().get(portunus::telemetry::Count::CredentialsDropped);
    assert_eq!(dropped, forged.len() as u64);
    assert!(world.stop().await);
}

#[tokio::test]
async fn the_client_hash_is_the_same_from_initiate_to_the_last_call() {
    let world = World::usual().await;
    world.change_password().await.expect(200);
    world.profile().await.expect(200);
    let log = world.sim.wire_log();
    let hashes: std::collections::BTreeSet<_> =
        log.iter().map(|entry| entry.header("x-client-hash")).collect();
    assert!(log.len() >= 6);
    assert_eq!(hashes.len(), 1, "{hashes:?}");
    assert!(hashes.first().unwrap().is_some_and(|hash| !hash.is_empty()));
    assert!(world.stop().await);
}

#[tokio::test]
async fn hop_by_hop_headers_end_at_the_proxy() {
    let world = World::usual().await;
    let headers = [
        ("connection", "keep-alive, x-private"),
        ("keep-alive", "timeout=5"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic Zm9yZ2Vk"),
        ("x-public", "2"),
    ];
    let echo = world.client.send(Method::GET, &world.path("echo"), &headers, "").await.expect(200).json();
    for name in ["keep-alive", "x-private", "proxy-connection", "proxy-authorization", "via", "forwarded"] {
        assert_eq!(seen(&echo, name), [""; 0], "{name}");
    }
    // Said anew, for this hop: the client reads trailers, and so do we.
    assert_eq!(seen(&echo, "te"), ["trailers"]);
    assert_eq!(seen(&echo, "x-public"), ["2"]);
    assert_eq!(seen(&echo, "host"), [world.sim.addr().to_string()]);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_request_id_is_kept_or_made_and_comes_back_with_the_answer() {
    let world = World::usual().await;
    let path = world.path("echo");
    let answer =
        world.client.send(Method::GET, &path, &[("x-request-id", "order-4711")], "").await.expect(200);
    assert_eq!(seen(&answer.json(), "x-request-id"), ["order-4711"]);
    assert_eq!(answer.header("x-request-id"), Some("order-4711"));

    let answer = world.client.get(&path).await.expect(200);
    let made = seen(&answer.json(), "x-request-id").pop().unwrap();
    assert_eq!(made.len(), 36);
    assert_eq!(made.as_bytes()[14], b'4', "a UUID of version 4: {made}");
    assert_eq!(answer.header("x-request-id"), Some(made.as_str()));

    let long = "x".repeat(5000);
    let answer = world.client.send(Method::GET, &path, &[("x-request-id", &long)], "").await.expect(200);
    assert_eq!(answer.header("x-request-id").unwrap().len(), 36, "one that is implausible is replaced");
    assert!(world.stop().await);
}

#[tokio::test]
async fn methods_paths_queries_bodies_and_statuses_pass_as_they_are() {
    let world = World::usual().await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let body = json!({ "method": method.as_str() }).to_string();
        let headers = [("content-type", "application/json")];
        let path = world.path("echo/a%20b/c?q=%C3%A9&q=2");
        let echo = world.client.send(method.clone(), &path, &headers, body.clone()).await.expect(200).json();
        assert_eq!(echo["data"]["method"], method.as_str());
        assert_eq!(echo["data"]["path"], path);
        assert_eq!(echo["data"]["body"], body);
        assert_eq!(echo["data"]["sealed"], false);
    }
    for status in [201, 204, 302, 304, 400, 403, 404, 409, 418, 500, 503] {
        let answer = world.client.get(&world.path(&format!("status/{status}"))).await;
        if status != 302 {
            answer.expect(status);
        }
    }
    let redirect = world.client.get(&world.path("redirect?to=/web/v1/tenant/echo")).await.expect(302);
    assert_eq!(redirect.header("location"), Some("/web/v1/tenant/echo"));
    let page = world.client.get(&world.path("items?page=3&size=7")).await.expect(200).json();
    assert_eq!(page["data"]["items"][0]["id"], 21);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_sealed_call_without_a_body_carries_a_sealed_object() {
    let world = World::start(
        WorldOptions::default().sim(|sim| sim.dialect.sealed_paths.push("security/mfa/otp/setup".into())),
    )
    .await;
    let setup =
        world.client.send(Method::POST, &world.path("security/mfa/otp/setup"), &[], "").await.expect(200);
    assert!(setup.json()["data"]["qrCodeUri"].as_str().unwrap().starts_with("otpauth://"));
    assert!(world.wire("otp/setup").pop().unwrap().sealed);

    // And one whose sealed answer has no body at all.
    let code = json!({ "code": world.sim.otp_now("admin@example.com") });
    let verified = world.client.post_json(&world.path("security/mfa/otp/verify"), &code).await;
    assert_eq!(verified.status, 204, "{}", verified.text());
    assert!(verified.body.is_empty());
    assert!(world.stop().await);
}
