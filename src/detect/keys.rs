//! How the channel's keys reach the portal: hashes and Base64 of `POST session`, or a first message.

use super::prober::{Answer, Probe};
use super::reading::Reading;
use super::search::Search;
use super::{Cell, Confidence, DetectError};
use crate::channel::{
    AwaitingId, Base64, Bootstrap, Channel, EnvelopeForm, KeyExchange, PortalKey, Spelling,
};
use crate::portal::wire::{AnnouncedKey, Data, channel_session};
use crate::portal::{Dialect, Endpoint, Preset};

impl Search<'_> {
    /// Opens a channel, in the first form that the portal takes. Only success is a sign: the message that tells a
    /// wrong hash from a wrong key is localized.
    pub(super) async fn open_channel(&mut self, announced: &AnnouncedKey) -> Result<(), DetectError> {
        let Some(refused) = self.open_by_session(announced).await? else { return Ok(()) };
        self.open_by_first_message(announced, refused).await
    }

    /// The same by `POST session` alone; how the portal refused the last form, if it took none.
    pub(super) async fn open_by_session(
        &mut self,
        announced: &AnnouncedKey,
    ) -> Result<Option<String>, DetectError> {
        let key = PortalKey::parse(&announced.id, &announced.spki)?;
        let own = alphabet_of(&announced.spki);
        let candidates = self.candidates;
        let mut alphabets = candidates.alphabets.clone();
        alphabets.sort_by_key(|alphabet| *alphabet != own);
        let mut last = String::new();
        for base64 in alphabets {
            let confidence = if base64 == own { Confidence::Inferred } else { Confidence::Seen };
            for (oaep_hash, mgf1_hash) in candidates.hashes.iter().copied() {
                let spelling = Spelling { oaep_hash, mgf1_hash, base64, ..self.spelling() };
                let (answer, opened) = self.make_session(&key, spelling).await?;
                if let Some(channel) = opened {
                    self.keys_taken(spelling, channel, &answer);
                    let why = match confidence {
                        Confidence::Seen => {
                            "the portal takes keys written so, and not in the alphabet of its own"
                        }
                        Confidence::Inferred | Confidence::Assumed => {
                            "the portal writes its own key so, and takes ours"
                        }
                    };
                    self.note(Cell::Base64, confidence, why);
                    return Ok(None);
                }
                last = answer.brief();
                if answer.reading() == Reading::Absent {
                    return Ok(Some(last));
                }
            }
        }
        Ok(Some(last))
    }

    /// As far as it is known; else what PROTOCOL takes for most likely.
    fn spelling(&self) -> Spelling {
        let guide = || Dialect::preset(Preset::Guide, "").channel.expect("the guide's preset has a channel");
        self.dialect.channel.unwrap_or_else(guide)
    }

    async fn make_session(
        &mut self,
        key: &PortalKey,
        spelling: Spelling,
    ) -> Result<(Answer, Option<Channel>), DetectError> {
        let (bootstrap, hello) = Bootstrap::start(key, spelling, &mut rand::rng())?;
        let probe = Probe::post(Endpoint::Session, self.dialect.path(Endpoint::Session), hello.to_json());
        let answer = self.prober.send(&probe, None).await?;
        if !answer.is_success() {
            return Ok((answer, None));
        }
        let not_understood = |why| DetectError::NotUnderstood { call: Endpoint::Session.name(), why };
        let session =
            Data::read(&answer.body).and_then(|data| channel_session(&data)).map_err(not_understood)?;
        let channel = bootstrap.finish(&session.id)?;
        Ok((answer, Some(channel)))
    }

    fn keys_taken(&mut self, spelling: Spelling, channel: Channel, answer: &Answer) {
        self.dialect.channel = Some(spelling);
        self.channel = Some(channel);
        let first = self.candidates.hashes.first() == Some(&(spelling.oaep_hash, spelling.mgf1_hash));
        let others = if first { "" } else { ", and refused under what is more likely" };
        let why = format!("keys wrapped so were taken ({}){others}", answer.brief());
        self.note(Cell::OaepHash, Confidence::Seen, why.clone());
        self.note(Cell::Mgf1Hash, Confidence::Seen, why);
        let how = match spelling.key_exchange {
            KeyExchange::Session => "POST session gave an id",
            KeyExchange::FirstMessage => "a first message was read, and POST session refused in every form",
        };
        self.note(Cell::KeyExchange, Confidence::Seen, how);
    }

    /// SCv2 type 1 (ruling 11), for a portal that takes no keys by `POST session`.
    async fn open_by_first_message(
        &mut self,
        announced: &AnnouncedKey,
        refused: String,
    ) -> Result<(), DetectError> {
        let key = PortalKey::parse(&announced.id, &announced.spki)?;
        let calls = [Endpoint::RegisterVerify, Endpoint::Refresh].into_iter().cycle();
        // Another call for each content type: what comes later needs their rate limits too.
        for (content_type, call) in self.candidates.content_types.clone().into_iter().rev().zip(calls) {
            for (oaep_hash, mgf1_hash) in self.candidates.hashes.iter().copied() {
                if self.prober.left(call) == 0 {
                    return Err(DetectError::NoSession(refused));
                }
                let spelling = Spelling {
                    oaep_hash,
                    mgf1_hash,
                    envelope: EnvelopeForm::Binary,
                    key_exchange: KeyExchange::FirstMessage,
                    base64: alphabet_of(&announced.spki),
                    ..self.spelling()
                };
                let (bootstrap, _) = Bootstrap::start(&key, spelling, &mut rand::rng())?;
                let mut probe = self.plain_probe(call);
                let plain = probe.body.take().unwrap_or_default();
                let (message, awaiting) = bootstrap.first_message(&plain, &mut rand::rng())?;
                probe.body = Some(message);
                probe.headers =
                    vec![(http::header::CONTENT_TYPE, content_type.clone()), self.version_header()];
                let answer = self.prober.send(&probe, None).await?;
                if let Some(channel) = self.id_of_first_answer(&answer, awaiting)? {
                    self.keys_taken(spelling, channel, &answer);
                    self.dialect.sealed_content_type = content_type;
                    self.note(Cell::Base64, Confidence::Inferred, "the portal writes its own key so");
                    return Ok(());
                }
            }
        }
        Err(DetectError::NoSession(refused))
    }

    /// The channel's id, from a session header or from inside (ruling 11).
    fn id_of_first_answer(
        &mut self,
        answer: &Answer,
        awaiting: AwaitingId,
    ) -> Result<Option<Channel>, DetectError> {
        let named = self.session_headers.iter().find_map(|header| {
            let id = answer.headers.get(header)?.to_str().ok()?;
            Some((header.clone(), id.to_owned()))
        });
        let inside = awaiting.open(&answer.body, named.as_ref().map(|(_, id)| id.as_str()));
        if let Some((header, id)) = named {
            self.settle_header(header);
            self.note(
                Cell::SessionHeader,
                Confidence::Seen,
                "the answer to a first message names the channel in it",
            );
            return Ok(Some(awaiting.finish(&id)?));
        }
        let inside = inside.unwrap_or_else(|_| answer.body.clone());
        match Data::read(&inside).and_then(|data| channel_session(&data)) {
            Ok(session) => Ok(Some(awaiting.finish(&session.id)?)),
            Err(_) => Ok(None),
        }
    }
}

/// The alphabet that the portal writes its own key in. One that gives no sign is the standard one.
fn alphabet_of(spki: &str) -> Base64 {
    if spki.contains(['-', '_']) && !spki.contains("-----") { Base64::Url } else { Base64::Standard }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_of_the_portal_s_own_key() {
        assert_eq!(alphabet_of("MIIB-_"), Base64::Url);
        assert_eq!(alphabet_of("MIIB+/=="), Base64::Standard);
        assert_eq!(alphabet_of("MIIB"), Base64::Standard);
        assert_eq!(alphabet_of("-----BEGIN PUBLIC KEY-----\nMIIB+/==\n"), Base64::Standard);
    }
}
