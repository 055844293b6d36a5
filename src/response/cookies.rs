//! Cookies of the portal, made such that a client of localhost keeps them (RFC 6265 section 4.1).

use http::HeaderValue;
use http::header::{HeaderMap, SET_COOKIE};

use crate::upstream::Base;

/// What happens to `Set-Cookie`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cookies {
    /// Adapted to the local address. Note that cookies are shared by all ports of one host.
    #[default]
    Pass,
    /// Dropped.
    Strip,
}

impl Cookies {
    /// `under` is what local paths begin with, if anything.
    pub(super) fn apply(self, headers: &mut HeaderMap, base: &Base, under: &str) {
        if !headers.keys().any(|name| *name == SET_COOKIE) {
            return;
        }
        let cookies: Vec<HeaderValue> = match self {
            Self::Strip => Vec::new(),
            Self::Pass => {
                headers.get_all(SET_COOKIE).iter().filter_map(|c| adapted(c, base, under)).collect()
            }
        };
        headers.remove(SET_COOKIE);
        for cookie in cookies {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

fn adapted(cookie: &HeaderValue, base: &Base, under: &str) -> Option<HeaderValue> {
    let Ok(text) = cookie.to_str() else { return Some(cookie.clone()) };
    let mut parts = text.split(';').map(str::trim);
    let pair = parts.next()?;
    // A browser drops a cookie of these names without its Secure; with it, it takes it from localhost.
    let lower = pair.to_ascii_lowercase();
    let is_prefixed = lower.starts_with("__host-") || lower.starts_with("__secure-");
    let mut out = String::with_capacity(text.len());
    out.push_str(pair);
    for attribute in parts.filter(|a| !a.is_empty()) {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let (name, value) = (name.trim(), value.trim());
        let is = |n: &str| name.eq_ignore_ascii_case(n);
        if is("domain") || ((is("secure") || is("partitioned")) && !is_prefixed) {
            continue;
        }
        out.push_str("; ");
        if is("samesite") && value.eq_ignore_ascii_case("none") {
            out.push_str("SameSite=Lax");
        } else if is("path") && value.starts_with('/') {
            let path = below(value, base.prefix());
            // One of this name is for the whole host or not taken at all.
            let under = if lower.starts_with("__host-") { "" } else { under };
            out.push_str("Path=");
            out.push_str(under);
            if path != "/" || under.is_empty() {
                out.push_str(path);
            }
        } else {
            out.push_str(attribute);
        }
    }
    HeaderValue::from_str(&out).ok()
}

fn below<'a>(path: &'a str, prefix: &str) -> &'a str {
    match path.strip_prefix(prefix) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) | None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(cookie: &str) -> String {
        pass_under("", cookie)
    }

    fn pass_under(under: &str, cookie: &str) -> String {
        let base = Base::new(&url::Url::parse("https://portal.example/pre").unwrap()).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, cookie.parse().unwrap());
        headers.append(SET_COOKIE, HeaderValue::from_static("second=2"));
        Cookies::Pass.apply(&mut headers, &base, under);
        let all: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(all[1], "second=2");
        all[0].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_of_the_portal_becomes_one_of_localhost() {
        assert_eq!(
            pass("s=a=b; Domain=portal.example; Path=/pre/x; Secure; HttpOnly; SameSite=None; Max-Age=5"),
            "s=a=b; Path=/x; HttpOnly; SameSite=Lax; Max-Age=5"
        );
        assert_eq!(pass("s=1; path=/pre; samesite=Strict"), "s=1; Path=/; samesite=Strict");
        assert_eq!(pass("s=1; Path=/prefix"), "s=1; Path=/prefix");
        assert_eq!(pass("__Host-s=1; Secure; Path=/pre/"), "__Host-s=1; Secure; Path=/");
    }

    #[test]
    fn a_cookie_of_one_identity_stays_below_its_prefix() {
        for (from, to) in [
            ("s=1; Path=/pre/x", "s=1; Path=/alice/x"),
            ("s=1; Path=/pre", "s=1; Path=/alice"),
            ("s=1; Path=/", "s=1; Path=/alice"),
            ("s=1; Path=x", "s=1; Path=x"),
            ("s=1", "s=1"),
            ("__Host-s=1; Secure; Path=/", "__Host-s=1; Secure; Path=/"),
        ] {
            assert_eq!(pass_under("/alice", from), to);
        }
    }

    #[test]
    fn stripped_cookies_are_gone() {
        let base = Base::new(&url::Url::parse("https://portal.example").unwrap()).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
        Cookies::Strip.apply(&mut headers, &base, "");
        assert!(headers.is_empty());
    }
}
