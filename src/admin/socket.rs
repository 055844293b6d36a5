//! The unix socket: a private place, one owner, nobody else's peer.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::geteuid;

/// The socket's mode: its owner alone.
const SOCKET_MODE: u32 = 0o600;

/// The mode of a runtime directory that is made here.
const DIRECTORY_MODE: u32 = 0o700;

/// A bound socket.
#[derive(Debug)]
pub struct Socket {
    /// Accepts; non-blocking, for [`tokio::net::UnixListener::from_std`].
    pub listener: UnixListener,
    /// Takes the file away when dropped.
    pub file: SocketFile,
}

/// The file of a bound socket, taken away when dropped; and the lock that says who owns the path.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
    _lock: File,
}

/// Why the admin socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another proxy answers there.
    #[error("another portunus already runs with the admin socket {}", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket lies there.
    #[error("{} is no socket and is left alone", .0.display())]
    NotASocket(PathBuf),
    /// The directory belongs to somebody else.
    #[error("{} belongs to uid {owner}, not to this user", .path.display())]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others may put files into the directory.
    #[error("others may write to {} (mode {mode:03o})", .path.display())]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The path does not fit into a socket address.
    #[error("the path {} is too long for a unix socket", .0.display())]
    TooLong(PathBuf),
    /// The operating system refused.
    #[error("{doing} {}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl SocketError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::InUse(_) => {
                "use it (`portunus status`), or give this one a path of its own: `--socket PATH`".into()
            }
            Self::NotASocket(_) => "choose another path: `--socket PATH`, or `admin.socket`".into(),
            Self::ForeignDirectory { .. } | Self::TooLong(_) => {
                "choose a path in a directory of your own, such as $XDG_RUNTIME_DIR/portunus".into()
            }
            Self::OpenDirectory { path, .. } => format!("chmod 700 {}", path.display()),
            Self::Io { path, .. } => {
                format!("check who may write to {}", path.parent().unwrap_or(path).display())
            }
        }
    }
}

/// Binds the admin socket at `path`: 0600, in a directory that nobody else may write to (made 0700 where it
/// is missing). A socket that nobody answers on any more is taken away.
///
/// # Errors
/// Why it cannot be had; a live socket is never taken away.
pub fn bind(path: &Path) -> Result<Socket, SocketError> {
    private_directory(path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    // Two that start at once would both find the old socket dead, and one would take away the other's new
    // one. The kernel drops this lock with the process, however it ends.
    let lock = lock_beside(path)?;
    clear_stale(path)?;
    let listener = UnixListener::bind(path).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidInput => SocketError::TooLong(path.to_owned()),
        _ => refused("cannot bind", path)(source),
    })?;
    // Until here the directory kept others out of it, and the peer check still does.
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE)).map_err(refused("cannot chmod", path))?;
    listener.set_nonblocking(true).map_err(refused("cannot prepare", path))?;
    let meta = fs::symlink_metadata(path).map_err(refused("cannot look at", path))?;
    let file = SocketFile { path: path.to_owned(), inode: (meta.dev(), meta.ino()), _lock: lock };
    Ok(Socket { listener, file })
}

impl SocketFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |meta: fs::Metadata| (meta.dev(), meta.ino()) == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a peer of this uid may speak to a process of `own` uid: itself, or root.
pub(super) fn admits(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

/// The uid this process acts as.
pub(super) fn own_uid() -> u32 {
    geteuid().as_raw()
}

fn private_directory(dir: &Path) -> Result<(), SocketError> {
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(dir);
    made.map_err(refused("cannot make", dir))?;
    let meta = fs::metadata(dir).map_err(refused("cannot look at", dir))?;
    if meta.uid() != own_uid() && meta.uid() != 0 {
        return Err(SocketError::ForeignDirectory { path: dir.to_owned(), owner: meta.uid() });
    }
    if meta.mode() & 0o022 != 0 {
        return Err(SocketError::OpenDirectory { path: dir.to_owned(), mode: meta.mode() & 0o777 });
    }
    Ok(())
}

fn lock_beside(path: &Path) -> Result<File, SocketError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let beside = PathBuf::from(name);
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(SOCKET_MODE)
        .custom_flags(nofollow)
        .open(&beside)
        .map_err(refused("cannot open", &beside))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => Err(SocketError::InUse(path.to_owned())),
        Err(errno) => Err(refused("cannot lock", &beside)(errno.into())),
    }
}

/// Connects first: only what nobody answers on is taken away, and only if it is a socket.
fn clear_stale(path: &Path) -> Result<(), SocketError> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused("cannot look at", path)(error)),
    };
    if !meta.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Ok(_answered) => Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(refused("cannot remove the old socket", path))
        }
        Err(error) => Err(refused("cannot ask who answers on", path)(error)),
    }
}

fn refused(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SocketError {
    let path = path.to_owned();
    move |source| SocketError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_socket_is_0600_in_a_0700_directory_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/portunus/admin.sock");
        let socket = bind(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&dir.path().join("run/portunus")), 0o700);
        assert_eq!(mode(&dir.path().join("run/portunus/admin.sock.lock")), 0o600);
        assert_eq!(socket.file.path(), path);
        drop(socket);
        assert!(!path.exists());
        bind(&path).unwrap();
    }

    #[test]
    fn a_live_socket_is_left_alone_and_a_dead_one_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let live = UnixListener::bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(SocketError::InUse(_))));
        drop(live);
        assert!(path.exists(), "a killed process leaves its socket behind");
        bind(&path).unwrap();
    }

    #[test]
    fn of_two_that_start_at_once_one_gets_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let first = bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(SocketError::InUse(_))));
        drop(first);
        bind(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        for bad in [0o777, 0o770, 0o702, 0o1777] {
            fs::set_permissions(&open, Permissions::from_mode(bad)).unwrap();
            let error = bind(&open.join("admin.sock")).unwrap_err();
            assert!(matches!(error, SocketError::OpenDirectory { .. }), "{bad:o}: {error}");
            assert!(error.hint().starts_with("chmod 700"));
        }
        fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        bind(&open.join("admin.sock")).unwrap();
    }

    #[test]
    fn a_path_longer_than_a_socket_address_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x".repeat(120));
        assert!(matches!(bind(&path), Err(SocketError::TooLong(_))));
    }

    #[test]
    fn this_user_and_root_are_admitted_and_nobody_else() {
        assert!(admits(1000, 1000));
        assert!(admits(0, 1000));
        assert!(!admits(1001, 1000));
        assert!(!admits(1000, 0));
        assert!(admits(0, 0));
    }
}
