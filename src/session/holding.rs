//! The pair in use: who may have its lease until when, when the next is fetched, and what readers are shown.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

use super::actor::{Owner, Phase};
use super::budget::By;
use super::deadline::{Deadline, margin};
use super::flight::{Fate, Held};
use super::status::Published;
use super::waiting::Ask;
use super::{CodeSourceError, Lease, Portal, SessionError, Settings, Status};

/// The pair in use.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) pair: Held,
    /// When the next is fetched without being asked for, if it can be.
    refresh_at: Option<Deadline>,
    /// When the store is asked again to take it, by the boot clock, if it has not.
    save_at: Duration,
    /// Somebody was refused with it: while the flight for a newer one runs, nobody else is given it.
    suspect: bool,
}

impl<P: Portal> Owner<P> {
    /// The lease in use, if it is good enough for this ask.
    pub(super) fn lease_for(&self, ask: &Ask<Arc<Lease>>) -> Option<Arc<Lease>> {
        self.usable_lease().filter(|lease| ask.accepts(lease.generation))
    }

    /// The lease in use, while it is handed out.
    pub(super) fn usable_lease(&self) -> Option<Arc<Lease>> {
        let lease = self.living_lease()?;
        let usable = self.held.as_ref().is_some_and(|held| !self.usable(held).passed(self.clock()));
        usable.then_some(lease)
    }

    /// The lease in use, to its very end.
    pub(super) fn living_lease(&self) -> Option<Arc<Lease>> {
        let held = self.held.as_ref().filter(|held| !held.suspect)?;
        let lease = &held.pair.lease;
        let lives = !lease.ends.passed(self.clock()) && !self.shared.has_ended(lease);
        lives.then(|| Arc::clone(lease))
    }

    /// Until when the lease is handed out: short of its end, so that a request does not arrive too late; or to
    /// its very end, where there is nothing better to hand out.
    fn usable(&self, held: &Holding) -> Deadline {
        let ends = held.pair.lease.ends;
        match self.phase {
            Phase::Ready => ends.minus(margin(held.pair.life(), self.tools.settings.margin)),
            Phase::SignedOut | Phase::AwaitingCode(_) | Phase::Failed { .. } => ends,
        }
    }

    /// Takes a new pair into use.
    pub(super) fn hold(&mut self, pair: Held) {
        self.generation = pair.lease.generation;
        let refresh_at = pair.refresh.is_some().then(|| refresh_at(&pair, &self.tools.settings));
        self.held = Some(Holding { pair, refresh_at, save_at: self.next_save(), suspect: false });
    }

    /// Takes the pair of the last process into use. One that is over waits for somebody who needs it: a start
    /// alone calls nobody.
    pub(super) fn take_up(&mut self, pair: Option<Held>) {
        let Some(pair) = pair else { return };
        self.hold(pair);
        let lives = self.living_lease().is_some();
        if let Some(held) = self.held.as_mut().filter(|_| !lives) {
            held.refresh_at = None;
        }
    }

    /// What a flight that failed did to the pair; whether the portal refused the bearer, and then the account.
    pub(super) fn suffer(&mut self, fate: Fate, refused: bool) {
        if fate == Fate::Spent && refused {
            // Bearer, refresh token and password: the portal has ended it.
            self.held = None;
        }
        let Some(held) = &mut self.held else { return };
        match fate {
            Fate::Kept => {}
            Fate::Doubtful => held.pair.unanswered = 1,
            Fate::Spent => {
                held.pair.refresh = None;
                held.refresh_at = None;
            }
        }
    }

    pub(super) fn suspects(&self) -> bool {
        self.held.as_ref().is_none_or(|held| held.suspect)
    }

    pub(super) fn suspect(&mut self) {
        if let Some(held) = &mut self.held {
            held.suspect = true;
        }
    }

    pub(super) fn clear_suspicion(&mut self) {
        if let Some(held) = &mut self.held {
            held.suspect = false;
        }
    }

    pub(super) fn mark_saved(&mut self, saved: bool) {
        let save_at = self.next_save();
        if let Some(held) = &mut self.held {
            (held.pair.saved, held.save_at) = (saved, save_at);
        }
    }

    fn next_save(&self) -> Duration {
        self.clock().since_boot().saturating_add(self.tools.settings.heartbeat)
    }

    /// Does what is due by the clock.
    pub(super) fn keep_time(&mut self) {
        if self.shared.jumps.look(self.clock()) {
            tracing::info!(identity = %self.tools.settings.identity, "a clock was set, or the machine slept");
        }
        self.lapse();
        self.mind_the_mailbox();
        if self.flight.is_some() || self.mailbox.is_some() {
            return;
        }
        if !self.waiting.is_empty() && self.pause_left().is_none() {
            return self.serve();
        }
        if self.look_due() {
            return self.look();
        }
        let Some(held) = &self.held else { return };
        if self.shared.has_ended(&held.pair.lease) {
            let generation = held.pair.lease.generation;
            self.held = None;
            let tools = Arc::clone(&self.tools);
            self.take_off(async move { tools.save_later(None, generation).await });
        } else if self.refresh_due().is_some_and(|left| left.is_zero()) {
            self.renew();
        } else if self.save_due().is_some_and(|left| left.is_zero()) {
            self.offer();
        }
    }

    /// Offers the pair to the store that it did not take.
    fn offer(&mut self) {
        let Some(held) = &self.held else { return };
        let (tools, saved) = (Arc::clone(&self.tools), held.pair.to_saved());
        let generation = held.pair.lease.generation;
        self.take_off(async move { tools.save_later(Some(saved), generation).await });
    }

    /// A challenge that nobody answered in time is over.
    pub(super) fn lapse(&mut self) {
        let Phase::AwaitingCode(pending) = &self.phase else { return };
        if self.flight.is_some() || !pending.ends.passed(self.clock()) {
            return;
        }
        let (by, by_mailbox) = (pending.login.by, pending.is_looked_for());
        self.leave_to_a_person();
        self.phase = match by {
            By::Person => Phase::Ready,
            // As often as logins without an end may be made.
            By::Itself if by_mailbox => {
                let what = "login.code_command gave no code while the one sent was good".to_owned();
                let hint = "run it by hand after a mail has come".to_owned();
                let pause = self.backoff.after_failure();
                Phase::Failed {
                    error: SessionError::CodeSource(CodeSourceError { what, hint: Some(hint) }),
                    retry_at: Some(self.clock().since_boot().saturating_add(pause)),
                }
            }
            // Beginning again by itself would send the password, and perhaps a mail, every few minutes.
            By::Itself => Phase::Failed {
                error: SessionError::PersonRequired { reason: "nobody entered the code in time" },
                retry_at: None,
            },
        };
        self.mailbox = None;
    }

    /// Whether it is time to see if another process has signed in while this one cannot.
    fn look_due(&self) -> bool {
        let stuck = matches!(self.phase, Phase::AwaitingCode(_) | Phase::Failed { .. });
        let since = self.clock().since_boot().saturating_sub(self.looked);
        stuck && self.restored && since >= self.tools.settings.heartbeat
    }

    /// Looks whether another process has signed in, or renewed; or offers at once what the store does not have, since
    /// whoever comes first takes the token there for the one to use.
    pub(super) fn look(&mut self) {
        self.looked = self.clock().since_boot();
        if self.held.as_ref().is_some_and(|held| !held.pair.saved) {
            return self.offer();
        }
        let (tools, next) = (Arc::clone(&self.tools), self.generation.next());
        self.take_off(async move { tools.look(next).await });
    }

    /// Whether the news of another process's login is heard now. A person who signed out here is not signed in
    /// again by it.
    pub(super) fn listens(&self) -> bool {
        self.flight.is_none() && self.restored && !matches!(self.phase, Phase::SignedOut)
    }

    /// How long until something is due; at most one heartbeat.
    pub(super) fn until_due(&self) -> Duration {
        let mut due = self.tools.settings.heartbeat;
        if self.flight.is_some() {
            return due;
        }
        if let Phase::AwaitingCode(pending) = &self.phase {
            due = due.min(pending.ends.left(self.clock()));
        }
        // Nothing else is done while the code is looked for.
        if let Some(left) = self.mailbox_due() {
            return due.min(left);
        }
        let waited_for = self.pause_left().filter(|_| !self.waiting.is_empty());
        [self.refresh_due(), self.save_due(), waited_for].into_iter().flatten().fold(due, Duration::min)
    }

    /// How long until a pair that the store did not take is offered to it again.
    fn save_due(&self) -> Option<Duration> {
        let held = self.held.as_ref().filter(|held| !held.pair.saved)?;
        Some(held.save_at.saturating_sub(self.clock().since_boot()))
    }

    /// How long until the pair is renewed without being asked for, if it is.
    fn refresh_due(&self) -> Option<Duration> {
        let at = self.held.as_ref()?.refresh_at?;
        let left = at.left(self.clock());
        match &self.phase {
            Phase::Ready => Some(left),
            Phase::Failed { error: _, retry_at: Some(at) } => {
                Some(left.max(at.saturating_sub(self.clock().since_boot())))
            }
            Phase::Failed { error: _, retry_at: None } | Phase::SignedOut | Phase::AwaitingCode(_) => None,
        }
    }

    /// Shows readers where the session stands, if that changed.
    pub(super) fn publish(&self) {
        let lease = self.living_lease();
        let usable = self.held.as_ref().map(|held| self.usable(held));
        let now = Published {
            status: self.status(lease.as_ref()),
            usable: usable.unwrap_or(Published::nothing().usable),
            refresh_at: self.held.as_ref().and_then(|held| held.refresh_at).map(|at| at.wall),
            retry_at: match self.phase {
                Phase::Failed { error: _, retry_at } => retry_at,
                Phase::Ready | Phase::SignedOut | Phase::AwaitingCode(_) => None,
            },
            lease,
        };
        self.published.send_if_modified(|shown| {
            let changed = now.differs_from(shown);
            if changed {
                *shown = now;
            }
            changed
        });
    }

    fn status(&self, lease: Option<&Arc<Lease>>) -> Status {
        match (&self.phase, lease) {
            (Phase::AwaitingCode(pending), _) => Status::AwaitingCode(pending.challenge.clone()),
            (_, Some(lease)) => Status::Active(Arc::clone(lease)),
            (Phase::SignedOut, None) => Status::SignedOut,
            (_, None) if self.flight.is_some() && !self.idle() => Status::Opening,
            (Phase::Failed { error, retry_at: _ }, None) => Status::Failed(error.clone()),
            (Phase::Ready, None) => Status::SignedOut,
        }
    }

    /// Whether nobody waits for the flight: then it is the store's, and no login.
    fn idle(&self) -> bool {
        self.waiting.is_empty() && self.person.is_none() && self.held.is_none()
    }
}

/// A part of the bearer's life, moved at random so that many do not come at once, and before its last margin.
fn refresh_at(pair: &Held, settings: &Settings) -> Deadline {
    let jitter = settings.refresh_jitter.clamp(0.0, 0.5);
    let part = settings.refresh_at.clamp(0.1, 0.9) * rand::rng().random_range(1.0 - jitter..=1.0 + jitter);
    let life = pair.life();
    let latest = life.saturating_sub(margin(life, settings.margin));
    pair.issued.plus(life.mul_f64(part).min(latest))
}
