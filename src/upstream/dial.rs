//! A new connection: DNS, TCP, TLS, the HTTP handshake, all under one limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::body::WireBody;
use super::lean::{Lean, Wire};
use super::patient::Patient;
use super::tls::Tls;
use super::via::{Via, ViaFault};
use super::watch::{Ticks, Watch};
use super::{Base, UpstreamError};

/// How long one address is tried before the next one joins in (RFC 8305 section 5, "Connection Attempt Delay").
const STAGGER: Duration = Duration::from_millis(250);
/// The largest head of an answer that is taken.
const MAX_HEAD: usize = 64 * 1024;
/// A quiet HTTP/2 connection is asked this often whether it still lives, while it is in use.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_WITHIN: Duration = Duration::from_secs(10);

/// What connections are made with.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) base: Arc<Base>,
    pub(super) tls: Option<Tls>,
    pub(super) via: Option<Via>,
    pub(super) limit: Duration,
    pub(super) ticks: Arc<Ticks>,
    pub(super) own: Arc<[SocketAddr]>,
}

/// One HTTP/1.1 connection that hyper drives. Dropping it closes it.
pub(super) struct Conn {
    pub(super) sender: http1::SendRequest<WireBody>,
    pub(super) watch: Arc<Watch>,
    task: Option<tokio::task::AbortHandle>,
}

pub(super) type H2 = http2::SendRequest<WireBody>;

pub(super) enum Dialled {
    Lean(Lean),
    H1(Conn),
    H2(H2),
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests whose bodies are at hand.
    Held,
    /// Requests whose bodies stream.
    Streamed,
    /// One handshake that may turn into something else.
    Upgrade,
}

/// How far a connection came, and how long each stage of it took; for `portunus check`. What was not reached is
/// `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stages {
    /// The name's resolution.
    pub dns: Option<Duration>,
    /// The TCP handshake.
    pub tcp: Option<Duration>,
    /// The address that was reached.
    pub peer: Option<SocketAddr>,
    /// The TLS handshake, where there is one.
    pub tls: Option<Duration>,
    /// Whether HTTP/2 was agreed.
    pub http2: bool,
}

impl Drop for Conn {
    fn drop(&mut self) {
        // Merely dropping the sender would let an unfinished exchange run on.
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Conn {
    /// Leaves the connection to what it has become (an upgrade).
    pub(super) fn let_go(mut self) {
        self.task = None;
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// An upload waits, and so does its client, while this much of it has not been taken by the portal, in bytes.
const UPLOAD_AHEAD: usize = 128 * 1024;

impl Dialer {
    pub(super) async fn dial(&self, purpose: Purpose) -> Result<Dialled, UpstreamError> {
        let limited = tokio::time::timeout(self.limit, async {
            let mut stages = Stages::default();
            let stream = self.connect(purpose, &mut stages).await?;
            match stream {
                Stream::Plain(tcp) if purpose == Purpose::Held => Ok(self.lean(Wire::Plain(tcp))),
                Stream::Plain(tcp) => self.http1(tcp, purpose).await.map(Dialled::H1),
                Stream::Tls(tls) if stages.http2 => self.http2(*tls).await.map(Dialled::H2),
                Stream::Tls(tls) if purpose == Purpose::Held => Ok(self.lean(Wire::Tls(tls))),
                Stream::Tls(tls) => self.http1(*tls, purpose).await.map(Dialled::H1),
            }
        });
        limited.await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// Connects as far as TLS, says how far it came and how long it took, and hangs up.
    pub(super) async fn probe(&self) -> (Stages, Result<(), UpstreamError>) {
        let mut stages = Stages::default();
        let limited = tokio::time::timeout(self.limit, self.connect(Purpose::Held, &mut stages)).await;
        let connected = limited.unwrap_or_else(|_| Err(self.timed_out())).map(drop);
        (stages, connected)
    }

    pub(super) fn timed_out(&self) -> UpstreamError {
        UpstreamError::ConnectTimeout { authority: self.base.authority().to_owned(), limit: self.limit }
    }

    async fn connect(&self, purpose: Purpose, stages: &mut Stages) -> Result<Stream, UpstreamError> {
        let begun = Instant::now();
        let addresses = self.resolve().await?;
        stages.dns = Some(begun.elapsed());
        let begun = Instant::now();
        let mut tcp =
            race(addresses, TcpStream::connect).await.map_err(|source| self.no_connection(source))?;
        tcp.set_nodelay(true).map_err(|source| self.no_connection(source))?;
        stages.peer = tcp.peer_addr().ok();
        if self.leads_home(&tcp).map_err(|source| self.no_connection(source))? {
            return Err(UpstreamError::Loop { authority: self.base.authority().to_owned() });
        }
        if let Some(via) = &self.via {
            let opened = via.open(&mut tcp, self.base.host(), self.base.port()).await;
            opened.map_err(|(fault, source)| via_failed(via, fault, source))?;
        }
        stages.tcp = Some(begun.elapsed());
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        let begun = Instant::now();
        let tls = tls.connect(tcp, purpose == Purpose::Upgrade).await.map_err(|(fault, source)| {
            UpstreamError::Tls { authority: self.base.authority().to_owned(), fault, source }
        })?;
        stages.tls = Some(begun.elapsed());
        stages.http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Stream::Tls(Box::new(tls)))
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, UpstreamError> {
        let failed = |source| match &self.via {
            Some(via) => via_failed(via, ViaFault::Unresolved, source),
            None => UpstreamError::Dns { host: self.base.host().to_owned(), source },
        };
        // Through a forward proxy it is that proxy which looks the portal's name up.
        let (host, port) = match &self.via {
            Some(via) => (via.host.as_str(), via.port),
            None => (self.base.host(), self.base.port()),
        };
        let found = tokio::net::lookup_host((host, port)).await.map_err(failed)?;
        let addresses = interleave(found.collect());
        if addresses.is_empty() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        }
        Ok(addresses)
    }

    /// Whether the other end is a listener of ours: names and redirections of addresses may hide it until now.
    fn leads_home(&self, tcp: &TcpStream) -> io::Result<bool> {
        if self.own.is_empty() {
            return Ok(false);
        }
        let (there, here) = (tcp.peer_addr()?, tcp.local_addr()?);
        Ok(self.own.iter().any(|own| {
            own.port() == there.port()
                && (own.ip() == there.ip() || (own.ip().is_unspecified() && here.ip() == there.ip()))
        }))
    }

    fn no_connection(&self, source: io::Error) -> UpstreamError {
        if let Some(via) = &self.via {
            return via_failed(via, ViaFault::Unreachable, source);
        }
        UpstreamError::Connect { authority: self.base.authority().to_owned(), source }
    }

    fn lean(&self, wire: Wire) -> Dialled {
        Dialled::Lean(Lean::new(wire, Arc::new(Watch::new(self.ticks.clone()))))
    }

    async fn http1<S>(&self, stream: S, purpose: Purpose) -> Result<Conn, UpstreamError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        // What goes this way streams: it leaves in pieces as it came, since a flat write would copy all of it.
        let (sender, connection) = http1::Builder::new()
            .writev(true)
            .max_buf_size(UPLOAD_AHEAD)
            .max_header_size(MAX_HEAD)
            .handshake(TokioIo::new(Patient::new(stream)))
            .await
            .map_err(no_handshake)?;
        let watch = Arc::new(Watch::new(self.ticks.clone()));
        // How a connection ends is told by the request that it ends with.
        let task = match purpose {
            Purpose::Held | Purpose::Streamed => {
                tokio::spawn(async move { connection.await.unwrap_or_default() })
            }
            Purpose::Upgrade => {
                tokio::spawn(async move { connection.with_upgrades().await.unwrap_or_default() })
            }
        };
        watch.tie(task.abort_handle());
        Ok(Conn { sender, watch, task: Some(task.abort_handle()) })
    }

    async fn http2<S>(&self, stream: S) -> Result<H2, UpstreamError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .adaptive_window(true)
            .max_header_list_size(MAX_HEAD as u32)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WITHIN)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(no_handshake)?;
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        Ok(sender)
    }
}

fn via_failed(via: &Via, fault: ViaFault, source: io::Error) -> UpstreamError {
    UpstreamError::Via { proxy: via.authority(), fault, source }
}

fn no_handshake(error: hyper::Error) -> UpstreamError {
    UpstreamError::Broken { may_have_acted: false, source: io::Error::other(error) }
}

/// Families take turns, the resolver's first choice first (RFC 8305 section 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first);
    let mut turns = Vec::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    loop {
        let before = turns.len();
        turns.extend(one.next());
        turns.extend(other.next());
        if turns.len() == before {
            return turns;
        }
    }
}

/// The first address that connects; a slow one does not hold up the next, a failed one brings it on at once.
async fn race<T, F, C>(addresses: Vec<SocketAddr>, connect: C) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
    C: Fn(SocketAddr) -> F,
{
    let mut waiting = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut next_at = Instant::now();
    loop {
        if running.is_empty() || Instant::now() >= next_at {
            match waiting.next() {
                Some(address) => running.push(connect(address)),
                None if running.is_empty() => return Err(last),
                None => {}
            }
            next_at = Instant::now() + STAGGER;
        }
        tokio::select! {
            done = running.next() => match done {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(e)) => {
                    last = e;
                    next_at = Instant::now();
                }
                None => {}
            },
            () = sleep_until(next_at), if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &[&str]) -> Vec<SocketAddr> {
        text.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let mixed = addresses(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]);
        let turns = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]);
        assert_eq!(interleave(mixed), turns);
    }

    #[tokio::test]
    async fn a_silent_address_holds_nobody_up_and_a_refusing_one_brings_the_next_on_at_once() {
        let connect = |address: SocketAddr| async move {
            match address.port() {
                1 => std::future::pending().await,
                2 => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                port => Ok(port),
            }
        };
        let begun = Instant::now();
        let won = race(addresses(&["1.1.1.1:1", "1.1.1.1:2", "1.1.1.1:3"]), connect).await.unwrap();
        assert_eq!(won, 3);
        assert!(begun.elapsed() >= STAGGER && begun.elapsed() < STAGGER * 2);
        let refused = race(addresses(&["1.1.1.1:2", "2.2.2.2:2"]), connect).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
