//! Whether a failure is a flaw, or a matter of taste.
//!
//! A flaw is what the RFCs forbid or what two readers may take differently: something ambiguous, foreign or smuggled
//! went out, or a message that MUST be refused was not. Taste is where good proxies differ: whether one that is clear
//! after cleaning is passed on, whether a refused connection lives on, whether dot segments are resolved.

use std::fmt;

/// How much a failure weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Nobody may do so.
    Flaw,
    /// Good proxies differ.
    Taste,
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flaw => "flaw",
            Self::Taste => "taste",
        })
    }
}

/// What sort of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Something ambiguous, foreign or smuggled came out at either end, or something good did not.
    Broken,
    /// What ought to be refused was cleaned, and passed on as one clear message.
    Tolerated,
    /// It was refused, and the connection lives on.
    KeptOpen,
    /// The connection was closed without a word.
    Silent,
    /// A field or a trailer that should end at the proxy travelled on.
    Travelled,
    /// The target was changed on its way.
    Rewritten,
}

/// `name` is that of the case, with `request/` or `response/` before it.
pub(crate) fn weigh(name: &str, sort: Sort) -> Weight {
    let (of, bare) = name.split_once('/').unwrap_or(("request", name));
    let forbidden = match (of, sort) {
        (_, Sort::Broken) => true,
        (_, Sort::KeptOpen | Sort::Silent | Sort::Rewritten) => false,
        ("response", Sort::Tolerated) => RESPONSES_MUST_FAIL.iter().any(|(_, names)| fits(names, bare)),
        (_, Sort::Tolerated) => REQUESTS_MUST_FAIL.iter().any(|(_, names)| fits(names, bare)),
        (_, Sort::Travelled) => fits(&HOP, bare),
    };
    if forbidden { Weight::Flaw } else { Weight::Taste }
}

/// Whether one of the names is this one; a `*` at the end stands for the rest.
fn fits(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => *known == name,
    })
}

/// Fields that end at every hop (RFC 9110 section 7.6.1).
const HOP: [&str; 3] = ["hop-*", "upgrade-*", "hop-by-hop"];

/// Requests that MUST be refused, and where that is said. Of two framings in one head RFC 9112 section 6.1 lets a
/// proxy take the one that holds, and of an unknown coding before the last `chunked` it does not speak: both are
/// taste here, as long as what goes out is clear.
const REQUESTS_MUST_FAIL: [(&str, &[&str]); 6] = [
    (
        "RFC 9112 section 6.3, a Content-Length that is no number",
        &[
            "cl-twice-other",
            "cl-list-other",
            "cl-plus",
            "cl-minus",
            "cl-hex",
            "cl-space",
            "cl-empty",
            "cl-underscore",
            "cl-float",
            "cl-letters",
            "cl-overflow",
            "cl-huge",
            "cl-tab-inside",
            "cl-exponent",
            "cl-quoted",
            "cl-arabic-digit",
        ],
    ),
    (
        "RFC 9112 section 6.3, a last coding that is not chunked",
        &[
            "te-identity",
            "te-chunked-identity",
            "te-xchunked",
            "te-chunkedx",
            "te-chunk",
            "te-quoted",
            "te-vtab",
            "te-nul",
            "te-dot",
            "te-bracket",
            "te-cr",
            "te-cow",
            "te-two-lines-identity",
        ],
    ),
    (
        "RFC 9112 section 7.1, a chunk whose size is no number or is not kept to",
        &[
            "chunk-negative",
            "chunk-plus",
            "chunk-hex-prefix",
            "chunk-underscore",
            "chunk-overflow",
            "chunk-empty-size",
            "chunk-no-crlf-after",
            "chunk-too-long",
            "chunk-letters",
            "chunk-space-inside",
            "chunk-nul",
            "chunk-size-*",
        ],
    ),
    (
        "RFC 9112 section 5.1, space before the colon",
        &["head-space-before-colon", "head-tab-before-colon", "te-space-before-colon"],
    ),
    (
        "RFC 9112 section 3.2, no Host, several, or one that is none; and one that is not ours",
        &[
            "host-missing",
            "host-twice*",
            "host-list",
            "host-userinfo*",
            "host-path",
            "host-space",
            "host-foreign*",
            "host-any-address",
            "host-fragment",
            "host-query",
            "host-bad-port",
            "host-comma-before",
            "host-trailing-dot-foreign",
            "host-backslash",
        ],
    ),
    (
        "RFC 9110 sections 7.4 and 9.3.6, a target of somebody else's, and a tunnel to it",
        &[
            "target-absolute-foreign*",
            "target-absolute-userinfo",
            "target-absolute-port",
            "target-suffix-of-host",
            "method-connect*",
        ],
    ),
];

/// Answers that MUST NOT be passed on, and where that is said.
const RESPONSES_MUST_FAIL: [(&str, &[&str]); 4] = [
    (
        "RFC 9112 section 6.3, a Content-Length that is no number",
        &[
            "cl-twice-other",
            "cl-list-other",
            "cl-negative",
            "cl-plus",
            "cl-letters",
            "cl-overflow",
            "cl-empty",
            "cl-space-inside",
        ],
    ),
    ("RFC 9112 section 8, a body that is not whole", &["cl-short", "chunk-*"]),
    ("RFC 9110 section 5.5, NUL or CR in a value", &["header-nul", "header-cr", "split-in-location"]),
    (
        "RFC 9110 sections 7.8 and 15.2, a switch that nobody asked for, and no answer at all",
        &["upgrade-unasked", "switch-h2c", "interim-only", "empty", "half-head", "garbage", "http09"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Judge, REQUESTS, RESPONSES, Wanted};

    #[test]
    fn every_name_that_is_weighed_is_a_case_that_should_be_refused() {
        for (_, names) in REQUESTS_MUST_FAIL {
            for name in names {
                let cases: Vec<_> = REQUESTS.iter().filter(|case| fits(&[name], case.name)).collect();
                assert!(!cases.is_empty(), "{name} is no case");
                let strict = |judge| matches!(judge, Judge::Refuse | Judge::RefuseAndKeep);
                assert!(cases.iter().all(|case| strict(case.judge)), "{name} may be forwarded");
            }
        }
        for (_, names) in RESPONSES_MUST_FAIL {
            for name in names {
                let wanted = |case: &&crate::cases::Response| fits(&[name], case.name);
                assert!(RESPONSES.iter().filter(wanted).any(|case| case.wanted == Wanted::Refused), "{name}");
            }
        }
    }

    #[test]
    fn what_is_ambiguous_is_a_flaw_and_what_is_clean_is_taste_unless_it_is_forbidden() {
        assert_eq!(weigh("request/target-dotdot", Sort::Broken), Weight::Flaw);
        assert_eq!(weigh("request/target-dotdot", Sort::Tolerated), Weight::Taste);
        assert_eq!(weigh("request/target-dotdot", Sort::Rewritten), Weight::Taste);
        assert_eq!(weigh("request/cl-plus", Sort::Tolerated), Weight::Flaw);
        assert_eq!(weigh("request/cl-plus", Sort::KeptOpen), Weight::Taste);
        assert_eq!(weigh("request/hop-te", Sort::Travelled), Weight::Flaw);
        assert_eq!(weigh("request/lookalike-channel", Sort::Travelled), Weight::Taste);
        assert_eq!(weigh("response/cl-plus", Sort::Tolerated), Weight::Flaw);
        assert_eq!(weigh("response/status-zero", Sort::Tolerated), Weight::Taste);
    }
}
