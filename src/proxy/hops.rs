//! What a request says of its way here: `Via` (RFC 9110 section 7.6.3), `Forwarded` (RFC 7239) and its forerunners.
//! Nothing, unless configured: the portal need not know what runs on a person's machine.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Version};

use crate::listener::Peer;
use crate::response::{Caller, ProxyError};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Which fields say who asked, and by which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forwarded {
    /// None.
    #[default]
    Off,
    /// `Forwarded`, as RFC 7239 has it.
    Standard,
    /// `X-Forwarded-For`, `-Host` and `-Proto`, as servers from before that expect.
    Customary,
    /// All of them.
    Both,
}

/// What is written into every request.
#[derive(Debug, Clone, Default)]
pub struct Hops {
    /// The name of this process among the hops; none where `Via` is off.
    name: Option<String>,
    forwarded: Forwarded,
}

impl Hops {
    /// With a name of its own that no other process has: two proxies in a row are no loop.
    pub fn new(via: bool, forwarded: Forwarded) -> Self {
        Self { name: via.then(|| format!("portunus-{:016x}", rand::random::<u64>())), forwarded }
    }

    /// Writes what is configured into a request that has been cleaned of a client's own claims.
    ///
    /// # Errors
    /// [`ProxyError::CameBack`] if it has come through this process before.
    pub(super) fn mark(&self, parts: &mut Parts, peer: &Peer, caller: &Caller) -> Result<(), ProxyError> {
        if let Some(name) = &self.name {
            if parts.headers.get_all(header::VIA).iter().any(|via| names(via, name)) {
                return Err(ProxyError::CameBack);
            }
            let protocol = match parts.version {
                Version::HTTP_10 => "1.0",
                Version::HTTP_2 => "2",
                _ => "1.1",
            };
            append(&mut parts.headers, header::VIA, &format!("{protocol} {name}"));
        }
        if self.forwarded != Forwarded::Off {
            self.say_who(&mut parts.headers, peer, caller);
        }
        Ok(())
    }

    fn say_who(&self, headers: &mut HeaderMap, peer: &Peer, caller: &Caller) {
        let client = match peer {
            Peer::Tcp { client, .. } | Peer::Tls { client, .. } => Some(client.ip().to_canonical()),
            Peer::Unix { .. } => None,
        };
        let host = caller.host().and_then(|host| host.to_str().ok());
        if matches!(self.forwarded, Forwarded::Standard | Forwarded::Both) {
            let mut element = match client {
                Some(IpAddr::V4(ip)) => format!("for={ip}"),
                Some(IpAddr::V6(ip)) => format!("for=\"[{ip}]\""),
                // Section 6.2: whoever comes by a unix socket has no address.
                None => "for=unknown".to_owned(),
            };
            if let Some(host) = host {
                let _ = write!(element, ";host=\"{}\"", host.replace('\\', "\\\\").replace('"', "\\\""));
            }
            let _ = write!(element, ";proto={}", caller.scheme());
            append(headers, header::FORWARDED, &element);
        }
        if matches!(self.forwarded, Forwarded::Customary | Forwarded::Both) {
            let client = client.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
            append(headers, X_FORWARDED_FOR, &client);
            append(headers, X_FORWARDED_PROTO, caller.scheme());
            if let Some(host) = host {
                append(headers, X_FORWARDED_HOST, host);
            }
        }
    }
}

/// Whether one of a `Via` field's hops has this name.
fn names(via: &HeaderValue, name: &str) -> bool {
    let mut hops = via.as_bytes().split(|&b| b == b',');
    let received_by = |hop: &[u8]| {
        hop.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1) == Some(name.as_bytes())
    };
    hops.any(received_by)
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::Door;

    fn marked(hops: &Hops, peer: Peer, host: &str, via: &[&str]) -> Result<HeaderMap, ProxyError> {
        let mut request = http::Request::builder().header("host", host);
        for value in via {
            request = request.header("via", *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        let caller = Caller::of(&mut parts);
        hops.mark(&mut parts, &peer, &caller)?;
        Ok(parts.headers)
    }

    fn tcp(client: &str) -> Peer {
        let local = "127.0.0.1:1".parse().unwrap();
        Peer::Tcp { client: client.parse().unwrap(), local, door: Door::default() }
    }

    #[test]
    fn who_asked_is_told_in_the_words_that_are_configured() {
        let says = |forwarded, peer, host: &str| {
            let headers = marked(&Hops::new(false, forwarded), peer, host, &[]).unwrap();
            ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via"]
                .map(|name| headers.get(name).map_or(String::new(), |v| v.to_str().unwrap().to_owned()))
        };
        let peer = tcp("127.0.0.1:5");
        assert_eq!(says(Forwarded::Off, peer, "localhost:1"), ["", "", "", "", ""]);
        assert_eq!(
            says(Forwarded::Standard, peer, "localhost:1"),
            ["for=127.0.0.1;host=\"localhost:1\";proto=http", "", "", "", ""]
        );
        assert_eq!(says(Forwarded::Customary, tcp("[::1]:5"), "[::1]:1"), ["", "::1", "[::1]:1", "http", ""]);
        assert_eq!(
            says(Forwarded::Both, Peer::Unix { uid: 1, door: Door::default() }, "a\"b\\c"),
            ["for=unknown;host=\"a\\\"b\\\\c\";proto=http", "unknown", "a\"b\\c", "http", ""]
        );
        assert_eq!(
            says(Forwarded::Standard, tcp("[::ffff:127.0.0.1]:5"), "h")[0],
            "for=127.0.0.1;host=\"h\";proto=http"
        );
        assert_eq!(says(Forwarded::Standard, tcp("[::1]:5"), "h")[0], "for=\"[::1]\";host=\"h\";proto=http");
    }

    #[test]
    fn a_request_that_has_been_here_is_known_by_its_via_and_another_proxys_is_not() {
        let (hops, other) = (Hops::new(true, Forwarded::Off), Hops::new(true, Forwarded::Off));
        let peer = tcp("127.0.0.1:5");
        let first = marked(&hops, peer, "h", &["1.0 fred, 2 portunus (portunus-0)"]).unwrap();
        let via: Vec<_> = first.get_all("via").iter().map(|via| via.to_str().unwrap()).collect();
        let name = hops.name.as_deref().unwrap();
        assert_eq!(via[1], format!("1.1 {name}"));
        assert!(marked(&other, peer, "h", &via).is_ok());
        let joined = via.join(" ,\t");
        for again in [&via[..], &[joined.as_str()]] {
            assert!(matches!(marked(&hops, peer, "h", again), Err(ProxyError::CameBack)), "{again:?}");
        }
    }
}
