//! What persons order, one thing at a time.

use std::sync::Arc;

use super::actor::{Owner, Person, Phase};
use super::budget::By;
use super::challenge::{Answered, Giver};
use super::flight::{Fate, Landing, Login, Origin, Pending, Stop};
use super::handle::Order;
use super::{Credentials, FactorKind, Portal, SessionError, Tokens};
use crate::secret::OneTimeCode;

/// What a sign-in by a person interrupted, to go back to if it comes to nothing.
#[derive(Debug)]
pub(super) struct Before {
    phase: Phase,
    /// The credentials that the typed ones took the place of; `None` if none were typed.
    replaced: Option<Option<Credentials>>,
}

impl<P: Portal> Owner<P> {
    /// Carries out an order. There is no flight under way.
    pub(super) fn obey(&mut self, order: Order) {
        self.lapse();
        // One person at a time: whoever still waits for a code to come by itself may type it.
        self.leave_to_a_person();
        match order {
            Order::SignIn { credentials, by_backup_code, reply } => {
                self.person = Some(Person::Lease(reply));
                self.sign_in(credentials, by_backup_code);
            }
            Order::Answer(code, reply) => {
                self.person = Some(Person::Lease(reply));
                self.answer(code, Giver::Person);
            }
            Order::SendCode(by, reply) => {
                self.person = Some(Person::Challenge(reply));
                self.send_code(by);
            }
            Order::Adopt(tokens, reply) => {
                self.person = Some(Person::Lease(reply));
                self.adopt(tokens);
            }
            Order::SignOut(reply) => {
                self.person = Some(Person::SignOut(reply));
                self.sign_out();
            }
        }
    }

    fn sign_in(&mut self, typed: Option<Credentials>, by_backup_code: bool) {
        self.mailbox = None;
        let replaced = typed.map(|typed| self.credentials.replace(typed));
        let phase = std::mem::replace(&mut self.phase, Phase::Ready);
        self.before = Some(Before { phase, replaced });
        let (tools, next) = (Arc::clone(&self.tools), self.generation.next());
        let login = self.login(By::Person).map(|login| Login { by_backup_code, ..login });
        self.take_off(async move {
            match tools.alone_for(next).await {
                Ok((_lock, next)) => tools.enter(login, Fate::Kept, next).await,
                Err(landing) => landing,
            }
        });
    }

    /// A sign-in that came to nothing does no harm to what worked before it: not to the pair in use, and typed
    /// credentials not to the configured ones.
    pub(super) fn undo_vain_sign_in(&mut self) {
        let Some(Before { phase, replaced }) = self.before.take() else { return };
        if let Some(credentials) = replaced {
            self.credentials = credentials;
            self.phase = phase;
        } else if self.held.is_some() {
            self.phase = Phase::Ready;
        }
    }

    /// The mailbox has the code.
    pub(super) fn answer_from_mailbox(&mut self, code: OneTimeCode) {
        self.answer(code, Giver::Mailbox);
    }

    fn answer(&mut self, code: OneTimeCode, giver: Giver) {
        let Some(pending) = self.pending() else { return };
        // Whoever asks now waits for the answer to this code.
        (self.phase, self.mailbox) = (Phase::Ready, None);
        let (tools, next) = (Arc::clone(&self.tools), self.generation.next());
        self.take_off(async move {
            let (_lock, next) = match tools.alone_for(next).await {
                Ok(alone) => alone,
                Err(landing) => return landing,
            };
            match tools.answer(pending, code, giver).await {
                Answered::Entered(tokens, origin) => tools.grant(tokens, origin, next).await,
                Answered::Still(pending, error) if giver == Giver::Mailbox => {
                    let identity = &tools.settings.identity;
                    tracing::warn!(%identity, %error, code = error.code, "the mailed code did not sign in");
                    Landing::Asked(pending, None, Fate::Kept)
                }
                Answered::Still(pending, error) => {
                    let pause = error.kind.asked_pause();
                    Landing::Asked(pending, Some(SessionError::for_now(error, pause)), Fate::Kept)
                }
                Answered::Over(stop) => Landing::Stopped(stop, Fate::Kept),
            }
        });
    }

    fn send_code(&mut self, by: Option<FactorKind>) {
        let Some(pending) = self.pending() else { return };
        let kind = by.unwrap_or(pending.challenge.method.kind);
        let Some(method) = pending.challenge.offered.iter().find(|method| method.kind == kind).cloned()
        else {
            return self
                .refuse(SessionError::PersonRequired { reason: "the portal does not offer that factor" });
        };
        let cooldown = pending.challenge.resend_at.duration_since(self.clock().wall()).unwrap_or_default();
        if kind.is_delivered() && !cooldown.is_zero() {
            return self.refuse(SessionError::RateLimited { retry_after: cooldown });
        }
        let tools = Arc::clone(&self.tools);
        self.take_off(async move {
            let _lock = match tools.alone().await {
                Ok((lock, _)) => lock,
                Err(landing) => return landing,
            };
            match tools.resend(pending, method).await {
                (pending, Ok(())) => Landing::Asked(Box::new(pending), None, Fate::Kept),
                (pending, Err(Stop::ForNow(error))) => {
                    let pause = error.kind.asked_pause();
                    Landing::Asked(Box::new(pending), Some(SessionError::for_now(error, pause)), Fate::Kept)
                }
                (pending, Err(Stop::Later(error, _))) => {
                    Landing::Asked(Box::new(pending), Some(error), Fate::Kept)
                }
                (_, Err(stop @ Stop::Person(_))) => Landing::Stopped(stop, Fate::Kept),
            }
        });
    }

    fn adopt(&mut self, tokens: Tokens) {
        let (tools, next) = (Arc::clone(&self.tools), self.generation.next());
        // Whose they are and whether a factor was asked for, only the client knows.
        let origin = Origin { account: None, without_factor: false };
        self.take_off(async move {
            match tools.alone_for(next).await {
                Ok((_lock, next)) => tools.grant(tokens, origin, next).await,
                // They are the only copy: in use all the same, and offered to the store again later.
                Err(_) => tools.grant(tokens, origin, next).await,
            }
        });
    }

    fn sign_out(&mut self) {
        (self.phase, self.mailbox) = (Phase::SignedOut, None);
        self.credentials.clone_from(&self.tools.settings.credentials);
        let (tools, held) = (Arc::clone(&self.tools), self.held.take().map(|held| held.pair));
        self.take_off(async move { tools.sign_out(held).await });
    }

    /// The challenge that waits for an answer.
    pub(super) fn awaited(&self) -> Option<&Pending> {
        match &self.phase {
            Phase::AwaitingCode(pending) => Some(pending),
            Phase::Ready | Phase::SignedOut | Phase::Failed { .. } => None,
        }
    }

    /// The challenge that an answer is for; tells the person if there is none.
    fn pending(&mut self) -> Option<Pending> {
        if let Some(pending) = self.awaited() {
            return Some(pending.clone());
        }
        self.refuse(SessionError::PersonRequired { reason: "no code is awaited; sign in first" });
        None
    }

    fn refuse(&mut self, error: SessionError) {
        if let Some(person) = self.person.take() {
            person.tell(error);
        }
    }
}
