//! The harmless calls that forms of a sealed body are tried on.

use serde_json::json;

use super::DetectError;
use super::prober::Probe;
use super::reading::Reading;
use super::search::{Search, invented};
use crate::portal::Endpoint;

/// A call that carries forms: it refuses plain bodies, and nothing happens when it is given an invented id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Its plain form was not tried yet.
    Untried,
    Usable,
    Useless,
}

/// In this order: the first has documented fields and few calls, the others have more. The second number is how
/// many calls are kept for what comes after.
pub(super) const CARRIERS: [(Endpoint, usize); 3] =
    [(Endpoint::Complete, 1), (Endpoint::Refresh, 1), (Endpoint::RegisterVerify, 0)];

impl Search<'_> {
    /// The first call that refuses plain bodies and that the rate limit has room for; waits if none has.
    pub(super) async fn carrier(&mut self) -> Result<Option<Endpoint>, DetectError> {
        for (index, (call, kept)) in CARRIERS.into_iter().enumerate() {
            if self.carriers[index] == Carrier::Untried {
                self.carriers[index] = self.try_carrier(call).await?;
            }
            if self.carriers[index] == Carrier::Usable && self.prober.left(call) > kept {
                return Ok(Some(call));
            }
        }
        let Some(call) = self.usable_carriers().map(|(call, _)| call).last() else { return Ok(None) };
        self.prober.wait_for(call).await?;
        Ok(Some(call))
    }

    /// The calls that are known to carry, and how many of each are kept.
    pub(super) fn usable_carriers(&self) -> impl Iterator<Item = (Endpoint, usize)> + use<> {
        let carriers = CARRIERS.into_iter().zip(self.carriers);
        carriers.filter(|(_, carrier)| *carrier == Carrier::Usable).map(|(call, _)| call)
    }

    /// A plain body with an invented id: refused where bodies have to be sealed.
    async fn try_carrier(&mut self, call: Endpoint) -> Result<Carrier, DetectError> {
        let probe = self.plain_probe(call);
        let answer = self.prober.try_send(&probe, None).await?;
        Ok(match answer.reading() {
            Reading::Refused => {
                self.sealed.push((call, answer.brief()));
                Carrier::Usable
            }
            Reading::Read => {
                self.plain.push((call, answer.brief()));
                Carrier::Useless
            }
            Reading::Limited | Reading::Absent | Reading::Unclear => Carrier::Useless,
        })
    }

    /// A harmless call in the plain: its fields are the documented ones, its id is invented.
    pub(super) fn plain_probe(&self, call: Endpoint) -> Probe {
        let id = invented();
        let body = match call {
            Endpoint::Complete => {
                json!({"sessionId": id, "method": 10_011_002, "code": "000000"}).to_string()
            }
            Endpoint::Refresh => json!({"refreshToken": id}).to_string(),
            Endpoint::RegisterVerify => {
                let template = self.dialect.requests.get(call);
                let values = [("session_id", id.as_str()), ("code", "000000")];
                let body = template.and_then(|template| template.render(&values).ok());
                body.map(|body| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default()
            }
            _ => String::new(),
        };
        Probe::post(call, self.dialect.path(call), body)
    }
}
