//! Sockets that were opened before this process began, and how they are named (systemd's `sd_listen_fds`).

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use socket2::{Domain, Socket};

use super::Door;
use super::bind::{BindError, Bound, Listening};

/// The first descriptor that systemd passes (`SD_LISTEN_FDS_START`).
const FIRST_PASSED: RawFd = 3;

/// Which sockets of those that whoever started the process has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// The one with this number.
    Descriptor(RawFd),
    /// All that are passed with `LISTEN_FDS`; or those with this name in `LISTEN_FDNAMES`.
    Passed(Option<String>),
}

/// What `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` say, as text.
#[derive(Debug, Clone, Copy, Default)]
pub struct PassedWords<'a> {
    /// Whom the sockets are for.
    pub pid: Option<&'a str>,
    /// How many there are.
    pub count: Option<&'a str>,
    /// Their names, with colons between.
    pub names: Option<&'a str>,
}

impl Handed {
    /// The descriptors that are meant, for the process with this id.
    ///
    /// # Errors
    /// [`BindError::NotHanded`] if nothing is passed, or not to this process, or nothing of that name.
    pub fn numbers(&self, passed: PassedWords<'_>, own_pid: u32) -> Result<Vec<RawFd>, BindError> {
        let name = match self {
            Self::Descriptor(number) => return Ok(vec![*number]),
            Self::Passed(name) => name,
        };
        let not = |why: String| BindError::NotHanded { what: self.to_string(), why };
        let Some((pid, count)) = passed.pid.zip(passed.count) else {
            return Err(not(
                "LISTEN_PID and LISTEN_FDS are not set: nothing was passed by a socket unit".into()
            ));
        };
        if pid.parse() != Ok(own_pid) {
            return Err(not(format!("LISTEN_PID is {pid}, and this process is {own_pid}")));
        }
        let count: RawFd = match count.parse() {
            Ok(count @ 1..=1024) => count,
            _ => return Err(not(format!("LISTEN_FDS is {count}, and must be 1 to 1024"))),
        };
        let all = FIRST_PASSED..FIRST_PASSED + count;
        let Some(name) = name else { return Ok(all.collect()) };
        let names = passed.names.unwrap_or_default().split(':');
        let named: Vec<RawFd> =
            all.zip(names).filter(|(_, is)| is == name).map(|(number, _)| number).collect();
        if named.is_empty() {
            let names = passed.names.unwrap_or("nothing");
            return Err(not(format!("LISTEN_FDNAMES has {names}")));
        }
        Ok(named)
    }
}

/// As the configuration spells it.
impl std::fmt::Display for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            Self::Passed(None) => f.write_str("systemd"),
            Self::Passed(Some(name)) => write!(f, "systemd:{name}"),
        }
    }
}

impl Bound {
    /// Adds a socket that listens already; all workers share it, and its file, if it has one, is its maker's.
    ///
    /// # Errors
    /// [`BindError::NotHanded`] if it is of another family than IPv4, IPv6 and Unix; [`BindError::Io`].
    pub fn add_to_each(
        all: &mut [Self],
        what: &Handed,
        socket: OwnedFd,
    ) -> Result<Option<SocketAddr>, BindError> {
        let socket = Socket::from(socket);
        let fail = |source| BindError::Io { at: what.to_string(), source };
        // Shared with whoever opened it, who does not use it while we run.
        socket.set_nonblocking(true).map_err(fail)?;
        let address = socket.local_addr().map_err(fail)?;
        let is_unix = address.domain() == Domain::UNIX;
        if !is_unix && address.as_socket().is_none() {
            let why = "it is of no family that is served: IPv4, IPv6 or Unix".to_owned();
            return Err(BindError::NotHanded { what: what.to_string(), why });
        }
        for worker in all {
            let socket = socket.try_clone().map_err(fail)?;
            let listening = match is_unix {
                true => Listening::Unix(UnixListener::from(socket), None),
                false => Listening::Tcp(TcpListener::from(socket)),
            };
            worker.sockets.push((listening, Door::default()));
        }
        Ok(address.as_socket())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(what: &Handed, pid: &str, count: &str, names: Option<&str>) -> Result<Vec<RawFd>, String> {
        let passed = PassedWords { pid: Some(pid), count: Some(count), names };
        what.numbers(passed, 7).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_passed_is_counted_from_three_and_found_by_name() {
        let all = Handed::Passed(None);
        assert_eq!(numbers(&all, "7", "2", None), Ok(vec![3, 4]));
        let named = Handed::Passed(Some("web".into()));
        assert_eq!(numbers(&named, "7", "3", Some("web:admin:web")), Ok(vec![3, 5]));
        assert_eq!(Handed::Descriptor(9).numbers(PassedWords::default(), 7).unwrap(), [9]);
    }

    #[test]
    fn what_is_not_passed_to_this_process_is_refused_with_the_reason() {
        let all = Handed::Passed(None);
        assert!(
            numbers(&all, "8", "1", None).unwrap_err().contains("LISTEN_PID is 8, and this process is 7")
        );
        for count in ["0", "-1", "x", "1025", ""] {
            assert!(numbers(&all, "7", count, None).unwrap_err().contains("LISTEN_FDS is"), "{count}");
        }
        let named = Handed::Passed(Some("web".into()));
        assert!(numbers(&named, "7", "1", Some("other")).unwrap_err().contains("LISTEN_FDNAMES has other"));
        assert!(numbers(&named, "7", "1", None).unwrap_err().contains("LISTEN_FDNAMES has nothing"));
        let nothing = all.numbers(PassedWords::default(), 7).unwrap_err().to_string();
        assert!(nothing.contains("LISTEN_PID and LISTEN_FDS are not set"), "{nothing}");
    }

    #[test]
    fn a_socket_is_served_by_every_worker_and_its_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.sock");
        let unix = UnixListener::bind(&path).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = tcp.local_addr().unwrap();
        let mut all = [(); 2].map(|()| Bound { sockets: Vec::new(), tls: None });
        let what = Handed::Passed(None);
        assert_eq!(Bound::add_to_each(&mut all, &what, unix.into()).unwrap(), None);
        assert_eq!(Bound::add_to_each(&mut all, &what, tcp.into()).unwrap(), Some(at));
        for worker in &all {
            assert_eq!((worker.sockets.len(), worker.addresses()), (2, vec![at]));
        }
        drop(all);
        assert!(path.exists());
    }
}
