//! Bodies of requests whose fields are only inferred: templates that a person can set (PROTOCOL section 8).

use serde_json::Value;
use zeroize::Zeroizing;

use super::Endpoint;

/// The bodies of the calls of PROTOCOL section 8, whose field names are in part only inferred. Each holds
/// placeholders:
///
/// | call | placeholders |
/// |---|---|
/// | `register/initiate` | `{email}`, `{account_name}` |
/// | `register/code/send` | `{session_id}` |
/// | `register/verify` | `{session_id}`, `{code}` |
/// | `register/complete` | `{session_id}`, `{email}`, `{account_name}`, `{new_password}` |
/// | `password/init` | `{session_id}`, `{new_password}` |
/// | `password/forgot` | `{email}`, `{turnstile_token}` |
/// | `password/reset` | `{token}`, `{new_password}` |
/// | `password/change` | `{current_password}`, `{new_password}` |
/// | `security/mfa/otp/verify` | `{code}` |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTemplates(Vec<(Endpoint, RequestTemplate)>);

impl RequestTemplates {
    /// The template of a call, where it has one.
    pub fn get(&self, endpoint: Endpoint) -> Option<&RequestTemplate> {
        self.0.iter().find_map(|(of, template)| (*of == endpoint).then_some(template))
    }

    /// Sets the template of a call.
    ///
    /// # Errors
    /// [`BadTemplate`]; the old template then stays.
    pub fn set(&mut self, endpoint: Endpoint, text: &str) -> Result<(), BadTemplate> {
        let slot = self.0.iter_mut().find(|(of, _)| *of == endpoint);
        let (_, slot) = slot.ok_or(BadTemplate::NotTemplated(endpoint.name()))?;
        *slot = RequestTemplate::new(endpoint, text)?;
        Ok(())
    }

    /// Sets the template of a call by its name in a configuration, such as `password_reset`.
    ///
    /// # Errors
    /// [`BadTemplate`]; the old template then stays.
    pub fn set_named(&mut self, request: &str, text: &str) -> Result<(), BadTemplate> {
        let endpoint = self.0.iter().map(|(endpoint, _)| *endpoint).find(|of| named(*of) == request);
        self.set(endpoint.ok_or_else(|| BadTemplate::UnknownRequest(request.to_owned()))?, text)
    }
}

/// The documented and inferred forms.
impl Default for RequestTemplates {
    fn default() -> Self {
        let forms = FORMS.iter().map(|form| {
            let template = RequestTemplate::new(form.endpoint, form.body);
            (form.endpoint, template.expect("a test reads every form"))
        });
        Self(forms.collect())
    }
}

/// A JSON object whose strings may hold placeholders such as `{token}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTemplate {
    body: Value,
    placeholders: &'static [&'static str],
}

impl RequestTemplate {
    /// Reads and checks the template of a call.
    ///
    /// # Errors
    /// [`BadTemplate`], with what to write instead.
    pub fn new(endpoint: Endpoint, text: &str) -> Result<Self, BadTemplate> {
        let form = FORMS.iter().find(|form| form.endpoint == endpoint);
        let placeholders = form.ok_or(BadTemplate::NotTemplated(endpoint.name()))?.placeholders;
        let body: Value = serde_json::from_str(text).map_err(|e| BadTemplate::NotJson(e.to_string()))?;
        if !body.is_object() {
            return Err(BadTemplate::NotAnObject);
        }
        check(&body, placeholders)?;
        Ok(Self { body, placeholders })
    }

    /// The body with every placeholder replaced. A value stands inside a JSON string whatever it holds: it can
    /// add no field.
    ///
    /// # Errors
    /// [`MissingValue`] if the template asks for a value that is not given.
    pub fn render(&self, values: &[(&str, &str)]) -> Result<Zeroizing<Vec<u8>>, MissingValue> {
        // Room for every value escaped in full, so that no copy of a password stays behind in a smaller buffer.
        let room = values.iter().map(|(_, value)| 6 * value.len()).sum::<usize>() + 4096;
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        self.write(&self.body, values, &mut out)?;
        Ok(out)
    }

    /// The same with one field more, whose text may hold the call's placeholders.
    pub(in crate::portal) fn with(&self, field: &str, text: &str) -> Self {
        let mut body = self.body.clone();
        if let Value::Object(fields) = &mut body {
            fields.insert(field.to_owned(), Value::String(text.to_owned()));
        }
        Self { body, placeholders: self.placeholders }
    }

    fn write(&self, part: &Value, values: &[(&str, &str)], out: &mut Vec<u8>) -> Result<(), MissingValue> {
        match part {
            Value::Object(fields) => {
                out.push(b'{');
                for (index, (name, field)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_json(name, out);
                    out.push(b':');
                    self.write(field, values, out)?;
                }
                out.push(b'}');
            }
            Value::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write(item, values, out)?;
                }
                out.push(b']');
            }
            Value::String(text) => {
                let mut filled = Zeroizing::new(String::with_capacity(out.capacity()));
                for piece in pieces(text) {
                    match piece {
                        Piece::Text(text) => filled.push_str(text),
                        Piece::Placeholder(name) => filled.push_str(self.value_of(name, values)?),
                    }
                }
                write_json(filled.as_str(), out);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => write_json(part, out),
        }
        Ok(())
    }

    fn value_of<'v>(&self, name: &str, values: &[(&str, &'v str)]) -> Result<&'v str, MissingValue> {
        let given = values.iter().find_map(|(of, value)| (*of == name).then_some(*value));
        let known = self.placeholders.iter().find(|known| **known == name);
        given.ok_or(MissingValue(known.copied().unwrap_or_default()))
    }
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// Not JSON at all.
    #[error("the template is not JSON: {0}")]
    NotJson(String),
    /// JSON, but nothing that could be a request's body.
    #[error("the template is not a JSON object")]
    NotAnObject,
    /// A placeholder that this call has no value for.
    #[error("the template asks for {{{name}}}; there is {known}")]
    UnknownPlaceholder {
        /// What stands between the braces.
        name: String,
        /// What may stand there.
        known: String,
    },
    /// No call of this name has a template.
    #[error("no request named {0:?} has a template")]
    UnknownRequest(String),
    /// The fields of this call are documented.
    #[error("the fields of {0} are documented and have no template")]
    NotTemplated(&'static str),
}

/// The template asks for a value that is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's template asks for {{{0}}}, which is not given here")]
pub struct MissingValue(pub &'static str);

struct Form {
    endpoint: Endpoint,
    placeholders: &'static [&'static str],
    body: &'static str,
}

/// PROTOCOL section 8: every row with a body.
const FORMS: &[Form] = &[
    Form {
        endpoint: Endpoint::RegisterInitiate,
        placeholders: &["email", "account_name"],
        body: r#"{"email":"{email}","accountName":"{account_name}"}"#,
    },
    Form {
        endpoint: Endpoint::RegisterCodeSend,
        placeholders: &["session_id"],
        body: r#"{"sessionId":"{session_id}"}"#,
    },
    Form {
        endpoint: Endpoint::RegisterVerify,
        placeholders: &["session_id", "code"],
        body: r#"{"sessionId":"{session_id}","code":"{code}"}"#,
    },
    Form {
        endpoint: Endpoint::RegisterComplete,
        placeholders: &["session_id", "email", "account_name", "new_password"],
        body: r#"{"sessionId":"{session_id}","email":"{email}","accountName":"{account_name}"}"#,
    },
    Form {
        endpoint: Endpoint::PasswordInit,
        placeholders: &["session_id", "new_password"],
        body: r#"{"sessionId":"{session_id}","newPassword":"{new_password}"}"#,
    },
    Form {
        endpoint: Endpoint::PasswordForgot,
        placeholders: &["email", "turnstile_token"],
        body: r#"{"email":"{email}"}"#,
    },
    Form {
        endpoint: Endpoint::PasswordReset,
        placeholders: &["token", "new_password"],
        body: r#"{"token":"{token}","newPassword":"{new_password}"}"#,
    },
    Form {
        endpoint: Endpoint::PasswordChange,
        placeholders: &["current_password", "new_password"],
        body: r#"{"currentPassword":"{current_password}","newPassword":"{new_password}"}"#,
    },
    Form { endpoint: Endpoint::OtpVerify, placeholders: &["code"], body: r#"{"code":"{code}"}"# },
];

/// `password_reset` for `password/reset`.
fn named(endpoint: Endpoint) -> String {
    endpoint.name().replace('/', "_")
}

enum Piece<'t> {
    Text(&'t str),
    Placeholder(&'t str),
}

/// Splits at `{name}`, where a name is lower-case letters and `_`; any other brace is text.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = placeholder(rest) {
            rest = after;
            return Some(Piece::Placeholder(name));
        }
        let mut starts = rest.char_indices().skip(1).map(|(at, _)| at);
        let next = starts.find(|at| placeholder(&rest[*at..]).is_some());
        let (text, after) = rest.split_at(next.unwrap_or(rest.len()));
        rest = after;
        Some(Piece::Text(text))
    })
}

/// The placeholder at the beginning of `text`, and what follows it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let legal = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    legal.then_some((name, after))
}

fn check(part: &Value, placeholders: &[&str]) -> Result<(), BadTemplate> {
    match part {
        Value::Object(fields) => fields.values().try_for_each(|field| check(field, placeholders)),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, placeholders)),
        Value::String(text) => pieces(text).try_for_each(|piece| match piece {
            Piece::Placeholder(name) if !placeholders.contains(&name) => {
                let known = placeholders.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>();
                Err(BadTemplate::UnknownPlaceholder { name: name.to_owned(), known: known.join(", ") })
            }
            Piece::Placeholder(_) | Piece::Text(_) => Ok(()),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn write_json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("texts and numbers are JSON, and a Vec takes all bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(endpoint: Endpoint, text: &str, values: &[(&str, &str)]) -> String {
        let template = RequestTemplate::new(endpoint, text).unwrap();
        String::from_utf8(template.render(values).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn section_8_bodies() {
        let templates = RequestTemplates::default();
        let values = [
            ("session_id", "reg_1"),
            ("code", "123456"),
            ("email", "a@b.c"),
            ("account_name", "A"),
            ("token", "t"),
            ("new_password", "p"),
            ("current_password", "c"),
        ];
        for (endpoint, expected) in [
            (Endpoint::RegisterInitiate, r#"{"email":"a@b.c","accountName":"A"}"#),
            (Endpoint::RegisterVerify, r#"{"sessionId":"reg_1","code":"123456"}"#),
            (Endpoint::RegisterComplete, r#"{"sessionId":"reg_1","email":"a@b.c","accountName":"A"}"#),
            (Endpoint::PasswordInit, r#"{"sessionId":"reg_1","newPassword":"p"}"#),
            (Endpoint::PasswordReset, r#"{"token":"t","newPassword":"p"}"#),
            (Endpoint::RegisterCodeSend, r#"{"sessionId":"reg_1"}"#),
            (Endpoint::PasswordForgot, r#"{"email":"a@b.c"}"#),
            (Endpoint::PasswordChange, r#"{"currentPassword":"c","newPassword":"p"}"#),
            (Endpoint::OtpVerify, r#"{"code":"123456"}"#),
        ] {
            let body = templates.get(endpoint).unwrap().render(&values).unwrap();
            assert_eq!(std::str::from_utf8(&body).unwrap(), expected);
        }
        assert_eq!(templates.get(Endpoint::Initiate), None);
    }

    #[test]
    fn a_value_can_add_no_field() {
        let body = rendered(
            Endpoint::PasswordReset,
            r#"{"t":"{token}","p":"{new_password}"}"#,
            &[("token", r#"x","admin":"true"#), ("new_password", "\"\\\n\u{1}{token}é")],
        );
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read.as_object().unwrap().len(), 2);
        assert_eq!(read["t"], r#"x","admin":"true"#);
        assert_eq!(read["p"], "\"\\\n\u{1}{token}é");
    }

    #[test]
    fn placeholders_stand_anywhere_in_a_string_and_other_braces_are_text() {
        let body = rendered(
            Endpoint::PasswordReset,
            r#"{"a":["{token}-{token}",1,null,true],"b":{"c":"{ {T} {} é{token}{"}}"#,
            &[("token", "x")],
        );
        assert_eq!(body, r#"{"a":["x-x",1,null,true],"b":{"c":"{ {T} {} éx{"}}"#);
    }

    #[test]
    fn a_bad_template_is_refused_with_what_may_stand_there() {
        let refused = |text: &str| RequestTemplate::new(Endpoint::PasswordReset, text).unwrap_err();
        assert!(matches!(refused("{token}"), BadTemplate::NotJson(_)));
        assert_eq!(refused("[]"), BadTemplate::NotAnObject);
        let unknown = refused(r#"{"a":"{tokn}"}"#);
        assert_eq!(unknown.to_string(), "the template asks for {tokn}; there is {token}, {new_password}");
        let documented = RequestTemplate::new(Endpoint::Initiate, "{}").unwrap_err();
        assert_eq!(documented, BadTemplate::NotTemplated("login/initiate"));
    }

    #[test]
    fn a_template_that_is_refused_leaves_the_old_one() {
        let mut templates = RequestTemplates::default();
        assert!(templates.set(Endpoint::PasswordInit, "no").is_err());
        assert_eq!(templates, RequestTemplates::default());
        templates.set(Endpoint::PasswordInit, r#"{"pw":"{new_password}"}"#).unwrap();
        let body = templates.get(Endpoint::PasswordInit).unwrap().render(&[("new_password", "p")]).unwrap();
        assert_eq!(body.as_slice(), br#"{"pw":"p"}"#);
    }

    #[test]
    fn a_template_is_set_by_the_name_that_a_configuration_uses() {
        let mut templates = RequestTemplates::default();
        for name in
            ["register_initiate", "register_verify", "register_complete", "password_init", "password_reset"]
        {
            assert_eq!(templates.set_named(name, "{}"), Ok(()), "{name}");
        }
        assert_eq!(templates.get(Endpoint::PasswordReset).unwrap().render(&[]).unwrap().as_slice(), b"{}");
        for unknown in ["login_initiate", "password/reset", ""] {
            assert_eq!(templates.set_named(unknown, "{}"), Err(BadTemplate::UnknownRequest(unknown.into())));
        }
    }

    #[test]
    fn a_missing_value_is_named() {
        let templates = RequestTemplates::default();
        let refused = templates.get(Endpoint::PasswordReset).unwrap().render(&[("token", "t")]).unwrap_err();
        assert_eq!(refused, MissingValue("new_password"));
    }
}
