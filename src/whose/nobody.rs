//! Why a request is nobody's.

use std::fmt;
use std::sync::Arc;

use crate::identity::IdentityName;

/// The ways to name an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// An address or a socket of its own.
    Door,
    /// `Host`, or the authority of the target.
    Host,
    /// The header that is configured for it.
    Header,
    /// What the path begins with.
    Path,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Door => "the address it came to",
            Self::Host => "its host",
            Self::Header => "its header",
            Self::Path => "its path",
        })
    }
}

/// Why a request is nobody's. What a variant carries may be shown: names, and no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nobody {
    /// It names nobody, and there is no default.
    #[error("the request does not say whose it is, and there is no default")]
    Unnamed {
        /// How to name one.
        ways: Arc<str>,
    },
    /// Its header names nobody who is configured.
    #[error("the request's header names an identity that is not configured")]
    Unknown {
        /// How to name one.
        ways: Arc<str>,
    },
    /// Its header stands there more than once.
    #[error("the request's header names an identity more than once")]
    Repeated,
    /// Two of the ways name two.
    #[error("{} names {}, and {} names {}", one.0, one.1, other.0, other.1)]
    Two {
        /// The first.
        one: (By, IdentityName),
        /// The first that differs.
        other: (By, IdentityName),
    },
}

impl Nobody {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unnamed { .. } => "identity-required",
            Self::Unknown { .. } => "unknown-identity",
            Self::Repeated | Self::Two { .. } => "identity-conflict",
        }
    }

    /// What the caller can do about it.
    pub fn hint(&self) -> Arc<str> {
        match self {
            Self::Unnamed { ways } | Self::Unknown { ways } => Arc::clone(ways),
            Self::Repeated => "name one identity, once".into(),
            Self::Two { .. } => "name the same identity in every way, or in one".into(),
        }
    }
}
