//! The API as a function of requests, then over a real socket.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use super::api::{Body, answer};
use super::fake::{CODE, FakeSession, PASSWORD, Script};
use super::*;
use crate::clock::ManualClock;
use crate::identity::IdentityName;
use crate::secret::{OneTimeCode, OtpSecret, Password};
use crate::session::{Codes, Credentials, FactorKind, MfaChoice, SessionError};

struct Desk {
    state: AdminState,
    session: Arc<FakeSession>,
    clock: ManualClock,
    shutdowns: Arc<AtomicUsize>,
}

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_774_087_200)
}

fn configured() -> Credentials {
    Credentials {
        email: "root@example.com".into(),
        password: Some(Password::new(PASSWORD)),
        otp_secret: Some(OtpSecret::new("CNRYSEED")),
        mfa: MfaChoice::Otp,
        codes: Codes::default(),
    }
}

fn desk_of(names: &[&str], script: &Script) -> Desk {
    let clock = ManualClock::at(noon());
    let session = Arc::new(FakeSession::new(script.clone(), noon()));
    let identity = |name: &&str| {
        let session: Arc<dyn SignIn> = session.clone();
        Identity::new(IdentityName::new(name).unwrap(), session, script.configured.clone())
    };
    let shutdowns = Arc::new(AtomicUsize::new(0));
    let counted = shutdowns.clone();
    let metric = || Metric {
        name: "portunus_requests",
        help: "Requests answered.",
        kind: MetricKind::Counter,
        samples: vec![Sample::number(7.0)],
    };
    let state = AdminState::new(
        names.iter().map(identity).collect(),
        Arc::new(clock.clone()),
        "0.1.0",
        vec!["127.0.0.1:8787".into()],
        move || vec![metric()],
        move || {
            counted.fetch_add(1, Ordering::SeqCst);
        },
    );
    Desk { state, session, clock, shutdowns }
}

fn desk(script: &Script) -> Desk {
    desk_of(&["default"], script)
}

impl Desk {
    async fn ask(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Response<Body> {
        let request = Request::builder().method(method).uri(path).body(Full::new(body.into())).unwrap();
        answer(&self.state, &Limits::default(), request).await
    }

    async fn post(&self, path: &str, body: Json) -> (StatusCode, Json) {
        read(self.ask(Method::POST, path, body.to_string()).await).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Json) {
        read(self.ask(Method::GET, path, "").await).await
    }
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn read(response: Response<Body>) -> (StatusCode, Json) {
    let status = response.status();
    (status, serde_json::from_str(&text(response).await).unwrap())
}

#[tokio::test]
async fn the_status_of_a_fresh_proxy_is_signed_out_and_ready_if_it_can_sign_in_alone() {
    let (_, alone) =
        desk(&Script { configured: Some(configured()), ..Script::default() }).get("/v1/status").await;
    assert_eq!(
        alone,
        json!({
            "version": "0.1.0", "pid": std::process::id(), "started_at": "2026-03-21T10:00:00Z", "uptime": 0,
            "listen": ["127.0.0.1:8787"], "held": { "bytes": 0, "limit": usize::MAX }, "ready": true,
            "identities": [{
                "identity": "default", "state": "signed-out", "since": "2026-03-21T10:00:00Z", "ready": true,
                "account": { "email": "r***@example.com", "password": true, "otp_secret": true },
            }],
        })
    );
    let (_, person) = desk(&Script::default()).get("/v1/status").await;
    assert_eq!(person["ready"], false);
}

#[tokio::test]
async fn a_login_goes_from_password_to_code_to_signed_in() {
    let desk = desk(&Script { methods: vec![FactorKind::Email, FactorKind::Otp], ..Script::default() });
    let (status, report) =
        desk.post("/v1/login", json!({ "email": "root@example.com", "password": PASSWORD })).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(report["state"], "awaiting-code");
    assert_eq!(
        report["challenge"],
        json!({
            "method": "email", "masked_target": "r***@example.com", "expires_in": 300, "resend_in": 60,
            "offered": [{ "method": "email" }, { "method": "otp" }],
        })
    );
    let (status, report) = desk.post("/v1/login/resend", json!({ "by": "otp" })).await;
    assert_eq!((status, &report["challenge"]["method"]), (StatusCode::OK, &json!("otp")));
    desk.clock.advance(Duration::from_secs(5));
    let (status, report) = desk.post("/v1/login/code", json!({ "code": CODE })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(report["state"], "signed-in");
    assert_eq!(report["expires_in"], 3595);
    assert_eq!(report["since"], "2026-03-21T10:00:05Z");
    assert_eq!(
        desk.session.asked(),
        [r#"sign_in Some(("root@example.com", true, false, Auto))"#, "send_code Some(Otp)", "answer"]
    );
    desk.clock.advance(Duration::from_secs(10));
    let (_, status) = desk.get("/v1/status").await;
    assert_eq!(status["identities"][0]["since"], "2026-03-21T10:00:05Z", "since the state began");
    let (status, report) = desk.post("/v1/logout", json!({})).await;
    assert_eq!((status, &report["state"]), (StatusCode::OK, &json!("signed-out")));
}

#[tokio::test]
async fn an_empty_login_body_leaves_everything_to_the_configuration() {
    let desk = desk(&Script { configured: Some(configured()), methods: vec![], ..Script::default() });
    let response = desk.ask(Method::POST, "/v1/login", "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(desk.session.asked(), ["sign_in None"]);
}

#[tokio::test]
async fn the_configured_secrets_are_used_for_their_own_account_only() {
    let desk = desk(&Script { configured: Some(configured()), ..Script::default() });
    desk.post("/v1/login", json!({ "mfa": "email" })).await;
    desk.post("/v1/login", json!({ "email": "root@example.com" })).await;
    let (status, problem) = desk.post("/v1/login", json!({ "email": "eve@example.com" })).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("sign-in-required")));
    assert_eq!(
        desk.session.asked(),
        [
            r#"sign_in Some(("root@example.com", true, true, Email))"#,
            r#"sign_in Some(("root@example.com", true, true, Otp))"#,
            r#"sign_in Some(("eve@example.com", false, false, Auto))"#,
        ]
    );
}

#[tokio::test]
async fn a_refusal_is_a_problem_that_says_whose_it_is_and_what_to_do() {
    let desk = desk(&Script::default());
    let body = json!({ "email": "root@example.com", "password": "CNRY-wrong" });
    let response = desk.ask(Method::POST, "/v1/login", body.to_string()).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let (status, problem) = read(response).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(problem["type"], "urn:portunus:problem:credentials-refused");
    assert_eq!((&problem["status"], &problem["code"]), (&json!(403), &json!("credentials-refused")));
    assert!(problem["hint"].is_string());
    assert!(!problem.to_string().contains("CNRY"));
    let (_, status) = desk.get("/v1/status").await;
    assert_eq!(status["identities"][0]["error"]["code"], "credentials-refused");
}

#[tokio::test]
async fn a_wait_that_the_portal_asks_for_is_a_retry_after() {
    let failure = Some(SessionError::RateLimited { retry_after: Duration::from_secs(30) });
    let desk = desk(&Script { failure, ..Script::default() });
    let response = desk.ask(Method::POST, "/v1/login", "{}").await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[header::RETRY_AFTER], "30");
}

#[tokio::test]
async fn a_code_that_nobody_waits_for_is_not_passed_on() {
    let desk = desk(&Script::default());
    for (path, body) in [("/v1/login/code", json!({ "code": CODE })), ("/v1/login/resend", json!({}))] {
        let (status, problem) = desk.post(path, body).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("no-challenge")), "{path}");
    }
    assert_eq!(desk.session.asked(), [""; 0]);
}

#[tokio::test]
async fn a_body_is_read_strictly_and_never_repeated() {
    let desk = desk(&Script::default());
    let bodies = [
        r#"{"pasword":"CNRY-1"}"#.to_owned(),
        r#"{"password":"CNRY-2"}"#.to_owned(),
        r#"{"email":"a@b","password":"CNRY-3"#.to_owned(),
        r#"{"email":"a@b","mfa":"CNRY-4"}"#.to_owned(),
        r#"{"email":"a@b","password":["CNRY-5"]}"#.to_owned(),
        format!(r#"{{"email":"{}@b"}}"#, "CNRY".repeat(64)),
        "CNRY-6".to_owned(),
    ];
    for body in bodies {
        let (status, problem) = read(desk.ask(Method::POST, "/v1/login", body.clone()).await).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("bad-request")), "{body}");
        assert!(!problem.to_string().contains("CNRY"), "{problem}");
    }
    assert_eq!(desk.session.asked(), [""; 0]);
}

#[tokio::test]
async fn a_body_that_says_it_is_no_json_is_refused_with_what_is_taken() {
    let desk = desk(&Script { configured: Some(configured()), methods: vec![], ..Script::default() });
    let ask = async |path: &str, kinds: &[&str], body: &'static str| {
        let kinds = kinds.iter();
        let request = kinds.fold(Request::post(path), |head, kind| head.header(header::CONTENT_TYPE, *kind));
        answer(
            &desk.state,
            &Limits::default(),
            request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap(),
        )
        .await
    };
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        for path in ["/v1/login", "/v1/login/code", "/v1/logout", "/v1/password/forgot", "/v1/register/send"]
        {
            let response = ask(path, &[kind], "{}").await;
            assert_eq!(response.headers()[header::ACCEPT], "application/json", "{path} {kind}");
            let (status, problem) = read(response).await;
            let expected = (StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!("unsupported-media-type"));
            assert_eq!((status, &problem["code"]), expected, "{path} {kind}");
        }
    }
    let twice = ask("/v1/login", &["application/json", "text/plain"], "{}").await;
    assert_eq!(twice.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(desk.session.asked(), [""; 0]);

    let takes: [(&[&str], &'static str); 4] = [
        (&[], "{}"),
        (&["application/json"], "{}"),
        (&["Application/JSON ; charset=utf-8"], "{}"),
        // Nothing is no form either.
        (&["application/x-www-form-urlencoded"], ""),
    ];
    for (kinds, body) in takes {
        assert_eq!(ask("/v1/login", kinds, body).await.status(), StatusCode::OK, "{kinds:?}");
    }
}

#[tokio::test]
async fn the_client_says_that_it_sends_json() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portunus.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0);
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    });
    let unanswered = Client::new(&path).login(&LoginRequest::default()).await;
    assert!(matches!(unanswered, Err(ClientError::Io(_))), "{unanswered:?}");
    assert!(server.await.unwrap().contains("\r\ncontent-type: application/json\r\n"));
}

#[tokio::test]
async fn a_password_and_a_code_have_the_portals_lengths() {
    let desk = desk(&Script::default());
    for (length, expected) in [(7, 400), (8, 403), (128, 403), (129, 400)] {
        let (status, _) =
            desk.post("/v1/login", json!({ "email": "a@b", "password": "x".repeat(length) })).await;
        assert_eq!(status.as_u16(), expected, "{length}");
    }
    for (length, expected) in [(5, 400), (6, 409), (10, 409), (11, 400)] {
        let (status, _) = desk.post("/v1/login/code", json!({ "code": "1".repeat(length) })).await;
        assert_eq!(status.as_u16(), expected, "{length}");
    }
}

#[tokio::test]
async fn a_body_is_at_most_its_limit_long() {
    let desk = desk(&Script::default());
    let max = Limits::default().body;
    let exactly = format!("{{}}{}", " ".repeat(max - 2));
    assert_eq!(desk.ask(Method::POST, "/v1/logout", exactly.clone()).await.status(), StatusCode::OK);
    let (status, problem) = read(desk.ask(Method::POST, "/v1/logout", exactly + " ").await).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("body-too-large")));
}

#[tokio::test(start_paused = true)]
async fn a_body_has_its_time_to_arrive() {
    let desk = desk(&Script::default());
    let limits = Limits::default();
    for (span, expected) in [
        (limits.body_time - Duration::from_millis(1), StatusCode::OK),
        (limits.body_time + Duration::from_millis(1), StatusCode::REQUEST_TIMEOUT),
    ] {
        let frames = stream::once(async move {
            tokio::time::sleep(span).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"{}")))
        });
        let body = StreamBody::new(Box::pin(frames));
        let request = Request::post("/v1/logout").body(body).unwrap();
        assert_eq!(answer(&desk.state, &limits, request).await.status(), expected);
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_by_name() {
    let desk = desk(&Script::default());
    assert_eq!(desk.ask(Method::GET, "/v1/nothing", "").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(desk.ask(Method::GET, "/v1/status/", "").await.status(), StatusCode::NOT_FOUND);
    for (method, path, allow) in [
        (Method::GET, "/v1/login", "POST"),
        (Method::GET, "/v1/shutdown", "POST"),
        (Method::POST, "/v1/status", "GET"),
        (Method::DELETE, "/metrics", "GET"),
    ] {
        let response = desk.ask(method, path, "").await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()[header::ALLOW], allow, "{path}");
    }
    assert_eq!(desk.shutdowns.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn among_several_identities_one_has_to_be_named() {
    let desk = desk_of(&["alice", "bob"], &Script::default());
    let (status, problem) = desk.post("/v1/logout", json!({})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("identity-required")));
    assert!(problem["detail"].as_str().unwrap().contains("alice, bob"));
    let (status, problem) = desk.post("/v1/logout", json!({ "identity": "eve" })).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("unknown-identity")));
    let (status, report) = desk.post("/v1/logout", json!({ "identity": "bob" })).await;
    assert_eq!((status, &report["identity"]), (StatusCode::OK, &json!("bob")));
}

#[tokio::test]
async fn readiness_follows_the_login_and_says_what_is_missing() {
    let alone = Script { configured: Some(configured()), ..Script::default() };
    let ready = desk(&alone);
    assert_eq!(ready.ask(Method::GET, "/v1/healthz", "").await.status(), StatusCode::OK);
    assert_eq!(ready.ask(Method::GET, "/v1/readyz", "").await.status(), StatusCode::OK, "signs in alone");
    ready.post("/v1/login", json!({})).await;
    let (status, problem) = ready.get("/v1/readyz").await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("mfa-required")));
    ready.post("/v1/login/code", json!({ "code": CODE })).await;
    assert_eq!(ready.ask(Method::GET, "/v1/readyz", "").await.status(), StatusCode::OK, "signed in");
    ready.session.put(Phase::Failed(SessionError::PendingApproval));
    let (status, problem) = ready.get("/v1/readyz").await;
    assert_eq!((status, &problem["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(503)));
    assert_eq!(problem["code"], "pending-approval");
    assert_eq!(problem["detail"], "identity default: the account waits for an administrator's approval");
    assert_eq!(ready.ask(Method::GET, "/v1/healthz", "").await.status(), StatusCode::OK);

    ready.post("/v1/logout", json!({})).await;
    let (status, problem) = ready.get("/v1/readyz").await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("signed-out")));
    ready.post("/v1/login", json!({})).await;
    ready.session.put(Phase::SignedOut);
    assert_eq!(ready.ask(Method::GET, "/v1/readyz", "").await.status(), StatusCode::OK, "asked to again");

    let (status, problem) = desk(&Script::default()).get("/v1/readyz").await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("sign-in-required")));
}

#[tokio::test]
async fn metrics_are_openmetrics_with_what_the_proxy_counted() {
    let desk = desk(&Script::default());
    let response = desk.ask(Method::GET, "/metrics", "").await;
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = text(response).await;
    assert!(text.contains("\nportunus_requests_total 7\n"), "{text}");
    assert!(text.contains("\nportunus_signed_in{identity=\"default\"} 0\n"), "{text}");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
}

#[tokio::test]
async fn no_secret_is_in_a_debug_of_the_state_or_of_a_body() {
    let desk = desk(&Script { configured: Some(configured()), ..Script::default() });
    let debug = format!("{:?}", desk.state);
    assert!(!debug.contains(PASSWORD) && !debug.contains("CNRYSEED"), "{debug}");
    let request = LoginRequest { password: Some(Password::new("CNRY-9")), ..LoginRequest::default() };
    assert!(!format!("{request:?}").contains("CNRY"));
}

#[tokio::test(start_paused = true)]
async fn events_begin_with_the_status_and_follow_each_change() {
    let desk = desk(&Script::default());
    let mut events = desk.ask(Method::GET, "/v1/events", "").await.into_body();
    let next = async |events: &mut Body| {
        let frame = events.frame().await.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(frame.to_vec()).unwrap()
    };
    let first = next(&mut events).await;
    let data =
        first.strip_prefix("event: status\ndata: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
    let first: StatusReport = serde_json::from_str(data).unwrap();
    assert_eq!(first.identities[0].state, State::SignedOut);
    let (second, ()) = tokio::join!(next(&mut events), async {
        desk.session.put(Phase::Opening);
    });
    assert!(second.contains(r#""state":"opening""#), "{second}");
    // Nothing changes: only the sign of life comes.
    assert_eq!(next(&mut events).await, ": still here\n\n");
}

#[tokio::test]
async fn only_so_many_listen_at_a_time() {
    let desk = desk(&Script::default());
    let mut listeners = Vec::new();
    for _ in 0..8 {
        let response = desk.ask(Method::GET, "/v1/events", "").await;
        assert_eq!(response.status(), StatusCode::OK);
        listeners.push(response);
    }
    let (status, problem) = desk.get("/v1/events").await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("too-many-subscribers")));
    listeners.pop();
    assert_eq!(desk.ask(Method::GET, "/v1/events", "").await.status(), StatusCode::OK);
}

/// A server on a socket of its own.
struct Server {
    desk: Desk,
    path: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

fn serving(script: &Script, limits: Limits) -> Server {
    let desk = desk(script);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/portunus.sock");
    let socket = bind(&path).unwrap();
    let listener = UnixListener::from_std(socket.listener).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let state = desk.state.clone();
    let served = tokio::spawn(async move {
        serve(listener, state, limits, async { drop(stopped.await) }).await;
        drop(socket.file);
    });
    Server { desk, path, stop: Some(stop), served, _dir: dir }
}

impl Server {
    async fn stop(&mut self) {
        drop(self.stop.take());
        tokio::time::timeout(Duration::from_secs(10), &mut self.served).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_client_signs_in_over_the_socket_and_hears_why_not() {
    let mut server = serving(&Script::default(), Limits::default());
    let client = Client::new(&server.path);
    assert_eq!(client.status().await.unwrap().identities[0].state, State::SignedOut);
    let mut login = LoginRequest { email: Some("a@b".into()), ..LoginRequest::default() };
    login.password = Some(Password::new("wrong horse"));
    let refused = client.login(&login).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused(problem) if problem.code == Cause::CredentialsRefused));
    assert_eq!(refused.to_string(), "the portal refused the credentials");
    login.password = Some(Password::new(PASSWORD));
    assert_eq!(client.login(&login).await.unwrap().state, State::AwaitingCode);
    let report = client.answer(None, &OneTimeCode::new(CODE)).await.unwrap();
    assert_eq!(report.state, State::SignedIn);
    assert_eq!(client.logout(None).await.unwrap().state, State::SignedOut);
    server.stop().await;
    assert!(matches!(client.status().await, Err(ClientError::NoSocket(_))));
}

#[tokio::test]
async fn a_missing_a_dead_and_a_mute_proxy_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portunus.sock");
    let client = Client::new(&path).with_patience(Duration::from_millis(50));
    assert!(matches!(client.status().await, Err(ClientError::NoSocket(_))));
    let listener = UnixListener::bind(&path).unwrap();
    assert!(matches!(client.status().await, Err(ClientError::TooSlow(_))));
    drop(listener);
    assert!(matches!(client.status().await, Err(ClientError::NobodyAnswers(_))));
}

#[tokio::test]
async fn what_speaks_no_http_is_not_understood_as_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portunus.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-x\r\n\r\n").await.unwrap();
        stream
    });
    assert!(matches!(Client::new(&path).status().await, Err(ClientError::Io(_))));
    server.await.unwrap();
}

#[tokio::test]
async fn a_head_has_its_time_and_its_size() {
    let limits = Limits { head_time: Duration::from_millis(100), ..Limits::default() };
    let mut server = serving(&Script::default(), limits);
    let mut slow = UnixStream::connect(&server.path).await.unwrap();
    slow.write_all(b"GET /v1/healthz HTTP/1.1\r\n").await.unwrap();
    let mut rest = Vec::new();
    // Closed by the other side, with or without an answer.
    tokio::time::timeout(Duration::from_secs(10), slow.read_to_end(&mut rest)).await.unwrap().ok();
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    let mut long = UnixStream::connect(&server.path).await.unwrap();
    let head = format!("GET /v1/healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(limits.head));
    long.write_all(head.as_bytes()).await.ok();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), long.read_to_end(&mut rest)).await.unwrap().ok();
    assert!(rest.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&rest));
    server.stop().await;
}

#[tokio::test]
async fn one_connection_more_than_allowed_waits_for_a_place() {
    let mut server = serving(&Script::default(), Limits { connections: 2, ..Limits::default() });
    let client = Client::new(&server.path).with_patience(Duration::from_millis(200));
    let first = UnixStream::connect(&server.path).await.unwrap();
    assert!(client.status().await.is_ok(), "the second has a place");
    let second = UnixStream::connect(&server.path).await.unwrap();
    assert!(matches!(client.status().await, Err(ClientError::TooSlow(_))), "the third waits");
    drop(first);
    let patient = Client::new(&server.path);
    assert!(patient.status().await.is_ok(), "until one goes");
    drop(second);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_ends_event_streams_and_takes_the_socket_away() {
    let mut server =
        serving(&Script::default(), Limits { drain: Duration::from_secs(60), ..Limits::default() });
    let mut listener = UnixStream::connect(&server.path).await.unwrap();
    listener.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\n\n\r\n") {
        assert_ne!(listener.read_buf(&mut seen).await.unwrap(), 0);
    }
    let mut caller = UnixStream::connect(&server.path).await.unwrap();
    caller.write_all(b"POST /v1/shutdown HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    caller.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 202"));
    assert_eq!(server.desk.shutdowns.load(Ordering::SeqCst), 1);
    server.stop().await;
    listener.read_to_end(&mut seen).await.unwrap();
    assert!(seen.ends_with(b"0\r\n\r\n"), "the stream ended in order");
    assert!(!server.path.exists());
}
