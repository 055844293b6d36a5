//! An error as the client reads it: RFC 9457 problem, RFC 9209 `Proxy-Status`, or two lines of plain text.

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{HeaderName, HeaderValue, Response};
use serde_json::{Value, json};

use super::responder::whole;
use super::{Body, Caller, ProxyError, Row};
use crate::session::SessionError;
use crate::upstream::X_REQUEST_ID;

/// What every `type` begins with.
const TYPE: &str = "urn:portunus:problem:";
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
/// What a client has to be told and what a header may hold of a portal's code.
const MAX_CODE: usize = 64;

impl ProxyError {
    /// The answer to `caller`.
    pub fn respond(&self, caller: &Caller) -> Response<Body> {
        let row = self.row();
        let detail = self.detail();
        let hint = self.hint(&row);
        let named = caller.identity().map(|identity| identity.in_hint(hint));
        let hint = named.as_deref().unwrap_or(hint);
        let (content_type, body) = if caller.prefers_text() {
            ("text/plain; charset=utf-8", text(&row, &detail, hint, caller))
        } else {
            ("application/problem+json", problem(&row, &detail, hint, caller))
        };
        let mut response = Response::new(());
        *response.status_mut() = row.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_REQUEST_ID, caller.request_id().clone());
        self.say(headers, &row, &detail);
        whole(response.into_parts().0, body, caller)
    }

    fn say(&self, headers: &mut HeaderMap, row: &Row, detail: &str) {
        let status = format!("portunus; error={}; details={}", row.error, quoted(detail));
        if let Ok(status) = HeaderValue::from_str(&status) {
            headers.insert(PROXY_STATUS, status);
        }
        if let Some(after) = self.retry_after() {
            // Whole seconds, rounded up: who comes a moment early is sent away once more.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.closes() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// What happened, for a person; never what a source says, which may name what is no one's business.
    fn detail(&self) -> String {
        match self {
            Self::Session(e @ SessionError::Portal { source, .. }) => {
                let mut detail = format!("{e} ({}", source.call);
                if let Some(status) = source.status {
                    detail.push_str(&format!(", HTTP {status}"));
                }
                if let Some(code) = source.code.as_deref().filter(|c| is_presentable(c)) {
                    detail.push_str(&format!(", {code}"));
                }
                detail.push(')');
                detail
            }
            Self::Session(e @ SessionError::Channel(source)) => format!("{e}: {source}"),
            other => other.to_string(),
        }
    }

    fn hint<'a>(&'a self, row: &Row) -> &'a str {
        match self {
            Self::Refused(refused) => &refused.hint,
            _ => row.hint,
        }
    }
}

fn problem(row: &Row, detail: &str, hint: &str, caller: &Caller) -> Bytes {
    let mut members = json!({
        "type": format!("{TYPE}{}", row.code),
        "title": row.title,
        "status": row.status.as_u16(),
        "detail": detail,
        "instance": instance(caller),
        "code": row.code,
        "who": row.who.as_str(),
        "retryable": row.retryable,
    });
    if !hint.is_empty() {
        members["hint"] = Value::from(hint);
    }
    let mut text = members.to_string();
    text.push('\n');
    Bytes::from(text)
}

fn text(row: &Row, detail: &str, hint: &str, caller: &Caller) -> Bytes {
    let mut text = format!("{}: {detail}\n", row.title);
    if !hint.is_empty() {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text.push_str(&format!("request id: {}\n", caller.request_id().to_str().unwrap_or_default()));
    Bytes::from(text)
}

/// A URI for this one occurrence (RFC 9457 section 3.1.5); a caller's id that is no UUID is one of our own names.
fn instance(caller: &Caller) -> String {
    let id = caller.request_id().to_str().unwrap_or_default();
    if uuid::Uuid::try_parse(id).is_ok() {
        format!("urn:uuid:{id}")
    } else {
        format!("urn:portunus:request:{id}")
    }
}

fn is_presentable(code: &str) -> bool {
    code.len() <= MAX_CODE
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// A string of RFC 8941 section 3.3.3.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}
