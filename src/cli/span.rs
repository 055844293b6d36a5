//! Seconds for a person.

use std::time::Duration;

/// Two units at most: `41 s`, `4 min 5 s`, `3 h 12 min`, `2 d 4 h`.
pub(super) fn short(seconds: u64) -> String {
    let (big, big_name, small, small_name) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3_600 => (seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    };
    if small == 0 { format!("{big} {big_name}") } else { format!("{big} {big_name} {small} {small_name}") }
}

/// A countdown that keeps its width: `4:05`.
pub(super) fn countdown(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// How long something took: `<1 ms`, `12 ms`, `1.2 s`.
pub(super) fn took(span: Duration) -> String {
    match span.as_millis() {
        0 => "<1 ms".to_owned(),
        ms @ 1..1_000 => format!("{ms} ms"),
        _ => format!("{:.1} s", span.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_are_enough() {
        let spans = [0, 41, 60, 245, 3_600, 11_520, 86_399, 86_400, 187_200].map(short);
        let expected =
            ["0 s", "41 s", "1 min", "4 min 5 s", "1 h", "3 h 12 min", "23 h 59 min", "1 d", "2 d 4 h"];
        assert_eq!(spans, expected);
        assert_eq!((countdown(272), countdown(5)), ("4:32".into(), "0:05".into()));
    }

    #[test]
    fn what_took_less_than_a_millisecond_is_not_said_to_take_none() {
        let spans = [Duration::from_micros(900), Duration::from_millis(12), Duration::from_millis(1234)];
        assert_eq!(spans.map(took), ["<1 ms", "12 ms", "1.2 s"]);
    }
}
