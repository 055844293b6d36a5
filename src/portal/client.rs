//! The session's own calls, made over the doors out.

use crate::channel::Fingerprint;
use crate::upstream::{Injected, Upstream};

use super::Dialect;

/// Speaks to the portal for one identity's session.
#[derive(Debug)]
pub struct Client {}

impl Client {
    /// A client over these doors; `pin` is the fingerprint the portal's key must have, if one is configured.
    pub fn new(
        _upstream: Upstream,
        _dialect: Dialect,
        _injected: Injected,
        _pin: Option<Fingerprint>,
    ) -> Self {
        unimplemented!()
    }
}
