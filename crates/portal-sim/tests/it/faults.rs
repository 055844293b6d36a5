//! Each fault does what its name says, once.

use std::time::{Duration, Instant};

use portal_sim::{Fault, Preset, Settings, Sim};
use serde_json::json;

use crate::client::Client;

async fn signed_in() -> (Sim, Client) {
    let settings = Settings { share_rsa_keys: true, ..Settings::preset(Preset::Guide) };
    let sim = Sim::start(settings).await.unwrap();
    let mut client = Client::new(&sim);
    assert_eq!(client.log_in("admin@example.com").await.status, 200);
    (sim, client)
}

fn change() -> serde_json::Value {
    json!({"currentPassword": portal_sim::DEFAULT_PASSWORD, "newPassword": "another good one"})
}

#[tokio::test]
async fn dropped_channels_are_stale_and_a_new_one_works() {
    let (sim, mut client) = signed_in().await;
    sim.next_on("/password/change", Fault::DropChannels);
    assert_eq!(client.get("profile").await.status, 200, "another path does not take the fault");
    let stale = client.post("auth/password/change", change()).await;
    assert_eq!((stale.status, stale.code(), stale.sealed), (400, "SECURE_CHANNEL.SESSION_NOT_FOUND", false));
    client.open_channel().await;
    assert_eq!(client.post("auth/password/change", change()).await.status, 200);
    assert_eq!(sim.counters().faults, 1);
}

#[tokio::test]
async fn a_rotated_key_refuses_the_old_id() {
    let (sim, mut client) = signed_in().await;
    let old = client.send("GET", &client.path("sc/public-key"), client.headers(), vec![]).await.unwrap();
    let (id, spki) = (old.data()["keyId"].as_str().unwrap(), old.data()["publicKey"].as_str().unwrap());
    let before = sim.key_sha256();
    sim.rotate_key();
    assert_ne!(sim.key_sha256(), before);
    let refused = client.open_channel_with(id, spki).await;
    assert_eq!((refused.status, refused.code()), (400, "4000"));
    assert_eq!(refused.json["message"], "Invalid or expired RSA key ID");
    assert_eq!(client.open_channel().await.status, 200);
}

#[tokio::test]
async fn expired_tokens_are_renewed_and_revoked_ones_are_not() {
    let (sim, mut client) = signed_in().await;
    sim.next(Fault::ExpireTokens);
    assert_eq!(client.get("profile").await.status, 401);
    assert_eq!(client.renew().await.status, 200);
    assert_eq!(client.get("profile").await.status, 200);
    sim.next(Fault::RevokeTokens);
    assert_eq!(client.get("profile").await.status, 401);
    assert_eq!(client.renew().await.status, 401);
    assert_eq!(sim.counters().refresh_reuse_detected, 0);
}

#[tokio::test]
async fn statuses_and_limits_are_not_processed() {
    let (sim, client) = signed_in().await;
    sim.plan(Some("/echo"), 0, 2, Fault::Status(503));
    sim.next(Fault::RateLimited { retry_after: 7 });
    assert_eq!(client.get("echo").await.status, 503);
    assert_eq!(client.get("echo").await.status, 503);
    let limited = client.get("echo").await;
    assert_eq!((limited.status, limited.headers["retry-after"].to_str().unwrap()), (429, "7"));
    sim.next(Fault::Refuse { status: 403, code: "ACCESS.RISK_CHALLENGE_REQUIRED".to_owned() });
    let risky = client.get("echo").await;
    assert_eq!((risky.status, risky.code()), (403, "ACCESS.RISK_CHALLENGE_REQUIRED"));
    assert_eq!(sim.counters().echo, 0);
    assert_eq!(client.get("echo").await.status, 200);
    assert_eq!(sim.pending_faults(), 0);
}

#[tokio::test]
async fn a_delay_is_a_delay() {
    let (sim, client) = signed_in().await;
    sim.next(Fault::Delay(Duration::from_millis(80)));
    let start = Instant::now();
    assert_eq!(client.get("echo").await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_reset_comes_before_or_after_processing() {
    let (sim, mut client) = signed_in().await;
    client.request_id = Some("11111111-1111-4111-8111-111111111111".to_owned());
    sim.next(Fault::ResetConnection { processed: false });
    assert!(client.request("POST", "transfer", b"x".to_vec()).await.is_err());
    assert_eq!(sim.counters().transfer, 0);
    sim.next(Fault::ResetConnection { processed: true });
    assert!(client.request("POST", "transfer", b"x".to_vec()).await.is_err());
    let again = client.request("POST", "transfer", b"x".to_vec()).await.unwrap();
    assert_eq!(again.data()["timesProcessed"], 2);
    assert_eq!(sim.counters().duplicates("11111111-1111-4111-8111-111111111111"), 1);
}

#[tokio::test]
async fn a_body_can_break_off_or_stall() {
    let (sim, client) = signed_in().await;
    sim.next(Fault::CloseMidBody);
    assert!(client.try_get("download?bytes=10000").await.is_err());
    sim.next(Fault::StallBody);
    let stalled =
        tokio::time::timeout(Duration::from_millis(200), client.try_get("download?bytes=10000")).await;
    assert!(stalled.is_err(), "nothing follows");
    assert_eq!(client.get("download?bytes=10000").await.raw.len(), 10_000);
}

#[tokio::test]
async fn a_corrupt_tag_waits_for_a_sealed_answer() {
    let (sim, mut client) = signed_in().await;
    sim.next(Fault::CorruptTag);
    assert_eq!(client.get("profile").await.status, 200);
    let corrupt = client.post("auth/password/change", change()).await;
    assert!(corrupt.sealed && corrupt.json.is_null(), "{corrupt:?}");
}

#[tokio::test]
async fn garbage_is_garbage_and_idle_connections_close() {
    let (sim, client) = signed_in().await;
    sim.next(Fault::GarbageAnswer);
    let garbage = client.get("profile").await;
    assert!(garbage.status == 200 && garbage.json.is_null());

    let stream = tokio::net::TcpStream::connect(sim.addr()).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    sim.next(Fault::CloseIdle);
    let mut request = http::Request::new(http_body_util::Empty::<bytes::Bytes>::new());
    *request.headers_mut() = client.headers();
    let answer = sender.send_request(request).await.unwrap();
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
    assert!(!body.to_bytes().is_empty());
    let ended = tokio::time::timeout(Duration::from_secs(5), connection).await;
    assert!(ended.is_ok(), "the idle connection stayed open");
}

#[tokio::test]
async fn waiting_needs_no_polling_and_tells_the_counters() {
    let (sim, client) = signed_in().await;
    let waiter = {
        let sim = sim.clone();
        tokio::spawn(async move { sim.wait_for("an echo", Duration::from_secs(5), |c| c.echo == 1).await })
    };
    client.get("echo").await;
    assert_eq!(waiter.await.unwrap().at("echo"), 1);
    let late =
        tokio::spawn(async move { sim.wait_for("two", Duration::from_millis(20), |c| c.echo == 2).await });
    assert!(late.await.unwrap_err().is_panic());
}
