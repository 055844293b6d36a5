//! The state directory: what has to outlive the process, closed to everybody else.
//!
//! Everything goes by the directory's descriptor, so that nobody can put another directory under our feet, and
//! no symbolic link is ever followed in it.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::private_file::{self, PrivateFileError};
use crate::secret::ClientHash;

/// The file of the client hash.
const CLIENT_HASH: &str = "client-hash";

/// The file of the key that seals what is stored.
const SEALING_KEY: &str = "sealing-key";

/// 256 bits: nobody else's browser has such a hash, and nobody guesses such a key.
const RANDOM_BYTES: usize = 32;

/// The state directory, open and checked: 0700, and ours.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    directory: OwnedFd,
}

/// The state directory, or a file in it, is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its mode lets others in.
    #[error("the state directory {} is open to others (its mode is {mode:04o})", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("the state directory {} belongs to another user (uid {owner})", path.display())]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// A file in it is not private.
    #[error("{0}")]
    File(#[from] PrivateFileError),
    /// A file in it does not hold what we wrote.
    #[error("{} does not hold what was written there: 64 digits of hex", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl StateError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { .. } => Some("another directory can be set in [state] dir".into()),
            Self::Open { path, .. } => Some(format!("chmod 700 {}", path.display())),
            Self::ForeignOwner { .. } => Some("start as its owner, or set another in [state] dir".into()),
            Self::File(error) => Some(error.hint()),
            Self::Damaged { path } => Some(format!(
                "restore it, or remove it and sign in again: the portal takes a new client hash for a new \
                 browser, and what an old key sealed stays shut (rm {})",
                path.display()
            )),
        }
    }
}

impl StateDir {
    /// Opens the directory; makes it, 0700, where it does not exist.
    ///
    /// # Errors
    /// If it cannot be made or opened, is a symbolic link, belongs to another user, or is open to others.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let failed = |doing, source| StateError::Failed { doing, path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| failed("make", e))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed("open", e.into()))?;
        let about = File::from(directory.try_clone().map_err(|e| failed("open", e))?);
        let about = about.metadata().map_err(|e| failed("look at", e))?;
        let (owner, mode) = (about.uid(), about.mode() & 0o7777);
        if owner != rustix::process::geteuid().as_raw() {
            return Err(StateError::ForeignOwner { path: path.to_owned(), owner });
        }
        if mode & 0o077 != 0 {
            return Err(StateError::Open { path: path.to_owned(), mode });
        }
        Ok(Self { path: path.to_owned(), directory })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The client hash of this installation; made once, and the same ever after (PROTOCOL section 2).
    ///
    /// # Errors
    /// If it cannot be read or written, or is not private. A damaged one is never replaced: a new hash ends
    /// every login that was bound to the old one.
    pub fn client_hash(&self) -> Result<ClientHash, StateError> {
        let hash = self.made_once(CLIENT_HASH)?;
        Ok(ClientHash::new(hash.as_str()))
    }

    /// The same for one of several identities: each is a client of its own to the portal.
    ///
    /// # Errors
    /// As [`StateDir::client_hash`].
    pub fn client_hash_of(&self, identity: &str) -> Result<ClientHash, StateError> {
        let hash = self.made_once(&format!("{CLIENT_HASH}-{identity}"))?;
        Ok(ClientHash::new(hash.as_str()))
    }

    /// The key that seals what is stored here, where none is configured; made once, and the same ever after.
    ///
    /// # Errors
    /// As [`StateDir::client_hash`]. A damaged one is never replaced: what it sealed could never be opened again.
    pub fn sealing_key(&self) -> Result<Zeroizing<[u8; RANDOM_BYTES]>, StateError> {
        let text = self.made_once(SEALING_KEY)?;
        let mut key = Zeroizing::new([0; RANDOM_BYTES]);
        match data_encoding::HEXLOWER.decode_mut(text.as_bytes(), key.as_mut_slice()) {
            Ok(_) => Ok(key),
            Err(_) => Err(self.damaged(SEALING_KEY)),
        }
    }

    /// The directory itself, for what is done by its descriptor.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.directory
    }

    /// The random text of a file that is made once: 64 digits of lower-case hex.
    fn made_once(&self, name: &str) -> Result<Zeroizing<String>, StateError> {
        let bytes = match self.read(name)? {
            Some(bytes) => bytes,
            None => {
                self.create(name, &fresh_random()?)?;
                // Another process may have been first; what lies there now holds for both.
                self.read(name)?.ok_or_else(|| self.damaged(name))?
            }
        };
        let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text {
            Some(text) if text.len() == RANDOM_BYTES * 2 && text.bytes().all(hex) => {
                Ok(Zeroizing::new(text.to_owned()))
            }
            _ => Err(self.damaged(name)),
        }
    }

    fn damaged(&self, name: &str) -> StateError {
        StateError::Damaged { path: self.path.join(name) }
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        self.read_up_to(name, private_file::LONGEST)
    }

    /// A file's content, if there is one.
    pub(crate) fn read_up_to(
        &self,
        name: &str,
        limit: usize,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            // A symbolic link.
            Err(Errno::LOOP) => return Err(PrivateFileError::NotAFile { path }.into()),
            Err(error) => return Err(StateError::Failed { doing: "open", path, source: error.into() }),
        };
        private_file::check(&file, &path, rustix::process::geteuid().as_raw())?;
        match private_file::read_up_to(&file, limit) {
            Ok(Some(bytes)) => Ok(Some(bytes)),
            Ok(None) => Err(PrivateFileError::TooLong { path }.into()),
            Err(source) => Err(StateError::Failed { doing: "read", path, source }),
        }
    }

    /// Puts a new file there, whole and on the disk, unless one of this name has come up meanwhile: a reader sees
    /// all of it or nothing, even after a power cut, and of two creators one wins.
    fn create(&self, name: &str, content: &[u8]) -> Result<(), StateError> {
        let failed = |doing| {
            move |error: Errno| StateError::Failed { doing, path: self.path.join(name), source: error.into() }
        };
        let mut nonce = [0; 8];
        fill(&mut nonce)?;
        let draft = format!(".{name}.{}", data_encoding::HEXLOWER.encode(&nonce));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, &draft, flags, Mode::RUSR | Mode::WUSR)
            .map_err(failed("create"))?;
        let mut file = File::from(file);
        let written = file.write_all(content).and_then(|()| file.sync_all());
        let placed = match written {
            // A link, since a rename would silently replace the other's file.
            Ok(()) => rustix::fs::linkat(&self.directory, &draft, &self.directory, name, AtFlags::empty()),
            Err(source) => {
                let _gone = rustix::fs::unlinkat(&self.directory, &draft, AtFlags::empty());
                return Err(StateError::Failed { doing: "write", path: self.path.join(name), source });
            }
        };
        rustix::fs::unlinkat(&self.directory, &draft, AtFlags::empty()).map_err(failed("tidy up after"))?;
        match placed {
            Ok(()) | Err(Errno::EXIST) => rustix::fs::fsync(&self.directory).map_err(failed("sync")),
            Err(error) => Err(failed("create")(error)),
        }
    }
}

fn fresh_random() -> Result<Zeroizing<Vec<u8>>, StateError> {
    let mut random = Zeroizing::new([0; RANDOM_BYTES]);
    fill(random.as_mut_slice())?;
    let mut text = Zeroizing::new(vec![b'\n'; RANDOM_BYTES * 2 + 1]);
    data_encoding::HEXLOWER.encode_mut(random.as_slice(), &mut text[..RANDOM_BYTES * 2]);
    Ok(text)
}

fn fill(bytes: &mut [u8]) -> Result<(), StateError> {
    getrandom::fill(bytes).map_err(|error| StateError::Failed {
        doing: "draw random bytes for",
        path: PathBuf::from("the state directory"),
        source: error.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    struct Home {
        _dir: tempfile::TempDir,
        path: PathBuf,
    }

    fn home() -> Home {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/portunus");
        Home { _dir: dir, path }
    }

    fn put(home: &Home, content: &str, mode: u32) -> PathBuf {
        let file = home.path.join(CLIENT_HASH);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn the_hash_is_made_once_and_nobody_else_can_read_it() {
        let home = home();
        let first = StateDir::open(&home.path).unwrap().client_hash().unwrap();
        let again = StateDir::open(&home.path).unwrap().client_hash().unwrap();
        assert_eq!(first, again);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&home.path), 0o700);
        assert_eq!(mode(&home.path.join(CLIENT_HASH)), 0o600);
        assert_eq!(fs::read(home.path.join(CLIENT_HASH)).unwrap().len(), 65);
        assert_eq!(fs::read_dir(&home.path).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn two_installations_have_two_hashes() {
        let (one, other) = (home(), home());
        let hash = |home: &Home| StateDir::open(&home.path).unwrap().client_hash().unwrap();
        assert_ne!(hash(&one), hash(&other));
    }

    #[test]
    fn of_two_creators_one_wins_and_both_use_its_hash() {
        for _ in 0..20 {
            let home = home();
            let state = StateDir::open(&home.path).unwrap();
            let gate = std::sync::Barrier::new(8);
            let hashes: Vec<ClientHash> = std::thread::scope(|scope| {
                let race = || {
                    gate.wait();
                    state.client_hash().unwrap()
                };
                let racers: Vec<_> = (0..8).map(|_| scope.spawn(race)).collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).collect()
            });
            assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]));
            assert_eq!(fs::read_dir(&home.path).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_creator_that_comes_second_leaves_the_first_ones_file_alone() {
        let home = home();
        let state = StateDir::open(&home.path).unwrap();
        let hash = format!("{}\n", "0a".repeat(32));
        put(&home, &hash, 0o600);
        state.create(CLIENT_HASH, b"other").unwrap();
        assert_eq!(fs::read_to_string(home.path.join(CLIENT_HASH)).unwrap(), hash);
        assert_eq!(fs::read_dir(&home.path).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let home = home();
        StateDir::open(&home.path).unwrap();
        for mode in [0o750, 0o705, 0o710, 0o777] {
            fs::set_permissions(&home.path, Permissions::from_mode(mode)).unwrap();
            let error = StateDir::open(&home.path).unwrap_err();
            assert!(matches!(error, StateError::Open { mode: m, .. } if m == mode), "{error}");
            assert_eq!(error.hint(), Some(format!("chmod 700 {}", home.path.display())));
        }
    }

    #[test]
    fn a_link_in_place_of_directory_or_file_is_refused() {
        let home = home();
        let state = StateDir::open(&home.path).unwrap();
        let elsewhere = home.path.with_file_name("elsewhere");
        fs::write(&elsewhere, format!("{}\n", "ab".repeat(32))).unwrap();
        fs::set_permissions(&elsewhere, Permissions::from_mode(0o600)).unwrap();
        symlink(&elsewhere, home.path.join(CLIENT_HASH)).unwrap();
        let error = state.client_hash().unwrap_err();
        assert!(matches!(error, StateError::File(PrivateFileError::NotAFile { .. })), "{error}");

        let link = home.path.with_file_name("link");
        symlink(&home.path, &link).unwrap();
        assert!(matches!(StateDir::open(&link), Err(StateError::Failed { doing: "open", .. })));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let home = home();
        let state = StateDir::open(&home.path).unwrap();
        put(&home, &format!("{}\n", "ab".repeat(32)), 0o640);
        let error = state.client_hash().unwrap_err();
        assert!(
            matches!(error, StateError::File(PrivateFileError::NotPrivate { mode: 0o640, .. })),
            "{error}"
        );
    }

    #[test]
    fn a_strangers_directory_or_file_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return; // only root can give a file away
        }
        let home = home();
        let state = StateDir::open(&home.path).unwrap();
        let file = put(&home, &format!("{}\n", "ab".repeat(32)), 0o600);
        chown(&file, Some(1), None).unwrap();
        let error = state.client_hash().unwrap_err();
        assert!(
            matches!(error, StateError::File(PrivateFileError::ForeignOwner { owner: 1, .. })),
            "{error}"
        );
        chown(&home.path, Some(1), None).unwrap();
        assert!(matches!(StateDir::open(&home.path), Err(StateError::ForeignOwner { owner: 1, .. })));
    }

    #[test]
    fn a_damaged_hash_is_reported_and_never_replaced() {
        let home = home();
        let state = StateDir::open(&home.path).unwrap();
        for damaged in ["", "\n", "ab\n", &"AB".repeat(32), &format!("{}\n", "AB".repeat(32))] {
            put(&home, damaged, 0o600);
            let error = state.client_hash().unwrap_err();
            assert!(matches!(error, StateError::Damaged { .. }), "{error}");
            assert_eq!(fs::read_to_string(home.path.join(CLIENT_HASH)).unwrap(), damaged);
        }
    }
}
