//! What the portal answered: a head that was checked, and a body that holds its connection until it has ended.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::UpstreamError;
use super::dial::Conn;
use super::lean::Rest;
use super::pool::Pool;
use super::watch::{Waiting, Watch};
use crate::held::{HeldBytes, Room};
use crate::splice::{self, Pipe};

/// What the portal answered.
pub type Reply = http::Response<ReplyBody>;

/// The answer's body; holds the connection until it has ended. Dropped before its end, it cancels the exchange.
pub struct ReplyBody {
    /// What was read ahead and has to come first again.
    ahead: Bytes,
    source: Source,
    /// Off for an event stream, which may be quiet for as long as it likes.
    stalls: bool,
}

/// Where the rest of a body comes from.
enum Source {
    /// From nowhere: it has ended, or came with the head.
    Ended,
    /// From a lean connection.
    Lean(Box<Rest>),
    /// From hyper. Boxed, as it is rare and large, and every answer is moved from room to room.
    Hyper(Box<(Incoming, Holds)>),
}

/// What the body keeps busy.
pub(super) enum Holds {
    /// An HTTP/1.1 connection, and the pool that it goes back to, if it may.
    Conn { conn: Conn, pool: Option<Weak<Pool>> },
    /// An HTTP/2 stream, with its deadline.
    Stream(Arc<Watch>),
}

impl ReplyBody {
    pub(super) fn new(body: Incoming, holds: Holds, stalls: bool) -> Self {
        let mut reply = Self { ahead: Bytes::new(), source: Source::Hyper(Box::new((body, holds))), stalls };
        if reply.has_ended() {
            reply.end();
        }
        reply
    }

    /// All of it came with the head.
    pub(super) fn whole(body: Bytes) -> Self {
        Self { ahead: body, source: Source::Ended, stalls: false }
    }

    /// More of it is to be read.
    pub(super) fn coming(rest: Rest, stalls: bool) -> Self {
        Self { ahead: Bytes::new(), source: Source::Lean(Box::new(rest)), stalls }
    }

    pub(super) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// The whole body, if it is no larger than `limit` bytes.
    ///
    /// # Errors
    /// [`UpstreamError::TooLarge`], [`UpstreamError::BodyBroken`], [`UpstreamError::BodyStalled`].
    pub async fn collect(self, limit: usize) -> Result<Bytes, UpstreamError> {
        self.collect_in(limit, &mut HeldBytes::unbounded().room()).await
    }

    /// As [`ReplyBody::collect`], and `room` grows by what comes.
    ///
    /// # Errors
    /// As [`ReplyBody::collect`]; [`UpstreamError::NoRoom`].
    pub async fn collect_in(mut self, limit: usize, room: &mut Room) -> Result<Bytes, UpstreamError> {
        let hint = self.size_hint();
        if hint.lower() > limit as u64 {
            return Err(UpstreamError::TooLarge(limit));
        }
        let Some(mut first) = self.data().await? else { return Ok(Bytes::new()) };
        if first.len() > limit {
            return Err(UpstreamError::TooLarge(limit));
        }
        room.grow(first.len())?;
        let Some(second) = self.data().await? else { return Ok(first) }; // the common case: nothing is copied
        let expected = usize::try_from(hint.lower()).unwrap_or(0).max(first.len() + second.len());
        let mut whole = BytesMut::with_capacity(expected.min(limit));
        let mut next = Some(second);
        whole.extend_from_slice(&first);
        first.clear();
        while let Some(data) = next {
            if whole.len() + data.len() > limit {
                return Err(UpstreamError::TooLarge(limit));
            }
            room.grow(data.len())?;
            whole.extend_from_slice(&data);
            next = self.data().await?;
        }
        Ok(whole.freeze())
    }

    /// The whole body, if it is no larger than `limit` bytes; else the body itself, with nothing lost.
    ///
    /// # Errors
    /// [`UpstreamError::BodyBroken`], [`UpstreamError::BodyStalled`].
    pub async fn peek(mut self, limit: usize) -> Result<Result<Bytes, Self>, UpstreamError> {
        if self.size_hint().lower() > limit as u64 {
            return Ok(Err(self));
        }
        let mut whole = Bytes::new();
        while let Some(data) = self.data().await? {
            whole = if whole.is_empty() { data } else { [whole, data].concat().into() };
            if whole.len() > limit {
                self.ahead = whole;
                return Ok(Err(self));
            }
        }
        Ok(Ok(whole))
    }

    /// Reads the rest now, if it is no longer than `limit` bytes, and keeps it: from then on nothing of it can be
    /// lost. What turns out to be longer streams on from there.
    pub(super) async fn read_ahead(&mut self, limit: usize, room: Room) -> Result<(), UpstreamError> {
        let Some(first) = self.data().await? else { return Ok(()) };
        let mut more: Option<BytesMut> = None;
        let mut length = first.len();
        // The common case: it came in one piece, and nothing is copied.
        while length <= limit
            && let Some(data) = self.data().await?
        {
            length += data.len();
            more.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&data);
        }
        self.ahead = room.keep(more.map_or(first, BytesMut::freeze));
        Ok(())
    }

    async fn data(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            match std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await.transpose()? {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Whether all of it is here.
    pub(super) fn is_at_hand(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    /// The exchange is over: the connection goes back, unless the request is still on its way.
    fn end(&mut self) {
        match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Lean(rest) => rest.end(),
            Source::Hyper(hyper) => {
                if let Holds::Conn { conn, pool: Some(pool) } = hyper.1
                    && !conn.watch.is_uploading()
                    && let Some(pool) = pool.upgrade()
                {
                    pool.put(conn);
                }
            }
            Source::Ended => {}
        }
    }

    fn watch(&self) -> Option<&Watch> {
        match &self.source {
            Source::Ended => None,
            Source::Lean(rest) => Some(rest.watch()),
            Source::Hyper(hyper) => match &hyper.1 {
                Holds::Conn { conn, .. } => Some(&conn.watch),
                Holds::Stream(watch) => Some(watch),
            },
        }
    }

    /// What a read has brought, with the deadline moved on; nothing at the end.
    fn after<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<Option<T>>>,
    ) -> Poll<Result<Option<T>, UpstreamError>> {
        match polled {
            Poll::Ready(Ok(Some(some))) => {
                if self.has_ended() {
                    self.end();
                } else if let Some(watch) = self.watch()
                    && !watch.is_uploading()
                {
                    watch.disarm(); // until we wait again: a slow client is not the portal's fault
                }
                Poll::Ready(Ok(Some(some)))
            }
            Poll::Ready(Ok(None)) => {
                self.end();
                Poll::Ready(Ok(None))
            }
            Poll::Ready(Err(e)) => Poll::Ready(Err(self.broken(e))),
            Poll::Pending => {
                let Some(watch) = self.watch() else { return Poll::Pending };
                if self.stalls && !watch.is_uploading() {
                    watch.wait(Waiting::Answer);
                }
                if !self.has_a_task() && watch.poll_fired(cx).is_ready() {
                    let stalled = UpstreamError::stalled_by(watch);
                    self.source = Source::Ended;
                    return Poll::Ready(Err(stalled));
                }
                Poll::Pending
            }
        }
    }

    /// Whether a task of the connection's own is ended by the deadline.
    fn has_a_task(&self) -> bool {
        matches!(&self.source, Source::Hyper(hyper) if matches!(hyper.1, Holds::Conn { .. }))
    }

    fn has_ended(&self) -> bool {
        match &self.source {
            Source::Ended => true,
            Source::Lean(rest) => rest.is_ended(),
            Source::Hyper(hyper) => hyper.0.is_end_stream(),
        }
    }

    fn broken(&mut self, source: io::Error) -> UpstreamError {
        let fired = self.watch().and_then(Watch::fired);
        self.source = Source::Ended; // closes what it held
        match fired {
            Some((waiting, limit)) => UpstreamError::stalled(waiting, limit),
            None => UpstreamError::BodyBroken(source),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = &mut *self;
        if !this.ahead.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.ahead)))));
        }
        let polled = match &mut this.source {
            Source::Ended => return Poll::Ready(None),
            Source::Lean(rest) => rest.poll_frame(cx),
            Source::Hyper(hyper) => Pin::new(&mut hyper.0).poll_frame(cx).map_err(io::Error::other),
        };
        this.after(cx, polled.map(Option::transpose)).map(Result::transpose)
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = match &self.source {
            Source::Ended => SizeHint::with_exact(0),
            Source::Lean(rest) => rest.size_hint(),
            Source::Hyper(hyper) => hyper.0.size_hint(),
        };
        if self.ahead.is_empty() {
            return rest;
        }
        let ahead = self.ahead.len() as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + ahead);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + ahead);
        }
        hint
    }
}

impl splice::Source for ReplyBody {
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Option<Poll<Result<usize, UpstreamError>>> {
        let Source::Lean(rest) = &mut self.source else { return None };
        let polled = self.ahead.is_empty().then(|| rest.poll_splice(cx, pipe))??;
        Some(self.after(cx, polled.map_ok(Some)).map_ok(Option::unwrap_or_default))
    }

    fn poll_beside(&mut self, cx: &mut Context<'_>) {
        if let Source::Lean(rest) = &mut self.source {
            rest.poll_beside(cx);
        }
    }
}

/// Whether a `Content-Type` is that of a stream that may be quiet for as long as it likes.
pub(super) fn is_event_stream(content_type: &[u8]) -> bool {
    content_type.get(..17).is_some_and(|t| t.eq_ignore_ascii_case(b"text/event-stream"))
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").field("ended", &self.has_ended()).finish_non_exhaustive()
    }
}
