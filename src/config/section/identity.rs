//! `[identities]` and `[[identity]]`: several sign-ins in one process, and how a request says whose it is.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::{HeaderName, Method, header};

use crate::config::document::Written;
use crate::config::layers::Section;
use crate::config::problem::{Problem, quoted};
use crate::config::reader::Reader;
use crate::config::secret_source::SecretSource;
use crate::config::section::guard::AllowedHost;
use crate::config::section::login::{Email, Login, check_codes};
use crate::config::section::portal::{ClientHashSource, Portal};
use crate::config::section::route::{PathPattern, Replay};
use crate::config::section::upstream::{Cookies, Upstream};
use crate::config::setting::{Fallback, Kind, Setting, count, section};
use crate::config::values::{FromWritten, Words as _};
use crate::identity::IdentityName;
use crate::session::MfaChoice;

/// As many as one process takes: each has tasks, a store and labels in the metrics.
pub(in crate::config) const MOST_IDENTITIES: usize = 64;

/// A host label is no longer (RFC 1035 section 2.3.4), and a name becomes one.
const LONGEST_LABEL: usize = 63;

section! {
    /// How a request says who it speaks for, where there are several.
    pub struct Choosing in "identities" {
        "The header by which a request may name one. It never travels on."
            header: HeaderName = Fallback::Is(r#""X-Portunus-Identity""#), Kind::Text("a header name");
        "Who a request speaks for that names nobody. Without it such a request is refused."
            default: Option<IdentityName> = Fallback::Nothing(r#""alice""#), Kind::Text("an identity's name");
    }
}

section! {
    /// One of several sign-ins.
    pub struct Identity in "identity" {
        "Its name: a-z, 0-9 and -. It becomes a host label, and the name of its files."
            name: IdentityName = Fallback::Required(r#""alice""#), Kind::Text("a name of a-z, 0-9 and -");
        "The account. Without it that of [login] is meant, with all that belongs to it."
            email: Option<Email> = Fallback::Nothing(r#""alice@example.com""#), Kind::Text("an e-mail address");
        "Its password."
            password: Option<SecretSource> = Fallback::Nothing(r#"{ command = ["pass", "portal/alice"] }"#), Kind::Secret;
        "The Base32 seed of its authenticator app."
            otp_secret: Option<SecretSource> = Fallback::Nothing(r#"{ file = "~/.config/portunus/otp-alice" }"#), Kind::Secret;
        "What prints the code of its newest e-mail, as in [login]."
            code_command: Option<SecretSource> = Fallback::Nothing(r#"{ command = ["fetch-portal-code", "alice"] }"#), Kind::Secret;
        "Its backup codes, as in [login]."
            backup_codes: Option<SecretSource> = Fallback::Nothing(r#"{ file = "~/.config/portunus/codes-alice" }"#), Kind::Secret;
        "Its second factor; what is left out is as in [login]."
            mfa: Option<MfaChoice> = Fallback::Nothing(r#""otp""#), Kind::Choice(MfaChoice::WORDS);
        "X-PORTAL-ACCESS-CODE, where it is not that of [portal]."
            access_code: Option<SecretSource> = Fallback::Nothing(r#"{ env = "ALICE_ACCESS_CODE" }"#), Kind::Secret;
        "X-Client-Hash. Left out, it is that of [portal]; and where that is \"auto\", one is made for each identity."
            client_hash: Option<ClientHashSource> = Fallback::Nothing(r#""auto""#), Kind::SecretOr("\"auto\", a hash");
        "The hosts that stand for it. Without it NAME.localhost does; a host without a port has those of [listen] and of its own addresses."
            hosts: Option<Vec<AllowedHost>> = Fallback::Nothing(r#"["alice.localhost"]"#), Kind::List(r#"hosts: "alice.localhost""#);
        "Addresses of its own: what comes there is its, under whatever name. One that is not loopback needs what one in [listen] needs."
            listen: Vec<SocketAddr> = Fallback::Is("[]"), Kind::List("addresses");
        "A unix socket of its own."
            unix_socket: Option<PathBuf> = Fallback::Nothing(r#""alice.sock""#), Kind::Path;
        "What becomes of cookies, where it is not as in [upstream]."
            cookies: Option<Cookies> = Fallback::Nothing(r#""strip""#), Kind::Choice(Cookies::WORDS);
        "How many of its requests may be on their way at once, where it is not as limits.in_flight_each says."
            in_flight: Option<usize> = Fallback::Nothing("64"), count(1, 1_000_000);
        "What its paths begin with. It is taken off before anything else looks at the path."
            path_prefix: Option<PathPrefix> = Fallback::Nothing(r#""/alice""#), Kind::Text("a path");
        "Whether it only reads: GET, HEAD and OPTIONS, and no WebSocket."
            read_only: bool = Fallback::Is("false"), Kind::Switch;
        "What it may ask for, as in [[route]] path, with a method before it or without; none stands for everything."
            allow: Vec<Allowance> = Fallback::Is("[]"), Kind::List(r#"paths: "GET /web/v1/*""#);
        "Which of its requests may be sent again at most; a [[route]] may say less."
            replay: Replay = Fallback::Is(r#""buffered""#), Kind::Choice(Replay::WORDS);
    }
}

impl Choosing {
    pub(in crate::config) fn read(
        section: &mut Section<'_, '_>,
        local_key_header: Option<&HeaderName>,
    ) -> Option<Self> {
        let choosing = Self::fields(section)?;
        let taken = [header::HOST, header::AUTHORIZATION, header::COOKIE, header::CONTENT_TYPE];
        let is_taken = Some(&choosing.header) == local_key_header
            || taken.contains(&choosing.header)
            || ["content-", "x-request-id", "x-portal-access-code", "x-client-hash"]
                .iter()
                .any(|start| choosing.header.as_str().starts_with(start));
        if is_taken {
            let place = section.place_of("header", Self::SETTINGS);
            let text = format!("'header' is {}, which means something else already", choosing.header);
            section.reader.report(Problem::new(&place, text));
        }
        Some(choosing)
    }

    /// Whether the default is somebody.
    pub(in crate::config) fn check_default(&self, section: &mut Section<'_, '_>, all: &[Identity]) {
        let Some(default) = &self.default else { return };
        if !all.iter().any(|identity| identity.name == *default) {
            let place = section.place_of("default", Self::SETTINGS);
            let text = format!("'default' is {default}, and no [[identity]] has this name");
            section.reader.report(Problem::new(&place, text));
        }
    }
}

/// What an identity must not share with what is configured outside of it.
#[derive(Debug, Default)]
pub(in crate::config) struct Surrounding<'a> {
    /// `[login]`.
    pub(in crate::config) login: Option<&'a Login>,
    /// Addresses of `[listen]`.
    pub(in crate::config) addresses: Vec<SocketAddr>,
    /// Whether `--unsafe-listen` was given.
    pub(in crate::config) unsafe_listen: bool,
    /// Whether callers have to prove who they are.
    pub(in crate::config) proves_callers: bool,
    /// Whether `[upstream]` sends cookies of its own.
    pub(in crate::config) sends_cookies: bool,
    /// Its unix socket, and the admin's.
    pub(in crate::config) sockets: Vec<PathBuf>,
}

impl Identity {
    pub(in crate::config) fn read(
        section: &mut Section<'_, '_>,
        others: &[Self],
        around: &Surrounding<'_>,
    ) -> Option<Self> {
        let identity = Self::fields(section)?;
        for (key, is_set) in [
            ("password", identity.password.is_some()),
            ("otp_secret", identity.otp_secret.is_some()),
            ("code_command", identity.code_command.is_some()),
            ("backup_codes", identity.backup_codes.is_some()),
        ] {
            if is_set && identity.email.is_none() {
                identity.report(section, key, format!("'{key}' is set, but 'email' is not"), None);
            }
        }
        let (mailed, backup) = (identity.code_command.as_ref(), identity.backup_codes.as_ref());
        check_codes(section, Self::SETTINGS, mailed, backup);
        if others.iter().any(|other| other.name == identity.name) {
            identity.report(section, "name", format!("two identities are called {}", identity.name), None);
        }
        if around.sends_cookies && identity.cookies == Some(Cookies::Jar) {
            let text = "'jar' sends cookies, and upstream.extra_headers does too";
            identity.report(section, "cookies", text.into(), Some("a request has one Cookie header"));
        }
        identity.check_account(section, others, around);
        identity.check_doors(section, others, around);
        identity.check_names(section, others);
        Some(identity)
    }

    /// An account has one lock-out budget and one login; in two stores each would be counted twice.
    fn check_account(&self, section: &mut Section<'_, '_>, others: &[Self], around: &Surrounding<'_>) {
        let account = |identity: &Self| {
            let email = identity.email.as_ref().or(around.login.and_then(|login| login.email.as_ref()));
            email.map(|email| email.as_str().to_lowercase())
        };
        let Some(mine) = account(self) else { return };
        if let Some(other) = others.iter().find(|other| account(other).as_ref() == Some(&mine)) {
            let text = format!("{} and {} sign in to the same account", other.name, self.name);
            let hint = "give it an account of its own: wrong passwords are counted for each identity, and two of them \
                        could lock one account";
            self.report(section, "email", text, Some(hint));
        }
    }

    fn check_doors(&self, section: &mut Section<'_, '_>, others: &[Self], around: &Surrounding<'_>) {
        let taken: BTreeSet<SocketAddr> =
            around.addresses.iter().chain(others.iter().flat_map(|other| &other.listen)).copied().collect();
        let mut own = BTreeSet::new();
        for address in &self.listen {
            // Port 0 is a free one each time.
            let is_twice = address.port() != 0 && (taken.contains(address) || !own.insert(*address));
            if is_twice {
                self.report(section, "listen", format!("{address} is listened on already"), None);
            }
            if !address.ip().to_canonical().is_loopback() {
                self.check_exposed(section, address, around);
            }
        }
        if let Some(path) = &self.unix_socket
            && (around.sockets.contains(path)
                || others.iter().any(|other| other.unix_socket.as_ref() == Some(path)))
        {
            let text = format!("{} is another socket already", path.display());
            self.report(section, "unix_socket", text, None);
        }
    }

    /// The rule of `[listen]`: whoever reaches it acts as this identity.
    fn check_exposed(&self, section: &mut Section<'_, '_>, address: &SocketAddr, around: &Surrounding<'_>) {
        if !around.unsafe_listen {
            let text =
                format!("{address} is not a loopback address: whoever reaches it acts as {}", self.name);
            let hint = "listen on 127.0.0.1 or [::1]; or add the flag --unsafe-listen and set guard.local_key or \
                        listen.client_ca_file";
            self.report(section, "listen", text, Some(hint));
        } else if !around.proves_callers {
            let text = format!("{address} is not a loopback address, and guard.local_key is not set");
            let hint = "set guard.local_key, which every caller then has to show; or listen.client_ca_file, which \
                        asks each for a certificate";
            self.report(section, "listen", text, Some(hint));
        }
    }

    fn check_names(&self, section: &mut Section<'_, '_>, others: &[Self]) {
        let mine = self.hosts();
        for (nth, host) in mine.iter().enumerate() {
            let other = others.iter().find(|other| other.hosts().iter().any(|theirs| theirs.meets(host)));
            if let Some(other) = other {
                let text = format!("the host {} stands for {} already", host.authority(), other.name);
                self.report(section, "hosts", text, None);
            }
            if mine[..nth].iter().any(|before| before.meets(host)) {
                self.report(
                    section,
                    "hosts",
                    format!("the host {} stands there twice", host.authority()),
                    None,
                );
            }
        }
        let prefixes = others.iter().filter_map(|other| Some((other, other.path_prefix.as_ref()?)));
        if let Some(prefix) = &self.path_prefix
            && let Some((other, theirs)) = prefixes.into_iter().find(|(_, theirs)| theirs.meets(prefix))
        {
            let text =
                format!("the path {} of {} and this one lie within each other", theirs.as_str(), other.name);
            self.report(section, "path_prefix", text, Some("give each a first segment of its own"));
        }
    }

    fn report(&self, section: &mut Section<'_, '_>, key: &str, text: String, hint: Option<&str>) {
        let place = section.place_of(key, Self::SETTINGS);
        let problem = Problem::new(&place, text);
        section.reader.report(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }

    /// The hosts that stand for it.
    pub fn hosts(&self) -> Vec<AllowedHost> {
        let default = || AllowedHost::parse(&format!("{}.localhost", self.name)).into_iter().collect();
        self.hosts.clone().unwrap_or_else(default)
    }

    /// What signs it in, where `login` is `[login]`.
    pub(in crate::config) fn login(&self, login: &Login) -> Login {
        let mut own = login.clone();
        if self.email.is_some() {
            // The secrets of one account are never sent for another.
            own.email.clone_from(&self.email);
            own.password.clone_from(&self.password);
            own.otp_secret.clone_from(&self.otp_secret);
            own.code_command.clone_from(&self.code_command);
            own.backup_codes.clone_from(&self.backup_codes);
            own.use_backup_codes = login.use_backup_codes && self.backup_codes.is_some();
        }
        own.mfa = self.mfa.unwrap_or(login.mfa);
        own
    }

    /// The way to the portal, where `upstream` is `[upstream]`.
    pub(in crate::config) fn upstream(&self, upstream: &Upstream) -> Upstream {
        let mut own = upstream.clone();
        own.cookies = self.cookies.unwrap_or(upstream.cookies);
        own
    }

    /// How it names itself, where `portal` is `[portal]`.
    pub(in crate::config) fn portal(&self, portal: &Portal) -> Portal {
        let mut own = portal.clone();
        if self.access_code.is_some() {
            own.access_code.clone_from(&self.access_code);
        }
        own.client_hash = match self.client_hash.clone().unwrap_or_else(|| portal.client_hash.clone()) {
            ClientHashSource::Auto => ClientHashSource::Own(self.name.clone()),
            other => other,
        };
        own
    }
}

impl FromWritten for IdentityName {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let is_label = text.len() <= LONGEST_LABEL
            && !text.contains('_')
            && !text.starts_with('-')
            && !text.ends_with('-');
        let name = Self::new(&text).ok().filter(|_| is_label);
        if name.is_none() {
            let text = format!(
                "'{}' must be 1 to {LONGEST_LABEL} of a-z, 0-9 and -, with none of these at an end, not {}",
                setting.key,
                quoted(&text)
            );
            reader.report(Problem::new(&written.place, text));
        }
        name
    }
}

/// What the paths of an identity begin with: `/alice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether some path begins with both.
    fn meets(&self, other: &Self) -> bool {
        let within = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        within(&self.0, &other.0) || within(&other.0, &self.0)
    }
}

impl FromWritten for PathPrefix {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let wrong = match PathPattern::check(&text) {
            Err(wrong) => wrong,
            Ok(()) if text.contains(['*', '{', '%', ';']) => "has a character that a prefix does not",
            Ok(()) if text.ends_with('/') => "ends with /",
            Ok(()) => return Some(Self(text)),
        };
        let text = format!("'{}': {} {wrong}", setting.key, quoted(&text));
        reader.report(Problem::new(&written.place, text).hint(r#"write "/alice""#));
        None
    }
}

/// What an identity may ask for: a path, and a method if one stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// All, if none.
    pub method: Option<Method>,
    /// As in `[[route]]`.
    pub path: String,
}

impl FromWritten for Allowance {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (Some(method), path.trim_start()),
            None => (None, text.as_str()),
        };
        if let Err(wrong) = PathPattern::check(path) {
            let text = format!("'{}': {} {wrong}", setting.key, quoted(path));
            reader.report(Problem::new(&written.place, text));
            return None;
        }
        let method = match method {
            Some(method) => {
                let place = written.place.clone();
                let value = crate::config::document::Value::Text(method.to_owned());
                Some(Method::from_written(&Written { place, value }, setting, reader)?)
            }
            None => None,
        };
        Some(Self { method, path: path.to_owned() })
    }
}
