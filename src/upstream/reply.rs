//! What the portal answered: a head that was checked, and a body that holds its connection until it has ended.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::UpstreamError;
use super::dial::Conn;
use super::pool::Pool;
use super::watch::{Waiting, Watch};

/// What the portal answered.
pub type Reply = http::Response<ReplyBody>;

/// The answer's body; holds the connection until it has ended. Dropped before its end, it cancels the exchange.
pub struct ReplyBody {
    /// What was read ahead and has to come first again.
    ahead: Bytes,
    body: Option<Incoming>,
    holds: Holds,
    /// Off for an event stream, which may be quiet for as long as it likes.
    stalls: bool,
}

/// What the body keeps busy.
pub(super) enum Holds {
    /// Nothing: it has ended, or came with the head.
    Nothing,
    /// An HTTP/1.1 connection, and the pool that it goes back to, if it may.
    Conn { conn: Conn, pool: Option<Weak<Pool>> },
    /// An HTTP/2 stream, with its deadline.
    Stream(Arc<Watch>),
}

impl ReplyBody {
    pub(super) fn new(body: Incoming, holds: Holds, stalls: bool) -> Self {
        let mut reply = Self { ahead: Bytes::new(), body: Some(body), holds, stalls };
        if reply.body.as_ref().is_some_and(Body::is_end_stream) {
            reply.end();
        }
        reply
    }

    pub(super) fn empty() -> Self {
        Self { ahead: Bytes::new(), body: None, holds: Holds::Nothing, stalls: false }
    }

    /// The whole body, if it is no larger than `limit` bytes.
    ///
    /// # Errors
    /// [`UpstreamError::TooLarge`], [`UpstreamError::BodyBroken`], [`UpstreamError::BodyStalled`].
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, UpstreamError> {
        let hint = self.size_hint();
        if hint.lower() > limit as u64 {
            return Err(UpstreamError::TooLarge(limit));
        }
        let Some(mut first) = self.data().await? else { return Ok(Bytes::new()) };
        if first.len() > limit {
            return Err(UpstreamError::TooLarge(limit));
        }
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
    pub(super) async fn read_ahead(&mut self, limit: usize) -> Result<(), UpstreamError> {
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
        self.ahead = more.map_or(first, BytesMut::freeze);
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

    /// The exchange is over: the connection goes back, unless the request is still on its way.
    fn end(&mut self) {
        self.body = None;
        if let Holds::Conn { conn, pool: Some(pool) } = std::mem::replace(&mut self.holds, Holds::Nothing)
            && !conn.watch.is_uploading()
            && let Some(pool) = pool.upgrade()
        {
            pool.put(conn);
        }
    }

    fn watch(&self) -> Option<&Arc<Watch>> {
        match &self.holds {
            Holds::Nothing => None,
            Holds::Conn { conn, .. } => Some(&conn.watch),
            Holds::Stream(watch) => Some(watch),
        }
    }

    fn broken(&mut self, source: hyper::Error) -> UpstreamError {
        let fired = self.watch().and_then(|watch| watch.fired());
        self.body = None;
        self.holds = Holds::Nothing; // closes what it held
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
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if this.body.as_ref().is_some_and(Body::is_end_stream) {
                    this.end();
                } else if let Some(watch) = this.watch()
                    && !watch.is_uploading()
                {
                    watch.disarm(); // until we wait again: a slow client is not the portal's fault
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(e))) => Poll::Ready(Some(Err(this.broken(e)))),
            Poll::Pending => {
                if let Some(watch) = this.watch()
                    && this.stalls
                    && !watch.is_uploading()
                {
                    watch.arm(Waiting::Answer);
                }
                // A connection's task is ended by its deadline; a stream has to look for itself.
                if let Holds::Stream(watch) = &this.holds
                    && watch.poll_fired(cx).is_ready()
                {
                    let (waiting, limit) =
                        watch.fired().unwrap_or((Waiting::Answer, std::time::Duration::ZERO));
                    this.body = None;
                    this.holds = Holds::Nothing;
                    return Poll::Ready(Some(Err(UpstreamError::stalled(waiting, limit))));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
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

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").field("ended", &self.body.is_none()).finish_non_exhaustive()
    }
}
