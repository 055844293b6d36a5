//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// Which group of sockets a connection came by: 0 is that of `[listen]`, and who has sockets of its own has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Door(pub usize);

/// Who sent a request, as the kernel says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection: any local program may have made it, a browser too.
    Tcp {
        /// The client's address.
        client: SocketAddr,
        /// Ours.
        local: SocketAddr,
        /// By which sockets.
        door: Door,
    },
    /// The same under TLS. Where client certificates are asked for, it has shown one that is trusted.
    Tls {
        /// The client's address.
        client: SocketAddr,
        /// Ours.
        local: SocketAddr,
        /// By which sockets.
        door: Door,
    },
    /// A Unix connection. The listener has let nobody in but this user and root.
    Unix {
        /// The client's user id, from `SO_PEERCRED`.
        uid: u32,
        /// By which sockets.
        door: Door,
    },
}

impl Peer {
    /// By which sockets it came.
    pub fn door(&self) -> Door {
        match self {
            Self::Tcp { door, .. } | Self::Tls { door, .. } | Self::Unix { door, .. } => *door,
        }
    }

    /// Whether TLS protects the connection.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls { .. })
    }

    /// The same peer, once hands are shaken.
    pub(super) fn over_tls(self) -> Self {
        match self {
            Self::Tcp { client, local, door } => Self::Tls { client, local, door },
            other => other,
        }
    }

    /// Whether the peer came by the Unix socket, where no browser can come from.
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix { .. })
    }
}
