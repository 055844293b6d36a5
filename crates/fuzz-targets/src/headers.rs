//! Which header fields travel on.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use portunus::guard::{self, Guard};
use portunus::listener::{Door, Peer};
use portunus::route::{RouteTable, Settings};
use portunus::upstream::{Injected, OutBody, Outgoing};

static GUARD: LazyLock<Guard> =
    LazyLock::new(|| Guard::new(&guard::Settings::default()).expect("an empty list stands"));
static TABLE: LazyLock<RouteTable> =
    LazyLock::new(|| RouteTable::new(Settings::default()).expect("no pattern, none wrong"));

/// Never sent on, in no spelling that a server could take for it: credentials, framing, what belongs to one hop, and
/// what is said about who asked.
const NEVER: [&str; 20] = [
    "authorization",
    "cookie",
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "x-portal-access-code",
    "x-client-hash",
    "x-secure-channel-session-id",
    "x-sc-session-id",
    "x-sc-version",
    "forwarded",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
];

/// What a client sends under a name of ours, or names in `Connection`, does not travel on; all else does, as it came.
pub fn headers(data: &[u8]) {
    let mut request = Request::new(());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = http::Uri::from_static("/");
    request.headers_mut().insert("host", HeaderValue::from_static("x"));
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = parts.next().and_then(|value| HeaderValue::from_bytes(value.trim_ascii()).ok());
        if let Some((name, value)) = name.zip(value) {
            request.headers_mut().append(name, value);
        }
    }
    let sent = request.headers().clone();
    let Ok(admitted) = GUARD.admit(request, &Peer::Unix { uid: 0, door: Door::default() }) else { return };
    let Ok(routed) = TABLE.resolve(admitted) else { return };
    let (parts, ..) = routed.into_parts();
    let outgoing = Outgoing::plain(parts, OutBody::Full(Bytes::new()), None, &Injected::new(Vec::new()));
    let (parts, _) = outgoing.into_request();
    judge(&sent, &parts.headers);
}

fn judge(sent: &HeaderMap, travelling: &HeaderMap) {
    let ended: BTreeSet<String> = sent
        .get_all("connection")
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .collect();
    for (name, value) in travelling {
        let folded = name.as_str().replace(['_', '.'], "-");
        assert!(!NEVER.contains(&folded.as_str()), "{name} travels on");
        assert!(
            !folded.starts_with("x-forwarded-") && !folded.starts_with("sec-fetch-"),
            "{name} travels on"
        );
        if name == "x-request-id" {
            assert_eq!(travelling.get_all(name).iter().count(), 1, "one id");
            continue;
        }
        if name == "te" {
            // Said again in one spelling; of this hop, but what `Connection` names with it is the client's hop.
            assert_eq!(value, "trailers", "no coding of a transfer travels on");
            continue;
        }
        assert!(!ended.contains(name.as_str()), "{name} travels on, though Connection names it");
        assert!(sent.get_all(name).iter().any(|was| was == value), "{name} is not what it was");
    }
    // What is about the request itself is not lost on the way.
    for name in ["accept", "content-type", "if-none-match", "user-agent", "x-anything"] {
        if !ended.contains(name) {
            let both = [sent, travelling].map(|map| map.get_all(name).iter().count());
            assert_eq!(both[0], both[1], "{name} is lost");
        }
    }
}
