//! `[admin]`: the socket of `portunus login`, `status` and `logout`.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::config::environment::Environment;
use crate::config::layers::Section;
use crate::config::problem::Problem;
use crate::config::setting::{Fallback, Kind, section};
use crate::config::values::Auto;

/// What `sun_path` holds on the systems there are, without its final NUL: 108 bytes on Linux, 104 elsewhere.
const LONGEST_SOCKET_PATH: usize = 103;

section! {
    /// The admin socket, as written.
    pub(in crate::config) struct Admin in "admin" {
        "Whether there is one."
            enabled: bool = Fallback::Is("true"), Kind::Switch;
        "Its path. \"auto\" is NAME.sock in $RUNTIME_DIRECTORY (systemd), else in $XDG_RUNTIME_DIR/portunus, else \
         in the state directory; NAME is that of the configuration file without its ending."
            socket: Auto<PathBuf> = Fallback::Is(r#""auto""#), Kind::Path;
    }
}

impl Admin {
    /// The socket's path, if there is to be one.
    pub(in crate::config) fn read(
        section: &mut Section<'_, '_>,
        name: &str,
        state: Option<&Path>,
    ) -> Option<Option<PathBuf>> {
        let admin = Self::fields(section)?;
        if !admin.enabled {
            return Some(None);
        }
        let socket = match admin.socket {
            Auto::Given(path) => path,
            // Without a state directory that problem was reported, and is enough.
            Auto::Auto => runtime_directory(section.reader.environment)
                .or_else(|| state.map(Path::to_owned))?
                .join(format!("{name}.sock")),
        };
        if socket.as_os_str().as_bytes().len() > LONGEST_SOCKET_PATH {
            let place = section.place_of("socket", Self::SETTINGS);
            let text =
                format!("the socket's path has more than {LONGEST_SOCKET_PATH} bytes: {}", socket.display());
            section.reader.report(Problem::new(&place, text).hint("set a shorter one in [admin] socket"));
        }
        Some(Some(socket))
    }
}

fn runtime_directory(environment: &Environment) -> Option<PathBuf> {
    let systemd =
        environment.get("RUNTIME_DIRECTORY").and_then(|all| all.split(':').next()).map(PathBuf::from);
    systemd
        .filter(|path| path.is_absolute())
        .or_else(|| environment.absolute_path("XDG_RUNTIME_DIR").map(|base| base.join("portunus")))
}

/// The name that one proxy goes by on this machine: the configuration file's, made safe as a file name.
pub(in crate::config) fn name_of(file: Option<&Path>) -> String {
    let stem =
        file.and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = stem.chars().map(safe).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "portunus".into() } else { name.to_owned() }
}
