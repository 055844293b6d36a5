//! The file store against real files and a failing disk.

mod broken;
mod files;

use std::time::{Duration, SystemTime};

use super::*;
use crate::identity::IdentityName;
use crate::secret::{AccessToken, RefreshToken, SealingPassphrase};
use crate::session::{Attempts, Generation};
use crate::state_dir::StateDir;

fn owned() -> Owned {
    Owned {
        identity: IdentityName::sole(),
        realm: "https://portal.example.com tenant me@example.com".into(),
        key: SealingKey::new(&[7; 32]),
        lock_timeout: Duration::from_millis(200),
    }
}

pub(super) fn pair(n: u64) -> SavedSession {
    let issued_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    SavedSession {
        account: Some("me@example.com".into()),
        access: AccessToken::new(format!("CNRY-access-{n}")),
        refresh: Some(RefreshToken::new(format!("CNRY-refresh-{n}"))),
        issued_at,
        expires_at: issued_at + Duration::from_millis(3_600_123),
        generation: Generation::numbered(n),
        without_factor: false,
        unanswered: 0,
    }
}

/// A store, and the directory it is in.
struct World {
    dir: tempfile::TempDir,
    store: FileStore,
}

impl World {
    fn new() -> Self {
        Self::with(owned())
    }

    fn with(owned: Owned) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::new(StateDir::open(&dir.path().join("state")).unwrap(), owned);
        Self { dir, store }
    }

    /// The next process.
    fn another(&self) -> FileStore {
        self.another_with(owned())
    }

    fn another_with(&self, owned: Owned) -> FileStore {
        FileStore::new(StateDir::open(&self.dir.path().join("state")).unwrap(), owned)
    }

    async fn commit(&self, n: u64) {
        let _lock = self.store.lock().await.unwrap();
        self.store.commit(Some(pair(n))).await.unwrap();
    }
}
