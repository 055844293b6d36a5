//! Which calls are sealed, as far as that can be seen without harm. What is not seen is as ruling 3 has it, and
//! learnt from the portal's complaints later.

use super::prober::Probe;
use super::reading::Reading;
use super::search::Search;
use super::way::Way;
use super::{Cell, Confidence, DetectError};
use crate::portal::{EmptyBody, Endpoint};

impl Search<'_> {
    pub(super) async fn find_sealed_paths(&mut self) -> Result<(), DetectError> {
        let Some(way) = self.way() else { return Ok(()) };
        let mut seen = Vec::new();
        self.find_sealed_refresh(&way).await?;
        self.find_sealed_setup(&way).await?;
        for (call, answer) in &self.plain {
            if let Some(template) = template_of(*call) {
                self.dialect.sealed_paths.retain(|path| path != template);
            }
            seen.push(format!("{} is read plain ({answer})", call.name()));
        }
        for (call, answer) in &self.sealed {
            seen.push(format!("{} is not ({answer})", call.name()));
        }
        seen.push("the others are as documented".to_owned());
        self.note(Cell::SealedPaths, Confidence::Inferred, seen.join("; "));
        Ok(())
    }

    /// Plain with an invented token, and sealed if that is refused.
    async fn find_sealed_refresh(&mut self, way: &Way) -> Result<(), DetectError> {
        let call = Endpoint::Refresh;
        let is_of = |(of, _): &(Endpoint, String)| *of == call;
        if !self.plain.iter().any(is_of) && !self.sealed.iter().any(is_of) {
            let answer = self.prober.send(&self.plain_probe(call), None).await?;
            match answer.reading() {
                Reading::Read => self.plain.push((call, answer.brief())),
                Reading::Refused => self.sealed.push((call, answer.brief())),
                Reading::Limited | Reading::Absent | Reading::Unclear => {}
            }
        }
        if self.sealed.iter().any(is_of) && self.open_ways.is_empty() {
            let answer = self.try_way(call, way).await?;
            if answer.reading() == Reading::Read {
                self.dialect.sealed_paths.push(self.dialect.refresh_path.clone());
            } else {
                // Refused either way: its fields may have other names, which sealing would not change.
                self.sealed.retain(|(of, _)| *of != call);
            }
        }
        Ok(())
    }

    /// The set-up of a TOTP app, without a token, so that nothing is set up: it has no body, which shows what
    /// stands for one.
    async fn find_sealed_setup(&mut self, way: &Way) -> Result<(), DetectError> {
        let call = Endpoint::OtpSetup;
        let path = self.dialect.path(call);
        let plain = self.prober.send(&Probe::post(call, path.clone(), Vec::new()), None).await?;
        if plain.reading() != Reading::Refused || !self.open_ways.is_empty() {
            return Ok(());
        }
        let object = self.send_sealed(call, b"{}", way).await?;
        let (form, answer) = if object.reading() == Reading::Read {
            (EmptyBody::Object, object)
        } else {
            let mut probe = Probe::post(call, path, Vec::new());
            let id = self.channel.as_ref().map(|channel| channel.id_header().clone());
            probe.headers.extend(id.map(|id| (way.session_header.clone(), id)));
            if way.version {
                probe.headers.push(self.version_header());
            }
            (EmptyBody::Header, self.prober.send(&probe, self.channel.as_ref()).await?)
        };
        if answer.reading() == Reading::Read {
            self.sealed.push((call, plain.brief()));
            self.dialect.sealed_paths.push("{security}/mfa/otp/setup".to_owned());
            self.dialect.empty_body = form;
            let why = format!("{} was read so, without a token ({})", call.name(), answer.brief());
            self.note(Cell::EmptyBody, Confidence::Seen, why);
        }
        Ok(())
    }
}

/// How the preset spells the path of a call that it seals.
fn template_of(call: Endpoint) -> Option<&'static str> {
    match call {
        Endpoint::Complete => Some("{login}/complete"),
        Endpoint::RegisterVerify => Some("{register}/verify"),
        _ => None,
    }
}
