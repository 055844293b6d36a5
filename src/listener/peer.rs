//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// Who sent a request, as the kernel says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection: any local program may have made it, a browser too.
    Tcp {
        /// The client's address.
        client: SocketAddr,
        /// Ours.
        local: SocketAddr,
    },
    /// A Unix connection. The listener has let nobody in but this user and root.
    Unix {
        /// The client's user id, from `SO_PEERCRED`.
        uid: u32,
    },
}

impl Peer {
    /// Whether the peer came by the Unix socket, where no browser can come from.
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix { .. })
    }
}
