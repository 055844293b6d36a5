//! One setting as data: its name, what may stand there, its default, and why one would touch it.
//!
//! The rows stand in the sections ([`section!`]); the reader, the names in the environment, "did you mean" and
//! `proxy.toml` are all made from them.

use std::time::Duration;

use super::document::{Value, parse_value};
use super::problem::Place;
use super::units;

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The section it stands in, without brackets.
    pub section: &'static str,
    /// Its key there.
    pub key: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// What holds where it is not written.
    pub default: Fallback,
    /// What it does, and why one would touch it.
    pub why: &'static str,
}

/// What holds where a setting is not written. The texts are TOML values.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// This value.
    Is(&'static str),
    /// Nothing; the text is an example.
    Nothing(&'static str),
    /// It has to be written; the text is an example.
    Required(&'static str),
}

/// What may stand as a value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text; the words say of what sort.
    Text(&'static str),
    /// A path. A relative one is relative to the file it is written in, `~/` is the home directory.
    Path,
    /// A whole number and `ms`, `s`, `m`, `h` or `d`.
    Duration {
        /// The least that makes sense.
        least: Duration,
        /// The most.
        most: Duration,
    },
    /// A whole number and `B`, `KiB`, `MiB` or `GiB`; or a bare number of bytes.
    Size {
        /// The least that makes sense.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A whole number.
    Count {
        /// The least that makes sense.
        least: u64,
        /// The most.
        most: u64,
    },
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of text; the words say of what.
    List(&'static str),
    /// A table that names where the secret comes from, never the secret.
    Secret,
    /// As [`Kind::Secret`], or text of this sort.
    SecretOr(&'static str),
    /// A table; the words say from what to what.
    Table(&'static str),
}

impl Setting {
    /// `PORTUNUS_SECTION_KEY`.
    pub fn variable(&self) -> String {
        format!("PORTUNUS_{}_{}", self.section, self.key).to_uppercase()
    }

    /// For a secret: the variable that names a file it is in, as container runtimes mount them.
    pub fn file_variable(&self) -> Option<String> {
        matches!(self.kind, Kind::Secret | Kind::SecretOr(_)).then(|| format!("{}_FILE", self.variable()))
    }

    /// Whether its section may stand several times, so that no variable or flag can say which is meant.
    pub fn repeated(&self) -> bool {
        super::section::REPEATED.contains(&self.section)
    }

    /// The value that a text from the environment or the command line stands for.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn value_of(&self, text: &str, place: &Place) -> Result<Value, String> {
        match self.kind {
            Kind::Count { .. } | Kind::Size { .. } if text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(text.parse().map_or(Value::Foreign("a number of more than 63 bits"), Value::Integer))
            }
            Kind::Switch => match text {
                "true" | "1" | "yes" | "on" => Ok(Value::Switch(true)),
                "false" | "0" | "no" | "off" => Ok(Value::Switch(false)),
                _ => Ok(Value::Text(text.to_owned())),
            },
            Kind::List(_) => {
                let item = |text: &str| super::document::Written {
                    place: place.clone(),
                    value: Value::Text(text.trim().to_owned()),
                };
                Ok(Value::List(text.split(',').filter(|item| !item.trim().is_empty()).map(item).collect()))
            }
            Kind::Table(_) => parse_value(text, place),
            Kind::Text(_)
            | Kind::Path
            | Kind::Duration { .. }
            | Kind::Size { .. }
            | Kind::Count { .. }
            | Kind::Choice(_)
            | Kind::Secret
            | Kind::SecretOr(_) => Ok(Value::Text(text.to_owned())),
        }
    }
}

impl Kind {
    /// What has to stand there, to follow "must be".
    pub(super) fn wanted(&self) -> String {
        match self {
            Self::Text(what) => format!("{what}, in quotes"),
            Self::Path => "a path, in quotes".into(),
            Self::Duration { .. } => "a duration such as \"250ms\", \"5s\", \"2m\" or \"1h\"".into(),
            Self::Size { .. } => "a size such as \"64KiB\" or \"8MiB\", or a number of bytes".into(),
            Self::Count { .. } => "a whole number".into(),
            Self::Switch => "true or false".into(),
            Self::Choice(words) => format!("one of {}", listed(words)),
            Self::List(of) => format!("a list of {of}"),
            Self::Secret => super::secret_form::FORMS.into(),
            Self::SecretOr(what) => format!("{what}, in quotes, or {}", super::secret_form::FORMS),
            Self::Table(what) => format!("a table of {what}"),
        }
    }

    /// For the documentation: the unit and the range.
    pub(super) fn documented(&self) -> String {
        match self {
            Self::Text(what) => (*what).into(),
            Self::Path => "a path".into(),
            Self::Duration { .. } => format!("a duration, {}", self.range()),
            Self::Size { .. } => format!("a size, {}", self.range()),
            Self::Count { .. } => format!("a number, {}", self.range()),
            Self::Switch => "true or false".into(),
            Self::Choice(words) => words.join(" | "),
            Self::List(of) => format!("a list of {of}"),
            Self::Secret => "a secret".into(),
            Self::SecretOr(what) => format!("{what}, or a secret"),
            Self::Table(what) => format!("a table of {what}"),
        }
    }

    /// `10ms to 5m`; empty for what has no range.
    pub(super) fn range(&self) -> String {
        match self {
            Self::Duration { least, most } => {
                format!("{} to {}", units::show_duration(*least), units::show_duration(*most))
            }
            Self::Size { least, most } => {
                format!("{} to {}", units::show_size(*least), units::show_size(*most))
            }
            Self::Count { least, most } => format!("{least} to {most}"),
            Self::Text(_)
            | Self::Path
            | Self::Switch
            | Self::Choice(_)
            | Self::List(_)
            | Self::Secret
            | Self::SecretOr(_)
            | Self::Table(_) => String::new(),
        }
    }
}

/// `"a", "b" or "c"`.
fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Milliseconds, for a row.
pub(super) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A duration's row.
pub(super) const fn span(least: Duration, most: Duration) -> Kind {
    Kind::Duration { least, most }
}

/// A size's row.
pub(super) const fn size(least: u64, most: u64) -> Kind {
    Kind::Size { least, most }
}

/// A count's row.
pub(super) const fn count(least: u64, most: u64) -> Kind {
    Kind::Count { least, most }
}

/// A section: its struct of true values, its rows, and the reading of one into the other, said once.
///
/// `"why" key: Type = default, kind;` is a row of the table and a field of the struct.
macro_rules! section {
    ($(#[$doc:meta])* $vis:vis struct $name:ident in $section:literal {
        $($why:literal $key:ident: $type:ty = $default:expr, $kind:expr;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[allow(rustdoc::broken_intra_doc_links, reason = "the sentences are proxy.toml's, where [login] is a heading")]
        $vis struct $name {
            $(#[doc = $why] $vis $key: $type,)*
        }

        impl $name {
            /// Its rows of the table.
            pub(in crate::config) const SETTINGS: &'static [$crate::config::setting::Setting] = &[
                $($crate::config::setting::Setting {
                    section: $section,
                    key: stringify!($key),
                    kind: $kind,
                    default: $default,
                    why: $why,
                },)*
            ];

            /// Its fields, each checked by itself; `None` once any of them was reported.
            fn fields(section: &mut $crate::config::layers::Section<'_, '_>) -> Option<Self> {
                let mut rows = Self::SETTINGS.iter();
                $(let $key = section.read::<$type>(rows.next()?);)*
                section.report_unknown(Self::SETTINGS);
                Some(Self { $($key: $key?,)* })
            }
        }
    };
}
pub(super) use section;

/// Words of the file and what they mean: `words!(Type { "word" => Type::Variant, … })`.
macro_rules! words {
    ($type:ty { $($word:literal => $value:expr,)* }) => {
        impl $crate::config::values::Words for $type {
            const WORDS: &'static [&'static str] = &[$($word,)*];

            fn meant(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($value),)*
                    _ => None,
                }
            }
        }

        impl $crate::config::values::FromWritten for $type {
            fn from_written(
                written: &$crate::config::document::Written,
                setting: &$crate::config::setting::Setting,
                reader: &mut $crate::config::reader::Reader<'_>,
            ) -> Option<Self> {
                reader.word(written, setting)
            }
        }
    };
}
pub(super) use words;
