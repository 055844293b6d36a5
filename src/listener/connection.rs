//! One connection, from its first byte to its last: HTTP/1, or HTTP/2 with prior knowledge.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pin_project_lite::pin_project;

use super::bind::Tls;
use super::control::{Control, Order, Presence};
use super::extended::{self, Tunnelled};
use super::lean::Next;
use super::socket::{Socket, Stream};
use super::witness::Witness;
use super::{Content, Handler, Interim, Limits, Peer, Settings, lean, secure};
use crate::inflow::Inflow;
use crate::splice::{Pipe, Source};

/// hyper keeps up to this many heads on the stack, and more or fewer on the heap, 5 % dearer.
const HYPER_MAX_HEADERS: usize = 100;

/// The HTTP/2 preface (RFC 9113 section 3.4), whole: what only begins like it is HTTP/1, and malformed there.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a lone `P`, or half a preface, is left to become more.
const HALF_A_WORD: Duration = Duration::from_millis(10);

const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What all connections of a worker share.
#[derive(Debug)]
pub(super) struct Worker<H> {
    handler: Arc<H>,
    limits: Limits,
    tls: Option<Tls>,
    retry_after: HeaderValue,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl<H: Handler> Worker<H> {
    pub(super) fn new(handler: Arc<H>, limits: Limits, tls: Option<Tls>) -> Self {
        let settings = &limits.settings;
        let retry_after = HeaderValue::from(settings.retry_after.as_secs().max(1));
        Self {
            http1: http1_builder(settings),
            http2: http2_builder(settings),
            retry_after,
            handler,
            limits,
            tls,
        }
    }
}

fn http1_builder(settings: &Settings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .half_close(false)
        // hyper's own clock is a boxed timer for each request and counts an idle connection as a slow head;
        // the register's sweep tells the two apart and costs nothing (control.rs).
        .header_read_timeout(None)
        // `pipeline_flush` stays off: with it hyper takes a body of any size into memory while the client reads
        // nothing. `writev` stays on: `Socket` makes small writes flat, large ones are not copied.
        .writev(true)
        .max_header_size(settings.max_head_bytes)
        .max_buf_size(settings.max_buffer_bytes.max(settings.max_head_bytes).max(8 * 1024));
    if settings.max_headers != HYPER_MAX_HEADERS {
        builder.max_headers(settings.max_headers);
    }
    builder
}

fn http2_builder(settings: &Settings) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(settings.max_streams)
        .max_pending_accept_reset_streams(settings.max_reset_streams)
        .max_local_error_reset_streams(settings.max_error_streams)
        .max_header_list_size(u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX));
    builder
}

/// Serves one connection until it ends, is told to drain, or is sent away.
pub(super) async fn run<H: Handler>(worker: Arc<Worker<H>>, stream: Stream, peer: Peer, presence: Presence) {
    let control = Arc::clone(presence.control());
    let (stream, peer) = match &worker.tls {
        Some(Tls(acceptor)) if !peer.is_unix() => {
            // Boxed: a connection in the clear should not carry its weight.
            let Some(secured) = Box::pin(secure::accept(acceptor, stream, &control)).await else { return };
            (Stream::Tls(Box::new(secured)), peer.over_tls())
        }
        _ => (stream, peer),
    };
    let protocol = match &stream {
        Stream::Tls(stream) if secure::is_http2(stream) => Protocol::Http2,
        Stream::Tls(_) => Protocol::Http1,
        Stream::Tcp(_) | Stream::Unix(_) | Stream::Lent(_) => match sniff(&stream, &control).await {
            Some(protocol) => protocol,
            None => return,
        },
    };
    let visit = Arc::new(Visit { worker, peer, control });
    // hyper's ways are boxed, since they are large: a connection at rest should not carry their weight.
    match (protocol, stream) {
        (Protocol::Http1, stream @ Stream::Tls(_)) => {
            Box::pin(http1(visit, stream, presence, Vec::new())).await
        }
        (Protocol::Http1, stream) => {
            if let Next::Hyper(rest) = lean::serve(Arc::clone(&visit), stream, presence).await {
                let (stream, presence, ahead) = *rest;
                Box::pin(http1(visit, stream, presence, ahead)).await;
            }
        }
        (Protocol::Http2, stream) => {
            let socket = TokioIo::new(Socket::new(stream, presence, None));
            Box::pin(http2(visit, socket)).await;
        }
    }
}

enum Protocol {
    Http1,
    Http2,
}

/// What the first bytes are; `None` if none come. They are looked at and left where they are: a reader that
/// gives them back would stand in the way of every later read.
async fn sniff(stream: &Stream, control: &Control) -> Option<Protocol> {
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = {
            let mut peek = pin!(stream.peek(&mut first));
            poll_fn(|cx| {
                if let Poll::Ready(seen) = peek.as_mut().poll(cx) {
                    return Poll::Ready(seen.ok());
                }
                match control.order(cx.waker()) {
                    Order::Serve => Poll::Pending,
                    // Who has sent a request before the drain began is served; his bytes end the wait.
                    Order::Drain if stream.has_bytes() => Poll::Pending,
                    Order::Drain | Order::Leave => Poll::Ready(None),
                }
            })
            .await?
        };
        match &first[..seen] {
            [] => return None,
            whole if whole == PREFACE => return Some(Protocol::Http2),
            part if PREFACE.starts_with(part) && may_go_on(control).await => {
                tokio::time::sleep(HALF_A_WORD).await;
            }
            _ => return Some(Protocol::Http1),
        }
    }
}

async fn may_go_on(control: &Control) -> bool {
    poll_fn(|cx| Poll::Ready(control.order(cx.waker()) == Order::Serve)).await
}

/// What one connection's requests share.
pub(super) struct Visit<H> {
    worker: Arc<Worker<H>>,
    peer: Peer,
    control: Arc<Control>,
}

impl<H: Handler> Visit<H> {
    /// What lives across an await here is kept for as long as the connection is: so little does, and what is taken
    /// apart or put together is so in functions beside.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Answer<H>>, Infallible> {
        let (stay, request, interim) = self.begin(request.map(|body| Content::Coming(Inflow::ByHyper(body))));
        let Self { worker, peer, control } = &*stay.visit;
        if !stay.admitted {
            return Ok(overloaded(stay));
        }
        let response = worker.handler.call(request, peer, interim).await;
        if control.hints().are_waiting() {
            return Ok(Box::pin(after_hints(stay, response)).await);
        }
        Ok(stay.end(response))
    }

    /// The stay is made before the handler runs and dropped with the answer's body, or with the future if the client
    /// goes away: what was counted is always given back.
    pub(super) fn begin(
        self: Arc<Self>,
        mut request: Request<Content>,
    ) -> (Stay<H>, Request<Content>, Interim) {
        let control = &self.control;
        if let Some(fault) = control.request_began() {
            request.extensions_mut().insert(fault);
        }
        let interim = match request.version() {
            Version::HTTP_11 => {
                Interim::open(control, control.latest_request(), &self.worker.limits.settings)
            }
            _ => Interim::default(),
        };
        let over_http2 = extended::to_handshake(&mut request);
        if over_http2 {
            request.extensions_mut().insert(Tunnelled::on(control));
        }
        let admitted = self.worker.limits.enter_request();
        (Stay { admitted, over_http2, visit: self }, request, interim)
    }

    /// What the handler makes of it.
    pub(super) fn call(
        &self,
        request: Request<Content>,
        interim: Interim,
    ) -> impl Future<Output = Response<H::Body>> + Send {
        self.worker.handler.call(request, &self.peer, interim)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.worker.limits.settings
    }
}

pub(super) fn overloaded<H: Handler>(stay: Stay<H>) -> Response<Answer<H>> {
    let worker = &stay.visit.worker;
    let mut response = worker.handler.overloaded();
    response.headers_mut().insert(RETRY_AFTER, worker.retry_after.clone());
    stay.end(response)
}

/// Hints that came just before the answer go before it.
async fn after_hints<H: Handler>(stay: Stay<H>, response: Response<H::Body>) -> Response<Answer<H>> {
    stay.visit.control.hints().turn().await;
    stay.end(response)
}

/// A request being answered.
pub(super) struct Stay<H> {
    admitted: bool,
    over_http2: bool,
    visit: Arc<Visit<H>>,
}

impl<H: Handler> Stay<H> {
    /// Whether there was room for it.
    pub(super) fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// The answer is there: nothing may be said before it any more.
    pub(super) fn end(self, mut response: Response<H::Body>) -> Response<Answer<H>> {
        let control = &self.visit.control;
        if self.over_http2 {
            extended::from_answer(&mut response);
        } else {
            control.hints().close();
            // A tunnel is counted as a connection, and no longer as a request.
            if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
                control.became_tunnel();
            }
        }
        response.map(|body| Answer { body, stay: self })
    }
}

impl<H> Drop for Stay<H> {
    fn drop(&mut self) {
        if self.admitted {
            self.visit.worker.limits.leave_request();
        }
        self.visit.control.request_ended();
    }
}

pin_project! {
    /// An answer's body, which ends the request when it is dropped.
    pub(super) struct Answer<H: Handler> {
        #[pin]
        body: H::Body,
        stay: Stay<H>,
    }
}

impl<H: Handler> Body for Answer<H> {
    type Data = Bytes;
    type Error = <H::Body as Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<H: Handler> Source for Answer<H> {
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Option<Poll<Result<usize, Self::Error>>> {
        self.body.poll_splice(cx, pipe)
    }

    fn poll_beside(&mut self, cx: &mut Context<'_>) {
        self.body.poll_beside(cx);
    }
}

/// HTTP/1 as hyper reads it, from the boundary between two requests; `ahead` was read already. What an async block
/// captures is kept once; the arguments of an async function would be kept twice.
fn http1<H: Handler>(
    visit: Arc<Visit<H>>,
    stream: Stream,
    presence: Presence,
    ahead: Vec<u8>,
) -> impl Future<Output = ()> {
    let control = Arc::clone(&visit.control);
    let witness = Witness::new(visit.settings().max_head_bytes).after(control.latest_request());
    let socket = TokioIo::new(Socket::new(stream, presence, Some(witness)).with(ahead));
    let builder = visit.worker.http1.clone();
    let service = service_fn(move |request| Arc::clone(&visit).answer(request));
    let mut connection = Some(builder.serve_connection(socket, service).with_upgrades());
    async move {
        let mut draining = false;
        let left_early = poll_fn(|cx| {
            let Some(live) = connection.as_mut() else { return Poll::Ready(false) };
            match control.order(cx.waker()) {
                Order::Drain if !draining => {
                    // A request that has arrived is taken up before the order is: hyper closes a connection on
                    // which it has not read anything.
                    if let Poll::Ready(ended) = Pin::new(&mut *live).poll(cx) {
                        log_end(ended);
                        return Poll::Ready(false);
                    }
                    draining = true;
                    Pin::new(&mut *live).graceful_shutdown();
                }
                Order::Serve | Order::Drain => {}
                Order::Leave => return Poll::Ready(true),
            }
            Pin::new(live).poll(cx).map(|ended| {
                log_end(ended);
                false
            })
        })
        .await;
        if left_early
            && control.was_in_head()
            && let Some(parts) = connection.take().and_then(http1::UpgradeableConnection::into_parts)
        {
            parts.io.into_inner().into_stream().write_now(REQUEST_TIMEOUT);
        }
    }
}

async fn http2<H: Handler>(visit: Arc<Visit<H>>, socket: TokioIo<Socket>) {
    let control = Arc::clone(&visit.control);
    control.speaks_http2();
    let builder = visit.worker.http2.clone();
    let service = service_fn(move |request| Arc::clone(&visit).answer(request));
    let mut connection = pin!(builder.serve_connection(socket, service));
    let mut draining = false;
    poll_fn(|cx| {
        match control.order(cx.waker()) {
            Order::Drain if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            Order::Serve | Order::Drain => {}
            Order::Leave => return Poll::Ready(()),
        }
        connection.as_mut().poll(cx).map(log_end)
    })
    .await;
}

/// A connection's end is the client's affair: hyper has answered what was malformed, and a client that went
/// away has nobody to be told.
fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
