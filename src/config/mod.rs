//! The configuration: typed twice, as it is written and as it is true.
//!
//! In: the text of `proxy.toml`, the environment, flags; all three are parameters. Out: a [`Config`], or every
//! [`Problem`] at once, each with its line and column, its variable or its flag. Always: one table of settings
//! makes the reader, the names of the variables, "did you mean" and the `proxy.toml` in the root; a secret is
//! named by its source and is never in the file; flags go before the environment, and that before the file.
//! Refuses to know: what the rooms do with their settings.

mod codes;
mod document;
mod environment;
mod forward_proxy;
mod layers;
mod problem;
mod reader;
mod reference;
mod secret_form;
mod secret_source;
mod section;
mod setting;
#[cfg(test)]
mod tests;
mod units;
mod values;

pub use crate::private_file::PrivateFileError;
pub use crate::state_dir::{StateDir, StateError};
pub use environment::{CONFIG_VARIABLE, Environment, Flag};
pub use forward_proxy::{ForwardProxy, ProxyChoice};
pub use problem::{Place, Problem, Problems};
pub use reference::reference;
pub use secret_source::{Person, SecretCause, SecretError, SecretSource, Surroundings};
#[cfg(feature = "bench")]
pub use section::bench::Bench;
pub use section::dialect::{LeftOpen, Overrides as DialectOverrides, PathTemplate};
pub use section::guard::{AllowedHost, Guard, Origin};
pub use section::identity::{Allowance, Choosing, Identity, PathPrefix};
pub use section::limits::Limits;
pub use section::listen::Listen;
pub use section::log::Log;
pub use section::login::{Email, Login};
pub use section::portal::{ClientHashError, ClientHashSource, Portal, PortalName};
pub use section::requests::RequestTemplate;
pub use section::route::{AtExpiry, Bearer, PathPattern, Protect, Replay, Route};
pub use section::session::Session;
pub use section::state::{LoginStore, RedisSettings, StoreKind};
pub use section::upstream::{Cookies, ExtraHeader, ExtraValue, Forwarded, KeyPin, Upstream};
pub use setting::{Fallback, Kind, Setting};
pub(crate) use units::duration;
pub use values::Auto;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::identity::IdentityName;
use crate::portal::Dialect;

use document::Table;
use reader::Reader;
use section::identity::{MOST_IDENTITIES, Surrounding};

/// No configuration is longer; a file that is was named by mistake.
const LONGEST_FILE: u64 = 1 << 20;

/// What is true. Whoever holds one needs to check nothing any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What this proxy is called on this machine: the file's name without its ending.
    pub name: String,
    /// Whose this is: that of [`Config::of`], or [`IdentityName::sole`].
    pub identity: IdentityName,
    /// Where local programs reach the proxy.
    pub listen: Listen,
    /// Whether it may be reached by others than this machine: the flag was given, and callers have to prove who they
    /// are.
    pub may_be_exposed: bool,
    /// Where the portal is.
    pub upstream: Upstream,
    /// The forward proxy on the way there, if there is one.
    pub forward_proxy: Option<ForwardProxy>,
    /// Which portal.
    pub portal: Portal,
    /// Where the deployment departs from its dialect.
    pub dialect: DialectOverrides,
    /// What signs in.
    pub login: Login,
    /// How the login and the channel are kept alive.
    pub session: Session,
    /// Exceptions for single paths; the first that fits holds.
    pub routes: Vec<Route>,
    /// How a request names one of several identities.
    pub choosing: Choosing,
    /// The identities; none stands for the one of `[login]`.
    pub identities: Vec<Identity>,
    /// Who may speak to the proxy.
    pub guard: Guard,
    /// Bounds.
    pub limits: Limits,
    /// The state directory; [`StateDir::open`] makes and checks it.
    pub state_dir: PathBuf,
    /// How logins are kept there.
    pub login_store: LoginStore,
    /// Whether the process may be dumped to a core file.
    pub core_dump: bool,
    /// The admin socket, if there is to be one.
    pub admin_socket: Option<PathBuf>,
    /// What is told on stderr.
    pub log: Log,
    /// A sign-in that exists already.
    #[cfg(feature = "bench")]
    pub bench: Option<Bench>,
}

/// What a configuration is read from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The file, if there is one.
    pub file: Option<&'a Path>,
    /// The environment.
    pub environment: &'a Environment,
    /// Settings of the command line.
    pub flags: &'a [Flag],
    /// Whether `--unsafe-listen` was given. There is no setting for it: it should hurt a little each time.
    pub unsafe_listen: bool,
}

impl Config {
    /// Reads the file, if there is one, and everything else.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(inputs: &Inputs<'_>) -> Result<Self, Problems> {
        let text = match inputs.file {
            Some(path) => read_file(path).map_err(Problems::from_one)?,
            None => String::new(),
        };
        Self::from_text(&text, inputs)
    }

    /// As [`Config::load`], with the text of the file at hand; its path only serves for names and directories.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn from_text(text: &str, inputs: &Inputs<'_>) -> Result<Self, Problems> {
        let name: Option<Arc<str>> = inputs.file.map(|path| path.to_string_lossy().into());
        let mut reader = Reader::new(inputs.environment, inputs.flags, inputs.file.zip(name.clone()));
        let document = match name {
            Some(name) => document::parse(&name, text, reader.problems()),
            None => document::parse(&"configuration".into(), text, reader.problems()),
        };
        // Where the text is no TOML, a password may stand in another's place, behind a list that is not closed, say: no
        // value is looked at then, since a message would repeat it.
        if !reader.problems().is_empty() {
            let found = Problems::found(reader.into_problems());
            return Err(found.unwrap_or_else(unreadable));
        }
        let config = Self::read(&mut reader, &document, inputs);
        match (Problems::found(reader.into_problems()), config) {
            (None, Some(config)) => Ok(config),
            (Some(problems), _) => Err(problems),
            (None, None) => Err(unreadable()),
        }
    }

    fn read(reader: &mut Reader<'_>, document: &Table, inputs: &Inputs<'_>) -> Option<Self> {
        report_unknown_sections(reader, document);
        let name = section::admin::name_of(inputs.file);

        let upstream = Upstream::read(&mut reader.section("upstream", document));
        let forward_proxy = upstream.as_ref().and_then(|upstream| {
            let found = forward_proxy::on_the_way(upstream.proxy.as_ref(), &upstream.url, inputs.environment);
            found.map_err(|problem| reader.report(problem)).ok()
        });
        let portal = Portal::read(&mut reader.section("portal", document));
        let preset = portal.as_ref().map(|portal| portal.dialect);
        let dialect = DialectOverrides::read(&mut reader.section("dialect", document), preset);
        if let (Some(portal), Some(dialect)) = (&portal, &dialect) {
            for text in spelled(portal, dialect).1 {
                reader.report(Problem::new(&Place::Nowhere, format!("[dialect] {text}")));
            }
        }
        let login = Login::read(&mut reader.section("login", document));
        let session = Session::read(&mut reader.section("session", document));
        let guard = Guard::read(&mut reader.section("guard", document));
        // A key that is written but wrong was reported; it is not missing as well.
        let has_key = guard.as_ref().is_none_or(|guard| guard.local_key.is_some());
        let listen = Listen::read(&mut reader.section("listen", document), inputs.unsafe_listen, has_key);
        let proves_callers = has_key || listen.as_ref().is_some_and(|listen| listen.client_ca_file.is_some());
        let may_be_exposed = inputs.unsafe_listen && proves_callers;
        let limits = Limits::read(&mut reader.section("limits", document));
        let state = section::state::State::read(&mut reader.section("state", document));
        let state_dir = state.as_ref().map(|(dir, ..)| dir.as_path());
        let admin_socket =
            section::admin::Admin::read(&mut reader.section("admin", document), &name, state_dir);
        let local_key_header = guard.as_ref().map(|guard| &guard.local_key_header);
        let choosing = Choosing::read(&mut reader.section("identities", document), local_key_header);
        let around = Surrounding {
            login: login.as_ref(),
            unsafe_listen: inputs.unsafe_listen,
            proves_callers,
            sends_cookies: upstream.as_ref().is_some_and(Upstream::sends_cookies),
            addresses: listen.as_ref().map(|listen| listen.addresses.clone()).unwrap_or_default(),
            sockets: (listen.iter().filter_map(|listen| listen.unix_socket.clone()))
                .chain(admin_socket.iter().flatten().cloned())
                .collect(),
        };
        let identities = read_identities(reader, document, &around);
        if let (Some(choosing), Some(identities)) = (&choosing, &identities) {
            choosing.check_default(&mut reader.section("identities", document), identities);
        }
        let log = Log::read(&mut reader.section("log", document));
        let routes = read_routes(reader, document);
        #[cfg(feature = "bench")]
        let bench = Bench::read(reader, document);

        // Last, since only now it is known which variables the file itself names.
        let settings: Vec<&Setting> = section::settings().collect();
        reader.report_unknown_flags(&settings);
        inputs.environment.report_unknown(reader, &settings);

        let (state_dir, login_store, core_dump) = state?;
        Some(Self {
            name,
            identity: IdentityName::sole(),
            listen: listen?,
            may_be_exposed,
            upstream: upstream?,
            forward_proxy: forward_proxy?,
            portal: portal?,
            dialect: dialect?,
            login: login?,
            session: session?,
            routes: routes?,
            choosing: choosing?,
            identities: identities?,
            guard: guard?,
            limits: limits?,
            state_dir,
            login_store,
            core_dump,
            admin_socket: admin_socket?,
            log: log?,
            #[cfg(feature = "bench")]
            bench,
        })
    }

    /// What is true for one of the identities: its own settings in place of those that it takes the place of.
    #[must_use]
    pub fn of(&self, identity: &Identity) -> Self {
        Self {
            identity: identity.name.clone(),
            login: identity.login(&self.login),
            portal: identity.portal(&self.portal),
            upstream: identity.upstream(&self.upstream),
            ..self.clone()
        }
    }

    /// What is true for each of the identities, in their order; without any, for the one of `[login]`.
    pub fn each(&self) -> Vec<Self> {
        match self.identities.as_slice() {
            [] => vec![self.clone()],
            several => several.iter().map(|identity| self.of(identity)).collect(),
        }
    }

    /// That of the identities whose configuration this is; none where it is the one of `[login]`.
    pub fn own(&self) -> Option<&Identity> {
        self.identities.iter().find(|identity| identity.name == self.identity)
    }

    /// The setting that holds the password, and what it says, for a person who has to change it there.
    pub fn password_source(&self) -> Option<String> {
        let source = self.login.password.as_ref()?;
        Some(match self.own().filter(|identity| identity.email.is_some()) {
            Some(identity) => format!("password of [[identity]] {}: {source}", identity.name),
            None => format!("login.password: {source}"),
        })
    }

    /// The deployment's spelling: its preset with the overrides put in.
    pub fn dialect(&self) -> Dialect {
        spelled(&self.portal, &self.dialect).0
    }

    /// What secrets are fetched from.
    pub fn surroundings<'a>(
        &self,
        environment: &'a Environment,
        person: Option<&'a (dyn Person + Sync)>,
    ) -> Surroundings<'a> {
        Surroundings { environment, person, command_timeout: self.limits.secret_command }
    }
}

/// All settings there are, in the order of `proxy.toml`.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    section::settings()
}

/// The preset with the overrides put in, and what does not hold together then.
fn spelled(portal: &Portal, overrides: &DialectOverrides) -> (Dialect, Vec<String>) {
    let mut dialect = Dialect::preset(portal.dialect, portal.name.as_str());
    let problems = overrides.apply(&mut dialect);
    (dialect, problems)
}

fn read_routes(reader: &mut Reader<'_>, document: &Table) -> Option<Vec<Route>> {
    let mut routes: Vec<(Route, Place)> = Vec::new();
    let mut all_good = true;
    for (table, place) in reader.repeated("route", document) {
        match Route::read(&mut reader.one_of("route", table, place.clone()), &routes) {
            Some(route) => routes.push((route, place)),
            None => all_good = false,
        }
    }
    all_good.then(|| routes.into_iter().map(|(route, _)| route).collect())
}

fn read_identities(
    reader: &mut Reader<'_>,
    document: &Table,
    around: &Surrounding<'_>,
) -> Option<Vec<Identity>> {
    let mut identities = Vec::new();
    let mut all_good = true;
    for (nth, (table, place)) in reader.repeated("identity", document).into_iter().enumerate() {
        if nth == MOST_IDENTITIES {
            reader.report(Problem::new(&place, format!("there are more than {MOST_IDENTITIES} identities")));
        }
        match Identity::read(&mut reader.one_of("identity", table, place), &identities, around) {
            Some(identity) => identities.push(identity),
            None => all_good = false,
        }
    }
    all_good.then_some(identities)
}

fn unreadable() -> Problems {
    Problems::from_one(Problem::new(&Place::Nowhere, "the configuration is unreadable"))
}

fn report_unknown_sections(reader: &mut Reader<'_>, document: &Table) {
    let names = section::CHAPTERS.map(|(name, _, _)| name);
    let is_known = |name: &str| names.contains(&name) || (cfg!(feature = "bench") && name == "bench");
    for entry in document.entries().filter(|entry| !is_known(&entry.key)) {
        let key = entry.key.escape_debug();
        let text = match &entry.written.value {
            document::Value::Table(_) => {
                let meant = problem::nearest(&entry.key, names);
                let advice = meant.map(|meant| format!("; did you mean [{meant}]?")).unwrap_or_default();
                format!("unknown section [{key}]{advice}")
            }
            _ => {
                format!("unknown key '{key}' before any section{}", layers::belongs_elsewhere(&entry.key, ""))
            }
        };
        reader.report(Problem::new(&entry.key_place, text));
    }
}

/// The file's text. What it says decides where a bearer goes and which programs run, so nobody else may write it.
fn read_file(path: &Path) -> Result<String, Problem> {
    let name: Arc<str> = path.to_string_lossy().into();
    let whole = Place::File(Arc::clone(&name));
    let unreadable = |error: std::io::Error| {
        let problem = Problem::new(&whole, format!("cannot be read: {error}"));
        if error.kind() == std::io::ErrorKind::NotFound {
            problem.hint(format!("name another with --config or {CONFIG_VARIABLE}"))
        } else {
            problem
        }
    };
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.is_file() && about.mode() & 0o002 != 0 {
        let problem = Problem::new(
            &whole,
            format!("can be written by everybody (its mode is {:04o})", about.mode() & 0o7777),
        );
        return Err(problem.hint(format!("chmod o-w {name}")));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(Problem::new(&whole, "is longer than any configuration (1MiB)"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (line, column) = document::line_and_column(error.as_bytes(), error.utf8_error().valid_up_to());
        Problem::new(&Place::Spot { file: name, line, column }, "is not UTF-8 text from here on")
    })
}
