//! `[guard]`: who may speak to the proxy, beyond its own addresses.

use http::uri::Authority;
use http::{HeaderName, HeaderValue};
use url::{Origin as WebOrigin, Url};

use crate::config::document::Written;
use crate::config::layers::Section;
use crate::config::problem::{Problem, quoted};
use crate::config::reader::Reader;
use crate::config::secret_source::{SecretError, SecretSource, Surroundings};
use crate::config::setting::{Fallback, Kind, Setting, section};
use crate::config::values::FromWritten;
use crate::secret::LocalKey;

section! {
    /// Who may speak to the proxy, beyond its own addresses.
    pub struct Guard in "guard" {
        "Further names that callers may use for the proxy, each with its port as the Host header has it. Always \
         allowed: the addresses it listens on, and localhost with their ports."
            allowed_hosts: Vec<AllowedHost> = Fallback::Is("[]"), Kind::List(r#"hosts: "portal.test:8787""#);
        "Web pages that may call the proxy, by their origin; a local front end in development, say. Such a page \
         acts as you."
            allowed_origins: Vec<Origin> = Fallback::Is("[]"), Kind::List(r#"origins: "http://localhost:5173""#);
        "Whether such pages may send and receive cookies."
            allow_credentials: bool = Fallback::Is("false"), Kind::Switch;
        "A key that every caller has to show, so that other users of this machine cannot use the proxy."
            local_key: Option<SecretSource> = Fallback::Nothing(r#"{ file = "local-key" }"#), Kind::Secret;
        "The header it is shown in. Proxy-Authorization is taken as well."
            local_key_header: HeaderName = Fallback::Is(r#""X-Portunus-Key""#), Kind::Text("a header name");
    }
}

impl Guard {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        Self::fields(section)
    }

    /// The local key, fetched from its source, if there is one.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn fetch_local_key(&self, from: &Surroundings<'_>) -> Result<Option<LocalKey>, SecretError> {
        match &self.local_key {
            Some(source) => source.resolve("guard.local_key", LocalKey::new, from).await.map(Some),
            None => Ok(None),
        }
    }
}

/// A host, and a port if one was given, as a Host header spells it; lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost(Authority);

impl AllowedHost {
    /// Host and port.
    pub fn authority(&self) -> &Authority {
        &self.0
    }

    /// A text in lower case as a host.
    pub(in crate::config) fn parse(text: &str) -> Option<Self> {
        let host = text.parse::<Authority>().ok().filter(|a| !text.contains('@') && !a.host().is_empty());
        host.filter(|host| !host.as_str().ends_with(':') && host.port_u16() != Some(0)).map(Self)
    }

    /// Whether some `Host` field is both; one without a port has any.
    pub(in crate::config) fn meets(&self, other: &Self) -> bool {
        let same_port = match (self.0.port_u16(), other.0.port_u16()) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => true,
        };
        self.0.host() == other.0.host() && same_port
    }
}

impl FromWritten for AllowedHost {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?.to_ascii_lowercase();
        let problem = |text: String| Problem::new(&written.place, text);
        let Some(Self(host)) = Self::parse(&text) else {
            reader.report(problem(format!("{} is no host", quoted(&text))).hint(r#"write "name:port""#));
            return None;
        };
        if host.host().contains('*') {
            reader.report(problem(format!("{}: each host is named in full", quoted(&text))));
            return None;
        }
        if matches!(host.host(), "0.0.0.0" | "[::]") {
            // A browser page can reach every local service under this name.
            reader.report(problem(format!("{} names no host, and is never allowed", quoted(&text))));
            return None;
        }
        Some(Self(host))
    }
}

/// A web origin (RFC 6454), as an Origin header spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    /// The value of the Origin header.
    pub fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl FromWritten for Origin {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let refused = |text: String| {
            Problem::new(&written.place, text)
                .hint(r#"write "http://localhost:5173": scheme, host and port alone"#)
        };
        if text == "*" || text == "null" {
            reader.report(refused(format!("the origin {} stands for every page", quoted(&text))));
            return None;
        }
        let url = Url::parse(&text).ok().filter(|url| {
            let bare = url.path() == "/"
                && !text.ends_with('/')
                && url.query().is_none()
                && url.fragment().is_none();
            bare && url.username().is_empty() && url.password().is_none() && !text.contains('*')
        });
        let origin = url
            .map(|url| url.origin())
            .filter(WebOrigin::is_tuple)
            .map(|origin| origin.ascii_serialization());
        let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(&origin).ok()) else {
            reader.report(refused(format!("{} is no origin", quoted(&text))));
            return None;
        };
        Some(Self(origin))
    }
}
