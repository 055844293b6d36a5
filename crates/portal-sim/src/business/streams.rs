//! Downloads, uploads and events: bodies that never stand in memory as a whole.

use std::io;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{number, query};
use crate::portal::{Portal, Refusal};
use crate::server::{Body, empty};

/// Byte `n` of every download is `n % 251`: a prime, so that a chunk out of place shows.
static PATTERN: LazyLock<Bytes> = LazyLock::new(|| (0..251u8).cycle().take(251 * 263).collect());

const CHUNK: u64 = 64 * 1024;

/// `GET …/download?bytes=N`, with single ranges.
pub(super) fn download(parts: &Parts) -> Result<Response<Body>, Refusal> {
    let total = number(parts, "bytes").unwrap_or(1 << 20);
    let wanted = parts.headers.get(RANGE).and_then(|value| value.to_str().ok());
    let mut response = Response::new(empty());
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let range = match wanted.and_then(|text| single_range(text, total)) {
        None => 0..total,
        Some(Ok(range)) => {
            let text = format!("bytes {}-{}/{total}", range.start, range.end - 1);
            headers.insert(CONTENT_RANGE, HeaderValue::try_from(text).map_err(|_| Refusal::Internal)?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            range
        }
        Some(Err(())) => {
            let text = format!("bytes */{total}");
            headers.insert(CONTENT_RANGE, HeaderValue::try_from(text).map_err(|_| Refusal::Internal)?);
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return Ok(response);
        }
    };
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if parts.method != Method::HEAD {
        *response.body_mut() = pattern(range);
    }
    Ok(response)
}

fn pattern(range: Range<u64>) -> Body {
    let chunks = stream::unfold(range, |rest| async move {
        let length = (rest.end - rest.start).min(CHUNK);
        if length == 0 {
            return None;
        }
        let at = usize::try_from(rest.start % 251).unwrap_or(0);
        let chunk = PATTERN.slice(at..at + usize::try_from(length).unwrap_or(0));
        Some((Ok::<_, io::Error>(Frame::data(chunk)), rest.start + length..rest.end))
    });
    StreamBody::new(chunks).boxed_unsync()
}

/// RFC 9110, section 14.1.2; several ranges are answered with the whole, as the RFC allows.
fn single_range(text: &str, total: u64) -> Option<Result<Range<u64>, ()>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    if last.contains(',') {
        return None;
    }
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if last >= first => first..last.saturating_add(1).min(total),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..total,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => total.saturating_sub(suffix)..total,
        _ => return None,
    };
    Some(if range.start < range.end { Ok(range) } else { Err(()) })
}

/// `PUT|POST …/upload`
pub(super) async fn upload(portal: &Arc<Portal>, mut body: Incoming, number: u64) -> Result<Value, Refusal> {
    let (mut digest, mut bytes) = (Sha256::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Malformed("Body ended early"))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes == 0 {
            portal.wire.body(number, data);
        }
        digest.update(data);
        bytes += data.len();
    }
    portal.wire.length(number, bytes);
    Ok(json!({"bytes": bytes, "sha256": HEXLOWER.encode(&digest.finalize())}))
}

/// `GET …/events?count=&interval_ms=`
pub(super) fn events(parts: &Parts) -> Result<Response<Body>, Refusal> {
    let count = number(parts, "count").unwrap_or(10);
    let interval = Duration::from_millis(number(parts, "interval_ms").unwrap_or(100));
    let name = query(parts, "event").unwrap_or_else(|| "tick".to_owned());
    let events = stream::unfold(0, move |n| {
        let name = name.clone();
        async move {
            if n == count {
                return None;
            }
            if n > 0 {
                tokio::time::sleep(interval).await;
            }
            let event = format!("id: {n}\nevent: {name}\ndata: {{\"n\":{n}}}\n\n");
            Some((Ok::<_, io::Error>(Frame::data(Bytes::from(event))), n + 1))
        }
    });
    let mut response = Response::new(StreamBody::new(events).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        assert_eq!(single_range("bytes=0-9", 100), Some(Ok(0..10)));
        assert_eq!(single_range("bytes=90-", 100), Some(Ok(90..100)));
        assert_eq!(single_range("bytes=-10", 100), Some(Ok(90..100)));
        assert_eq!(single_range("bytes=50-500", 100), Some(Ok(50..100)));
        assert_eq!(single_range("bytes=100-", 100), Some(Err(())));
        assert_eq!(single_range("bytes=9-1", 100), None);
        assert_eq!(single_range("bytes=0-1,3-4", 100), None);
        assert_eq!(single_range("lines=0-1", 100), None);
    }
}
