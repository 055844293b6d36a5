//! Header names sorted by length, so that a message's fields are judged in one pass without hashing: most names
//! fall into a length that nobody asks about.

use http::{HeaderMap, HeaderName, HeaderValue};

/// An imitation longer than this imitates no listed name, but may be one of a listed family.
const LONGEST: usize = 128;

/// Names with what they mean.
#[derive(Debug, Clone)]
pub(super) struct Sieve<C> {
    by_length: Vec<Bucket<C>>,
    /// Beginnings of names, each ending in a hyphen.
    prefixes: Box<[(&'static str, C)]>,
    /// What they begin with, as in a bucket.
    prefix_initials: u32,
}

/// Names of one length.
#[derive(Debug, Clone)]
struct Bucket<C> {
    names: Vec<(HeaderName, C)>,
    /// The letters that names here begin with, as bits: most names of a message are ruled out by theirs.
    initials: u32,
}

impl<C: Copy> Sieve<C> {
    /// Later names replace earlier ones, so that a configuration overrules the lists built in.
    pub(super) fn new(
        names: impl IntoIterator<Item = (HeaderName, C)>,
        prefixes: impl IntoIterator<Item = (&'static str, C)>,
    ) -> Self {
        let mut by_length: Vec<Bucket<C>> = Vec::new();
        for (name, class) in names {
            let length = name.as_str().len();
            if by_length.len() <= length {
                by_length.resize_with(length + 1, || Bucket { names: Vec::new(), initials: 0 });
            }
            let bucket = &mut by_length[length];
            bucket.initials |= initial(name.as_str());
            bucket.names.retain(|(known, _)| *known != name);
            bucket.names.push((name, class));
        }
        let prefixes: Box<[_]> = prefixes.into_iter().collect();
        let prefix_initials = prefixes.iter().fold(0, |bits, (prefix, _)| bits | initial(prefix));
        Self { by_length, prefixes, prefix_initials }
    }

    /// What a name means, if anything, as it is written.
    pub(super) fn class(&self, name: &str) -> Option<C> {
        let initial = initial(name);
        let bucket = self.by_length.get(name.len());
        if let Some(bucket) = bucket.filter(|bucket| bucket.initials & initial != 0)
            && let Some((_, class)) = bucket.names.iter().find(|(known, _)| known.as_str() == name)
        {
            return Some(*class);
        }
        if self.prefix_initials & initial == 0 {
            return None;
        }
        self.prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, class)| *class)
    }

    /// Whether a name, or another spelling of it, can mean anything: another spelling has the same length, and the
    /// same letter in front.
    fn can_mean(&self, name: &str) -> bool {
        let here = self.by_length.get(name.len()).map_or(0, |bucket| bucket.initials);
        (here | self.prefix_initials) & initial(name) != 0
    }

    /// What a name means that is another spelling of a listed one: `_` and `.` for `-`. Servers that turn names
    /// into variables cannot tell them apart.
    pub(super) fn imitated(&self, name: &str) -> Option<C> {
        if !self.can_mean(name) || !name.bytes().any(|b| matches!(b, b'_' | b'.')) {
            return None;
        }
        let mut folded = [0; LONGEST];
        // Of a longer name its beginning is looked at: it may be of a listed family.
        let folded = &mut folded[..name.len().min(LONGEST)];
        for (to, from) in folded.iter_mut().zip(name.bytes()) {
            *to = if matches!(from, b'_' | b'.') { b'-' } else { from };
        }
        self.class(str::from_utf8(folded).ok()?)
    }
}

/// The bit of a name's first letter; all other characters share one.
fn initial(name: &str) -> u32 {
    match name.as_bytes().first() {
        Some(letter @ b'a'..=b'z') => 1 << (letter - b'a'),
        _ => 1 << 31,
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
