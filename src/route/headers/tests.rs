//! The header policy, field by field and as properties.

use proptest::prelude::*;

use super::*;

fn clean_with(policy: &HeaderPolicy, fields: &[(&str, &str)]) -> (HeaderMap, Found) {
    let mut builder = Request::builder().method("GET").uri("/x");
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    let mut request = builder.body(()).unwrap();
    let found = policy.clean_request(&mut request, false);
    (request.into_parts().0.headers, found)
}

fn clean(fields: &[(&str, &str)]) -> (HeaderMap, Found) {
    clean_with(&HeaderPolicy::default(), fields)
}

fn answer(fields: &[(&str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
        .collect()
}

#[test]
fn this_hops_fields_end_here_and_so_does_what_connection_names() {
    let (headers, _) = clean(&[
        ("host", "localhost:8787"),
        ("connection", "keep-alive, X-Mine, Accept-Language"),
        ("connection", "te"),
        ("x-mine", "1"),
        ("accept-language", "en"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip, trailers;q=0.5"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ("trailer", "x-sum"),
        ("proxy-authorization", "Bearer x"),
        ("content-length", "3"),
        ("accept", "*/*"),
    ]);
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["accept", "content-length"]);
}

#[test]
fn of_te_only_trailers_travels_on() {
    assert_eq!(clean(&[("te", "trailers, deflate")]).0["te"], "trailers");
    assert!(!clean(&[("te", "deflate")]).0.contains_key("te"));
}

#[test]
fn client_copies_of_credentials_are_dropped_in_every_spelling_and_counted() {
    for name in CREDENTIALS {
        for spelled in
            [name.to_owned(), name.replace('-', "_"), name.replace('-', "."), name.replacen('-', "_", 1)]
        {
            let (headers, found) = clean(&[(&spelled, "spoofed"), ("accept", "*/*")]);
            assert_eq!(headers.len(), 1, "{spelled}");
            assert_eq!(found.credentials_dropped, 1, "{spelled}");
        }
    }
    let (headers, found) = clean(&[("authorization", "a"), ("authorization", "b"), ("x_client_hash", "c")]);
    assert!(headers.is_empty());
    assert_eq!(found.credentials_dropped, 3);
}

#[test]
fn a_credential_passes_only_if_configured_and_only_in_its_own_spelling() {
    let pass = |name| CredentialHeader { name: HeaderName::from_static(name), on_client: OnClient::Pass };
    let drop = |name| CredentialHeader { name: HeaderName::from_static(name), on_client: OnClient::Drop };
    let policy = HeaderPolicy::new(&HeaderSettings {
        credentials: vec![pass("authorization"), drop("x-extra-secret")],
        ..HeaderSettings::default()
    });
    let (headers, found) = clean_with(
        &policy,
        &[
            ("authorization", "Bearer mine"),
            ("x-extra-secret", "1"),
            ("x_extra_secret", "2"),
            ("x-extra", "3"),
        ],
    );
    assert_eq!(headers["authorization"], "Bearer mine");
    assert_eq!(headers.len(), 2);
    assert_eq!(found.credentials_dropped, 2);
    let mut back = answer(&[("authorization", "x"), ("x-extra-secret", "y"), ("etag", "z")]);
    policy.clean_response(&mut back);
    assert_eq!(back.len(), 1);
}

#[test]
fn claims_about_the_sender_and_the_page_stay_here() {
    let (headers, _) = clean(&[
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-host", "evil"),
        ("x_forwarded_user", "admin"),
        ("x.forwarded.anything-at-all", "1"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x_http_method_override", "DELETE"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-storage-access", "none"),
        ("origin", "http://localhost:8787"),
        ("referer", "http://127.0.0.1:8787/ui?x"),
        ("cookie", "a=b"),
        ("x-workspace-id", "7"),
    ]);
    assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-workspace-id"]);
}

#[test]
fn a_page_of_elsewhere_is_the_clients_own_word() {
    for local in [
        "null",
        "http://localhost",
        "https://LOCALHOST:1/x",
        "http://a.localhost/",
        "http://[::1]:8787",
        "http://127.9.9.9?x",
        "http://0.0.0.0:1",
    ] {
        assert!(is_local_page(local.as_bytes()), "{local}");
    }
    for remote in ["https://portal.example/app", "http://localhost.example", "about:client", ""] {
        assert!(!is_local_page(remote.as_bytes()), "{remote}");
    }
    let mut request = Request::builder().header("origin", "https://dev.example").body(()).unwrap();
    HeaderPolicy::default().clean_request(&mut request, true);
    assert!(request.headers().is_empty(), "an allowed page is named to nobody");
}

#[test]
fn cookies_pass_only_if_configured_and_then_as_one_field() {
    let policy = HeaderPolicy::new(&HeaderSettings { cookies: Cookies::Pass, ..HeaderSettings::default() });
    let (headers, _) = clean_with(&policy, &[("cookie", "a=1"), ("cookie", "b=2")]);
    assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
}

#[test]
fn a_plausible_request_id_is_kept_up_to_its_length() {
    let kept = |id: &str| clean(&[("x-request-id", id)]).0.contains_key("x-request-id");
    assert!(kept("0b9d2c3e-8a6f-4d55-9b7e-3f1f0c6f1a2b"));
    assert!(kept(&"a".repeat(REQUEST_ID_MAX)));
    assert!(!kept(&"a".repeat(REQUEST_ID_MAX + 1)));
    for id in ["", "a b", "a,b", "<script>", "a\"b", "{}"] {
        assert!(!kept(id), "{id}");
    }
    assert!(clean(&[("x-request-id", "a"), ("x-request-id", "b")]).0.is_empty());
}

#[test]
fn only_a_whole_handshake_is_a_websocket() {
    let upgrade = |fields: &[(&str, &str)]| {
        let (headers, found) = clean(fields);
        assert!(!headers.contains_key("upgrade") && !headers.contains_key("connection"), "{fields:?}");
        found.websocket
    };
    assert!(upgrade(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]));
    assert!(!upgrade(&[("upgrade", "websocket")]));
    assert!(!upgrade(&[("connection", "upgrade"), ("upgrade", "h2c")]));
    assert!(!upgrade(&[("connection", "upgrade"), ("upgrade", "websocket, h2c")]));
    assert!(!upgrade(&[("connection", "upgrade"), ("upgrade", "h2c"), ("upgrade", "websocket")]));
    assert!(!upgrade(&[("connection", "upgrade")]));
    let mut post =
        Request::post("/x").header("connection", "upgrade").header("upgrade", "websocket").body(()).unwrap();
    assert!(!HeaderPolicy::default().clean_request(&mut post, false).websocket);
    let (headers, _) =
        clean(&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "k")]);
    assert_eq!(headers["sec-websocket-key"], "k");
}

#[test]
fn an_answer_loses_what_would_bind_or_betray_and_keeps_the_rest() {
    let mut headers = answer(&[
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-private-network", "true"),
        ("strict-transport-security", "max-age=1"),
        ("alt-svc", "h3=\":443\""),
        ("clear-site-data", "\"*\""),
        ("service-worker-allowed", "/"),
        ("proxy-authenticate", "Basic"),
        ("public-key-pins", "x"),
        ("x-portal-access-code", "secret"),
        ("x_client_hash", "secret"),
        ("content-length", "3"),
        ("content-type", "application/json"),
        ("trailer", "x-sum"),
        ("www-authenticate", "Bearer"),
        ("x-request-id", "1"),
        ("vary", "Origin"),
    ]);
    HeaderPolicy::default().clean_response(&mut headers);
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        ["content-length", "content-type", "trailer", "vary", "www-authenticate", "x-request-id"]
    );
}

#[test]
fn a_trailer_neither_frames_nor_authenticates() {
    let mut trailers = answer(&[
        ("x-sum", "1"),
        ("content-length", "9"),
        ("transfer-encoding", "chunked"),
        ("set-cookie", "a=b"),
        ("authorization", "x"),
        ("grpc-status", "0"),
    ]);
    HeaderPolicy::default().clean_trailers(&mut trailers);
    let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["grpc-status", "x-sum"]);
}

fn field_name() -> impl Strategy<Value = String> {
    let listed = proptest::sample::select(
        [&CREDENTIALS[..], &REQUEST_DROPS[..], &["accept", "te", "upgrade", "x-forwarded-x", "range"]]
            .concat(),
    );
    (listed, "[-_.]{3}").prop_map(|(name, marks)| {
        let mut marks = marks.chars().cycle();
        name.chars().map(|c| if c == '-' { marks.next().unwrap_or('-') } else { c }).collect()
    })
}

#[test]
fn an_imitation_of_a_family_is_dropped_at_any_length() {
    for length in [1, 100, 115, 116, 117, 500] {
        for family in ["x_forwarded_", "x-forwarded_", "sec_fetch.", "x-forwarded-"] {
            let name = format!("{family}{}", "v".repeat(length));
            assert!(clean(&[(&name, "1")]).0.is_empty(), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn nothing_that_folds_to_a_listed_name_survives(
        names in proptest::collection::vec(field_name(), 0..12),
        connection in proptest::option::of("[a-z,\" -]{0,24}"),
    ) {
        let mut fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        if let Some(options) = &connection {
            fields.push(("connection", options));
        }
        let (headers, found) = clean(&fields);
        for name in headers.keys() {
            let folded = name.as_str().replace(['_', '.'], "-");
            prop_assert!(!CREDENTIALS.contains(&folded.as_str()), "{}", name);
            prop_assert!(!REQUEST_DROPS.contains(&folded.as_str()), "{}", name);
            prop_assert!(!folded.starts_with("x-forwarded-"), "{}", name);
            prop_assert!(name != "connection");
        }
        let sent = names.iter().filter(|name| CREDENTIALS.contains(&name.replace(['_', '.'], "-").as_str()));
        prop_assert_eq!(found.credentials_dropped as usize, sent.count());
    }

    #[test]
    fn cleaning_twice_changes_nothing_more(names in proptest::collection::vec(field_name(), 0..12)) {
        let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let (once, _) = clean(&fields);
        let again: Vec<(&str, &str)> =
            once.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        prop_assert_eq!(clean(&again).0, once);
    }
}
