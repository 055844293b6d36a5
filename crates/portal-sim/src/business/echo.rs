//! What arrived, told back; and something that must not happen twice.

use bytes::Bytes;
use http::request::Parts;
use serde_json::{Value, json};

use crate::portal::Portal;

/// `ANY …/echo[/…]`
pub(super) fn echo(portal: &Portal, parts: &Parts, body: &Bytes, sealed: bool) -> Value {
    let headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path_and_query().map_or("", |path| path.as_str()),
        "version": format!("{:?}", parts.version),
        "headers": headers,
        "body": String::from_utf8_lossy(body),
        "bodyBytes": body.len(),
        "sealed": sealed,
        "timesProcessed": times(portal, parts),
    })
}

/// `POST …/transfer`
pub(super) fn transfer(portal: &Portal, parts: &Parts, body: &Bytes, sealed: bool) -> Value {
    json!({
        "executed": true,
        "body": String::from_utf8_lossy(body),
        "sealed": sealed,
        "timesProcessed": times(portal, parts),
    })
}

/// How often a request of this id was processed, this time included.
fn times(portal: &Portal, parts: &Parts) -> u64 {
    let id = parts.headers.get("x-request-id").and_then(|id| id.to_str().ok());
    id.map_or(1, |id| portal.tally.times(id))
}
