//! The form of a sealed body: envelope, additional data, content type, and what names the channel beside it.
//!
//! Each form is tried on a call that refuses plain bodies, with an invented id. The portal says yes or no to a form
//! as a whole and not to its parts, so the forms are tried one by one, those first that go with what is known.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::prober::{Answer, Probe};
use super::reading::Reading;
use super::search::Search;
use super::way::Way;
use super::{Cell, Confidence, DetectError};
use crate::channel::{EnvelopeForm, Spelling};
use crate::portal::Endpoint;

const X_SC_VERSION: HeaderName = HeaderName::from_static("x-sc-version");

impl Search<'_> {
    /// Finds the form that the portal reads. Where no harmless call is sealed, the forms stay open for the login.
    pub(super) async fn find_spelling(&mut self) -> Result<(), DetectError> {
        let (ways, mut doubtful) = (self.ways(), Vec::new());
        for way in &ways {
            let Some(carrier) = self.carrier().await? else {
                self.open_ways = ways.into_iter().filter(|way| way.envelope != EnvelopeForm::Raw).collect();
                self.talk.step("no call without a password is sealed: only a login can tell the form");
                return Ok(());
            };
            let answer = match self.try_way(carrier, way).await {
                // A gateway may hang up on what it does not understand.
                Err(DetectError::NoAnswer { .. }) => continue,
                answer => answer?,
            };
            match answer.reading() {
                Reading::Read => return self.found_way(carrier, way, &answer).await,
                _ if carrier != Endpoint::Complete => doubtful.push(way.clone()),
                _ => {}
            }
        }
        // The fields of the other carriers are inferred: their complaint may have been about those.
        if self.usable_carriers().any(|(call, _)| call == Endpoint::Complete) {
            for way in &doubtful {
                let answer = self.try_way(Endpoint::Complete, way).await?;
                if answer.reading() == Reading::Read {
                    return self.found_way(Endpoint::Complete, way, &answer).await;
                }
            }
        }
        Err(DetectError::NoSpelling(ways.len()))
    }

    /// A call in one form.
    pub(super) async fn try_way(&mut self, call: Endpoint, way: &Way) -> Result<Answer, DetectError> {
        let body = self.plain_probe(call).body.unwrap_or_default();
        self.send_sealed(call, &body, way).await
    }

    /// A sealed call with this body.
    pub(super) async fn send_sealed(
        &mut self,
        call: Endpoint,
        plain: &[u8],
        way: &Way,
    ) -> Result<Answer, DetectError> {
        let no_channel =
            DetectError::NotUnderstood { call: call.name(), why: "there is no channel to seal it under" };
        let channel = self.channel.take().ok_or(no_channel)?;
        let channel = channel.respelled(way.envelope, way.aad, way.base64);
        let envelope = channel.seal(plain, &mut rand::rng());
        let mut probe = Probe::post(call, self.dialect.path(call), Bytes::new());
        probe.headers = vec![
            (http::header::CONTENT_TYPE, way.content_type.clone()),
            (way.session_header.clone(), channel.id_header().clone()),
        ];
        if way.version {
            probe.headers.push(self.version_header());
        }
        probe.body = Some(envelope?);
        let answer = self.prober.send(&probe, Some(&channel)).await;
        self.channel = Some(channel);
        answer
    }

    pub(super) fn version_header(&self) -> (HeaderName, HeaderValue) {
        (X_SC_VERSION, HeaderValue::from_static("2"))
    }

    async fn found_way(&mut self, carrier: Endpoint, way: &Way, answer: &Answer) -> Result<(), DetectError> {
        self.settle_way(carrier, way, answer);
        // Once more without the version, if there is room; a call that it does not need, it does not harm.
        for (call, kept) in self.usable_carriers() {
            if self.prober.left(call) <= kept {
                continue;
            }
            let without = self.try_way(call, &Way { version: false, ..way.clone() }).await?;
            match without.reading() {
                Reading::Read => {
                    self.dialect.sc_version = false;
                    let why = format!("{} is read without it ({})", call.name(), without.brief());
                    self.note(Cell::ScVersion, Confidence::Seen, why);
                }
                Reading::Refused => {
                    let why = format!("{} is refused without it ({})", call.name(), without.brief());
                    self.note(Cell::ScVersion, Confidence::Seen, why);
                }
                Reading::Limited | Reading::Absent | Reading::Unclear => continue,
            }
            return Ok(());
        }
        Ok(())
    }

    /// Takes a form that was read for the dialect's.
    pub(super) fn settle_way(&mut self, call: Endpoint, way: &Way, answer: &Answer) {
        if let Some(spelling) = &mut self.dialect.channel {
            let Way { envelope, aad, base64, .. } = *way;
            *spelling = Spelling { envelope, aad, base64, ..*spelling };
        }
        self.dialect.sealed_content_type.clone_from(&way.content_type);
        self.dialect.sc_version = way.version;
        let why = format!("{} was read so ({})", call.name(), answer.brief());
        if self.session_headers.len() > 1 {
            self.settle_header(way.session_header.clone());
            self.note(Cell::SessionHeader, Confidence::Seen, why.clone());
        }
        self.note(Cell::ContentType, Confidence::Seen, why.clone());
        self.note(Cell::Envelope, Confidence::Seen, why.clone());
        // Not said yet: where there is room, it is tried without right away.
        self.evidence.note(Cell::ScVersion, Confidence::Inferred, format!("{why}; it was not tried without"));
        match way.envelope {
            EnvelopeForm::Raw => {
                let why = "a body that is not sealed has no additional data";
                self.note(Cell::Aad, Confidence::Assumed, why);
            }
            EnvelopeForm::Binary => self.note(Cell::Aad, Confidence::Seen, why),
            EnvelopeForm::Json => {
                self.note(Cell::Aad, Confidence::Seen, why.clone());
                self.note(Cell::Base64, Confidence::Seen, why);
            }
        }
    }
}
