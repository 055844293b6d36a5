//! How a second factor is named: by `mfa/send` for an invented login, which sends nothing to nobody.

use serde_json::{Value, json};

use super::prober::{Answer, Probe};
use super::reading::Reading;
use super::search::{Search, invented};
use super::{Cell, Confidence, DetectError};
use crate::portal::{Endpoint, MethodForm};

const CALL: Endpoint = Endpoint::MfaSend;

impl Search<'_> {
    /// Where the method is understood, the complaint is about the login; else it is about the method. A dialect
    /// that wants the method as received wants one of the two as well.
    pub(super) async fn find_method_form(&mut self) -> Result<(), DetectError> {
        if !self.open_ways.is_empty() {
            return Ok(());
        }
        let is_sealed = self.dialect.seals(&self.dialect.path(CALL));
        for sealed in if is_sealed { &[true, false][..] } else { &[false][..] } {
            for form in [MethodForm::Integer, MethodForm::Name] {
                if self.prober.left(CALL) == 0 {
                    break;
                }
                let answer = self.send_for_nobody(form, *sealed).await?;
                if !is_about_the_login(&answer) {
                    continue;
                }
                if is_sealed && !sealed {
                    self.dialect.sealed_paths.retain(|path| path != "{login}/mfa/send");
                }
                self.dialect.method_form = form;
                let others = if form == MethodForm::Integer { "" } else { ", and not to the integer" };
                let why = format!("mfa/send answers {} to it{others}", answer.brief());
                self.note(Cell::Method, Confidence::Seen, why);
                return Ok(());
            }
        }
        self.note(
            Cell::Method,
            Confidence::Assumed,
            "mfa/send understood neither form for an invented login",
        );
        Ok(())
    }

    async fn send_for_nobody(&mut self, form: MethodForm, sealed: bool) -> Result<Answer, DetectError> {
        let method: Value = match form {
            MethodForm::Name => "EMAIL".into(),
            MethodForm::Integer | MethodForm::AsReceived => 10_011_001.into(),
        };
        let body = json!({"sessionId": invented(), "method": method}).to_string();
        match self.way().filter(|_| sealed) {
            Some(way) => self.send_sealed(CALL, body.as_bytes(), &way).await,
            None => {
                let probe = Probe::post(CALL, self.dialect.path(CALL), body);
                self.prober.send(&probe, None).await
            }
        }
    }
}

/// That it came sealed says nothing here: so would a complaint about the method.
fn is_about_the_login(answer: &Answer) -> bool {
    match Reading::of(answer.status, &answer.signs, false) {
        Reading::Read => true,
        // A portal without a code for it says "not found"; the path itself was found.
        Reading::Absent => answer.opened,
        Reading::Refused | Reading::Limited | Reading::Unclear => false,
    }
}
