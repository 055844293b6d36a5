//! Bodies on their way out.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::ahead::{Gate, Waits};
use super::watch::{Waiting, Watch};
use crate::inflow::Inflow;

/// A request's body: the client's own stream, or bytes at hand.
pub enum OutBody {
    /// Nothing.
    Empty,
    /// Bytes at hand, which can be sent again.
    Full(Bytes),
    /// The client's stream, which cannot.
    Streamed(Inflow),
}

impl OutBody {
    /// Another copy, where the bytes are at hand.
    pub fn try_clone(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Full(bytes) => Some(Self::Full(bytes.clone())),
            Self::Streamed(_) => None,
        }
    }
}

/// Shows how much there is, never what: a body may hold a password.
impl fmt::Debug for OutBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Streamed(_) => f.write_str("Streamed"),
        }
    }
}

/// A body as hyper's connection takes it.
pub(super) enum WireBody {
    Empty,
    Full(Bytes),
    Streamed(Upload),
}

/// The client's stream, with the deadlines of both its ends.
pub(super) struct Upload {
    body: Inflow,
    /// Of the connection or stream it goes out on; none until that is chosen.
    watch: Option<Arc<Watch>>,
    /// Until the portal says that it wants the body.
    waits: Option<Waits>,
}

impl WireBody {
    /// Holds a stream back until the gate opens, or for `patience`.
    pub(super) fn wait_at(&mut self, gate: Arc<Gate>, patience: Duration) {
        if let Self::Streamed(upload) = self {
            upload.waits = Some(Waits::at(gate, patience));
        }
    }

    /// Lets it go at once.
    pub(super) fn do_not_wait(&mut self) {
        if let Self::Streamed(Upload { waits: Some(waits), .. }) = self {
            waits.open();
        }
    }

    pub(super) fn is_streamed(&self) -> bool {
        matches!(self, Self::Streamed(_))
    }

    /// Ties a stream to the deadline of the connection that it goes out on.
    pub(super) fn tie(&mut self, to: &Arc<Watch>) {
        if let Self::Streamed(upload) = self {
            upload.watch = Some(to.clone());
        }
    }
}

impl From<OutBody> for WireBody {
    fn from(body: OutBody) -> Self {
        match body {
            OutBody::Empty => Self::Empty,
            OutBody::Full(bytes) if bytes.is_empty() => Self::Empty,
            OutBody::Full(bytes) => Self::Full(bytes),
            OutBody::Streamed(body) if body.is_end_stream() => Self::Empty,
            OutBody::Streamed(body) => Self::Streamed(Upload { body, watch: None, waits: None }),
        }
    }
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Streamed(upload) => upload.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Streamed(upload) => upload.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(upload) => upload.body.size_hint(),
        }
    }
}

impl Upload {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(waits) = &mut self.waits {
            ready!(waits.poll(cx));
            self.waits = None;
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Some(watch) = &self.watch else { return polled };
        match polled {
            Poll::Pending => {
                watch.wait(Waiting::Client);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                // A body of known length says here that it has ended; it is not asked again.
                if self.body.is_end_stream() {
                    watch.uploaded()
                } else {
                    watch.arm(Waiting::Room)
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // A client's trailers go no further: they could carry what the header policy drops.
            Poll::Ready(Some(Ok(_)) | None) => {
                watch.uploaded();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(e))) => {
                watch.client_broke();
                Poll::Ready(Some(Err(e)))
            }
        }
    }
}
