//! `[[route]]`: exceptions for single paths.

use http::Method;

use crate::config::document::Written;
use crate::config::layers::Section;
use crate::config::problem::{Place, Problem, quoted};
use crate::config::reader::Reader;
use crate::config::section::guard::Origin;
use crate::config::setting::{Fallback, Kind, Setting, section, words};
use crate::config::values::{FromWritten, Words};

section! {
    /// An exception for one path.
    pub struct Route in "route" {
        "The path it is about, below the portal's base URL. {name} stands for one segment; /* at the end for the path \
         and all below it, and * for whatever the last segment goes on with."
            path: PathPattern = Fallback::Required(r#""/web/v1/tenant/orders/*""#), Kind::Text("a path");
        "Which methods; none stands for all, and GET for HEAD as well."
            methods: Vec<Method> = Fallback::Is("[]"), Kind::List(r#"methods: "GET", "POST""#);
        "Whether bodies are sealed; auto is what the dialect says, and learns from the portal's complaints."
            protect: Protect = Fallback::Is(r#""auto""#), Kind::Choice(Protect::WORDS);
        "Whether the bearer is put in, for which a request waits for a login."
            bearer: Bearer = Fallback::Is(r#""required""#), Kind::Choice(Bearer::WORDS);
        "Which requests may be sent again after a refusal or a lost connection: none, those that are idempotent, \
         or any whose body is at hand and which the portal shows it did not process."
            replay: Replay = Fallback::Is(r#""buffered""#), Kind::Choice(Replay::WORDS);
        "What becomes of an answer that still streams, or of a WebSocket, when the bearer that it was asked for with \
         ends; session.at_expiry, if it is not written."
            at_expiry: Option<AtExpiry> = Fallback::Nothing(r#""close""#), Kind::Choice(AtExpiry::WORDS);
        "Web pages that may call this path, beyond guard.allowed_origins."
            allow_origin: Vec<Origin> = Fallback::Is("[]"), Kind::List(r#"origins: "http://localhost:5173""#);
    }
}

impl Route {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>, others: &[(Self, Place)]) -> Option<Self> {
        let route = Self::fields(section)?;
        // The first that fits holds: behind one that takes all of it, a route would never be asked.
        let hidden_by = others.iter().find(|(other, _)| other.covers(&route));
        if let Some((other, at)) = hidden_by {
            let text =
                format!("the route for {} before it already takes all of {}", other.path.0, route.path.0);
            let place = section.place_of("path", Self::SETTINGS);
            let hint = match at {
                Place::Spot { line, .. } => format!("put it before the one in line {line}"),
                Place::Nowhere | Place::File(_) | Place::Variable(_) | Place::Flag(_) => {
                    "change their order".into()
                }
            };
            section.reader.report(Problem::new(&place, text).hint(hint));
        }
        Some(route)
    }

    /// Whether every request that the other fits is taken by this one.
    fn covers(&self, other: &Self) -> bool {
        let takes = |method: &Method| {
            self.methods.contains(method) || (*method == Method::HEAD && self.methods.contains(&Method::GET))
        };
        let methods =
            self.methods.is_empty() || (!other.methods.is_empty() && other.methods.iter().all(takes));
        methods && self.path.covers(&other.path)
    }
}

/// A path, in which `{name}` stands for one segment; at its end, `/*` for it and all below, `*` for any rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(String);

impl PathPattern {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it certainly takes every path that the other takes.
    fn covers(&self, other: &Self) -> bool {
        let Some(prefix) = self.0.strip_suffix('*').filter(|prefix| !prefix.contains('{')) else {
            return self == other;
        };
        other.0.starts_with(prefix) || prefix.strip_suffix('/').is_some_and(|path| path == other.0)
    }

    /// What is wrong with a text as a pattern. A path that the portal could read as another one is none.
    pub(in crate::config) fn check(text: &str) -> Result<(), &'static str> {
        let path = text.strip_suffix('*').unwrap_or(text);
        if !path.starts_with('/') {
            return Err("does not begin with /");
        }
        if path.contains('*') {
            return Err("has a * that is not at its end");
        }
        if path.contains(['?', '#']) {
            return Err("has a ? or #, which a path does not");
        }
        if path.contains("//") || path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err("has an empty or dot segment, and no request with one is let in");
        }
        if !path.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`|".contains(&b)) {
            return Err("has a character that has to be percent-encoded");
        }
        let is_named = |segment: &str| {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            name.is_some_and(|name| !name.is_empty() && !name.contains(['{', '}']))
        };
        let braced = |segment: &str| segment.contains(['{', '}']);
        if text.split('/').any(|segment| braced(segment) && !is_named(segment)) {
            return Err("has a brace that is not a whole segment {name}");
        }
        Ok(())
    }
}

impl FromWritten for PathPattern {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        match Self::check(&text) {
            Ok(()) => Some(Self(text)),
            Err(wrong) => {
                let text = format!("'{}': {} {wrong}", setting.key, quoted(&text));
                reader.report(Problem::new(&written.place, text));
                None
            }
        }
    }
}

impl FromWritten for Method {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let refuse = |text: String| Problem::new(&written.place, text);
        match Self::from_bytes(text.as_bytes()) {
            Ok(Self::CONNECT | Self::TRACE) => {
                reader.report(refuse(format!("{text} is never let in")));
                None
            }
            // Methods are case-sensitive (RFC 9110 section 9.1): `get` would fit nothing.
            Ok(method) if !text.contains(|c: char| c.is_ascii_lowercase()) => Some(method),
            Ok(_) => {
                reader.report(refuse(format!(
                    "{} is no method; did you mean {:?}?",
                    quoted(&text),
                    text.to_uppercase()
                )));
                None
            }
            Err(_) => {
                reader.report(refuse(format!("{} is no method", quoted(&text))));
                None
            }
        }
    }
}

/// Whether the bodies of a route are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protect {
    /// As the dialect says, and as the portal teaches.
    Auto,
    /// Always.
    Sealed,
    /// Never.
    Plain,
}

words!(Protect {
    "auto" => Self::Auto,
    "sealed" => Self::Sealed,
    "plain" => Self::Plain,
});

/// Whether a route's requests carry the bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// They do, and wait for a login where there is none.
    Required,
    /// They never do.
    Never,
}

words!(Bearer {
    "required" => Self::Required,
    "never" => Self::Never,
});

/// What becomes of a stream when the bearer that it was asked for with ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtExpiry {
    /// It goes on.
    LetRun,
    /// It breaks off.
    Close,
}

words!(AtExpiry {
    "let-run" => Self::LetRun,
    "close" => Self::Close,
});

/// Which of a route's requests may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// None.
    Never,
    /// Those with an idempotent method (RFC 9110 section 9.2.2).
    Idempotent,
    /// Any that was provably not processed, and whose body is at hand.
    Buffered,
}

words!(Replay {
    "never" => Self::Never,
    "idempotent" => Self::Idempotent,
    "buffered" => Self::Buffered,
});
