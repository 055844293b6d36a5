//! The listening sockets that whoever started this process has left open for it: systemd, a supervisor, a shell.
//!
//! They are taken once, at the very start, while nothing else of this process can have opened anything: from then on
//! each has one owner, and no child inherits it. A crate of its own, since a descriptor that is known by its number
//! alone can be taken in no other way than by a promise to the compiler; the rest of the house makes none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Socket, Type};

/// Descriptors below are standard input, output and error.
const FIRST: RawFd = 3;

/// The sockets, each until it is taken.
#[derive(Debug, Clone, Default)]
pub struct Sockets(Arc<Mutex<BTreeMap<RawFd, OwnedFd>>>);

impl Sockets {
    /// Takes every listening stream socket that this process was started with, and sees to it that no child gets it.
    /// Other descriptors are left as they are. Found are none where there is no `/proc`.
    ///
    /// Call it first in `main`: what another part of the process has opened would be taken as well.
    pub fn of_this_process() -> Self {
        let sockets = numbers().filter_map(|number| Some((number, listening(number)?)));
        Self(Arc::new(Mutex::new(sockets.collect())))
    }

    /// The socket with this number; once.
    pub fn take(&self, number: RawFd) -> Option<OwnedFd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number)
    }

    /// The numbers of those that nobody has taken.
    pub fn left(&self) -> Vec<RawFd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

/// The numbers of the sockets among the open descriptors.
fn numbers() -> impl Iterator<Item = RawFd> {
    let open: Vec<_> = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten().collect();
    open.into_iter().filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let is_socket = fs::read_link(entry.path()).ok()?.to_str()?.starts_with("socket:");
        (number >= FIRST && is_socket).then_some(number)
    })
}

#[expect(unsafe_code, reason = "a descriptor by its number is a promise that nobody else owns it")]
fn listening(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: the descriptor is open, as /proc has just said, and nobody else owns it: it was there when the process
    // began. If it is not what we look for, it is let go again without being closed.
    let socket = unsafe { Socket::from_raw_fd(number) };
    match usable(&socket) {
        Ok(true) => Some(socket.into()),
        Ok(false) | Err(_) => {
            let _ = socket.into_raw_fd();
            None
        }
    }
}

fn usable(socket: &Socket) -> io::Result<bool> {
    if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        return Ok(false);
    }
    socket.set_cloexec(true)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn listening_sockets_are_taken_once_and_nothing_else_is() {
        // Let go, as if another program had opened them and left them to this one.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port").into_raw_fd();
        let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let sockets = Sockets::of_this_process();
        assert!(sockets.left().contains(&listener));
        assert!(sockets.take(datagrams.as_raw_fd()).is_none());
        assert!(datagrams.local_addr().is_ok(), "it is left open");
        assert!(sockets.take(0).is_none());
        let taken = TcpListener::from(sockets.take(listener).expect("it is there"));
        assert!(taken.local_addr().is_ok());
        assert!(sockets.take(listener).is_none(), "a second time");
        assert!(!sockets.left().contains(&listener));
    }
}
