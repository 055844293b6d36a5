//! What the portal says.

use http::{HeaderMap, HeaderValue, StatusCode};
use portunus::portal::{Reading, Verdict, read_everything};

/// No answer makes a reader panic, or believe what is out of bounds.
pub fn portal(data: &[u8]) {
    read_everything(data);
}

/// A success is never called a refusal, for then it would be sent again; white space around a body changes nothing;
/// and what is concluded is concluded again.
pub fn verdict(data: &[u8]) {
    let Some((&[high, low], body)) = data.split_first_chunk::<2>() else { return };
    let Ok(status) = StatusCode::from_u16(100 + u16::from_be_bytes([high, low]) % 500) else { return };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(&body[..body.len().min(20)]) {
        headers.insert(http::header::RETRY_AFTER, value);
    }
    let reading = Reading::of(status, &headers, body);
    let verdict = Verdict::of(status, &headers, body);
    assert!(same(reading.verdict(), &verdict), "two readings of one answer: {reading:?}, {verdict:?}");
    if reading.is_success() {
        let refuses = matches!(
            verdict,
            Verdict::ChannelStale
                | Verdict::NeedsChannel
                | Verdict::MaybeChannel
                | Verdict::FingerprintMismatch
        );
        assert!(!refuses, "a success is called {verdict:?}");
    }
    let padded = [b" \r\n\t", body, b"\n "].concat();
    let again = Reading::of(status, &headers, &padded);
    assert_eq!(again.is_success(), reading.is_success());
    assert!(same(again.verdict(), &verdict), "white space makes {verdict:?} of {again:?}");
}

/// The wait is counted from now, where `Retry-After` is a date.
fn same(one: &Verdict, other: &Verdict) -> bool {
    match (one, other) {
        (Verdict::RateLimited(Some(one)), Verdict::RateLimited(Some(other))) => {
            one.abs_diff(*other).as_secs() < 2
        }
        (one, other) => one == other,
    }
}
