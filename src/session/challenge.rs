//! The pending MFA step: having its code sent, and a person's answer to it.

use super::budget::{By, Latched, Verdict};
use super::conclude::{Again, not_sent, verdict_on};
use super::deadline::Deadline;
use super::flight::{Entered, Login, Origin, Pending, Stop, Tools};
use super::{
    Challenge, CodeSent, FactorKind, Initiated, Method, OwnCall, Portal, PortalError, PortalErrorKind,
    SessionError, Tokens,
};
use crate::secret::{LoginSessionId, OneTimeCode};

/// Who gave a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Giver {
    /// Somebody who is there.
    Person,
    /// The source of mailed codes.
    Mailbox,
}

/// What became of a code.
pub(super) enum Answered {
    /// It was the right one.
    Entered(Tokens, Origin),
    /// It was not, or did not arrive; this challenge waits now.
    Still(Box<Pending>, PortalError),
    /// The login ended.
    Over(Stop),
}

impl<P: Portal> Tools<P> {
    /// The challenge for a person, its code on the way where `send` says so.
    pub(super) async fn ask(
        &self,
        initiated: Initiated,
        method: Method,
        send: bool,
        login: &Login,
    ) -> Result<Pending, Again> {
        let ends = Deadline::after(&*self.clock, initiated.expires_in);
        let mut challenge = Challenge {
            login: initiated.login,
            method,
            offered: initiated.methods,
            sent: None,
            expires_at: ends.wall,
            resend_at: self.clock.wall(),
            unfetched: None,
        };
        if send {
            match self.deliver(&challenge.login, &challenge.method).await {
                Ok(sent) => {
                    challenge.resend_at = self.clock.wall() + sent.cooldown;
                    challenge.sent = Some(sent);
                }
                Err(error) => match error.kind {
                    // The challenge stands; a person can have the code sent again.
                    PortalErrorKind::RateLimited { retry_after } => {
                        let pause = retry_after.unwrap_or_default().min(self.settings.retry_after_most);
                        challenge.resend_at = self.clock.wall() + pause;
                    }
                    PortalErrorKind::NotSent(_)
                    | PortalErrorKind::Trouble
                    | PortalErrorKind::OutcomeUnknown(_)
                    | PortalErrorKind::NotUnderstood(_) => {}
                    PortalErrorKind::ChannelStale | PortalErrorKind::LoginGone => {
                        return Err(Again::Restart(error));
                    }
                    _ => return Err(Again::No(self.conclude(error, login).await)),
                },
            }
        }
        Ok(Pending { challenge, ends, login: login.clone(), unheard: 0 })
    }

    /// Answers the pending challenge with a person's code, or with one from the mailbox.
    pub(super) async fn answer(&self, pending: Pending, code: OneTimeCode, giver: Giver) -> Answered {
        let Pending { challenge, login, .. } = &pending;
        let is_backup = challenge.method.kind == FactorKind::BackupCode;
        let marked = match giver {
            Giver::Mailbox => self.spend_mailed(&code).await,
            Giver::Person if is_backup => self.spend_code(&code).await,
            Giver::Person => Ok(()),
        };
        if let Err(stop) = marked {
            return Answered::Over(stop);
        }
        let error = match self.complete(&challenge.login, Some((&challenge.method, &code))).await {
            Ok(tokens) => {
                let origin = self.completed(login, false).await;
                return Answered::Entered(tokens, origin);
            }
            Err(error) => error,
        };
        if (is_backup || giver == Giver::Mailbox) && verdict_on(&error.kind) == Verdict::Free {
            self.change(|attempts, _| match giver {
                Giver::Mailbox => attempts.unspend_mailed(&code),
                Giver::Person => attempts.unspend_code(&code),
            })
            .await;
        }
        let login = match (self.after_complete(error.clone(), login).await, &error.kind) {
            // The portal has not looked at the code: the challenge waits on.
            (
                Again::No(Stop::ForNow(_)),
                PortalErrorKind::NotSent(_) | PortalErrorKind::Trouble | PortalErrorKind::RateLimited { .. },
            ) => {
                let unheard = pending.unheard + 1;
                return Answered::Still(Box::new(Pending { unheard, ..pending }), error);
            }
            (Again::No(stop), _) => return Answered::Over(stop),
            (Again::Code, _) => {
                // A login that nobody sees to counts as it was begun.
                if giver == Giver::Person || login.by == By::Person {
                    self.change(|attempts, now| attempts.code_refused(now)).await;
                }
                let Some(code_retries) = login.code_retries.checked_sub(1) else {
                    return Answered::Over(match giver {
                        Giver::Mailbox => self.latch(Latched::MailedCode, login).await,
                        Giver::Person => {
                            let reason = "the portal refused the code; sign in again";
                            Stop::Person(SessionError::PersonRequired { reason })
                        }
                    });
                };
                Login { code_retries, ..login.clone() }
            }
            (Again::Restart(_), _) => login.clone(),
        };
        // A failed complete ends the challenge: from initiate again, by the same factor.
        let prefer = Some(challenge.method.kind);
        let by = if giver == Giver::Person { By::Person } else { login.by };
        match self.log_in(Login { prefer, by, ..login }).await {
            Ok(Entered::Tokens(tokens, origin)) => Answered::Entered(tokens, origin),
            Ok(Entered::Asked(pending)) => Answered::Still(pending, error),
            Err(stop) => Answered::Over(stop),
        }
    }

    /// Uses a backup code up, durably, before it leaves: a crash must not send it again.
    async fn spend_code(&self, code: &OneTimeCode) -> Result<(), Stop> {
        let broken = |error| Stop::Later(SessionError::Store(error), self.settings.backoff_first);
        let mut attempts = self.stored(self.store.attempts().await).map_err(broken)?;
        if !attempts.spend_code(code) {
            let reason =
                "this backup code was sent before, and each is good once; sign in again with another";
            return Err(Stop::Person(SessionError::PersonRequired { reason }));
        }
        self.stored(self.store.record(attempts).await).map_err(broken)
    }

    /// Sends the pending challenge's code, again or by another factor. The challenge comes back as it now is.
    pub(super) async fn resend(&self, mut pending: Pending, method: Method) -> (Pending, Result<(), Stop>) {
        pending.challenge.method = method;
        pending.challenge.unfetched = None;
        let Pending { challenge, login, .. } = &mut pending;
        if !challenge.method.kind.is_delivered() {
            return (pending, Ok(()));
        }
        match self.deliver(&challenge.login, &challenge.method).await {
            Ok(sent) => {
                challenge.resend_at = self.clock.wall() + sent.cooldown;
                challenge.sent = Some(sent);
                (pending, Ok(()))
            }
            Err(error) => {
                if let PortalErrorKind::RateLimited { retry_after: Some(pause) } = error.kind {
                    challenge.resend_at = self.clock.wall() + pause.min(self.settings.retry_after_most);
                }
                // Ruling 2, or a pending login that is gone: begin again, with a person there.
                if !matches!(error.kind, PortalErrorKind::ChannelStale | PortalErrorKind::LoginGone) {
                    let stop = self.conclude(error, login).await;
                    return (pending, Err(stop));
                }
                let prefer = Some(challenge.method.kind);
                let again = Login { prefer, by: By::Person, ..login.clone() };
                match self.log_in(again).await {
                    Ok(Entered::Asked(pending)) => (*pending, Ok(())),
                    Ok(Entered::Tokens(..)) => {
                        let reason = "the login needs no code any more; sign in again";
                        (pending, Err(Stop::Person(SessionError::PersonRequired { reason })))
                    }
                    Err(stop) => (pending, Err(stop)),
                }
            }
        }
    }

    async fn deliver(&self, login: &LoginSessionId, method: &Method) -> Result<CodeSent, PortalError> {
        let channel = self.channel(OwnCall::MfaSend).await.map_err(|e| not_sent("login/mfa/send", e))?;
        let answer = self.portal.send_code(login, method, channel.as_ref()).await;
        if answer.as_ref().is_err_and(|error| error.kind.tells_of_the_channel()) {
            self.renew_channel(channel).await;
        }
        answer
    }
}

impl FactorKind {
    /// Whether the portal sends its code, which takes a call of its own.
    pub(super) fn is_delivered(self) -> bool {
        match self {
            Self::Email => true,
            Self::Otp | Self::BackupCode | Self::Other => false,
        }
    }
}
