//! The answers to `public-key` and `session` (PROTOCOL sections 3.1 and 3.2).

use std::time::SystemTime;

use serde_json::Value;

use super::Data;
use super::number::Moment;

/// The portal's key as it announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnnouncedKey {
    pub(crate) id: String,
    /// Base64 of an SPKI; read and checked by the channel's room.
    pub(crate) spki: String,
}

/// The channel as the portal made it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ChannelSession {
    pub(crate) id: String,
    pub(crate) expires_at: Option<SystemTime>,
}

/// Whoever has the id can close the channel: it is not shown.
impl std::fmt::Debug for ChannelSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelSession").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Reads the answer to `public-key`. When the key expires is not looked at: the portal refuses one that has,
/// and its clock is the one that counts.
pub(crate) fn announced_key(data: &Data) -> Result<AnnouncedKey, &'static str> {
    let spki = data.text("publicKey").ok_or("no publicKey")?;
    let id = match data.field("keyId") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err("no keyId"),
    };
    // A key for anything else, or for nothing at all, must not look like an RSA key under attack.
    match data.field("algorithm") {
        Some(Value::String(algorithm)) if !algorithm.trim().to_ascii_uppercase().starts_with("RSA") => {
            Err("the key's algorithm is not RSA")
        }
        None | Some(Value::String(_)) => Ok(AnnouncedKey { id, spki: spki.to_owned() }),
        Some(_) => Err("the key's algorithm is no text"),
    }
}

/// Reads the answer to `session`.
pub(crate) fn channel_session(data: &Data) -> Result<ChannelSession, &'static str> {
    let id = data.text("sessionId").ok_or("no sessionId of the channel")?;
    let expires_at = match Moment::read(data.field("expiresAt")) {
        Moment::Absent => None,
        Moment::At(moment) => Some(moment),
        Moment::Nonsense => return Err("expiresAt of the channel is no believable moment"),
    };
    Ok(ChannelSession { id: id.to_owned(), expires_at })
}

/// The channel's id in the answer to a first message (ruling 11): `sessionId` beside `data`. One inside `data` is the
/// call's own: that of a login or a registration.
pub(crate) fn named_channel(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let is_enveloped = ["code", "success", "data"].into_iter().any(|field| answer.get(field).is_some());
    let id = answer.get("sessionId").filter(|_| is_enveloped)?.as_str()?;
    (!id.trim().is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn data(data: Value) -> Data {
        Data::read(json!({"version": "1.3.0", "success": true, "data": data}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn section_3_1_public_key_answer() {
        let answer = data(json!({
            "keyId": "rsa-key-2026-03-21", "publicKey": "MIIB", "algorithm": "RSA-OAEP-2048", "keySize": 2048,
            "createdAt": "2026-03-21T00:00:00Z", "expiresAt": null
        }));
        let key = announced_key(&answer).unwrap();
        assert_eq!((key.id.as_str(), key.spki.as_str()), ("rsa-key-2026-03-21", "MIIB"));
    }

    #[test]
    fn section_3_1_everything_but_id_and_key_can_be_absent() {
        assert!(announced_key(&data(json!({"keyId": 7, "publicKey": "MIIB"}))).is_ok());
        for answer in [
            json!({"keyId": "k"}),
            json!({"publicKey": "MIIB"}),
            json!({"keyId": "", "publicKey": "MIIB"}),
            json!({"keyId": "k", "publicKey": ""}),
            json!({"keyId": "k", "publicKey": "MIIB", "algorithm": "none"}),
            json!({"keyId": "k", "publicKey": "MIIB", "algorithm": 1}),
        ] {
            assert!(announced_key(&data(answer.clone())).is_err(), "{answer}");
        }
    }

    #[test]
    fn section_3_2_session_answer() {
        let answer = data(json!({"sessionId": "sess_abc123def456", "expiresAt": 1_709_424_000_000u64}));
        let session = channel_session(&answer).unwrap();
        assert_eq!(session.id, "sess_abc123def456");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_424_000);
        assert_eq!(session.expires_at, Some(at));
        let iso =
            channel_session(&data(json!({"sessionId": "s", "expiresAt": "2024-03-03T00:00:00Z"}))).unwrap();
        assert_eq!(iso.expires_at, Some(at));
        assert_eq!(channel_session(&data(json!({"sessionId": "s"}))).unwrap().expires_at, None);
    }

    #[test]
    fn section_3_2_a_session_answer_that_makes_no_sense_is_not_understood() {
        for answer in [
            json!({"expiresAt": 1_709_424_000_000u64}),
            json!({"sessionId": null}),
            json!({"sessionId": "s", "expiresAt": -1}),
            json!({"sessionId": "s", "expiresAt": 1e300}),
            json!({"sessionId": "s", "expiresAt": "never"}),
        ] {
            assert!(channel_session(&data(answer.clone())).is_err(), "{answer}");
        }
    }

    #[test]
    fn ruling_11_a_first_answer_names_the_channel_beside_its_data() {
        let named = |answer: Value| named_channel(answer.to_string().as_bytes());
        let both = json!({"success": true, "sessionId": "sess_1", "data": {"sessionId": "login"}});
        assert_eq!(named(both).as_deref(), Some("sess_1"));
        assert_eq!(named(json!({"code": "4010", "sessionId": "sess_1"})).as_deref(), Some("sess_1"));
        for unnamed in [
            json!({"success": true, "data": {"sessionId": "login"}}),
            json!({"sessionId": "login", "mfaMethods": []}),
            json!({"success": true, "sessionId": " "}),
            json!({"success": true, "sessionId": 7}),
            json!([]),
        ] {
            assert_eq!(named(unnamed.clone()), None, "{unnamed}");
        }
        assert_eq!(named_channel(b"<html>"), None);
    }

    #[test]
    fn debug_does_not_show_the_id() {
        let session = ChannelSession { id: "CNRY".into(), expires_at: None };
        assert!(!format!("{session:?}").contains("CNRY"));
    }
}
