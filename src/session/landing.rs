//! What a flight's end changes: the pair, the phase, and what those who waited are told.

use std::sync::Arc;
use std::time::Duration;

use super::actor::{Owner, Person, Phase};
use super::flight::{Held, Landing, Pending, Stop};
use super::{Portal, SessionError};

impl<P: Portal> Owner<P> {
    pub(super) fn land(&mut self, landing: Landing) {
        self.flight = None;
        let suspected = self.held.is_some() && self.suspects();
        self.clear_suspicion();
        match landing {
            Landing::Restored(Ok(pair)) => {
                self.restored = true;
                self.take_up(pair);
                // Who asked meanwhile is served with what there is: a start alone refreshes nothing.
                if let Some(lease) = self.usable_lease() {
                    self.waiting.answer(|ask| ask.accepts(lease.generation).then(|| Ok(Arc::clone(&lease))));
                }
            }
            Landing::Restored(Err(error)) => {
                self.failed(Stop::Later(SessionError::Store(error), Duration::ZERO));
            }
            Landing::Granted(pair) => {
                let generation = pair.lease.generation.0;
                tracing::info!(identity = %self.tools.settings.identity, generation, "signed in");
                self.granted(*pair);
            }
            Landing::Found(pair) => {
                let generation = pair.lease.generation.0;
                tracing::debug!(identity = %self.tools.settings.identity, generation, "renewed by another process");
                self.granted(*pair);
            }
            Landing::Asked(pending, in_vain, fate) => {
                self.suffer(fate, false);
                self.asked(pending, in_vain);
            }
            Landing::Stopped(stop, fate) => {
                self.suffer(fate, suspected && is_final(&stop));
                self.failed(stop);
            }
            Landing::SignedOut(told) => {
                if let Some(Person::SignOut(reply)) = self.person.take() {
                    let _ = reply.send(told);
                }
            }
            Landing::Unchanged => {}
            Landing::Saved(saved) => self.mark_saved(saved),
        }
        self.serve();
    }

    fn granted(&mut self, pair: Held) {
        self.backoff.reset();
        self.mailbox = None;
        (self.phase, self.before) = (Phase::Ready, None);
        let lease = Arc::clone(&pair.lease);
        self.hold(pair);
        // Before anybody has it: whoever is refused with it at once asks whether it is the one that everybody gets.
        self.publish();
        // Even one that is over already: they waited for it, and asking again would not give a longer one.
        self.waiting.answer(|ask| ask.accepts(lease.generation).then(|| Ok(Arc::clone(&lease))));
        if let Some(Person::Lease(reply)) = self.person.take() {
            let _ = reply.send(Ok(lease));
        }
    }

    fn asked(&mut self, pending: Box<Pending>, in_vain: Option<SessionError>) {
        let identity = &self.tools.settings.identity;
        tracing::info!(%identity, factor = ?pending.challenge.method.kind, "a person has to enter a code");
        self.look_for_code(&pending);
        let error = SessionError::CodeRequired { expires_in: pending.ends.left(self.clock()) };
        match (self.person.take(), in_vain) {
            (Some(person), Some(in_vain)) => person.tell(in_vain),
            (Some(Person::Challenge(reply)), None) => drop(reply.send(Ok(pending.challenge.clone()))),
            // Whoever signs in waits for it too, a while.
            (Some(person), None) if self.mailbox.is_some() => self.person = Some(person),
            (Some(person), None) => person.tell(error.clone()),
            (None, _) => {}
        }
        (self.phase, self.before) = (Phase::AwaitingCode(pending), None);
        if self.mailbox.is_none() {
            self.backoff.reset();
            self.waiting.fail(&error);
        }
    }

    /// Tells all who wait, and holds the next flight back as long as `stop` says.
    fn failed(&mut self, stop: Stop) {
        let (error, pause) = match stop {
            Stop::ForNow(source) => {
                let asked = source.kind.asked_pause().min(self.tools.settings.retry_after_most);
                let pause = self.backoff.after_failure().max(asked);
                (SessionError::for_now(source, pause), Some(pause))
            }
            Stop::Later(error, pause) => {
                let pause = self.backoff.after_failure().max(pause);
                (error.as_of(Some(pause)), Some(pause))
            }
            Stop::Person(error) => (error, None),
        };
        let identity = &self.tools.settings.identity;
        let source = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%identity, %error, source, ?pause, "no new lease");
        let retry_at = pause.map(|pause| self.clock().since_boot().saturating_add(pause));
        self.phase = Phase::Failed { error: error.clone(), retry_at };
        self.mailbox = None;
        self.undo_vain_sign_in();
        // What is held may be as good as before, for all but those who complained about it.
        if let Some(lease) = self.living_lease() {
            self.waiting.answer(|ask| ask.accepts(lease.generation).then(|| Ok(Arc::clone(&lease))));
        }
        // A short pause is waited through: a portal that failed once is no news to a client.
        if self.pause_left().is_none_or(|left| left > self.tools.settings.wait_through) {
            self.waiting.fail(&error);
        }
        if let Some(person) = self.person.take() {
            person.tell(error);
        }
    }
}

/// Whether the portal has refused the account itself.
fn is_final(stop: &Stop) -> bool {
    matches!(
        stop,
        Stop::Person(
            SessionError::CredentialsRefused
                | SessionError::AccountBlocked(_)
                | SessionError::PendingApproval
        )
    )
}
