//! `[state]`: what outlives the process.

use std::path::PathBuf;

use crate::config::environment::Environment;
use crate::config::layers::Section;
use crate::config::problem::Problem;
use crate::config::setting::{Fallback, Kind, section};
use crate::config::values::Auto;

section! {
    /// What outlives the process, as written.
    pub(in crate::config) struct State in "state" {
        "The directory, 0700. \"auto\" is $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/portunus, else \
         ~/.local/state/portunus."
            dir: Auto<PathBuf> = Fallback::Is(r#""auto""#), Kind::Path;
    }
}

impl State {
    /// The directory's path.
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<PathBuf> {
        let state = Self::fields(section)?;
        let Auto::Auto = state.dir else {
            let Auto::Given(dir) = state.dir else { return None };
            return Some(dir);
        };
        let found = found(section.reader.environment);
        if found.is_none() {
            let place = section.place_of("dir", Self::SETTINGS);
            let text = "no state directory: neither HOME nor XDG_STATE_HOME is set";
            section.reader.report(Problem::new(&place, text).hint("write dir = \"/path\" in [state]"));
        }
        found
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
