//! What one identity may ask for.

use http::Method;

use super::pattern::{BadPattern, Pattern};
use super::table::serves;
use super::{NoRoute, Replay};

/// What one identity may ask for, as it is written. The default allows everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether it only reads: safe methods (RFC 9110 section 9.2.1), and no WebSocket.
    pub read_only: bool,
    /// Methods and paths, as those of a [`Rule`](super::Rule); none stands for everything.
    pub allow: Vec<(Option<Method>, String)>,
    /// No request of its is sent again in more cases than this, whatever a rule says.
    pub most_replay: Replay,
}

/// The same, compiled.
#[derive(Debug)]
pub(super) struct Permit {
    read_only: bool,
    allow: Box<[(Option<Method>, Pattern)]>,
    most_replay: Replay,
}

impl Permit {
    pub(super) fn compile(policy: Policy) -> Result<Self, BadPattern> {
        let Policy { read_only, allow, most_replay } = policy;
        let allow = allow.into_iter().map(|(method, path)| Ok((method, Pattern::compile(&path)?)));
        Ok(Self { read_only, allow: allow.collect::<Result<_, _>>()?, most_replay })
    }

    /// Whether it may ask for a path, given in its matching form.
    pub(super) fn check(&self, method: &Method, path: &str) -> Result<(), NoRoute> {
        if self.read_only && !method.is_safe() {
            return Err(NoRoute::ReadOnly);
        }
        let allows = |(of, pattern): &(Option<Method>, Pattern)| {
            of.as_ref().is_none_or(|of| serves(std::slice::from_ref(of), method)) && pattern.matches(path)
        };
        if self.allow.is_empty() || self.allow.iter().any(allows) { Ok(()) } else { Err(NoRoute::NotAllowed) }
    }

    /// Whether it may open a WebSocket, whose messages nobody looks at.
    pub(super) fn check_tunnel(&self) -> Result<(), NoRoute> {
        if self.read_only { Err(NoRoute::ReadOnly) } else { Ok(()) }
    }

    pub(super) fn replay(&self, wanted: Replay) -> Replay {
        wanted.min(self.most_replay)
    }
}
