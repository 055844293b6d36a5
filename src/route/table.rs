//! The table: from an admitted request to a routed one.

use std::fmt;

use http::request::Parts;
use http::{Method, Request, StatusCode};

use super::headers::{Found, HeaderPolicy};
use super::learned::Learned;
use super::path::{self, PathFault};
use super::pattern::{BadPattern, Pattern};
use super::policy::Permit;
use super::{AtExpiry, Bearer, Protection, Replay, Rule, Settings};
use crate::guard::{Admitted, Grant};

/// The rules, compiled, and what has been learnt. Shared by all workers.
#[derive(Debug)]
pub struct RouteTable {
    rules: Box<[Compiled]>,
    unmatched: Protection,
    at_expiry: AtExpiry,
    max_target_bytes: usize,
    learned: Learned,
    permit: Permit,
    headers: HeaderPolicy,
}

#[derive(Debug)]
struct Compiled {
    pattern: Pattern,
    rule: Rule,
}

/// What is to be done with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    protection: Protection,
    bearer: Bearer,
    replay: Replay,
    at_expiry: AtExpiry,
}

impl Route {
    /// Whether the body is sealed. What was learnt is in it already: `Auto` means not known to need it.
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// Whether the bearer goes along.
    pub fn bearer(&self) -> Bearer {
        self.bearer
    }

    /// When it may be sent again.
    pub fn replay(&self) -> Replay {
        self.replay
    }

    /// What becomes of its streams when their bearer ends.
    pub fn at_expiry(&self) -> AtExpiry {
        self.at_expiry
    }
}

/// A request that has a route, with the fields that may travel on.
pub struct Routed<B> {
    parts: Parts,
    body: B,
    route: Route,
    found: Found,
    grant: Option<Grant>,
}

/// Shows nothing of the request: its target and its fields may hold secrets.
impl<B> fmt::Debug for Routed<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routed")
            .field("route", &self.route)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

impl<B> Routed<B> {
    /// Method, target (as it came) and cleaned fields.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The body.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// What is to be done with it.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Whether it is a WebSocket handshake. Its `Connection` and `Upgrade` are gone, as this hop's own.
    pub fn is_websocket(&self) -> bool {
        self.found.websocket
    }

    /// How many client copies of credentials were dropped.
    pub fn credentials_dropped(&self) -> u32 {
        self.found.credentials_dropped
    }

    /// What the answer must grant to the page that asked.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// The request, the decision, and the grant for its answer.
    pub fn into_parts(self) -> (Parts, B, Route, Option<Grant>) {
        (self.parts, self.body, self.route, self.grant)
    }
}

/// Why a request has no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// A path that could be read as another one.
    #[error(transparent)]
    PathRefused(#[from] PathFault),
    /// Path and query are longer than [`Settings::max_target_bytes`].
    #[error("the request's target is longer than {0} bytes")]
    TargetTooLong(usize),
    /// The page's origin is allowed on other routes only.
    #[error("the page's origin may not use this path")]
    OriginNotAllowed,
    /// Its identity only reads.
    #[error("this identity only reads: GET, HEAD and OPTIONS, and no WebSocket")]
    ReadOnly,
    /// Its identity may ask for other things only.
    #[error("this identity may not ask for this")]
    NotAllowed,
}

impl NoRoute {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::PathRefused(_) => StatusCode::BAD_REQUEST,
            Self::TargetTooLong(_) => StatusCode::URI_TOO_LONG,
            Self::OriginNotAllowed | Self::ReadOnly | Self::NotAllowed => StatusCode::FORBIDDEN,
        }
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PathRefused(_) => "path-refused",
            Self::TargetTooLong(_) => "target-too-long",
            Self::OriginNotAllowed => "origin-not-allowed",
            Self::ReadOnly => "identity-read-only",
            Self::NotAllowed => "identity-not-allowed",
        }
    }

    /// What the caller can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::PathRefused(_) => {
                "send the path in its plain form: no dot segments, no double slashes, no escaped separators, no \
                 space at the edge of a segment"
            }
            Self::TargetTooLong(_) => "send what is long in the body",
            Self::OriginNotAllowed => {
                "add the origin to the route's allow_origin, or to guard.allowed_origins"
            }
            Self::ReadOnly => "ask as an identity that may write, or take read_only from its [[identity]]",
            Self::NotAllowed => "add the path to allow in its [[identity]]",
        }
    }
}

impl RouteTable {
    /// Compiles the rules.
    ///
    /// # Errors
    /// [`BadPattern`] of the first rule that cannot stand.
    pub fn new(settings: Settings) -> Result<Self, BadPattern> {
        let compile = |rule: Rule| Ok(Compiled { pattern: Pattern::compile(&rule.path)?, rule });
        Ok(Self {
            rules: settings.rules.into_iter().map(compile).collect::<Result<_, _>>()?,
            unmatched: settings.unmatched,
            at_expiry: settings.at_expiry,
            max_target_bytes: settings.max_target_bytes,
            learned: Learned::new(settings.max_learned),
            permit: Permit::compile(settings.policy)?,
            headers: HeaderPolicy::new(&settings.headers),
        })
    }

    /// Finds a request's route and cleans its fields.
    ///
    /// # Errors
    /// Why it has none.
    pub fn resolve<B>(&self, admitted: Admitted<B>) -> Result<Routed<B>, NoRoute> {
        let (mut request, grant) = admitted.into_parts();
        let route = self.find(&request, grant.as_ref())?;
        let found = self.headers.clean_request(&mut request, grant.is_some());
        if found.websocket {
            self.permit.check_tunnel()?;
        }
        let (parts, body) = request.into_parts();
        Ok(Routed { parts, body, route, found, grant })
    }

    fn find<B>(&self, request: &Request<B>, grant: Option<&Grant>) -> Result<Route, NoRoute> {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        if target.len() > self.max_target_bytes {
            return Err(NoRoute::TargetTooLong(self.max_target_bytes));
        }
        let method = request.method();
        let path = path::check(request.uri().path())?;
        self.permit.check(method, &path)?;
        let rule = self
            .rules
            .iter()
            .find(|compiled| compiled.pattern.matches(&path) && serves(&compiled.rule.methods, method))
            .map(|compiled| &compiled.rule);
        if let Some(grant) = grant
            && grant.needs_rule()
            && !rule.is_some_and(|rule| allows(rule, grant))
        {
            return Err(NoRoute::OriginNotAllowed);
        }
        let mut protection = rule.map_or(self.unmatched, |rule| rule.protection);
        if protection == Protection::Auto && self.learned.contains(method, &path) {
            protection = Protection::Sealed;
        }
        Ok(Route {
            protection,
            bearer: rule.map_or(Bearer::default(), |rule| rule.bearer),
            replay: self.permit.replay(rule.map_or(Replay::default(), |rule| rule.replay)),
            at_expiry: rule.and_then(|rule| rule.at_expiry).unwrap_or(self.at_expiry),
        })
    }

    /// Remembers that the portal wants this method and path sealed: it said `SECURE_CHANNEL.INVALID_PAYLOAD`.
    /// `false` if there is no room, or if no such path is ever routed.
    pub fn learn(&self, method: &Method, path: &str) -> bool {
        path::check(path).is_ok_and(|path| self.learned.insert(method, &path))
    }

    /// What has been learnt, each as `METHOD path`, sorted.
    pub fn learned(&self) -> Vec<String> {
        self.learned.list()
    }

    /// Which fields of answers travel on.
    pub fn headers(&self) -> &HeaderPolicy {
        &self.headers
    }
}

pub(super) fn serves(methods: &[Method], method: &Method) -> bool {
    methods.is_empty()
        || methods.contains(method)
        || (*method == Method::HEAD && methods.contains(&Method::GET))
}

fn allows(rule: &Rule, grant: &Grant) -> bool {
    rule.allow_origin.iter().any(|origin| origin.as_bytes().eq_ignore_ascii_case(grant.origin().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{self, Guard, own_names};

    fn table(rules: Vec<Rule>) -> RouteTable {
        RouteTable::new(Settings { rules, ..Settings::default() }).unwrap()
    }

    fn resolve(
        table: &RouteTable,
        method: &str,
        target: &str,
        origin: Option<&str>,
    ) -> Result<Routed<()>, NoRoute> {
        let guard = Guard::new(&guard::Settings {
            hosts: own_names(8787),
            route_origins: vec!["http://localhost:5173".to_owned()],
            ..guard::Settings::default()
        })
        .unwrap();
        let mut request = Request::builder().method(method).uri(target).header("host", "localhost:8787");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        table.resolve(guard.admit_local(request.body(()).unwrap()).unwrap())
    }

    fn protection(table: &RouteTable, method: &str, target: &str) -> Protection {
        resolve(table, method, target, None).unwrap().route().protection()
    }

    fn sealed(path: &str) -> Rule {
        Rule { protection: Protection::Sealed, ..Rule::for_path(path) }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let table = table(vec![
            Rule { methods: vec![Method::GET], protection: Protection::Plain, ..Rule::for_path("/a/*") },
            sealed("/a/b"),
            Rule { bearer: Bearer::Never, replay: Replay::Never, ..Rule::for_path("/a/*") },
        ]);
        assert_eq!(protection(&table, "GET", "/a/b"), Protection::Plain);
        assert_eq!(protection(&table, "HEAD", "/a/b"), Protection::Plain);
        assert_eq!(protection(&table, "POST", "/a/b"), Protection::Sealed);
        let other = resolve(&table, "POST", "/a/c", None).unwrap();
        assert_eq!(
            (other.route().protection(), other.route().bearer(), other.route().replay()),
            (Protection::Auto, Bearer::Never, Replay::Never)
        );
        let unmatched = resolve(&table, "POST", "/z", None).unwrap();
        assert_eq!(
            (unmatched.route().protection(), unmatched.route().bearer(), unmatched.route().replay()),
            (Protection::Auto, Bearer::Required, Replay::Buffered)
        );
    }

    #[test]
    fn another_spelling_of_a_sealed_path_is_sealed_and_forwarded_as_it_came() {
        let table = table(vec![sealed("/auth/login/initiate")]);
        for target in [
            "/auth/login/initiate?x=/../%2e",
            "/auth/%6Cogin/initiate",
            "/auth/login/initiate/",
            "/auth/login;v=1/initiate;jsessionid=2",
        ] {
            let routed = resolve(&table, "POST", target, None).unwrap();
            assert_eq!(routed.route().protection(), Protection::Sealed, "{target}");
            assert_eq!(routed.parts().uri.path_and_query().unwrap().as_str(), target);
        }
    }

    #[test]
    fn a_refused_path_has_no_route() {
        let error = resolve(&table(vec![]), "GET", "/a/..;/b", None).unwrap_err();
        assert_eq!(error, NoRoute::PathRefused(PathFault::DotSegment));
        assert_eq!((error.status(), error.code()), (StatusCode::BAD_REQUEST, "path-refused"));
    }

    #[test]
    fn a_target_may_be_as_long_as_the_limit_and_no_longer() {
        let table = RouteTable::new(Settings { max_target_bytes: 16, ..Settings::default() }).unwrap();
        assert!(resolve(&table, "GET", "/123456789?12345", None).is_ok());
        let error = resolve(&table, "GET", "/123456789?123456", None).unwrap_err();
        assert_eq!((error, error.status()), (NoRoute::TargetTooLong(16), StatusCode::URI_TOO_LONG));
    }

    #[test]
    fn what_the_portal_taught_is_remembered_for_auto_paths_only() {
        let table = table(vec![Rule { protection: Protection::Plain, ..Rule::for_path("/plain") }]);
        for path in ["/auto", "/plain"] {
            assert!(table.learn(&Method::POST, path));
        }
        assert!(!table.learn(&Method::POST, "/a/../b"));
        assert_eq!(protection(&table, "POST", "/auto?x=1"), Protection::Sealed);
        assert_eq!(protection(&table, "POST", "/%61uto"), Protection::Sealed);
        assert_eq!(protection(&table, "GET", "/auto"), Protection::Auto);
        assert_eq!(protection(&table, "POST", "/plain"), Protection::Plain);
        assert_eq!(table.learned(), ["POST /auto", "POST /plain"]);
    }

    #[test]
    fn an_origin_that_a_rule_allows_may_use_that_rule_only() {
        let page = "http://localhost:5173";
        let table = table(vec![Rule { allow_origin: vec![page.to_owned()], ..Rule::for_path("/open/*") }]);
        let routed = resolve(&table, "GET", "/open/x", Some(page)).unwrap();
        assert_eq!(routed.grant().unwrap().origin(), page);
        assert!(!routed.parts().headers.contains_key("origin"));
        let error = resolve(&table, "GET", "/shut", Some(page)).unwrap_err();
        assert_eq!((error, error.status()), (NoRoute::OriginNotAllowed, StatusCode::FORBIDDEN));
    }
}
