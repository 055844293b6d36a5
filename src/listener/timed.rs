//! A body that must keep coming.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// A body that fails when nothing of it arrives for a while. It has no timer until it is first found waiting, so
/// that a body which came with its head costs nothing more.
#[derive(Debug)]
pub struct TimedBody<B> {
    body: B,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

/// Why a [`TimedBody`] ended early.
#[derive(Debug, thiserror::Error)]
pub enum TimedBodyError {
    /// Nothing came for too long: the client's fault, 408.
    #[error("nothing of the request's body arrived for {0:?}")]
    Idle(Duration),
    /// The body itself failed.
    #[error("the request's body broke off")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

impl<B> TimedBody<B> {
    /// Holds `body` to a pause of `limit` at most, usually [`super::Settings::body_idle_timeout`].
    pub fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, timer: None, waiting: false }
    }

    /// The body without its clock.
    pub fn into_inner(self) -> B {
        self.body
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = B::Data;
    type Error = TimedBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(|e| TimedBodyError::Broken(e.into()))));
        }
        let timer = match (&mut this.timer, this.waiting) {
            (Some(timer), true) => timer,
            (Some(timer), false) => {
                timer.as_mut().reset(Instant::now() + this.limit);
                timer
            }
            (timer @ None, _) => timer.insert(Box::pin(tokio::time::sleep(this.limit))),
        };
        this.waiting = true;
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(TimedBodyError::Idle(this.limit)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;

    use super::*;

    type Received = Result<Frame<Bytes>, std::io::Error>;

    fn channel() -> (mpsc::Sender<Received>, impl Body<Data = Bytes, Error = std::io::Error> + Unpin) {
        let (sender, receiver) = mpsc::channel(1);
        let frames =
            futures_util::stream::unfold(receiver, async |mut receiver: mpsc::Receiver<Received>| {
                receiver.recv().await.map(|frame| (frame, receiver))
            });
        (sender, StreamBody::new(Box::pin(frames)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_shorter_than_the_limit_is_fine_and_each_pause_counts_anew() {
        let (sender, body) = channel();
        let mut body = TimedBody::new(body, Duration::from_secs(30));
        let client = tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(29)).await;
                sender.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.unwrap();
            }
        });
        for _ in 0..3 {
            assert!(body.frame().await.unwrap().is_ok());
        }
        assert!(body.frame().await.is_none());
        client.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_pause_ends_the_body() {
        let (_sender, body) = channel();
        let mut body = TimedBody::new(body, Duration::from_secs(30));
        let began = Instant::now();
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(matches!(error, TimedBodyError::Idle(limit) if limit == Duration::from_secs(30)), "{error}");
        assert_eq!(began.elapsed().as_secs(), 30);
    }
}
