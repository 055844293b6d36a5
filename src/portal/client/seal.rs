//! Sealing and opening, as far as a call needs to know, and which answers to a sealed call are believed.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::channel::{ChannelError, EnvelopeForm, Form, form_of};
use crate::portal::Dialect;
use crate::portal::wire::{self, Signs};
use crate::session::Passage;

/// The way through a channel; the tests have one of their own.
pub(in crate::portal) trait Sealer: Sync {
    fn seal(&self, plain: &[u8]) -> Result<Bytes, ChannelError>;
    /// `named` is the id in the header of the answer to a first message.
    fn open(&self, body: &[u8], named: Option<&str>) -> Result<Bytes, ChannelError>;
    /// The session header's value; none on the first message of a channel.
    fn session(&self) -> Option<HeaderValue>;
    fn opened_at(&self) -> SystemTime;
    /// What the answer to a first message named its channel.
    fn settle(&self, id: Option<&str>);
}

impl Sealer for Passage {
    fn seal(&self, plain: &[u8]) -> Result<Bytes, ChannelError> {
        self.seal(plain, &mut rand::rng())
    }

    fn open(&self, body: &[u8], named: Option<&str>) -> Result<Bytes, ChannelError> {
        self.open(body, named)
    }

    fn session(&self) -> Option<HeaderValue> {
        self.id_header().cloned()
    }

    fn opened_at(&self) -> SystemTime {
        self.opened_at()
    }

    fn settle(&self, id: Option<&str>) {
        self.settle(id);
    }
}

/// The answer to a sealed request, opened where it came sealed.
pub struct Unsealed {
    /// The plaintext.
    pub body: Bytes,
    /// Whether it came sealed.
    pub was_sealed: bool,
    /// Whether it answers a first message, and shows in no way that the portal has read that: it was refused
    /// with its keys.
    pub keys_refused: bool,
}

/// Shows how much was opened, never what.
impl fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsealed")
            .field("bytes", &self.body.len())
            .field("was_sealed", &self.was_sealed)
            .field("keys_refused", &self.keys_refused)
            .finish()
    }
}

/// Opens the answer to a request that went through `passage`. The answer to a first message names the channel, in
/// `session_header` or beside its `data` (ruling 11); from then on everybody can use it.
///
/// # Errors
/// [`ChannelError::DoesNotOpen`], whatever the cause.
pub fn unseal(
    passage: &Passage,
    session_header: &HeaderName,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Unsealed, ChannelError> {
    unsealed(passage, is_envelope(&body), session_header, headers, body)
}

pub(in crate::portal) fn unsealed(
    sealer: &dyn Sealer,
    is_envelope: bool,
    session_header: &HeaderName,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Unsealed, ChannelError> {
    let is_first = sealer.session().is_none();
    let named = headers.get(session_header).filter(|_| is_first).and_then(|id| id.to_str().ok());
    let body = if is_envelope { sealer.open(&body, named)? } else { body };
    let mut keys_refused = false;
    if is_first {
        let inside = named.is_none().then(|| wire::named_channel(&body)).flatten();
        let id = named.or(inside.as_deref());
        keys_refused = id.is_none() && !is_envelope;
        sealer.settle(id);
    }
    Ok(Unsealed { body, was_sealed: is_envelope, keys_refused })
}

/// Whether a body is an envelope, by its content (PROTOCOL section 4).
pub(in crate::portal) fn is_envelope(body: &[u8]) -> bool {
    match form_of(body) {
        Form::Binary | Form::Json => true,
        Form::Plain => false,
    }
}

impl Dialect {
    /// Whether an answer to a *sealed* request that came plain is believed. An error is: it may have been raised
    /// before the gateway knew the channel (PROTOCOL section 4). A success is not, since whoever holds no keys
    /// could have written it; unless the dialect says so, or there is nothing in it to be believed.
    pub fn believes_plain(&self, status: StatusCode, body: &[u8]) -> bool {
        let sealed_in_name_only = self.channel.is_none_or(|spelling| spelling.envelope == EnvelopeForm::Raw);
        self.accept_plain_success
            || sealed_in_name_only
            || body.is_empty()
            || !Signs::of(body).is_success(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portal::Preset;

    const SUCCESS: &[u8] = br#"{"success":true,"code":"2000","data":{"accessToken":"a"}}"#;
    const FAILURE: &[u8] = br#"{"success":false,"code":"4010"}"#;

    fn guide() -> Dialect {
        Dialect::preset(Preset::Guide, "tenant")
    }

    #[test]
    fn section_4_a_plain_error_to_a_sealed_call_is_believed() {
        assert!(guide().believes_plain(StatusCode::UNAUTHORIZED, FAILURE));
        assert!(guide().believes_plain(StatusCode::OK, FAILURE));
        assert!(guide().believes_plain(StatusCode::BAD_GATEWAY, b"<html>"));
    }

    #[test]
    fn a_plain_success_to_a_sealed_call_is_not_believed() {
        for body in [SUCCESS, b"<html>", b"[]", b"{}", br#"{"code":"2000"}"#] {
            assert!(!guide().believes_plain(StatusCode::OK, body));
        }
    }

    #[test]
    fn an_empty_success_holds_nothing_to_be_believed() {
        assert!(guide().believes_plain(StatusCode::NO_CONTENT, b""));
    }

    #[test]
    fn a_gateway_in_test_mode_and_a_setting_believe_a_plain_success() {
        let mut raw = guide();
        raw.channel.as_mut().unwrap().envelope = EnvelopeForm::Raw;
        assert!(raw.believes_plain(StatusCode::OK, SUCCESS));
        let mut lenient = guide();
        lenient.accept_plain_success = true;
        assert!(lenient.believes_plain(StatusCode::OK, SUCCESS));
        assert!(Dialect::preset(Preset::Plain, "tenant").believes_plain(StatusCode::OK, SUCCESS));
    }
}
