//! The cheap part of a detection, for a proxy as it runs: what is left open about the channel, without a login.

use std::future::Future;
use std::pin::Pin;

use super::search::Search;
use super::{Cell, DetectError, LoginBudget, Settings, Talk, Target};
use crate::clock::SharedClock;
use crate::portal::{Dialect, Endpoint, Scout, Scouted};
use crate::session::{FoundSetting, PortalError, PortalErrorKind as Kind};

/// Finds out what is left open about the channel: where it is, its header, its hashes, its Base64.
#[derive(Debug)]
pub struct ChannelScout {
    target: Target,
    /// As it is configured.
    dialect: Dialect,
    open: Vec<Cell>,
    settings: Settings,
    clock: SharedClock,
}

impl ChannelScout {
    /// A scout for the settings in `open`: any of `channel_base`, `session_header`, `oaep_hash`, `mgf1_hash`,
    /// `base64`. The others stay as `dialect` has them, and cost no call.
    pub fn new(
        target: Target,
        dialect: Dialect,
        open: Vec<Cell>,
        settings: Settings,
        clock: SharedClock,
    ) -> Self {
        let candidates = target.candidates.for_channel(&dialect, &open);
        Self { target: Target { candidates, ..target }, dialect, open, settings, clock }
    }

    async fn scout(&self) -> Result<Scouted, DetectError> {
        let (settings, mut nobody) = (self.settings, Nobody);
        let mut search = Search::new(&self.target, settings.bounded(), self.clock.clone(), &mut nobody);
        search.dialect = self.dialect.clone();
        let end = search.find_channel_settings().await;
        search.close().await;
        end?;
        let Search { mut dialect, evidence, .. } = search;
        let findings = evidence.complete();
        let found = findings.into_iter().filter(|finding| self.open.contains(&finding.cell));
        let found = found.map(|finding| FoundSetting {
            setting: format!("dialect.{}", finding.cell.key()),
            value: finding.cell.written(&dialect),
            sure: finding.confidence.to_string(),
            why: finding.why,
        });
        let found = found.collect();
        // Whoever shares the configured dialect's header is told.
        let name = dialect.session_header.get();
        dialect.session_header = self.dialect.session_header.clone();
        dialect.session_header.found(name);
        Ok(Scouted { dialect, found })
    }
}

impl Scout for ChannelScout {
    fn find(&self) -> Pin<Box<dyn Future<Output = Result<Scouted, PortalError>> + Send + '_>> {
        Box::pin(async { self.scout().await.map_err(PortalError::from) })
    }
}

impl Search<'_> {
    /// What has more than one candidate, and no more.
    async fn find_channel_settings(&mut self) -> Result<(), DetectError> {
        let candidates = self.candidates;
        let opens = candidates.hashes.len() > 1 || candidates.alphabets.len() > 1;
        let key = if opens || candidates.channel_bases.len() > 1 {
            let nowhere = self.nowhere("").await?;
            let key = self.find_channel(nowhere).await?;
            Some(key.ok_or(DetectError::NoKey)?)
        } else {
            None
        };
        if candidates.session_headers.len() > 1 {
            self.find_session_header().await?;
        }
        match key.filter(|_| opens) {
            Some(key) => match self.open_by_session(&key).await? {
                None => Ok(()),
                Some(refused) => Err(DetectError::NoSession(refused)),
            },
            None => Ok(()),
        }
    }
}

impl From<DetectError> for PortalError {
    fn from(error: DetectError) -> Self {
        let call = match &error {
            DetectError::NoAnswer { call, .. }
            | DetectError::InTrouble { call, .. }
            | DetectError::NotUnderstood { call, .. }
            | DetectError::Limited { call, .. } => call,
            DetectError::NoSession(_) => Endpoint::Session.name(),
            _ => Endpoint::PublicKey.name(),
        };
        let (kind, status) = match error {
            DetectError::Unreachable(why) => (Kind::NotSent(why), None),
            // Nothing of it changes anything at the portal: it can be asked again.
            DetectError::NoAnswer { why, .. } => (Kind::NotSent(why), None),
            DetectError::InTrouble { .. } => (Kind::Trouble, None),
            DetectError::RefusedEverything { status } => (Kind::Refused, Some(status.as_u16())),
            DetectError::Key(error) => (Kind::Channel(error), None),
            DetectError::NotUnderstood { why, .. } => (Kind::NotUnderstood(why), None),
            DetectError::Limited { wait, .. } => (Kind::RateLimited { retry_after: Some(wait) }, None),
            DetectError::NoSession(_) => {
                (Kind::NotUnderstood("it takes the channel's keys in no known form"), None)
            }
            DetectError::NoKey
            | DetectError::NoLogin
            | DetectError::NoChannel
            | DetectError::NoSpelling(_) => {
                (Kind::NotUnderstood("it serves the channel's key under no known path"), None)
            }
        };
        Self { call, kind, status, code: None }
    }
}

/// Nobody watches, and nobody is asked.
struct Nobody;

impl Talk for Nobody {
    fn step(&mut self, _sentence: &str) {}

    fn may_log_in(&mut self, _budget: &LoginBudget) -> bool {
        false
    }
}
