//! The environment as a parameter, and the settings that it and the command line give.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::Bound;
use std::path::PathBuf;

use inherited::Sockets;

use super::problem::{Place, Problem, nearest};
use super::reader::Reader;
use super::setting::Setting;

/// What every variable of ours begins with.
const PREFIX: &str = "PORTUNUS_";

/// Variables of ours that are no settings.
const OTHERS: [&str; 1] = [CONFIG_VARIABLE];

/// The variable that names the configuration file.
pub const CONFIG_VARIABLE: &str = "PORTUNUS_CONFIG";

/// Sockets are passed with these, once; whoever is started by us must not take them for his own.
const PASSED: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The environment variables and the sockets, handed in by whoever starts us; `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    sockets: Sockets,
}

impl Environment {
    /// The text of a variable; one that is empty counts as not set, and one that is not UTF-8 has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.to_str().filter(|text| !text.is_empty())
    }

    /// The path that a variable holds, if it is absolute: the XDG rule for all such variables.
    pub fn absolute_path(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.variables.get(name)?);
        path.is_absolute().then_some(path)
    }

    /// The same with the sockets that the process was started with.
    #[must_use]
    pub fn with_sockets(self, sockets: Sockets) -> Self {
        Self { sockets, ..self }
    }

    /// The sockets that the process was started with.
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// What a helper program may see: everything but what is ours, since ours may be secret, or spent.
    pub(super) fn for_helpers(&self) -> impl Iterator<Item = (&String, &OsString)> {
        self.variables
            .iter()
            .filter(|(name, _)| !name.starts_with(PREFIX) && !PASSED.contains(&name.as_str()))
    }

    /// Whether none of the variables is ours: then nothing has to be looked for.
    pub(super) fn has_none_of_ours(&self) -> bool {
        let mut from = self.variables.range::<str, _>((Bound::Included(PREFIX), Bound::Unbounded));
        !from.next().is_some_and(|(name, _)| name.starts_with(PREFIX))
    }

    /// The text given for a setting, and the variable that gives it.
    pub(super) fn given(&self, setting: &Setting) -> Option<(String, &OsString)> {
        let name = setting.variable();
        let text = self.variables.get(&name)?;
        (!text.is_empty()).then_some((name, text))
    }

    /// Complains about variables that look like settings and are none.
    pub(super) fn report_unknown(&self, reader: &mut Reader<'_>, settings: &[&Setting]) {
        if self.has_none_of_ours() {
            return;
        }
        let mut known: Vec<String> = OTHERS.map(str::to_owned).to_vec();
        for setting in settings.iter().filter(|setting| !setting.repeated()) {
            known.push(setting.variable());
            known.extend(setting.file_variable());
        }
        for name in self.variables.keys().filter(|name| name.starts_with(PREFIX)) {
            if known.contains(name) || set_by_an_orchestrator(name) || reader.mentions(name) {
                continue;
            }
            let meant = nearest(name, known.iter().map(String::as_str));
            let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            reader.report(Problem::new(&Place::Variable(name.clone()), format!("unknown setting{meant}")));
        }
    }
}

/// Kubernetes and Docker links describe a service named `portunus` in variables that begin as ours do.
fn set_by_an_orchestrator(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    rest == "PORT"
        || rest == "NAME"
        || ["PORT_", "SERVICE_", "ENV_"].iter().any(|start| rest.starts_with(start))
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        // A name that is not UTF-8 is none that we ask for.
        let pair = |(name, value): (K, V)| Some((name.into().into_string().ok()?, value.into()));
        Self { variables: variables.into_iter().filter_map(pair).collect(), sockets: Sockets::default() }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// A setting given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As it is named in a message: `--listen`.
    pub name: String,
    /// Which setting, as `section.key`: `listen.addresses`. One that does not exist is a problem like any other.
    pub setting: String,
    /// As it was given. The last flag for a setting wins, except that a list takes all.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_only() {
        let environment: Environment = [("PORTUNUS_LOGIN_PASSWORD", "CNRY")].into_iter().collect();
        assert_eq!(format!("{environment:?}"), r#"{"PORTUNUS_LOGIN_PASSWORD"}"#);
    }

    #[test]
    fn an_empty_variable_is_not_set_and_a_relative_directory_is_ignored() {
        let environment: Environment = [("A", ""), ("B", "b"), ("C", "/c")].into_iter().collect();
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.get("B"), Some("b"));
        assert_eq!(environment.absolute_path("B"), None);
        assert_eq!(environment.absolute_path("C"), Some(PathBuf::from("/c")));
    }

    #[test]
    fn helpers_see_none_of_our_variables() {
        let ours = ["PORTUNUS_LOGIN_PASSWORD", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
        let environment: Environment = ours.into_iter().chain(["PATH"]).map(|name| (name, "x")).collect();
        assert_eq!(environment.for_helpers().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["PATH"]);
    }
}
