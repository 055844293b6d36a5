//! The portal's base URL, and the only arithmetic on targets there is: prefix before a path, and off again.

use bytes::{BufMut, Bytes, BytesMut};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use url::Url;

/// Scheme, authority and path prefix of the portal, checked once.
#[derive(Debug, Clone)]
pub struct Base {
    scheme: Scheme,
    authority: Authority,
    host: String,
    port: u16,
    prefix: String,
    host_header: HeaderValue,
}

impl Base {
    /// Takes the base URL apart.
    ///
    /// # Errors
    /// If requests cannot be built on it; the text says why.
    pub fn new(url: &Url) -> Result<Self, String> {
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            other => return Err(format!("the portal's URL begins with {other}:, not with http: or https:")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the portal's URL holds a user name or password".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("the portal's URL holds a query or a fragment".into());
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err("the portal's URL names no host".into());
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let prefix = url.path().trim_end_matches('/').to_owned();
        check_prefix(&prefix)?;
        Ok(Self {
            scheme,
            host_header: HeaderValue::from_str(&authority).map_err(|_| "the portal's host is not ASCII")?,
            authority: Authority::try_from(authority).map_err(|e| format!("the portal's authority: {e}"))?,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            prefix,
        })
    }

    /// Host and port as configured; the port is left out where the URL leaves it out.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own where the URL leaves it out.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The path prefix, without a slash at its end; mostly empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }

    /// The origin-form target (RFC 9112 section 3.2.1) of a path below the base URL.
    ///
    /// The result has no authority of its own, whatever the path looks like; so it cannot change the portal's.
    pub(super) fn target(&self, path: Option<PathAndQuery>) -> Uri {
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if self.prefix.is_empty() {
            return Uri::from(path);
        }
        let below = path.as_str();
        let mut whole = BytesMut::with_capacity(self.prefix.len() + below.len() + 1);
        whole.put_slice(self.prefix.as_bytes());
        if !below.starts_with('/') {
            whole.put_u8(b'/'); // asterisk-form, or a query alone
        }
        whole.put_slice(if below == "*" { b"" } else { below.as_bytes() });
        // Both parts were checked as paths before, so their sum is one; a bare prefix is a safe answer in any case.
        let whole = PathAndQuery::from_maybe_shared(whole.freeze())
            .or_else(|_| PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(self.prefix.as_bytes())))
            .unwrap_or_else(|_| PathAndQuery::from_static("/"));
        Uri::from(whole)
    }

    /// Writes that target.
    pub(super) fn write_target(&self, path: Option<&PathAndQuery>, out: &mut Vec<u8>) {
        let below = path.map_or("/", PathAndQuery::as_str);
        out.extend_from_slice(self.prefix.as_bytes());
        match below.as_bytes() {
            b"*" if self.prefix.is_empty() => out.push(b'*'),
            b"*" => out.push(b'/'),
            whole @ [b'/', ..] => out.extend_from_slice(whole),
            rest => {
                out.push(b'/'); // a query alone
                out.extend_from_slice(rest);
            }
        }
    }

    /// The same target with scheme and authority, as HTTP/2 wants it (RFC 9113 section 8.3.1).
    pub(super) fn absolute(&self, target: Uri) -> Uri {
        let mut parts = target.into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// Where a reference in an answer (`Location` and its kin) leads.
    pub fn locate(&self, reference: &str) -> Located {
        let absolute = if let Some(rest) = reference.strip_prefix("//") {
            Url::parse(&format!("{}://{rest}", self.scheme))
        } else if reference.starts_with('/') {
            return match self.below(reference) {
                Some(path) if path.len() == reference.len() => Located::Unchanged,
                Some(path) => Located::Path(path.into_owned()),
                // Leaves the prefix: only the portal's own address can say that.
                None => Located::Elsewhere(format!("{}://{}{reference}", self.scheme, self.authority)),
            };
        } else {
            Url::parse(reference)
        };
        let Ok(url) = absolute else { return Located::Unchanged }; // relative to the request, or nonsense
        if !self.is_self(&url) {
            return Located::Unchanged;
        }
        let mut tail = url.path().to_owned();
        if let Some(query) = url.query() {
            tail = format!("{tail}?{query}");
        }
        if let Some(fragment) = url.fragment() {
            tail = format!("{tail}#{fragment}");
        }
        self.below(&tail).map_or(Located::Unchanged, |path| Located::Local(path.into_owned()))
    }

    /// Whether a URL is on the portal. One that says `http` for our `https` is, too: portals behind a TLS
    /// terminator do so, and the next request goes out over TLS whatever the answer said.
    fn is_self(&self, url: &Url) -> bool {
        let same_host =
            url.host_str().is_some_and(|h| h.trim_matches(['[', ']']).eq_ignore_ascii_case(&self.host));
        let clear = url.username().is_empty() && url.password().is_none();
        let same_port = match url.scheme() {
            scheme if scheme == self.scheme.as_str() => url.port_or_known_default() == Some(self.port),
            "http" | "https" => url.port().is_none_or(|p| p == self.port),
            _ => false,
        };
        same_host && clear && same_port
    }

    /// The path without the prefix; `None` if it is not below it.
    fn below<'a>(&self, path: &'a str) -> Option<std::borrow::Cow<'a, str>> {
        let rest = path.strip_prefix(self.prefix.as_str())?;
        match rest.as_bytes().first() {
            Some(b'/') => Some(rest.into()),
            None | Some(b'?' | b'#') => Some(format!("/{rest}").into()),
            Some(_) => None,
        }
    }
}

/// Where a reference leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// Leave it as it is: another site, or relative to the request.
    Unchanged,
    /// To this path of ours; it was an absolute URL of the portal.
    Local(String),
    /// To this path of ours; it was a path with the portal's prefix.
    Path(String),
    /// To the portal, but outside what the proxy serves: this URL.
    Elsewhere(String),
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let lower = prefix.to_ascii_lowercase();
    let bad = |what: &str| Err(format!("the path prefix of the portal's URL holds {what}"));
    if prefix.contains("//") {
        return bad("an empty segment");
    }
    if ["%2f", "%5c", "%2e", "%00"].iter().any(|x| lower.contains(x)) || prefix.contains(['\\', ';']) {
        return bad("an encoded slash or dot, a backslash or a semicolon");
    }
    if !prefix.is_empty() && PathAndQuery::try_from(prefix).is_err() {
        return bad("a character that no path may hold");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Base {
        Base::new(&Url::parse(url).unwrap()).unwrap()
    }

    fn target(base: &Base, path: &str) -> String {
        let path = PathAndQuery::try_from(path).unwrap();
        let mut written = Vec::new();
        base.write_target(Some(&path), &mut written);
        let target = base.target(Some(path)).to_string();
        assert_eq!(String::from_utf8(written).unwrap(), target);
        target
    }

    #[test]
    fn a_prefix_goes_before_the_path_byte_for_byte() {
        let plain = base("https://portal.example");
        let under = base("http://127.0.0.1:18020/prometheus/");
        assert_eq!(target(&plain, "/a/%2e/b?x=%20&y"), "/a/%2e/b?x=%20&y");
        assert_eq!(target(&under, "/a?x"), "/prometheus/a?x");
        assert_eq!(target(&under, "/"), "/prometheus/");
        assert_eq!(target(&under, "*"), "/prometheus/");
        assert_eq!(target(&plain, "*"), "*");
        assert_eq!(target(&plain, "?a"), "/?a");
        assert_eq!(under.target(None).to_string(), "/prometheus/");
        assert_eq!(under.authority(), "127.0.0.1:18020");
        assert_eq!(plain.authority(), "portal.example");
        assert_eq!(plain.port(), 443);
    }

    #[test]
    fn no_path_changes_the_authority() {
        for url in ["https://portal.example", "https://portal.example/p"] {
            let base = base(url);
            for path in ["//evil.example/x", "/@evil.example/", "/.evil.example", "/:9/", "/x?@evil.example"]
            {
                let uri = base.target(Some(PathAndQuery::try_from(path).unwrap()));
                assert_eq!(uri.authority(), None, "{path}");
                assert_eq!(uri.to_string(), format!("{}{path}", base.prefix()));
                assert_eq!(base.absolute(uri).authority().unwrap().as_str(), "portal.example", "{path}");
            }
        }
    }

    #[test]
    fn a_base_url_that_could_mislead_is_refused() {
        for bad in [
            "ftp://h/",
            "https://u:p@h/",
            "https://h/?q",
            "https://h/#f",
            "https://h/a//b",
            "https://h/a%2fb",
            "https://h/a;b",
        ] {
            assert!(Base::new(&Url::parse(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn references_to_the_portal_become_ours_and_others_stay() {
        let base = base("https://portal.example/pre");
        let local = |p: &str| Located::Local(p.into());
        assert_eq!(base.locate("https://portal.example/pre/x?y#z"), local("/x?y#z"));
        assert_eq!(base.locate("https://PORTAL.example:443/pre"), local("/"));
        assert_eq!(base.locate("http://portal.example/pre/x"), local("/x"));
        assert_eq!(base.locate("//portal.example/pre/x"), local("/x"));
        assert_eq!(base.locate("/pre/x"), Located::Path("/x".into()));
        assert_eq!(base.locate("/prefix"), Located::Elsewhere("https://portal.example/prefix".into()));
        for other in [
            "https://portal.example.evil/pre/x",
            "https://portal.example:444/pre/x",
            "http://portal.example:8080/pre/x",
            "https://user@portal.example/pre/x",
            "https://portal.example/other",
            "mailto:a@portal.example",
            "next?page=2",
            "../up",
            "",
        ] {
            assert_eq!(base.locate(other), Located::Unchanged, "{other}");
        }
    }
}
