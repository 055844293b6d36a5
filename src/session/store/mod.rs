//! The seam to whatever remembers a login: what must survive, and in which order it is written.
//!
//! In: a pair, an intent, a count of attempts. Out: the same after a crash at any instruction. Always: an intent
//! is durable before its token leaves, and attempts before their password does; what cannot be read is an error
//! with a way out, never "signed out", and is never overwritten; of several processes one at a time is in a
//! flight. Refuses to know: what the portal says.

mod disk;
mod document;
mod file;
mod memory;
mod migrate;
mod redis;
mod seal;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

pub use disk::{Disk, Draft};
pub use file::{FileStore, Owned};
pub use memory::MemoryStore;
pub use redis::{RedisDoor, RedisStore, RedisTimes, RedisUrl};
pub use seal::SealingKey;

use super::{Attempts, Generation};
use crate::secret::{AccessToken, RefreshToken};

/// What a [`Store`] answers, boxed so that a session does not carry its store's type.
pub type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What remembers one identity's login. Everything that writes is called under [`Store::lock`].
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Waits until no other process is in a flight on this login. Held from the first look at the store until
    /// what came of the flight is written; whoever gets it looks again at what is stored before doing anything.
    fn lock(&self) -> Stored<'_, Lock>;

    /// The pair as it was last committed. Open intents come back as [`SavedSession::unanswered`].
    fn load(&self) -> Stored<'_, Option<SavedSession>>;

    /// Writes the intent to send the refresh token of `generation`: one more [`SavedSession::unanswered`].
    /// Durable before it answers: after a crash the next start has to know that the token may be spent.
    fn begin_refresh(&self, generation: Generation) -> Stored<'_, ()>;

    /// Replaces the pair, or forgets it, and with it all intents. Durable before it answers.
    fn commit(&self, session: Option<SavedSession>) -> Stored<'_, ()>;

    /// Takes the last intent of `generation` back: the portal did not take the token.
    fn keep(&self, generation: Generation) -> Stored<'_, ()>;

    /// The attempts as last recorded.
    fn attempts(&self) -> Stored<'_, Attempts>;

    /// Records the attempts. Durable before it answers: it is called before a password leaves.
    fn record(&self, attempts: Attempts) -> Stored<'_, ()>;

    /// Makes sure that the lock outlives one call to the portal that begins now. Asked right before what cannot be
    /// taken back: a process may have slept since it took the lock.
    fn assure(&self) -> Stored<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Completes when another process may have stored something; never, where nobody tells.
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }

    /// Whether the store cannot be reached for now, though it may come back.
    fn is_away(&self) -> bool {
        false
    }
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
#[error("{what}; {hint}")]
pub struct StoreError {
    /// What failed, and on which file.
    pub what: String,
    /// The way out.
    pub hint: String,
}

/// The right to be in a flight on a login. Dropped, it is free again; a process that dies drops it.
#[derive(Clone)]
pub struct Lock(
    #[expect(dead_code, reason = "held, and dropped; nobody has to look at it")]
    Option<Arc<dyn Any + Send + Sync>>,
);

impl Lock {
    /// Where nobody else can be in a flight.
    pub fn unneeded() -> Self {
        Self(None)
    }

    /// Held by whatever `held` releases when it is dropped.
    pub fn held_by(held: Arc<dyn Any + Send + Sync>) -> Self {
        Self(Some(held))
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}
