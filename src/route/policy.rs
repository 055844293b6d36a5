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

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(read_only: bool, allow: &[(Option<Method>, &str)], most_replay: Replay) -> Permit {
        let allow = allow.iter().map(|(method, path)| (method.clone(), (*path).to_owned())).collect();
        Permit::compile(Policy { read_only, allow, most_replay }).unwrap()
    }

    #[test]
    fn the_default_allows_everything() {
        let all = Permit::compile(Policy::default()).unwrap();
        assert_eq!((all.check(&Method::DELETE, "/a"), all.check_tunnel()), (Ok(()), Ok(())));
        assert_eq!(all.replay(Replay::Buffered), Replay::Buffered);
    }

    #[test]
    fn a_reader_asks_by_safe_methods_alone_and_opens_no_tunnel() {
        let reader = permit(true, &[], Replay::Buffered);
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert_eq!(reader.check(&method, "/a"), Ok(()), "{method}");
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, "PROPFIND".parse().unwrap()]
        {
            assert_eq!(reader.check(&method, "/a"), Err(NoRoute::ReadOnly), "{method}");
        }
        assert_eq!(reader.check_tunnel(), Err(NoRoute::ReadOnly));
    }

    #[test]
    fn a_list_allows_what_stands_in_it_and_get_stands_for_head() {
        let listed = permit(false, &[(Some(Method::GET), "/a/*"), (None, "/b")], Replay::Buffered);
        for (method, path) in [(Method::GET, "/a"), (Method::HEAD, "/a/x"), (Method::DELETE, "/b")] {
            assert_eq!(listed.check(&method, path), Ok(()), "{method} {path}");
        }
        for (method, path) in [(Method::POST, "/a"), (Method::GET, "/ab"), (Method::GET, "/b/c")] {
            assert_eq!(listed.check(&method, path), Err(NoRoute::NotAllowed), "{method} {path}");
        }
    }

    #[test]
    fn replays_are_no_more_than_the_most() {
        let most = permit(false, &[], Replay::Idempotent);
        let all = [Replay::Never, Replay::Idempotent, Replay::Buffered].map(|wanted| most.replay(wanted));
        assert_eq!(all, [Replay::Never, Replay::Idempotent, Replay::Idempotent]);
    }
}
