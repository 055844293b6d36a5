//! The content of a request that has not come whole: it is read where it is wanted, as fast as it is wanted.
//!
//! In: hyper's stream, or a client's connection in the clear with a length. Out: frames, or bytes in a pipe. Always:
//! nothing beyond the length is read, and the connection knows how much of it nobody has read yet. Refuses to know: who
//! the client is, and where it goes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::net::TcpStream;

use crate::splice::{Pipe, poll_try};

/// Content that is coming.
pub enum Inflow {
    /// By way of hyper's server.
    ByHyper(Incoming),
    /// Straight from the connection.
    Straight(Straight),
}

/// Content of known length, read from the connection itself.
pub struct Straight {
    /// What came together with the head.
    ahead: Bytes,
    /// There until all has been read, so that its connection knows that nobody reads any more.
    lane: Option<Arc<Lane>>,
    left: u64,
    /// How much one piece of it holds at most, in bytes.
    most: usize,
}

/// A client's connection while somebody else reads the content of its request. It can still be written to.
#[derive(Debug)]
pub struct Lane {
    stream: TcpStream,
    left: AtomicU64,
}

impl Straight {
    /// `ahead` has come with the head, and `left` bytes more are coming on the connection, to be read up to `most` at a
    /// time.
    pub fn new(ahead: Bytes, stream: TcpStream, left: u64, most: usize) -> (Self, Arc<Lane>) {
        let lane = Arc::new(Lane { stream, left: AtomicU64::new(left) });
        (Self { ahead, lane: Some(Arc::clone(&lane)), left, most: most.max(1) }, lane)
    }

    /// How many bytes of it have not been taken.
    pub fn left(&self) -> u64 {
        self.ahead.len() as u64 + self.left
    }

    /// Moves what has come into the pipe, which is empty; how much it was, never 0. `None` if the next bytes cannot be
    /// had like that.
    ///
    /// # Errors
    /// The connection's; `UnexpectedEof` if the client has ended it.
    pub fn poll_splice(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Option<Poll<io::Result<usize>>> {
        let lane = self.lane.as_ref().filter(|_| self.ahead.is_empty())?;
        let filled = pipe.poll_fill(cx, &lane.stream, self.left)?;
        Some(filled.map(|filled| self.took(filled)))
    }

    /// The next piece of it; there has to be one.
    ///
    /// # Errors
    /// As [`Straight::poll_splice`].
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(std::mem::take(&mut self.ahead)));
        }
        let Some(lane) = &self.lane else { return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())) };
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.most);
        let mut piece = BytesMut::new();
        let read = ready!(poll_try(
            || lane.stream.poll_read_ready(cx),
            || {
                // No memory is asked for before there is something to read.
                piece.reserve(most);
                lane.stream.try_read_buf(&mut (&mut piece).limit(most))
            },
        ));
        self.took(read)?;
        Poll::Ready(Ok(piece.freeze()))
    }

    fn took(&mut self, read: io::Result<usize>) -> io::Result<usize> {
        let read = read?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left = self.left.saturating_sub(read as u64);
        if let Some(lane) = &self.lane {
            lane.left.store(self.left, Ordering::Relaxed);
        }
        if self.left == 0 {
            self.lane = None;
        }
        Ok(read)
    }
}

impl Lane {
    /// The connection. Who reads from it waits until [`Lane::is_read`] says that nobody else does.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// How many bytes of the content nobody has read.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Whether somebody else reads from it still.
    pub fn is_read(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
    }

    /// The connection again, at the end of the content.
    ///
    /// # Errors
    /// Itself, where somebody else has it, or content is left.
    pub fn end(self: Arc<Self>) -> Result<TcpStream, Arc<Self>> {
        if self.left() > 0 {
            return Err(self);
        }
        Arc::try_unwrap(self).map(|lane| lane.stream)
    }
}

impl Body for Inflow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::ByHyper(body) => Pin::new(body).poll_frame(cx).map_err(io::Error::other),
            Self::Straight(straight) if straight.left() == 0 => Poll::Ready(None),
            Self::Straight(straight) => straight.poll_piece(cx).map_ok(Frame::data).map(Some),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::ByHyper(body) => body.is_end_stream(),
            Self::Straight(straight) => straight.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::ByHyper(body) => body.size_hint(),
            Self::Straight(straight) => SizeHint::with_exact(straight.left()),
        }
    }
}

/// Shows how much is coming, never what came.
impl fmt::Debug for Straight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Straight").field("left", &self.left()).finish_non_exhaustive()
    }
}

/// As [`Straight`].
impl fmt::Debug for Inflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByHyper(_) => f.write_str("ByHyper"),
            Self::Straight(straight) => straight.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::splice::tests::pair;

    #[tokio::test]
    async fn it_ends_where_it_ends_and_gives_the_connection_back() {
        let (mut client, stream) = pair().await;
        let content = vec![b'x'; 300_000];
        let (straight, lane) =
            Straight::new(Bytes::from_static(b"ahead"), stream, content.len() as u64, 100_000);
        assert_eq!(straight.left(), 5 + content.len() as u64);
        let lane = lane.end().unwrap_err();
        client.write_all(&content).await.unwrap();
        client.write_all(b"GET ").await.unwrap();
        let mut inflow = Inflow::Straight(straight);
        assert!(lane.is_read());
        let whole = (&mut inflow).collect().await.unwrap().to_bytes();
        assert_eq!((&whole[..5], whole.len()), (&b"ahead"[..], 5 + content.len()));
        assert!(inflow.is_end_stream() && !lane.is_read(), "although it has not been dropped");
        let mut stream = lane.end().unwrap();
        let mut next = [0; 4];
        stream.read_exact(&mut next).await.unwrap();
        assert_eq!(&next, b"GET ");
    }

    #[tokio::test]
    async fn a_client_that_ends_within_it_is_a_fault_and_what_is_left_is_known() {
        let (mut client, stream) = pair().await;
        let (straight, lane) = Straight::new(Bytes::new(), stream, 10, 100);
        client.write_all(b"four").await.unwrap();
        drop(client);
        let mut inflow = Inflow::Straight(straight);
        assert_eq!(inflow.frame().await.unwrap().unwrap().into_data().unwrap(), "four");
        let fault = inflow.frame().await.unwrap().unwrap_err();
        assert_eq!((fault.kind(), lane.left()), (io::ErrorKind::UnexpectedEof, 6));
        drop(inflow);
        assert!(lane.end().is_err(), "the rest of it may still come");
    }
}
