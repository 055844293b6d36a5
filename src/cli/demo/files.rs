//! The demo's own directory: its configuration, its secrets, its state; gone when the demo ends.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rand::RngExt;

use crate::cli::environment::Environment;

/// A directory that nobody else can read.
#[derive(Debug)]
pub(in crate::cli) struct Files(PathBuf);

impl Files {
    /// Makes one where the system keeps what does not outlive it.
    pub(in crate::cli) fn make(environment: &Environment) -> io::Result<Self> {
        let places = ["XDG_RUNTIME_DIR", "TMPDIR"].into_iter();
        let base = places.filter_map(|name| environment.directory(name)).find(|path| path.is_dir());
        let base = base.unwrap_or_else(|| PathBuf::from("/tmp"));
        let path = base.join(format!("portunus-demo-{:08x}", rand::rng().random::<u32>()));
        // Fails where there is something of this name already, whoever has put it there.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Writes a file that nobody else can read.
    pub(in crate::cli) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }

    pub(in crate::cli) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What cannot be removed there holds secrets of a simulator only.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_directory_is_for_this_user_alone_and_goes_with_the_demo() {
        let base = tempfile::tempdir().unwrap();
        let files = Files::make(&Environment::new([("TMPDIR".into(), base.path().into())])).unwrap();
        let (dir, file) = (files.path().to_owned(), files.write("password", "secret\n").unwrap());
        assert!(dir.starts_with(base.path()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
        drop(files);
        assert!(!dir.exists());
    }
}
