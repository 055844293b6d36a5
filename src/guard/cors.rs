//! Cross-origin grants, made by us for the origins that a person has listed; the portal's are never passed on.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderValue};

/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// An allowed origin that made a request, for the headers of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    origin: HeaderValue,
    credentials: bool,
    by_rule: bool,
}

impl Grant {
    pub(super) fn new(origin: HeaderValue, credentials: bool, by_rule: bool) -> Self {
        Self { origin, credentials, by_rule }
    }

    /// The origin, as the browser wrote it.
    pub fn origin(&self) -> &HeaderValue {
        &self.origin
    }

    /// Whether the origin may only use routes whose rule names it.
    pub fn needs_rule(&self) -> bool {
        self.by_rule
    }

    /// Puts the grant on an answer from which the portal's own have been removed.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if self.credentials {
            // With credentials `*` would mean a header of that name.
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("X-Request-Id"));
        } else {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        }
    }
}

/// A preflight's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight(Option<Box<Asked>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    grant: Grant,
    method: HeaderValue,
    headers: Option<HeaderValue>,
}

impl Preflight {
    /// Without a grant: our own origin needs none.
    pub(super) fn bare() -> Self {
        Self(None)
    }

    /// Grants what was asked for, once and literally; nothing that was not asked for.
    pub(super) fn granting(grant: Grant, method: HeaderValue, headers: Option<HeaderValue>) -> Self {
        Self(Some(Box::new(Asked { grant, method, headers })))
    }

    /// The headers of the answer, which has status 204 and no body. There is never a grant for private or local
    /// network access: those drafts let any site reach this machine.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            VARY,
            HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        );
        if let Some(asked) = &self.0 {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, asked.grant.origin.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, asked.method.clone());
            if let Some(names) = &asked.headers {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
            if asked.grant.credentials {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        headers
    }
}
