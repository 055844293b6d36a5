//! What the faults that come after processing do to an answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::Sleep;

use super::body::{Body, full};
use super::connections::Connection;
use crate::faults::Fault;
use crate::portal::Portal;

/// Does to an answer what the fault says.
pub(super) async fn befall(
    fault: Fault,
    portal: &Arc<Portal>,
    connection: &Connection,
    answer: Response<Body>,
) -> Response<Body> {
    match fault {
        Fault::ResetConnection { .. } => match connection.reset().await {},
        Fault::CloseMidBody => answer.map(|body| Cut::new(body, End::Close).boxed_unsync()),
        Fault::StallBody => answer.map(|body| Cut::new(body, End::Stall).boxed_unsync()),
        Fault::GarbageAnswer => {
            let mut garbage = Response::new(full(&b"\x00\xff<garbage>\x17{{{"[..]));
            *garbage.status_mut() = StatusCode::OK;
            garbage
                .headers_mut()
                .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            garbage
        }
        Fault::CloseIdle => {
            let portal = Arc::clone(portal);
            tokio::spawn(async move {
                // The answer must be out first, or its own connection would not be idle yet.
                tokio::time::sleep(Duration::from_millis(30)).await;
                portal.connections.close_idle();
            });
            answer
        }
        _ => answer,
    }
}

/// A body that ends in the middle.
#[derive(Debug)]
struct Cut {
    inner: Body,
    left: u64,
    end: End,
    /// Gives the first half time to leave before the connection breaks.
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Close,
    Stall,
}

impl Cut {
    fn new(inner: Body, end: End) -> Self {
        let left = inner.size_hint().exact().map_or(1024, |whole| whole / 2);
        Self { inner, left, end, pause: None }
    }
}

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            if self.end == End::Stall {
                return Poll::Pending;
            }
            let pause =
                self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(20))));
            return pause.as_mut().poll(cx).map(|()| Some(Err(io::Error::other("cut in the middle"))));
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { return Poll::Ready(None) };
                let take = data.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= take as u64;
                Poll::Ready(Some(Ok(Frame::data(data.slice(..take)))))
            }
            other => other,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
