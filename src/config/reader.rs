//! From what is written to what is true: takes settings out of flags, environment and file, in this order, and
//! keeps every complaint.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::document::{Entry, Table, Value, Written, parse_value};
use super::environment::{Environment, Flag};
use super::problem::{Place, Problem, nearest, quoted};
use super::secret_source;
use super::section;
use super::setting::{Fallback, Kind, Setting};
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

/// Reads one configuration.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) environment: &'a Environment,
    flags: &'a [Flag],
    file: Place,
    directory: PathBuf,
    mentioned: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        flags: &'a [Flag],
        file: Option<(&Path, Arc<str>)>,
    ) -> Self {
        let (directory, file) = match file {
            Some((path, name)) => (path.parent().unwrap_or(Path::new("")).to_owned(), Place::File(name)),
            None => (PathBuf::new(), Place::Nowhere),
        };
        Self { environment, flags, file, directory, mentioned: BTreeSet::new(), problems: Vec::new() }
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn problems(&mut self) -> &mut Vec<Problem> {
        &mut self.problems
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// A variable that the file itself names is known, whatever it is called.
    pub(super) fn mention(&mut self, variable: &str) {
        self.mentioned.insert(variable.to_owned());
    }

    pub(super) fn mentions(&self, variable: &str) -> bool {
        self.mentioned.contains(variable)
    }

    /// A section that stands once at most.
    pub(super) fn section<'r>(&'r mut self, name: &'static str, document: &'r Table) -> Section<'r, 'a> {
        let (table, place) = match document.get(name) {
            Some(Entry { key_place, written: Written { value: Value::Table(table), .. }, .. }) => {
                (Some(table), key_place.clone())
            }
            Some(entry) => {
                let text = format!("[{name}] is a section, not {}", entry.written.value.described());
                self.report(Problem::new(&entry.key_place, text));
                (None, entry.key_place.clone())
            }
            None => (None, self.file.clone()),
        };
        Section { reader: self, name, table, place, repeated: false }
    }

    /// Each table of a section that may stand several times, with its place.
    pub(super) fn repeated<'t>(
        &mut self,
        name: &'static str,
        document: &'t Table,
    ) -> Vec<(&'t Table, Place)> {
        let Some(entry) = document.get(name) else { return Vec::new() };
        let mut tables = Vec::new();
        let wrong = |place: &Place| Problem::new(place, format!("each of these starts with [[{name}]]"));
        let Value::List(items) = &entry.written.value else {
            self.report(wrong(&entry.key_place));
            return tables;
        };
        for item in items {
            match &item.value {
                Value::Table(table) => tables.push((table, item.place.clone())),
                _ => self.report(wrong(&item.place)),
            }
        }
        tables
    }

    /// One of the tables of a repeated section: no flag and no variable speaks about it.
    pub(super) fn one_of<'r>(
        &'r mut self,
        name: &'static str,
        table: &'r Table,
        place: Place,
    ) -> Section<'r, 'a> {
        Section { reader: self, name, table: Some(table), place, repeated: true }
    }

    /// Complains about flags for settings that do not exist.
    pub(super) fn report_unknown_flags(&mut self, settings: &[&Setting]) {
        let name = |setting: &&Setting| format!("{}.{}", setting.section, setting.key);
        let known: Vec<String> = settings.iter().filter(|s| !s.repeated()).map(name).collect();
        for flag in self.flags.iter().filter(|flag| !known.contains(&flag.setting)) {
            let meant = nearest(&flag.setting, known.iter().map(String::as_str));
            let meant = meant.map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default();
            let text = format!("unknown setting '{}'{meant}", flag.setting);
            self.problems.push(Problem::new(&Place::Flag(flag.name.clone()), text));
        }
    }

    /// A path as it is meant: `~/` is the home directory, and a relative one starts where it is written.
    pub(super) fn path(&mut self, text: &str, place: &Place, setting: &Setting) -> Option<PathBuf> {
        let problem = |text: String| Problem::new(place, text);
        if text.is_empty() || text.contains('\0') {
            self.report(problem(format!("'{}' is no path", setting.key)));
            return None;
        }
        if let Some(below) = text.strip_prefix("~/") {
            let Some(home) = self.environment.absolute_path("HOME") else {
                self.report(problem(format!("'{}' begins with ~/, but HOME is not set", setting.key)));
                return None;
            };
            return Some(home.join(below));
        }
        Some(match place {
            Place::Spot { .. } => self.directory.join(text),
            Place::Nowhere | Place::File(_) | Place::Variable(_) | Place::Flag(_) => PathBuf::from(text),
        })
    }

    /// The text of a setting, or the complaint that it is none.
    pub(super) fn text<'w>(&mut self, written: &'w Written, setting: &Setting) -> Option<&'w str> {
        match &written.value {
            Value::Text(text) => Some(text),
            _ => {
                self.mismatch(written, setting);
                None
            }
        }
    }

    /// A value of the wrong sort. Its text is not repeated: it may be a secret gone astray.
    pub(super) fn mismatch(&mut self, written: &Written, setting: &Setting) {
        let Setting { key, kind, .. } = setting;
        let text = format!("'{key}' must be {}, not {}", kind.wanted(), written.value.described());
        self.report(Problem::new(&written.place, text));
    }

    /// A text that says nothing a setting of this kind understands.
    pub(super) fn not_understood(&mut self, written: &Written, setting: &Setting, text: &str) {
        let text = format!("'{}' must be {}, not {}", setting.key, setting.kind.wanted(), quoted(text));
        self.report(Problem::new(&written.place, text));
    }

    /// One of the words that a setting knows.
    pub(super) fn word<T: Words>(&mut self, written: &Written, setting: &Setting) -> Option<T> {
        let word = self.text(written, setting)?;
        let value = T::meant(word);
        if value.is_none() {
            let meant = nearest(word, T::WORDS.iter().copied());
            let meant = meant.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
            let text =
                format!("'{}' must be {}, not {}{meant}", setting.key, setting.kind.wanted(), quoted(word));
            self.report(Problem::new(&written.place, text));
        }
        value
    }

    /// A whole number inside the range of its setting.
    fn number(&mut self, written: &Written, setting: &Setting) -> Option<u64> {
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
                    self.not_understood(written, setting, text);
                    return None;
                }
            },
            _ => {
                self.mismatch(written, setting);
                return None;
            }
        };
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.out_of_range(written, setting, &shown);
        }
        number
    }

    fn out_of_range(&mut self, written: &Written, setting: &Setting, shown: &str) {
        let text = format!("'{}' is {shown}; it must be {}", setting.key, setting.kind.range());
        self.report(Problem::new(&written.place, text));
    }
}

/// A section being read.
#[derive(Debug)]
pub(super) struct Section<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    name: &'static str,
    table: Option<&'r Table>,
    /// Its heading, or where it is missing.
    pub(super) place: Place,
    repeated: bool,
}

impl Section<'_, '_> {
    /// The value of a setting: from the flags, else the environment, else the file, else its default.
    pub(super) fn read<T: FromWritten>(&mut self, setting: &Setting) -> Option<T> {
        match self.written(setting)? {
            Some(written) => T::from_written(&written, setting, self.reader),
            None => match setting.default {
                Fallback::Is(text) => {
                    let value = parse_value(text, &Place::Nowhere).unwrap_or(Value::Foreign("unreadable"));
                    T::from_written(&Written { place: Place::Nowhere, value }, setting, self.reader)
                }
                Fallback::Nothing(_) => T::absent(),
                Fallback::Required(example) => {
                    let Setting { key, .. } = setting;
                    let text = format!("missing key '{key}' in {}", self.heading());
                    let hint = if self.repeated {
                        format!("write {key} = {example}")
                    } else {
                        format!("write {key} = {example} there, or set {}", setting.variable())
                    };
                    self.reader.report(Problem::new(&self.place, text).hint(hint));
                    None
                }
            },
        }
    }

    /// Where a setting was written, for a complaint about how it fits with others.
    pub(super) fn place_of(&mut self, key: &str, settings: &[Setting]) -> Place {
        let setting = settings.iter().find(|setting| setting.key == key);
        // What cannot be read was reported when it was read; here it only has a place.
        let before = self.reader.problems.len();
        let place = setting.and_then(|setting| self.written(setting).flatten()).map(|written| written.place);
        self.reader.problems.truncate(before);
        place.unwrap_or_else(|| self.place.clone())
    }

    /// Whether a setting was written anywhere.
    pub(super) fn is_written(&mut self, key: &str, settings: &[Setting]) -> bool {
        let before = self.reader.problems.len();
        let found = settings.iter().find(|s| s.key == key).map(|setting| self.written(setting));
        self.reader.problems.truncate(before);
        !matches!(found, None | Some(Some(None)))
    }

    /// What was written; the outer `None` says that it was unreadable, and reported.
    fn written(&mut self, setting: &Setting) -> Option<Option<Written>> {
        if !self.repeated {
            if let Some(given) = self.flag(setting) {
                return given.map(Some);
            }
            if let Some(given) = self.variable(setting) {
                return given.map(Some);
            }
        }
        Some(self.table.and_then(|table| table.get(setting.key)).map(|entry| entry.written.clone()))
    }

    fn flag(&mut self, setting: &Setting) -> Option<Option<Written>> {
        let is_meant = |flag: &&Flag| flag.setting.split_once('.') == Some((setting.section, setting.key));
        let flags: Vec<&Flag> = self.reader.flags.iter().filter(is_meant).collect();
        let last = flags.last()?;
        let place = Place::Flag(last.name.clone());
        if matches!(setting.kind, Kind::Secret) {
            let text = format!("'{}' is a secret, and a command line can be read by every user", setting.key);
            let hint = format!("set {} or {}_FILE", setting.variable(), setting.variable());
            self.reader.report(Problem::new(&place, text).hint(hint));
            return Some(None);
        }
        let text = match setting.kind {
            Kind::List(_) => flags.iter().map(|flag| flag.value.as_str()).collect::<Vec<_>>().join(","),
            _ => last.value.clone(),
        };
        Some(self.value_of(setting, &text, place))
    }

    fn variable(&mut self, setting: &Setting) -> Option<Option<Written>> {
        let environment = self.reader.environment;
        let by_file = setting.file_variable().and_then(|name| Some((environment.get(&name)?, name)));
        let Some((name, text)) = environment.given(setting) else {
            let (path, name) = by_file?;
            return Some(Some(secret_source::in_file(path, Place::Variable(name))));
        };
        let place = Place::Variable(name);
        if let Some((_, file_variable)) = by_file {
            let text = format!("{file_variable} is set as well, and only one of them can hold");
            self.reader.report(Problem::new(&place, text));
            return Some(None);
        }
        let Some(text) = text.to_str() else {
            self.reader.report(Problem::new(&place, "is not UTF-8"));
            return Some(None);
        };
        if let (Kind::Secret, Place::Variable(name)) = (setting.kind, &place) {
            return Some(Some(secret_source::in_variable(name)));
        }
        Some(self.value_of(setting, text, place))
    }

    fn value_of(&mut self, setting: &Setting, text: &str, place: Place) -> Option<Written> {
        match setting.value_of(text, &place) {
            Ok(value) => Some(Written { place, value }),
            Err(error) => {
                let text = format!("must be {}: {error}", setting.kind.wanted());
                self.reader.report(Problem::new(&place, text));
                None
            }
        }
    }

    fn heading(&self) -> String {
        if self.repeated { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }

    /// Complains about keys that the section does not have.
    pub(super) fn report_unknown(&mut self, settings: &[Setting]) {
        let Some(table) = self.table else { return };
        for entry in table.entries().filter(|entry| !settings.iter().any(|s| s.key == entry.key)) {
            let heading =
                if self.repeated { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) };
            let advice = match nearest(&entry.key, settings.iter().map(|setting| setting.key)) {
                Some(meant) => format!("; did you mean '{meant}'?"),
                None => belongs_elsewhere(&entry.key, self.name),
            };
            let text = format!("unknown key '{}' in {heading}{advice}", entry.key.escape_debug());
            self.reader.report(Problem::new(&entry.key_place, text));
        }
    }
}

/// Says so where a key is one of another section.
pub(super) fn belongs_elsewhere(key: &str, here: &str) -> String {
    let homes: Vec<String> = section::settings()
        .filter(|setting| setting.key == key && setting.section != here)
        .map(|s| if s.repeated() { format!("[[{}]]", s.section) } else { format!("[{}]", s.section) })
        .collect();
    if homes.is_empty() { String::new() } else { format!("; it belongs in {}", homes.join(" or ")) }
}

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
        reader.number(written, setting)
    }
}

impl FromWritten for u32 {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        reader.number(written, setting).and_then(|number| number.try_into().ok())
    }
}

impl FromWritten for usize {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        reader.number(written, setting).and_then(|number| number.try_into().ok())
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
