//! Why the proxy does not start.

use std::io;
use std::net::SocketAddr;

use crate::admin::SocketError;
use crate::config::{ClientHashError, Config, SecretError};
use crate::guard::BadSettings;
use crate::identity::IdentityName;
use crate::listener::BindError;
use crate::private_file::PrivateFileError;
use crate::route::BadPattern;
use crate::session::StoreError;
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
    /// The Redis that keeps logins cannot be used.
    #[error("{}", .0.what)]
    Store(StoreError),
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
    /// A socket that was opened for the proxy is one that others reach.
    #[error("{what} is at {address}, which is not a loopback address: whoever reaches it acts as you")]
    Exposed {
        /// As the configuration has it.
        what: String,
        /// Where it listens.
        address: SocketAddr,
    },
    /// The private key for callers is not private, or not there.
    #[error("listen.tls_key_file: {0}")]
    DoorKey(PrivateFileError),
    /// What callers are to be shown, or have to show, cannot be used.
    #[error("[listen] {0}")]
    DoorTls(String),
    /// The guard's lists cannot stand.
    #[error(transparent)]
    Guard(#[from] BadSettings),
    /// A route cannot stand.
    #[error(transparent)]
    Route(#[from] BadPattern),
    /// The admin socket is not to be had.
    #[error(transparent)]
    Admin(#[from] SocketError),
    /// One of several identities cannot be served.
    #[error("identity {identity}")]
    Of {
        /// Which one.
        identity: IdentityName,
        /// Why.
        source: Box<Self>,
    },
    /// The system gives no thread or no runtime.
    #[error("the system gives no thread")]
    Runtime(#[source] io::Error),
}

impl StartError {
    /// The same, as about one of several identities; where there is one, there is nothing to tell apart.
    pub(super) fn of(self, config: &Config) -> Self {
        match config.own() {
            Some(own) => Self::Of { identity: own.name.clone(), source: Box::new(self) },
            None => self,
        }
    }

    /// What it is, whoever it is about.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Of { source, .. } => source.cause(),
            other => other,
        }
    }

    /// What to do about it, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Of { source, .. } => source.hint(),
            Self::Secret(error) => error.hint(),
            Self::ClientHash(error) => error.hint(),
            Self::State(error) => error.hint(),
            Self::Store(error) => Some(error.hint.clone()),
            Self::Admin(error) => Some(error.hint()),
            Self::Bind(BindError::InUse(at)) => Some(format!(
                "another program listens on {at}: stop it, or choose another address with --listen"
            )),
            Self::Bind(BindError::NotHanded { .. }) => Some(
                "check listen.inherited, and that whoever starts the proxy opens the socket: a socket unit, a supervisor"
                    .into(),
            ),
            Self::Exposed { .. } => {
                Some("have it opened on 127.0.0.1 or [::1]; or add the flag --unsafe-listen and set guard.local_key or listen.client_ca_file".into())
            }
            Self::DoorKey(error) => Some(error.hint()),
            Self::DoorTls(_) => Some("check tls_cert_file, tls_key_file and client_ca_file: PEM files, the certificate first".into()),
            Self::OwnListener(_) => Some("set upstream.url to the portal's own address".into()),
            Self::NotAHeader { .. } => Some("write it again, in visible ASCII characters".into()),
            Self::Bind(_) | Self::Upstream(_) | Self::Guard(_) | Self::Route(_) | Self::Runtime(_) => None,
        }
    }
}
