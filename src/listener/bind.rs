//! Sockets to listen on, opened before anything is served: a port that is taken is said at the start.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio_rustls::TlsAcceptor;

use super::Door;

/// Connections that the kernel holds for us until we accept them.
const BACKLOG: i32 = 1024;

/// How often a shared free port is looked for when the first one chosen is taken on another address.
const PORT_ATTEMPTS: usize = 16;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An address and a port. Endpoints with port 0 share one free port, so that `127.0.0.1:0` and `[::1]:0`
    /// mean the same service.
    Tcp(SocketAddr),
    /// A socket file, made with mode 0600.
    Unix(PathBuf),
}

/// The sockets of one worker, listening.
#[derive(Debug)]
pub struct Bound {
    pub(super) sockets: Vec<(Listening, Door)>,
    pub(super) tls: Option<Tls>,
}

/// What TCP connections shake hands with.
#[derive(Clone)]
pub(super) struct Tls(pub(super) TlsAcceptor);

/// Without the key.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

#[derive(Debug)]
pub(super) enum Listening {
    Tcp(TcpListener),
    /// With its file, if that is ours to remove.
    Unix(UnixListener, Option<Arc<SocketFile>>),
}

impl Bound {
    /// The same with TLS on its TCP sockets; Unix sockets stay as they are.
    #[must_use]
    pub fn with_tls(self, config: Option<Arc<ServerConfig>>) -> Self {
        Self { tls: config.map(|config| Tls(config.into())), ..self }
    }

    /// The TCP addresses, with the ports that were chosen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|(socket, _)| socket.address()).collect()
    }

    /// The TCP addresses, each with its door.
    pub fn doors(&self) -> Vec<(Door, SocketAddr)> {
        self.sockets.iter().filter_map(|(socket, door)| Some((*door, socket.address()?))).collect()
    }

    /// Takes the sockets of another set as well, as those of this door.
    pub fn join(&mut self, other: Self, door: Door) {
        self.sockets.extend(other.sockets.into_iter().map(|(socket, _)| (socket, door)));
    }
}

impl Listening {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there, or another instance of this one.
    #[error("{0} is in use by another process")]
    InUse(String),
    /// The file is there and is no socket; it is left alone.
    #[error("{0} exists and is not a socket")]
    NotASocket(PathBuf),
    /// A socket that should have been opened for us is not there, or is not one that can be served.
    #[error("{what} is not to be had: {why}")]
    NotHanded {
        /// As the configuration has it: `fd:3`.
        what: String,
        /// What is the matter with it.
        why: String,
    },
    /// The system's own reason: no such address, no permission, a path too long.
    #[error("cannot listen on {at}")]
    Io {
        /// The address or path.
        at: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// Opens every endpoint for every worker.
///
/// TCP: each worker gets a socket of its own on the same port (`SO_REUSEPORT`), so that the kernel spreads the
/// connections and no worker wakes another. Unix: the workers share one socket.
///
/// # Errors
/// [`BindError`] of the first endpoint that cannot be had; nothing stays open.
pub fn bind(endpoints: &[Endpoint], workers: NonZeroUsize) -> Result<Vec<Bound>, BindError> {
    let mut attempt = 1;
    loop {
        match bind_once(endpoints, workers) {
            // The free port that the kernel chose on the first address can be taken on the second.
            Err(BindError::InUse(_)) if attempt < PORT_ATTEMPTS && endpoints.iter().any(wants_free_port) => {
                attempt += 1;
            }
            done => return done,
        }
    }
}

fn wants_free_port(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Tcp(address) if address.port() == 0)
}

fn bind_once(endpoints: &[Endpoint], workers: NonZeroUsize) -> Result<Vec<Bound>, BindError> {
    let workers = workers.get();
    let mut bound: Vec<Bound> = (0..workers).map(|_| Bound { sockets: Vec::new(), tls: None }).collect();
    let mut free_port = 0;
    for endpoint in endpoints {
        match endpoint {
            Endpoint::Tcp(address) => {
                let mut address = *address;
                if address.port() == 0 {
                    address.set_port(free_port);
                }
                let chosen = bind_tcp(address, &mut bound)?;
                if wants_free_port(endpoint) {
                    free_port = chosen;
                }
            }
            Endpoint::Unix(path) => bind_unix(path, &mut bound)?,
        }
    }
    Ok(bound)
}

/// One socket for each worker on `address`; the port.
fn bind_tcp(wanted: SocketAddr, bound: &mut [Bound]) -> Result<u16, BindError> {
    let fail = |source| tcp_error(wanted, source);
    let mut address = wanted;
    let reuse_port = bound.len() > 1;
    if reuse_port && address.port() != 0 {
        // With SO_REUSEPORT a second instance would join the first and take half of its connections. A bind
        // without it fails if anybody listens there.
        tcp_socket(address, false).map_err(fail)?;
    }
    for worker in bound {
        let socket = tcp_socket(address, reuse_port).map_err(fail)?;
        socket.listen(BACKLOG).map_err(fail)?;
        let listener = TcpListener::from(socket);
        address.set_port(listener.local_addr().map_err(fail)?.port());
        worker.sockets.push((Listening::Tcp(listener), Door::default()));
    }
    Ok(address.port())
}

fn tcp_socket(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the last connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // `[::]` means IPv6; who wants both families says both.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn tcp_error(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address.to_string()),
        _ => BindError::Io { at: address.to_string(), source },
    }
}

fn bind_unix(path: &Path, bound: &mut [Bound]) -> Result<(), BindError> {
    let fail = |source| BindError::Io { at: path.display().to_string(), source };
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(fail)?;
    socket.set_nonblocking(true).map_err(fail)?;
    socket.bind(&SockAddr::unix(path).map_err(fail)?).map_err(fail)?;
    let file = Arc::new(SocketFile::of(path).map_err(fail)?);
    // Before `listen`, so that at no instant a stranger's connect succeeds. The umask would do it too, but it
    // belongs to the whole process.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(fail)?;
    socket.listen(BACKLOG).map_err(fail)?;
    for worker in bound {
        let listener = UnixListener::from(socket.try_clone().map_err(fail)?);
        worker.sockets.push((Listening::Unix(listener, Some(Arc::clone(&file))), Door::default()));
    }
    Ok(())
}

/// Removes what a crash left behind, if it is a socket and nobody answers on it.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let fail = |source| BindError::Io { at: path.display().to_string(), source };
    let found = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(fail)?,
    };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(fail),
        // Somebody answers, or is not ours to ask.
        _ => Err(BindError::InUse(path.display().to_string())),
    }
}

/// A socket file of ours, removed when the last worker has let go of it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), inode: inode(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Unless a successor has put its own in the place.
        if inode(&self.path).is_ok_and(|found| found == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    fn tcp(address: &str) -> Endpoint {
        Endpoint::Tcp(address.parse().unwrap())
    }

    #[test]
    fn all_workers_and_both_loopbacks_share_the_port_chosen_first() {
        let bound = bind(&[tcp("127.0.0.1:0"), tcp("[::1]:0")], workers(3)).unwrap();
        let port = bound[0].addresses()[0].port();
        assert_ne!(port, 0);
        for worker in &bound {
            let expected: Vec<SocketAddr> =
                vec![format!("127.0.0.1:{port}").parse().unwrap(), format!("[::1]:{port}").parse().unwrap()];
            assert_eq!(worker.addresses(), expected);
        }
    }

    #[test]
    fn a_second_instance_is_refused_with_one_worker_and_with_many() {
        for n in [1, 2] {
            let first = bind(&[tcp("127.0.0.1:0")], workers(n)).unwrap();
            let taken = Endpoint::Tcp(first[0].addresses()[0]);
            for m in [1, 2] {
                let error = bind(std::slice::from_ref(&taken), workers(m)).unwrap_err();
                assert!(matches!(error, BindError::InUse(_)), "{n} then {m}: {error}");
            }
        }
    }

    #[test]
    fn a_unix_socket_is_for_this_user_only_and_goes_with_its_last_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.sock");
        let mut bound = bind(&[Endpoint::Unix(path.clone())], workers(2)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = bind(&[Endpoint::Unix(path.clone())], workers(1)).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)), "{error}");
        bound.pop();
        assert!(path.exists());
        bound.pop();
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let stale = dir.path().join("stale.sock");
        drop(UnixListener::bind(&stale).unwrap());
        assert!(stale.exists());
        assert!(bind(&[Endpoint::Unix(stale)], workers(1)).is_ok());

        let file = dir.path().join("notes.txt");
        std::fs::write(&file, "mine").unwrap();
        let error = bind(&[Endpoint::Unix(file.clone())], workers(1)).unwrap_err();
        assert!(matches!(error, BindError::NotASocket(_)), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    }

    #[test]
    fn a_successor_keeps_its_socket_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.sock");
        let old = bind(&[Endpoint::Unix(path.clone())], workers(1)).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _new = bind(&[Endpoint::Unix(path.clone())], workers(1)).unwrap();
        drop(old);
        assert!(path.exists());
    }
}
