//! The seam to whatever remembers a login: what must survive, and in which order it is written.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::{Attempts, Generation};
use crate::secret::{AccessToken, RefreshToken};

/// What a [`Store`] answers, boxed so that a session does not carry its store's type.
pub type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What remembers one identity's login. One session asks at a time; a store that several processes share takes
/// its lock in [`Store::begin_refresh`] and releases it in [`Store::commit`] or [`Store::keep`].
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The pair as it was last committed. Open intents come back as [`SavedSession::unanswered`].
    fn load(&self) -> Stored<'_, Option<SavedSession>>;

    /// Writes the intent to send the refresh token of `generation`: one more [`SavedSession::unanswered`].
    /// Durable before it answers: after a crash the next start has to know that the token may be spent.
    fn begin_refresh(&self, generation: Generation) -> Stored<'_, ()>;

    /// Replaces the pair, or forgets it, and with it all intents. Durable before it answers.
    fn commit(&self, session: Option<SavedSession>) -> Stored<'_, ()>;

    /// Takes the last intent back: the portal did not take the token.
    fn keep(&self) -> Stored<'_, ()>;

    /// The attempts as last recorded.
    fn attempts(&self) -> Stored<'_, Attempts>;

    /// Records the attempts. Durable before it answers: it is called before a password leaves.
    fn record(&self, attempts: Attempts) -> Stored<'_, ()>;
}

/// A login as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedSession {
    /// Whose it is, where that is known; another account's tokens are never used for the configured one.
    pub account: Option<String>,
    /// The bearer.
    pub access: AccessToken,
    /// What renews it.
    pub refresh: Option<RefreshToken>,
    /// When the pair came.
    pub issued_at: SystemTime,
    /// When the bearer ends; absolute, so that time spent switched off counts.
    pub expires_at: SystemTime,
    /// Counts replacements across restarts.
    pub generation: Generation,
    /// Whether this login was completed without a second factor.
    pub without_factor: bool,
    /// How often the refresh token was sent without an answer (ruling 1): not at all, and it is good; once,
    /// and it may be spent; twice, and it is never sent again.
    pub unanswered: u32,
}

/// The store cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// What failed, and what to do about it.
    pub what: String,
}

/// Remembers until the process ends.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Memory>);

#[derive(Debug, Default, Clone)]
struct Memory {
    session: Option<SavedSession>,
    attempts: Attempts,
}

impl MemoryStore {
    /// Remembers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T: Send + 'static>(&self, f: impl FnOnce(&mut Memory) -> T) -> Stored<'_, T> {
        let answer = f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(std::future::ready(Ok(answer)))
    }
}

impl Store for MemoryStore {
    fn load(&self) -> Stored<'_, Option<SavedSession>> {
        self.with(|memory| memory.session.clone())
    }

    fn begin_refresh(&self, generation: Generation) -> Stored<'_, ()> {
        self.with(|memory| {
            if let Some(session) = memory.session.as_mut().filter(|saved| saved.generation == generation) {
                session.unanswered += 1;
            }
        })
    }

    fn commit(&self, session: Option<SavedSession>) -> Stored<'_, ()> {
        self.with(|memory| memory.session = session)
    }

    fn keep(&self) -> Stored<'_, ()> {
        self.with(|memory| {
            if let Some(session) = &mut memory.session {
                session.unanswered = session.unanswered.saturating_sub(1);
            }
        })
    }

    fn attempts(&self) -> Stored<'_, Attempts> {
        self.with(|memory| memory.attempts.clone())
    }

    fn record(&self, attempts: Attempts) -> Stored<'_, ()> {
        self.with(|memory| memory.attempts = attempts)
    }
}
