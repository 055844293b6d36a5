//! The search: its steps in order, and what they share.

use http::HeaderName;

use super::carrier::{CARRIERS, Carrier};
use super::evidence::Evidence;
use super::prober::{Probe, Prober};
use super::way::Way;
use super::{Account, Candidates, Cell, Confidence, DetectError, Found, LoginBudget, LoginEnd, Settings};
use crate::channel::Channel;
use crate::clock::SharedClock;
use crate::portal::{Dialect, Endpoint, Preset};
use crate::upstream::{Injected, Upstream};

/// The deployment in question.
#[derive(Debug, Clone)]
pub struct Target {
    /// The portal's name, such as `tenant`.
    pub portal: String,
    /// The way there.
    pub upstream: Upstream,
    /// Access code, client hash and whatever else every request carries.
    pub injected: Injected,
    /// What is tried.
    pub candidates: Candidates,
}

/// The person who watches.
pub trait Talk: Send {
    /// One step is done: a sentence about it.
    fn step(&mut self, sentence: &str);
    /// Whether the account may be logged in to confirm what was found.
    fn may_log_in(&mut self, budget: &LoginBudget) -> bool;
}

/// Finds out the dialect of a deployment. Without an account it stops before the first call that needs one.
///
/// # Errors
/// Why there is no dialect to be told.
pub async fn detect(
    target: &Target,
    account: Option<&Account>,
    settings: Settings,
    clock: SharedClock,
    talk: &mut dyn Talk,
) -> Result<Found, DetectError> {
    let mut search = Search::new(target, settings.bounded(), clock, talk);
    let end = search.all(account).await;
    // Whatever came of it: the portal need not keep a channel that nobody will use.
    search.close().await;
    let login = end?;
    let Search { prober, dialect, evidence, .. } = search;
    let (calls, lookups) = (prober.ledger.totals(), prober.ledger.lookups());
    Ok(Found { dialect, findings: evidence.complete(), login, calls, lookups })
}

/// `portunus detect`: as [`detect`]; what was found is told sentence by sentence, and given as the text of the
/// sections `[portal]` and `[dialect]`.
///
/// # Errors
/// As [`detect`].
pub async fn run(
    target: &Target,
    account: Option<&Account>,
    settings: Settings,
    clock: SharedClock,
    talk: &mut dyn Talk,
) -> Result<String, DetectError> {
    let found = detect(target, account, settings, clock, talk).await?;
    let unsure = found.findings.iter().filter(|finding| finding.confidence == Confidence::Assumed).count();
    talk.step(&format!(
        "nearest preset: {}, {} departures, {unsure} settings assumed; {}",
        found.preset().name(),
        found.overrides().len(),
        found.login,
    ));
    Ok(found.to_toml())
}

/// What the steps share.
pub(super) struct Search<'a> {
    pub(super) prober: Prober,
    pub(super) candidates: &'a Candidates,
    pub(super) talk: &'a mut dyn Talk,
    /// What is known so far; defaults where nothing is.
    pub(super) dialect: Dialect,
    pub(super) evidence: Evidence,
    /// The headers that may name the channel; one, once it is known.
    pub(super) session_headers: Vec<HeaderName>,
    /// The open channel.
    pub(super) channel: Option<Channel>,
    /// Which calls the forms of a sealed body can be tried on.
    pub(super) carriers: [Carrier; CARRIERS.len()],
    /// The forms of a sealed body that no harmless call could tell apart.
    pub(super) open_ways: Vec<Way>,
    /// The calls that read a plain body, with their answers.
    pub(super) plain: Vec<(Endpoint, String)>,
    /// The calls that refused one.
    pub(super) sealed: Vec<(Endpoint, String)>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        target: &'a Target,
        settings: Settings,
        clock: SharedClock,
        talk: &'a mut dyn Talk,
    ) -> Self {
        Self {
            prober: Prober::new(target.upstream.clone(), target.injected.clone(), settings, clock),
            candidates: &target.candidates,
            talk,
            dialect: Dialect::preset(Preset::Guide, &target.portal),
            evidence: Evidence::default(),
            session_headers: target.candidates.session_headers.clone(),
            channel: None,
            carriers: [Carrier::Untried; CARRIERS.len()],
            open_ways: Vec::new(),
            plain: Vec::new(),
            sealed: Vec::new(),
        }
    }

    /// The steps: what is free first, what is scarce later, what needs a password last.
    async fn all(&mut self, account: Option<&Account>) -> Result<LoginEnd, DetectError> {
        let key = self.find_places().await?;
        match key {
            None => self.no_channel().await?,
            Some(key) => {
                self.find_session_header().await?;
                self.open_channel(&key).await?;
                self.find_spelling().await?;
                self.find_sealed_paths().await?;
            }
        }
        self.find_method_form().await?;
        match account {
            Some(account) => self.confirm(account).await,
            None => Ok(LoginEnd::NotTried),
        }
    }

    pub(super) fn note(&mut self, cell: Cell, confidence: Confidence, why: impl Into<String>) {
        let why = why.into();
        self.talk.step(&format!("{} {}: {why}", cell.key(), confidence));
        self.evidence.note(cell, confidence, why);
    }

    /// Gives the channel back to the portal; that it fails is no loss, since channels expire.
    pub(super) async fn close(&mut self) {
        let Some(channel) = self.channel.take() else { return };
        let path = self.dialect.path(Endpoint::SessionClose);
        let mut probe = Probe::post(Endpoint::SessionClose, path, Vec::new());
        probe.headers.push((self.dialect.session_header.get(), channel.id_header().clone()));
        if let Err(error) = self.prober.try_send(&probe, None).await {
            tracing::debug!(%error, "the channel stays open until it expires");
        }
    }
}

/// An id that no portal can know.
pub(super) fn invented() -> String {
    format!("portunus-detect-{}", uuid::Uuid::new_v4().simple())
}
