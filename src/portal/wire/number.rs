//! Spans and moments as the portal writes them, and where belief in them ends.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime};

/// The longest life of anything that is believed: ten years.
pub(super) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Below this, a number of milliseconds since the epoch would be a day in 1970 to 1973: it is seconds.
const FEWEST_MILLIS: f64 = 1e11;
/// The end of the year 9999 in milliseconds since the epoch.
const MOST_MILLIS: f64 = 253_402_300_799_999.0;

/// What became of a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// Not there, or `null`.
    Absent,
    /// Longer than nothing, no longer than [`LONGEST`].
    Of(Duration),
    /// Zero, negative, absurdly long, or no number.
    Nonsense,
}

impl Span {
    /// Reads a JSON number, or a number in a string.
    pub(super) fn read(value: Option<&Value>) -> Self {
        let span = match value {
            None | Some(Value::Null) => return Self::Absent,
            Some(Value::Number(number)) => number.as_f64().and_then(Self::of_seconds),
            Some(Value::String(text)) => span_of_seconds(text),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
        };
        span.map_or(Self::Nonsense, Self::Of)
    }

    /// A number of seconds as a span, if it can be one.
    pub(super) fn of_seconds(seconds: f64) -> Option<Duration> {
        let span = Duration::try_from_secs_f64(seconds).ok()?;
        (!span.is_zero() && span <= LONGEST).then_some(span)
    }
}

/// A number of seconds written as text.
pub(super) fn span_of_seconds(text: &str) -> Option<Duration> {
    Span::of_seconds(text.trim().parse().ok()?)
}

/// What became of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Not there, or `null`.
    Absent,
    /// After the epoch and before the year 10000.
    At(SystemTime),
    /// Anything else.
    Nonsense,
}

impl Moment {
    /// Reads milliseconds since the epoch (or seconds, where they cannot be milliseconds), as a number or as
    /// text, or ISO-8601; UTC where it names no offset.
    pub(super) fn read(value: Option<&Value>) -> Self {
        let at = match value {
            None | Some(Value::Null) => return Self::Absent,
            Some(Value::Number(number)) => number.as_f64().and_then(since_epoch),
            Some(Value::String(text)) => {
                let text = text.trim();
                text.parse().ok().and_then(since_epoch).or_else(|| iso_8601(text))
            }
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
        };
        at.map_or(Self::Nonsense, Self::At)
    }
}

fn since_epoch(number: f64) -> Option<SystemTime> {
    let millis = if number < FEWEST_MILLIS { number * 1000.0 } else { number };
    if !(millis > 0.0 && millis <= MOST_MILLIS) {
        return None;
    }
    let since = Duration::from_millis(millis as u64);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

fn iso_8601(text: &str) -> Option<SystemTime> {
    let with_offset = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(text, &Iso8601::DEFAULT))
        .or_else(|_| PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).map(PrimitiveDateTime::assume_utc));
    let millis = with_offset.ok()?.unix_timestamp_nanos() / 1_000_000;
    let millis = u64::try_from(millis).ok().filter(|millis| *millis > 0 && *millis as f64 <= MOST_MILLIS)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn span(value: Value) -> Span {
        Span::read(Some(&value))
    }

    fn at(millis: u64) -> Moment {
        Moment::At(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
    }

    #[test]
    fn a_span_is_a_number_or_a_number_in_a_string() {
        for value in [json!(3600), json!("3600"), json!(" 3600 "), json!(3600.0), json!("3.6e3")] {
            assert_eq!(span(value.clone()), Span::Of(Duration::from_secs(3600)), "{value}");
        }
        assert_eq!(span(json!(0.5)), Span::Of(Duration::from_millis(500)));
        assert_eq!(Span::read(None), Span::Absent);
        assert_eq!(span(Value::Null), Span::Absent);
    }

    #[test]
    fn a_span_of_ten_years_is_believed_and_one_second_more_is_not() {
        let most = LONGEST.as_secs();
        assert_eq!(span(json!(most)), Span::Of(LONGEST));
        assert_eq!(span(json!(most + 1)), Span::Nonsense);
    }

    #[test]
    fn what_is_no_span_is_nonsense() {
        let strange = json!([
            0,
            -1,
            1e300,
            -1e300,
            18446744073709551615u64,
            "",
            "NaN",
            "inf",
            "-inf",
            "-5",
            "1h",
            "0x10",
            true,
            [],
            {}
        ]);
        for value in strange.as_array().unwrap() {
            assert_eq!(span(value.clone()), Span::Nonsense, "{value}");
        }
    }

    #[test]
    fn a_moment_is_milliseconds_seconds_or_iso_8601() {
        for value in [
            json!(1_709_424_000_000u64),
            json!("1709424000000"),
            json!(1_709_424_000),
            json!("2024-03-03T00:00:00Z"),
            json!("2024-03-03T00:00:00.000Z"),
            json!("2024-03-03T08:00:00+08:00"),
            json!("2024-03-03T08:00:00+0800"),
            json!("2024-03-03T00:00:00"),
        ] {
            assert_eq!(Moment::read(Some(&value)), at(1_709_424_000_000), "{value}");
        }
        assert_eq!(Moment::read(Some(&json!(1_709_424_000_123u64))), at(1_709_424_000_123));
        assert_eq!(Moment::read(None), Moment::Absent);
        assert_eq!(Moment::read(Some(&Value::Null)), Moment::Absent);
    }

    #[test]
    fn the_last_millisecond_of_the_year_9999_is_believed_and_the_next_is_not() {
        assert_eq!(Moment::read(Some(&json!(253_402_300_799_999u64))), at(253_402_300_799_999));
        assert_eq!(Moment::read(Some(&json!(253_402_300_800_000u64))), Moment::Nonsense);
    }

    #[test]
    fn what_is_no_moment_is_nonsense() {
        let strange = json!([
            0,
            -1,
            1e300,
            "",
            "NaN",
            "tomorrow",
            "2024-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            true,
            [],
            {}
        ]);
        for value in strange.as_array().unwrap() {
            assert_eq!(Moment::read(Some(value)), Moment::Nonsense, "{value}");
        }
    }
}
