//! What an answer has to know of the request it answers.

use std::sync::Arc;

use http::header::{self, HeaderMap};
use http::{HeaderValue, Method, request};

use crate::identity::IdentityName;
use crate::listener::Interim;
use crate::upstream::{X_REQUEST_ID, new_request_id, request_id};

/// Who asked, and how: taken from the request before it leaves.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `http`, or `https` where the listener speaks TLS.
    scheme: &'static str,
    /// Host and port as the client wrote them; the guard has checked them.
    host: Option<HeaderValue>,
    /// The request's id, the same on all its copies.
    request_id: HeaderValue,
    is_head: bool,
    takes_trailers: bool,
    accept: Option<HeaderValue>,
    interim: Interim,
    /// What its path began with before it named an identity.
    prefix: Option<Arc<str>>,
    /// Who it speaks for, where there are several.
    identity: Option<IdentityName>,
}

impl Caller {
    /// Takes note of a request, and gives it an id if it has none.
    pub fn of(parts: &mut request::Parts) -> Self {
        let (mut host, mut accept, mut takes_trailers, mut has_id) = (None, None, false, false);
        // One pass without hashing: by length first, which most names do not get past.
        for (name, value) in &parts.headers {
            match name.as_str().len() {
                2 if *name == header::TE => takes_trailers |= asks_for_trailers(value),
                4 if *name == header::HOST => host = Some(value.clone()),
                6 if *name == header::ACCEPT && accept.is_none() => accept = Some(value.clone()),
                12 => has_id |= *name == X_REQUEST_ID,
                _ => {}
            }
        }
        if let Some(authority) = parts.uri.authority() {
            host = HeaderValue::from_str(authority.as_str()).ok().or(host);
        }
        let request_id = match has_id {
            true => request_id(&mut parts.headers),
            false => new_request_id(&mut parts.headers),
        };
        Self {
            scheme: "http",
            host,
            request_id,
            is_head: parts.method == Method::HEAD,
            takes_trailers,
            accept,
            interim: Interim::default(),
            prefix: None,
            identity: None,
        }
    }

    /// For an answer to something that never became a request.
    pub fn unknown() -> Self {
        let request_id = request_id(&mut HeaderMap::new());
        Self {
            scheme: "http",
            host: None,
            request_id,
            is_head: false,
            takes_trailers: false,
            accept: None,
            interim: Interim::default(),
            prefix: None,
            identity: None,
        }
    }

    /// The client reached us over TLS.
    #[must_use]
    pub fn over_tls(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// The client can be told something before its answer.
    #[must_use]
    pub fn hearing(mut self, interim: Interim) -> Self {
        self.interim = interim;
        self
    }

    /// Its path began with this, which is taken off: local paths are below it.
    pub fn came_under(&mut self, prefix: Option<&Arc<str>>) {
        self.prefix = prefix.cloned();
    }

    /// It speaks for this one of several.
    pub fn speaks_for(&mut self, identity: Option<&IdentityName>) {
        self.identity = identity.cloned();
    }

    /// Who it speaks for, where there are several.
    pub(super) fn identity(&self) -> Option<&IdentityName> {
        self.identity.as_ref()
    }

    /// What its path began with, without a slash at the end; empty for most.
    pub(super) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    /// Host and port as the client wrote them.
    pub fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    /// `http` or `https`: how the client reached us.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Where interim answers go.
    pub(super) fn interim(&self) -> &Interim {
        &self.interim
    }

    /// The request's id.
    pub fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    /// Whether the answer goes without its body.
    pub fn is_head(&self) -> bool {
        self.is_head
    }

    /// Whether the client said `TE: trailers` (RFC 9110 section 10.1.4).
    pub(super) fn takes_trailers(&self) -> bool {
        self.takes_trailers
    }

    /// The local origin: scheme and the Host that the client used.
    pub(super) fn origin(&self) -> Option<String> {
        let host = self.host.as_ref()?.to_str().ok()?;
        Some(format!("{}://{host}", self.scheme))
    }

    /// Whether the client would rather read plain text than JSON (RFC 9110 section 12.5.1). `*/*` gets JSON.
    pub(super) fn prefers_text(&self) -> bool {
        let Some(accept) = self.accept.as_ref().and_then(|a| a.to_str().ok()) else { return false };
        let text = quality(accept, &["text/plain", "text/*", "*/*"]);
        let json = quality(accept, &["application/problem+json", "application/json", "application/*", "*/*"]);
        text > json
    }
}

fn asks_for_trailers(te: &HeaderValue) -> bool {
    te.as_bytes().split(|&b| b == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// The weight, in thousandths, of the best of these ranges; the more specific come first and win.
fn quality(accept: &str, ranges: &[&str]) -> u16 {
    let weight_of = |range: &str| {
        accept.split(',').find_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            parts.next()?.eq_ignore_ascii_case(range).then(|| {
                let q = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
                q.and_then(|q| q.parse::<f32>().ok()).map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
            })
        })
    };
    ranges.iter().find_map(|range| weight_of(range)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(accept: &str) -> bool {
        let mut parts = http::Request::builder().header("accept", accept).body(()).unwrap().into_parts().0;
        Caller::of(&mut parts).prefers_text()
    }

    #[test]
    fn only_who_prefers_plain_text_gets_it() {
        assert!(text("text/plain"));
        assert!(text("text/plain, application/json;q=0.5"));
        assert!(text("text/*"));
        for json in [
            "*/*",
            "application/json, text/plain",
            "application/json",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain;q=0, */*",
            "application/problem+json, text/plain;q=0.9",
            "",
        ] {
            assert!(!text(json), "{json}");
        }
    }

    #[test]
    fn a_request_without_an_id_gets_one_that_stays() {
        let mut parts = http::Request::new(()).into_parts().0;
        let first = Caller::of(&mut parts);
        let second = Caller::of(&mut parts);
        assert_eq!(first.request_id(), second.request_id());
        assert!(uuid::Uuid::try_parse(first.request_id().to_str().unwrap()).is_ok());
    }
}
