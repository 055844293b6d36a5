//! How the source of a secret is written, and what is said of a secret that was written itself.

use super::document::{Table, Value, Written};
use super::problem::{Place, Problem, nearest};
use super::reader::Reader;
use super::secret_source::SecretSource;
use super::setting::Setting;
use super::values::FromWritten;

/// The forms, for messages.
pub(super) const FORMS: &str =
    r#"{ env = "NAME" }, { file = "path" }, { command = ["program", "argument"] } or { prompt = true }"#;

const KEYS: [&str; 4] = ["env", "file", "command", "prompt"];

/// As if `{ env = "NAME" }` were written.
pub(super) fn in_variable(name: &str) -> Written {
    let place = Place::Variable(name.to_owned());
    Written { value: Value::Table(Table::of_one("env", Value::Text(name.to_owned()), &place)), place }
}

/// As if `{ file = "path" }` were written.
pub(super) fn in_file(path: &str, place: Place) -> Written {
    Written { value: Value::Table(Table::of_one("file", Value::Text(path.to_owned()), &place)), place }
}

impl FromWritten for SecretSource {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let key = setting.key;
        let Value::Table(table) = &written.value else {
            // Whatever stands here may be the secret itself: it is not repeated.
            let text = format!("'{key}' is a secret, and no secret is written here");
            reader.report(Problem::new(&written.place, text).hint(format!("write {FORMS}")));
            return None;
        };
        named(table, &written.place, setting, reader)
    }
}

/// Reads `{ env = … }` and its like for the setting, or for one entry of its table.
pub(super) fn named(
    table: &Table,
    place: &Place,
    setting: &Setting,
    reader: &mut Reader<'_>,
) -> Option<SecretSource> {
    let key = setting.key;
    let mut entries = table.entries();
    let (Some(entry), None) = (entries.next(), entries.next()) else {
        let text = format!("'{key}' must name one source of the secret");
        reader.report(Problem::new(place, text).hint(format!("write {FORMS}")));
        return None;
    };
    let source = match (entry.key.as_str(), &entry.written.value) {
        ("env", Value::Text(name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
            reader.mention(name);
            SecretSource::Env(name.clone())
        }
        ("file", Value::Text(path)) => {
            SecretSource::File(reader.path(path, &entry.written.place, setting)?)
        }
        ("command", value) if let Some(words) = command(value) => SecretSource::Command(words),
        ("prompt", Value::Switch(true)) => SecretSource::Prompt,
        (form, _) if KEYS.contains(&form) => {
            let text = format!("'{key}': {form} must be {}", shape(form));
            reader.report(Problem::new(&entry.written.place, text));
            return None;
        }
        (other, _) => {
            let advice = match nearest(other, KEYS) {
                Some(meant) => format!("; did you mean '{meant}'?"),
                None => String::new(),
            };
            let text = format!("'{key}': unknown source '{}'{advice}", other.escape_debug());
            reader.report(Problem::new(&entry.key_place, text).hint(format!("write {FORMS}")));
            return None;
        }
    };
    Some(source)
}

/// The words of a command; `None` unless all are text, and the first names a program.
fn command(value: &Value) -> Option<Vec<String>> {
    let Value::List(words) = value else { return None };
    let text = |word: &Written| match &word.value {
        Value::Text(text) if !text.contains('\0') => Some(text.clone()),
        _ => None,
    };
    words
        .iter()
        .map(text)
        .collect::<Option<Vec<_>>>()
        .filter(|words| words.first().is_some_and(|w| !w.is_empty()))
}

fn shape(form: &str) -> &'static str {
    match form {
        "env" => "the name of a variable, in quotes",
        "file" => "a path, in quotes",
        "command" => r#"a list: the program, then its arguments, such as ["pass", "portal"]"#,
        _ => "true",
    }
}
