//! A store of one document per identity, safe against crashes, power cuts and other processes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use rand::RngExt;
use sha2::{Digest, Sha256};

use super::disk::Disk;
use super::document::{Document, Name, Place, Random};
use super::seal::{SALT_BYTES, SealingKey};
use super::{Lock, SavedSession, Store, StoreError, Stored};
use crate::identity::IdentityName;
use crate::session::{Attempts, Generation};

/// The first pause between two looks at a lock that another process has; doubled up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LONGEST_LOOK: Duration = Duration::from_millis(50);

/// Whose login a [`FileStore`] keeps, and how.
#[derive(Debug)]
pub struct Owned {
    /// The identity.
    pub identity: IdentityName,
    /// Which account at which portal: tokens of another one are never taken up, wherever the configuration
    /// moves on to, and two proxies of one directory do not meet.
    pub realm: String,
    /// What seals the document.
    pub key: SealingKey,
    /// How long to wait for another process's flight.
    pub lock_timeout: Duration,
}

/// A store in one directory. `session-<identity>-<realm>.json` is the document, `….json.prev` the one of the
/// generation before, kept for a person to look at (its refresh token is spent), and `….lock` what processes
/// lock; drafts begin with a dot.
#[derive(Clone)]
pub struct FileStore(Arc<Files>);

struct Files {
    disk: Box<dyn Disk>,
    owned: Owned,
    document: String,
    shown: String,
    /// The lock while a flight has it. Every write holds it to its end, even when its flight was given up.
    locked: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    lock: std::sync::Weak<Lock>,
    swept: bool,
}

impl FileStore {
    /// Keeps `owned` on `disk`. Nothing is read yet.
    pub fn new(disk: impl Disk, owned: Owned) -> Self {
        let realm = HEXLOWER.encode(&Sha256::digest(owned.realm.as_bytes())[..4]);
        let document = format!("session-{}-{realm}.json", owned.identity);
        let (shown, disk) = (disk.shown(&document), Box::new(disk));
        Self(Arc::new(Files { disk, owned, document, shown, locked: Mutex::default() }))
    }

    /// The document's path, for a person.
    pub fn path(&self) -> &str {
        &self.0.shown
    }

    /// Does `work` where blocking is allowed.
    fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, StoreError> + Send + 'static,
    ) -> Stored<'_, T> {
        let files = Arc::clone(&self.0);
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || work(&files)).await;
            done.unwrap_or_else(|_| {
                let what = "the store's work was broken off".into();
                Err(StoreError { what, hint: "see the log for what happened before".into() })
            })
        })
    }

    /// Changes the document. Durable when it answers.
    fn change(&self, change: impl FnOnce(&mut Document) -> bool + Send + 'static) -> Stored<'_, ()> {
        self.off(move |files| {
            let _lock = files.lock_held()?;
            let (mut document, salt) = files.read()?;
            let before = document.session.as_ref().map(|session| session.generation);
            if !change(&mut document) {
                return Ok(());
            }
            let after = document.session.as_ref().map(|session| session.generation);
            files.write(&document, salt, before.is_some() && before != after)
        })
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("document", &self.0.shown).finish_non_exhaustive()
    }
}

impl Store for FileStore {
    fn lock(&self) -> Stored<'_, Lock> {
        Box::pin(async move {
            let deadline = tokio::time::Instant::now() + self.0.owned.lock_timeout;
            let mut pause = FIRST_LOOK;
            loop {
                if let Some(lock) = self.off(Files::try_lock).await? {
                    return Ok(lock);
                }
                if tokio::time::Instant::now() >= deadline {
                    return Err(self.0.held_by_another());
                }
                let jittered = rand::rng().random_range(pause / 2..=pause);
                tokio::time::sleep(jittered).await;
                pause = (pause * 2).min(LONGEST_LOOK);
            }
        })
    }

    fn load(&self) -> Stored<'_, Option<SavedSession>> {
        self.off(|files| files.read().map(|(document, _)| document.session))
    }

    fn begin_refresh(&self, generation: Generation) -> Stored<'_, ()> {
        self.change(move |document| document.intend(generation))
    }

    fn commit(&self, session: Option<SavedSession>) -> Stored<'_, ()> {
        self.change(|document| {
            document.replace(session);
            true
        })
    }

    fn keep(&self, generation: Generation) -> Stored<'_, ()> {
        self.change(move |document| document.take_back(generation))
    }

    fn attempts(&self) -> Stored<'_, Attempts> {
        self.off(|files| files.read().map(|(document, _)| document.attempts))
    }

    fn record(&self, attempts: Attempts) -> Stored<'_, ()> {
        self.change(|document| {
            document.attempts = attempts;
            true
        })
    }
}

impl Files {
    fn name(&self) -> Name<'_> {
        let identity = self.owned.identity.as_str();
        Name { identity, realm: &self.owned.realm, file: &self.shown, place: Place::Disk }
    }

    fn try_lock(&self) -> Result<Option<Lock>, StoreError> {
        let Some(lock) = self.disk.try_lock(&format!("{}.lock", self.document))? else { return Ok(None) };
        let lock = Arc::new(lock);
        let mut held = self.locked.lock().unwrap_or_else(PoisonError::into_inner);
        held.lock = Arc::downgrade(&lock);
        if !held.swept {
            self.sweep();
            held.swept = true;
        }
        Ok(Some(Lock::held_by(lock)))
    }

    /// The lock of the flight that asks, held until the caller is done.
    fn lock_held(&self) -> Result<Arc<Lock>, StoreError> {
        let held = self.locked.lock().unwrap_or_else(PoisonError::into_inner).lock.upgrade();
        held.ok_or_else(|| StoreError {
            what: format!("{} was to be written without its lock", self.shown),
            hint: "this is a mistake in portunus; report it".into(),
        })
    }

    fn held_by_another(&self) -> StoreError {
        StoreError {
            what: format!(
                "another portunus has been at {} for more than {} seconds",
                self.shown,
                self.owned.lock_timeout.as_secs_f32()
            ),
            hint: format!("see which one: fuser {}.lock", self.shown),
        }
    }

    /// Removes what processes that died while writing have left. Whoever has the lock is the only one who drafts.
    fn sweep(&self) {
        let Ok(names) = self.disk.names() else { return };
        for name in names.iter().filter(|name| name.starts_with(&self.draft_prefix())) {
            // It does no harm where it is.
            let _ = self.disk.remove(name);
        }
    }

    fn draft_prefix(&self) -> String {
        format!(".{}.", self.document)
    }

    fn draft_name(&self) -> String {
        format!("{}{:016x}", self.draft_prefix(), rand::rng().random::<u64>())
    }

    fn read(&self) -> Result<(Document, Option<[u8; SALT_BYTES]>), StoreError> {
        match self.disk.read(&self.document)? {
            Some(text) => Document::open(&text, &self.name(), &self.owned.key),
            None => Ok((Document::default(), None)),
        }
    }

    /// The order is the promise: whole and durable under a name of its own, then in the old one's place, then
    /// durable there. At any instruction the document's name is on an old or a new document, never on a part.
    fn write(
        &self,
        document: &Document,
        salt: Option<[u8; SALT_BYTES]>,
        keep_previous: bool,
    ) -> Result<(), StoreError> {
        let mut rng = rand::rng();
        let random = Random { nonce: rng.random(), salt: salt.unwrap_or_else(|| rng.random()) };
        let text = document.seal(&self.name(), &self.owned.key, random)?;
        let draft = self.draft_name();
        let placed = self.draft(&draft, &text).and_then(|()| {
            if keep_previous {
                self.keep_previous()?;
            }
            self.disk.rename(&draft, &self.document)
        });
        if placed.is_err() {
            let _ = self.disk.remove(&draft);
        }
        placed.and_then(|()| self.disk.sync())
    }

    fn draft(&self, name: &str, text: &[u8]) -> Result<(), StoreError> {
        let mut draft = self.disk.create(name)?;
        let written = draft.write_all(text).and_then(|()| draft.sync());
        written.map_err(|source| StoreError {
            what: format!("cannot write {}: {source}", self.shown),
            hint: "make room on its disk, or see that it works".into(),
        })
    }

    /// By a link and a rename, so that the document never goes without its name.
    fn keep_previous(&self) -> Result<(), StoreError> {
        let copy = self.draft_name();
        self.disk.link(&self.document, &copy)?;
        let kept = self.disk.rename(&copy, &format!("{}.prev", self.document));
        if kept.is_err() {
            let _ = self.disk.remove(&copy);
        }
        kept
    }
}
