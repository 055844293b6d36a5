//! One accepted connection as a byte stream that keeps its control block informed.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use rustix::net::{RecvFlags, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::control::Presence;
use super::witness::Witness;
use crate::inflow::Lane;
use crate::splice::poll_try;

/// A head and a small body leave in one flat write up to this size: gathering them costs less than a vectored
/// write does. Beyond it the copy costs more, and large bodies must not be copied at all.
const GATHER_LIMIT: usize = 8 * 1024;

thread_local! {
    /// Where small writes are gathered; one for each worker, so that an idle connection holds none.
    static GATHER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Gives back this thread's buffer.
pub(super) fn forget() {
    GATHER.take();
}

/// An accepted stream.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    /// Hands are shaken.
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
    /// TCP, while the content of a request is read elsewhere.
    Lent(Arc<Lane>),
}

impl Stream {
    /// How much of a request's content nobody has read, in bytes.
    pub(super) fn left(&self) -> u64 {
        match self {
            Self::Lent(lane) => lane.left(),
            Self::Tcp(_) | Self::Tls(_) | Self::Unix(_) => 0,
        }
    }

    /// Whether somebody else reads from it.
    pub(super) fn is_lent(&self) -> bool {
        matches!(self, Self::Lent(lane) if lane.is_read())
    }

    /// The same after a request's content, which has been read to its end.
    pub(super) fn taken_back(self) -> Self {
        match self {
            Self::Lent(lane) => lane.end().map_or_else(Self::Lent, Self::Tcp),
            other => other,
        }
    }

    /// The first bytes that have arrived on the wire, left where they are; 0 at the end of the stream.
    pub(super) async fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut peek = |fd: rustix::fd::BorrowedFd<'_>| {
            rustix::net::recv(fd, &mut *into, RecvFlags::PEEK).map(|(_, seen)| seen).map_err(io::Error::from)
        };
        match self {
            Self::Tcp(stream) => stream.async_io(Interest::READABLE, || peek(stream.as_fd())).await,
            Self::Tls(stream) => {
                let stream = stream.get_ref().0;
                stream.async_io(Interest::READABLE, || peek(stream.as_fd())).await
            }
            Self::Unix(stream) => stream.async_io(Interest::READABLE, || peek(stream.as_fd())).await,
            Self::Lent(lane) => {
                let stream = lane.stream();
                stream.async_io(Interest::READABLE, || peek(stream.as_fd())).await
            }
        }
    }

    /// Whether bytes have arrived, asked of the kernel: the runtime may not have heard of them yet.
    pub(super) fn has_bytes(&self) -> bool {
        let fd = match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.get_ref().0.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Lent(lane) => lane.stream().as_fd(),
        };
        let mut first = [0; 1];
        rustix::net::recv(fd, &mut first, RecvFlags::PEEK | RecvFlags::DONTWAIT)
            .is_ok_and(|(_, seen)| seen > 0)
    }

    /// Writes what goes at once; for a last word to somebody who is sent away.
    pub(super) fn write_now(&mut self, bytes: &[u8]) {
        let cx = &mut Context::from_waker(Waker::noop());
        let _ = self.poll_write(cx, bytes);
        let _ = self.poll_flush(cx);
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Lent(lane) => {
                let stream = lane.stream();
                poll_try(|| stream.poll_read_ready(cx), || stream.try_read_buf(into)).map_ok(drop)
            }
        }
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Lent(lane) => {
                let stream = lane.stream();
                poll_try(|| stream.poll_write_ready(cx), || stream.try_write_vectored(slices))
            }
        }
    }

    /// The connection itself, where its bytes are the client's as they are.
    pub(super) fn in_the_clear(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Lent(lane) => Some(lane.stream()),
            Self::Tls(_) | Self::Unix(_) => None,
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Lent(lane) => {
                Poll::Ready(rustix::net::shutdown(lane.stream(), Shutdown::Write).map_err(io::Error::from))
            }
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Lent(lane) => {
                let stream = lane.stream();
                poll_try(|| stream.poll_write_ready(cx), || stream.try_write(bytes))
            }
        }
    }

    /// Only TLS holds anything back.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) | Self::Unix(_) | Self::Lent(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}

/// A [`Stream`] that holds its place in the register and stamps what happens.
pub(super) struct Socket {
    stream: Stream,
    presence: Presence,
    /// On HTTP/1, until it becomes a tunnel.
    witness: Option<Witness>,
    /// What is left of an interim answer whose beginning the client has taken; nothing else goes before it.
    rest: Vec<u8>,
    /// What was read of it before, to be read again first.
    ahead: Bytes,
}

/// Shows how much is left, never what.
impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("witness", &self.witness)
            .field("rest", &self.rest.len())
            .finish_non_exhaustive()
    }
}

impl Socket {
    pub(super) fn new(stream: Stream, presence: Presence, witness: Option<Witness>) -> Self {
        Self { stream, presence, witness, rest: Vec::new(), ahead: Bytes::new() }
    }

    /// The same where this much was read already.
    pub(super) fn with(mut self, ahead: Vec<u8>) -> Self {
        self.ahead = ahead.into();
        self
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    fn look_at(&mut self, bytes: &[u8]) {
        let control = self.presence.control();
        if let Some(witness) = &mut self.witness
            && let Some((request, fault)) = witness.read(bytes)
        {
            if control.is_tunnel() {
                self.witness = None;
            } else {
                control.is_malformed(request, fault);
            }
        }
    }

    fn write_unstamped(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, bytes)
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.write_unstamped(cx, bytes);
        self.stamp_write(&written);
        written
    }

    fn write_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            let written = self.write(cx, &rest);
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => self.rest = rest[n..].to_vec(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.rest = rest;
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn stamp_write(&self, written: &Poll<io::Result<usize>>) {
        self.presence.control().write_blocked(written.is_pending());
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = if self.ahead.is_empty() {
            self.stream.poll_read(cx, buf)
        } else {
            let taken = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(taken));
            Poll::Ready(Ok(()))
        };
        if buf.filled().len() > before {
            self.presence.control().bytes_read();
            self.look_at(&buf.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.rest.is_empty() {
            ready!(self.write_rest(cx))?;
        }
        self.write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.rest.is_empty() {
            ready!(self.write_rest(cx))?;
        }
        if let [only] = slices {
            return self.poll_write(cx, only);
        }
        if slices.iter().map(|slice| slice.len()).sum::<usize>() <= GATHER_LIMIT {
            return GATHER.with_borrow_mut(|flat| {
                flat.clear();
                slices.iter().for_each(|slice| flat.extend_from_slice(slice));
                self.poll_write(cx, flat)
            });
        }
        let written = self.stream.poll_write_vectored(cx, slices);
        self.stamp_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Called by hyper when it has nothing left to write, and so the
    /// moment for what goes out between two of its messages (interim.rs).
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.rest.is_empty() {
            ready!(self.write_rest(cx))?;
        }
        let Some(hints) = self.presence.control().hints().take() else { return self.stream.poll_flush(cx) };
        match self.write_unstamped(cx, &hints) {
            Poll::Ready(Ok(n)) if n < hints.len() => {
                self.rest = hints[n..].to_vec();
                ready!(self.write_rest(cx))?;
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            // Who takes nothing gets no hints, and his answer is not kept waiting for them.
            Poll::Ready(Ok(_)) | Poll::Pending => {}
        }
        self.stream.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.rest.is_empty() {
            ready!(self.write_rest(cx))?;
        }
        self.stream.poll_shutdown(cx)
    }
}
