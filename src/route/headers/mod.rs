//! Which header fields travel on, and which do not.
//!
//! Requests lose: hop-by-hop fields and what `Connection` names (RFC 9110 section 7.6.1), `Host` (the upstream
//! writes its own), client copies of credentials, claims about who asked and how, what a browser says about its
//! page, cookies unless passed on (a browser's jar for localhost is shared by all its ports), the local key.
//! Answers lose: hop-by-hop fields, cross-origin grants, what would bind a browser's whole localhost, challenges
//! for our own hop, and credentials, should the portal echo any. `Content-Length` and `Trailer` stay.

mod names;

use http::header::{CONNECTION, COOKIE, HOST, TE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};

use self::names::{ANSWER_DROPS, CREDENTIALS, REQUEST_DROPS, TRAILER_DROPS};
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
    /// The header that names an identity, which never travels on either.
    pub identity_header: Option<HeaderName>,
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
        let ours = settings.local_key_header.iter().chain(&settings.identity_header);
        let ours = ours.map(|name| (name.clone(), Fate::Drop));
        let request = Sieve::new(
            special.into_iter().chain(drops(&REQUEST_DROPS)).chain(built_in()).chain(configured).chain(ours),
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

    /// Cleans an interim answer's fields (RFC 9110 section 15.2): it has no body, and gives no cookies.
    pub fn clean_interim(&self, headers: &mut HeaderMap) {
        self.clean_answer(headers, |name| matches!(name, "content-length" | "trailer" | "set-cookie"));
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
mod tests;
