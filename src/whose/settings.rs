//! What the choice is made from.

use http::HeaderName;

use crate::identity::IdentityName;
use crate::listener::Door;

/// What the choice is made from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The identities, in the order of their numbers.
    pub identities: Vec<Ways>,
    /// The header that may name one. That it never travels on is the route's to see to.
    pub header: HeaderName,
    /// Whose a request is that names nobody.
    pub default: Option<IdentityName>,
    /// All hosts that the guard admits, in its order.
    pub hosts: Vec<String>,
}

/// How one identity is named.
#[derive(Debug, Clone)]
pub struct Ways {
    /// Its name, as the header has it.
    pub name: IdentityName,
    /// The door that is its own, if one is.
    pub door: Option<Door>,
    /// Those of [`Settings::hosts`] that stand for it.
    pub hosts: Vec<String>,
    /// What its paths begin with: a slash, and none at the end.
    pub prefix: Option<String>,
}
