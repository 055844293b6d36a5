//! One refresh: which token may be spent when, and what follows from the answer (PROTOCOL sections 7, 13, 14).
//!
//! A refresh token is spent by being sent, unless the portal says otherwise. So the intent to send it is
//! written down first; and when no answer came, it is used once more at most, and only where a fresh login
//! would need a person.

use super::flight::{Entered, Fate, Held, Landing, Login, MOST_UNANSWERED, Newest, Origin, Stop, Tools};
use super::tally::count;
use super::totp::Seed;
use super::{Generation, MfaChoice, OwnCall, Portal, PortalError, PortalErrorKind, SessionError, Tokens};
use crate::secret::RefreshToken;

/// What a refresh that gave no pair says about the token.
enum Refusal {
    /// The portal did not take it: it is as good as before.
    NotTaken(Stop),
    /// Nobody knows.
    Unknown(PortalError),
    /// The login is over.
    Over,
}

impl<P: Portal> Tools<P> {
    /// A newer lease by whatever needs no person: a refresh if there is a token for it, else a login.
    /// Or another process's, which has been here meanwhile.
    ///
    /// `over`: whether there is no bearer any more that the portal takes.
    pub(super) async fn renew(
        &self,
        held: Option<Held>,
        login: Option<Login>,
        next: Generation,
        over: bool,
    ) -> Landing {
        let (_lock, stored) = match self.alone().await {
            Ok(alone) => alone,
            Err(landing) if self.store.is_away() => {
                return self.renew_apart(held, login, next, over).await.unwrap_or(landing);
            }
            Err(landing) => return landing,
        };
        let (held, next) = match self.newest(held, stored, next) {
            Newest::Another(pair) => return Landing::Found(pair),
            Newest::ToRenew(held, next) => (held, next),
        };
        let Some((mut held, token)) = held.and_then(|held| held.refresh.clone().map(|token| (held, token)))
        else {
            return self.enter(login, Fate::Kept, next).await;
        };
        loop {
            if held.unanswered > 0 && self.needs_nobody(&held, login.as_ref()).await {
                match self.enter(login.clone(), Fate::Doubtful, next).await {
                    // A fresh login would need a person after all: the token is the last resort.
                    Landing::Stopped(Stop::Person(_), _) => {}
                    landing => return landing,
                }
            }
            match self.refresh(&held, &token).await {
                Ok(tokens) => {
                    count(&self.tally.refreshes);
                    let tokens = Tokens { refresh: tokens.refresh.or(Some(token)), ..tokens };
                    let origin = Origin { account: held.account, without_factor: held.without_factor };
                    return self.grant(tokens, origin, next).await;
                }
                Err(refusal) => {
                    count(&self.tally.refreshes_failed);
                    match refusal {
                        Refusal::NotTaken(stop) => {
                            let _ = self.stored(self.store.keep(held.lease.generation).await);
                            let fate = if held.unanswered > 0 { Fate::Doubtful } else { Fate::Kept };
                            return Landing::Stopped(stop, fate);
                        }
                        Refusal::Unknown(error) if held.unanswered + 1 < MOST_UNANSWERED => {
                            let identity = &self.settings.identity;
                            tracing::warn!(%identity, %error, "the refresh token may be spent");
                            held.unanswered += 1;
                        }
                        Refusal::Unknown(_) | Refusal::Over => return self.over(held, login, next).await,
                    }
                }
            }
        }
    }

    /// The token is refused, or was sent twice without an answer: it is never sent again.
    async fn over(&self, held: Held, login: Option<Login>, next: Generation) -> Landing {
        let alone = self.needs_nobody(&held, login.as_ref()).await || may_spend(login.as_ref());
        self.save(Some(Held { refresh: None, unanswered: 0, ..held }.to_saved())).await;
        if alone {
            return self.enter(login, Fate::Spent, next).await;
        }
        let reason = "the login is over at the portal, and a new one needs a person";
        Landing::Stopped(Stop::Person(SessionError::PersonRequired { reason }), Fate::Spent)
    }

    /// A login, where there is something to sign in with. `fate` is that of the pair held meanwhile.
    pub(super) async fn enter(&self, login: Option<Login>, fate: Fate, next: Generation) -> Landing {
        let Some(login) = login else {
            let reason = "no account is configured to sign in with";
            return Landing::Stopped(Stop::Person(SessionError::PersonRequired { reason }), fate);
        };
        match self.log_in(login).await {
            Ok(Entered::Tokens(tokens, origin)) => self.grant(tokens, origin, next).await,
            Ok(Entered::Asked(pending)) => Landing::Asked(pending, None, fate),
            Err(stop) => {
                count(&self.tally.logins_failed);
                Landing::Stopped(stop, fate)
            }
        }
    }

    /// Whether a fresh login can be expected to complete without a person.
    pub(super) async fn needs_nobody(&self, held: &Held, login: Option<&Login>) -> bool {
        let Some(login) = login.filter(|login| login.credentials.password.is_some()) else { return false };
        let by_seed = matches!(login.credentials.mfa, MfaChoice::Auto | MfaChoice::Otp)
            && login.credentials.otp_secret.as_ref().is_some_and(|seed| Seed::parse(seed).is_ok());
        let by_mail = matches!(login.credentials.mfa, MfaChoice::Auto | MfaChoice::Email)
            && login.credentials.codes.mailed.is_some();
        let Ok(attempts) = self.stored(self.store.attempts().await) else { return false };
        let allowed = attempts.allow(login.by, &login.credentials, self.clock.wall(), &self.settings).is_ok();
        allowed && (by_seed || by_mail || held.without_factor)
    }

    /// One refresh; sent again only where the answer proves that it was not processed.
    async fn refresh(&self, held: &Held, token: &RefreshToken) -> Result<Tokens, Refusal> {
        let intent = self.stored(self.store.begin_refresh(held.lease.generation).await);
        if let Err(error) = intent
            && !held.lease.ends.passed(&*self.clock)
        {
            // A crash now would bring a spent token back to life. While the bearer lives there is time.
            return Err(Refusal::NotTaken(Stop::Later(
                SessionError::Store(error),
                self.settings.backoff_first,
            )));
        }
        let mut channel = self.channel_for(OwnCall::Refresh).await.map_err(Refusal::NotTaken)?;
        self.assured().await?;
        let mut answer = self.portal.refresh(token, channel.as_ref()).await;
        if answer.as_ref().is_err_and(|error| error.kind == PortalErrorKind::ChannelStale) {
            self.renew_channel(channel).await;
            channel = self.channel_for(OwnCall::Refresh).await.map_err(Refusal::NotTaken)?;
            self.assured().await?;
            answer = self.portal.refresh(token, channel.as_ref()).await;
        }
        match answer {
            Ok(tokens) => Ok(tokens),
            Err(error) => {
                let refusal = refusal_of(error);
                if let Refusal::Unknown(_) = &refusal {
                    self.renew_channel(channel).await;
                }
                Err(refusal)
            }
        }
    }
}

/// Whether a backup code may be spent on a fresh login: where there is no other way, and only there.
fn may_spend(login: Option<&Login>) -> bool {
    login.is_some_and(|login| login.credentials.password.is_some() && login.spends_backup(false))
}

impl<P: Portal> Tools<P> {
    /// That the lock is still ours, and outlives the call that comes now.
    async fn assured(&self) -> Result<(), Refusal> {
        let assured = self.stored(self.store.assure().await);
        assured.map_err(|error| {
            Refusal::NotTaken(Stop::Later(SessionError::Store(error), self.settings.backoff_first))
        })
    }
}

/// PROTOCOL section 13, the rows about a refresh.
fn refusal_of(error: PortalError) -> Refusal {
    match &error.kind {
        PortalErrorKind::NotSent(_)
        | PortalErrorKind::Trouble
        | PortalErrorKind::RateLimited { .. }
        | PortalErrorKind::ChannelStale => Refusal::NotTaken(Stop::ForNow(error)),
        PortalErrorKind::Channel(source) => {
            Refusal::NotTaken(super::flight::no_channel(SessionError::Channel(source.clone())))
        }
        // An answer that cannot be read may have carried the new pair.
        PortalErrorKind::OutcomeUnknown(_) | PortalErrorKind::NotUnderstood(_) => Refusal::Unknown(error),
        PortalErrorKind::TokenRefused
        | PortalErrorKind::CredentialsRefused
        | PortalErrorKind::CodeRefused
        | PortalErrorKind::LoginGone
        | PortalErrorKind::Refused => Refusal::Over,
        // The account's state, not the token's: a person has to see to it, and the token may outlive it.
        PortalErrorKind::PendingApproval => Refusal::NotTaken(Stop::Person(SessionError::PendingApproval)),
        PortalErrorKind::Blocked(how) => Refusal::NotTaken(Stop::Person(SessionError::AccountBlocked(*how))),
        PortalErrorKind::FingerprintMismatch => {
            Refusal::NotTaken(Stop::Person(SessionError::FingerprintMismatch))
        }
        PortalErrorKind::RiskChallenge => Refusal::NotTaken(Stop::Person(SessionError::RiskChallenge)),
    }
}
