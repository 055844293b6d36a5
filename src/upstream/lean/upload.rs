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
            if self.poll_out(cx, wire, watch)?.is_pending() {
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

    /// Gives the portal what has come. Whatever it takes gives it more time.
    fn poll_out(&mut self, cx: &mut Context<'_>, wire: &mut Wire, watch: &Watch) -> Poll<io::Result<()>> {
        while !self.piece.is_empty() {
            match ready!(wire.poll_write(cx, &self.piece))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.piece.split_to(written)),
            }
            watch.disarm();
        }
        while let (Some(pipe), Wire::Plain(tcp)) = (&mut self.pipe, &*wire)
            && pipe.holds() > 0
        {
            ready!(pipe.poll_drain(cx, tcp))?;
            watch.disarm();
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::splice::tests::pair;
    use crate::upstream::watch::Ticks;

    #[tokio::test]
    async fn a_portal_that_takes_a_little_at_a_time_gets_more_time_for_each() {
        const LENGTH: usize = 900_000;
        let ((mut client, from), (to, mut portal)) = (pair().await, pair().await);
        socket2::SockRef::from(&to).set_send_buffer_size(32 * 1024).unwrap();
        socket2::SockRef::from(&portal).set_recv_buffer_size(32 * 1024).unwrap();
        let writing = tokio::spawn(async move { client.write_all(&vec![b'x'; LENGTH]).await });
        let (content, _lane) = Straight::new(Bytes::new(), from, LENGTH as u64, 64 * 1024);
        let second = Duration::from_secs(1);
        let ticks = Arc::new(Ticks::new(second, second, second));
        let watch = Watch::new(ticks.clone());
        watch.begin(true);
        let (mut upload, mut wire) = (Upload::new(content), Wire::Plain(to));
        let (mut got, mut done, mut passed) = (0, false, 0);
        let mut piece = vec![0; 64 * 1024];
        while got < LENGTH {
            if !done {
                done = poll_fn(|cx| Poll::Ready(upload.poll(cx, &mut wire, &watch).is_ready())).await;
            }
            // Nothing has come where the upload is to be polled first.
            let read = tokio::time::timeout(Duration::from_millis(2), portal.read(&mut piece)).await;
            let Ok(read) = read else { continue };
            got += read.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
            ticks.advance();
            passed += 1;
            watch.check();
            assert_eq!(watch.fired(), None, "after {passed} ticks and {got} bytes");
        }
        assert!(passed > 20, "a limit is nine ticks: {passed}");
        assert!(poll_fn(|cx| Poll::Ready(upload.poll(cx, &mut wire, &watch).is_ready())).await || done);
        writing.await.unwrap().unwrap();
    }
}
