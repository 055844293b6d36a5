//! What a written value becomes: text, numbers, durations, lists, paths.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::document::{Value, Written};
use super::problem::Problem;
use super::reader::Reader;
use super::setting::{Kind, Setting};
use super::units;

/// What a setting's value becomes.
pub(super) trait FromWritten: Sized {
    /// The value, or a complaint made to the reader.
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self>;

    /// What stands for a setting that is not written and has no default.
    fn absent() -> Option<Self> {
        None
    }
}

/// An enumeration whose values have words in the file.
pub(super) trait Words: Sized {
    /// All of them.
    const WORDS: &'static [&'static str];

    /// What a word means.
    fn meant(word: &str) -> Option<Self>;
}

/// `"auto"`, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auto<T> {
    /// We find out.
    Auto,
    /// As it was given.
    Given(T),
}

/// The word for [`Auto::Auto`].
pub(super) const AUTO: &str = "auto";

impl<T: FromWritten> FromWritten for Option<T> {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        T::from_written(written, setting, reader).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromWritten> FromWritten for Auto<T> {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        match &written.value {
            Value::Text(text) if text == AUTO => Some(Self::Auto),
            _ => T::from_written(written, setting, reader).map(Self::Given),
        }
    }
}

/// Every item is read, so that every bad one is reported.
impl<T: FromWritten> FromWritten for Vec<T> {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::List(items) = &written.value else {
            reader.mismatch(written, setting);
            return None;
        };
        let read: Vec<Option<T>> = items.iter().map(|item| T::from_written(item, setting, reader)).collect();
        read.into_iter().collect()
    }
}

impl FromWritten for String {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(written, setting)?;
        if text.is_empty() {
            reader.report(Problem::new(&written.place, format!("'{}' is empty", setting.key)));
            return None;
        }
        Some(text.to_owned())
    }
}

impl FromWritten for bool {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        match written.value {
            Value::Switch(is) => Some(is),
            _ => {
                reader.mismatch(written, setting);
                None
            }
        }
    }
}

impl FromWritten for Duration {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = match &written.value {
            Value::Text(text) => text,
            Value::Integer(number) => {
                let text = format!("'{}' needs a unit: \"{number}s\" or \"{number}ms\"", setting.key);
                reader.report(Problem::new(&written.place, text));
                return None;
            }
            _ => {
                reader.mismatch(written, setting);
                return None;
            }
        };
        let Some(span) = units::duration(text) else {
            reader.not_understood(written, setting, text);
            return None;
        };
        if let Kind::Duration { least, most } = setting.kind
            && !(least..=most).contains(&span)
        {
            reader.out_of_range(written, setting, text);
            return None;
        }
        Some(span)
    }
}

impl FromWritten for u64 {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        number(written, setting, reader)
    }
}

impl FromWritten for u32 {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        number(written, setting, reader).and_then(|number| number.try_into().ok())
    }
}

impl FromWritten for usize {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        number(written, setting, reader).and_then(|number| number.try_into().ok())
    }
}

impl FromWritten for NonZeroUsize {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        usize::from_written(written, setting, reader).and_then(Self::new)
    }
}

impl FromWritten for PathBuf {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(written, setting)?;
        reader.path(text, &written.place, setting)
    }
}

/// A whole number inside the range of its setting.
fn number(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<u64> {
    let (least, most) = match setting.kind {
        Kind::Count { least, most } | Kind::Size { least, most } => (least, most),
        _ => (0, u64::MAX),
    };
    let is_size = matches!(setting.kind, Kind::Size { .. });
    let (number, shown) = match &written.value {
        Value::Integer(number) => (u64::try_from(*number).ok(), number.to_string()),
        Value::Text(text) if is_size => match units::size(text) {
            Some(bytes) => (Some(bytes), text.clone()),
            None => {
                reader.not_understood(written, setting, text);
                return None;
            }
        },
        _ => {
            reader.mismatch(written, setting);
            return None;
        }
    };
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        reader.out_of_range(written, setting, &shown);
    }
    number
}
