//! Header names sorted by length, so that a message's fields are judged in one pass without hashing: most names
//! fall into a length that nobody asks about.

use http::{HeaderMap, HeaderName, HeaderValue};

/// An imitation longer than this imitates nothing that is listed.
const LONGEST: usize = 128;

/// Names with what they mean.
#[derive(Debug, Clone)]
pub(super) struct Sieve<C> {
    by_length: Vec<Vec<(HeaderName, C)>>,
    /// Beginnings of names, each ending in a hyphen.
    prefixes: Box<[(&'static str, C)]>,
}

impl<C: Copy> Sieve<C> {
    /// Later names replace earlier ones, so that a configuration overrules the lists built in.
    pub(super) fn new(
        names: impl IntoIterator<Item = (HeaderName, C)>,
        prefixes: impl IntoIterator<Item = (&'static str, C)>,
    ) -> Self {
        let mut by_length: Vec<Vec<(HeaderName, C)>> = Vec::new();
        for (name, class) in names {
            let length = name.as_str().len();
            if by_length.len() <= length {
                by_length.resize_with(length + 1, Vec::new);
            }
            let bucket = &mut by_length[length];
            bucket.retain(|(known, _)| *known != name);
            bucket.push((name, class));
        }
        Self { by_length, prefixes: prefixes.into_iter().collect() }
    }

    /// What a name means, if anything, as it is written.
    pub(super) fn class(&self, name: &str) -> Option<C> {
        let bucket = self.by_length.get(name.len()).map_or(&[][..], |bucket| bucket);
        if let Some((_, class)) = bucket.iter().find(|(known, _)| known.as_str() == name) {
            return Some(*class);
        }
        self.prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, class)| *class)
    }

    /// What a name means that is another spelling of a listed one: `_` and `.` for `-`. Servers that turn names
    /// into variables cannot tell them apart.
    pub(super) fn imitated(&self, name: &str) -> Option<C> {
        if name.len() > LONGEST || !name.bytes().any(|b| matches!(b, b'_' | b'.')) {
            return None;
        }
        let mut folded = [0; LONGEST];
        let folded = &mut folded[..name.len()];
        for (to, from) in folded.iter_mut().zip(name.bytes()) {
            *to = if matches!(from, b'_' | b'.') { b'-' } else { from };
        }
        self.class(str::from_utf8(folded).ok()?)
    }
}

/// Names to take out of a map once the pass over it has ended.
#[derive(Debug, Default)]
pub(super) struct Doomed(Vec<HeaderName>);

impl Doomed {
    pub(super) fn add(&mut self, name: &HeaderName) {
        self.0.push(name.clone());
    }

    pub(super) fn remove_from(self, headers: &mut HeaderMap) {
        for name in self.0 {
            headers.remove(name);
        }
    }
}

/// What `Connection` names besides its own options (RFC 9110 section 7.6.1): fields that end at this hop.
pub(super) fn named_by_connection(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    value
        .as_bytes()
        .split(|&b| b == b',')
        .map(|token| token.trim_ascii())
        .filter(|token| !["close", "keep-alive"].iter().any(|o| token.eq_ignore_ascii_case(o.as_bytes())))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
}
