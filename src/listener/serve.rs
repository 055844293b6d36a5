//! The accept loop of one worker, and its drain.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, Sleep, interval, sleep_until, timeout};

use super::bind::{Listening, SocketFile};
use super::connection::{self, Worker};
use super::control::Register;
use super::socket::Stream;
use super::{Bound, Door, Handler, Limits, Peer};

/// Pause after the first failed accept; doubled with each further one.
const BACK_OFF: Duration = Duration::from_millis(10);
/// The longest such pause, and how often one is logged.
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Refused callers that are heard out at a time; one more is cut off without a word.
const REFUSED_MAX: usize = 64;
/// How long a refused caller is heard out, so that a reset does not overtake his answer.
const REFUSED_TIME: Duration = Duration::from_millis(500);

/// Serves one worker's sockets on the current runtime until `shutdown` completes, then drains: no new
/// connection, what runs is finished, whoever rests is closed. Completes when the last connection has gone,
/// tunnels included. The caller sets the deadline by dropping this future, which ends all connections, and then
/// the runtime, which ends the tunnels: those belong to the handler's tasks.
///
/// # Errors
/// If a socket cannot be given to the runtime; nothing has been served then.
pub async fn serve<H: Handler>(
    bound: Bound,
    handler: Arc<H>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let tls = bound.tls.clone();
    let mut doors = Doors::open(bound)?;
    let register = Register::new(&limits.settings);
    let retry_after = limits.settings.retry_after.as_secs().max(1);
    let full = format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: {retry_after}\r\nconnection: close\r\n\
         content-length: 0\r\n\r\n"
    );
    let is_tls = tls.is_some();
    let worker = Arc::new(Worker::new(handler, limits.clone(), tls));
    let mut connections = JoinSet::new();
    let mut refused = JoinSet::new();
    let mut sweep = interval(register.tick());
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trouble = Trouble::default();
    let mut shutdown = pin!(shutdown);

    let mut enter = |accepted: Accepted, connections: &mut JoinSet<()>| match limits.enter_connection() {
        Some(permit) => {
            let presence = register.enter(permit);
            connections.spawn(connection::run(Arc::clone(&worker), accepted.stream, accepted.peer, presence));
        }
        None => {
            while refused.try_join_next().is_some() {}
            // An answer in the clear is none to a client that waits for a handshake.
            let understands = !is_tls || accepted.peer.is_unix();
            if understands && refused.len() < REFUSED_MAX {
                refused.spawn(refuse(accepted.stream, full.clone()));
            }
        }
    };

    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = doors.accept(), if !trouble.lasts() => match accepted {
                Ok(accepted) => {
                    trouble.is_over();
                    enter(accepted, &mut connections);
                }
                Err(error) => trouble.met(&error),
            },
            () = trouble.pause(), if trouble.lasts() => trouble.try_again(),
            _ = sweep.tick(), if !register.is_empty() => register.sweep(&limits.settings),
            // Reaped as they end, so that the set does not grow.
            Some(_) = connections.join_next() => {}
        }
    }

    // Who stood in the queue before the doors closed is still let in.
    for accepted in doors.close() {
        enter(accepted, &mut connections);
    }
    register.drain();
    while !register.is_empty() {
        tokio::select! {
            () = register.left() => {}
            _ = sweep.tick() => register.sweep(&limits.settings),
        }
    }
    Ok(())
}

struct Accepted {
    stream: Stream,
    peer: Peer,
}

/// The listening sockets, on the runtime.
struct Doors {
    doors: Vec<Entrance>,
    /// Where the next look begins, so that a busy door does not starve the others.
    next: usize,
}

enum Entrance {
    Tcp { listener: TcpListener, door: Door },
    Unix { listener: UnixListener, owner: u32, door: Door, _file: Option<Arc<SocketFile>> },
}

impl Doors {
    fn open(bound: Bound) -> io::Result<Self> {
        let open = |(socket, door)| {
            Ok(match socket {
                Listening::Tcp(listener) => {
                    Entrance::Tcp { listener: TcpListener::from_std(listener)?, door }
                }
                Listening::Unix(listener, file) => Entrance::Unix {
                    listener: UnixListener::from_std(listener)?,
                    owner: rustix::process::geteuid().as_raw(),
                    door,
                    _file: file,
                },
            })
        };
        Ok(Self { doors: bound.sockets.into_iter().map(open).collect::<io::Result<_>>()?, next: 0 })
    }

    async fn accept(&mut self) -> io::Result<Accepted> {
        poll_fn(|cx| {
            for _ in 0..self.doors.len() {
                self.next = (self.next + 1) % self.doors.len();
                while let Poll::Ready(accepted) = self.doors[self.next].poll_accept(cx) {
                    match accepted {
                        Ok(None) => {}
                        Ok(Some(accepted)) => return Poll::Ready(Ok(accepted)),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Closes the doors; who stands in the queue still comes in. The kernel is asked, since the runtime hears of
    /// a caller only when it next looks.
    fn close(self) -> Vec<Accepted> {
        self.doors.into_iter().flat_map(|door| door.close().unwrap_or_default()).collect()
    }
}

impl Entrance {
    /// A connection, or `None` for one that is not let in.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Accepted>>> {
        match self {
            Self::Tcp { listener, door } => {
                listener.poll_accept(cx).map_ok(|(stream, client)| Accepted::tcp(stream, client, *door))
            }
            Self::Unix { listener, owner, door, .. } => {
                listener.poll_accept(cx).map_ok(|(stream, _)| Accepted::unix(stream, *owner, *door))
            }
        }
    }

    fn close(self) -> io::Result<Vec<Accepted>> {
        let mut last = Vec::new();
        match self {
            Self::Tcp { listener, door } => {
                let listener = listener.into_std()?;
                while let Ok((stream, client)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    last.extend(Accepted::tcp(TcpStream::from_std(stream)?, client, door));
                }
            }
            Self::Unix { listener, owner, door, _file } => {
                let listener = listener.into_std()?;
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    last.extend(Accepted::unix(UnixStream::from_std(stream)?, owner, door));
                }
            }
        }
        Ok(last)
    }
}

impl Accepted {
    /// `None` if the client has gone already.
    fn tcp(stream: TcpStream, client: SocketAddr, door: Door) -> Option<Self> {
        stream.set_nodelay(true).ok()?;
        let local = stream.local_addr().ok()?;
        Some(Self { stream: Stream::Tcp(stream), peer: Peer::Tcp { client, local, door } })
    }

    /// `None` for another user.
    fn unix(stream: UnixStream, owner: u32, door: Door) -> Option<Self> {
        let uid = stream.peer_cred().ok()?.uid();
        if !may_enter(uid, owner) {
            tracing::warn!(uid, "another user's connection to the unix socket was refused");
            return None;
        }
        Some(Self { stream: Stream::Unix(stream), peer: Peer::Unix { uid, door } })
    }
}

/// The file's mode keeps others out already; this holds where a directory or a mount has undone it.
fn may_enter(uid: u32, owner: u32) -> bool {
    uid == owner || uid == 0
}

/// Answers a caller for whom there is no room. He may not have finished speaking, and closing on unread bytes
/// resets the connection, so he is heard out for a moment.
async fn refuse(stream: Stream, answer: String) {
    match stream {
        Stream::Tcp(stream) => hear_out(stream, answer).await,
        Stream::Unix(stream) => hear_out(stream, answer).await,
        Stream::Tls(stream) => hear_out(*stream, answer).await,
        // Nobody has read a request of it.
        Stream::Lent(_) => {}
    }
}

async fn hear_out(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, answer: String) {
    let _ = timeout(REFUSED_TIME, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    })
    .await;
}

/// Failed accepts in a row: no file descriptors, no memory.
#[derive(Default)]
struct Trouble {
    pause: Duration,
    until: Option<Instant>,
    logged: Option<Instant>,
}

impl Trouble {
    /// The waiting connection stays in the queue, so that trying again at once would only burn the CPU.
    fn met(&mut self, error: &io::Error) {
        if matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
        ) {
            return; // the caller's own end, not ours
        }
        let now = Instant::now();
        if self.logged.is_none_or(|at| now - at >= BACK_OFF_MAX) {
            self.logged = Some(now);
            tracing::error!(%error, "cannot accept connections; hint: raise the limit of open files (ulimit -n)");
        }
        self.pause = (self.pause * 2).clamp(BACK_OFF, BACK_OFF_MAX);
        self.until = Some(now + self.pause);
    }

    fn lasts(&self) -> bool {
        self.until.is_some()
    }

    fn pause(&self) -> Sleep {
        sleep_until(self.until.unwrap_or_else(Instant::now))
    }

    fn try_again(&mut self) {
        self.until = None;
    }

    fn is_over(&mut self) {
        self.pause = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unix_socket_is_for_its_owner_and_root() {
        assert!(may_enter(1000, 1000));
        assert!(may_enter(0, 1000));
        assert!(!may_enter(1001, 1000));
        assert!(!may_enter(1000, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn failed_accepts_are_spaced_further_and_further_up_to_a_second() {
        let mut trouble = Trouble::default();
        let began = Instant::now();
        for _ in 0..3 {
            trouble.met(&io::Error::from_raw_os_error(24));
            assert!(trouble.lasts());
            trouble.pause().await;
            trouble.try_again();
        }
        assert_eq!(began.elapsed().as_millis(), 70);
        for _ in 0..10 {
            trouble.met(&io::Error::from_raw_os_error(24));
        }
        assert_eq!(trouble.pause, BACK_OFF_MAX);
        trouble.try_again();
        trouble.met(&io::ErrorKind::ConnectionAborted.into());
        assert!(!trouble.lasts(), "an aborted connection is no trouble");
        trouble.is_over();
        trouble.met(&io::Error::from_raw_os_error(24));
        assert_eq!(trouble.pause, BACK_OFF);
    }
}
