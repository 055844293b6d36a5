//! The e-mailed code, looked for where the configuration says it arrives: again and again while it is good, and
//! left to a person who is faster.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::actor::{Owner, Person, Phase};
use super::flight::{Pending, Stop, Tools};
use super::{CodeSourceError, FactorKind, Portal, SessionError};
use crate::secret::OneTimeCode;

/// A mailbox that is looked into.
pub(super) struct Mailbox {
    look: Look,
    /// Until when the code is good, by the boot clock.
    until: Duration,
    /// Until when a person who signs in is kept waiting for it.
    patience: Duration,
}

/// One look, and the pause before it: a code that was not sent before, if there is one.
type Look = Pin<Box<dyn Future<Output = Result<Option<OneTimeCode>, CodeSourceError>> + Send>>;

impl<P: Portal> Owner<P> {
    /// Begins to look for the code of this challenge, if it was mailed and there is somewhere to look.
    pub(super) fn look_for_code(&mut self, pending: &Pending) {
        self.mailbox = None;
        let Some(sent) = pending.challenge.sent.as_ref().filter(|_| pending.is_looked_for()) else { return };
        let now = self.clock().since_boot();
        let (left, patience) = (pending.ends.left(self.clock()), self.tools.settings.wait_timeout);
        let good = sent.code_expires_in.map_or(left, |life| life.min(left));
        // A code that the portal had no time for is given to it again, ever more slowly.
        let pause = self.tools.settings.code_every * (1_u32 << pending.unheard.min(5)).saturating_sub(1);
        let Some(look) = self.next_look(pending, pause) else { return };
        self.mailbox =
            Some(Mailbox { look, until: now.saturating_add(good), patience: now.saturating_add(patience) });
    }

    fn next_look(&self, pending: &Pending, pause: Duration) -> Option<Look> {
        let source = Arc::clone(pending.login.credentials.codes.mailed.as_ref()?);
        let tools = Arc::clone(&self.tools);
        Some(Box::pin(async move {
            tools.clock.sleep(pause).await;
            let codes = source.fetch().await?;
            tools.unsent(codes).await
        }))
    }

    /// What a look came to.
    pub(super) fn looked(&mut self, found: Result<Option<OneTimeCode>, CodeSourceError>) {
        match found {
            Ok(Some(code)) => return self.answer_from_mailbox(code),
            Ok(None) => self.note_unfetched(None),
            Err(error) => {
                let identity = &self.tools.settings.identity;
                tracing::warn!(%identity, %error, hint = error.hint, "the mailed code is not fetched");
                // Somebody at a terminal can see to it, and reads why as soon as the command goes on.
                self.note_unfetched(Some(error));
                self.publish();
                self.leave_to_a_person();
            }
        }
        let pending = self.awaited().cloned();
        let look = pending.and_then(|pending| self.next_look(&pending, self.tools.settings.code_every));
        let now = self.clock().since_boot();
        let is_good = self.mailbox.as_ref().is_some_and(|mailbox| mailbox.until > now);
        let Some(look) = look.filter(|_| is_good) else { return self.give_up_looking() };
        if let Some(mailbox) = &mut self.mailbox {
            mailbox.look = look;
        }
    }

    fn note_unfetched(&mut self, why: Option<CodeSourceError>) {
        if let Phase::AwaitingCode(pending) = &mut self.phase {
            pending.challenge.unfetched = why.map(Box::new);
        }
    }

    /// Does what is due by the clock about a mailbox.
    pub(super) fn mind_the_mailbox(&mut self) {
        let now = self.clock().since_boot();
        let Some(mailbox) = &self.mailbox else { return };
        if mailbox.until <= now {
            self.give_up_looking();
        } else if mailbox.patience <= now {
            self.leave_to_a_person();
        }
    }

    /// How long until something is due about a mailbox.
    pub(super) fn mailbox_due(&self) -> Option<Duration> {
        let mailbox = self.mailbox.as_ref()?;
        let until = if self.person.is_some() { mailbox.until.min(mailbox.patience) } else { mailbox.until };
        Some(until.saturating_sub(self.clock().since_boot()))
    }

    /// The code has lost its worth, or there is no challenge for it any more.
    fn give_up_looking(&mut self) {
        self.mailbox = None;
        self.leave_to_a_person();
        if let Some(error) = self.code_required() {
            self.waiting.fail(&error);
        }
    }

    /// Whoever signs in is told that a code is awaited, and may type it.
    pub(super) fn leave_to_a_person(&mut self) {
        let Some(error) = self.code_required() else { return };
        if let Some(person) = self.person.take_if(|person| matches!(person, Person::Lease(_))) {
            person.tell(error);
        }
    }

    fn code_required(&self) -> Option<SessionError> {
        let pending = self.awaited()?;
        Some(SessionError::CodeRequired { expires_in: pending.ends.left(self.clock()) })
    }
}

/// The next look's end; never, where nobody looks.
pub(super) async fn looking(mailbox: &mut Option<Mailbox>) -> Result<Option<OneTimeCode>, CodeSourceError> {
    match mailbox {
        Some(mailbox) => (&mut mailbox.look).await,
        None => std::future::pending().await,
    }
}

impl Pending {
    /// Whether its code comes from a mailbox.
    pub(super) fn is_looked_for(&self) -> bool {
        self.challenge.method.kind == FactorKind::Email && self.login.credentials.codes.mailed.is_some()
    }
}

impl<P: Portal> Tools<P> {
    /// The first of `codes` that was not sent before: a mailbox also holds the mails of earlier logins.
    async fn unsent(&self, codes: Vec<OneTimeCode>) -> Result<Option<OneTimeCode>, CodeSourceError> {
        let attempts = self.stored(self.store.attempts().await);
        let attempts = attempts.map_err(|e| CodeSourceError { what: e.to_string(), hint: None })?;
        Ok(codes.into_iter().find(|code| !attempts.has_mailed(code)))
    }

    /// Marks a mailed code as sent, durably, before it is: after a crash it would still lie in the mailbox.
    pub(super) async fn spend_mailed(&self, code: &OneTimeCode) -> Result<(), Stop> {
        let broken = |error| Stop::Later(SessionError::Store(error), self.settings.backoff_first);
        let mut attempts = self.stored(self.store.attempts().await).map_err(broken)?;
        attempts.spend_mailed(code);
        self.stored(self.store.record(attempts).await).map_err(broken)
    }
}
