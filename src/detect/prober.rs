//! One probe: carried, counted, answered, and read.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::ledger::{Ledger, span};
use super::reading::Reading;
use super::{DetectError, Settings};
use crate::channel::{Channel, Form, form_of};
use crate::clock::SharedClock;
use crate::portal::Endpoint;
use crate::portal::wire::{Signs, retry_after};
use crate::upstream::{Injected, Outgoing, Upstream, X_REQUEST_ID};

/// Carries probes within the rate limits.
#[derive(Debug)]
pub(super) struct Prober {
    pub(super) upstream: Upstream,
    pub(super) injected: Injected,
    pub(super) settings: Settings,
    pub(super) clock: SharedClock,
    pub(super) ledger: Ledger,
    /// How much of the patience is left.
    patience: Duration,
}

/// What is sent.
pub(super) struct Probe {
    /// For which call it counts.
    pub(super) call: Endpoint,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<Bytes>,
    /// Without `X-Request-Id` only to find out whether it is wanted.
    pub(super) request_id: bool,
}

impl Probe {
    pub(super) fn get(call: Endpoint, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { call, method: Method::GET, path, headers: Vec::new(), body: None, request_id: true }
    }

    /// A plain POST.
    pub(super) fn post(call: Endpoint, path: impl Into<String>, json: impl Into<Bytes>) -> Self {
        let json: Bytes = json.into();
        let headers = match json.is_empty() {
            true => Vec::new(),
            false => vec![(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        };
        let body = (!json.is_empty()).then_some(json);
        Self { call, method: Method::POST, path: path.into(), headers, body, request_id: true }
    }
}

/// Without the body and the headers, which may hold a password and a token.
impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Opened, where it was sealed and a channel was at hand.
    pub(super) body: Bytes,
    pub(super) signs: Signs,
    /// Whether it came sealed and opened.
    pub(super) opened: bool,
}

impl Answer {
    pub(super) fn reading(&self) -> Reading {
        Reading::of(self.status, &self.signs, self.opened)
    }

    pub(super) fn is_success(&self) -> bool {
        self.signs.is_object && self.signs.is_success(self.status)
    }

    /// Status and code, as evidence: `404 AUTH.SESSION_NOT_FOUND`.
    pub(super) fn brief(&self) -> String {
        let status = self.status.as_u16();
        let sealed = if self.opened { ", sealed" } else { "" };
        match self.signs.code() {
            Some(code) => format!("{status} {code}{sealed}"),
            None => format!("{status}{sealed}"),
        }
    }
}

/// Without the body, which may hold tokens.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({})", self.brief())
    }
}

impl Prober {
    pub(super) fn new(
        upstream: Upstream,
        injected: Injected,
        settings: Settings,
        clock: SharedClock,
    ) -> Self {
        let patience = settings.patience;
        Self { upstream, injected, settings, clock, ledger: Ledger::default(), patience }
    }

    /// How many calls more the rate limit has room for now.
    pub(super) fn left(&self, call: Endpoint) -> usize {
        self.ledger.left(call, self.clock.since_boot())
    }

    /// Waits until the call may be made.
    pub(super) async fn wait_for(&mut self, call: Endpoint) -> Result<(), DetectError> {
        let wait = self.ledger.wait(call, self.clock.since_boot());
        if wait.is_zero() {
            return Ok(());
        }
        if wait > self.patience {
            return Err(DetectError::Limited { call: call.name(), wait });
        }
        self.patience -= wait;
        tracing::info!(call = call.name(), wait = span(wait), "waiting for the rate limit");
        self.clock.sleep(wait).await;
        Ok(())
    }

    /// Sends a probe and reads the answer. Waits before a call whose limit is reached, and after one that the
    /// portal itself limits, as far as the patience goes.
    pub(super) async fn send(
        &mut self,
        probe: &Probe,
        channel: Option<&Channel>,
    ) -> Result<Answer, DetectError> {
        loop {
            let answer = self.try_send(probe, channel).await?;
            if answer.reading() != Reading::Limited {
                return Ok(answer);
            }
            self.wait_for(probe.call).await?;
        }
    }

    /// As [`Prober::send`]; an answer that says "too many" is the caller's to judge.
    pub(super) async fn try_send(
        &mut self,
        probe: &Probe,
        channel: Option<&Channel>,
    ) -> Result<Answer, DetectError> {
        self.wait_for(probe.call).await?;
        self.ledger.made(probe.call, self.clock.since_boot());
        let answer = self.carry(probe, channel).await?;
        if answer.reading() == Reading::Limited {
            let asked = retry_after(&answer.headers, self.clock.wall()).max(answer.signs.cooldown());
            let wait = asked.unwrap_or(UNTOLD_WAIT);
            self.ledger.shut(probe.call, self.clock.since_boot() + wait);
        }
        tracing::debug!(call = probe.call.name(), path = probe.path, answer = answer.brief(), "probe");
        Ok(answer)
    }

    async fn carry(&self, probe: &Probe, channel: Option<&Channel>) -> Result<Answer, DetectError> {
        let Probe { method, path, headers, body, .. } = probe;
        let mut headers = headers.clone();
        if probe.request_id {
            let id = uuid::Uuid::new_v4().hyphenated().to_string();
            headers.extend(HeaderValue::from_str(&id).ok().map(|id| (X_REQUEST_ID, id)));
        }
        let call = probe.call.name();
        let outgoing = Outgoing::probe(method.clone(), path, body.clone(), &headers, &self.injected);
        let exchange = async {
            let (head, body) = self.upstream.send(outgoing).await?.into_parts();
            Ok((head, body.collect(self.settings.max_answer).await?))
        };
        let (head, body) = match tokio::time::timeout(self.settings.call_timeout, exchange).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) => return Err(lost(call, &error)),
            Err(_) => {
                let why = format!("none within {:?}", self.settings.call_timeout);
                return Err(DetectError::NoAnswer { call, why });
            }
        };
        let opened = match (channel, form_of(&body)) {
            (Some(channel), Form::Binary | Form::Json) => channel.open(&body).ok(),
            (None, _) | (Some(_), Form::Plain) => None,
        };
        let was_opened = opened.is_some();
        let body = opened.unwrap_or(body);
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            signs: Signs::of(&body),
            body,
            opened: was_opened,
        })
    }
}

/// How long to wait where a refusal does not say.
const UNTOLD_WAIT: Duration = Duration::from_secs(60);

fn lost(call: &'static str, error: &crate::upstream::UpstreamError) -> DetectError {
    let why = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    match error.may_have_acted() {
        true => DetectError::NoAnswer { call, why },
        false => DetectError::Unreachable(why),
    }
}
