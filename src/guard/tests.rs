use http::{HeaderMap, Method, Request, StatusCode, Version};

use super::*;
use crate::listener::{Door, Peer};
use crate::secret::LocalKey;

type Fields = &'static [(&'static str, &'static str)];

const HOST: (&str, &str) = ("host", "localhost:8787");

fn settings() -> Settings {
    Settings { hosts: own_names(8787), ..Settings::default() }
}

fn guard() -> Guard {
    Guard::new(&settings()).unwrap()
}

fn tcp() -> Peer {
    Peer::Tcp {
        client: "127.0.0.1:50000".parse().unwrap(),
        local: "127.0.0.1:8787".parse().unwrap(),
        door: Door(0),
    }
}

fn unix() -> Peer {
    Peer::Unix { uid: 1000, door: Door(0) }
}

fn request(method: &str, target: &str, version: Version, headers: &[(&str, &str)]) -> Request<()> {
    let mut builder = Request::builder().method(method).uri(target).version(version);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap()
}

fn get(headers: &[(&str, &str)]) -> Request<()> {
    request("GET", "/web/v1/tenant/profile", Version::HTTP_11, headers)
}

fn verdict(guard: &Guard, request: Request<()>) -> &'static str {
    guard.admit(request, &tcp()).map_or_else(|refusal| refusal.code(), |_| "admitted")
}

#[track_caller]
fn expect_table(guard: &Guard, table: &[(&[(&str, &str)], &str)]) {
    for (headers, expected) in table {
        assert_eq!(verdict(guard, get(headers)), *expected, "{headers:?}");
    }
}

#[test]
fn there_is_exactly_one_host_and_it_is_ours() {
    expect_table(
        &guard(),
        &[
            (&[HOST], "admitted"),
            (&[("host", "127.0.0.1:8787")], "admitted"),
            (&[("host", "[::1]:8787")], "admitted"),
            (&[("host", "LOCALHOST:8787")], "admitted"),
            (&[], "missing-host"),
            (&[("host", "")], "malformed-host"),
            (&[HOST, HOST], "repeated-host"),
            (&[HOST, ("host", "evil.example")], "repeated-host"),
            (&[("host", "localhost:8787, evil.example")], "malformed-host"),
            (&[("host", "user@localhost:8787")], "malformed-host"),
            (&[("host", "localhost:8787/x")], "malformed-host"),
            (&[("host", "localhost")], "foreign-host"),
            (&[("host", "localhost:80")], "foreign-host"),
            (&[("host", "0.0.0.0:8787")], "foreign-host"),
            (&[("host", "rebound.evil.example:8787")], "foreign-host"),
            (&[("host", "localhost6:8787")], "foreign-host"),
            (&[("host", "alice.localhost:8787")], "foreign-host"),
        ],
    );
}

#[test]
fn the_target_overrules_host_in_http1_and_must_agree_with_it_in_http2() {
    let own = "http://localhost:8787/x";
    let foreign = "http://evil.example/x";
    let cases: [(Version, &str, Fields, &str); 10] = [
        (Version::HTTP_11, own, &[HOST], "admitted"),
        (Version::HTTP_11, own, &[("host", "other.example")], "admitted"),
        (Version::HTTP_11, own, &[], "missing-host"),
        (Version::HTTP_11, own, &[("host", "a b")], "malformed-host"),
        (Version::HTTP_11, foreign, &[HOST], "foreign-host"),
        (Version::HTTP_11, "https://localhost:8787/x", &[HOST], "target-form"),
        (Version::HTTP_11, "http://user@localhost:8787/x", &[HOST], "malformed-host"),
        (Version::HTTP_2, own, &[], "admitted"),
        (Version::HTTP_2, own, &[("host", "127.0.0.1:8787")], "host-mismatch"),
        (Version::HTTP_2, foreign, &[], "foreign-host"),
    ];
    for (version, target, headers, expected) in cases {
        let request = request("GET", target, version, headers);
        assert_eq!(verdict(&guard(), request), expected, "{version:?} {target} {headers:?}");
    }
    assert_eq!(verdict(&guard(), request("GET", "/x", Version::HTTP_10, &[])), "missing-host");
    assert_eq!(verdict(&guard(), request("GET", "/x", Version::HTTP_2, &[])), "missing-host");
}

#[test]
fn methods_that_make_a_forward_proxy_or_an_echo_are_refused() {
    for method in ["CONNECT", "TRACE", "TRACK", "Trace", "track", "PRI"] {
        let refusal = guard().admit(request(method, "/x", Version::HTTP_11, &[HOST]), &tcp()).unwrap_err();
        assert_eq!(refusal.code(), "method-refused", "{method}");
        assert_eq!(refusal.status(), StatusCode::NOT_IMPLEMENTED);
    }
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"] {
        assert_eq!(
            verdict(&guard(), request(method, "/x", Version::HTTP_11, &[HOST])),
            "admitted",
            "{method}"
        );
    }
}

#[test]
fn only_a_path_is_a_target_and_an_asterisk_is_answered_here() {
    assert_eq!(verdict(&guard(), request("OPTIONS", "*", Version::HTTP_11, &[HOST])), "server-options");
    assert_eq!(verdict(&guard(), request("GET", "*", Version::HTTP_11, &[HOST])), "target-form");
    assert_eq!(verdict(&guard(), request("GET", "localhost:8787", Version::HTTP_11, &[HOST])), "target-form");
}

#[test]
fn options_ends_where_its_hops_do() {
    let options = |left: &str| request("OPTIONS", "/a", Version::HTTP_11, &[HOST, ("max-forwards", left)]);
    assert_eq!(verdict(&guard(), options("0")), "server-options");
    for (left, less) in [("1", "0"), ("70", "69"), ("many", "many"), ("99999999999", "99999999999")] {
        let admitted = guard().admit(options(left), &tcp()).unwrap();
        assert_eq!(admitted.request().headers()["max-forwards"], less);
    }
    // Of other methods it says nothing.
    let get = get(&[HOST, ("max-forwards", "0")]);
    assert_eq!(guard().admit(get, &tcp()).unwrap().request().headers()["max-forwards"], "0");
}

#[test]
fn a_page_of_another_origin_is_refused_whatever_it_calls_itself() {
    expect_table(
        &guard(),
        &[
            (&[HOST, ("origin", "http://localhost:8787")], "admitted"),
            (&[HOST, ("origin", "HTTP://LOCALHOST:8787")], "admitted"),
            (&[HOST, ("origin", "http://127.0.0.1:8787")], "foreign-origin"),
            (&[HOST, ("origin", "https://localhost:8787")], "foreign-origin"),
            (&[HOST, ("origin", "http://localhost:3000")], "foreign-origin"),
            (&[HOST, ("origin", "http://localhost")], "foreign-origin"),
            (&[HOST, ("origin", "https://evil.example")], "foreign-origin"),
            (&[HOST, ("origin", "http://localhost:8787.evil.example")], "foreign-origin"),
            (&[HOST, ("origin", "http://localhost:8787/")], "foreign-origin"),
            (&[HOST, ("origin", "null")], "foreign-origin"),
            (&[HOST, ("origin", "")], "foreign-origin"),
            (&[HOST, ("origin", "http://localhost:8787 http://evil")], "foreign-origin"),
            (
                &[HOST, ("origin", "http://localhost:8787"), ("origin", "http://localhost:8787")],
                "repeated-origin",
            ),
            // Rebinding: Origin and Host agree, and neither is ours.
            (&[("host", "evil.example:8787"), ("origin", "http://evil.example:8787")], "foreign-host"),
        ],
    );
}

#[test]
fn a_navigation_is_fine_and_what_another_site_caused_is_not() {
    expect_table(
        &guard(),
        &[
            (&[HOST, ("sec-fetch-site", "none")], "admitted"),
            (&[HOST, ("sec-fetch-site", "same-origin")], "admitted"),
            (&[HOST, ("sec-fetch-site", "same-site")], "cross-site"),
            (&[HOST, ("sec-fetch-site", "cross-site")], "cross-site"),
            (&[HOST, ("sec-fetch-site", "")], "cross-site"),
            (&[HOST, ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], "cross-site"),
        ],
    );
}

#[test]
fn what_a_page_has_fetched_ahead_of_need_is_refused_although_it_looks_typed() {
    expect_table(
        &guard(),
        &[
            (&[HOST, ("sec-fetch-site", "none"), ("sec-purpose", "prefetch")], "cross-site"),
            (&[HOST, ("sec-purpose", "prefetch;prerender"), ("sec-fetch-site", "none")], "cross-site"),
            (&[HOST, ("sec-fetch-site", "same-site"), ("sec-purpose", "prefetch")], "cross-site"),
            (&[HOST, ("sec-purpose", "prefetch")], "cross-site"),
            (&[HOST, ("sec-fetch-site", "same-origin"), ("sec-purpose", "prefetch")], "admitted"),
        ],
    );
}

#[test]
fn a_websocket_handshake_passes_the_same_checks() {
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
    let handshake = |more: &[(&'static str, &'static str)]| {
        let mut headers = vec![HOST];
        headers.extend(upgrade);
        headers.extend_from_slice(more);
        verdict(&guard(), get(&headers))
    };
    assert_eq!(handshake(&[]), "admitted");
    assert_eq!(handshake(&[("origin", "http://localhost:8787")]), "admitted");
    assert_eq!(handshake(&[("origin", "https://evil.example")]), "foreign-origin");
    assert_eq!(handshake(&[("sec-fetch-site", "cross-site")]), "cross-site");
    assert_eq!(handshake(&[("content-length", "5")]), "upgrade-with-body");
    assert_eq!(handshake(&[("transfer-encoding", "chunked")]), "upgrade-with-body");
    assert_eq!(handshake(&[("content-length", "0")]), "admitted");
}

#[test]
fn an_offer_of_h2c_is_overlooked_even_beside_a_body() {
    let offer = |upgrade, more: &[(&'static str, &'static str)]| {
        let mut headers = vec![
            HOST,
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", upgrade),
            ("http2-settings", "AAMAAABk"),
        ];
        headers.extend_from_slice(more);
        verdict(&guard(), request("POST", "/orders", Version::HTTP_11, &headers))
    };
    assert_eq!(offer("h2c", &[]), "admitted");
    assert_eq!(offer("h2c", &[("content-length", "5")]), "admitted");
    assert_eq!(offer("H2C", &[("transfer-encoding", "chunked")]), "admitted");
    assert_eq!(offer("h2c, websocket", &[("content-length", "5")]), "upgrade-with-body");
    assert_eq!(offer("frob", &[("content-length", "5")]), "upgrade-with-body");
    assert_eq!(offer("h2c", &[("upgrade", "websocket"), ("content-length", "5")]), "upgrade-with-body");
}

#[test]
fn a_listed_origin_is_granted_and_its_preflight_answered_here() {
    let page = "http://localhost:5173";
    let guard = Guard::new(&Settings {
        allowed_origins: vec![page.to_owned()],
        route_origins: vec!["http://localhost:6000".to_owned()],
        ..settings()
    })
    .unwrap();
    let admitted =
        guard.admit(get(&[HOST, ("origin", page), ("sec-fetch-site", "same-site")]), &tcp()).unwrap();
    let mut answer = HeaderMap::new();
    admitted.grant().unwrap().apply(&mut answer);
    assert_eq!(answer["access-control-allow-origin"], page);
    assert_eq!(answer["vary"], "Origin");
    assert!(!answer.contains_key("access-control-allow-credentials"));
    assert!(!admitted.grant().unwrap().needs_rule());

    let by_rule = guard.admit(get(&[HOST, ("origin", "http://localhost:6000")]), &tcp()).unwrap();
    assert!(by_rule.grant().unwrap().needs_rule());

    let preflight = request(
        "OPTIONS",
        "/x",
        Version::HTTP_11,
        &[
            HOST,
            ("origin", page),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "content-type"),
            ("access-control-request-private-network", "true"),
        ],
    );
    let Err(Refusal::Preflight(preflight)) = guard.admit(preflight, &tcp()) else { panic!("not answered") };
    let headers = preflight.headers();
    assert_eq!(headers["access-control-allow-origin"], page);
    assert_eq!(headers["access-control-allow-methods"], "PUT");
    assert_eq!(headers["access-control-allow-headers"], "content-type");
    assert!(!headers.keys().any(|name| name.as_str().ends_with("-network")));
}

#[test]
fn a_preflight_of_nobody_gets_no_grant() {
    let preflight = |origin| {
        let headers = [HOST, ("origin", origin), ("access-control-request-method", "PUT")];
        guard().admit(request("OPTIONS", "/x", Version::HTTP_11, &headers), &tcp()).unwrap_err()
    };
    assert_eq!(preflight("https://evil.example"), Refusal::ForeignOrigin);
    let Refusal::Preflight(own) = preflight("http://localhost:8787") else { panic!("not answered") };
    assert!(own.headers().keys().all(|name| name.as_str() == "vary"));
}

#[test]
fn framing_that_could_be_read_twice_is_refused() {
    let with = |more: &[(&'static str, &'static str)]| {
        let mut headers = vec![HOST];
        headers.extend_from_slice(more);
        verdict(&guard(), request("POST", "/x", Version::HTTP_11, &headers))
    };
    let te = "transfer-encoding";
    let cl = "content-length";
    assert_eq!(with(&[(te, "chunked")]), "admitted");
    assert_eq!(with(&[(te, "Chunked")]), "admitted");
    assert_eq!(with(&[(cl, "5")]), "admitted");
    assert_eq!(with(&[(cl, "0")]), "admitted");
    assert_eq!(with(&[(cl, "999999999999999")]), "admitted");
    assert_eq!(with(&[(cl, "5"), (te, "chunked")]), "ambiguous-length");
    assert_eq!(with(&[(te, "chunked"), (cl, "5")]), "ambiguous-length");
    for value in
        ["identity, chunked", "chunked, chunked", "gzip, chunked", ",chunked", "chunked;q=1", "x", ""]
    {
        assert_eq!(with(&[(te, value)]), "bad-transfer-encoding", "{value:?}");
    }
    assert_eq!(with(&[(te, "chunked"), (te, "chunked")]), "bad-transfer-encoding");
    assert_eq!(with(&[(te, "chunked"), (te, "identity")]), "bad-transfer-encoding");
    for value in
        ["", "05", "000000000000000005", "00", "+5", "-0", "0x5", "5, 5", "5 ", "5_0", "1000000000000000"]
    {
        assert_eq!(with(&[(cl, value)]), "bad-content-length", "{value:?}");
    }
    assert_eq!(with(&[(cl, "5"), (cl, "5")]), "bad-content-length");
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let request = request("POST", "/x", version, &[HOST, (te, "chunked")]);
        assert_eq!(verdict(&guard(), request), "bad-transfer-encoding", "{version:?}");
    }
}

#[test]
fn names_that_imitate_framing_are_refused_and_others_are_not() {
    for name in
        ["content_length", "content.length", "transfer_encoding", "sec_fetch.site", "proxy_authorization"]
    {
        assert_eq!(verdict(&guard(), get(&[HOST, (name, "1")])), "lookalike-header", "{name}");
    }
    for name in ["x_custom", "x.custom", "content_length2", "_host", "a_very_long_name_that_imitates_nothing"]
    {
        assert_eq!(verdict(&guard(), get(&[HOST, (name, "1")])), "admitted", "{name}");
    }
}

#[test]
fn the_local_key_is_asked_of_tcp_callers_and_never_travels_on() {
    let guard = Guard::new(&Settings { local_key: Some(LocalKey::new("s3cret")), ..settings() }).unwrap();
    expect_table(
        &guard,
        &[
            (&[HOST], "local-key-missing"),
            (&[HOST, ("x-portunus-key", "wrong")], "local-key-wrong"),
            (&[HOST, ("x-portunus-key", "s3creT")], "local-key-wrong"),
            (&[HOST, ("x-portunus-key", "s3cret ")], "local-key-wrong"),
            (&[HOST, ("x-portunus-key", "s3cret"), ("x-portunus-key", "s3cret")], "local-key-wrong"),
            (&[HOST, ("proxy-authorization", "Bearer wrong")], "local-key-wrong"),
            (&[HOST, ("proxy-authorization", "Digest s3cret")], "local-key-wrong"),
            (&[HOST, ("proxy-authorization", "s3cret")], "local-key-wrong"),
            (&[HOST, ("proxy-authorization", "Basic !!")], "local-key-wrong"),
            // A wrong key in the header is not saved by a right one elsewhere.
            (
                &[HOST, ("x-portunus-key", "wrong"), ("proxy-authorization", "Bearer s3cret")],
                "local-key-wrong",
            ),
            // The host comes first: a rebound page learns nothing about the key.
            (&[("host", "evil.example"), ("x-portunus-key", "s3cret")], "foreign-host"),
        ],
    );
    for shown in [
        ("x-portunus-key", "s3cret"),
        ("proxy-authorization", "Bearer s3cret"),
        ("proxy-authorization", "bearer s3cret"),
        ("proxy-authorization", "Basic YW55Ym9keTpzM2NyZXQ="),
    ] {
        let admitted = guard.admit(get(&[HOST, shown]), &tcp()).unwrap();
        assert!(!admitted.request().headers().contains_key(shown.0), "{shown:?}");
    }
    assert!(guard.admit(get(&[HOST]), &unix()).is_ok());
    assert_eq!(Refusal::LocalKeyMissing.status(), StatusCode::FORBIDDEN);
    assert!(!format!("{guard:?}").contains("s3cret"));
    let empty = Settings { local_key: Some(LocalKey::new("")), ..settings() };
    assert_eq!(Guard::new(&empty).unwrap_err(), BadSettings::EmptyKey);
}

#[test]
fn a_unix_peer_may_use_any_host_but_brings_no_page_along() {
    let verdict = |headers: &[(&str, &str)]| {
        guard().admit(get(headers), &unix()).map_or_else(|refusal| refusal.code(), |_| "admitted")
    };
    assert_eq!(verdict(&[("host", "localhost")]), "admitted");
    assert_eq!(verdict(&[("host", "anything.example")]), "admitted");
    assert_eq!(verdict(&[]), "missing-host");
    assert_eq!(verdict(&[HOST, HOST]), "repeated-host");
    assert_eq!(verdict(&[("host", "a"), ("origin", "http://a")]), "foreign-origin");
    assert_eq!(verdict(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]), "cross-site");
}

#[test]
fn every_refusal_has_a_status_of_its_kind_a_code_and_a_hint() {
    let all = [
        Refusal::MissingHost,
        Refusal::RepeatedHost,
        Refusal::MalformedHost,
        Refusal::ForeignHost,
        Refusal::HostMismatch,
        Refusal::MethodRefused(Method::TRACE),
        Refusal::TargetForm,
        Refusal::ForeignOrigin,
        Refusal::RepeatedOrigin,
        Refusal::CrossSite,
        Refusal::LocalKeyMissing,
        Refusal::LocalKeyWrong,
        Refusal::AmbiguousLength,
        Refusal::BadContentLength,
        Refusal::BadTransferEncoding,
        Refusal::LookalikeHeader("host"),
        Refusal::UpgradeWithBody,
    ];
    let mut codes: Vec<_> = all.iter().map(Refusal::code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all.len(), "codes are distinct");
    for refusal in all {
        let status = refusal.status();
        assert!(status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED, "{refusal}");
        assert_ne!(status, StatusCode::UNAUTHORIZED, "401 is the portal's");
        assert!(refusal.closes() && !refusal.hint().is_empty());
    }
    assert_eq!(Refusal::ServerOptions.status(), StatusCode::NO_CONTENT);
}
