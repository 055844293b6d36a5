//! Files that hold a secret, read by ssh's rule: if others could have read it, it is none any more.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// No secret of ours is longer; a file that is was named by mistake.
pub(crate) const LONGEST: usize = 64 * 1024;

/// Why a file's secret was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory, a device, a pipe.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Its mode lets others read it.
    #[error("{} can be read by others (its mode is {mode:04o})", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody who is neither this user nor root.
    #[error("{} belongs to another user (uid {owner})", path.display())]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// More than 64 KiB.
    #[error("{} is longer than any secret (64KiB)", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

impl PrivateFileError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "a relative path starts in the directory of the file it is written in".into()
            }
            Self::Unreadable { path, .. } => format!("see: ls -l {}", path.display()),
            Self::NotAFile { .. } | Self::TooLong { .. } => {
                "name the file that holds the secret alone".into()
            }
            Self::NotPrivate { path, .. } => format!("chmod 600 {}", path.display()),
            Self::ForeignOwner { path, .. } => format!("chown \"$(id -un)\" {}", path.display()),
        }
    }
}

/// Reads a secret. Symbolic links are followed, since that is how container runtimes mount secrets; what is
/// checked is the file that was opened.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let unreadable = |source| PrivateFileError::Unreadable { path: path.to_owned(), source };
    // Non-blocking, or else opening a pipe would wait for its writer.
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    check(&file, path, rustix::process::geteuid().as_raw())?;
    let bytes = read_up_to(&file, LONGEST).map_err(unreadable)?;
    bytes.ok_or_else(|| PrivateFileError::TooLong { path: path.to_owned() })
}

/// ssh's rule for a file of ours. One of root's may be open to a group, which root chose (a Kubernetes
/// `fsGroup`, say), but never to all.
pub(crate) fn check(file: &File, path: &Path, me: u32) -> Result<(), PrivateFileError> {
    let path = path.to_owned();
    let about = match file.metadata() {
        Ok(about) => about,
        Err(source) => return Err(PrivateFileError::Unreadable { path, source }),
    };
    if !about.is_file() {
        return Err(PrivateFileError::NotAFile { path });
    }
    let mode = about.mode() & 0o7777;
    let forbidden = match about.uid() {
        owner if owner == me => 0o077,
        0 => 0o007,
        owner => return Err(PrivateFileError::ForeignOwner { path, owner }),
    };
    if mode & forbidden != 0 {
        return Err(PrivateFileError::NotPrivate { path, mode });
    }
    Ok(())
}

/// All of it; `None` if there is more than the limit. The buffer never grows, so no copy is left behind.
pub(crate) fn read_up_to(file: &File, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn file(dir: &tempfile::TempDir, content: &[u8], mode: u32) -> PathBuf {
        let path = dir.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_file_of_ours_must_be_closed_to_everybody_else() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o400, 0o700] {
            assert_eq!(read(&file(&dir, b"s", mode)).unwrap().as_slice(), b"s", "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o610] {
            let error = read(&file(&dir, b"s", mode)).unwrap_err();
            assert!(matches!(error, PrivateFileError::NotPrivate { mode: m, .. } if m == mode), "{mode:o}");
            assert_eq!(error.hint(), format!("chmod 600 {}", dir.path().join("secret").display()));
        }
    }

    #[test]
    fn a_file_of_root_may_be_open_to_its_group_and_one_of_a_stranger_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir, b"s", 0o640);
        let owner = fs::metadata(&path).unwrap().uid();
        let opened = File::open(&path).unwrap();
        // Seen by another user than the owner: the rule depends on whether the owner is root.
        match (owner, check(&opened, &path, owner + 1)) {
            (0, seen) => seen.unwrap(),
            (_, seen) => {
                assert!(matches!(seen, Err(PrivateFileError::ForeignOwner { owner: o, .. }) if o == owner))
            }
        }
        if rustix::process::geteuid().is_root() {
            let path = file(&dir, b"s", 0o644);
            let seen = check(&File::open(&path).unwrap(), &path, 1);
            assert!(matches!(seen, Err(PrivateFileError::NotPrivate { mode: 0o644, .. })));
            chown(&path, Some(1), None).unwrap();
            assert!(matches!(read(&path), Err(PrivateFileError::ForeignOwner { owner: 1, .. })));
        }
    }

    #[test]
    fn a_link_is_followed_and_a_directory_or_a_pipe_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink(file(&dir, b"s", 0o600), &link).unwrap();
        assert_eq!(read(&link).unwrap().as_slice(), b"s");
        assert!(matches!(read(dir.path()), Err(PrivateFileError::NotAFile { .. })));
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(matches!(read(&pipe), Err(PrivateFileError::NotAFile { .. })));
    }

    #[test]
    fn sixty_four_kibibytes_are_read_and_one_byte_more_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&file(&dir, &vec![b'x'; LONGEST], 0o600)).unwrap().len(), LONGEST);
        let error = read(&file(&dir, &vec![b'x'; LONGEST + 1], 0o600)).unwrap_err();
        assert!(matches!(error, PrivateFileError::TooLong { .. }));
    }
}
