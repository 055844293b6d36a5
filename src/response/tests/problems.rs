//! Every error, as the client reads it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::super::*;
use crate::channel::ChannelError;
use crate::held::NoRoom;
use crate::session::{Blocked, CodeSourceError, PortalError, PortalErrorKind, SessionError, StoreError};
use crate::upstream::{TlsFault, UpstreamError, ViaFault};

const CANARY: &str = "CNRY-10.11.12.13";
const ID: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

/// hyper makes its errors itself only.
async fn hyper_error() -> hyper::Error {
    let (near, far) = tokio::io::duplex(64);
    drop(far);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near)).await.unwrap();
    let request = Request::new(http_body_util::Empty::<Bytes>::new());
    let (answer, _) = tokio::join!(sender.send_request(request), connection);
    answer.unwrap_err()
}

fn io(kind: std::io::ErrorKind) -> std::io::Error {
    std::io::Error::new(kind, CANARY)
}

async fn upstream_errors() -> Vec<UpstreamError> {
    let authority = || "portal.example:8443".to_owned();
    let tls =
        |fault| UpstreamError::Tls { authority: authority(), fault, source: io(std::io::ErrorKind::Other) };
    let connect = |kind| UpstreamError::Connect { authority: authority(), source: io(kind) };
    let limit = Duration::from_secs(30);
    vec![
        UpstreamError::Dns { host: "portal.example".into(), source: io(std::io::ErrorKind::NotFound) },
        UpstreamError::Via {
            proxy: "proxy.example:3128".into(),
            fault: ViaFault::RefusesCredentials,
            source: io(std::io::ErrorKind::Other),
        },
        UpstreamError::Loop { authority: authority() },
        connect(std::io::ErrorKind::ConnectionRefused),
        connect(std::io::ErrorKind::HostUnreachable),
        connect(std::io::ErrorKind::TimedOut),
        connect(std::io::ErrorKind::ConnectionReset),
        connect(std::io::ErrorKind::Other),
        UpstreamError::ConnectTimeout { authority: authority(), limit },
        tls(TlsFault::Expired),
        tls(TlsFault::WrongName { presented: vec!["DNS \"quoted\\name\"".into(), "ü.example".into()] }),
        tls(TlsFault::NotTls),
        UpstreamError::Broken { may_have_acted: true, source: std::io::Error::other(hyper_error().await) },
        UpstreamError::Broken { may_have_acted: false, source: std::io::Error::other(hyper_error().await) },
        UpstreamError::HeadTimeout(limit),
        UpstreamError::TooLarge(1),
        UpstreamError::NoRoom(NoRoom(1)),
        UpstreamError::BearerEnded,
        UpstreamError::BodyBroken(std::io::Error::other(hyper_error().await)),
        UpstreamError::BodyStalled(limit),
        UpstreamError::UploadStalled(limit),
        UpstreamError::ClientStalled(limit),
        UpstreamError::ClientBody(std::io::Error::other(hyper_error().await)),
        UpstreamError::Invalid("it is not an HTTP message"),
    ]
}

fn channel_errors() -> Vec<ChannelError> {
    vec![
        ChannelError::UnreadableKey("not Base64"),
        ChannelError::WeakKey("1024 bits".into()),
        ChannelError::UnusableKeyId(0),
        ChannelError::UnusableSessionId("a line break"),
        ChannelError::PinMismatch { served: [1; 32].into(), pinned: [2; 32].into() },
        ChannelError::NoRandomness,
        ChannelError::TooLong,
        ChannelError::WornOut,
        ChannelError::DoesNotOpen,
    ]
}

fn session_errors() -> Vec<SessionError> {
    let retry_after = Duration::from_millis(1500);
    let portal = PortalError {
        call: "token/refresh",
        kind: PortalErrorKind::NotSent(CANARY.into()),
        status: Some(503),
        code: Some("SYSTEM.INTERNAL_ERROR".into()),
    };
    let strange = PortalError { code: Some(format!("{CANARY} \r\n\"")), ..portal.clone() };
    let mut errors = vec![
        SessionError::CodeRequired { expires_in: Duration::from_secs(300) },
        SessionError::PersonRequired { reason: "no password is configured" },
        SessionError::NoBackupCode { reason: "every code has been spent" },
        SessionError::CodeSource(CodeSourceError { what: "it failed".into(), hint: None }),
        SessionError::CredentialsRefused,
        SessionError::PendingApproval,
        SessionError::AccountBlocked(Blocked::Locked),
        SessionError::FingerprintMismatch,
        SessionError::RiskChallenge,
        SessionError::RateLimited { retry_after },
        SessionError::TooManyComplaints { retry_after },
        SessionError::Portal { source: Arc::new(portal), retry_after },
        SessionError::Portal { source: Arc::new(strange), retry_after },
        SessionError::NoChannel,
        SessionError::Store(StoreError { what: "it is gone".into(), hint: "look for it".into() }),
        SessionError::WaitedTooLong,
        SessionError::QueueFull,
        SessionError::SignedOut,
        SessionError::Closed,
    ];
    errors.extend(channel_errors().into_iter().map(SessionError::Channel));
    errors
}

fn refused() -> Refused {
    Refused {
        status: StatusCode::MISDIRECTED_REQUEST,
        code: "foreign-host",
        text: "the Host \"evil\" is not this proxy's".into(),
        hint: "use localhost".into(),
        close: true,
    }
}

async fn every_error() -> Vec<ProxyError> {
    let mut errors = vec![
        ProxyError::Refused(refused()),
        ProxyError::BodyTooLarge { limit: 8 },
        ProxyError::NoRoom(NoRoom(1)),
        ProxyError::ClientBodyBroken(Box::new(hyper_error().await)),
        ProxyError::ClientBodyStalled,
        ProxyError::CameBack,
        ProxyError::Draining,
        ProxyError::Overloaded,
        ProxyError::Crowded { most: 1, retry_after: Duration::from_secs(7) },
        ProxyError::SealedRouteAnsweredPlain,
        ProxyError::OutcomeUnknown,
        ProxyError::Internal("a bug"),
    ];
    errors.extend(channel_errors().into_iter().map(ProxyError::from));
    errors.extend(session_errors().into_iter().map(ProxyError::from));
    errors.extend(upstream_errors().await.into_iter().map(ProxyError::from));
    errors
}

fn caller(method: &str, accept: &str) -> Caller {
    let request = Request::builder()
        .method(method)
        .uri("/secret-path?token=CNRY-query")
        .header("host", "localhost:8787")
        .header("x-request-id", ID)
        .header("accept", accept);
    Caller::of(&mut request.body(()).unwrap().into_parts().0)
}

async fn read(response: Response<Body>) -> (http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    (parts, body.collect().await.unwrap().to_bytes())
}

/// A string of RFC 8941 section 3.3.3, unescaped; fails on anything else.
fn parse_string(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).expect("in quotes");
    let (mut out, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().filter(|c| matches!(c, '"' | '\\')).expect("a legal escape")),
            '"' => panic!("an unescaped quote in {text}"),
            c => {
                assert!((' '..='~').contains(&c), "{c:?}");
                out.push(c);
            }
        }
    }
    out
}

/// RFC 9209 section 2.3.
const PROXY_ERRORS: &[&str] = &[
    "dns_timeout",
    "dns_error",
    "destination_not_found",
    "destination_unavailable",
    "destination_ip_unroutable",
    "connection_refused",
    "connection_terminated",
    "connection_timeout",
    "connection_read_timeout",
    "connection_write_timeout",
    "connection_limit_reached",
    "tls_protocol_error",
    "tls_certificate_error",
    "proxy_loop_detected",
    "http_request_error",
    "http_request_denied",
    "http_response_incomplete",
    "http_response_body_size",
    "http_response_timeout",
    "http_protocol_error",
    "proxy_internal_response",
    "proxy_configuration_error",
    "proxy_internal_error",
];

#[tokio::test]
async fn every_error_is_a_problem_that_holds_together() {
    for error in every_error().await {
        let row = error.row();
        let (head, body) = read(error.respond(&caller("GET", "*/*"))).await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        let text = |member: &str| problem[member].as_str().unwrap_or_else(|| panic!("{member} of {problem}"));

        assert!(head.status.as_u16() >= 400 && head.status != StatusCode::UNAUTHORIZED, "{error:?}");
        assert_eq!(problem["status"], head.status.as_u16());
        assert_eq!(text("type"), format!("urn:portunus:problem:{}", row.code));
        assert_eq!(text("instance"), format!("urn:uuid:{ID}"));
        assert_eq!((text("code"), text("title"), text("who")), (row.code, row.title, row.who.as_str()));
        assert_eq!(problem["retryable"], row.retryable);
        assert!(!text("detail").is_empty() && !text("hint").is_empty(), "{problem}");

        assert_eq!(head.headers["content-type"], "application/problem+json");
        assert_eq!(head.headers["content-length"], body.len().to_string().as_str());
        assert_eq!(head.headers["cache-control"], "no-store");
        assert_eq!(head.headers["x-request-id"], ID);
        assert_eq!(head.headers.get("connection").is_some(), error.closes());
        assert_eq!(head.headers.get("retry-after").is_some(), error.retry_after().is_some());

        let status = head.headers["proxy-status"].to_str().unwrap();
        let rest = status.strip_prefix("portunus; error=").unwrap();
        let (kind, details) = rest.split_once("; details=").unwrap();
        assert!(PROXY_ERRORS.contains(&kind), "{kind}");
        assert_eq!(parse_string(details), text("detail").replace(|c| !(' '..='~').contains(&c), "?"));

        let shown = format!("{:?} {}", head.headers, String::from_utf8_lossy(&body));
        assert!(!shown.contains("CNRY"), "{shown}");
    }
}

#[test]
fn every_row_of_the_table_is_an_error_with_a_code_and_a_hint_of_its_own() {
    let mut codes = HashSet::new();
    for row in TABLE {
        assert!(row.status.is_client_error() || row.status.is_server_error(), "{row:?}");
        assert_ne!(row.status, StatusCode::UNAUTHORIZED);
        assert!(codes.insert(row.code), "twice: {}", row.code);
        assert!(row.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", row.code);
        assert!(!row.title.is_empty() && !row.hint.is_empty(), "{row:?}");
        assert!(PROXY_ERRORS.contains(&row.error), "{row:?}");
    }
}

#[tokio::test]
async fn every_row_of_the_table_is_reached() {
    let reached: HashSet<_> = every_error().await.iter().map(|e| e.row().code).collect();
    let missed: Vec<_> = TABLE.iter().map(|row| row.code).filter(|code| !reached.contains(code)).collect();
    assert_eq!(missed, [""; 0]);
}

/// Clients branch on these: a line may be added, never changed.
#[test]
fn types_and_statuses_stay_what_they_are() {
    let table: Vec<_> = TABLE.iter().map(|row| format!("{} {}", row.status.as_u16(), row.code)).collect();
    let promised = [
        "413 body-too-large",
        "400 client-body-broken",
        "408 client-body-timeout",
        "503 shutting-down",
        "503 overloaded",
        "503 identity-overloaded",
        "503 no-room",
        "500 internal",
        "503 mfa-required",
        "503 sign-in-required",
        "503 signed-out",
        "503 no-backup-code",
        "503 code-source-failed",
        "503 credentials-refused",
        "503 pending-approval",
        "503 account-blocked",
        "503 fingerprint-mismatch",
        "503 risk-challenge",
        "503 sign-in-rate-limited",
        "503 sign-in-failed",
        "503 sign-in-timeout",
        "500 no-secure-channel",
        "503 state-unusable",
        "503 sign-in-queue-full",
        "502 portal-key-unreadable",
        "502 portal-key-weak",
        "502 portal-key-not-pinned",
        "502 portal-session-id-unusable",
        "413 message-too-long",
        "500 no-randomness",
        "503 channel-worn-out",
        "502 answer-does-not-open",
        "502 sealed-route-answered-plain",
        "502 outcome-unknown",
        "502 portal-name-not-found",
        "502 portal-unreachable",
        "502 forward-proxy-refuses",
        "502 portal-is-the-proxy",
        "502 request-came-back",
        "504 portal-connect-timeout",
        "502 portal-certificate",
        "502 portal-tls",
        "502 portal-connection-broken",
        "504 portal-timeout",
        "504 upload-stalled",
        "502 answer-too-large",
        "503 answer-not-held",
        "502 answer-broken",
        "504 answer-stalled",
        "503 bearer-ended",
        "502 answer-invalid",
    ];
    assert_eq!(table, promised);
}

#[tokio::test]
async fn a_problem_reads_like_this() {
    let (head, body) = read(
        ProxyError::from(SessionError::CodeRequired { expires_in: Duration::from_secs(300) })
            .respond(&caller("GET", "*/*")),
    )
    .await;
    assert_eq!(
        std::str::from_utf8(&body).unwrap(),
        "{\"type\":\"urn:portunus:problem:mfa-required\",\"title\":\"sign-in waits for a code\",\"status\":503,\
         \"detail\":\"the login waits for a code\",\"instance\":\"urn:uuid:0f0e0d0c-0b0a-4908-8706-050403020100\",\
         \"code\":\"mfa-required\",\"who\":\"proxy\",\"retryable\":true,\
         \"hint\":\"enter the code: portunus login\"}\n"
    );
    assert_eq!(head.headers["retry-after"], "5");
    assert_eq!(
        head.headers["proxy-status"],
        "portunus; error=http_request_denied; details=\"the login waits for a code\""
    );
    let (head, body) = read(ProxyError::Refused(refused()).respond(&caller("GET", "text/plain"))).await;
    assert_eq!(head.status, 421);
    assert_eq!(head.headers["connection"], "close");
    assert_eq!(head.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(
        body,
        "request refused: the Host \"evil\" is not this proxy's\nhint: use localhost\n\
         request id: 0f0e0d0c-0b0a-4908-8706-050403020100\n"
    );
    assert!(
        head.headers["proxy-status"]
            .to_str()
            .unwrap()
            .ends_with("the Host \\\"evil\\\" is not this proxy's\"")
    );
}

#[tokio::test]
async fn the_portals_code_is_shown_where_it_is_one_and_what_it_wraps_is_not() {
    let details: Vec<_> = session_errors()
        .into_iter()
        .filter(|e| matches!(e, SessionError::Portal { .. }))
        .map(|e| ProxyError::from(e).respond(&caller("GET", "*/*")))
        .collect();
    let mut shown = Vec::new();
    for response in details {
        let problem: Value = serde_json::from_slice(&read(response).await.1).unwrap();
        shown.push(problem["detail"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        shown,
        [
            "the portal could not be asked (token/refresh, HTTP 503, SYSTEM.INTERNAL_ERROR)",
            "the portal could not be asked (token/refresh, HTTP 503)",
        ]
    );
}

#[tokio::test]
async fn the_problem_of_a_head_request_has_its_length_and_no_body() {
    let (get, body) = read(ProxyError::Overloaded.respond(&caller("GET", "*/*"))).await;
    let (head, nothing) = read(ProxyError::Overloaded.respond(&caller("HEAD", "*/*"))).await;
    assert!(nothing.is_empty() && !body.is_empty());
    assert_eq!(get.headers["content-length"], head.headers["content-length"]);
}

#[tokio::test]
async fn a_wait_is_told_in_whole_seconds_rounded_up() {
    for (wait, told) in [(0, "1"), (1000, "1"), (1001, "2"), (90_000, "90")] {
        let error = ProxyError::from(SessionError::RateLimited { retry_after: Duration::from_millis(wait) });
        assert_eq!(error.respond(&Caller::unknown()).headers()["retry-after"], told);
    }
}

#[test]
fn a_refusal_that_claims_success_is_still_an_error() {
    let lie = Refused { status: StatusCode::OK, ..refused() };
    assert_eq!(ProxyError::Refused(lie).row().status, StatusCode::FORBIDDEN);
}
