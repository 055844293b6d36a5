//! Which header fields travel on, and which do not.
//!
//! Requests lose: hop-by-hop fields and what `Connection` names (RFC 9110 section 7.6.1), `Host` (the upstream
//! writes its own), client copies of credentials, claims about who asked and how, what a browser says about its
//! page, cookies unless passed on (a browser's jar for localhost is shared by all its ports), the local key.
//! Answers lose: hop-by-hop fields, cross-origin grants, what would bind a browser's whole localhost, challenges
//! for our own hop, and credentials, should the portal echo any. `Content-Length` and `Trailer` stay.

use http::header::{CONNECTION, COOKIE, HOST, TE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};

use super::sieve::{Doomed, Sieve, named_by_connection};

/// A plausible request id is no longer than this, in bytes.
const REQUEST_ID_MAX: usize = 128;

/// What becomes of a client's copy of a credential header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnClient {
    /// It is dropped and counted.
    #[default]
    Drop,
    /// It travels on; what injects credentials replaces it or leaves it, as configured there.
    Pass,
}

/// A header that carries a credential or names a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialHeader {
    /// Its name.
    pub name: HeaderName,
    /// What becomes of a client's copy.
    pub on_client: OnClient,
}

/// What becomes of a client's cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cookies {
    /// They stay here.
    #[default]
    Strip,
    /// They travel on.
    Pass,
}

/// What the policy is made from.
#[derive(Debug, Clone, Default)]
pub struct HeaderSettings {
    /// Credential headers beside those of PROTOCOL section 2, such as the configured extra ones; or one of those
    /// with another fate.
    pub credentials: Vec<CredentialHeader>,
    /// Cookies of clients.
    pub cookies: Cookies,
    /// The header of the local key, which never travels on.
    pub local_key_header: Option<HeaderName>,
}

/// The policy, made ready.
#[derive(Debug, Clone)]
pub struct HeaderPolicy {
    request: Sieve<Fate>,
    answer: Sieve<Fate>,
    cookies: Cookies,
}

/// What the pass over a request found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found {
    pub(super) credentials_dropped: u32,
    pub(super) websocket: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Drop,
    Credential,
    Host,
    Connection,
    Te,
    Upgrade,
    RequestId,
    Cookie,
    Page,
}

/// PROTOCOL section 2, in every dialect's spelling.
const CREDENTIALS: [&str; 6] = [
    "x-portal-access-code",
    "x-client-hash",
    "x-secure-channel-session-id",
    "x-sc-session-id",
    "x-sc-version",
    "authorization",
];

const REQUEST_DROPS: [&str; 24] = [
    // This hop's own. `Expect` is answered by hyper when the body is first wanted.
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "proxy-authorization",
    "proxy-authenticate",
    "http2-settings",
    "expect",
    "trailer",
    // Claims about the sender and the target that a server may believe.
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    // What a browser says about its page.
    "sec-fetch-site",
    "sec-fetch-mode",
    "sec-fetch-dest",
    "sec-fetch-user",
    "access-control-request-method",
    "access-control-request-headers",
];

const ANSWER_DROPS: [&str; 15] = [
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "te",
    "upgrade",
    "proxy-authenticate",
    "proxy-authentication-info",
    "strict-transport-security",
    "public-key-pins",
    "public-key-pins-report-only",
    "alt-svc",
    "clear-site-data",
    "service-worker-allowed",
    "http2-settings",
    "proxy-authorization",
];

/// Fields that no trailer may carry (RFC 9110 section 6.5.1): they frame, route, authenticate or select.
const TRAILER_DROPS: [&str; 14] = [
    "content-length",
    "content-encoding",
    "content-type",
    "content-range",
    "host",
    "trailer",
    "set-cookie",
    "www-authenticate",
    "location",
    "cache-control",
    "expires",
    "age",
    "vary",
    "date",
];

impl HeaderPolicy {
    /// Sorts the names.
    pub fn new(settings: &HeaderSettings) -> Self {
        let drops = |names: &'static [&'static str]| {
            names.iter().map(|name| (HeaderName::from_static(name), Fate::Drop))
        };
        let built_in = || CREDENTIALS.iter().map(|name| (HeaderName::from_static(name), Fate::Credential));
        let configured = settings.credentials.iter().map(|credential| {
            let fate = match credential.on_client {
                OnClient::Drop => Fate::Credential,
                OnClient::Pass => Fate::Keep,
            };
            (credential.name.clone(), fate)
        });
        let special = [
            (HOST, Fate::Host),
            (CONNECTION, Fate::Connection),
            (TE, Fate::Te),
            (UPGRADE, Fate::Upgrade),
            (COOKIE, Fate::Cookie),
            (http::header::ORIGIN, Fate::Page),
            (http::header::REFERER, Fate::Page),
            (HeaderName::from_static("x-request-id"), Fate::RequestId),
        ];
        let key = settings.local_key_header.iter().map(|name| (name.clone(), Fate::Drop));
        let request = Sieve::new(
            special.into_iter().chain(drops(&REQUEST_DROPS)).chain(built_in()).chain(configured).chain(key),
            [("x-forwarded-", Fate::Drop), ("sec-fetch-", Fate::Drop)],
        );
        // Whatever a client may send: no credential comes back.
        let configured =
            settings.credentials.iter().map(|credential| (credential.name.clone(), Fate::Credential));
        let answer = Sieve::new(
            [(CONNECTION, Fate::Connection)]
                .into_iter()
                .chain(drops(&ANSWER_DROPS))
                .chain(built_in())
                .chain(configured),
            [("access-control-", Fate::Drop)],
        );
        Self { request, answer, cookies: settings.cookies }
    }

    /// Cleans a request's fields; `allowed_page`: it comes from a page of an allowed origin.
    pub(super) fn clean_request<B>(&self, request: &mut Request<B>, allowed_page: bool) -> Found {
        let mut found = Found::default();
        let mut doomed = Doomed::default();
        let (mut host, mut connection, mut te, mut upgrade) = (false, false, false, None);
        let (mut trailers, mut asks_upgrade, mut ids, mut crumbs) = (false, false, 0, 0);
        for (name, value) in request.headers() {
            let text = name.as_str();
            let fate = match self.request.class(text) {
                Some(fate) => fate,
                None => match self.request.imitated(text) {
                    // An imitation is dropped even where the real one may pass.
                    Some(Fate::Credential | Fate::Keep) => Fate::Credential,
                    Some(_) => Fate::Drop,
                    None => continue,
                },
            };
            match fate {
                Fate::Keep => {}
                Fate::Drop => doomed.add(name),
                Fate::Credential => {
                    found.credentials_dropped += 1;
                    doomed.add(name);
                }
                Fate::Host => host = true,
                Fate::Connection => {
                    connection = true;
                    for named in named_by_connection(value) {
                        asks_upgrade |= named == UPGRADE;
                        doomed.add(&named);
                    }
                }
                Fate::Te => {
                    te = true;
                    trailers |= has_token(value, "trailers");
                }
                Fate::Upgrade => upgrade = Some((upgrade.is_none(), value)),
                Fate::RequestId => {
                    ids += 1;
                    if ids > 1 || !is_plausible_id(value.as_bytes()) {
                        doomed.add(name);
                    }
                }
                Fate::Cookie => match self.cookies {
                    Cookies::Strip => doomed.add(name),
                    Cookies::Pass => crumbs += 1,
                },
                Fate::Page => {
                    if allowed_page || is_local_page(value.as_bytes()) {
                        doomed.add(name);
                    }
                }
            }
        }
        let websocket =
            matches!(upgrade, Some((true, value)) if value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        found.websocket = websocket
            && asks_upgrade
            && request.method() == Method::GET
            && request.version() == Version::HTTP_11;
        let upgrade = upgrade.is_some();

        let headers = request.headers_mut();
        // These are on nearly every request, and known without a list.
        if host {
            headers.remove(HOST);
        }
        if connection {
            headers.remove(CONNECTION);
        }
        if upgrade {
            headers.remove(UPGRADE);
        }
        doomed.remove_from(headers);
        if te {
            headers.remove(TE);
            if trailers {
                headers.insert(TE, HeaderValue::from_static("trailers"));
            }
        }
        if crumbs > 1 {
            join_cookies(headers);
        }
        found
    }

    /// Cleans an answer's fields. Those of a 101 are the proxy's own to write again.
    pub fn clean_response(&self, headers: &mut HeaderMap) {
        self.clean_answer(headers, |_| false);
    }

    /// Cleans an answer's trailer fields.
    pub fn clean_trailers(&self, trailers: &mut HeaderMap) {
        self.clean_answer(trailers, |name| TRAILER_DROPS.contains(&name));
    }

    fn clean_answer(&self, headers: &mut HeaderMap, also: impl Fn(&str) -> bool) {
        let mut doomed = Doomed::default();
        for (name, value) in headers.iter() {
            let text = name.as_str();
            match self.answer.class(text).or_else(|| self.answer.imitated(text)) {
                Some(Fate::Connection) => {
                    named_by_connection(value).for_each(|named| doomed.add(&named));
                    doomed.add(name);
                }
                Some(_) => doomed.add(name),
                None if also(text) => doomed.add(name),
                None => {}
            }
        }
        doomed.remove_from(headers);
    }
}

impl Default for HeaderPolicy {
    fn default() -> Self {
        Self::new(&HeaderSettings::default())
    }
}

/// HTTP/2 may split cookies; whoever reads HTTP/1 wants one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Values joined by "; " are a value again.
    if let Ok(mut joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

fn has_token(value: &HeaderValue, token: &str) -> bool {
    value
        .as_bytes()
        .split(|&b| b == b',')
        .any(|found| found.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Letters, digits and what UUIDs, ULIDs, trace ids and Base64 are written with.
fn is_plausible_id(id: &[u8]) -> bool {
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:~+/=@".contains(b);
    (1..=REQUEST_ID_MAX).contains(&id.len()) && id.iter().all(legal)
}

/// An `Origin` or `Referer` of this machine means nothing to the portal, and tells it what runs here.
fn is_local_page(value: &[u8]) -> bool {
    let Some(rest) = value.strip_prefix(b"http://").or_else(|| value.strip_prefix(b"https://")) else {
        return value == b"null";
    };
    let authority = rest.split(|b| matches!(b, b'/' | b'?' | b'#')).next().unwrap_or(rest);
    if authority.starts_with(b"[::1]") {
        return true;
    }
    let host = authority.split(|&b| b == b':').next().unwrap_or(authority).to_ascii_lowercase();
    host == b"localhost" || host.ends_with(b".localhost") || host.starts_with(b"127.") || host == b"0.0.0.0"
}

#[cfg(test)]
mod tests {
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
        let (headers, found) =
            clean(&[("authorization", "a"), ("authorization", "b"), ("x_client_hash", "c")]);
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
        let policy =
            HeaderPolicy::new(&HeaderSettings { cookies: Cookies::Pass, ..HeaderSettings::default() });
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
        let mut post = Request::post("/x")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .body(())
            .unwrap();
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
}
