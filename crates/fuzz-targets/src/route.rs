//! The path rule and the route table.

use std::sync::LazyLock;

use http::{Method, Request};
use portunus::guard::{self, Guard};
use portunus::listener::{Door, Peer};
use portunus::route::{Protection, RouteTable, Rule, Settings};

static GUARD: LazyLock<Guard> =
    LazyLock::new(|| Guard::new(&guard::Settings::default()).expect("an empty list stands"));

/// Sealed is what is below `/sealed`, one segment between two, and what begins with `begin`; nothing else is.
static TABLE: LazyLock<RouteTable> = LazyLock::new(|| {
    let sealed = |path: &str| Rule { protection: Protection::Sealed, ..Rule::for_path(path) };
    let rules = vec![sealed("/sealed/*"), sealed("/a/{any}/z"), sealed("/begin*")];
    RouteTable::new(Settings { rules, unmatched: Protection::Plain, ..Settings::default() })
        .expect("the patterns stand")
});

/// A path is refused, or it leads where a server would take it that undoes escapes, drops parameters, folds slashes
/// and resolves dots before it looks: sealed and plain are the same to both.
pub fn route(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(request) = Request::builder().method(Method::GET).uri(text).header("host", "x").body(()) else {
        return;
    };
    let Some(target) = request.uri().path_and_query().map(|target| target.as_str().to_owned()) else {
        return;
    };
    let Ok(admitted) = GUARD.admit(request, &Peer::Unix { uid: 0, door: Door::default() }) else { return };
    let Ok(routed) = TABLE.resolve(admitted) else { return };
    let forwarded = routed.parts().uri.path_and_query().map(|target| target.as_str());
    assert_eq!(forwarded, Some(target.as_str()), "what is accepted travels as it came");
    let segments = eagerly_resolved(routed.parts().uri.path());
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let is_sealed = match segments.as_slice() {
        ["sealed", ..] | ["a", _, "z"] => true,
        [only] => only.starts_with("begin"),
        _ => false,
    };
    assert_eq!(routed.route().protection() == Protection::Sealed, is_sealed, "{target} means {segments:?}");
}

/// The segments that an eager server sees.
fn eagerly_resolved(path: &str) -> Vec<String> {
    let mut segments = Vec::new();
    for segment in unescaped(path).replace('\\', "/").split('/') {
        match segment.split(';').next().unwrap_or_default().trim_matches(' ') {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other.to_owned()),
        }
    }
    segments
}

fn unescaped(path: &str) -> String {
    let mut bytes = path.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let rest = bytes.clone().take(2).collect::<Vec<u8>>();
        let escaped = rest.get(..2).and_then(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok());
        match escaped {
            Some(escaped) if byte == b'%' => {
                out.push(escaped);
                bytes.nth(1);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
