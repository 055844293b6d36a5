//! The two spellings of a sealed body (PROTOCOL section 4).

use std::borrow::Cow;

use rand::CryptoRng;

use super::aead::{Key, OVERHEAD};
use super::{Base64, ChannelError, base64};

/// `SC`, version 2: how every binary envelope begins.
const MAGIC: [u8; 3] = *b"SC\x02";
/// Key exchange inside the first message.
pub(super) const TYPE_FIRST: u8 = 1;
/// Session data, client to portal.
const TYPE_REQUEST: u8 = 2;
/// Response data, portal to client.
const TYPE_ANSWER: u8 = 129;

const JSON_HEAD: &[u8] = br#"{"v":2,"p":""#;
const JSON_TAIL: &[u8] = br#""}"#;

/// What a body is, judged by its content alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `53 43 02 81` …
    Binary,
    /// `{"v":2,"p":"…"}`.
    Json,
    /// Neither.
    Plain,
}

/// Decides by content, as PROTOCOL section 4 asks.
///
/// A JSON body is an envelope if it is one object, from its first to its last byte, with a member `v` that is
/// the number 2 and a member `p` that is a string: in any order, among any others. Time grows with the length
/// of the body, nothing is allocated (names and payloads with escapes apart), nothing recurses.
pub fn form_of(body: &[u8]) -> Form {
    match Envelope::of(body) {
        Some(Envelope::Binary(_)) => Form::Binary,
        Some(Envelope::Json(_)) => Form::Json,
        None => Form::Plain,
    }
}

/// Where a sealed answer's payload is.
enum Envelope<'a> {
    Binary(&'a [u8]),
    /// The text of `p` between its quotes, escapes and all.
    Json(&'a [u8]),
}

impl<'a> Envelope<'a> {
    fn of(body: &'a [u8]) -> Option<Self> {
        match body.strip_prefix(&MAGIC).and_then(|rest| rest.strip_prefix(&[TYPE_ANSWER])) {
            Some(payload) => Some(Self::Binary(payload)),
            None => super::scan::payload_text(body).map(Self::Json),
        }
    }
}

/// The payload of a sealed answer, in a buffer of its own; `None` if the answer is plain or not Base64.
pub(super) fn payload_of(answer: &[u8]) -> Option<Vec<u8>> {
    match Envelope::of(answer)? {
        Envelope::Binary(payload) => Some(payload.to_vec()),
        Envelope::Json(text) => base64::decode(&unescaped(text)?),
    }
}

/// Some encoders write `/` as `\/` and `=` as `\u003d`, which is the same string (RFC 8259 section 7).
fn unescaped(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if memchr::memchr(b'\\', text).is_none() {
        return Some(Cow::Borrowed(text));
    }
    super::scan::string_of(text).map(|text| Cow::Owned(text.into_bytes()))
}

/// `{"v":2,"p":"…"}` in one buffer: sealed at its end, then turned into text towards its front.
pub(super) fn json(
    key: &Key,
    plain: &[u8],
    aad: &[u8],
    spelling: Base64,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, ChannelError> {
    let raw = plain.len() + OVERHEAD;
    let text = spelling.text_len(raw).ok_or(ChannelError::TooLong)?;
    let mut out = Vec::with_capacity(JSON_HEAD.len() + text + JSON_TAIL.len());
    out.extend_from_slice(JSON_HEAD);
    out.resize(JSON_HEAD.len() + text - raw, 0);
    key.seal(plain, aad, &mut out, rng)?;
    spelling.encode_in_place(&mut out[JSON_HEAD.len()..], raw);
    out.extend_from_slice(JSON_TAIL);
    Ok(out)
}

/// `53 43 02 02`, then the payload.
pub(super) fn binary(
    key: &Key,
    plain: &[u8],
    aad: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, ChannelError> {
    let mut out = headed(TYPE_REQUEST, plain.len() + OVERHEAD);
    key.seal(plain, aad, &mut out, rng)?;
    Ok(out)
}

/// A binary envelope's header in a buffer with room for `rest` bytes more.
pub(super) fn headed(kind: u8, rest: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC.len() + 1 + rest);
    out.extend_from_slice(&MAGIC);
    out.push(kind);
    out
}
