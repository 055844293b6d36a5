//! Login, refresh and logout in every dialect.

use std::time::Duration;

use portal_sim::{
    Aad, BlockedForm, DEFAULT_PASSWORD, EmptyBody, Envelope, Lifetimes, OaepHash, PendingPlace, Preset,
    RateLimits, SealedAnswers, Settings, Sim, Vocabulary,
};
use serde_json::{Value, json};

use crate::client::{Client, succeeded};

fn quick(preset: Preset) -> Settings {
    Settings { share_rsa_keys: true, ..Settings::preset(preset) }
}

async fn start(settings: Settings) -> (Sim, Client) {
    let sim = Sim::start(Settings { share_rsa_keys: true, ..settings }).await.unwrap();
    let client = Client::new(&sim);
    (sim, client)
}

async fn full_journey(settings: Settings) {
    let (sim, mut client) = start(settings).await;
    let form = sim.dialect().response_form;
    let done = client.log_in("admin@example.com").await;
    assert!(succeeded(&done, form), "{done:?}");
    assert_eq!(done.data()["expiresIn"], 3600);

    let profile = client.get("profile").await;
    assert_eq!(profile.status, 200, "{profile:?}");
    assert_eq!(profile.data()["accountEmail"], "admin@example.com");
    assert!(!profile.sealed);

    let renewed = client.renew().await;
    assert!(succeeded(&renewed, form), "{renewed:?}");
    assert_eq!(client.get("profile").await.status, 200);

    let changed = client
        .post(
            "auth/password/change",
            json!({"currentPassword": DEFAULT_PASSWORD, "newPassword": "another good one"}),
        )
        .await;
    assert!(succeeded(&changed, form), "{changed:?}");

    let out = client.request("POST", "auth/logout", vec![]).await.unwrap();
    assert_eq!(out.data()["terminatedSessions"], 1, "{out:?}");
    assert_eq!(client.get("profile").await.status, 401);

    let again = client.initiate("admin@example.com", "another good one").await;
    assert!(succeeded(&again, form), "{again:?}");
    let c = sim.counters();
    assert_eq!((c.initiate, c.complete, c.logins, c.refresh, c.logout), (2, 1, 1, 1, 1));
    assert_eq!(c.sealed_requests > 0, sim.dialect().channel);
    let addr = sim.addr();
    sim.stop().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "the port is free");
}

#[tokio::test]
async fn the_journey_of_guide() {
    full_journey(quick(Preset::Guide)).await;
}

#[tokio::test]
async fn the_journey_of_scv2() {
    full_journey(quick(Preset::Scv2)).await;
}

#[tokio::test]
async fn the_journey_of_sdk() {
    full_journey(quick(Preset::Sdk)).await;
}

#[tokio::test]
async fn the_journey_of_wiki_under_a_prefix() {
    full_journey(Settings { prefix: "/prometheus".to_owned(), ..quick(Preset::Wiki) }).await;
}

#[tokio::test]
async fn the_journey_of_plain() {
    full_journey(quick(Preset::Plain)).await;
}

#[tokio::test]
async fn the_journey_in_every_crypto() {
    for envelope in Envelope::ALL {
        for aad in Aad::ALL {
            for (oaep, mgf1) in [(OaepHash::Sha256, OaepHash::Sha1), (OaepHash::Sha1, OaepHash::Sha256)] {
                let mut settings = quick(Preset::Guide);
                settings.dialect.envelope = *envelope;
                settings.dialect.aad = *aad;
                (settings.dialect.oaep_hash, settings.dialect.mgf1_hash) = (oaep, mgf1);
                full_journey(settings).await;
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_hash_is_a_padding_error() {
    let mut wrong = quick(Preset::Guide);
    wrong.dialect.mgf1_hash = OaepHash::Sha1;
    let (sim, _) = start(quick(Preset::Guide)).await;
    let (other, _) = start(wrong).await;
    // A client that follows one dialect in front of a portal that speaks the other.
    let key = Client::new(&sim);
    let key = key.send("GET", &key.path("sc/public-key"), key.headers(), vec![]).await.unwrap();
    let spki = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        key.data()["publicKey"].as_str().unwrap(),
    )
    .unwrap();
    let public = <rsa::PublicKey as rsa::pkcs8::DecodePublicKey>::from_public_key_der(&spki).unwrap();
    let d = other.dialect();
    let wrapped = crate::client::wrap(&public, &[7; 32], d.oaep_hash, d.mgf1_hash);
    let wrapped = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, wrapped);
    let body = json!({"keyId": key.data()["keyId"], "encReqKey": wrapped, "encRespKey": wrapped});
    let reply = Client::new(&sim).post_plain("sc/session", body).await;
    assert_eq!((reply.status, reply.code()), (400, "4000"));
    assert_eq!(reply.json["message"], "Failed to decrypt session keys");
}

#[tokio::test]
async fn mail_and_backup_codes_are_factors_too() {
    let (sim, mut client) = start(quick(Preset::Guide)).await;
    let initiated = client.initiate("both@example.com", DEFAULT_PASSWORD).await;
    assert_eq!(initiated.data()["mfaMethods"].as_array().unwrap().len(), 3);
    let session = initiated.data()["sessionId"].clone();
    let send = json!({"sessionId": session, "method": 10_011_001});
    let sent = client.post("login/mfa/send", send.clone()).await;
    assert_eq!(sent.data(), &json!({"sent": true, "cooldownSeconds": 60, "codeExpiresIn": 300}));
    let cooled = client.post("login/mfa/send", send).await;
    assert_eq!((cooled.status, cooled.code()), (429, "AUTH.MFA_SEND_COOLDOWN"));
    assert!(cooled.headers.contains_key("retry-after"));
    let mail = sim.inbox("both@example.com");
    assert_eq!(mail.len(), 1);
    let code = mail[0].code.clone().unwrap();
    let body = json!({"sessionId": session, "method": 10_011_001, "code": code});
    assert_eq!(client.post("login/complete", body.clone()).await.status, 200);
    let spent = client.post("login/complete", body).await;
    assert_eq!((spent.status, spent.code()), (404, "AUTH.SESSION_NOT_FOUND"));

    for (expected, code) in [(200, "backup03"), (400, "backup03"), (200, "backup04")] {
        let session = client.initiate("both@example.com", DEFAULT_PASSWORD).await.data()["sessionId"].clone();
        let body = json!({"sessionId": session, "method": 10_011_005, "code": code});
        let done = client.post("login/complete", body).await;
        assert_eq!(done.status, expected);
        client.keep_tokens(&done);
    }
    let count = client.get("security/mfa/backup-codes").await;
    assert_eq!(count.data(), &json!({"remainingCount": 8, "totalCount": 10}));
}

#[tokio::test]
async fn without_a_second_factor_complete_names_only_the_session() {
    let (_sim, mut client) = start(quick(Preset::Wiki)).await;
    let initiated = client.initiate("plain@example.com", DEFAULT_PASSWORD).await;
    assert_eq!(initiated.data()["mfaRequired"], false);
    let done = client.post("login/complete", json!({"sessionId": initiated.data()["sessionId"]})).await;
    assert_eq!(done.data()["tokenType"], "Bearer");
}

#[tokio::test]
async fn a_totp_step_is_spent_once_and_a_failed_complete_ends_the_login() {
    let (sim, mut client) = start(quick(Preset::Guide)).await;
    let code = sim.otp_unspent("admin@example.com");
    let mut complete = async |code: &str| {
        let session =
            client.initiate("admin@example.com", DEFAULT_PASSWORD).await.data()["sessionId"].clone();
        let body = json!({"sessionId": session, "method": 10_011_002, "code": code});
        (client.post("login/complete", body.clone()).await, client.post("login/complete", body).await)
    };
    assert_eq!(complete(&code).await.0.status, 200);
    let (first, second) = complete(&code).await;
    assert_eq!((first.status, first.code()), (400, "AUTH.MFA_CODE_INVALID"));
    assert_eq!((second.status, second.code()), (404, "AUTH.SESSION_NOT_FOUND"));
    assert_eq!(sim.counters().wrong_code, 1);
}

#[tokio::test]
async fn a_reused_refresh_token_revokes_the_family() {
    let (sim, mut client) = start(quick(Preset::Guide)).await;
    client.log_in("admin@example.com").await;
    let old = client.refresh.clone();
    assert_eq!(client.renew().await.status, 200);
    let newest = std::mem::replace(&mut client.refresh, old);
    assert_eq!(client.renew().await.status, 401);
    assert_eq!(sim.counters().refresh_reuse_detected, 1);
    assert_eq!(client.get("profile").await.status, 401, "the family is gone");
    client.refresh = newest;
    assert_eq!(client.renew().await.status, 401);
}

#[tokio::test]
async fn tokens_are_bound_to_client_hash_and_portal() {
    let (sim, mut client) = start(quick(Preset::Guide)).await;
    client.log_in("admin@example.com").await;
    client.hash = "someone else".to_owned();
    let foreign = client.get("profile").await;
    assert_eq!((foreign.status, foreign.code()), (403, "AUTH.FINGERPRINT_MISMATCH"));
    client.hash = crate::client::HASH.to_owned();
    let reply = client.send("GET", "/web/v1/consumer/profile", client.headers(), vec![]).await.unwrap();
    assert_eq!((reply.status, reply.code()), (403, "ACCESS.PERMISSION_DENIED"));
    let mut headers = client.headers();
    headers.insert("x-portal-access-code", "WRONG".parse().unwrap());
    let reply = client.send("GET", &client.path("profile"), headers, vec![]).await.unwrap();
    assert_eq!((reply.status, reply.code()), (403, "ACCESS.PERMISSION_DENIED"));
    assert_eq!(sim.counters().profile, 0);
}

#[tokio::test]
async fn tokens_and_channels_end_with_their_time() {
    let lifetimes = Lifetimes {
        access: Duration::from_millis(200),
        channel: Duration::from_millis(200),
        ..Lifetimes::default()
    };
    let rate_limits = RateLimits { enabled: false, ..RateLimits::default() };
    let (sim, mut client) = start(Settings { lifetimes, rate_limits, ..quick(Preset::Guide) }).await;
    client.log_in("admin@example.com").await;
    assert_eq!(client.get("profile").await.status, 200);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while client.get("profile").await.status == 200 {
        assert!(tokio::time::Instant::now() < deadline, "the access token lives on");
    }
    assert_eq!(client.get("profile").await.code(), "4010");
    let stale = client.initiate("admin@example.com", DEFAULT_PASSWORD).await;
    assert_eq!((stale.status, stale.code(), stale.sealed), (400, "SECURE_CHANNEL.SESSION_NOT_FOUND", false));
    assert_eq!(sim.counters().stale_channel, 1);
}

#[tokio::test]
async fn blocked_accounts_say_why() {
    let (sim, mut client) = start(quick(Preset::Guide)).await;
    for (email, code) in [
        ("locked@example.com", "AUTH.ACCOUNT_LOCKED"),
        ("suspended@example.com", "AUTH.ACCOUNT_SUSPENDED"),
        ("rejected@example.com", "AUTH.ACCOUNT_REJECTED"),
        ("closed@example.com", "AUTH.ACCOUNT_CLOSED"),
    ] {
        let reply = client.initiate(email, DEFAULT_PASSWORD).await;
        assert_eq!((reply.status, reply.code()), (403, code));
        assert!(reply.sealed, "errors are sealed too");
    }
    let pending = client.initiate("pending@example.com", DEFAULT_PASSWORD).await;
    assert_eq!((pending.status, pending.code()), (200, "2101"));
    assert_eq!(pending.data()["isPendingApproval"], true);
    sim.clear_rate_limits();
    for _ in 0..5 {
        let wrong = client.initiate("admin@example.com", "wrong password").await;
        assert_eq!((wrong.status, wrong.code()), (401, "AUTH.INVALID_CREDENTIALS"));
    }
    let locked = client.initiate("admin@example.com", DEFAULT_PASSWORD).await;
    assert_eq!(locked.code(), "AUTH.ACCOUNT_LOCKED");
    assert_eq!(sim.counters().wrong_password, 5);
}

#[tokio::test]
async fn pending_and_blocked_have_other_forms() {
    let mut settings = quick(Preset::Guide);
    settings.dialect.pending_place = PendingPlace::TopLevel;
    settings.dialect.pending_status = 202;
    settings.dialect.blocked_form = BlockedForm::StatusObject;
    let (_sim, mut client) = start(settings).await;
    let pending = client.initiate("pending@example.com", DEFAULT_PASSWORD).await;
    assert_eq!(
        (pending.status, &pending.json["isPendingApproval"], pending.data()),
        (202, &json!(true), &Value::Null)
    );
    let locked = client.initiate("locked@example.com", DEFAULT_PASSWORD).await;
    assert_eq!((locked.status, &locked.data()["accountStatus"]["code"]), (200, &json!("LOCKED")));

    let mut settings = quick(Preset::Guide);
    settings.dialect.vocabulary = Vocabulary::U;
    let (_sim, mut client) = start(settings).await;
    let pending = client.initiate("pending@example.com", DEFAULT_PASSWORD).await;
    assert_eq!((pending.status, pending.code()), (400, "U1010"));
    let wrong = client.initiate("admin@example.com", "wrong password").await;
    assert_eq!((wrong.status, wrong.code()), (400, "U1065"));
}

#[tokio::test]
async fn the_rate_limit_answers_the_eleventh() {
    let (sim, mut client) = start(quick(Preset::Guide)).await;
    for _ in 0..10 {
        assert_eq!(client.initiate("admin@example.com", DEFAULT_PASSWORD).await.status, 200);
    }
    let limited = client.initiate("admin@example.com", DEFAULT_PASSWORD).await;
    assert_eq!((limited.status, limited.code()), (429, "AUTH.TOO_MANY_ATTEMPTS"));
    assert!(limited.headers.contains_key("retry-after"));
    assert_eq!((sim.counters().initiate, sim.counters().rate_limited), (10, 1));
    sim.set_rate_limits(RateLimits { enabled: false, ..RateLimits::default() });
    assert_eq!(client.initiate("admin@example.com", DEFAULT_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let (sim, mut client) = start(quick(Preset::Guide)).await;
    client.open_channel().await;
    let body = json!({"email": "admin@example.com", "password": DEFAULT_PASSWORD, "remember": true});
    let extra = client.post("login/initiate", body).await;
    assert_eq!((extra.status, extra.code()), (400, "4000"));
    assert_eq!(extra.data()["remember"], json!(["unknown field"]));
    let short = client.initiate("admin@example.com", "short").await;
    assert!(short.data()["password"].is_array());
    let plain =
        client.post_plain("login/initiate", json!({"email": "a@b", "password": DEFAULT_PASSWORD})).await;
    assert_eq!((plain.status, plain.code(), plain.sealed), (400, "SECURE_CHANNEL.INVALID_PAYLOAD", false));
    let (headers, body) = client.seal(&json!({"email": "admin@example.com", "password": DEFAULT_PASSWORD}));
    let path = client.path("login/initiate");
    assert_eq!(client.send("POST", &path, headers.clone(), body.clone()).await.unwrap().status, 200);
    let replayed = client.send("POST", &path, headers, body).await.unwrap();
    assert_eq!(replayed.code(), "SECURE_CHANNEL.INVALID_PAYLOAD");
    assert_eq!(sim.counters().initiate, 1);
}

#[tokio::test]
async fn errors_can_be_plain_and_refresh_can_need_the_channel() {
    let mut settings = quick(Preset::Guide);
    settings.dialect.sealed_answers = SealedAnswers::ErrorsPlain;
    settings.set("sealed_paths", "+token/refresh,+security/mfa/otp/setup").unwrap();
    let (_sim, mut client) = start(settings).await;
    let wrong = client.initiate("admin@example.com", "wrong password").await;
    assert!(!wrong.sealed);
    assert!(client.log_in("admin@example.com").await.sealed);
    let plain = client.post_plain("refresh", json!({"refreshToken": client.refresh})).await;
    assert_eq!(plain.code(), "SECURE_CHANNEL.INVALID_PAYLOAD");
    assert!(client.renew().await.sealed);
    assert_eq!(client.post("security/mfa/otp/setup", json!({})).await.status, 200);
}

#[tokio::test]
async fn an_empty_sealed_call_can_be_the_header_alone() {
    let mut settings = quick(Preset::Guide);
    settings.dialect.empty_body = EmptyBody::Header;
    settings.set("sealed_paths", "+security/mfa/otp/setup").unwrap();
    let (_sim, mut client) = start(settings).await;
    client.log_in("admin@example.com").await;
    let (mut headers, _) = client.seal(&json!({}));
    headers.remove("content-type");
    headers.insert("authorization", format!("Bearer {}", client.access.clone().unwrap()).parse().unwrap());
    let reply = client.send("POST", &client.path("security/mfa/otp/setup"), headers, vec![]).await.unwrap();
    assert_eq!((reply.status, reply.sealed), (200, true), "{reply:?}");
}

#[tokio::test]
async fn closing_a_channel_is_idempotent_and_needs_the_header() {
    let (sim, mut client) = start(quick(Preset::Scv2)).await;
    client.open_channel().await;
    let path = client.path("sc/session/close");
    let mut headers = client.headers();
    headers.insert("x-sc-session-id", client.channel.as_ref().unwrap().id.parse().unwrap());
    for _ in 0..2 {
        assert_eq!(client.send("POST", &path, headers.clone(), vec![]).await.unwrap().status, 200);
    }
    let bare = client.send("POST", &path, client.headers(), vec![]).await.unwrap();
    assert_eq!((bare.status, bare.code()), (400, "4000"));
    assert_eq!(bare.json["message"], "Session ID header is required");
    assert_eq!((sim.counters().session_close, sim.open_channels()), (2, 0));
}
