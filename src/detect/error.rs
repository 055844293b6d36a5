//! Why there is no dialect to be told.

use std::time::Duration;

use http::StatusCode;

use crate::channel::ChannelError;

/// Why there is no dialect to be told.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// No connection.
    #[error("the portal cannot be reached: {0}")]
    Unreachable(String),
    /// A call left and no usable answer came.
    #[error("{call}: no usable answer: {why}")]
    NoAnswer {
        /// Which call.
        call: &'static str,
        /// What came instead.
        why: String,
    },
    /// Every path answers alike, so the request was refused before its path was looked at.
    #[error("the portal answers {status} to every path")]
    RefusedEverything {
        /// The answer.
        status: StatusCode,
    },
    /// No path of a login.
    #[error("no login is served under any known path")]
    NoLogin,
    /// The portal wants sealed bodies, and says nowhere under which key.
    #[error("the portal refuses plain logins, but its channel is under no known path")]
    NoChannel,
    /// The portal is there and does not work.
    #[error("{call}: the portal is in trouble ({answer})")]
    InTrouble {
        /// Which call.
        call: &'static str,
        /// Status and code.
        answer: String,
    },
    /// The portal's key is under no known path.
    #[error("no known path serves the channel's key")]
    NoKey,
    /// The portal's key cannot be used.
    #[error(transparent)]
    Key(#[from] ChannelError),
    /// The answer to a call is not what PROTOCOL describes.
    #[error("{call}: the answer is not understood: {why}")]
    NotUnderstood {
        /// Which call.
        call: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The portal took our keys in no form.
    #[error("the portal takes the channel's keys in no known form ({0})")]
    NoSession(String),
    /// No sealed body was read.
    #[error("the portal reads none of the {0} known forms of a sealed body")]
    NoSpelling(usize),
    /// The rate limits leave no call, and the patience is over.
    #[error("the rate limit of {call} leaves no call for another {}", super::ledger::span(*.wait))]
    Limited {
        /// Which call.
        call: &'static str,
        /// How long.
        wait: Duration,
    },
}

impl DetectError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unreachable(_) => "check the URL, the network and, for https, the certificate authorities",
            Self::NoAnswer { .. } | Self::InTrouble { .. } => "try again when the portal is well",
            Self::RefusedEverything { status: StatusCode::FORBIDDEN } => {
                "the access code is missing or not the one of this portal"
            }
            Self::RefusedEverything { .. } => {
                "a header is missing (access code, or one that an edge would add), or the URL is not the portal's"
            }
            Self::NoLogin => {
                "is the URL's path prefix right, and the portal's name? Otherwise name the bases yourself"
            }
            Self::NoChannel | Self::NoKey => "name the channel's base path yourself",
            Self::NoSession(_) => {
                "is client_hash the one that the portal knows? Otherwise ask for its OAEP hashes"
            }
            Self::NoSpelling(_) => "ask the portal's operators for the form of the encrypted body",
            Self::Limited { .. } => "wait that long, or allow more patience",
            Self::Key(_) | Self::NotUnderstood { .. } => return None,
        })
    }
}
