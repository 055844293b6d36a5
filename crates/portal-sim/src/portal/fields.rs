//! Strict reading of request bodies: every field named, typed and measured, and no other field.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::refusal::Refusal;
use crate::settings::Dialect;

/// A request body being read. Complaints are collected, so that an answer names all of them.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    endpoint: Endpoint,
    dialect: &'a Dialect,
    left: Map<String, Value>,
    complaints: BTreeMap<String, Vec<String>>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(endpoint: Endpoint, dialect: &'a Dialect, body: Map<String, Value>) -> Self {
        Self { endpoint, dialect, left: body, complaints: BTreeMap::new() }
    }

    /// A text that must be there; empty when it is not, which `done` then reports.
    pub(crate) fn text(&mut self, name: &str, length: RangeInclusive<usize>) -> String {
        let name = self.spelled(name);
        let Some(value) = self.left.remove(&name) else {
            self.complain(&name, "is required");
            return String::new();
        };
        self.measured(&name, &value, length).unwrap_or_default()
    }

    /// A text that may be there.
    pub(crate) fn optional_text(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<String> {
        let name = self.spelled(name);
        let value = self.left.remove(&name).filter(|value| !value.is_null())?;
        self.measured(&name, &value, length)
    }

    pub(crate) fn email(&mut self, name: &str) -> String {
        let email = self.text(name, 1..=255);
        let whole = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        if !email.is_empty() && !whole {
            self.complain(name, "must be an e-mail address");
        }
        email
    }

    pub(crate) fn password(&mut self, name: &str) -> String {
        self.text(name, 8..=128)
    }

    /// A field of any type, for those whose type is a matter of dialect.
    pub(crate) fn any(&mut self, name: &str) -> Option<Value> {
        let name = self.spelled(name);
        self.left.remove(&name).filter(|value| !value.is_null())
    }

    pub(crate) fn complain(&mut self, name: &str, what: &str) {
        self.complaints.entry(name.to_owned()).or_default().push(what.to_owned());
    }

    pub(crate) fn done(mut self) -> Result<(), Refusal> {
        for name in std::mem::take(&mut self.left).into_iter().map(|(name, _)| name) {
            self.complain(&name, "unknown field");
        }
        if self.complaints.is_empty() { Ok(()) } else { Err(Refusal::Fields(self.complaints)) }
    }

    fn measured(&mut self, name: &str, value: &Value, length: RangeInclusive<usize>) -> Option<String> {
        let Some(text) = value.as_str() else {
            self.complain(name, "must be a string");
            return None;
        };
        let measure = text.chars().count();
        if !length.contains(&measure) {
            self.complain(name, &format!("length must be between {} and {}", length.start(), length.end()));
            return None;
        }
        Some(text.to_owned())
    }

    fn spelled(&self, name: &str) -> String {
        let key = format!("{}.{name}", self.endpoint.name());
        self.dialect.request_fields.get(&key).cloned().unwrap_or_else(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Preset;
    use serde_json::json;

    #[test]
    fn every_complaint_is_named() {
        let dialect = Preset::Guide.dialect();
        let Value::Object(body) = json!({"email": "a@b", "password": "short", "extra": 1}) else { panic!() };
        let mut fields = Fields::new(Endpoint::Initiate, &dialect, body);
        assert_eq!(fields.email("email"), "a@b");
        fields.password("password");
        let Err(Refusal::Fields(complaints)) = fields.done() else { panic!("taken") };
        assert_eq!(complaints.keys().collect::<Vec<_>>(), ["extra", "password"]);
    }

    #[test]
    fn a_field_can_have_another_name() {
        let mut dialect = Preset::Guide.dialect();
        dialect.request_fields.insert("password/reset.newPassword".to_owned(), "pwd".to_owned());
        let Value::Object(body) = json!({"pwd": "long enough"}) else { panic!() };
        let mut fields = Fields::new(Endpoint::PasswordReset, &dialect, body);
        assert_eq!(fields.password("newPassword"), "long enough");
        assert_eq!(fields.done(), Ok(()));
    }
}
