//! A rule's path, made ready for matching.

/// A compiled pattern. It is compared with a path's matching form (see `path.rs`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What every matching path begins with; all of it, if `rest` is `None`.
    prefix: Box<str>,
    rest: Option<Rest>,
}

/// What follows the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rest {
    /// Anything but a slash: `*` after the beginning of the last segment.
    OfSegment,
    /// Nothing, or a slash and anything: `/*`.
    Below,
    /// From the first `{name}` on: segments, then an end.
    Segments(Box<[Segment]>, End),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Here,
    Below,
    Begins(Box<str>),
}

/// A pattern that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path pattern {pattern:?} is not valid: {why}")]
pub struct BadPattern {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Pattern {
    pub(super) fn compile(pattern: &str) -> Result<Self, BadPattern> {
        let bad = |why| BadPattern { pattern: pattern.to_owned(), why };
        let Some(inner) = pattern.strip_prefix('/') else {
            return Err(bad("it does not begin with a slash"));
        };
        if pattern.contains("//") {
            return Err(bad("it has an empty segment"));
        }
        let (body, end) = match inner.strip_suffix('*') {
            None => (inner.strip_suffix('/').unwrap_or(inner), End::Here),
            Some("") => ("", End::Below),
            Some(body) => match body.strip_suffix('/') {
                Some(above) => (above, End::Below),
                None => {
                    let (above, last) = body.rsplit_once('/').unwrap_or(("", body));
                    (above, End::Begins(last.into()))
                }
            },
        };
        let mut segments = Vec::new();
        for segment in body.split('/').filter(|_| !body.is_empty()) {
            segments.push(Segment::compile(segment).map_err(bad)?);
        }
        if let End::Begins(last) = &end
            && Segment::compile(last).map_err(bad)? == Segment::Any
        {
            return Err(bad("'*' follows a literal beginning or a slash"));
        }
        Ok(Self::of(segments, end))
    }

    fn of(mut segments: Vec<Segment>, end: End) -> Self {
        let literal = segments.iter().take_while(|segment| matches!(segment, Segment::Literal(_))).count();
        let rest: Vec<Segment> = segments.split_off(literal);
        let mut prefix = String::new();
        for segment in &segments {
            if let Segment::Literal(text) = segment {
                prefix.push('/');
                prefix.push_str(text);
            }
        }
        let rest = match (rest.is_empty(), end) {
            (true, End::Here) => {
                if prefix.is_empty() {
                    prefix.push('/');
                }
                None
            }
            (true, End::Below) => Some(Rest::Below),
            (true, End::Begins(last)) => {
                prefix.push('/');
                prefix.push_str(&last);
                Some(Rest::OfSegment)
            }
            (false, end) => {
                prefix.push('/');
                Some(Rest::Segments(rest.into(), end))
            }
        };
        Self { prefix: prefix.into(), rest }
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        // Most rules are ruled out by the first letter of the first segment.
        if let Some(first) = self.prefix.as_bytes().get(1)
            && path.as_bytes().get(1) != Some(first)
        {
            return false;
        }
        let Some(rest) = &self.rest else { return *self.prefix == *path };
        let Some(remains) = path.strip_prefix(&*self.prefix) else { return false };
        match rest {
            Rest::OfSegment => !remains.contains('/'),
            Rest::Below => remains.is_empty() || remains.starts_with('/'),
            Rest::Segments(segments, end) => {
                let mut found = remains.split('/');
                let fits = segments.iter().all(|segment| match (segment, found.next()) {
                    (Segment::Any, Some(text)) => !text.is_empty(),
                    (Segment::Literal(literal), Some(text)) => **literal == *text,
                    (_, None) => false,
                });
                fits && match end {
                    End::Here => found.next().is_none(),
                    End::Below => true,
                    End::Begins(beginning) => {
                        found.next().is_some_and(|text| text.starts_with(&**beginning))
                            && found.next().is_none()
                    }
                }
            }
        }
    }
}

impl Segment {
    fn compile(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("it has an empty segment");
        }
        if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            let legal = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            return if legal { Ok(Self::Any) } else { Err("a {name} is letters, digits and '_'") };
        }
        if text.contains(['{', '}', '*']) {
            return Err("'{name}' is a whole segment, and '*' stands at the end only");
        }
        if text.contains(['%', ';', '?', '#', '\\']) || matches!(text, "." | "..") {
            return Err("it is compared with unescaped paths without query, parameters and dot segments");
        }
        Ok(Self::Literal(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_say() {
        let cases: [(&str, &[&str], &[&str]); 9] = [
            ("/", &["/"], &["/a"]),
            ("/a/b", &["/a/b"], &["/a", "/a/b/c", "/a/bc", "/a/B", "/x/a/b"]),
            ("/a/b/", &["/a/b"], &["/a"]),
            ("/a/*", &["/a", "/a/b", "/a/b/c"], &["/ab", "/b/a"]),
            ("/*", &["/", "/a", "/a/b"], &[]),
            ("/a/down*", &["/a/down", "/a/download"], &["/a/dow", "/a/down/x", "/a/b/down"]),
            ("/a/{id}/c", &["/a/1/c", "/a/x y/c"], &["/a/c", "/a/1/2/c", "/a//c", "/a/1/c/d", "/a/1"]),
            ("/{p}/auth/*", &["/t/auth", "/t/auth/x/y"], &["/auth/x", "/t/u/auth"]),
            ("/{p}/{q}/re*", &["/a/b/reset", "/a/b/re"], &["/a/b/r", "/a/b", "/a/reset", "/a/b/re/x"]),
        ];
        for (pattern, yes, no) in cases {
            let compiled = Pattern::compile(pattern).unwrap();
            for path in yes {
                assert!(compiled.matches(path), "{pattern} should match {path}");
            }
            for path in no {
                assert!(!compiled.matches(path), "{pattern} should not match {path}");
            }
        }
    }

    #[test]
    fn what_could_never_match_or_would_match_by_surprise_is_refused() {
        for pattern in [
            "", "a", "//", "/a//b", "/a*b", "/*/a", "/{}", "/x{id}", "/{id}x", "/{a/b}", "/%41", "/a;b",
            "/a?b", "/../a", "/{id}*",
        ] {
            assert!(Pattern::compile(pattern).is_err(), "{pattern}");
        }
    }
}
