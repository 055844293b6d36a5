//! What one flight works with, and how it can land. A flight owns nothing of the session: it is given copies,
//! and its landing tells the owner what to change.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::budget::By;
use super::deadline::{Deadline, margin};
use super::keeper::Keeper;
use super::skew::PortalTime;
use super::tally::{Tally, count};
use super::{
    Challenge, Credentials, FactorKind, Generation, Lease, Lock, MemoryStore, OwnCall, Passage, Portal,
    PortalError, PortalErrorKind, SavedSession, SessionError, Settings, Store, StoreError, Tokens,
};
use crate::clock::{Clock, SharedClock};
use crate::secret::{AccessToken, Expose, RefreshToken};

/// The portal, the clock and the memory: what every flight needs.
#[derive(Debug)]
pub(super) struct Tools<P> {
    pub(super) portal: Arc<P>,
    pub(super) keeper: Keeper,
    pub(super) store: Arc<dyn Store>,
    /// What stands in for a shared store that is away.
    pub(super) apart: Arc<MemoryStore>,
    pub(super) clock: SharedClock,
    pub(super) settings: Arc<Settings>,
    pub(super) portal_time: Arc<PortalTime>,
    pub(super) tally: Arc<Tally>,
}

/// A pair of tokens with its life.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) lease: Arc<Lease>,
    pub(super) access: AccessToken,
    pub(super) refresh: Option<RefreshToken>,
    /// How often the refresh token was sent without an answer (ruling 1): it is sent twice at most.
    pub(super) unanswered: u32,
    pub(super) account: Option<String>,
    /// Whether its login asked for no second factor, so that another would not either.
    pub(super) without_factor: bool,
    pub(super) issued: Deadline,
    /// Whether the store has it; else a crash would lose it.
    pub(super) saved: bool,
}

impl Held {
    /// How long the bearer lives, from its first moment to its last.
    pub(super) fn life(&self) -> Duration {
        self.lease.ends.boot.saturating_sub(self.issued.boot)
    }

    /// Whether its bearer can be handed out for a while.
    fn is_usable(&self, clock: &dyn Clock, settings: &Settings) -> bool {
        !self.lease.ends.minus(margin(self.life(), settings.margin)).passed(clock)
    }

    /// As it is kept.
    pub(super) fn to_saved(&self) -> SavedSession {
        SavedSession {
            account: self.account.clone(),
            access: self.access.clone(),
            refresh: self.refresh.clone(),
            issued_at: self.issued.wall,
            expires_at: self.lease.ends.wall,
            generation: self.lease.generation,
            without_factor: self.without_factor,
            unanswered: self.unanswered,
        }
    }
}

/// After this many times without an answer a refresh token is given up (ruling 1).
pub(super) const MOST_UNANSWERED: u32 = 2;

/// What a login is made with.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) credentials: Credentials,
    pub(super) by: By,
    /// Whether a person said that it takes a backup code from its source.
    pub(super) by_backup_code: bool,
    /// The factor that a person chose, when the login begins again.
    pub(super) prefer: Option<FactorKind>,
    pub(super) code_retries: u32,
}

/// A challenge that waits for a person, and the login it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) challenge: Challenge,
    pub(super) ends: Deadline,
    pub(super) login: Login,
    /// How often a code for it was given to the portal, which did not look at it.
    pub(super) unheard: u32,
}

/// Whose tokens they are and how they were come by: what outlives one pair.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) account: Option<String>,
    pub(super) without_factor: bool,
}

/// What a renewal starts from.
#[derive(Debug)]
pub(super) enum Newest {
    /// Nothing has to be renewed: another process has done it.
    Another(Box<Held>),
    /// This pair, if any; and the generation of the one that is to come.
    ToRenew(Option<Held>, Generation),
}

/// Where a login got to.
#[derive(Debug)]
pub(super) enum Entered {
    Tokens(Tokens, Origin),
    Asked(Box<Pending>),
}

/// Why a flight did not reach its end, and when the next may start.
#[derive(Debug)]
pub(super) enum Stop {
    /// The portal could not answer now: backed off.
    ForNow(PortalError),
    /// Not before this long.
    Later(SessionError, Duration),
    /// Not before a person acts.
    Person(SessionError),
}

/// What becomes of the pair that was held when the flight started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is as good as before.
    Kept,
    /// Its refresh token was sent once without an answer.
    Doubtful,
    /// Its refresh token is spent or refused: it is never used again. The bearer may still live.
    Spent,
}

/// How a flight landed.
#[derive(Debug)]
pub(super) enum Landing {
    /// The store was read.
    Restored(Result<Option<Held>, StoreError>),
    /// A new pair, in use from now on.
    Granted(Box<Held>),
    /// Another process's pair, newer than ours.
    Found(Box<Held>),
    /// A person has to answer; if one just did in vain, why. What has become of the pair held meanwhile.
    Asked(Box<Pending>, Option<SessionError>, Fate),
    /// It failed.
    Stopped(Stop, Fate),
    /// Signed out; whether the portal knows.
    SignedOut(Result<(), SessionError>),
    /// Nothing has changed.
    Unchanged,
    /// The store has the pair now, or still not.
    Saved(bool),
}

impl<P: Portal> Tools<P> {
    /// The channel for one of our own calls, if the dialect seals it.
    pub(super) async fn channel(&self, call: OwnCall) -> Result<Option<Passage>, SessionError> {
        if !self.portal.seals(call) {
            return Ok(None);
        }
        self.keeper.passage().await.map(Some)
    }

    /// The same; that there is none ends the flight.
    pub(super) async fn channel_for(&self, call: OwnCall) -> Result<Option<Passage>, Stop> {
        self.channel(call).await.map_err(no_channel)
    }

    /// Renews the channel that a call was refused or lost on. That it cannot be done is the next call's to meet.
    /// A first message that came to nothing leaves no channel to be renewed: it is dropped.
    pub(super) async fn renew_channel(&self, used: Option<Passage>) {
        if let Some(used) = used.filter(|used| !used.is_first()) {
            let _ = self.keeper.another(used).await;
        }
    }

    /// Freezes a new pair under `generation` and writes it down before anybody uses it.
    pub(super) async fn grant(&self, tokens: Tokens, origin: Origin, generation: Generation) -> Landing {
        self.portal_time.learn(&*self.clock, tokens.skew);
        let Ok(bearer) = tokens.access.prefixed_header_value("Bearer ") else {
            return Landing::Stopped(Stop::Person(unusable_bearer()), Fate::Spent);
        };
        let issued = Deadline::after(&*self.clock, Duration::ZERO);
        let lease = Lease {
            generation,
            bearer,
            ends: issued.plus(tokens.expires_in),
            given: issued.boot,
            account: origin.account.clone(),
        };
        let mut held = Held {
            lease: Arc::new(lease),
            access: tokens.access,
            refresh: tokens.refresh,
            unanswered: 0,
            account: origin.account,
            without_factor: origin.without_factor,
            issued,
            saved: true,
        };
        held.saved = self.save(Some(held.to_saved())).await;
        Landing::Granted(Box::new(held))
    }

    /// Commits to the store. A failure is logged and counted, and the pair goes on in memory.
    pub(super) async fn save(&self, session: Option<SavedSession>) -> bool {
        let saved = self.stored(self.store.commit(session).await).is_ok();
        self.tally.unsaved.store(!saved, Relaxed);
        saved
    }

    /// Passes on what the store answered; its failures are logged and counted here.
    pub(super) fn stored<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.inspect_err(|error| {
            count(&self.tally.store_failures);
            tracing::error!(identity = %self.settings.identity, %error, "the stored login cannot be used");
        })
    }

    /// The login as the last process left it. Another account's is not ours.
    pub(super) async fn restore(&self) -> Landing {
        let saved = match self.stored(self.store.load().await) {
            Ok(saved) => saved,
            Err(error) => return Landing::Restored(Err(error)),
        };
        Landing::Restored(Ok(saved.filter(|saved| self.is_ours(saved)).and_then(|saved| self.thaw(saved))))
    }

    fn is_ours(&self, saved: &SavedSession) -> bool {
        let configured = self.settings.credentials.as_ref().map(|login| login.email.as_str());
        match (saved.account.as_deref(), configured) {
            (Some(saved), Some(configured)) => saved.eq_ignore_ascii_case(configured),
            (None, _) | (_, None) => true,
        }
    }

    fn thaw(&self, saved: SavedSession) -> Option<Held> {
        let bearer = saved.access.prefixed_header_value("Bearer ").ok()?;
        let ends = Deadline::at(&*self.clock, saved.expires_at);
        let life = saved.expires_at.duration_since(saved.issued_at).unwrap_or_default();
        let issued = ends.minus(life);
        Some(Held {
            lease: Arc::new(Lease {
                generation: saved.generation,
                bearer,
                ends,
                given: issued.boot,
                account: saved.account.clone(),
            }),
            access: saved.access,
            refresh: saved.refresh.filter(|_| saved.unanswered < MOST_UNANSWERED),
            unanswered: saved.unanswered,
            account: saved.account,
            without_factor: saved.without_factor,
            issued,
            saved: true,
        })
    }

    /// Waits until no other process is in a flight on this login, and reads what they have left.
    pub(super) async fn alone(&self) -> Result<(Lock, Option<SavedSession>), Landing> {
        let broken = |error| {
            let stop = Stop::Later(SessionError::Store(error), self.settings.backoff_first);
            Landing::Stopped(stop, Fate::Kept)
        };
        let lock = self.stored(self.store.lock().await).map_err(broken)?;
        let stored = self.stored(self.store.load().await).map_err(broken)?;
        Ok((lock, stored.filter(|saved| self.is_ours(saved))))
    }

    /// As [`Tools::alone`], with the generation of the pair that is to come after all there are.
    pub(super) async fn alone_for(&self, next: Generation) -> Result<(Lock, Generation), Landing> {
        let (lock, stored) = self.alone().await?;
        Ok((lock, stored.map_or(next, |saved| saved.generation.next().max(next))))
    }

    /// What is to be renewed: the pair held, or what other processes have made of it. `next` is the generation
    /// after the last one known here.
    pub(super) fn newest(
        &self,
        held: Option<Held>,
        stored: Option<SavedSession>,
        next: Generation,
    ) -> Newest {
        match (held, stored) {
            (_, Some(saved)) if saved.generation >= next => {
                let next = saved.generation.next();
                match self.thaw(saved) {
                    Some(pair) if pair.is_usable(&*self.clock, &self.settings) => {
                        Newest::Another(Box::new(pair))
                    }
                    older => Newest::ToRenew(older, next),
                }
            }
            (Some(held), Some(saved)) if saved.generation == held.lease.generation => {
                let unanswered = held.unanswered.max(saved.unanswered);
                let refresh = held.refresh.filter(|_| unanswered < MOST_UNANSWERED);
                Newest::ToRenew(Some(Held { unanswered, refresh, ..held }), next)
            }
            // It was in the store, and is not any more: somebody signed out.
            (Some(held), None) if held.saved => Newest::ToRenew(None, next),
            (held, _) => Newest::ToRenew(held, next),
        }
    }

    /// Looks whether another process has signed in. Takes no lock, since it changes nothing.
    pub(super) async fn look(&self, next: Generation) -> Landing {
        let Ok(stored) = self.stored(self.store.load().await) else { return Landing::Unchanged };
        match self.newest(None, stored.filter(|saved| self.is_ours(saved)), next) {
            Newest::Another(pair) => Landing::Found(pair),
            Newest::ToRenew(..) => Landing::Unchanged,
        }
    }

    /// Offers a pair to the store that it did not take, or forgets the one of `generation`; unless another
    /// process has been here with a newer one.
    pub(super) async fn save_later(&self, session: Option<SavedSession>, generation: Generation) -> Landing {
        let Ok((_lock, stored)) = self.alone().await else { return Landing::Saved(false) };
        let ours = session.as_ref().and_then(|ours| ours.refresh.as_ref());
        let theirs = stored.filter(|saved| {
            saved.generation > generation || (saved.generation == generation && session.is_some())
        });
        match theirs.filter(|saved| saved.refresh.as_ref() != ours).and_then(|saved| self.thaw(saved)) {
            Some(pair) => {
                self.tally.unsaved.store(false, Relaxed);
                Landing::Found(Box::new(pair))
            }
            None => Landing::Saved(self.save(session).await),
        }
    }

    /// Tells the portal that the session is over, forgets it, and closes the channel.
    pub(super) async fn sign_out(&self, held: Option<Held>) -> Landing {
        let told = match &held {
            Some(held) => self.portal.logout(&held.access).await,
            None => Ok(()),
        };
        let forgotten = match self.stored(self.store.lock().await) {
            Ok(_lock) => self.stored(self.store.commit(None).await),
            Err(error) => Err(error),
        };
        self.keeper.shut().await;
        let told = match told {
            // A bearer that the portal does not take any more is as good as logged out.
            Err(PortalError { kind: PortalErrorKind::TokenRefused, .. }) | Ok(()) => Ok(()),
            Err(error) => Err(SessionError::Portal { source: Arc::new(error), retry_after: Duration::ZERO }),
        };
        Landing::SignedOut(told.and(forgotten.map_err(SessionError::Store)))
    }
}

/// What a flight does about a channel that it cannot have.
pub(super) fn no_channel(error: SessionError) -> Stop {
    let pause = match &error {
        SessionError::Portal { retry_after, .. } | SessionError::RateLimited { retry_after } => *retry_after,
        _ => Duration::ZERO,
    };
    Stop::Later(error, pause)
}

fn unusable_bearer() -> SessionError {
    let kind = PortalErrorKind::NotUnderstood("the access token cannot be sent in a header");
    let source = PortalError { call: "login/complete", kind, status: None, code: None };
    SessionError::Portal { source: Arc::new(source), retry_after: Duration::ZERO }
}
