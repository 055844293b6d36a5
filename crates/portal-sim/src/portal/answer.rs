//! Answers and refusals, written in the dialect's response envelope.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use crate::settings::{Dialect, PendingPlace, ResponseForm};
use crate::state::millis;

/// A yes.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    code: &'static str,
    data: Value,
    pending: Option<PendingPlace>,
    /// Named beside `data`: the id of a channel that a type 1 message opened.
    pub(crate) channel_id: Option<String>,
}

impl Answer {
    pub(crate) fn ok(data: Value) -> Self {
        Self { status: 200, code: "2000", data, pending: None, channel_id: None }
    }

    /// 201, with code 2000, as documented.
    pub(crate) fn created(data: Value) -> Self {
        Self { status: 201, ..Self::ok(data) }
    }

    pub(crate) fn no_content() -> Self {
        Self { status: 204, ..Self::ok(Value::Null) }
    }

    pub(crate) fn pending(dialect: &Dialect) -> Self {
        let place = match dialect.response_form {
            // The SDK's form has no other place for it.
            ResponseForm::Sdk => PendingPlace::Data,
            _ => dialect.pending_place,
        };
        let data = match place {
            PendingPlace::Data => json!({"isPendingApproval": true}),
            PendingPlace::TopLevel => Value::Null,
        };
        Self { status: dialect.pending_status, code: "2101", data, pending: Some(place), channel_id: None }
    }

    pub(crate) fn write(&self, dialect: &Dialect) -> Vec<u8> {
        let mut out = head(dialect, true, self.code, "SUCCESS");
        out.insert("data".to_owned(), self.data.clone());
        if self.pending == Some(PendingPlace::TopLevel) {
            out.insert("isPendingApproval".to_owned(), Value::Bool(true));
        }
        if let Some(id) = &self.channel_id {
            out.insert("sessionId".to_owned(), Value::String(id.clone()));
        }
        text(out)
    }
}

/// A no as status, `Retry-After` and body.
pub(crate) fn write_refusal(refusal: &Refusal, dialect: &Dialect) -> (u16, Option<u64>, Vec<u8>) {
    let spelled = refusal.spell(dialect);
    let mut out = head(dialect, false, &spelled.code, &spelled.message);
    let mut data = spelled.fields.map_or(Value::Null, |fields| json!(fields));
    if let Refusal::Cooldown(seconds) = refusal {
        data = json!({"cooldownSeconds": seconds});
    }
    match spelled.pending {
        Some(PendingPlace::TopLevel) => {
            out.insert("isPendingApproval".to_owned(), Value::Bool(true));
        }
        Some(PendingPlace::Data) => data = json!({"isPendingApproval": true}),
        None => {}
    }
    out.insert("data".to_owned(), data);
    (spelled.status, spelled.retry_after, text(out))
}

fn head(dialect: &Dialect, success: bool, code: &str, message: &str) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    match dialect.response_form {
        form @ (ResponseForm::V200 | ResponseForm::V130) => {
            put("version", json!(form.name()));
            if !dialect.lean {
                put("timestamp", json!(millis(SystemTime::now())));
            }
            put("success", json!(success));
            put("code", json!(code));
            if !dialect.lean {
                put("message", json!(message));
            }
        }
        ResponseForm::Reduced => {
            put("code", json!(code));
            put("message", json!(message));
        }
        ResponseForm::Sdk => {
            put("success", json!(success));
            if !success {
                put("error", json!({"code": code, "message": message}));
            }
        }
    }
    out
}

fn text(out: Map<String, Value>) -> Vec<u8> {
    Value::Object(out).to_string().into_bytes()
}
