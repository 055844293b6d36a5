//! A connection that is listened to even when nobody takes any more of what it says.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose writes do not fail once the other side has stopped taking them: a portal that refuses an upload
/// answers, and closes on the bytes that it does not want. Its answer has been received by then, and would be lost
/// to a writer's error (RFC 9112 section 9.5). If there is none, reading says that the connection is gone.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    /// Nothing is taken any more.
    deaf: bool,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, deaf: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Err(error)) if is_gone(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(bytes.len()))
            }
            polled => polled,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = || slices.iter().map(|slice| slice.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(all()));
        }
        match Pin::new(&mut self.stream).poll_write_vectored(cx, slices) {
            Poll::Ready(Err(error)) if is_gone(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(all()))
            }
            polled => polled,
        }
    }

    /// hyper copies what it cannot write in pieces.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(error)) if is_gone(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(()))
            }
            polled => polled,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_answered_before_the_other_side_closed_is_still_heard() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = Patient::new(stream);
        let (mut other, _) = listener.accept().await.unwrap();
        stream.write_all(&[b'x'; 1000]).await.unwrap();
        other.write_all(b"no").await.unwrap();
        drop(other); // on unread bytes: a reset
        // Until the reset is noticed, and beyond.
        for _ in 0..1000 {
            stream.write_all(&[b'x'; 10_000]).await.unwrap();
        }
        assert!(stream.deaf);
        let halves = [IoSlice::new(b"both "), IoSlice::new(b"halves")];
        assert_eq!(stream.write_vectored(&halves).await.unwrap(), 11);
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"no");
        assert!(!matches!(stream.read(&mut answer).await, Ok(1..)));
    }
}
