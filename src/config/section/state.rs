//! `[state]`: what outlives the process.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::environment::Environment;
use crate::config::layers::Section;
use crate::config::problem::Problem;
use crate::config::secret_source::{SecretError, SecretSource, Surroundings};
use crate::config::setting::{Fallback, Kind, ms, section, span, words};
use crate::config::values::{Auto, Words as _};
use crate::secret::SealingPassphrase;

section! {
    /// What outlives the process, as written.
    pub(in crate::config) struct State in "state" {
        "The directory, 0700. \"auto\" is $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/portunus, else \
         ~/.local/state/portunus."
            dir: Auto<PathBuf> = Fallback::Is(r#""auto""#), Kind::Path;
        "Where logins are kept, so that they outlive the process: file is the directory, memory is nowhere."
            store: StoreKind = Fallback::Is(r#""file""#), Kind::Choice(StoreKind::WORDS);
        "A passphrase that seals them. Without it a key is made once, and kept beside them."
            key: Option<SecretSource> = Fallback::Nothing(r#"{ command = ["secret-tool", "lookup", "service", "portunus"] }"#), Kind::Secret;
        "How long to wait for another portunus of the same login, which may be waiting for the next TOTP step."
            lock_timeout: Duration = Fallback::Is(r#""60s""#), span(ms(100), Duration::from_secs(600));
    }
}

/// Where logins are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreKind {
    /// In the state directory.
    #[default]
    File,
    /// In memory: a restart signs in anew.
    Memory,
}

words!(StoreKind {
    "file" => Self::File,
    "memory" => Self::Memory,
});

/// How logins are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginStore {
    /// Where.
    pub kind: StoreKind,
    /// What makes the key that seals them; without it a key file in the state directory does.
    pub key: Option<SecretSource>,
    /// How long to wait for another process's flight.
    pub lock_timeout: Duration,
}

impl LoginStore {
    /// The passphrase, fetched from its source, if there is to be one.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn fetch_key(&self, from: &Surroundings<'_>) -> Result<Option<SealingPassphrase>, SecretError> {
        match &self.key {
            Some(source) => source.resolve("state.key", SealingPassphrase::new, from).await.map(Some),
            None => Ok(None),
        }
    }
}

impl State {
    /// The directory's path, and how logins are kept.
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<(PathBuf, LoginStore)> {
        let state = Self::fields(section)?;
        let logins = LoginStore { kind: state.store, key: state.key, lock_timeout: state.lock_timeout };
        let Auto::Auto = state.dir else {
            let Auto::Given(dir) = state.dir else { return None };
            return Some((dir, logins));
        };
        let found = found(section.reader.environment);
        if found.is_none() {
            let place = section.place_of("dir", Self::SETTINGS);
            let text = "no state directory: neither HOME nor XDG_STATE_HOME is set";
            section.reader.report(Problem::new(&place, text).hint("write dir = \"/path\" in [state]"));
        }
        found.map(|dir| (dir, logins))
    }
}

fn found(environment: &Environment) -> Option<PathBuf> {
    // systemd separates several by colons; the first is the one of the service.
    let systemd = environment.get("STATE_DIRECTORY").and_then(|all| all.split(':').next()).map(PathBuf::from);
    systemd
        .filter(|path| path.is_absolute())
        .or_else(|| environment.absolute_path("XDG_STATE_HOME").map(|base| base.join("portunus")))
        .or_else(|| environment.absolute_path("HOME").map(|home| home.join(".local/state/portunus")))
}
