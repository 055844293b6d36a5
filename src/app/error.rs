//! Why the proxy does not start.

use std::io;

use crate::admin::SocketError;
use crate::config::{ClientHashError, SecretError};
use crate::guard::BadSettings;
use crate::listener::BindError;
use crate::route::BadPattern;
use crate::state_dir::StateError;

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A secret's source gives none.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The client hash is not to be had.
    #[error(transparent)]
    ClientHash(#[from] ClientHashError),
    /// The state directory cannot keep logins.
    #[error(transparent)]
    State(#[from] StateError),
    /// A secret cannot be sent as it is.
    #[error("{setting} holds characters that no header may hold")]
    NotAHeader {
        /// Which one.
        setting: String,
    },
    /// The way to the portal cannot be prepared: a CA file, a certificate, a URL.
    #[error("{0}")]
    Upstream(String),
    /// The portal's address is one that the proxy listens on.
    #[error("upstream.url leads to {0}, where the proxy itself listens")]
    OwnListener(String),
    /// Nothing listens.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The guard's lists cannot stand.
    #[error(transparent)]
    Guard(#[from] BadSettings),
    /// A route cannot stand.
    #[error(transparent)]
    Route(#[from] BadPattern),
    /// The admin socket is not to be had.
    #[error(transparent)]
    Admin(#[from] SocketError),
    /// The system gives no thread or no runtime.
    #[error("the system gives no thread")]
    Runtime(#[source] io::Error),
}

impl StartError {
    /// What to do about it, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Secret(error) => error.hint(),
            Self::ClientHash(error) => error.hint(),
            Self::State(error) => error.hint(),
            Self::Admin(error) => Some(error.hint()),
            Self::Bind(BindError::InUse(at)) => Some(format!(
                "another program listens on {at}: stop it, or choose another address with --listen"
            )),
            Self::OwnListener(_) => Some("set upstream.url to the portal's own address".into()),
            Self::NotAHeader { .. } => Some("write it again, in visible ASCII characters".into()),
            Self::Bind(_) | Self::Upstream(_) | Self::Guard(_) | Self::Route(_) | Self::Runtime(_) => None,
        }
    }
}
