//! The plain case of HTTP/1.1, read and written without hyper: a request that has come whole in one piece, and its
//! answer. It is nearly every request, and hyper's way costs each of them some thousand instructions more, a POST whose
//! body is at hand nearly four thousand (crates/bench/README.md), and each connection at rest a read buffer.
//!
//! In: a stream whose first bytes are not HTTP/2's. Out: its end, or the stream with what was read of it, at the
//! boundary between two requests, for hyper to go on with.
//! Always: only what cannot be read in two ways is taken up here (`head.rs`); nothing is refused here.

mod answer;
mod head;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Method, Response};
use tokio::io::ReadBuf;

use self::answer::{Asked, BrokenOff, Sending};
use self::head::Whole;
use super::connection::{self, Answer, Stay, Visit};
use super::control::{Control, Order, Presence};
use super::socket::Stream;
use super::{Content, Handler, Settings};
use crate::inflow::{Inflow, Straight};
use crate::splice::Pipe;

/// How much one read takes. A request that is longer, with its content, is hyper's.
const READ: usize = 16 * 1024;
/// How much is read ahead of the answer, of whatever comes after the request: enough to notice the client's end.
const AHEAD: usize = 16 * 1024;
/// For how long content that nobody wants is thrown away behind an answer.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    /// Where requests are read to; one for each worker, so that a connection at rest holds none.
    static IN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Gives back this thread's buffers.
pub(super) fn forget() {
    IN.take();
    answer::forget();
}

/// What becomes of a connection.
pub(super) enum Next {
    /// It has ended.
    Over,
    /// hyper goes on with it, and with what was read of it.
    Hyper(Box<(Stream, Presence, Vec<u8>)>),
}

/// The client's side.
pub(super) struct Line {
    stream: Stream,
    presence: Presence,
    /// What was read and not taken up yet.
    ahead: Vec<u8>,
    /// What is left of an interim answer whose beginning the client has taken, or what goes before the answer's head.
    hints: Vec<u8>,
}

/// Serves a connection for as long as its requests are plain.
pub(super) async fn serve<H: Handler>(visit: Arc<Visit<H>>, stream: Stream, presence: Presence) -> Next {
    let mut line = Line { stream, presence, ahead: Vec::new(), hints: Vec::new() };
    loop {
        let (stay, call, asked) = match poll_fn(|cx| line.poll_request(cx, visit.settings())).await {
            Heard::Request(mut whole) => {
                if whole.left > 0 {
                    line = line.lent(&mut whole, visit.settings().max_buffer_bytes);
                }
                begin(&visit, whole)
            }
            Heard::Other => return Next::Hyper(Box::new((line.stream, line.presence, line.ahead))),
            Heard::End => return Next::Over,
        };
        let keep_alive = {
            let mut turn = Turn { stay: Some(stay), call: pin!(call), asked, sending: None };
            let sent = poll_fn(|cx| match turn.poll(cx, &mut line) {
                Poll::Pending => line.poll_end(cx).map(|()| Err(BrokenOff)),
                sent @ Poll::Ready(_) => sent,
            });
            if sent.await.is_err() {
                return Next::Over;
            }
            turn.asked.keep_alive
        };
        if !keep_alive {
            line.leave().await;
            return Next::Over;
        }
        line.stream = line.stream.taken_back();
    }
}

/// One request's turn: its call, and then its answer.
struct Turn<'a, H: Handler, F> {
    /// Until there is an answer.
    stay: Option<Stay<H>>,
    /// None for a request that there was no room for.
    call: Pin<&'a mut Option<F>>,
    asked: Asked,
    sending: Option<Sending<Answer<H>>>,
}

impl<H: Handler, F: Future<Output = Response<H::Body>>> Turn<'_, H, F> {
    fn poll(&mut self, cx: &mut Context<'_>, line: &mut Line) -> Poll<Result<(), BrokenOff>> {
        if let Some(sending) = &mut self.sending {
            return sending.poll(cx, line);
        }
        let answer = ready!(self.poll_answer(cx, line))?;
        self.asked.keep_alive &= !answer::closes(answer.headers())
            && line.stream.left() == 0
            && line.control().order(cx.waker()) == Order::Serve;
        // Most answers leave at once.
        match Sending::begin(cx, line, answer, self.asked)? {
            None => Poll::Ready(Ok(())),
            Some(begun) => self.sending.insert(begun).poll(cx, line),
        }
    }

    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        line: &mut Line,
    ) -> Poll<Result<Response<Answer<H>>, BrokenOff>> {
        let answer = match self.call.as_mut().as_pin_mut() {
            Some(call) => Some(ready!(call.poll(cx))),
            None => None,
        };
        let stay = self.stay.take().ok_or(BrokenOff)?;
        Poll::Ready(Ok(match answer {
            Some(answer) => line.last_hints(stay, answer),
            None => connection::overloaded(stay),
        }))
    }
}

/// Takes a request up: its stay, the call that answers it if it is admitted, and what its answer depends on.
fn begin<H: Handler>(
    visit: &Arc<Visit<H>>,
    whole: Whole,
) -> (Stay<H>, Option<impl Future<Output = Response<H::Body>>>, Asked) {
    let Whole { request, keep_alive, .. } = whole;
    let asked = Asked { is_head: *request.method() == Method::HEAD, keep_alive };
    let (stay, request, interim) = Arc::clone(visit).begin(request);
    let call = stay.is_admitted().then(|| visit.call(request, interim));
    (stay, call, asked)
}

/// What has come.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are requests, and a box for each costs")]
enum Heard {
    Request(Whole),
    /// Something that is not for us.
    Other,
    /// Nothing more comes, or nothing more is wanted.
    End,
}

impl Line {
    fn control(&self) -> &Arc<Control> {
        self.presence.control()
    }

    /// The same while the content that is still to come is read by whoever answers the request.
    fn lent(self, whole: &mut Whole, most: usize) -> Self {
        let Self { stream, presence, ahead, hints } = self;
        let stream = match stream {
            Stream::Tcp(stream) => {
                let Content::Whole(begun) = std::mem::replace(whole.request.body_mut(), Content::empty())
                else {
                    return Self { stream: Stream::Tcp(stream), presence, ahead, hints };
                };
                let (straight, lane) = Straight::new(begun, stream, whole.left, most);
                *whole.request.body_mut() = Content::Coming(Inflow::Straight(straight));
                Stream::Lent(lane)
            }
            other => other,
        };
        Self { stream, presence, ahead, hints }
    }

    /// Says that nothing more comes. Content that is still coming, and that nobody wants, is thrown away for a moment:
    /// what the system says about it otherwise, a reset, could take the answer from the client (RFC 9112 section 9.6).
    async fn leave(&mut self) {
        let _ = poll_fn(|cx| self.stream.poll_shutdown(cx)).await;
        if self.stream.left() > 0 {
            let _ = tokio::time::timeout(LINGER, poll_fn(|cx| self.poll_discard(cx))).await;
        }
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        IN.with_borrow_mut(|room| {
            room.resize(READ, 0);
            while self.control().order(cx.waker()) != Order::Leave {
                let mut into = ReadBuf::new(room);
                match ready!(self.stream.poll_read(cx, &mut into)) {
                    Ok(()) if !into.filled().is_empty() => {}
                    Ok(()) | Err(_) => break,
                }
            }
            Poll::Ready(())
        })
    }

    fn poll_request(&mut self, cx: &mut Context<'_>, settings: &Settings) -> Poll<Heard> {
        let long = matches!(self.stream, Stream::Tcp(_));
        if !self.ahead.is_empty() {
            return Poll::Ready(match head::request(&self.ahead, settings, long) {
                Some(whole) => {
                    self.ahead.drain(..whole.taken);
                    Heard::Request(whole)
                }
                None => Heard::Other,
            });
        }
        let read = IN.with_borrow_mut(|room| {
            room.resize(READ, 0);
            let mut into = ReadBuf::new(room);
            let Poll::Ready(read) = self.stream.poll_read(cx, &mut into) else { return Poll::Pending };
            let bytes = into.filled();
            if read.is_err() || bytes.is_empty() {
                return Poll::Ready(Heard::End);
            }
            self.presence.control().bytes_read();
            Poll::Ready(match head::request(bytes, settings, long) {
                Some(whole) => {
                    self.ahead.extend_from_slice(&bytes[whole.taken..]);
                    Heard::Request(whole)
                }
                None => {
                    self.ahead.extend_from_slice(bytes);
                    Heard::Other
                }
            })
        });
        match read {
            // A request that has arrived is taken up before the order to drain is.
            Poll::Pending if self.control().order(cx.waker()) != Order::Serve => Poll::Ready(Heard::End),
            read => read,
        }
    }

    /// Whether the connection ends while its request is being answered: the client has gone, or is sent away.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.control().order(cx.waker()) == Order::Leave {
            return Poll::Ready(());
        }
        self.poll_hints(cx);
        // Whoever reads the content finds out what becomes of the client, and wakes us.
        while self.ahead.len() < AHEAD && !self.stream.is_lent() {
            let mut room = [const { MaybeUninit::uninit() }; 2048];
            let mut into = ReadBuf::uninit(&mut room);
            match self.stream.poll_read(cx, &mut into) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                    self.ahead.extend_from_slice(into.filled());
                }
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Interim answers go out as they come; a client that takes nothing gets none of them.
    fn poll_hints(&mut self, cx: &mut Context<'_>) {
        if !self.hints.is_empty() {
            let hints = std::mem::take(&mut self.hints);
            self.write_hints(cx, hints, true);
        }
        if self.hints.is_empty()
            && let Some(hints) = self.control().hints().take()
        {
            self.write_hints(cx, hints, false);
        }
    }

    fn write_hints(&mut self, cx: &mut Context<'_>, mut hints: Vec<u8>, begun: bool) {
        match self.stream.poll_write(cx, &hints) {
            Poll::Ready(Ok(written)) => self.hints = hints.split_off(written),
            Poll::Pending if begun => self.hints = hints,
            // What is wrong with the connection its next reader finds out.
            Poll::Pending | Poll::Ready(Err(_)) => {}
        }
    }

    /// The answer is there; interim answers that came just before it go out with it.
    fn last_hints<H: Handler>(&mut self, stay: Stay<H>, answer: Response<H::Body>) -> Response<Answer<H>> {
        if let Some(mut hints) = self.control().hints().take() {
            self.hints.append(&mut hints);
        }
        stay.end(answer)
    }

    /// Writes what the pipe holds; how much the client took. An end where there is no way for it.
    fn poll_write_pipe(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        let Some(stream) = self.stream.in_the_clear() else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        let written = pipe.poll_drain(cx, stream);
        self.control().write_blocked(written.is_pending());
        written
    }

    /// Writes from three pieces that follow each other; how much the client took.
    fn poll_write_pieces(
        &mut self,
        cx: &mut Context<'_>,
        before: &[u8],
        piece: &[u8],
        after: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut room = [IoSlice::new(b""); 3];
        let filled = answer::slices([before, piece, after], &mut room);
        let written = match &room[..filled] {
            [] => return Poll::Ready(Ok(0)),
            [only] => self.stream.poll_write(cx, only),
            several => self.stream.poll_write_vectored(cx, several),
        };
        self.control().write_blocked(written.is_pending());
        match written {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => written,
        }
    }
}
