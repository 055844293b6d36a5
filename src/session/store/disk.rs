//! What a store asks of a disk, one step at a time: between any two of them the process or the power may die.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::{Lock, StoreError};
use crate::private_file;
use crate::state_dir::{StateDir, StateError};

/// No document of ours is longer; a file that is was put there by somebody else.
const LONGEST: usize = 256 * 1024;

/// One directory's files. Nothing is durable before it is synced: a file's content by [`Draft::sync`], a name by
/// [`Disk::sync`].
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// A file's content, if there is such a file.
    ///
    /// # Errors
    /// If it cannot be read, or others could read or write it.
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError>;

    /// Makes a file that nobody else can read, and that was not there before.
    ///
    /// # Errors
    /// If it cannot be made.
    fn create(&self, name: &str) -> Result<Box<dyn Draft>, StoreError>;

    /// Gives a file a second name.
    ///
    /// # Errors
    /// If it cannot be done, or the second name is taken.
    fn link(&self, from: &str, to: &str) -> Result<(), StoreError>;

    /// Gives a file another name, and takes it from whatever had it.
    ///
    /// # Errors
    /// If it cannot be done.
    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError>;

    /// Takes a name away.
    ///
    /// # Errors
    /// If it cannot be done.
    fn remove(&self, name: &str) -> Result<(), StoreError>;

    /// Makes names durable.
    ///
    /// # Errors
    /// If it cannot be done.
    fn sync(&self) -> Result<(), StoreError>;

    /// All names there are.
    ///
    /// # Errors
    /// If the directory cannot be read.
    fn names(&self) -> Result<Vec<String>, StoreError>;

    /// The lock of this name, unless another has it. It is held until dropped, and no longer than the process
    /// lives.
    ///
    /// # Errors
    /// If it cannot be told.
    fn try_lock(&self, name: &str) -> Result<Option<Lock>, StoreError>;

    /// A file's name for a person.
    fn shown(&self, name: &str) -> String;
}

/// A file that is being written.
pub trait Draft: Write + Send {
    /// Makes what was written durable.
    ///
    /// # Errors
    /// If it cannot be done.
    fn sync(&mut self) -> io::Result<()>;
}

impl Draft for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Disk for StateDir {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        Ok(self.read_up_to(name, LONGEST)?)
    }

    fn create(&self, name: &str) -> Result<Box<dyn Draft>, StoreError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self.descriptor(), name, flags, Mode::RUSR | Mode::WUSR);
        Ok(Box::new(File::from(file.map_err(|error| self.failed("create", name, error.into()))?)))
    }

    fn link(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let linked = rustix::fs::linkat(self.descriptor(), from, self.descriptor(), to, AtFlags::empty());
        linked.map_err(|error| self.failed("keep a copy of", from, error.into()))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let renamed = rustix::fs::renameat(self.descriptor(), from, self.descriptor(), to);
        renamed.map_err(|error| self.failed("replace", to, error.into()))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let removed = rustix::fs::unlinkat(self.descriptor(), name, AtFlags::empty());
        removed.map_err(|error| self.failed("remove", name, error.into()))
    }

    fn sync(&self) -> Result<(), StoreError> {
        rustix::fs::fsync(self.descriptor()).map_err(|error| self.failed("sync", "", error.into()))
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let list = || -> rustix::io::Result<Vec<String>> {
            let entries = rustix::fs::Dir::read_from(self.descriptor())?;
            // A name that is not UTF-8 is none of ours.
            let name = |entry: rustix::fs::DirEntry| entry.file_name().to_str().ok().map(str::to_owned);
            entries.filter_map(|entry| entry.map(name).transpose()).collect()
        };
        list().map_err(|error| self.failed("list", "", error.into()))
    }

    fn try_lock(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        // Made by whoever comes first, and never removed: who locks a file that has lost its name locks nothing.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self.descriptor(), name, flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(file.map_err(|error| self.failed("lock", name, error.into()))?);
        private_file::check(&file, &self.path().join(name), rustix::process::geteuid().as_raw())
            .map_err(StateError::from)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // The kernel's own: it ends with the process, however that ends.
            Ok(()) => Ok(Some(Lock::held_by(Arc::new(file)))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(self.failed("lock", name, error.into())),
        }
    }

    fn shown(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }
}

impl StateDir {
    fn failed(&self, doing: &'static str, name: &str, source: io::Error) -> StoreError {
        let path = self.path().join(name);
        let hint = match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => "make room on its disk".into(),
            Some(Errno::ROFS) => "mount it writable, or set another directory in [state] dir".into(),
            Some(Errno::ACCESS | Errno::PERM) => format!("see: ls -la {}", self.path().display()),
            _ => "see that its disk works, or set another directory in [state] dir".into(),
        };
        StoreError { what: format!("cannot {doing} {}: {source}", path.display()), hint }
    }
}

impl From<StateError> for StoreError {
    fn from(error: StateError) -> Self {
        let hint = error.hint().unwrap_or_else(|| "set another directory in [state] dir".into());
        Self { what: error.to_string(), hint }
    }
}
