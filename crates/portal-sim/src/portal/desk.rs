//! The channel's own calls: public key, session, session/close.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::fields::Fields;
use super::refusal::Refusal;
use super::{Outcome, Portal};
use crate::channel::{Channel, UnwrapError, decode_base64};
use crate::state::millis;

/// Tells the RSA key.
pub(crate) fn public_key(portal: &Portal) -> Outcome {
    let key = portal.keys.published(portal.dialect().base64);
    let made = key.made.replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut told = json!({
        "keyId": key.id,
        "publicKey": key.spki,
        "algorithm": "RSA-OAEP-2048",
        "keySize": 2048,
    });
    if !portal.dialect().lean {
        told["createdAt"] = json!(made.format(&Rfc3339).unwrap_or_default());
        told["expiresAt"] = Value::Null;
    }
    Ok(Answer::ok(told))
}

/// Reads a session request: key id and the two wrapped keys.
pub(crate) fn read_session_request(
    portal: &Portal,
    body: Map<String, Value>,
) -> Result<(String, [Vec<u8>; 2]), Refusal> {
    let mut fields = Fields::new(Endpoint::Session, portal.dialect(), body);
    let key_id = fields.text("keyId", 1..=255);
    let mut wrapped = |name: &str| decode_base64(&fields.text(name, 1..=4096));
    let (request, response) = (wrapped("encReqKey"), wrapped("encRespKey"));
    fields.done()?;
    match (request, response) {
        (Some(request), Some(response)) => Ok((key_id, [request, response])),
        _ => Err(Refusal::Channel("Failed to decrypt session keys")),
    }
}

/// Opens a channel. Takes milliseconds for the private-key operations, so it is called off the event loop.
pub(crate) fn open_channel(
    portal: &Portal,
    key_id: &str,
    wrapped: &[Vec<u8>; 2],
    client_hash: &str,
) -> Result<(std::sync::Arc<Channel>, SystemTime), Refusal> {
    let d = portal.dialect();
    let keys = portal.keys.unwrap(key_id, [&wrapped[0], &wrapped[1]], (d.oaep_hash, d.mgf1_hash)).map_err(
        |error| match error {
            UnwrapError::UnknownKey => Refusal::Channel("Invalid or expired RSA key ID"),
            UnwrapError::Padding => Refusal::Channel("Failed to decrypt session keys"),
        },
    )?;
    let life: Duration = portal.lifetimes().channel;
    let opened = portal.channels.open(keys, client_hash, life);
    portal.tally.change(|c| c.session += 1);
    Ok(opened)
}

/// What a session request is answered with.
pub(crate) fn session_answer(channel: &Channel, expires: SystemTime) -> Answer {
    Answer::ok(json!({"sessionId": channel.id, "expiresAt": millis(expires)}))
}

/// Closes a channel; closing what is not open is no error.
pub(crate) fn close_channel(portal: &Portal, session: Option<&str>) -> Outcome {
    let session = session.ok_or(Refusal::Channel("Session ID header is required"))?;
    portal.channels.close(session);
    Ok(Answer::ok(Value::Null))
}
