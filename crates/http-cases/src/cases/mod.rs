//! The cases, as data. `{host}` stands for the `Host` that the proxy under test accepts.

mod request;
mod response;

pub use request::REQUESTS;
pub use response::RESPONSES;

/// One hostile or odd request.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// A short name, unique.
    pub name: &'static str,
    /// The bytes on the wire.
    pub bytes: &'static str,
    /// What a good proxy does.
    pub judge: Judge,
    /// Headers that must not reach the upstream.
    pub absent: &'static [&'static str],
    /// The target that must reach it, if it is forwarded.
    pub target: Option<&'static str>,
    /// Trailers must not reach it.
    pub no_trailers: bool,
}

impl Case {
    const fn new(name: &'static str, judge: Judge, bytes: &'static str) -> Self {
        Self { name, bytes, judge, absent: &[], target: None, no_trailers: false }
    }

    const fn without(self, absent: &'static [&'static str]) -> Self {
        Self { absent, ..self }
    }

    const fn as_target(self, target: &'static str) -> Self {
        Self { target: Some(target), ..self }
    }

    const fn without_trailers(self) -> Self {
        Self { no_trailers: true, ..self }
    }

    /// The method, as far as the client must know it to read the answer.
    pub(crate) fn method(&self) -> &'static str {
        self.bytes.split(' ').next().unwrap_or_default()
    }
}

/// What a good proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// Refuse it with 4xx or 5xx and close.
    Refuse,
    /// Refuse it; the connection may live on, since its framing is clear.
    RefuseAndKeep,
    /// Forward it as exactly one unambiguous request.
    Forward,
    /// One or the other.
    Either,
}

/// One bad or odd answer of the upstream.
#[derive(Debug, Clone, Copy)]
pub struct Response {
    /// A short name, unique; the client asks for `/response/NAME`.
    pub name: &'static str,
    /// The bytes on the wire; the upstream closes after them.
    pub bytes: &'static str,
    /// What the client must see.
    pub wanted: Wanted,
    /// Headers that must not reach the client.
    pub absent: &'static [&'static str],
}

/// What the client must see of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A 502, or an answer that visibly broke off.
    Refused,
    /// A success with exactly this body.
    Body(&'static str),
    /// One or the other.
    RefusedOr(&'static str),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_unique() {
        let requests: BTreeSet<_> = REQUESTS.iter().map(|case| case.name).collect();
        let responses: BTreeSet<_> = RESPONSES.iter().map(|response| response.name).collect();
        assert_eq!((requests.len(), responses.len()), (REQUESTS.len(), RESPONSES.len()));
    }
}
