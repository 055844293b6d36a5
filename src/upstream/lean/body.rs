//! The rest of an answer's body, read as it is wanted.

use std::io;
use std::sync::Weak;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::chunks::{Chunks, Piece};
use super::large::Large;
use super::{Lean, Wire};
use crate::splice::Pipe;
use crate::upstream::pool::Pool;

/// How a body's end is told (RFC 9112 section 6.3).
pub(in crate::upstream) enum Framing {
    /// This many bytes are left.
    Sized(u64),
    Chunked(Chunks),
    UntilClose,
}

impl Framing {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunks::default())
    }
}

/// A body that has not all come, with the connection that it comes on.
pub(in crate::upstream) struct Rest {
    conn: Lean,
    framing: Framing,
    /// Where the connection goes back to, if it may.
    pool: Option<Weak<Pool>>,
}

impl Rest {
    pub(super) fn new(conn: Lean, framing: Framing, pool: Option<Weak<Pool>>) -> Self {
        Self { conn, framing, pool }
    }

    pub(in crate::upstream) fn watch(&self) -> &super::Watch {
        &self.conn.watch
    }

    /// The next frame; `None` at the end.
    pub(in crate::upstream) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_beside(cx);
        loop {
            match self.next() {
                Ok(Some(Piece::Data(data))) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Some(Piece::Trailers(fields))) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                Ok(Some(Piece::End)) => return Poll::Ready(None),
                Ok(None) => {}
                Err(e) => return Poll::Ready(Some(Err(e))),
            }
            if let Framing::Sized(left) = &mut self.framing
                && *left >= Large::WORTHWHILE
            {
                return match ready!(self.conn.poll_large(cx, *left)) {
                    Ok(data) => {
                        *left -= data.len() as u64;
                        Poll::Ready(Some(Ok(Frame::data(data))))
                    }
                    Err(e) => Poll::Ready(Some(Err(e))),
                };
            }
            match self.conn.poll_more(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) if matches!(self.framing, Framing::UntilClose) => {
                    self.framing = Framing::Sized(0);
                    self.pool = None;
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(e)) => return Poll::Ready(Some(Err(e))),
            }
        }
    }

    /// Moves the next bytes of a long body into the pipe, where it comes in the clear and none of it was read ahead.
    pub(in crate::upstream) fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Option<Poll<io::Result<usize>>> {
        self.poll_beside(cx);
        let (Framing::Sized(left), Wire::Plain(tcp), true) =
            (&mut self.framing, &self.conn.wire, self.conn.read.is_empty())
        else {
            return None;
        };
        if *left == 0 {
            return None;
        }
        Some(match pipe.poll_fill(cx, tcp, *left)? {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Ok(filled)) => {
                *left -= filled as u64;
                Poll::Ready(Ok(filled))
            }
            other => other,
        })
    }

    /// Goes on with the upload, where the answer has begun before its end.
    pub(in crate::upstream) fn poll_beside(&mut self, cx: &mut Context<'_>) {
        let Lean { upload, wire, watch, .. } = &mut self.conn;
        if let Some(sending) = upload
            && sending.poll(cx, wire, watch).is_ready()
        {
            // If it failed, the answer's end will tell.
            *upload = None;
        }
    }

    /// What can be told from the bytes at hand.
    fn next(&mut self) -> io::Result<Option<Piece>> {
        let read = &mut self.conn.read;
        match &mut self.framing {
            Framing::Sized(0) => Ok(Some(Piece::End)),
            _ if read.is_empty() => Ok(None),
            Framing::Sized(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= taken as u64;
                Ok(Some(Piece::Data(read.split_to(taken).freeze())))
            }
            Framing::Chunked(chunks) => chunks.next(read),
            Framing::UntilClose => Ok(Some(Piece::Data(read.split().freeze()))),
        }
    }

    /// Whether nothing more comes.
    pub(in crate::upstream) fn is_ended(&self) -> bool {
        match &self.framing {
            Framing::Sized(left) => *left == 0,
            Framing::Chunked(chunks) => chunks.is_ended(),
            Framing::UntilClose => false,
        }
    }

    pub(in crate::upstream) fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Sized(left) => SizeHint::with_exact(left),
            Framing::Chunked(_) | Framing::UntilClose => SizeHint::default(),
        }
    }

    /// The exchange is over: the connection goes back, unless something is left on it.
    pub(in crate::upstream) fn end(self) {
        if self.is_ended()
            && self.conn.read.is_empty()
            && let Some(pool) = self.pool.and_then(|pool| pool.upgrade())
        {
            pool.put_lean(self.conn);
        }
    }
}
