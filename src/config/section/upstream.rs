//! `[upstream]`: where the portal is, and how long to wait for it.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use url::{Host, Url};

use crate::config::document::{Entry, Value, Written};
use crate::config::forward_proxy::ProxyChoice;
use crate::config::layers::Section;
use crate::config::problem::{Problem, quoted};
use crate::config::reader::Reader;
use crate::config::secret_form;
use crate::config::secret_source::{SecretError, SecretSource, Surroundings};
use crate::config::setting::{Fallback, Kind, Setting, count, ms, section, size, span, words};
use crate::config::values::{FromWritten, Words as _};
use crate::held::HeldBytes;
use crate::portal::Dialect;
use crate::secret::ProxyCredentials;
use crate::upstream::{ClientIdentity, SealedHeaders, Settings};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

section! {
    /// Where the portal is, and how long to wait for it.
    pub struct Upstream in "upstream" {
        "The portal's base URL; a path in it goes before every path."
            url: Url = Fallback::Required(r#""https://portal.example.com""#), Kind::Text("a http:// or https:// URL");
        "Whether http:// may lead to another machine. Then anybody on the way can read the bearer."
            plain_http: bool = Fallback::Is("false"), Kind::Switch;
        "A PEM file of the authorities to trust instead of the system's."
            ca_file: Option<PathBuf> = Fallback::Nothing(r#""ca.pem""#), Kind::Path;
        "The SHA-256 of the public key that the portal's certificate must carry, beside being trusted."
            spki_pin: Option<KeyPin> =
                Fallback::Nothing(r#""5b1c86ed9b5f0a4f2f1a5e2f6f0b5a1c9d0e7a3b4c5d6e7f8091a2b3c4d5e6f7""#),
                Kind::Text("64 hex digits");
        "A PEM file of the certificate to show where the portal asks for one; needs client_key_file."
            client_cert_file: Option<PathBuf> = Fallback::Nothing(r#""client.pem""#), Kind::Path;
        "A PEM file of that certificate's private key."
            client_key_file: Option<PathBuf> = Fallback::Nothing(r#""client-key.pem""#), Kind::Path;
        "The forward proxy that connections go through (CONNECT): http://HOST:PORT, or \"none\". While it is not set the \
         environment is asked: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and never for a portal on this machine."
            proxy: Option<ProxyChoice> =
                Fallback::Nothing(r#""http://proxy.example.com:3128""#), Kind::Text("http://HOST:PORT, or \"none\"");
        "What that proxy asks for: USER:PASSWORD."
            proxy_credentials: Option<SecretSource> =
                Fallback::Nothing(r#"{ file = "proxy-credentials" }"#), Kind::Secret;
        "For DNS, TCP and TLS together."
            connect_timeout: Duration = Fallback::Is(r#""5s""#), span(ms(10), MINUTE);
        "From the end of a request to the head of its answer."
            head_timeout: Duration = Fallback::Is(r#""30s""#), span(ms(10), HOUR);
        "How long a body may stand still, in either direction. Event streams and WebSockets are exempt."
            body_idle_timeout: Duration = Fallback::Is(r#""60s""#), span(ms(10), HOUR);
        "How long an idle connection is kept for the next request."
            idle_timeout: Duration = Fallback::Is(r#""60s""#), span(ms(10), HOUR);
        "How long a connection may have been idle and still carry a request that cannot be sent twice."
            fresh_reuse: Duration = Fallback::Is(r#""1s""#), span(ms(0), HOUR);
        "How long an upload that waits for 100 Continue waits for the portal's; then it begins without."
            continue_timeout: Duration = Fallback::Is(r#""1s""#), span(ms(0), MINUTE);
        "An answer to a GET of at most this size is had whole before it is passed on, so that one that breaks off can be asked for once more. Of unknown length only JSON."
            whole_answer: usize = Fallback::Is(r#""64KiB""#), size(0, 16 << 20);
        "How many of a hundred requests that may be repeated are sent once more because their answer was lost; a hundred are saved up."
            repeat_percent: u32 = Fallback::Is("10"), count(0, 100);
        "Idle connections kept for each worker."
            max_idle: usize = Fallback::Is("256"), count(0, 65_536);
        "Whether HTTP/2 is spoken where the portal offers it."
            http2: bool = Fallback::Is("true"), Kind::Switch;
        "What becomes of cookies: they end here, or pass between callers and the portal, or the portal's are kept here in memory and sent back to it alone. A browser shares those that pass among all ports of localhost."
            cookies: Cookies = Fallback::Is(r#""strip""#), Kind::Choice(Cookies::WORDS);
        "Whether requests say by Via that they came through here; then one that comes back is refused."
            via: bool = Fallback::Is("false"), Kind::Switch;
        "Which headers tell the portal the caller's address and the host that it used: Forwarded (RFC 7239), the X-Forwarded-For, -Host and -Proto of before, both, or none. A caller's own are dropped in any case."
            forwarded: Forwarded = Fallback::Is(r#""off""#), Kind::Choice(Forwarded::WORDS);
        "Headers of the proxy's own, such as X-Client-Hash, that a caller may send in its place."
            pass_headers: Vec<HeaderName> = Fallback::Is("[]"), Kind::List(r#"header names: "X-Client-Hash""#);
        "Headers put into every request, such as those an edge would add. A value may be a secret's source."
            extra_headers: Vec<ExtraHeader> =
                Fallback::Is("{}"), Kind::Table(r#"names and values: { "X-Forwarded-Proto" = "https" }"#);
    }
}

impl Upstream {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let upstream = Self::fields(section)?;
        let mut report = |key: &str, text: String, hint: &str| {
            let place = section.place_of(key, Self::SETTINGS);
            section.reader.report(Problem::new(&place, text).hint(hint));
        };
        if upstream.url.scheme() == "http" && !upstream.plain_http && !is_loopback(&upstream.url) {
            let host = upstream.url.host_str().unwrap_or_default();
            let text = format!("http:// to {host} would show the bearer to everybody on the way");
            report("url", text, "use https://, or set plain_http = true if the way is known to be safe");
        }
        match (&upstream.client_cert_file, &upstream.client_key_file) {
            (Some(_), None) => {
                report("client_cert_file", "a certificate without its key".into(), "set client_key_file")
            }
            (None, Some(_)) => {
                report("client_key_file", "a key without its certificate".into(), "set client_cert_file")
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if upstream.sends_cookies() && upstream.cookies == Cookies::Jar {
            let hint = "leave one of them out: a request has one Cookie header";
            report("cookies", "'jar' sends cookies, and 'extra_headers' does too".into(), hint);
        }
        Some(upstream)
    }

    /// The credentials for the forward proxy, fetched from their source, if there is one.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub async fn fetch_proxy_credentials(
        &self,
        from: &Surroundings<'_>,
    ) -> Result<Option<ProxyCredentials>, SecretError> {
        match &self.proxy_credentials {
            Some(source) => {
                source.resolve("upstream.proxy_credentials", ProxyCredentials::new, from).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// Whether a cookie is among the extra headers.
    pub(in crate::config) fn sends_cookies(&self) -> bool {
        self.extra_headers.iter().any(|header| header.name == http::header::COOKIE)
    }

    /// What the doors out are built with, for a portal that speaks this dialect.
    pub fn settings(&self, dialect: &Dialect) -> Settings {
        let identity = self.client_cert_file.clone().zip(self.client_key_file.clone());
        Settings {
            url: self.url.clone(),
            ca_file: self.ca_file.clone(),
            spki_pin: self.spki_pin.as_ref().map(KeyPin::digest),
            client_identity: identity.map(|(cert_file, key_file)| ClientIdentity { cert_file, key_file }),
            via: None,
            connect_timeout: self.connect_timeout,
            head_timeout: self.head_timeout,
            body_idle_timeout: self.body_idle_timeout,
            idle_timeout: self.idle_timeout,
            fresh_reuse: self.fresh_reuse,
            continue_timeout: self.continue_timeout,
            whole_answer: self.whole_answer,
            repeat_percent: self.repeat_percent,
            held: HeldBytes::unbounded(),
            max_idle: self.max_idle,
            http2: self.http2,
            own_addresses: Vec::new(),
            sealed: SealedHeaders {
                session: dialect.session_header.clone(),
                version: dialect.sc_version,
                content_type: dialect.sealed_content_type.clone(),
            },
        }
    }
}

impl FromWritten for ProxyChoice {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        // No message repeats it: a password may stand in it.
        Self::parse(&text)
            .map_err(|why| reader.report(Problem::new(&written.place, format!("'{}' {why}", setting.key))))
            .ok()
    }
}

/// What becomes of cookies, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookies {
    /// They end at the proxy.
    Strip,
    /// They travel on, fitted to the local address.
    Pass,
    /// Those of the portal are kept here, and sent back to it; callers neither see nor send any.
    Jar,
}

words!(Cookies {
    "strip" => Self::Strip,
    "pass" => Self::Pass,
    "jar" => Self::Jar,
});

/// Which headers tell the portal who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// None.
    Off,
    /// `Forwarded`.
    Forwarded,
    /// `X-Forwarded-For`, `X-Forwarded-Host`, `X-Forwarded-Proto`.
    XForwarded,
    /// All of them.
    Both,
}

words!(Forwarded {
    "off" => Self::Off,
    "forwarded" => Self::Forwarded,
    "x-forwarded" => Self::XForwarded,
    "both" => Self::Both,
});

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        // RFC 6761 section 6.3.
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

impl FromWritten for Url {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        // No message repeats the URL: a password may stand in it.
        let wrong = match Self::parse(&text) {
            Err(error) => format!("'{}' must be {}: {error}", setting.key, setting.kind.wanted()),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                format!("'{}' must begin with http:// or https://", setting.key)
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                format!("'{}' must not hold a user name or a password", setting.key)
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                format!("'{}' must end with its path, without ? and #", setting.key)
            }
            Ok(url) if url.port() == Some(0) => {
                format!("'{}' has port 0, which nobody listens on", setting.key)
            }
            Ok(url) => return Some(url),
        };
        reader.report(Problem::new(&written.place, wrong));
        None
    }
}

/// The SHA-256 of a SubjectPublicKeyInfo, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPin([u8; 32]);

impl KeyPin {
    /// The digest.
    pub fn digest(&self) -> [u8; 32] {
        self.0
    }

    /// As [`crate::channel::Fingerprint`] reads it: lower-case hex.
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

impl FromWritten for KeyPin {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        // As openssl and browsers show it, too.
        let plain = text.strip_prefix("sha256:").unwrap_or(&text).replace(':', "");
        let digest = data_encoding::HEXLOWER_PERMISSIVE.decode(plain.as_bytes()).ok();
        let digest = digest.and_then(|digest| <[u8; 32]>::try_from(digest).ok());
        if digest.is_none() {
            let text = format!("'{}' must be a SHA-256: 64 hex digits, not {}", setting.key, quoted(&text));
            reader.report(Problem::new(&written.place, text));
        }
        digest.map(Self)
    }
}

/// A header put into every request to the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value, or where that comes from.
    pub value: ExtraValue,
}

/// The value of an [`ExtraHeader`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraValue {
    /// As it stands.
    Literal(HeaderValue),
    /// From a source, and to be marked sensitive.
    Secret(SecretSource),
}

/// What the proxy itself writes, or what belongs to one connection: never a fixed header.
const OWN: [&str; 16] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-client-hash",
    "x-portal-access-code",
    "x-sc-session-id",
    "x-secure-channel-session-id",
];

/// Headers whose value is a secret by definition.
const SECRET: [&str; 2] = ["cookie", "proxy-authorization"];

impl FromWritten for Vec<ExtraHeader> {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Table(table) = &written.value else {
            reader.mismatch(written, setting);
            return None;
        };
        let mut seen: Vec<HeaderName> = Vec::new();
        let read: Vec<Option<ExtraHeader>> = table
            .entries()
            .map(|entry| {
                let header = extra_header(entry, setting, reader)?;
                if seen.contains(&header.name) {
                    let text = format!("'{}' stands there twice (case does not count)", header.name);
                    reader.report(Problem::new(&entry.key_place, text));
                    return None;
                }
                seen.push(header.name.clone());
                Some(header)
            })
            .collect();
        read.into_iter().collect()
    }
}

fn extra_header(entry: &Entry, setting: &Setting, reader: &mut Reader<'_>) -> Option<ExtraHeader> {
    let mut refuse = |text: String, hint: Option<&str>| {
        let problem = Problem::new(&entry.key_place, text);
        reader.report(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
        None
    };
    let Ok(name) = HeaderName::from_bytes(entry.key.as_bytes()) else {
        return refuse(format!("{} is no header name (RFC 9110 section 5.1)", quoted(&entry.key)), None);
    };
    if OWN.contains(&name.as_str()) || name.as_str() == "x-sc-version" {
        return refuse(format!("'{name}' is written by the proxy itself"), None);
    }
    let value = match &entry.written.value {
        Value::Text(_) if SECRET.contains(&name.as_str()) => {
            let hint = format!("write {}", secret_form::FORMS);
            return refuse(format!("'{name}' is a secret, and no secret is written here"), Some(&hint));
        }
        Value::Text(text) => match HeaderValue::from_str(text) {
            Ok(value) => ExtraValue::Literal(value),
            Err(_) => {
                return refuse(
                    format!("the value of '{name}' is no header value (RFC 9110 section 5.5)"),
                    None,
                );
            }
        },
        Value::Table(source) => {
            ExtraValue::Secret(secret_form::named(source, &entry.written.place, setting, reader)?)
        }
        other => {
            return refuse(
                format!("'{name}' must be text or a secret's source, not {}", other.described()),
                None,
            );
        }
    };
    Some(ExtraHeader { name, value })
}
