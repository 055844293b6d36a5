//! What can go wrong on the way to the portal and back.

use std::time::Duration;

use super::{TlsFault, ViaFault};
use crate::held::NoRoom;

/// Why there is no reply. Every variant says whether the portal may have acted.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name does not resolve.
    #[error("the portal's name {host} does not resolve")]
    Dns {
        /// The name.
        host: String,
        /// The resolver's words.
        #[source]
        source: std::io::Error,
    },
    /// No TCP connection.
    #[error("no connection to the portal at {authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The forward proxy on the way opens no tunnel.
    #[error("no way to the portal through the forward proxy {proxy}: {fault}")]
    Via {
        /// Its host and port.
        proxy: String,
        /// Which fault, in words that a person can act on.
        fault: ViaFault,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The portal's address is the proxy's own.
    #[error("the portal's address {authority} is the proxy itself")]
    Loop {
        /// Host and port.
        authority: String,
    },
    /// DNS, TCP and TLS together took too long.
    #[error("no connection to the portal at {authority} within {limit:?}")]
    ConnectTimeout {
        /// Host and port.
        authority: String,
        /// `upstream.connect_timeout`.
        limit: Duration,
    },
    /// The TLS handshake failed; a certificate fault among others.
    #[error("no TLS with the portal at {authority}: {fault}")]
    Tls {
        /// Host and port.
        authority: String,
        /// Which fault, in words that a person can act on.
        fault: TlsFault,
        /// What rustls says.
        #[source]
        source: std::io::Error,
    },
    /// The connection ended, or spoke nonsense, before the head of an answer.
    #[error("the portal's connection broke before an answer")]
    Broken {
        /// Whether anything of the request may have been processed.
        may_have_acted: bool,
        /// What hyper or the system says.
        #[source]
        source: std::io::Error,
    },
    /// No head of an answer in time.
    #[error("no answer from the portal within {0:?}")]
    HeadTimeout(Duration),
    /// The answer is larger than may be collected.
    #[error("the portal's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// There is no room in memory to hold the answer.
    #[error("the portal's answer cannot be held: {0}")]
    NoRoom(#[from] NoRoom),
    /// The answer's body broke off while it was collected.
    #[error("the portal's answer broke off")]
    BodyBroken(#[source] std::io::Error),
    /// The answer's body stood still for too long.
    #[error("the portal's answer stood still for {0:?}")]
    BodyStalled(Duration),
    /// The portal stopped reading the request's body.
    #[error("the portal took no more of the request's body for {0:?}")]
    UploadStalled(Duration),
    /// The client's body stood still for too long.
    #[error("the client's body stood still for {0:?}")]
    ClientStalled(Duration),
    /// The client's body broke off while it was forwarded.
    #[error("the client's body broke off")]
    ClientBody(#[source] std::io::Error),
    /// The bearer that the request went out with has ended, and its answer ends with it (`at_expiry`).
    #[error("the bearer of this answer has ended")]
    BearerEnded,
    /// An answer that no proxy may pass on: an upgrade nobody asked for, an impossible framing.
    #[error("the portal's answer is not valid: {0}")]
    Invalid(&'static str),
}

impl UpstreamError {
    /// Whether an answer was due and did not come, or not whole (PROTOCOL section 14, ruling 1).
    pub(super) fn is_lost_answer(&self) -> bool {
        matches!(
            self,
            Self::Broken { .. } | Self::HeadTimeout(_) | Self::BodyBroken(_) | Self::BodyStalled(_)
        )
    }

    /// Whether the portal may have acted on the request.
    pub fn may_have_acted(&self) -> bool {
        match self {
            Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Via { .. }
            | Self::Loop { .. }
            | Self::ConnectTimeout { .. }
            | Self::Tls { .. } => false,
            Self::Broken { may_have_acted, .. } => *may_have_acted,
            Self::HeadTimeout(_)
            | Self::TooLarge(_)
            | Self::NoRoom(_)
            | Self::BodyBroken(_)
            | Self::BodyStalled(_)
            | Self::UploadStalled(_)
            | Self::ClientStalled(_)
            | Self::ClientBody(_)
            | Self::BearerEnded
            | Self::Invalid(_) => true,
        }
    }
}
