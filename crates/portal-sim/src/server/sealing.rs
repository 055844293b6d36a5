//! The channel at the gateway's door: opening what arrives sealed, refusing what should have been, and
//! sending the answer back the way its request came.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Map, Value};

use super::body::{Body, full};
use super::gateway::{Visit, named, text};
use crate::channel::{self, Channel, ChannelError, Opened};
use crate::faults::Fault;
use crate::portal::{self, Endpoint, Refusal};
use crate::settings::{Aad, EmptyBody, Envelope, SealedAnswers, Type1};

/// How a request arrived.
pub(super) enum Arrival {
    /// In the open.
    Plain,
    /// Through a channel; a first message brings its channel along.
    Sealed { channel: Arc<Channel>, first: bool },
}

impl Visit<'_> {
    /// Private-key operations take milliseconds, which the other connections should not wait for.
    pub(super) async fn unwrap(
        &self,
        key_id: String,
        wrapped: [Vec<u8>; 2],
        client_hash: String,
    ) -> Result<(Arc<Channel>, std::time::SystemTime), Refusal> {
        let portal = Arc::clone(self.portal);
        tokio::task::spawn_blocking(move || portal::open_channel(&portal, &key_id, &wrapped, &client_hash))
            .await
            .unwrap_or(Err(Refusal::Internal))
    }

    /// Opens what is sealed, and refuses what should have been.
    pub(super) async fn open(
        &self,
        endpoint: Endpoint,
        headers: &HeaderMap,
        raw: Bytes,
        client_hash: &str,
    ) -> Result<(Arrival, Bytes), Refusal> {
        let portal = self.portal;
        let d = portal.dialect();
        if !d.channel {
            return Ok((Arrival::Plain, raw));
        }
        let required = portal.sealed.contains(&endpoint);
        let session = named(headers, &d.session_header);
        let looks_sealed = channel::is_envelope(&raw);
        // Without the session header only a key exchange can be sealed; anything else that looks like an
        // envelope is somebody's data.
        let exchange = d.type1 != Type1::Refused && channel::is_key_exchange(&raw);
        let named_channel = session.is_some() && (looks_sealed || d.envelope == Envelope::Raw);
        if !(required || named_channel || exchange) {
            return Ok((Arrival::Plain, raw));
        }
        if d.sc_version && named(headers, "x-sc-version") != Some("2") {
            return Err(Refusal::InvalidPayload("X-SC-Version: 2 is required"));
        }
        if d.enforce_content_type && !raw.is_empty() && !same_media_type(headers, &d.sealed_content_type) {
            return Err(Refusal::InvalidPayload("Content type does not fit a sealed body"));
        }
        let opened = if raw.is_empty() || d.envelope == Envelope::Raw {
            None
        } else {
            let opened = channel::read_request(&raw, d.envelope);
            Some(opened.ok_or(Refusal::InvalidPayload("Body is not a sealed envelope"))?)
        };
        if let Some(Opened::KeyExchange { key_id, request_key, response_key, payload }) = opened {
            if d.type1 == Type1::Refused {
                return Err(Refusal::InvalidPayload("Key exchange messages are not accepted"));
            }
            let (channel, _) =
                self.unwrap(key_id, [request_key, response_key], client_hash.to_owned()).await?;
            let plain = self.decrypt(&channel, &payload, None)?;
            return Ok((Arrival::Sealed { channel, first: true }, plain));
        }
        let Some(session) = session else {
            let plain_body = !raw.is_empty() && !looks_sealed;
            return Err(match required && plain_body {
                true => Refusal::InvalidPayload("This call must be sealed"),
                false => self.stale(),
            });
        };
        let bound = d.channel_bound.then_some(client_hash);
        let slide = d.channel_sliding.then(|| portal.lifetimes().channel);
        let channel = portal.channels.find(session, bound, slide).ok_or_else(|| self.stale())?;
        let plain = match opened {
            Some(Opened::Session(payload)) => self.decrypt(&channel, &payload, Some(d.aad))?,
            _ if d.envelope == Envelope::Raw => raw,
            _ if d.empty_body == EmptyBody::Header => raw,
            _ => return Err(Refusal::InvalidPayload("A sealed body is required")),
        };
        Ok((Arrival::Sealed { channel, first: false }, plain))
    }

    fn decrypt(&self, channel: &Channel, payload: &[u8], aad: Option<Aad>) -> Result<Bytes, Refusal> {
        let once = self.portal.dialect().replay_check;
        channel.open(payload, aad, once).map(Bytes::from).map_err(|error| {
            Refusal::InvalidPayload(match error {
                ChannelError::TooShort => "Sealed payload is too short",
                ChannelError::Replayed => "Sealed payload was seen before",
                ChannelError::Undecryptable => "Sealed payload does not decrypt",
            })
        })
    }

    fn stale(&self) -> Refusal {
        self.portal.tally.change(|c| c.stale_channel += 1);
        Refusal::StaleChannel
    }

    /// Sends an answer back the way its request came.
    pub(super) async fn leave(
        &self,
        arrival: &Arrival,
        answered: Result<Response<Body>, Refusal>,
    ) -> Result<Response<Body>, Refusal> {
        let portal = self.portal;
        let d = portal.dialect();
        let Arrival::Sealed { channel, first } = arrival else { return answered };
        let failed = !matches!(&answered, Ok(response) if response.status().is_success());
        let mut response = answered.unwrap_or_else(|refusal| self.refuse(&refusal));
        if *first && d.type1 == Type1::Header {
            let name = HeaderName::try_from(&d.session_header).map_err(|_| Refusal::Internal)?;
            response
                .headers_mut()
                .insert(name, HeaderValue::try_from(&channel.id).map_err(|_| Refusal::Internal)?);
        }
        let seal = match d.sealed_answers {
            SealedAnswers::Always => d.envelope != Envelope::Raw,
            SealedAnswers::ErrorsPlain => d.envelope != Envelope::Raw && !failed,
            SealedAnswers::Never => false,
        };
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(response);
        }
        let (mut head, body) = response.into_parts();
        let mut plain = body.collect().await.map_err(|_| Refusal::Internal)?.to_bytes();
        if *first && d.type1 == Type1::Body {
            plain = with_session_id(plain, &channel.id);
        }
        if !seal {
            portal.wire.answer(self.number, &plain);
            return Ok(Response::from_parts(head, full(plain)));
        }
        let mut payload = channel.seal(&plain, (!first).then_some(d.aad));
        if portal.faults.take(self.path, |fault| *fault == Fault::CorruptTag).is_some() {
            portal.tally.change(|c| c.faults += 1);
            if let Some(last) = payload.last_mut() {
                *last ^= 1;
            }
        }
        portal.tally.change(|c| c.sealed_answers += 1);
        let sealed = channel::write_response(&payload, d.envelope, d.base64);
        portal.wire.answer(self.number, &sealed.body);
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(sealed.content_type));
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, full(sealed.body)))
    }
}

fn with_session_id(plain: Bytes, id: &str) -> Bytes {
    match serde_json::from_slice::<Map<String, Value>>(&plain) {
        Ok(mut object) => {
            object.insert("sessionId".to_owned(), Value::String(id.to_owned()));
            Bytes::from(Value::Object(object).to_string())
        }
        Err(_) => plain,
    }
}

/// Media types are compared without regard to case and blanks.
fn same_media_type(headers: &HeaderMap, wanted: &str) -> bool {
    let plain = |value: &str| value.chars().filter(|c| *c != ' ').collect::<String>().to_ascii_lowercase();
    text(headers, &CONTENT_TYPE).is_some_and(|value| plain(value) == plain(wanted))
}
