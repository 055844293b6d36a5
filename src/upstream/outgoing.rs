//! A request that may leave, and the four doors that make one.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

/// The headers of one identity that go on every request, ready to be written: portal access code, client
/// hash, configured extra headers (PROTOCOL section 2).
#[derive(Debug, Clone)]
pub struct Injected {
    /// Name and value; secrets are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// A request that may leave.
#[derive(Debug)]
pub struct Outgoing {}

impl Outgoing {
    /// A call of our own without a body under seal: public-key, session, close, logout, or a sign-in call of a
    /// dialect that does not seal it. `path` is relative to the base URL and begins with `/`.
    pub fn hello(
        _method: Method,
        _path: &str,
        _json: Option<Bytes>,
        _injected: &Injected,
        _extra: &[(HeaderName, HeaderValue)],
    ) -> Self {
        unimplemented!()
    }

    /// A sealed call of our own, such as `login/initiate`; `envelope` under the channel named `session`.
    pub fn sign_in(_path: &str, _envelope: Bytes, _session: &HeaderValue, _injected: &Injected) -> Self {
        unimplemented!()
    }
}
