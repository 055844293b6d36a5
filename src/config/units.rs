//! Durations and sizes, as they are written and as they are shown.

use std::time::Duration;

const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads `250ms`, `5s`, `2m`, `1h`, `1d`: a whole number and one unit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    scaled(text, &SPANS).map(Duration::from_millis)
}

/// Reads `64KiB`, `8MiB`, `1GiB`, `512B`: a whole number and one unit.
pub(super) fn size(text: &str) -> Option<u64> {
    scaled(text, &SIZES)
}

/// The shortest exact spelling; what is finer than a millisecond is not shown.
pub(super) fn show_duration(span: Duration) -> String {
    show(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), &SPANS)
}

/// The shortest exact spelling.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |factor: u64| amount >= factor && amount.is_multiple_of(factor);
    let (name, factor) = units.iter().rev().find(|(_, factor)| fits(*factor)).unwrap_or(&units[0]);
    format!("{}{name}", amount / factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_one_unit() {
        for (text, millis) in [
            ("0ms", 0),
            ("250ms", 250),
            ("5s", 5_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "5", "s", "5 s", "-5s", "5.5s", "5S", "1h30m", "5us", "99999999999999999999s", "٣s"]
        {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_size_is_a_whole_number_and_one_binary_unit() {
        for (text, bytes) in
            [("0B", 0), ("512B", 512), ("64KiB", 65_536), ("8MiB", 8_388_608), ("1GiB", 1 << 30)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for bad in ["", "8", "8MB", "8M", "8mib", "1.5MiB", "-1B", "17179869184GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(amount in 0..u64::MAX) {
            prop_assert_eq!(size(&show_size(amount)), Some(amount));
            let span = Duration::from_millis(amount);
            prop_assert_eq!(duration(&show_duration(span)), Some(span));
        }
    }
}
