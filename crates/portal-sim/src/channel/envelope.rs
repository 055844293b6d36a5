//! How a sealed body is written: `{"v":2,"p":…}`, or the `SC` framing of SCv2.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::settings::{Base64Form, Envelope};

const MAGIC: [u8; 3] = [0x53, 0x43, 0x02];
const KEY_EXCHANGE: u8 = 0x01;
const SESSION_DATA: u8 = 0x02;
const RESPONSE: u8 = 0x81;

/// A sealed request body, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Sealed under a channel that exists: `IV‖ciphertext‖tag`.
    Session(Vec<u8>),
    /// Brings the keys of a channel to be.
    KeyExchange { key_id: String, request_key: Vec<u8>, response_key: Vec<u8>, payload: Vec<u8> },
}

/// A sealed answer, ready to send.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: &'static str,
}

/// Whether a body looks sealed, in whatever form.
pub(crate) fn is_envelope(body: &[u8]) -> bool {
    body.starts_with(&MAGIC) || json_payload(body).is_some()
}

/// Whether a body is a SCv2 type 1 message.
pub(crate) fn is_key_exchange(body: &[u8]) -> bool {
    body.strip_prefix(&MAGIC).is_some_and(|rest| rest.first() == Some(&KEY_EXCHANGE))
}

/// Takes a request body apart; `None` when it is not in the form that this portal speaks.
pub(crate) fn read_request(body: &[u8], form: Envelope) -> Option<Opened> {
    match form {
        Envelope::Json => decode_base64(&json_payload(body)?).map(Opened::Session),
        Envelope::Binary => read_binary(body),
        Envelope::Raw => None,
    }
}

/// Writes an answer's `IV‖ciphertext‖tag`.
pub(crate) fn write_response(payload: &[u8], form: Envelope, base64: Base64Form) -> Sealed {
    match form {
        Envelope::Binary => {
            let body = [&MAGIC[..], &[RESPONSE], payload].concat();
            Sealed { body, content_type: "application/json;charset=UTF-8" }
        }
        Envelope::Json | Envelope::Raw => {
            let p = match base64 {
                Base64Form::Standard => STANDARD.encode(payload),
                Base64Form::Url => URL_SAFE_NO_PAD.encode(payload),
            };
            Sealed { body: format!(r#"{{"v":2,"p":"{p}"}}"#).into_bytes(), content_type: "application/json" }
        }
    }
}

/// Standard or URL-safe, padded or not.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    ENGINE.decode(text.replace('-', "+").replace('_', "/")).ok()
}

fn json_payload(body: &[u8]) -> Option<String> {
    // The cheap look first: most plain bodies are told apart by their first byte or by the missing "p".
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let value: Value = serde_json::from_slice(body).ok()?;
    let object = value.as_object()?;
    if object.get("v")?.as_u64()? != 2 {
        return None;
    }
    Some(object.get("p")?.as_str()?.to_owned())
}

fn read_binary(body: &[u8]) -> Option<Opened> {
    let rest = body.strip_prefix(&MAGIC)?;
    let (&kind, mut rest) = rest.split_first()?;
    match kind {
        SESSION_DATA => Some(Opened::Session(rest.to_vec())),
        KEY_EXCHANGE => {
            let (&id_len, tail) = rest.split_first()?;
            rest = tail;
            let key_id = String::from_utf8(take(&mut rest, usize::from(id_len))?.to_vec()).ok()?;
            let mut wrapped = || -> Option<Vec<u8>> {
                let len = take(&mut rest, 2)?;
                let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
                Some(take(&mut rest, len)?.to_vec())
            };
            let (request_key, response_key) = (wrapped()?, wrapped()?);
            Some(Opened::KeyExchange { key_id, request_key, response_key, payload: rest.to_vec() })
        }
        _ => None,
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_envelope_is_read_in_every_base64() {
        for p in ["+/+/AA==", "-_-_AA==", "+/+/AA", "-_-_AA"] {
            let body = format!(r#"{{"v":2,"p":"{p}"}}"#);
            assert_eq!(
                read_request(body.as_bytes(), Envelope::Json),
                Some(Opened::Session(vec![0xfb, 0xff, 0xbf, 0])),
                "{p}"
            );
        }
        assert!(!is_envelope(br#"{"v":1,"p":"AA=="}"#));
        assert!(!is_envelope(br#"{"v":2,"p":7}"#));
    }

    #[test]
    fn binary_session_data_is_magic_type_payload() {
        assert_eq!(
            read_request(&[0x53, 0x43, 2, 2, 9, 9], Envelope::Binary),
            Some(Opened::Session(vec![9, 9]))
        );
        assert_eq!(read_request(&[0x53, 0x43, 2, 7, 9, 9], Envelope::Binary), None);
    }

    #[test]
    fn binary_key_exchange_has_big_endian_lengths() {
        let body = [0x53, 0x43, 2, 1, 2, b'k', b'1', 0, 1, 0xaa, 0, 2, 0xbb, 0xcc, 9, 9, 9];
        let Some(Opened::KeyExchange { key_id, request_key, response_key, payload }) =
            read_request(&body, Envelope::Binary)
        else {
            panic!("not a key exchange")
        };
        assert_eq!((key_id.as_str(), request_key, response_key), ("k1", vec![0xaa], vec![0xbb, 0xcc]));
        assert_eq!(payload, [9, 9, 9]);
        assert_eq!(read_request(&body[..10], Envelope::Binary), None);
    }

    #[test]
    fn an_answer_in_binary_is_type_129() {
        let sealed = write_response(&[1, 2, 3], Envelope::Binary, Base64Form::Standard);
        assert_eq!(sealed.body, [0x53, 0x43, 2, 0x81, 1, 2, 3]);
    }
}
