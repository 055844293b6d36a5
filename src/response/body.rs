//! What the listener sends as a body.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::places::Place;
use crate::route::HeaderPolicy;
use crate::splice::{Pipe, Source};
use crate::upstream::{ReplyBody, UpstreamError};

/// A response's body: bytes at hand, the portal's stream, or nothing.
#[derive(Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes at hand.
    Full(Bytes),
    /// The portal's stream, frame by frame as it comes, without its trailers.
    Streamed(ReplyBody),
    /// The same for a client that asked for trailers, which pass cleaned.
    WithTrailers(Box<WithTrailers>),
    /// One of them that breaks off at some moment, if it has not ended by then.
    Until(Box<Until>),
    /// One of them that takes a place until it has ended.
    Placed(Box<Placed>),
    /// One of them that broke off, which is to be told.
    Broken(Box<UpstreamError>),
}

/// A body and the moment at which it breaks off.
pub struct Until {
    body: Body,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// A body and the place that it takes.
pub struct Placed {
    body: Body,
    place: Place,
}

impl Body {
    /// The same body, which keeps the place until its last byte has gone. One without a byte gives it back at once.
    #[must_use]
    pub fn in_place(self, place: Place) -> Self {
        if http_body::Body::is_end_stream(&self) {
            return self;
        }
        Self::Placed(Box::new(Placed { body: self, place }))
    }

    /// The same body, which breaks off with [`UpstreamError::BearerEnded`] at the `end`.
    #[must_use]
    pub fn until(self, end: Pin<Box<dyn Future<Output = ()> + Send>>) -> Self {
        Self::Until(Box::new(Until { body: self, end }))
    }
}

/// The portal's stream with the trailers that the policy lets through (RFC 9110 section 6.5.1).
pub struct WithTrailers {
    pub(super) body: ReplyBody,
    pub(super) policy: Arc<HeaderPolicy>,
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl From<ReplyBody> for Body {
    fn from(body: ReplyBody) -> Self {
        Self::Streamed(body)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = UpstreamError;

    /// A fault comes one turn after what was before it: hyper drops what it has not written when it meets one, and
    /// the client would take an answer that broke off for none at all.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        if matches!(*self, Self::Broken(_)) {
            return self.poll_piece(cx);
        }
        match self.as_mut().poll_piece(cx) {
            Poll::Ready(Some(Err(fault))) => {
                *self = Self::Broken(Box::new(fault));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            piece => piece,
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) | Self::Broken(_) => false,
            Self::Streamed(body) => body.is_end_stream(),
            Self::WithTrailers(with) => with.body.is_end_stream(),
            Self::Until(until) => until.body.is_end_stream(),
            Self::Placed(placed) => placed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(body) => body.size_hint(),
            Self::WithTrailers(with) => with.body.size_hint(),
            Self::Until(until) => until.body.size_hint(),
            Self::Placed(placed) => placed.body.size_hint(),
            Self::Broken(_) => SizeHint::default(),
        }
    }
}

impl Source for Body {
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Option<Poll<Result<usize, UpstreamError>>> {
        match self {
            Self::Empty | Self::Full(_) | Self::Broken(_) | Self::WithTrailers(_) => None,
            Self::Streamed(body) => body.poll_splice(cx, pipe),
            Self::Placed(placed) => placed.body.poll_splice(cx, pipe),
            // Its end has to be seen first, and is where a piece is asked for.
            Self::Until(until) => match until.end.as_mut().poll(cx) {
                Poll::Ready(()) => {
                    *self = Self::Empty;
                    Some(Poll::Ready(Err(UpstreamError::BearerEnded)))
                }
                Poll::Pending => until.body.poll_splice(cx, pipe),
            },
        }
    }

    fn poll_beside(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Empty | Self::Full(_) | Self::Broken(_) => {}
            Self::Streamed(body) => body.poll_beside(cx),
            Self::WithTrailers(with) => with.body.poll_beside(cx),
            Self::Until(until) => until.body.poll_beside(cx),
            Self::Placed(placed) => placed.body.poll_beside(cx),
        }
    }
}

impl Body {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Broken(_) => match std::mem::take(&mut *self) {
                Self::Broken(fault) => Poll::Ready(Some(Err(*fault))),
                _ => Poll::Ready(None),
            },
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Streamed(body) => match Pin::new(body).poll_frame(cx) {
                // They end every body: nothing comes behind them.
                Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
                polled => polled,
            },
            Self::WithTrailers(with) => match Pin::new(&mut with.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => Poll::Ready(match frame.into_trailers() {
                    Ok(mut trailers) => {
                        with.policy.clean_trailers(&mut trailers);
                        (!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers)))
                    }
                    Err(frame) => Some(Ok(frame)),
                }),
                polled => polled,
            },
            Self::Placed(placed) => {
                let polled = Pin::new(&mut placed.body).poll_frame(cx);
                if let Poll::Ready(None) = polled {
                    *self = Self::Empty;
                }
                polled
            }
            Self::Until(until) => match until.end.as_mut().poll(cx) {
                Poll::Ready(()) => {
                    // With it goes what it keeps busy at the portal.
                    *self = Self::Empty;
                    Poll::Ready(Some(Err(UpstreamError::BearerEnded)))
                }
                Poll::Pending => Pin::new(&mut until.body).poll_frame(cx),
            },
        }
    }
}

/// Shows how much there is, never what.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Streamed(_) => f.write_str("Streamed"),
            Self::WithTrailers(_) => f.write_str("WithTrailers"),
            Self::Until(until) => until.fmt(f),
            Self::Placed(placed) => placed.fmt(f),
            Self::Broken(fault) => write!(f, "Broken({fault})"),
        }
    }
}

impl fmt::Debug for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until").field("body", &self.body).finish_non_exhaustive()
    }
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placed").field("body", &self.body).field("place", &self.place).finish()
    }
}

impl fmt::Debug for WithTrailers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithTrailers").finish_non_exhaustive()
    }
}
