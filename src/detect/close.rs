//! The header that names the channel, by `session/close`: it is free, and closes nothing (PROTOCOL section 3.3).

use http::{HeaderName, HeaderValue};

use super::prober::{Answer, Probe};
use super::reading::Reading;
use super::search::{Search, invented};
use super::{Cell, Confidence, DetectError};
use crate::portal::Endpoint;

impl Search<'_> {
    /// Asks without any header, then with each alone:
    ///
    /// | without | with one | conclusion |
    /// |---|---|---|
    /// | refused | succeeds | seen |
    /// | refused | refused otherwise | inferred: the portal looked for the channel |
    /// | succeeds | – | nothing is told apart; each is tried under seal |
    pub(super) async fn find_session_header(&mut self) -> Result<(), DetectError> {
        let without = self.close_invented(None).await?;
        if without.is_success() {
            self.talk.step("session/close asks for no header: sealed calls will tell which one it is");
            return Ok(());
        }
        let mut otherwise = None;
        for header in self.candidates.session_headers.clone() {
            let with = self.close_invented(Some(&header)).await?;
            if with.is_success() {
                self.settle_header(header);
                let why = format!(
                    "session/close takes it ({}), and not without it ({})",
                    with.brief(),
                    without.brief()
                );
                self.note(Cell::SessionHeader, Confidence::Seen, why);
                return Ok(());
            }
            let told_apart = with.brief() != without.brief() && with.reading() != Reading::Absent;
            otherwise = otherwise.or_else(|| told_apart.then(|| (header, with.brief())));
        }
        if let Some((header, brief)) = otherwise {
            self.settle_header(header);
            let why = format!("session/close answers {brief} to it, and {} without it", without.brief());
            self.note(Cell::SessionHeader, Confidence::Inferred, why);
        }
        Ok(())
    }

    pub(super) fn settle_header(&mut self, header: HeaderName) {
        self.dialect.session_header = header.clone().into();
        self.session_headers = vec![header];
    }

    async fn close_invented(&mut self, header: Option<&HeaderName>) -> Result<Answer, DetectError> {
        let path = self.dialect.path(Endpoint::SessionClose);
        let mut probe = Probe::post(Endpoint::SessionClose, path, Vec::new());
        if let Some(header) = header {
            let id = HeaderValue::from_str(&invented());
            probe.headers.extend(id.ok().map(|id| (header.clone(), id)));
        }
        self.prober.send(&probe, None).await
    }
}
