//! Registration, passwords, sessions, second factors, and SCv2 first messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use portal_sim::{Aad, DEFAULT_PASSWORD, OaepHash, Preset, RateLimits, Settings, Sim, Type1};
use rsa::pkcs8::DecodePublicKey;
use serde_json::{Value, json};

use crate::client::{Client, encrypt, open, random, wrap};

async fn start(mut settings: Settings) -> (Sim, Client) {
    settings.share_rsa_keys = true;
    settings.rate_limits = RateLimits { enabled: false, ..RateLimits::default() };
    let sim = Sim::start(settings).await.unwrap();
    let client = Client::new(&sim);
    (sim, client)
}

async fn register(sim: &Sim, client: &mut Client, email: &str) -> Value {
    let begun = client.post("auth/register/initiate", json!({"email": email, "accountName": "New"})).await;
    assert_eq!((begun.status, &begun.data()["expiresIn"]), (200, &json!(600)), "{begun:?}");
    let session = begun.data()["sessionId"].clone();
    let sent = client.post("auth/register/code/send", json!({"sessionId": session})).await;
    assert_eq!(sent.data(), &json!({"sent": true, "maskedTarget": "n***@example.com"}));
    let code = sim.inbox(email).pop().unwrap().code.unwrap();
    let wrong = client.post("auth/register/verify", json!({"sessionId": session, "code": "not it"})).await;
    assert_eq!((wrong.status, wrong.code()), (400, "AUTH.MFA_CODE_INVALID"));
    let early = client.post("auth/register/complete", json!({"sessionId": session})).await;
    assert_eq!(early.status, 400);
    let verified = client.post("auth/register/verify", json!({"sessionId": session, "code": code})).await;
    assert_eq!(verified.status, 200);
    let done = client.post("auth/register/complete", json!({"sessionId": session})).await;
    assert_eq!((done.status, done.code(), &done.data()["email"]), (201, "2000", &json!(email)));
    session
}

#[tokio::test]
async fn someone_who_registered_can_log_in_by_mail_then_by_totp() {
    let (sim, mut client) = start(Settings::preset(Preset::Guide)).await;
    let (email, password) = ("new@example.com", "a brand new password");
    let session = register(&sim, &mut client, email).await;
    let set = client.post("auth/password/init", json!({"sessionId": session, "newPassword": password})).await;
    assert_eq!((set.status, set.data()), (201, &json!({"email": email, "passwordSet": true})));

    let login = client.initiate(email, password).await;
    let login = login.data()["sessionId"].clone();
    client.post("login/mfa/send", json!({"sessionId": login, "method": 10_011_001})).await;
    let code = sim.inbox(email).pop().unwrap().code.unwrap();
    let done =
        client.post("login/complete", json!({"sessionId": login, "method": 10_011_001, "code": code})).await;
    client.keep_tokens(&done);

    let bad = client.post("auth/logout", json!({"everywhere": true})).await;
    assert_eq!(bad.status, 400);
    let setup = client.request("POST", "security/mfa/otp/setup", vec![]).await.unwrap();
    assert!(setup.data()["qrCodeUri"].as_str().unwrap().starts_with("otpauth://totp/"));
    let wrong = client.post_sealed("security/mfa/otp/verify", json!({"code": "000000x"})).await;
    assert_eq!(wrong.code(), "AUTH.MFA_CODE_INVALID");
    let right = json!({"code": sim.otp_now(email)});
    let verified = client.post_sealed("security/mfa/otp/verify", right.clone()).await;
    assert_eq!((verified.status, verified.raw.len()), (204, 0));
    let again = client.post_sealed("security/mfa/otp/verify", right).await;
    assert_eq!(again.code(), "AUTH.OTP_SETUP_SESSION_INVALID");
    let list = client.get("security/mfa").await;
    let codes: Vec<_> =
        list.data().as_array().unwrap().iter().map(|m| m["mfaMethod"]["code"].clone()).collect();
    assert_eq!(codes, ["EMAIL", "OTP"]);

    let login = client.initiate(email, password).await.data()["sessionId"].clone();
    let body = json!({"sessionId": login, "method": 10_011_002, "code": sim.otp_unspent(email)});
    assert_eq!(client.post("login/complete", body).await.status, 200);
}

#[tokio::test]
async fn a_registration_can_wait_for_approval() {
    let mut settings = Settings::preset(Preset::Guide);
    settings.registration_pending = true;
    let (sim, mut client) = start(settings).await;
    let session = register(&sim, &mut client, "new@example.com").await;
    client.post("auth/password/init", json!({"sessionId": session, "newPassword": DEFAULT_PASSWORD})).await;
    assert_eq!(client.initiate("new@example.com", DEFAULT_PASSWORD).await.code(), "2101");
    let taken =
        client.post("auth/register/initiate", json!({"email": "new@example.com", "accountName": "x"})).await;
    assert_eq!(taken.status, 400);
}

#[tokio::test]
async fn a_forgotten_password_is_reset_once_by_its_link() {
    let (sim, mut client) = start(Settings::preset(Preset::Guide)).await;
    client.log_in("admin@example.com").await;
    let known = client.post("auth/password/forgot", json!({"email": "admin@example.com"})).await;
    let unknown = client
        .post("auth/password/forgot", json!({"email": "nobody@example.com", "turnstileToken": "t"}))
        .await;
    assert_eq!(known.data(), unknown.data(), "nobody learns who has an account");
    assert!(sim.inbox("nobody@example.com").is_empty());
    let mail = sim.inbox("admin@example.com").pop().unwrap();
    let token = mail.token.unwrap();
    assert!(mail.link.unwrap().ends_with(&token));
    let body = json!({"token": token, "newPassword": "another good one"});
    let reset = client.post("auth/password/reset", body.clone()).await;
    assert_eq!(reset.data(), &json!({"success": true, "email": "admin@example.com"}));
    let again = client.post("auth/password/reset", body).await;
    assert_eq!((again.status, again.code()), (400, "AUTH.PASSWORD_RESET_TOKEN_INVALID"));
    assert_eq!(client.get("profile").await.status, 401, "all sessions ended");
    assert_eq!(client.initiate("admin@example.com", DEFAULT_PASSWORD).await.status, 401);
    assert_eq!(client.initiate("admin@example.com", "another good one").await.status, 200);
}

#[tokio::test]
async fn changing_the_password_ends_the_other_sessions() {
    let (sim, mut client) = start(Settings::preset(Preset::Scv2)).await;
    let mut other = Client::new(&sim);
    other.log_in("admin@example.com").await;
    client.log_in("admin@example.com").await;
    let list = client.get("security/sessions").await;
    let list = list.data().as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list.iter().filter(|s| s["isCurrent"] == true).count(), 1);
    let body = json!({"currentPassword": "not the one", "newPassword": "another good one"});
    let wrong = client.post("auth/password/change", body).await;
    assert_eq!((wrong.status, wrong.code()), (400, "AUTH.CURRENT_PASSWORD_INCORRECT"));
    let body = json!({"currentPassword": DEFAULT_PASSWORD, "newPassword": "another good one"});
    assert_eq!(client.post("auth/password/change", body).await.status, 200);
    assert_eq!(client.get("profile").await.status, 200);
    assert_eq!(other.get("profile").await.status, 401);
}

#[tokio::test]
async fn sessions_are_ended_one_by_one_or_all_others() {
    let (sim, mut client) = start(Settings::preset(Preset::Guide)).await;
    let mut others = [Client::new(&sim), Client::new(&sim)];
    for other in &mut others {
        other.log_in("admin@example.com").await;
    }
    client.log_in("admin@example.com").await;
    let list = client.get("security/sessions").await;
    let first = list.data().as_array().unwrap().iter().find(|s| s["isCurrent"] == false).unwrap().clone();
    let path = format!("security/sessions/{}", first["sessionId"].as_str().unwrap());
    assert_eq!(client.request("DELETE", &path, vec![]).await.unwrap().data()["terminatedSessions"], 1);
    assert_eq!(client.request("DELETE", &path, vec![]).await.unwrap().status, 404);
    let rest = client.request("DELETE", "security/sessions", vec![]).await.unwrap();
    assert_eq!(rest.data()["terminatedSessions"], 1);
    assert_eq!(client.get("profile").await.status, 200);
}

#[tokio::test]
async fn a_first_message_brings_its_channel() {
    for (type1, envelope_aad) in [(Type1::Header, Aad::SessionId), (Type1::Body, Aad::None)] {
        let mut settings = Settings::preset(Preset::Scv2);
        settings.dialect.type1 = type1;
        settings.dialect.aad = envelope_aad;
        let (sim, client) = start(settings).await;
        let key = client.send("GET", &client.path("sc/public-key"), client.headers(), vec![]).await.unwrap();
        let key_id = key.data()["keyId"].as_str().unwrap().to_owned();
        let spki = STANDARD.decode(key.data()["publicKey"].as_str().unwrap()).unwrap();
        let public = rsa::PublicKey::from_public_key_der(&spki).unwrap();
        let (request, response): ([u8; 32], [u8; 32]) = (random(), random());
        let body = json!({"email": "admin@example.com", "password": DEFAULT_PASSWORD}).to_string();
        let mut message = vec![0x53, 0x43, 2, 1, u8::try_from(key_id.len()).unwrap()];
        message.extend_from_slice(key_id.as_bytes());
        for key in [&request, &response] {
            let wrapped = wrap(&public, key, OaepHash::Sha256, OaepHash::Sha256);
            message.extend_from_slice(&u16::try_from(wrapped.len()).unwrap().to_be_bytes());
            message.extend_from_slice(&wrapped);
        }
        message.extend_from_slice(&encrypt(request, body.as_bytes(), b""));
        let mut headers = client.headers();
        headers.insert("content-type", HeaderValue::from_static("application/json;charset=UTF-8"));
        headers.insert("x-sc-version", HeaderValue::from_static("2"));
        let path = client.path("login/initiate");
        let (status, headers, raw) = client.send_raw("POST", &path, headers, message).await.unwrap();
        assert_eq!((status, &raw[..4]), (200, &[0x53, 0x43, 2, 0x81][..]));
        let answer: Value = serde_json::from_slice(&open(response, &raw[4..], b"").unwrap()).unwrap();
        assert!(answer["data"]["sessionId"].is_string(), "the login's own session");
        let id = match type1 {
            Type1::Header => headers["x-sc-session-id"].to_str().unwrap().to_owned(),
            _ => answer["sessionId"].as_str().unwrap().to_owned(),
        };
        let mut next = Client::new(&sim);
        next.adopt(id, request, response);
        assert_eq!(next.log_in("admin@example.com").await.status, 200);
        assert_eq!((sim.counters().session, sim.open_channels()), (1, 1));
    }
}

#[tokio::test]
async fn a_first_message_is_refused_unless_wanted() {
    let (_sim, client) = start(Settings::preset(Preset::Scv2)).await;
    let mut headers = client.headers();
    headers.insert("content-type", HeaderValue::from_static("application/json;charset=UTF-8"));
    headers.insert("x-sc-version", HeaderValue::from_static("2"));
    let message = vec![0x53, 0x43, 2, 1, 1, b'k', 0, 1, 9, 0, 1, 9, 9];
    let reply = client.send("POST", &client.path("login/initiate"), headers, message).await.unwrap();
    assert_eq!((reply.status, reply.code()), (400, "SECURE_CHANNEL.INVALID_PAYLOAD"));
}
