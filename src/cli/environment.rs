//! The environment as a parameter: read once by `main`, looked up by whoever is handed it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use inherited::Sockets;

/// The environment's variables, and which of the standard streams are a terminal.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    /// The sockets that whoever started the program has opened for it.
    pub sockets: Sockets,
    /// Whether somebody can type.
    pub stdin_is_terminal: bool,
    /// Whether the data is read by a person.
    pub stdout_is_terminal: bool,
    /// Whether the talk is read by a person.
    pub stderr_is_terminal: bool,
}

impl Environment {
    /// The variables, and no terminal.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { variables: variables.into_iter().collect(), ..Self::default() }
    }

    /// The variable's value, if it is set and not empty.
    pub fn var_os(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The same where it is text.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.var_os(name).and_then(OsStr::to_str)
    }

    /// All variables, for whoever reads settings from them.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// An absolute directory from a variable; the XDG specification has relative ones ignored.
    pub fn directory(&self, name: &str) -> Option<PathBuf> {
        self.var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// `$XDG_CONFIG_HOME`, or `~/.config`.
    pub fn config_home(&self) -> Option<PathBuf> {
        self.directory("XDG_CONFIG_HOME").or_else(|| Some(self.directory("HOME")?.join(".config")))
    }

    /// `$XDG_STATE_HOME`, or `~/.local/state`.
    pub fn state_home(&self) -> Option<PathBuf> {
        self.directory("XDG_STATE_HOME").or_else(|| Some(self.directory("HOME")?.join(".local/state")))
    }

    /// Where the admin socket of a proxy with this configuration is unless something else is said, as
    /// `admin.socket` has it: NAME.sock in `$RUNTIME_DIRECTORY` (systemd), else in `$XDG_RUNTIME_DIR/portunus`,
    /// else in the default state directory. NAME is the configuration file's without its ending, so that each
    /// has its own. Never in `/tmp`.
    pub fn default_socket(&self, config: Option<&Path>) -> Option<PathBuf> {
        let base = |home: Option<PathBuf>| Some(home?.join("portunus"));
        let directory = self
            .directory("RUNTIME_DIRECTORY")
            .or_else(|| base(self.directory("XDG_RUNTIME_DIR")))
            .or_else(|| self.directory("STATE_DIRECTORY"))
            .or_else(|| base(self.state_home()))?;
        let mut file = config.and_then(Path::file_stem).unwrap_or(OsStr::new("portunus")).to_owned();
        file.push(".sock");
        Some(directory.join(file))
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn the_socket_is_in_the_runtime_directory_or_in_the_state_home() {
        let socket = |variables: &[_], config| environment(variables).default_socket(config);
        let run = [("XDG_RUNTIME_DIR", "/run/user/1000"), ("HOME", "/home/a")];
        assert_eq!(socket(&run, None), Some("/run/user/1000/portunus/portunus.sock".into()));
        assert_eq!(
            socket(&run, Some(Path::new("/etc/work.toml"))),
            Some("/run/user/1000/portunus/work.sock".into())
        );
        assert_eq!(
            socket(&[("XDG_RUNTIME_DIR", "relative"), ("HOME", "/home/a")], None),
            Some("/home/a/.local/state/portunus/portunus.sock".into())
        );
        assert_eq!(
            socket(&[("RUNTIME_DIRECTORY", "/run/portunus"), run[0]], None),
            Some("/run/portunus/portunus.sock".into())
        );
        assert_eq!(socket(&[], None), None);
    }

    #[test]
    fn an_empty_variable_counts_as_unset_and_debug_hides_values() {
        let environment = environment(&[("A", ""), ("PORTUNUS_PASSWORD", "CNRY-7")]);
        assert_eq!(environment.var("A"), None);
        assert!(!format!("{environment:?}").contains("CNRY-7"));
        assert_eq!(environment.variables().count(), 2);
    }
}
