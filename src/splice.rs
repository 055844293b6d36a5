//! Bytes that go from one socket to the other inside the kernel: neither copied nor seen.
//!
//! In: a body of which much is still to come on a TCP connection in the clear. Out: the same bytes in a pipe, for
//! another connection to take. Always: what a pipe holds belongs to one body; one that is dropped with something in it
//! is closed. Refuses to know: heads, framing, deadlines.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use http_body::Body;
use rustix::fd::{AsFd, OwnedFd};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// From this many bytes on, still to come, it is worth a pipe and the calls for it.
pub const WORTHWHILE: u64 = 256 * 1024;

/// How much a pipe is asked to hold, in bytes. Where the kernel grants less (`pipe-user-pages-soft`), its usual 64 KiB do.
const CAPACITY: usize = 1024 * 1024;

/// How many pipes there are at most, of the whole process: each takes two descriptors, and lasts as long as its client
/// is slow. Bodies beyond them go through memory.
const MOST: usize = 128;

/// How many wait for the next body, on each worker; until the next tick of its sweep, if there is none.
const SPARE: usize = 2;

static ALIVE: AtomicUsize = AtomicUsize::new(0);
/// Set once a call has shown that this kernel, or what filters its calls, does not let sockets be spliced.
static REFUSED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static FREE: RefCell<Vec<Ends>> = const { RefCell::new(Vec::new()) };
}

/// A body that may come from a socket.
pub trait Source: Body {
    /// Moves what has come of the body into the pipe, which is empty, and says how much it was; never 0, and never
    /// beyond the body's end. `None` if its next bytes cannot be had like this: they are asked for as frames then.
    fn poll_splice(
        &mut self,
        _cx: &mut Context<'_>,
        _pipe: &mut Pipe,
    ) -> Option<Poll<Result<usize, Self::Error>>> {
        None
    }

    /// Goes on with what else its exchange has to do, such as sending what is left of the request, while nobody can take
    /// more of the body.
    fn poll_beside(&mut self, _cx: &mut Context<'_>) {}
}

/// Room in the kernel for what has left one socket and is not in the other.
#[derive(Debug)]
pub struct Pipe {
    /// There until it is dropped.
    ends: Option<Ends>,
    holds: usize,
}

#[derive(Debug)]
struct Ends {
    out: OwnedFd,
    into: OwnedFd,
}

impl Pipe {
    /// An empty pipe, unless there are too many, or the kernel has none or nothing to do with it.
    pub fn take() -> Option<Self> {
        if REFUSED.load(Ordering::Relaxed) {
            return None;
        }
        let ends = FREE.with_borrow_mut(Vec::pop).or_else(Ends::new)?;
        Some(Self { ends: Some(ends), holds: 0 })
    }

    /// How many bytes are in it.
    pub fn holds(&self) -> usize {
        self.holds
    }

    /// Moves up to `most` bytes from the socket into the pipe, which has to be empty: in one that is not, nobody could
    /// tell whether the pipe is full or the socket empty. 0 at the end of the stream. `None` if that cannot be done, and
    /// nothing was.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        most: u64,
    ) -> Option<Poll<io::Result<usize>>> {
        let (Some(ends), 0) = (&self.ends, self.holds) else { return None };
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(CAPACITY);
        let filled = poll_try(
            || from.poll_read_ready(cx),
            || from.try_io(Interest::READABLE, || moved(from, &ends.into, most)),
        );
        match &filled {
            Poll::Ready(Err(e)) if is_refusal(e) => {
                REFUSED.store(true, Ordering::Relaxed);
                return None;
            }
            Poll::Ready(Ok(bytes)) => self.holds = *bytes,
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        Some(filled)
    }

    /// Moves what the socket takes out of the pipe, which has to hold something.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, to: &TcpStream) -> Poll<io::Result<usize>> {
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(0)) };
        let drained = ready!(poll_try(
            || to.poll_write_ready(cx),
            || to.try_io(Interest::WRITABLE, || moved(&ends.out, to, self.holds)),
        ))?;
        if drained == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.holds -= drained;
        Poll::Ready(Ok(drained))
    }
}

/// What an attempt at a socket gives once that is ready; where its readiness was a mistake, it is waited for again.
///
/// # Errors
/// The socket's, and never `WouldBlock`.
pub fn poll_try(
    mut ready: impl FnMut() -> Poll<io::Result<()>>,
    mut attempt: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(ready())?;
        match attempt() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

fn moved(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    loop {
        match splice(&from, None, &to, None, most, flags) {
            Err(rustix::io::Errno::INTR) => {}
            done => return done.map_err(io::Error::from),
        }
    }
}

/// Whether it is the call that does not go, and not the connection.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
}

impl Ends {
    fn new() -> Option<Self> {
        if ALIVE.fetch_add(1, Ordering::Relaxed) >= MOST {
            ALIVE.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let Ok((out, into)) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK) else {
            ALIVE.fetch_sub(1, Ordering::Relaxed);
            return None;
        };
        // Less does, too.
        let _ = fcntl_setpipe_size(&into, CAPACITY);
        Some(Self { out, into })
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let Some(ends) = self.ends.take().filter(|_| self.holds == 0) else { return };
        // On a thread that ends there is nothing to keep it for.
        let _ = FREE.try_with(|free| {
            if let Ok(mut free) = free.try_borrow_mut()
                && free.len() < SPARE
            {
                free.push(ends);
            }
        });
    }
}

/// Closes what nobody uses on this thread.
pub fn forget() {
    drop(FREE.take());
}

#[cfg(test)]
pub(crate) mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Both ends of a connection.
    pub(crate) async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (one, other) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (one.unwrap(), other.unwrap().0)
    }

    async fn fill(pipe: &mut Pipe, from: &TcpStream, most: u64) -> Option<usize> {
        poll_fn(|cx| match pipe.poll_fill(cx, from, most) {
            None => Poll::Ready(None),
            Some(polled) => polled.map(|filled| Some(filled.unwrap())),
        })
        .await
    }

    #[tokio::test]
    async fn what_comes_in_goes_out_as_it_is_and_no_more_than_asked_for() {
        let ((mut writer, from), (to, mut reader)) = (pair().await, pair().await);
        let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8 ^ (n >> 8) as u8).collect();
        let (all, kept) = (sent.clone(), sent.len() as u64 - 5);
        let writing = tokio::spawn(async move {
            writer.write_all(&all).await.unwrap();
            writer
        });
        let reading = tokio::spawn(async move {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).await.unwrap();
            got
        });
        let mut pipe = Pipe::take().unwrap();
        let mut left = kept;
        while left > 0 {
            left -= fill(&mut pipe, &from, left).await.unwrap() as u64;
            assert_eq!(fill(&mut pipe, &from, left).await, None, "it is not empty");
            while pipe.holds() > 0 {
                poll_fn(|cx| pipe.poll_drain(cx, &to)).await.unwrap();
            }
        }
        drop(to);
        assert!(reading.await.unwrap() == sent[..sent.len() - 5]);
        let mut rest = Vec::new();
        drop(writing.await.unwrap());
        let mut from = from;
        from.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, sent[sent.len() - 5..]);
        assert_eq!(fill(&mut pipe, &from, 1).await, Some(0), "the end of the stream");
    }

    #[tokio::test]
    async fn an_empty_pipe_is_used_again_and_one_with_something_in_it_is_closed() {
        let ((mut writer, from), (to, _reader)) = (pair().await, pair().await);
        let mut pipe = Pipe::take().unwrap();
        writer.write_all(b"secret").await.unwrap();
        assert_eq!(fill(&mut pipe, &from, 100).await, Some(6));
        drop(pipe);
        assert_eq!(FREE.with_borrow(Vec::len), 0, "what it holds is nobody else's");

        let mut pipe = Pipe::take().unwrap();
        writer.write_all(b"more").await.unwrap();
        assert_eq!(fill(&mut pipe, &from, 100).await, Some(4));
        assert_eq!(poll_fn(|cx| pipe.poll_drain(cx, &to)).await.unwrap(), 4);
        drop(pipe);
        assert_eq!(FREE.with_borrow(Vec::len), 1);
        let pipes: Vec<_> = (0..SPARE + 2).filter_map(|_| Pipe::take()).collect();
        assert_eq!(pipes.len(), SPARE + 2);
        drop(pipes);
        assert_eq!(FREE.with_borrow(Vec::len), SPARE);
        forget();
        assert_eq!(FREE.with_borrow(Vec::len), 0);
    }

    #[tokio::test]
    async fn there_are_only_so_many() {
        let mut pipes = Vec::new();
        while let Some(pipe) = Pipe::take() {
            pipes.push(pipe);
        }
        assert!(pipes.len() <= MOST);
        pipes.pop();
        assert!(Pipe::take().is_some());
    }
}
