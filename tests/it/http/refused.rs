//! What is refused, and how the refusal looks.

use super::{status, values};
use crate::plain_world::{Plain, Stage};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn what_the_parser_refuses_has_its_own_status_and_ends_the_connection() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let long = "x".repeat(70_000);
    for (bytes, expected) in [
        ("GET / HTTP/1.1\r\nBad Name: 1\r\n\r\n".to_owned(), 400),
        ("\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nX-A: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(101)), 431),
    ] {
        let mut raw = proxy.connect().await;
        raw.send(bytes.as_bytes()).await;
        let answer = raw.rest().await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(values(&answer, "connection"), ["close"], "{answer}");
    }
    assert!(stage.is_untouched());
    assert!(proxy.stop().await);
}

/// A target that begins with a backslash is no target at all, and the parser says so; behind a slash it is a path, and
/// the one rule about paths refuses it. Neither depends on how the bytes arrive.
#[tokio::test]
async fn a_backslash_is_refused_in_the_same_way_each_time() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    for (target, is_path) in [("\\\\host/x", false), ("\\host", false), ("/\\host/x", true), ("/a\\b", true)]
    {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", proxy.address());
        for cut in 1..head.len() {
            let mut raw = proxy.connect().await;
            raw.send(&head.as_bytes()[..cut]).await;
            if cut % 8 == 0 {
                tokio::task::yield_now().await;
            }
            raw.send(&head.as_bytes()[cut..]).await;
            let answer = raw.rest().await;
            assert_eq!(status(&answer), 400, "{target}: {answer}");
            assert_eq!(values(&answer, "connection"), ["close"], "{target}: {answer}");
            assert_eq!(
                answer.contains("urn:portunus:problem:path-refused"),
                is_path,
                "{target} at {cut}: {answer}"
            );
        }
    }
    assert!(stage.is_untouched());
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_hundred_fields_pass_and_one_more_does_not() {
    let (address, _heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address).start().await;
    // Host and Connection are two of them.
    for (fields, expected) in [(98, 200), (99, 431)] {
        let head = format!("GET /a HTTP/1.1\r\n{}", "X-A: b\r\n".repeat(fields));
        let head = head.replacen(" HTTP/1.1", "", 1);
        let answer = proxy.ask(head.trim_end(), "").await;
        assert_eq!(status(&answer), expected, "{fields}: {answer}");
    }
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_target_of_the_limit_passes_and_a_longer_one_does_not() {
    let (address, _heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address).with("limits", "uri = 256").start().await;
    for (length, expected) in [(256, 200), (257, 414)] {
        let answer = proxy.ask(&format!("GET /{}", "x".repeat(length - 1)), "").await;
        assert_eq!(status(&answer), expected, "{length}: {answer}");
    }
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn two_framings_in_one_head_are_a_problem_with_a_name() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    for (fields, code) in [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked", "ambiguous-length"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", "ambiguous-length"),
        ("Content-Length: 0\r\nContent-Length: 0", "bad-content-length"),
        ("Content-Length: 00", "bad-content-length"),
        ("Content_Length: 1", "lookalike-header"),
        ("X-A: b\nX-B: c", "bare-line-feed"),
    ] {
        let answer = proxy.ask(&format!("POST /a\r\n{fields}"), "0\r\n\r\n").await;
        assert_eq!(status(&answer), 400, "{fields}: {answer}");
        assert!(answer.contains(&format!("urn:portunus:problem:{code}")), "{fields}: {answer}");
        assert_eq!(values(&answer, "connection"), ["close"], "{answer}");
    }
    assert!(stage.is_untouched());
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_fault_after_good_requests_on_one_connection_is_found_and_ends_it() {
    let (address, _heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address).start().await;
    let mut raw = proxy.connect().await;
    for _ in 0..3 {
        raw.head("POST /a\r\nContent-Length: 28").await;
        raw.send(b"GET /#b HTTP/1.1\nHost: x\r\n\r\n").await;
        assert_eq!(status(&raw.until("ok").await), 200);
    }
    raw.head("GET /a#b").await;
    let answer = raw.rest().await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_problem_for_an_allowed_page_carries_the_grant_and_for_another_none() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy =
        Plain::before(closed).with("guard", "allowed_origins = [\"http://localhost:5173\"]").start().await;
    let allowed = proxy.ask("GET /a\r\nOrigin: http://localhost:5173", "").await;
    assert_eq!(status(&allowed), 502, "{allowed}");
    assert_eq!(values(&allowed, "access-control-allow-origin"), ["http://localhost:5173"]);
    assert_eq!(values(&allowed, "vary"), ["Origin"]);
    let bad_path = proxy.ask("GET /a/../b\r\nOrigin: http://localhost:5173", "").await;
    assert_eq!(values(&bad_path, "access-control-allow-origin"), ["http://localhost:5173"], "{bad_path}");
    for foreign in ["http://evil.example", "null", "http://localhost:5174"] {
        let answer = proxy.ask(&format!("GET /a\r\nOrigin: {foreign}"), "").await;
        assert_eq!(status(&answer), 403, "{answer}");
        assert!(values(&answer, "access-control-allow-origin").is_empty(), "{answer}");
    }
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn credentials_and_claims_of_a_client_stay_here_in_every_spelling() {
    let (address, mut heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address).start().await;
    let names = [
        "Authorization",
        "X-Portal-Access-Code",
        "X_Portal_Access_Code",
        "X.Portal.Access.Code",
        "X-Client_Hash",
        "X-Secure-Channel-Session-Id",
        "X_SC_Session_Id",
        "X-SC-Version",
        "Cookie",
        "X-Forwarded-For",
        "X_Forwarded_Host",
        "Forwarded",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Real-IP",
        "Keep-Alive",
        "Proxy-Connection",
        "X-Portunus-Key",
        "Sec-Fetch-Mode",
        "Trailer",
    ];
    let fields: String = names.iter().map(|name| format!("\r\n{name}: CNRY-evil")).collect();
    let answer = proxy.ask(&format!("GET /a\r\nX-Kept: yes{fields}"), "").await;
    assert_eq!(status(&answer), 200, "{answer}");
    let head = heads.recv().await.unwrap();
    assert!(!head.contains("CNRY-evil"), "{head}");
    assert_eq!(values(&head, "x-kept"), ["yes"]);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_portal_at_the_proxys_own_address_is_refused_at_the_start() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{free}"), format!("http://localhost:{}", free.port())] {
        let why = Plain::at(&url)
            .with("listen", &format!("addresses = [\"{free}\"]"))
            .try_start()
            .await
            .map(|_| ())
            .unwrap_err();
        assert!(why.contains("where the proxy itself listens"), "{why}");
    }
}

#[tokio::test]
async fn a_portal_whose_name_leads_back_here_is_a_loop() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Known to the resolver only: every name below localhost is the loopback (RFC 6761 section 6.3).
    let proxy = Plain::at(&format!("http://portal.localhost:{}", free.port()))
        .with("listen", &format!("addresses = [\"{free}\"]"))
        .start()
        .await;
    let answer = proxy.ask("GET /a", "").await;
    assert_eq!(status(&answer), 502, "{answer}");
    // Where the resolver does not know the name, there is no loop either.
    if !answer.contains("dns_error") {
        assert!(answer.contains("proxy_loop_detected"), "{answer}");
    }
    assert!(proxy.stop().await);
}
