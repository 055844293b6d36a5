//! What is wrong with a configuration: every problem, each at its place, in the order a reader meets them.

use std::fmt;
use std::sync::Arc;

/// Everything that is wrong, at least one [`Problem`]. Its `Display` is one line for each, a hint below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems in the order of their places; `None` if there are none.
    pub(super) fn found(mut list: Vec<Problem>) -> Option<Self> {
        list.sort_by(|a, b| a.place.cmp(&b.place));
        list.dedup();
        (!list.is_empty()).then_some(Self(list))
    }

    pub(super) fn from_one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    /// One by one, in the order of their places.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One thing that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: Place,
    text: String,
    hint: Option<String>,
}

impl Problem {
    pub(super) fn new(place: &Place, text: impl Into<String>) -> Self {
        Self { place: place.clone(), text: text.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where it was written.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is wrong, without its place.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What to do, where that is not plain from the text.
    pub fn what_to_do(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Nowhere => {}
            place => write!(f, "{place}: ")?,
        }
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere: there is no file, or it is a default.
    Nowhere,
    /// The file as a whole.
    File(Arc<str>),
    /// A spot in the file.
    Spot {
        /// The file's name as it was given.
        file: Arc<str>,
        /// From 1.
        line: usize,
        /// From 1, counted in characters.
        column: usize,
    },
    /// An environment variable, by its name.
    Variable(String),
    /// A flag of the command line, such as `--listen`.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("default"),
            Self::File(file) => f.write_str(file),
            Self::Spot { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// The word that was probably meant: close enough to be a slip of the fingers.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let farthest = match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    let distance = |candidate: &str| {
        // `connect-timeout` and `connectTimeout` are other spellings, not other words.
        let plain = |text: &str| text.replace(['-', '_', ' '], "").to_lowercase();
        if plain(&word) == plain(candidate) {
            0
        } else {
            strsim::damerau_levenshtein(&word, &candidate.to_lowercase())
        }
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= farthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A value quoted in a message: escaped, and cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let keys = ["connect_timeout", "head_timeout", "url", "http2"];
        for (word, meant) in [
            ("conect_timeout", Some("connect_timeout")),
            ("connect-timeout", Some("connect_timeout")),
            ("connectTimeout", Some("connect_timeout")),
            ("haed_timeout", Some("head_timeout")),
            ("ulr", Some("url")),
            ("HTTP2", Some("http2")),
            ("TIMEOUT", None),
            ("password", None),
            ("u", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }

    #[test]
    fn a_quoted_value_is_escaped_and_cut() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"é".repeat(40)).chars().count(), 42);
        assert_eq!(quoted(&"é".repeat(41)), format!("\"{}\"…", "é".repeat(40)));
    }

    #[test]
    fn places_sort_as_a_reader_meets_them() {
        let spot = |line, column| Place::Spot { file: "a".into(), line, column };
        let problem = |place: &Place| Problem::new(place, "x");
        let places =
            [Place::Nowhere, Place::File("a".into()), spot(2, 9), spot(10, 1), Place::Flag("--x".into())];
        let found = Problems::found(places.iter().rev().map(problem).collect()).unwrap();
        assert_eq!(found.iter().map(|p| p.place().clone()).collect::<Vec<_>>(), places);
        assert_eq!(Problems::found(Vec::new()), None);
    }
}
