//! A store without a disk.

use std::sync::{Mutex, PoisonError};

use super::{Lock, SavedSession, Store, Stored};
use crate::session::{Attempts, Generation};

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
    fn lock(&self) -> Stored<'_, Lock> {
        Box::pin(std::future::ready(Ok(Lock::unneeded())))
    }

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

    fn keep(&self, generation: Generation) -> Stored<'_, ()> {
        self.with(|memory| {
            if let Some(session) = memory.session.as_mut().filter(|saved| saved.generation == generation) {
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
