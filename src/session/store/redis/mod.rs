//! A store that replicas on several machines share: one sealed document at Redis, or at what speaks its protocol.
//!
//! In and out: what [`Store`] says. Always: a flight holds a lock with a fencing token; a writing goes through only
//! while nobody else has had the lock since, and only over the revision that was read. Nothing leaves unsealed.
//! Whoever has seen a newer document than Redis shows (it was flushed, or failed over to a replica that lagged) puts
//! it back. Refuses to know: what the portal says.

mod hold;
mod link;
mod script;
#[cfg(test)]
mod tests;
mod url;
mod watch;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use data_encoding::HEXLOWER;
use rand::RngExt;
use sha2::{Digest, Sha256};

pub use self::link::RedisDoor;
pub use self::url::RedisUrl;

use self::hold::{Hold, millis};
use self::link::{Link, News};
use self::script::{Keys, Scripts};
use super::document::{Document, Name, Place, Random};
use super::seal::SALT_BYTES;
use super::{Lock, Owned, SavedSession, Store, StoreError, Stored};
use crate::clock::{Clock as _, SystemClock};
use crate::session::{Attempts, Generation};

/// The first pause between two looks at a lock that another replica has, where no news wakes us; doubled up to the
/// longest.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// How long things may take between replicas.
#[derive(Debug, Clone, Copy)]
pub struct RedisTimes {
    /// How long a lock outlives the replica that has it, while no call is under way. Over zero.
    pub lease: Duration,
    /// How long one call to the portal may take: so much longer is the lease while one may be under way.
    pub call: Duration,
    /// How often Redis is looked at, in case that news was lost. Over zero.
    pub poll: Duration,
    /// How long a start waits for Redis.
    pub wait: Duration,
}

/// A store at Redis. Cheap to clone.
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    link: Link,
    owned: Owned,
    times: RedisTimes,
    keys: Keys,
    scripts: Scripts,
    me: String,
    seen: Mutex<Seen>,
    /// The lock while a flight has it.
    held: Mutex<Weak<Hold>>,
}

/// A document, and which writing of it this is.
#[derive(Clone, Default)]
struct Seen {
    revision: u64,
    written: String,
    document: Document,
    salt: Option<[u8; SALT_BYTES]>,
}

/// What a look at Redis brought.
struct Found {
    /// The revision that is there.
    there: u64,
    /// The newest that is known: that one, or a newer one that Redis has lost.
    newest: Seen,
}

impl RedisStore {
    /// Connects, and looks whether the stored login can be read. Waits for Redis up to `times.wait`.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub async fn open(door: RedisDoor, owned: Owned, times: RedisTimes) -> Result<Self, StoreError> {
        let realm = HEXLOWER.encode(&Sha256::digest(owned.realm.as_bytes())[..4]);
        let keys = Keys::of(owned.identity.as_str(), &realm);
        let me = format!("{:016x}", rand::rng().random::<u64>());
        let news = Arc::new(News::new(me.clone()));
        let link = Link::new(door, keys.channel.clone(), news)?;
        let (seen, held) = (Mutex::default(), Mutex::default());
        let inner = Arc::new(Inner { link, owned, times, keys, scripts: Scripts::new(), me, seen, held });
        let deadline = tokio::time::Instant::now() + times.wait;
        loop {
            match inner.find().await {
                Ok(_) => break,
                Err(_) if inner.link.is_away() && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(LONGEST_LOOK).await;
                }
                Err(error) => return Err(error),
            }
        }
        tokio::spawn(watch::watch(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// Writes under a name that is nobody's, reads that, and removes it: with the commands, and so with the rights, that
    /// a login's keeping takes.
    ///
    /// # Errors
    /// Why a login could not be kept there.
    pub async fn try_writing(&self) -> Result<(), StoreError> {
        let Inner { scripts, keys, link, .. } = &*self.0;
        let mut call = scripts.trial.key(&keys.trial);
        call.arg(&keys.channel);
        let kept: bool = link.run(&call).await?;
        let what = || format!("{} did not keep what was written under {}", link.address(), keys.trial);
        let hint = "see its log, and how much memory it may take";
        kept.then_some(()).ok_or_else(|| StoreError { what: what(), hint: hint.into() })
    }

    /// Where it is, for a person.
    pub fn address(&self) -> String {
        self.0.link.address()
    }

    /// The key of the document, for a person.
    pub fn key(&self) -> &str {
        &self.0.keys.login
    }

    fn change(
        &self,
        calling: bool,
        change: impl FnOnce(&mut Document) -> bool + Send + 'static,
    ) -> Stored<'_, ()> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let hold = inner.hold()?;
            hold.title.calls(calling);
            let Found { there, mut newest } = inner.find().await?;
            if !change(&mut newest.document) {
                return Ok(());
            }
            newest.revision = newest.revision.max(there) + 1;
            inner.write(&hold, there, newest).await
        })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("key", &self.0.keys.login).finish_non_exhaustive()
    }
}

impl Store for RedisStore {
    fn lock(&self) -> Stored<'_, Lock> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let hold = Arc::new(inner.take().await?);
            *inner.held.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&hold);
            inner.put_back(&hold).await?;
            Ok(Lock::held_by(hold))
        })
    }

    fn load(&self) -> Stored<'_, Option<SavedSession>> {
        Box::pin(async move { Ok(self.0.find().await?.newest.document.session) })
    }

    fn begin_refresh(&self, generation: Generation) -> Stored<'_, ()> {
        self.change(true, move |document| document.intend(generation))
    }

    fn commit(&self, session: Option<SavedSession>) -> Stored<'_, ()> {
        self.change(false, |document| {
            document.replace(session);
            true
        })
    }

    fn keep(&self, generation: Generation) -> Stored<'_, ()> {
        self.change(false, move |document| document.take_back(generation))
    }

    fn attempts(&self) -> Stored<'_, Attempts> {
        Box::pin(async move { Ok(self.0.find().await?.newest.document.attempts) })
    }

    fn record(&self, attempts: Attempts) -> Stored<'_, ()> {
        self.change(true, |document| {
            document.attempts = attempts;
            true
        })
    }

    fn assure(&self) -> Stored<'_, ()> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let hold = inner.hold()?;
            hold.title.calls(true);
            if hold.title.lasts(inner.times.call) || hold.title.renew(&inner).await? {
                return Ok(());
            }
            Err(inner.lost())
        })
    }

    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.link.news.changed.notified())
    }

    fn is_away(&self) -> bool {
        self.0.link.is_away()
    }
}

impl Inner {
    /// The lock, once nobody else has it.
    async fn take(self: &Arc<Self>) -> Result<Hold, StoreError> {
        let deadline = tokio::time::Instant::now() + self.owned.lock_timeout;
        let owner = format!("{}-{:016x}", self.me, rand::rng().random::<u64>());
        let mut stirred = self.link.news.stirred.subscribe();
        let mut pause = FIRST_LOOK;
        loop {
            stirred.mark_unchanged();
            let since = SystemClock.since_boot();
            let mut call = self.scripts.take.key(&self.keys.login);
            call.key(&self.keys.lock).arg(&owner).arg(millis(self.times.lease));
            let (taken, number): (bool, i64) = self.link.run(&call).await?;
            if taken {
                let fence = u64::try_from(number).unwrap_or_default();
                return Ok(Hold::begin(Arc::clone(self), owner, fence, since));
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(self.held_by_another(number));
            }
            let jittered = rand::rng().random_range(pause / 2..=pause);
            tokio::select! {
                _ = stirred.changed() => {}
                () = tokio::time::sleep(jittered) => {}
            }
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// The lock of the flight that asks, held until the caller is done.
    fn hold(&self) -> Result<Arc<Hold>, StoreError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        held.ok_or_else(|| StoreError {
            what: format!("{} was to be written without its lock", self.keys.login),
            hint: "this is a mistake in portunus; report it".into(),
        })
    }

    fn seen_revision(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).revision
    }

    /// Looks at Redis, and remembers what was newest.
    async fn find(self: &Arc<Self>) -> Result<Found, StoreError> {
        let call = self.scripts.read.key(&self.keys.login);
        let (there, written, text): (u64, String, Vec<u8>) = self.link.run(&call).await?;
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if there < known.revision || (there == known.revision && written == known.written) {
            return Ok(Found { there, newest: known });
        }
        let mut newest = Seen { revision: there, written, ..Seen::default() };
        if !text.is_empty() {
            let inner = Arc::clone(self);
            let open = move || Document::open(&text, &inner.name(), &inner.owned.key);
            (newest.document, newest.salt) = self.aside(open).await?;
        }
        self.remember(&newest);
        Ok(Found { there, newest })
    }

    /// Looks cross: what another look has brought since is not forgotten for an older one.
    fn remember(&self, newest: &Seen) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.revision >= seen.revision {
            seen.clone_from(newest);
        }
    }

    /// Gives Redis back what it has lost.
    async fn put_back(self: &Arc<Self>, hold: &Hold) -> Result<(), StoreError> {
        let Found { there, newest } = self.find().await?;
        if there >= newest.revision {
            return Ok(());
        }
        tracing::warn!(login = %self.keys.login, there, ours = newest.revision, "Redis lost a login; putting it back");
        self.write(hold, there, newest).await
    }

    /// Writes a document over the revision `there`.
    async fn write(self: &Arc<Self>, hold: &Hold, there: u64, mut document: Seen) -> Result<(), StoreError> {
        let random = {
            let mut rng = rand::rng();
            Random { nonce: rng.random(), salt: document.salt.unwrap_or_else(|| rng.random()) }
        };
        document.salt = Some(random.salt);
        document.written = format!("{}-{:016x}", self.me, rand::rng().random::<u64>());
        let (inner, plain) = (Arc::clone(self), document.document.clone());
        let text = self.aside(move || plain.seal(&inner.name(), &inner.owned.key, random)).await?;
        let (lease, since) = (hold.title.lease(self), SystemClock.since_boot());
        let mut call = self.scripts.write.key(&self.keys.login);
        call.key(&self.keys.lock)
            .arg(&hold.title.owner)
            .arg(hold.title.fence)
            .arg(there)
            .arg(document.revision)
            .arg(&document.written)
            .arg(text)
            .arg(millis(lease))
            .arg(&self.keys.channel)
            .arg(&self.me);
        match self.link.run::<String>(&call).await?.as_str() {
            "done" => {
                hold.title.granted(since, lease);
                document.document.recount();
                self.remember(&document);
                Ok(())
            }
            "lost" => {
                hold.title.lose();
                Err(self.lost())
            }
            _ => Err(StoreError {
                what: format!("{} changed at Redis while this replica had its lock", self.keys.login),
                hint: "it is tried again; see whether Redis failed over or was flushed".into(),
            }),
        }
    }

    /// Does `work` where it may take long: a passphrase is stretched there.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
            let what = "the store's work was broken off".into();
            Err(StoreError { what, hint: "see the log for what happened before".into() })
        })
    }

    fn name(&self) -> Name<'_> {
        let identity = self.owned.identity.as_str();
        Name { identity, realm: &self.owned.realm, file: &self.keys.login, place: Place::Redis }
    }

    fn lost(&self) -> StoreError {
        StoreError {
            what: format!("the lock {} went to another replica meanwhile", self.keys.lock),
            hint: "nothing has to be done: that replica's login is taken up".into(),
        }
    }

    fn held_by_another(&self, left: i64) -> StoreError {
        StoreError {
            what: format!(
                "another replica has been at {} for more than {} seconds (its lease has {left} ms left)",
                self.keys.login,
                self.owned.lock_timeout.as_secs_f32()
            ),
            hint: format!("see which one: redis-cli GET '{}'", self.keys.lock),
        }
    }
}
