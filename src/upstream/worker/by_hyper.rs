//! What hyper's client does: uploads that say no length or wait to be asked for, WebSocket handshakes, HTTP/2.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::Worker;
use crate::upstream::UpstreamError;
use crate::upstream::answer::{self, Afterwards};
use crate::upstream::body::WireBody;
use crate::upstream::dial::{Conn, Dialled, H2, Purpose};
use crate::upstream::outgoing::{self, Outgoing};
use crate::upstream::reply::{self, Holds, Reply, ReplyBody};
use crate::upstream::watch::Watch;

/// What the outcome of one attempt on one connection is.
enum Attempt {
    Answered(Reply),
    /// Nothing of it was written: it may be sent again, whatever it is.
    Unwritten(Box<Request<WireBody>>, hyper::Error),
    /// It broke before an answer.
    Broke(hyper::Error),
    Failed(UpstreamError),
}

impl Worker {
    pub(super) async fn send_by_hyper(&self, outgoing: Outgoing) -> Result<Reply, UpstreamError> {
        let (first, was_used) = match self.pool.take(self.age(false)).await {
            Some(conn) => (Dialled::H1(conn), true),
            None => self.connection_anew(Purpose::Streamed).await?,
        };
        self.send_by(first, was_used, outgoing, None).await
    }

    /// `spare` is another copy of the same request, where it may be sent twice (RFC 9110 section 9.2.2).
    pub(super) async fn send_by(
        &self,
        first: Dialled,
        was_used: bool,
        outgoing: Outgoing,
        spare: Option<&Outgoing>,
    ) -> Result<Reply, UpstreamError> {
        let method = outgoing.method().clone();
        let request = outgoing.dress(&self.dialer.base, &self.sealed, self.continue_timeout);
        let (lost, is_stale) = match self.attempt(first, request, &method).await {
            Attempt::Answered(mut reply) => match self.whole.secure(&mut reply, spare.is_some()).await {
                Ok(()) => return Ok(reply),
                Err(lost) => (lost, false),
            },
            Attempt::Unwritten(request, source) => {
                let lost = broken(false, source);
                return Box::pin(self.once_more(*request, &method, spare.is_some(), &lost)).await;
            }
            Attempt::Broke(source) => (broken(true, source), was_used),
            Attempt::Failed(e) => (e, false),
        };
        // Ruling 1: what is lost is asked for once more where that is harmless. A kept connection that the portal
        // had closed says nothing about its health; anything else does, and counts.
        let Some(again) = spare.filter(|_| lost.is_lost_answer()).and_then(Outgoing::try_clone) else {
            return Err(lost);
        };
        if !is_stale && !self.repeats.take() {
            return Err(lost);
        }
        let again = again.dress(&self.dialer.base, &self.sealed, self.continue_timeout);
        Box::pin(self.once_more(again, &method, true, &lost)).await
    }

    /// The second and last attempt, on a new connection.
    async fn once_more(
        &self,
        again: Request<WireBody>,
        method: &Method,
        is_repeatable: bool,
        lost: &UpstreamError,
    ) -> Result<Reply, UpstreamError> {
        tracing::debug!(error = %lost, "no answer; sending once more on a new connection");
        let second = self.new_connection(Purpose::Streamed).await?;
        match self.attempt(second, again, method).await {
            Attempt::Answered(mut reply) => {
                self.whole.secure(&mut reply, is_repeatable).await?;
                Ok(reply)
            }
            Attempt::Failed(e) => Err(e),
            Attempt::Unwritten(_, source) => Err(broken(false, source)),
            Attempt::Broke(source) => Err(broken(true, source)),
        }
    }

    async fn attempt(&self, on: Dialled, request: Request<WireBody>, method: &Method) -> Attempt {
        match on {
            Dialled::H1(conn) => self.attempt_h1(conn, request, method).await,
            // What hyper has is dressed for hyper, and never dialled for anything else.
            Dialled::Lean(_) => Attempt::Failed(UpstreamError::Invalid("a request took the wrong way")),
            Dialled::H2(h2) => self.attempt_h2(h2, request, method).await,
        }
    }

    async fn attempt_h1(&self, mut conn: Conn, mut request: Request<WireBody>, method: &Method) -> Attempt {
        request.body_mut().tie(&conn.watch);
        conn.watch.begin(request.body().is_streamed());
        let answer = match conn.sender.try_send_request(request).await {
            Ok(answer) => answer,
            Err(mut e) => {
                let message = e.take_message();
                return Self::failed(&conn.watch, message, e.into_error());
            }
        };
        conn.watch.answered();
        self.finish(answer, method, |after| Holds::Conn {
            conn,
            pool: (after == Afterwards::Reusable).then(|| Arc::downgrade(&self.pool)),
        })
    }

    async fn attempt_h2(&self, mut h2: H2, mut request: Request<WireBody>, method: &Method) -> Attempt {
        let watch = Arc::new(Watch::new(self.dialer.ticks.clone()));
        self.pool.look_after(&watch);
        request.body_mut().tie(&watch);
        watch.begin(request.body().is_streamed());
        let target = std::mem::take(request.uri_mut());
        *request.uri_mut() = self.dialer.base.absolute(target);
        // Their places are the pseudo-header and the frame (RFC 9113 sections 8.3.1 and 8.2.2).
        request.headers_mut().remove(header::HOST);
        request.headers_mut().remove(header::TRANSFER_ENCODING);
        // `TE: trailers` stands alone there (section 8.2.2).
        request.headers_mut().remove(header::CONNECTION);
        // hyper's HTTP/2 client hears of no interim answer, so that nobody would open the gate.
        request.headers_mut().remove(header::EXPECT);
        request.body_mut().do_not_wait();
        let mut answer = pin!(h2.try_send_request(request));
        let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => watch.poll_fired(cx).map(|()| None),
        });
        let answer = match answer.await {
            Some(Ok(answer)) => answer,
            Some(Err(mut e)) => {
                let message = e.take_message().map(|request| self.as_h1(request));
                return Self::failed(&watch, message, e.into_error());
            }
            None => return Attempt::Failed(UpstreamError::stalled_by(&watch)),
        };
        watch.answered();
        self.finish(answer, method, |_| Holds::Stream(watch))
    }

    /// Undoes what HTTP/2 asked for: the next attempt may be on another protocol.
    fn as_h1(&self, mut request: Request<WireBody>) -> Request<WireBody> {
        let path = std::mem::take(request.uri_mut()).into_parts().path_and_query;
        *request.uri_mut() = path.map(http::Uri::from).unwrap_or_default();
        request.headers_mut().insert(header::HOST, self.dialer.base.host_header().clone());
        if request.headers().contains_key(header::TE) {
            outgoing::ask_for_trailers(request.headers_mut());
        }
        request
    }

    fn failed(watch: &Watch, message: Option<Request<WireBody>>, error: hyper::Error) -> Attempt {
        if let Some(request) = message {
            return Attempt::Unwritten(Box::new(request), error);
        }
        if watch.fired().is_some() {
            return Attempt::Failed(UpstreamError::stalled_by(watch));
        }
        if watch.did_client_break() {
            return Attempt::Failed(UpstreamError::ClientBody(io::Error::other(error)));
        }
        if error.is_parse_too_large() {
            return Attempt::Failed(UpstreamError::Invalid("its head is too large"));
        }
        if error.is_parse() {
            return Attempt::Failed(UpstreamError::Invalid("it is not an HTTP message"));
        }
        Attempt::Broke(error)
    }

    fn finish(
        &self,
        mut answer: Response<Incoming>,
        method: &Method,
        holds: impl FnOnce(Afterwards) -> Holds,
    ) -> Attempt {
        match answer::check(&mut answer, method) {
            Err(why) => Attempt::Failed(UpstreamError::Invalid(why)),
            Ok(after) => {
                let content_type = answer.headers().get(header::CONTENT_TYPE);
                let stalls = !content_type.is_some_and(|value| reply::is_event_stream(value.as_bytes()));
                Attempt::Answered(answer.map(|body| ReplyBody::new(body, holds(after), stalls)))
            }
        }
    }

    /// A handshake goes out on a connection of its own, which serves nothing else, whatever the answer is.
    pub(super) async fn send_upgrade(&self, outgoing: Outgoing) -> Result<Reply, UpstreamError> {
        let method = outgoing.method().clone();
        let request = outgoing.dress(&self.dialer.base, &self.sealed, self.continue_timeout);
        let key = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned();
        let Dialled::H1(mut conn) = self.dialer.dial(Purpose::Upgrade).await? else {
            return Err(UpstreamError::Invalid("it speaks HTTP/2 where HTTP/1.1 was agreed"));
        };
        self.pool.look_after(&conn.watch);
        conn.watch.begin(false);
        let answer = match conn.sender.try_send_request(request).await {
            Ok(answer) => answer,
            Err(e) => {
                return match Self::failed(&conn.watch, None, e.into_error()) {
                    Attempt::Failed(e) => Err(e),
                    Attempt::Broke(source) | Attempt::Unwritten(_, source) => Err(broken(true, source)),
                    Attempt::Answered(reply) => Ok(reply),
                };
            }
        };
        conn.watch.answered();
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            answer::check_upgrade(answer.headers(), key.as_ref()).map_err(UpstreamError::Invalid)?;
            conn.let_go();
            return Ok(answer.map(|_| ReplyBody::empty()));
        }
        match self.finish(answer, &method, |_| Holds::Conn { conn, pool: None }) {
            Attempt::Answered(reply) => Ok(reply),
            Attempt::Failed(e) => Err(e),
            Attempt::Broke(source) | Attempt::Unwritten(_, source) => Err(broken(true, source)),
        }
    }
}

fn broken(may_have_acted: bool, source: hyper::Error) -> UpstreamError {
    UpstreamError::Broken { may_have_acted, source: io::Error::other(source) }
}
