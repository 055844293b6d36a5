//! One form of a sealed body, and all of them in the order in which they are tried.

use http::{HeaderName, HeaderValue};

use super::search::Search;
use crate::channel::{Aad, Base64, EnvelopeForm, Spelling};

/// One form of a sealed body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) session_header: HeaderName,
    pub(super) version: bool,
    pub(super) content_type: HeaderValue,
    pub(super) envelope: EnvelopeForm,
    pub(super) aad: Aad,
    pub(super) base64: Base64,
}

impl Search<'_> {
    /// The dialect's form.
    pub(super) fn way(&self) -> Option<Way> {
        let Spelling { envelope, aad, base64, .. } = self.dialect.channel?;
        Some(Way {
            session_header: self.dialect.session_header.get(),
            version: self.dialect.sc_version,
            content_type: self.dialect.sealed_content_type.clone(),
            envelope,
            aad,
            base64,
        })
    }

    /// The forms, the likeliest first.
    pub(super) fn ways(&self) -> Vec<Way> {
        let Some(Spelling { base64: own, envelope: taken, .. }) = self.dialect.channel else {
            return Vec::new();
        };
        let other = match own {
            Base64::Standard => Base64::Url,
            Base64::Url => Base64::Standard,
        };
        let mut ways = Vec::new();
        for session_header in &self.session_headers {
            for content_type in &self.candidates.content_types {
                for envelope in [EnvelopeForm::Json, EnvelopeForm::Binary, EnvelopeForm::Raw] {
                    for aad in [Aad::None, Aad::SessionId] {
                        for base64 in [own, other] {
                            let way = Way {
                                session_header: session_header.clone(),
                                version: true,
                                content_type: content_type.clone(),
                                envelope,
                                aad,
                                base64,
                            };
                            ways.push(way);
                        }
                    }
                }
            }
        }
        // What makes no difference on the wire is tried once.
        ways.retain(|way| match way.envelope {
            EnvelopeForm::Json => true,
            EnvelopeForm::Binary => way.base64 == own,
            EnvelopeForm::Raw => way.base64 == own && way.aad == Aad::None,
        });
        let by_first_message = taken == EnvelopeForm::Binary;
        ways.sort_by_key(|way| self.unlikeliness(way, own, by_first_message));
        ways
    }

    /// How little a form goes with what is known (PROTOCOL section 11): the sum of what speaks against it.
    fn unlikeliness(&self, way: &Way, own: Base64, by_first_message: bool) -> u32 {
        // Only scv2 has both the short header and a channel under /web.
        let is_scv2 =
            way.session_header.as_str() == "x-sc-session-id" && self.dialect.channel_base.starts_with("/web");
        let utf8 = way.content_type.as_bytes().len() > "application/json".len();
        let envelope = match (way.envelope, is_scv2 || by_first_message) {
            (EnvelopeForm::Binary, true) | (EnvelopeForm::Json, false) => 0,
            (EnvelopeForm::Binary, false) | (EnvelopeForm::Json, true) => 2,
            (EnvelopeForm::Raw, _) => 5,
        };
        let content_type = match by_first_message {
            // The content type of the message that was read is known.
            true if way.content_type == self.dialect.sealed_content_type => 0,
            false if utf8 == (way.envelope == EnvelopeForm::Binary) => 0,
            true | false => 3,
        };
        let aad = if way.aad == Aad::None { 0 } else { 2 };
        let base64 = if way.base64 == own { 0 } else { 100 };
        envelope + content_type + aad + base64
    }
}
