//! What the proxy says itself: never a 401, always a problem with its type and `Proxy-Status`.

use std::time::Duration;

use http::Method;
use portal_sim::{Certificate, Fault, Tls};

use crate::world::{World, WorldOptions};

#[tokio::test]
async fn not_signed_in_is_503_and_never_401() {
    let world = World::start(WorldOptions::default().nobody()).await;
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let answer = world.client.send(method, &world.path("profile"), &[], "").await;
        assert!(answer.header("retry-after").is_some());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("www-authenticate").is_none());
        answer.problem(503, "sign-in-required");
    }
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_head_request_is_told_the_same_without_a_body() {
    let world = World::start(WorldOptions::default().nobody()).await;
    let get = world.profile().await;
    let head = world.client.send(Method::HEAD, &world.path("profile"), &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (503, 0));
    assert_eq!(head.header("content-type"), get.header("content-type"));
    assert_eq!(head.header("proxy-status"), get.header("proxy-status"));
    assert!(world.stop().await);

    let world = World::usual().await;
    let get = world.client.get(&world.path("download?bytes=777")).await.expect(200);
    let head = world.client.send(Method::HEAD, &world.path("download?bytes=777"), &[], "").await.expect(200);
    assert_eq!(head.header("content-length"), Some("777"));
    assert_eq!((get.body.len(), head.body.len()), (777, 0));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_portal_that_is_down_is_502_and_up_again_is_used_again() {
    let world = World::usual().await;
    world.profile().await.expect(200);
    world.sim.clone().stop().await;
    let problem = world.profile().await.problem(502, "portal-unreachable");
    assert_eq!(problem["who"], "network");
    world.change_password().await.problem(502, "portal-unreachable");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_portal_that_does_not_answer_is_504() {
    let world = World::start(WorldOptions::default().set("upstream.head_timeout", "\"300ms\"")).await;
    world.profile().await.expect(200);
    world.sim.next_on("/transfer", Fault::Delay(Duration::from_secs(5)));
    let problem = world
        .client
        .post_json(&world.path("transfer"), &serde_json::json!({}))
        .await
        .problem(504, "portal-timeout");
    assert!(problem["hint"].as_str().unwrap().contains("acted"));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_is_502_and_nothing_is_sent() {
    for certificate in [Certificate::Expired, Certificate::WrongHost] {
        let tls = Tls { certificate, ..Tls::default() };
        let world =
            World::start(WorldOptions::default().account("plain@example.com").sim(|sim| sim.tls = Some(tls)))
                .await;
        let answer = world.profile().await;
        assert!([502, 503].contains(&answer.status.as_u16()), "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(world.sim.counters().requests, 0, "{certificate}");
        assert!(world.stop().await);
    }
}

#[tokio::test]
async fn a_body_that_is_sealed_may_be_as_long_as_the_limit_and_not_one_byte_longer() {
    let sealed = "path = \"/web/v1/tenant/echo/*\"\nprotect = \"sealed\"";
    let world =
        World::start(WorldOptions::default().route(sealed).set("limits.sealed_body", "\"2KiB\"")).await;
    let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let path = world.path("echo/size");
    let headers = [("content-type", "application/json")];
    let echo = world.client.send(Method::POST, &path, &headers, text(2048)).await.expect(200).json();
    assert_eq!(echo["data"]["bodyBytes"], 2048);
    world.client.send(Method::POST, &path, &headers, text(2049)).await.problem(413, "body-too-large");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_sealed_answer_may_be_as_long_as_the_limit_and_not_one_byte_longer() {
    const LIMIT: usize = 4096;
    let sealed = "path = \"/web/v1/tenant/echo/*\"\nprotect = \"sealed\"";
    let options = WorldOptions::default().route(sealed).set("limits.sealed_answer", "\"4KiB\"");
    let world = World::start(options).await;
    // The answer repeats the query.
    let ask = async |more: usize| {
        let path = world.path(&format!("echo/size?x={}", "x".repeat(more)));
        let headers = [("content-type", "application/json"), ("x-request-id", "one-of-this-length")];
        world.client.send(Method::POST, &path, &headers, "{}").await
    };
    // The envelope is `{"v":2,"p":"…"}` about nonce, ciphertext and tag in Base64.
    let on_the_wire = |plaintext: usize| 14 + 4 * (plaintext + 28).div_ceil(3);
    let shortest = ask(0).await.expect(200).body.len();
    let each = ask(1).await.expect(200).body.len() - shortest;
    let more = (0..LIMIT).take_while(|more| on_the_wire(shortest + each * more) <= LIMIT).last().unwrap();
    assert_eq!(ask(more).await.expect(200).body.len(), shortest + each * more);
    ask(more + 1).await.problem(502, "answer-too-large");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_request_that_the_guard_refuses_never_reaches_the_portal() {
    let world = World::usual().await;
    let path = world.path("profile");
    let refused: [&[(&str, &str)]; 3] =
        [&[("origin", "https://evil.example")], &[("sec-fetch-site", "cross-site")], &[("origin", "null")]];
    for headers in refused {
        let answer = world.client.send(Method::GET, &path, headers, "").await;
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(world.sim.counters().requests, 0);
    assert!(world.stop().await);
}

#[tokio::test]
async fn an_upstream_status_is_never_rewritten_and_never_looks_like_ours() {
    let world = World::usual().await;
    for status in [400, 403, 404, 409, 429, 500, 502, 503, 504] {
        world.sim.next_on("/echo", Fault::Status(status));
        let answer = world.client.get(&world.path("echo")).await.expect(status);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{status}");
        assert!(answer.header("proxy-status").is_none(), "{status}");
    }
    assert!(world.stop().await);
}
