//! An HTTP/1.1 exchange of our own, for a request whose body is at hand, or long and of known length: one flat write, one
//! read, no task beside the request's. It costs a third of what hyper's client does; hyper stays for what streams upwards
//! otherwise, switches protocols, or speaks HTTP/2.
//!
//! What hyper's client guarantees holds here too: an answer is framed in one way or refused (RFC 9112 section 6.3),
//! a connection with bytes left over serves nobody else, a dropped exchange closes its connection, nothing is
//! read from the portal before somebody wants it, and a deadline ends what waits.

mod body;
mod chunks;
mod head;
mod large;
mod parse;
mod upload;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use self::large::{Large, Size};
use self::parse::{Found, Heard, Parsed};
use super::answer::Afterwards;
use super::outgoing::Outgoing;
use super::pool::Pool;
use super::reply::{Reply, ReplyBody};
use super::watch::Watch;
use super::{Base, SealedHeaders, Told, UpstreamError};
use crate::{pieces, splice};

pub(super) use self::body::Rest;
pub(super) use self::upload::Upload;

/// Head and body leave in one write up to this size; a longer body is not copied.
const GATHER_LIMIT: usize = 16 * 1024;
/// What a first read takes: most answers are shorter, and are never in a buffer of their connection's own.
const FIRST_READ: usize = 16 * 1024;
/// The largest head of an answer, interim ones before it included.
const MAX_HEAD: usize = 64 * 1024;
/// How much a read of a large body takes at first, and at most. It doubles while reads fill it.
const READ_LEAST: usize = 8 * 1024;
const READ_MOST: usize = 256 * 1024;

thread_local! {
    /// Where a request is rendered; one for each worker.
    static OUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Where an answer is first read to; one for each worker.
    static IN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Gives back this thread's buffers, with what requests and answers left in them.
pub(super) fn forget() {
    OUT.take();
    IN.take();
    large::forget();
    pieces::forget();
    splice::forget();
}

/// One HTTP/1.1 connection. Dropping it closes it.
pub(super) struct Lean {
    wire: Wire,
    /// What was read ahead of whoever wants it.
    read: BytesMut,
    /// How much the next read into `read` takes.
    next: usize,
    /// How much the next read of a long body takes.
    large: Size,
    /// What of a long request's content is still to be sent.
    upload: Option<Box<Upload>>,
    pub(super) watch: Arc<Watch>,
}

/// The bytes' way.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A request, and what it takes to write it.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) outgoing: &'a Outgoing,
    /// Of its content, in bytes.
    pub(super) length: u64,
    pub(super) base: &'a Base,
    pub(super) sealed: &'a SealedHeaders,
    pub(super) pool: &'a Arc<Pool>,
    /// Who hears of interim answers.
    pub(super) told: Option<&'a Told<'a>>,
}

/// What came of an exchange.
pub(super) enum Outcome {
    Answered(Reply),
    /// Nothing of the request was written; its upload as it was.
    Unwritten(io::Error, Option<Box<Upload>>),
    /// The connection broke before an answer.
    Broke(io::Error),
    Failed(UpstreamError),
}

impl Outcome {
    /// The common case: an answer that is here whole, or cannot be asked for again anyway.
    pub(super) fn settled(self, is_repeatable: bool) -> Result<Reply, Box<Self>> {
        match self {
            Self::Answered(reply) if !is_repeatable || reply.body().is_at_hand() => Ok(reply),
            other => Err(Box::new(other)),
        }
    }
}

/// What of a request is still to be written.
#[derive(Default)]
struct Unsent {
    head: Vec<u8>,
    at: usize,
    body: Bytes,
    begun: bool,
    rendered: bool,
    /// The portal takes no more: whether it has answered before is still to be read.
    deaf: bool,
    /// The bytes read so far may hold a head that has not been looked at.
    look: bool,
    /// How many bytes interim answers took.
    interim: usize,
}

/// A request on its way, until the head of its answer is there. Written out, since an async function keeps its
/// arguments twice, and every connection of a client has room for one of these.
pub(super) struct Exchange<'a> {
    /// There until it has ended.
    conn: Option<Lean>,
    order: Order<'a>,
    unsent: Unsent,
}

impl Future for Exchange<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Self { conn: kept, order, unsent } = self.get_mut();
        let Some(conn) = kept else { return Poll::Pending };
        let parsed = match ready!(conn.poll_exchange(cx, *order, unsent)) {
            Ok(parsed) => parsed,
            Err(outcome) => return Poll::Ready(outcome),
        };
        let Some(conn) = kept.take() else { return Poll::Pending };
        Poll::Ready(Outcome::Answered(conn.answered(parsed, *order)))
    }
}

impl Lean {
    pub(super) fn new(wire: Wire, watch: Arc<Watch>) -> Self {
        Self { wire, read: BytesMut::new(), next: READ_LEAST, large: Size::Usual, upload: None, watch }
    }

    /// The same with content that is to be sent behind the next head.
    pub(super) fn with(mut self, upload: Box<Upload>) -> Self {
        self.upload = Some(upload);
        self
    }

    /// Whether the portal has said nothing since the last answer ended: no end, and no bytes that belong to nobody.
    /// Costs a system call only where something has arrived.
    pub(super) fn is_alive(&mut self) -> bool {
        let would_block =
            |read: io::Result<usize>| read.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
        match &mut self.wire {
            Wire::Plain(tcp) => would_block(tcp.try_read(&mut [0; 1])),
            Wire::Tls(tls) => {
                let (tcp, session) = tls.get_ref();
                if !session.wants_read() {
                    return false;
                }
                if tcp.try_io(Interest::READABLE, || Ok(())).is_err() {
                    return true;
                }
                // A session ticket is no answer, and leaves nothing to read.
                let mut one = [0; 1];
                let mut one = ReadBuf::new(&mut one);
                Pin::new(&mut **tls).poll_read(&mut Context::from_waker(Waker::noop()), &mut one).is_pending()
            }
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) fn exchange(self, order: Order<'_>) -> Exchange<'_> {
        self.watch.begin(self.upload.is_some());
        Exchange { conn: Some(self), order, unsent: Unsent::default() }
    }

    fn answered(self, parsed: Parsed, order: Order<'_>) -> Reply {
        self.watch.answered();
        let Parsed { head, found, after, stalls, .. } = parsed;
        let reusable = after == Afterwards::Reusable;
        head.map(|()| match found {
            Found::Whole(body) => {
                if reusable && self.read.is_empty() {
                    order.pool.put_lean(self);
                }
                ReplyBody::whole(body)
            }
            Found::Coming(framing) => {
                let pool = reusable.then(|| Arc::downgrade(order.pool));
                ReplyBody::coming(Rest::new(self, framing, pool), stalls)
            }
        })
    }

    fn poll_exchange(
        &mut self,
        cx: &mut Context<'_>,
        order: Order<'_>,
        unsent: &mut Unsent,
    ) -> Poll<Result<Parsed, Outcome>> {
        // The answer may come before the request has left: a refusal of a long body (RFC 9112 section 9.5).
        let sent = match self.poll_send(cx, order, unsent) {
            Poll::Ready(Err(e)) if self.watch.did_client_break() => {
                return Poll::Ready(Err(Outcome::Failed(UpstreamError::ClientBody(e))));
            }
            Poll::Ready(Err(e)) if !unsent.begun => {
                return Poll::Ready(Err(Outcome::Unwritten(e, self.upload.take())));
            }
            // Its answer may have been sent before it hung up.
            Poll::Ready(Err(e)) if is_gone(&e) => {
                unsent.deaf = true;
                if self.upload.take().is_some() {
                    self.watch.uploaded();
                }
                Poll::Pending
            }
            sent => sent,
        };
        let polled = self.poll_head(cx, order, unsent);
        match (polled, sent) {
            (Poll::Ready(Ok(mut parsed)), sent) => {
                if !matches!(sent, Poll::Ready(Ok(()))) {
                    parsed.after = Afterwards::Spent;
                }
                Poll::Ready(Ok(parsed))
            }
            (Poll::Ready(Err(outcome)), _) => Poll::Ready(Err(outcome)),
            (Poll::Pending, Poll::Ready(Err(e))) => Poll::Ready(Err(Outcome::Broke(e))),
            (Poll::Pending, _) if self.watch.poll_fired(cx).is_ready() => {
                Poll::Ready(Err(Outcome::Failed(UpstreamError::stalled_by(&self.watch))))
            }
            (Poll::Pending, _) => Poll::Pending,
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        order: Order<'_>,
        unsent: &mut Unsent,
    ) -> Poll<io::Result<()>> {
        if unsent.deaf {
            return Poll::Pending;
        }
        if !unsent.rendered {
            unsent.rendered = true;
            let all = OUT.with_borrow_mut(|flat| {
                flat.clear();
                head::render(order, flat);
                let body = order.outgoing.held();
                let gathered = body.len() <= GATHER_LIMIT;
                if gathered {
                    flat.extend_from_slice(body);
                }
                let written = match self.wire.poll_write(cx, flat) {
                    Poll::Ready(Ok(written)) => written,
                    Poll::Ready(Err(e)) => return Err(e),
                    Poll::Pending => 0,
                };
                unsent.begun = written > 0 || matches!(self.wire, Wire::Tls(_));
                if written < flat.len() {
                    unsent.head = flat[written..].to_vec();
                }
                if !gathered {
                    unsent.body = body.clone();
                }
                Ok(written == flat.len() && gathered)
            });
            if all? && self.upload.is_none() {
                return self.wire.poll_flush(cx);
            }
        }
        while unsent.at < unsent.head.len() {
            match self.wire.poll_write(cx, &unsent.head[unsent.at..])? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => unsent.at += written,
                Poll::Pending => return Poll::Pending,
            }
            unsent.begun = true;
        }
        while !unsent.body.is_empty() {
            match self.wire.poll_write(cx, &unsent.body)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => drop(unsent.body.split_to(written)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if let Some(upload) = &mut self.upload {
            ready!(upload.poll(cx, &mut self.wire, &self.watch))?;
            self.upload = None;
        }
        self.wire.poll_flush(cx)
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        order: Order<'_>,
        progress: &mut Unsent,
    ) -> Poll<Result<Parsed, Outcome>> {
        let outgoing = order.outgoing;
        let invalid = |why| Outcome::Failed(UpstreamError::Invalid(why));
        loop {
            if progress.look {
                match parse::answer(&self.read, outgoing.method()).map_err(invalid)? {
                    Some(Heard::Final(parsed)) => {
                        drop(self.read.split_to(parsed.taken));
                        return Poll::Ready(Ok(parsed));
                    }
                    Some(Heard::Interim { status, headers, taken }) => {
                        drop(self.read.split_to(taken));
                        progress.interim += taken;
                        progress.look = !self.read.is_empty();
                        // A 100 is about the request's body alone.
                        if status != StatusCode::CONTINUE
                            && let Some(told) = order.told
                        {
                            told(status, &headers);
                        }
                    }
                    None => progress.look = false,
                }
                if self.read.len() + progress.interim >= MAX_HEAD {
                    return Poll::Ready(Err(invalid("its head is too large")));
                }
                continue;
            }
            let before = self.read.len();
            if before == 0 {
                match self.poll_first(cx, outgoing) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(outcome)) => return Poll::Ready(Err(outcome)),
                    Poll::Ready(Ok(Some(parsed))) => return Poll::Ready(Ok(parsed)),
                    Poll::Ready(Ok(None)) => progress.look = true,
                }
            } else {
                match self.poll_more(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(Outcome::Broke(e))),
                    Poll::Ready(Ok(0)) => {
                        let e = io::ErrorKind::UnexpectedEof.into();
                        return Poll::Ready(Err(Outcome::Broke(e)));
                    }
                    // A head that trickles in is not parsed anew for each of its bytes.
                    Poll::Ready(Ok(_)) => progress.look = parse::may_end(&self.read, before),
                }
                if self.read.len() + progress.interim >= MAX_HEAD && !progress.look {
                    return Poll::Ready(Err(invalid("its head is too large")));
                }
            }
        }
    }

    /// Reads an answer that comes in one piece, as most do, without a buffer of the connection's own; whatever else
    /// comes is put there.
    fn poll_first(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &Outgoing,
    ) -> Poll<Result<Option<Parsed>, Outcome>> {
        IN.with_borrow_mut(|first| {
            first.resize(FIRST_READ, 0);
            let mut into = ReadBuf::new(first);
            let Poll::Ready(read) = self.wire.poll_read(cx, &mut into) else { return Poll::Pending };
            let bytes = into.filled();
            if let Err(e) = read.and_then(|()| ended_if(bytes.is_empty())) {
                return Poll::Ready(Err(Outcome::Broke(e)));
            }
            let heard = parse::answer(bytes, outgoing.method())
                .map_err(|why| Outcome::Failed(UpstreamError::Invalid(why)))?;
            Poll::Ready(Ok(match heard {
                Some(Heard::Final(parsed)) => {
                    self.read.extend_from_slice(&bytes[parsed.taken..]);
                    Some(parsed)
                }
                Some(Heard::Interim { .. }) | None => {
                    self.read.extend_from_slice(bytes);
                    None
                }
            }))
        })
    }

    /// Reads once of a long body, of which `left` bytes are to come; never beyond its end.
    fn poll_large(&mut self, cx: &mut Context<'_>, left: u64) -> Poll<io::Result<Bytes>> {
        let mut large = Large::take(self.large);
        let mut into = ReadBuf::new(large.room(left));
        ready!(self.wire.poll_read(cx, &mut into))?;
        let read = into.filled().len();
        ended_if(read == 0)?;
        self.large = Size::after(read);
        Poll::Ready(Ok(large.filled(read)))
    }

    /// Reads once into the connection's own buffer: as much as reads have been bringing.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.read.reserve(self.next);
        let read = match &mut self.wire {
            Wire::Plain(tcp) => pin!(tcp.read_buf(&mut self.read)).poll(cx),
            Wire::Tls(tls) => pin!(tls.read_buf(&mut self.read)).poll(cx),
        };
        if let Poll::Ready(Ok(read)) = read {
            if read >= self.next {
                self.next = (self.next * 2).min(READ_MOST);
            } else if read < self.next / 4 {
                self.next = (self.next / 2).max(READ_LEAST);
            }
        }
        read
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn ended_if(ended: bool) -> io::Result<()> {
    if ended { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

impl Wire {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, into),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, into),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, bytes),
        }
    }

    /// TCP buffers nothing on this side.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
        }
    }
}
