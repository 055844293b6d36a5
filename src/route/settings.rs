//! What the table is made from.

use http::Method;

use super::{HeaderSettings, Policy};

/// Whether a request's body is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// Always; a plain answer to it must be an error.
    Sealed,
    /// Never.
    Plain,
    /// Plain, until the portal says `SECURE_CHANNEL.INVALID_PAYLOAD` once.
    #[default]
    Auto,
}

/// Whether a request carries the session's bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bearer {
    /// It does, and waits for a session if there is none.
    #[default]
    Required,
    /// It never does: the calls before a login (PROTOCOL section 2).
    Never,
}

/// When a request that the portal refused unprocessed, for its token or its channel, is sent again by the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Replay {
    /// Never.
    Never,
    /// If its method is idempotent (RFC 9110 section 9.2.2) and its body is at hand.
    Idempotent,
    /// Whatever its method, if its body is at hand.
    #[default]
    Buffered,
}

impl Replay {
    /// Whether it allows a request of this method, with its body at hand, to be sent again.
    pub fn allows(self, method: &Method) -> bool {
        match self {
            Self::Never => false,
            Self::Idempotent => method.is_idempotent(),
            Self::Buffered => true,
        }
    }
}

/// What becomes of an answer that still streams, or of a WebSocket, when the bearer that it was asked for with ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtExpiry {
    /// It goes on: the portal let it begin.
    #[default]
    LetRun,
    /// It breaks off.
    Close,
}

/// One rule, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// A path relative to the base URL: literal segments, `{name}` for any one segment, and at the end `/*` for
    /// the path and all below it, or `*` for any rest of the last segment.
    pub path: String,
    /// The methods it is for; empty for all. GET stands for HEAD too.
    pub methods: Vec<Method>,
    /// Whether bodies are sealed.
    pub protection: Protection,
    /// Whether the bearer goes along.
    pub bearer: Bearer,
    /// When it may be sent again.
    pub replay: Replay,
    /// What becomes of its streams when their bearer ends; the table's choice, if it has none.
    pub at_expiry: Option<AtExpiry>,
    /// Origins whose pages may use it, beside those that the guard allows everywhere.
    pub allow_origin: Vec<String>,
}

impl Rule {
    /// A rule for `path` with every default.
    pub fn for_path(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            methods: Vec::new(),
            protection: Protection::default(),
            bearer: Bearer::default(),
            replay: Replay::default(),
            at_expiry: None,
            allow_origin: Vec::new(),
        }
    }
}

/// What the table is made from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The rules; the first that matches counts.
    pub rules: Vec<Rule>,
    /// What a path that no rule matches gets.
    pub unmatched: Protection,
    /// What becomes of streams when their bearer ends, where no rule says otherwise.
    pub at_expiry: AtExpiry,
    /// Path and query together, in bytes; one more is answered 414.
    pub max_target_bytes: usize,
    /// Paths that may be learnt to need sealing; the next one is not remembered.
    pub max_learned: usize,
    /// What may be asked for at all.
    pub policy: Policy,
    /// Which header fields travel on.
    pub headers: HeaderSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            unmatched: Protection::Auto,
            at_expiry: AtExpiry::LetRun,
            max_target_bytes: 8 * 1024,
            max_learned: 1024,
            policy: Policy::default(),
            headers: HeaderSettings::default(),
        }
    }
}
