//! The content of a long request on its way out, while the answer may already be coming.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::Wire;
use crate::inflow::Straight;
use crate::splice::Pipe;
use crate::upstream::watch::{Waiting, Watch};

/// What is left to be sent.
pub(in crate::upstream) struct Upload {
    from: Straight,
    /// What has come of it and the portal has not taken: in the kernel, or here.
    pipe: Option<Pipe>,
    piece: Bytes,
}

impl Upload {
    pub(in crate::upstream) fn new(from: Straight) -> Box<Self> {
        Box::new(Self { from, pipe: None, piece: Bytes::new() })
    }

    /// How long it is, of one that has not begun.
    pub(in crate::upstream) fn length(&self) -> u64 {
        self.from.left()
    }

    /// The content, of one that has not begun.
    pub(in crate::upstream) fn into_content(self) -> Straight {
        self.from
    }

    /// Sends on until all of it has left. If the client is at fault for its end, the watch knows.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire,
        watch: &Watch,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.poll_out(cx, wire)?.is_pending() {
                watch.wait(Waiting::Room);
                return Poll::Pending;
            }
            if self.from.left() == 0 {
                ready!(wire.poll_flush(cx))?;
                watch.uploaded();
                return Poll::Ready(Ok(()));
            }
            match self.poll_in(cx, wire) {
                Poll::Ready(Ok(())) => watch.disarm(),
                Poll::Ready(Err(e)) => {
                    watch.client_broke();
                    return Poll::Ready(Err(e));
                }
                Poll::Pending => {
                    watch.wait(Waiting::Client);
                    // A slow client's content is not kept from the portal.
                    if let Poll::Ready(Err(e)) = wire.poll_flush(cx) {
                        return Poll::Ready(Err(e));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> Poll<io::Result<()>> {
        while !self.piece.is_empty() {
            match ready!(wire.poll_write(cx, &self.piece))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.piece.split_to(written)),
            }
        }
        while let (Some(pipe), Wire::Plain(tcp)) = (&mut self.pipe, &*wire)
            && pipe.holds() > 0
        {
            ready!(pipe.poll_drain(cx, tcp))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_in(&mut self, cx: &mut Context<'_>, wire: &Wire) -> Poll<io::Result<()>> {
        if self.pipe.is_none() && matches!(wire, Wire::Plain(_)) {
            self.pipe = Pipe::take();
        }
        if let Some(pipe) = &mut self.pipe
            && let Some(filled) = self.from.poll_splice(cx, pipe)
        {
            return filled.map_ok(drop);
        }
        self.piece = ready!(self.from.poll_piece(cx))?;
        Poll::Ready(Ok(()))
    }
}
