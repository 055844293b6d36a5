//! `[dialect.requests]`: bodies that the handbooks leave open, as templates.

use crate::config::document::{Entry, Value, Written};
use crate::config::problem::{Problem, nearest};
use crate::config::reader::Reader;
use crate::config::setting::Setting;
use crate::config::values::FromWritten;

/// The body of one request, with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTemplate {
    /// Which request, such as `password_reset`.
    pub request: &'static str,
    /// JSON text with `{placeholder}` inside its strings. What is filled in has to be escaped as JSON.
    pub body: String,
}

/// The requests that have a template, and what may be filled into each (PROTOCOL section 8).
const REQUESTS: [(&str, &[&str]); 4] = [
    ("register_verify", &["session_id", "code"]),
    ("register_complete", &["session_id", "email", "account_name", "new_password"]),
    ("password_init", &["session_id", "new_password"]),
    ("password_reset", &["token", "new_password"]),
];

impl FromWritten for Vec<RequestTemplate> {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Table(table) = &written.value else {
            reader.mismatch(written, setting);
            return None;
        };
        let read: Vec<_> = table.entries().map(|entry| request_template(entry, reader)).collect();
        read.into_iter().collect()
    }
}

fn request_template(entry: &Entry, reader: &mut Reader<'_>) -> Option<RequestTemplate> {
    let name = entry.key.escape_debug();
    let Some((request, placeholders)) = REQUESTS.into_iter().find(|(request, _)| *request == entry.key)
    else {
        let requests = REQUESTS.map(|(request, _)| request);
        let advice = match nearest(&entry.key, requests) {
            Some(meant) => format!("; did you mean '{meant}'?"),
            None => String::new(),
        };
        let problem = Problem::new(&entry.key_place, format!("unknown request '{name}'{advice}"));
        reader.report(problem.hint(format!("requests are {}", requests.join(", "))));
        return None;
    };
    let body = match &entry.written.value {
        Value::Table(table) => {
            let stray = table.entries().find(|entry| entry.key != "body");
            if let Some(stray) = stray {
                let text = format!(
                    "unknown key '{}' in the request '{name}'; did you mean 'body'?",
                    stray.key.escape_debug()
                );
                reader.report(Problem::new(&stray.key_place, text));
                return None;
            }
            table.get("body").map(|entry| &entry.written)
        }
        _ => None,
    };
    let Some(Written { value: Value::Text(body), place }) = body else {
        let text = format!("'{name}' must be a table with a body: {{ body = '…' }}");
        reader.report(Problem::new(&entry.written.place, text));
        return None;
    };
    if let Err(wrong) = check_body(body, placeholders) {
        reader.report(Problem::new(place, format!("the body of '{name}' {wrong}")));
        return None;
    }
    Some(RequestTemplate { request, body: body.clone() })
}

/// A body is a JSON object, and holds no placeholder but those of its request.
fn check_body(body: &str, placeholders: &[&str]) -> Result<(), String> {
    let mut plain = String::new();
    let mut rest = body;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        plain.push_str(before);
        let end =
            from[1..].find(|c: char| !c.is_ascii_lowercase() && c != '_').map_or(from.len(), |end| end + 1);
        let name = &from[1..end];
        if name.is_empty() || !from[end..].starts_with('}') {
            plain.push('{');
            rest = &from[1..];
            continue;
        }
        if !placeholders.contains(&name) {
            let known: Vec<String> = placeholders.iter().map(|name| format!("{{{name}}}")).collect();
            return Err(format!("has no use for {{{name}}}; it knows {}", known.join(" and ")));
        }
        plain.push('x');
        rest = &from[end + 1..];
    }
    plain.push_str(rest);
    match serde_json::from_str::<serde_json::Value>(&plain) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err("is JSON, but no object".into()),
        Err(error) => Err(format!("is no JSON: {error}")),
    }
}
