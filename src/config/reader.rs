//! What reads a configuration holds together: where it stands, and every complaint so far.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{Entry, Table, Value, Written};
use super::environment::{Environment, Flag};
use super::layers::Section;
use super::problem::{Place, Problem, nearest, quoted};
use super::setting::Setting;
use super::values::Words;

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

    pub(super) fn flags(&self) -> &'a [Flag] {
        self.flags
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
        Section::once(self, name, table, place)
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
        Section::one_of_several(self, name, table, place)
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

    pub(super) fn out_of_range(&mut self, written: &Written, setting: &Setting, shown: &str) {
        let text = format!("'{}' is {shown}; it must be {}", setting.key, setting.kind.range());
        self.report(Problem::new(&written.place, text));
    }
}
