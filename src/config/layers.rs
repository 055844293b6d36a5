//! The three layers a setting may be given in: the command line, else the environment, else the file; else it
//! has its default.

use super::document::{Table, Value, Written, parse_value};
use super::environment::Flag;
use super::problem::{Place, Problem, nearest};
use super::reader::Reader;
use super::secret_form;
use super::section;
use super::setting::{Fallback, Kind, Setting};
use super::values::FromWritten;

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

impl<'r, 'a> Section<'r, 'a> {
    /// A section that stands once at most.
    pub(super) fn once(
        reader: &'r mut Reader<'a>,
        name: &'static str,
        table: Option<&'r Table>,
        place: Place,
    ) -> Self {
        Self { reader, name, table, place, repeated: false }
    }

    /// One table of a section that may stand several times: no flag and no variable speaks about it.
    pub(super) fn one_of_several(
        reader: &'r mut Reader<'a>,
        name: &'static str,
        table: &'r Table,
        place: Place,
    ) -> Self {
        Self { reader, name, table: Some(table), place, repeated: true }
    }

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
        let before = self.reader.problems().len();
        let place = setting.and_then(|setting| self.written(setting).flatten()).map(|written| written.place);
        self.reader.problems().truncate(before);
        place.unwrap_or_else(|| self.place.clone())
    }

    /// Whether a setting was written anywhere.
    pub(super) fn is_written(&mut self, key: &str, settings: &[Setting]) -> bool {
        let before = self.reader.problems().len();
        let found = settings.iter().find(|s| s.key == key).map(|setting| self.written(setting));
        self.reader.problems().truncate(before);
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
        let flags: Vec<&Flag> = self.reader.flags().iter().filter(is_meant).collect();
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
        if environment.has_none_of_ours() {
            return None;
        }
        let by_file = setting.file_variable().and_then(|name| Some((environment.get(&name)?, name)));
        let Some((name, text)) = environment.given(setting) else {
            let (path, name) = by_file?;
            return Some(Some(secret_form::in_file(path, Place::Variable(name))));
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
            return Some(Some(secret_form::in_variable(name)));
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
