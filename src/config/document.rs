//! The text of a configuration as a tree that remembers where each word stood.

use std::fmt;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What TOML can say, as far as a setting can want it.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Switch(bool),
    List(Vec<Written>),
    Table(Table),
    /// What no setting wants, under the name it has in a message.
    Foreign(&'static str),
}

/// Shows what it is, never the text: a variable of the environment may hold a secret itself.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.described())
    }
}

impl Value {
    /// With its article, for "must be …, not …".
    pub(super) fn described(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a number",
            Self::Switch(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Foreign(what) => what,
        }
    }
}

/// The entries of a table, in the order they were written.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(Vec<Entry>);

/// `key = value`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) written: Written,
}

impl Table {
    /// A table of one entry, all of it at one place.
    pub(super) fn of_one(key: &str, value: Value, place: &Place) -> Self {
        let written = Written { place: place.clone(), value };
        Self(vec![Entry { key: key.to_owned(), key_place: place.clone(), written }])
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    pub(super) fn entries(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }
}

/// Reads a document. What TOML itself objects to goes to `problems`; the rest is still read.
pub(super) fn parse(file: &Arc<str>, text: &str, problems: &mut Vec<Problem>) -> Table {
    let source = Source { file: Some(file), text };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place =
            error.span().map_or_else(|| Place::File(Arc::clone(file)), |span| source.place(span.start));
        // The library's own Display would quote the line, and a line may hold what should not be shown.
        problems.push(Problem::new(&place, error.message().replace('\n', ", ")));
    }
    source.table(document.into_inner())
}

/// Reads one value as TOML spells it, such as a default, or a table given by the environment.
///
/// # Errors
/// What TOML objects to.
pub(super) fn parse_value(text: &str, place: &Place) -> Result<Value, String> {
    let value = DeValue::parse(text).map_err(|error| error.message().replace('\n', ", "))?;
    let mut value = Source { file: None, text }.value(value.into_inner());
    settle(&mut value, place);
    Ok(value)
}

/// A value from outside of a file stands where the whole of it stands.
fn settle(value: &mut Value, place: &Place) {
    match value {
        Value::List(items) => {
            for item in items {
                item.place = place.clone();
                settle(&mut item.value, place);
            }
        }
        Value::Table(Table(entries)) => {
            for entry in entries {
                entry.key_place = place.clone();
                entry.written.place = place.clone();
                settle(&mut entry.written.value, place);
            }
        }
        Value::Text(_) | Value::Integer(_) | Value::Switch(_) | Value::Foreign(_) => {}
    }
}

struct Source<'a> {
    file: Option<&'a Arc<str>>,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, byte: usize) -> Place {
        let Some(file) = self.file else { return Place::Nowhere };
        let (line, column) = line_and_column(self.text.as_bytes(), byte);
        Place::Spot { file: Arc::clone(file), line, column }
    }

    fn table(&self, table: DeTable<'_>) -> Table {
        let mut entries: Vec<(usize, Entry)> = table
            .into_iter()
            .map(|(key, value)| {
                let start = key.span().start;
                let written = self.written(value);
                (start, Entry { key: key.into_inner().into_owned(), key_place: self.place(start), written })
            })
            .collect();
        // The library sorts by name; a reader goes from top to bottom.
        entries.sort_by_key(|(start, _)| *start);
        Table(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    fn written(&self, value: Spanned<DeValue<'_>>) -> Written {
        Written { place: self.place(value.span().start), value: self.value(value.into_inner()) }
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Foreign("a number of more than 63 bits"),
            },
            DeValue::Float(_) => Value::Foreign("a number with a fraction"),
            DeValue::Boolean(is) => Value::Switch(is),
            DeValue::Datetime(_) => Value::Foreign("a date"),
            DeValue::Array(items) => Value::List(items.into_iter().map(|item| self.written(item)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}

/// The line and the column of a byte, both from 1; a column is a character, not a byte.
pub(super) fn line_and_column(text: &[u8], byte: usize) -> (usize, usize) {
    let before = &text[..byte.min(text.len())];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    // A character starts at each byte that is no continuation (RFC 3629 section 3).
    let column = before[line_start..].iter().filter(|&&b| b & 0xC0 != 0x80).count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(line: usize, column: usize) -> Place {
        Place::Spot { file: "f".into(), line, column }
    }

    #[test]
    fn entries_keep_the_order_and_the_place_they_were_written_in() {
        let mut problems = Vec::new();
        let table = parse(&"f".into(), "z = 1\n\n[a]\n  'ö' = { b = \"x\" }\n", &mut problems);
        assert_eq!(problems, []);
        let keys: Vec<_> = table.entries().map(|e| (e.key.as_str(), e.key_place.clone())).collect();
        assert_eq!(keys, [("z", spot(1, 1)), ("a", spot(3, 2))]);
        let Value::Table(a) = &table.get("a").unwrap().written.value else { panic!() };
        let inner = a.get("ö").unwrap();
        assert_eq!((&inner.key_place, &inner.written.place), (&spot(4, 3), &spot(4, 9)));
    }

    #[test]
    fn a_column_counts_characters_and_a_line_ends_with_a_newline() {
        let text = "äö = 1\r\nb".as_bytes();
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 4), (1, 3));
        assert_eq!(line_and_column(text, 10), (2, 1));
        assert_eq!(line_and_column(text, 99), (2, 2));
    }

    #[test]
    fn all_that_toml_objects_to_is_listed_and_the_rest_is_read() {
        let mut problems = Vec::new();
        let table = parse(&"f".into(), "a = \nb = 2\nb = 3\nc = 4\n", &mut problems);
        assert_eq!(problems.iter().map(|p| p.place().clone()).collect::<Vec<_>>(), [spot(1, 5), spot(3, 1)]);
        assert!(table.get("c").is_some());
    }

    #[test]
    fn a_value_from_outside_a_file_has_the_place_of_the_whole() {
        let place = Place::Variable("PORTUNUS_X".into());
        let Value::List(items) = parse_value("[1, 2]", &place).unwrap() else { panic!() };
        assert_eq!(items[1].place, place);
        assert!(parse_value("[1", &place).is_err());
        assert!(matches!(parse_value("9223372036854775808", &place), Ok(Value::Foreign(_))));
    }
}
