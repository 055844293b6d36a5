//! Where Redis is, as one URL says it.

use std::fmt;

use url::{Host, Url};

/// The port of a Redis, and of a Sentinel.
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where Redis is: `redis://user@host:6379/0`; `rediss://` for TLS; `redis-sentinel://host:26379/0?master=NAME` and
/// `redis-cluster://host:6379`, where `&node=host:port` names further ones. `valkey` may stand for `redis`. There is
/// no password in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(super) kind: Kind,
    pub(super) tls: bool,
    pub(super) nodes: Vec<(String, u16)>,
    pub(super) user: Option<String>,
    pub(super) database: i64,
}

/// What answers there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// One server.
    One,
    /// Sentinels that know who is the master of this name.
    Sentinel(String),
    /// The nodes of a cluster.
    Cluster,
}

/// The password that a URL of a secret source may hold, in clear, for the type that keeps it.
type Password = Option<String>;

impl RedisUrl {
    /// Whether it is meant to be one: what follows the scheme may be wrong.
    pub fn is_meant(text: &str) -> bool {
        text.split_once("://").is_some_and(|(scheme, _)| scheme_of(scheme).is_some())
    }

    /// Reads a URL, and apart from it the password that it holds.
    ///
    /// # Errors
    /// What is wrong. The URL is not repeated, since it may hold a password.
    pub fn parse(text: &str) -> Result<(Self, Password), String> {
        let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
        let (tls, suffix) = scheme_of(url.scheme()).ok_or_else(|| {
            "must begin with redis:// or rediss://, or their forms with -sentinel or -cluster".to_owned()
        })?;
        let mut master = None;
        let default_port = if suffix == "sentinel" { SENTINEL_PORT } else { REDIS_PORT };
        let host = match url.host() {
            Some(Host::Domain("")) | None => return Err("names no host".to_owned()),
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
        };
        let mut nodes = vec![(host, url.port().unwrap_or(default_port))];
        for (key, value) in url.query_pairs() {
            match &*key {
                "master" if suffix == "sentinel" && !value.is_empty() => master = Some(value.into_owned()),
                "node" if !suffix.is_empty() => nodes.push(node(&value, default_port)?),
                _ => return Err(format!("has a part that is not understood: {}", key.escape_debug())),
            }
        }
        let kind = match (suffix, master) {
            ("sentinel", Some(master)) => Kind::Sentinel(master),
            ("sentinel", None) => return Err("names no master: add ?master=NAME".to_owned()),
            ("cluster", _) => Kind::Cluster,
            _ => Kind::One,
        };
        let database = match url.path().trim_matches('/') {
            "" => 0,
            number => number
                .parse()
                .ok()
                .filter(|number| (0..=65_535).contains(number))
                .ok_or_else(|| "has no number of a database, 0 to 65535, as its path".to_owned())?,
        };
        if kind == Kind::Cluster && database != 0 {
            return Err("names a database, and a cluster has one only".to_owned());
        }
        if url.fragment().is_some() {
            return Err("has a fragment (#), which means nothing here".to_owned());
        }
        let user = decoded(url.username())?.filter(|user| !user.is_empty());
        let password = url.password().map(decoded).transpose()?.flatten();
        Ok((Self { kind, tls, nodes, user, database }, password))
    }
}

/// As a person may see it; there is no secret in it.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.kind {
            Kind::One => "",
            Kind::Sentinel(_) => "-sentinel",
            Kind::Cluster => "-cluster",
        };
        let nodes: Vec<String> = self.nodes.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(f, "redis{}{suffix}://{}", if self.tls { "s" } else { "" }, nodes.join(","))
    }
}

/// Whether there is TLS, and what follows the dash.
fn scheme_of(scheme: &str) -> Option<(bool, &str)> {
    let (base, suffix) = scheme.split_once('-').unwrap_or((scheme, ""));
    let tls = match base {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return None,
    };
    matches!(suffix, "" | "sentinel" | "cluster").then_some((tls, suffix))
}

fn node(text: &str, default_port: u16) -> Result<(String, u16), String> {
    let bad = || format!("has a node that is not host:port: {}", text.escape_debug());
    let url = Url::parse(&format!("redis://{text}")).map_err(|_| bad())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(bad)?;
    let plain = url.username().is_empty() && url.password().is_none() && url.path().is_empty();
    if !plain || url.query().is_some() || url.fragment().is_some() {
        return Err(bad());
    }
    Ok((host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(default_port)))
}

/// Without its `%xx`.
fn decoded(text: &str) -> Result<Option<String>, String> {
    // A pair of a query that is nothing but this text: the same rule, but for the plus sign.
    let text = text.replace('+', "%2B");
    let value = url::form_urlencoded::parse(text.as_bytes()).next().map(|(key, _)| key.into_owned());
    match value {
        Some(value) if value.contains('\u{fffd}') => {
            Err("has a user or password that is not UTF-8".to_owned())
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RedisUrl {
        RedisUrl::parse(text).unwrap().0
    }

    #[test]
    fn each_form_is_read() {
        let one = read("redis://localhost");
        assert_eq!((one.kind, one.tls, one.database, one.user), (Kind::One, false, 0, None));
        assert_eq!(one.nodes, [("localhost".to_owned(), 6379)]);
        let tls = read("valkeys://app@[::1]:7000/3");
        assert_eq!((tls.tls, tls.database, tls.user.as_deref()), (true, 3, Some("app")));
        assert_eq!(tls.nodes, [("::1".to_owned(), 7000)]);
        let sentinel = read("redis-sentinel://a/1?master=mine&node=b:1&node=c");
        assert_eq!(sentinel.kind, Kind::Sentinel("mine".into()));
        assert_eq!(sentinel.nodes, [("a".into(), 26379), ("b".into(), 1), ("c".into(), 26379)]);
        assert_eq!(read("rediss-cluster://a?node=b").nodes, [("a".into(), 6379), ("b".into(), 6379)]);
    }

    #[test]
    fn a_password_is_handed_out_apart_and_shown_nowhere() {
        let (url, password) = RedisUrl::parse("redis://app:CNRY%2F%3A+1@h").unwrap();
        assert_eq!(password.as_deref(), Some("CNRY/:+1"));
        assert_eq!((url.to_string().as_str(), url.user.as_deref()), ("redis://h:6379", Some("app")));
        for bad in ["redis://app:CNRY@h/x", "http://app:CNRY@h", "redis://app:CNRY@", "redis://:CNRY@h?x=1"] {
            assert!(!RedisUrl::parse(bad).unwrap_err().contains("CNRY"), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, says) in [
            ("redis://", "names no host"),
            ("redis://h/x", "number of a database"),
            ("redis://h?node=b", "not understood: node"),
            ("redis-sentinel://h", "names no master"),
            ("redis-cluster://h/1", "a cluster has one only"),
            ("redis-cluster://h?node=a:b:c", "not host:port"),
            ("redis-other://h", "must begin with"),
            ("rediss://h#insecure", "a fragment"),
        ] {
            assert!(RedisUrl::parse(text).unwrap_err().contains(says), "{text}: {:?}", RedisUrl::parse(text));
        }
    }
}
