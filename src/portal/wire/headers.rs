//! What an answer's headers say about time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

use crate::session::Skew;

/// The longest wait that a `Retry-After` is believed to ask for: a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The portal's clock minus ours, from `Date` (RFC 9110 section 6.6.1); `wall` is ours when the answer came.
pub(crate) fn skew(headers: &HeaderMap, wall: SystemTime) -> Option<Skew> {
    let portal = since_epoch(date(headers, DATE)?)?;
    Some(Skew(portal - since_epoch(wall)?))
}

/// How long to wait, by `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. A date is counted from the
/// answer's own `Date`, so that a wrong clock here changes nothing; from `wall` where it has none.
pub(crate) fn retry_after(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        let from = date(headers, DATE).unwrap_or(wall);
        httpdate::parse_http_date(text).ok()?.duration_since(from).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Whole seconds since the epoch, as `Date` has them.
fn since_epoch(at: SystemTime) -> Option<i64> {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|seconds| -seconds),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOON: &str = "Sun, 03 Mar 2024 12:00:00 GMT";

    fn noon() -> SystemTime {
        httpdate::parse_http_date(NOON).unwrap()
    }

    fn headers(date: Option<&'static str>, retry_after: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.extend(date.map(|date| (DATE, HeaderValue::from_static(date))));
        headers.extend(retry_after.map(|after| (RETRY_AFTER, HeaderValue::from_static(after))));
        headers
    }

    #[test]
    fn skew_is_the_portals_clock_minus_ours() {
        let headers = headers(Some(NOON), None);
        assert_eq!(skew(&headers, noon() + Duration::from_millis(600_400)), Some(Skew(-600)));
        assert_eq!(skew(&headers, noon() - Duration::from_secs(600)), Some(Skew(600)));
        assert_eq!(skew(&headers, noon() + Duration::from_millis(999)), Some(Skew(0)));
        let seconds = i64::try_from(noon().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        assert_eq!(skew(&headers, UNIX_EPOCH - Duration::from_secs(5)), Some(Skew(seconds + 5)));
    }

    #[test]
    fn without_a_readable_date_there_is_no_skew() {
        assert_eq!(skew(&headers(None, None), noon()), None);
        assert_eq!(skew(&headers(Some("yesterday"), None), noon()), None);
    }

    #[test]
    fn section_10_retry_after_in_seconds_and_as_a_date() {
        let wait = |date, after| retry_after(&headers(date, Some(after)), noon());
        assert_eq!(wait(None, "30"), Some(Duration::from_secs(30)));
        assert_eq!(wait(None, " 0 "), Some(Duration::ZERO));
        assert_eq!(wait(None, "Sun, 03 Mar 2024 12:00:20 GMT"), Some(Duration::from_secs(20)));
        assert_eq!(wait(None, "Sun, 03 Mar 2024 11:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers(None, None), noon()), None);
        for bad in ["", "-5", "soon", "1.5", "+3"] {
            assert_eq!(wait(None, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_date_counts_from_the_portals_own_clock() {
        let headers = headers(Some(NOON), Some("Sun, 03 Mar 2024 12:01:00 GMT"));
        assert_eq!(retry_after(&headers, noon() - Duration::from_secs(600)), Some(Duration::from_secs(60)));
    }

    #[test]
    fn no_wait_is_longer_than_a_day() {
        let wait = |after| retry_after(&headers(None, Some(after)), noon());
        assert_eq!(wait("86399"), Some(LONGEST_WAIT - Duration::from_secs(1)));
        assert_eq!(wait("86400"), Some(LONGEST_WAIT));
        assert_eq!(wait("86401"), Some(LONGEST_WAIT));
        assert_eq!(wait("99999999999999999999999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("Tue, 03 Mar 2099 12:00:00 GMT"), Some(LONGEST_WAIT));
    }
}
