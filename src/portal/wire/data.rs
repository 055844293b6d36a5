//! The fields of an answer to one of our own calls.

use serde_json::Value;

/// A successful answer's fields: those of `data`, and those beside it.
pub(crate) struct Data(Value);

impl Data {
    /// Reads a body, opened where it was sealed.
    ///
    /// # Errors
    /// What is wrong with it, if it is no JSON object.
    pub(crate) fn read(body: &[u8]) -> Result<Self, &'static str> {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err("it is empty");
        }
        match serde_json::from_slice(body) {
            Ok(value @ Value::Object(_)) => Ok(Self(value)),
            Ok(_) => Err("it is no JSON object"),
            Err(_) => Err("it is not JSON"),
        }
    }

    /// A field of `data`; where it has none of the name, the one beside it. `null` is as good as none.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        let parts = [self.0.get("data"), Some(&self.0)];
        parts.into_iter().flatten().find_map(|part| part.get(name).filter(|value| !value.is_null()))
    }

    /// A field that is a text with something in it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.field(name)?.as_str().filter(|text| !text.trim().is_empty())
    }

    /// A field that is `true` or `false`, as such or as text.
    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        match self.field(name)? {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// The address in a profile (PROTOCOL section 7), under either of the names in use.
pub(crate) fn account_email(data: &Data) -> Option<String> {
    data.text("accountEmail").or_else(|| data.text("email")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_5_fields_stand_in_data_or_beside_it() {
        let data = Data::read(br#"{"a":1,"b":2,"data":{"a":3,"b":null}}"#).unwrap();
        assert_eq!(data.field("a").unwrap(), 3);
        assert_eq!(data.field("b").unwrap(), 2);
        assert_eq!(data.field("c"), None);
        let reduced = Data::read(br#"{"a":"x","data":[1]}"#).unwrap();
        assert_eq!(reduced.text("a"), Some("x"));
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        let why = |body: &[u8]| Data::read(body).err();
        assert_eq!(why(b""), Some("it is empty"));
        assert_eq!(why(b" \n"), Some("it is empty"));
        assert_eq!(why(b"[]"), Some("it is no JSON object"));
        assert_eq!(why(b"<html>"), Some("it is not JSON"));
        assert_eq!(why(&b"[".repeat(100_000)), Some("it is not JSON"));
    }
}
