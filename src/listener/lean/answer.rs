//! An answer on its way to the client: its head, its framing, and its content as it comes.

use std::cell::RefCell;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, TRANSFER_ENCODING};
use http::{Response, StatusCode, response};
use http_body::Body;
use hyper::ext::ReasonPhrase;

use super::Line;
use crate::fields;
use crate::splice::{self, Pipe, Source};

/// A head and a short content leave in one flat write up to this size; longer content is not copied.
const GATHER_LIMIT: usize = 8 * 1024;

thread_local! {
    /// Where heads are rendered; one for each worker, so that a connection at rest holds none.
    static OUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// The second that was written last as a date, and the date.
    static NOW: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Gives back this thread's buffer.
pub(super) fn forget() {
    OUT.take();
}

/// How the end of the content is told (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// By the status: there is none.
    Bodiless,
    /// This many bytes are left.
    Sized(u64),
    Chunked,
}

/// What of its request an answer depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) is_head: bool,
    pub(super) keep_alive: bool,
}

/// An answer that is being sent.
pub(super) struct Sending<B> {
    body: B,
    framing: Framing,
    /// What the client has not taken yet: bytes before a piece of the content, the piece, and bytes behind it.
    before: Vec<u8>,
    piece: Bytes,
    after: &'static [u8],
    /// What comes by way of the kernel alone; there while it does.
    pipe: Option<Pipe>,
    ended: bool,
}

/// Why an answer breaks off. The connection ends with it, so that no client takes a part for the whole.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl From<io::Error> for BrokenOff {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl<B: Source<Data = Bytes> + Unpin> Sending<B> {
    /// The head, and what of the content is at hand, leave at once as far as the client takes them. `None` if that was
    /// all.
    pub(super) fn begin(
        cx: &mut Context<'_>,
        line: &mut Line,
        answer: Response<B>,
        asked: Asked,
    ) -> Result<Option<Self>, BrokenOff> {
        let (parts, body) = answer.into_parts();
        let framing = framing(&parts, &body)?;
        let ended = asked.is_head || matches!(framing, Framing::Bodiless | Framing::Sized(0));
        let mut sending =
            Self { body, framing, before: Vec::new(), piece: Bytes::new(), after: b"", pipe: None, ended };
        // Asked for before the head is written, so that both can leave together.
        let first = if ended { Poll::Pending } else { sending.poll_piece(cx) };
        if let Poll::Ready(Err(_)) = first {
            sending.ended = true;
        }
        let written = OUT.with_borrow_mut(|out| {
            out.clear();
            out.append(&mut line.hints);
            head(&parts, framing, asked, out);
            out.append(&mut sending.before);
            if out.len() + sending.piece.len() + sending.after.len() <= GATHER_LIMIT {
                out.extend_from_slice(&std::mem::take(&mut sending.piece));
                out.extend_from_slice(std::mem::take(&mut sending.after));
            }
            let written = match line.poll_write_pieces(cx, out, &sending.piece, sending.after) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            if written < out.len() {
                sending.before.extend_from_slice(&out[written..]);
            }
            sending.took(written.saturating_sub(out.len()));
            io::Result::Ok(())
        });
        written?;
        // What was before a fault has to leave before it is told.
        if let Poll::Ready(Err(broken)) = first {
            return Err(broken);
        }
        Ok((!sending.is_over()).then_some(sending))
    }

    /// Sends on until all has been taken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, line: &mut Line) -> Poll<Result<(), BrokenOff>> {
        let polled = self.poll_on(cx, line);
        if polled.is_pending() && line.stream.left() > 0 {
            // A client may read nothing of the answer until all of its content has been taken.
            self.body.poll_beside(cx);
        }
        polled
    }

    fn poll_on(&mut self, cx: &mut Context<'_>, line: &mut Line) -> Poll<Result<(), BrokenOff>> {
        loop {
            while !self.is_taken() {
                let written = ready!(line.poll_write_pieces(cx, &self.before, &self.piece, self.after))?;
                let of_before = written.min(self.before.len());
                self.before.drain(..of_before);
                self.took(written - of_before);
            }
            while let Some(pipe) = self.pipe.as_mut().filter(|pipe| pipe.holds() > 0) {
                ready!(line.poll_write_pipe(cx, pipe))?;
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            match self.poll_splice(cx, line) {
                Some(filled) => ready!(filled)?,
                None => ready!(self.poll_piece(cx))?,
            }
        }
    }

    /// Gets more of a long content into the pipe, where it can be had like that.
    fn poll_splice(&mut self, cx: &mut Context<'_>, line: &Line) -> Option<Poll<Result<(), BrokenOff>>> {
        let Framing::Sized(left) = &mut self.framing else { return None };
        if *left < splice::WORTHWHILE || line.stream.in_the_clear().is_none() {
            self.pipe = None;
            return None;
        }
        if self.pipe.is_none() {
            self.pipe = Pipe::take();
        }
        Some(match self.body.poll_splice(cx, self.pipe.as_mut()?)? {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(filled)) => {
                *left = left.saturating_sub(filled as u64);
                self.ended = *left == 0;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(BrokenOff)),
        })
    }

    fn is_taken(&self) -> bool {
        self.before.is_empty() && self.piece.is_empty() && self.after.is_empty()
    }

    fn is_over(&self) -> bool {
        self.ended && self.is_taken()
    }

    /// The client has taken this much of what follows `before`.
    fn took(&mut self, bytes: usize) {
        let of_piece = bytes.min(self.piece.len());
        drop(self.piece.split_to(of_piece));
        self.after = &self.after[bytes - of_piece..];
    }

    /// Gets the next piece of the content, framed.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BrokenOff>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Poll::Ready(Err(BrokenOff)),
                None => {
                    self.ended = true;
                    return Poll::Ready(match self.framing {
                        Framing::Chunked => {
                            self.after = b"0\r\n\r\n";
                            Ok(())
                        }
                        Framing::Sized(0) | Framing::Bodiless => Ok(()),
                        Framing::Sized(_) => Err(BrokenOff),
                    });
                }
            };
            // Trailers go to those who asked for them, and a request with TE is hyper's.
            let Ok(data) = frame.into_data() else { continue };
            if data.is_empty() {
                continue;
            }
            match &mut self.framing {
                Framing::Bodiless => continue,
                Framing::Sized(left) => {
                    *left = left.checked_sub(data.len() as u64).ok_or(BrokenOff)?;
                    self.ended = *left == 0;
                }
                Framing::Chunked => {
                    let _ = write!(self.before, "{:X}\r\n", data.len());
                    self.ended = self.body.is_end_stream();
                    self.after = if self.ended { b"\r\n0\r\n\r\n" } else { b"\r\n" };
                }
            }
            self.piece = data;
            return Poll::Ready(Ok(()));
        }
    }
}

/// As the status has it, else as the answer says itself, else as its content knows (RFC 9112 section
/// 6.3).
fn framing(parts: &response::Parts, body: &impl Body) -> Result<Framing, BrokenOff> {
    let status = parts.status;
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Framing::Bodiless);
    }
    if status.is_informational() {
        return Err(BrokenOff); // a switch that nobody asked for
    }
    if let Some(said) = parts.headers.get(CONTENT_LENGTH) {
        return said.to_str().ok().and_then(|n| n.parse().ok()).map(Framing::Sized).ok_or(BrokenOff);
    }
    Ok(body.size_hint().exact().map_or(Framing::Chunked, Framing::Sized))
}

/// Status line, fields and the empty line (RFC 9112 section 4). An answer to HEAD says of its content what it knows.
fn head(parts: &response::Parts, framing: Framing, asked: Asked, out: &mut Vec<u8>) {
    let response::Parts { status, headers, extensions, .. } = parts;
    if *status == StatusCode::OK && extensions.get::<ReasonPhrase>().is_none() {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(match extensions.get::<ReasonPhrase>() {
            Some(reason) => reason.as_bytes(),
            None => status.canonical_reason().unwrap_or_default().as_bytes(),
        });
        out.extend_from_slice(b"\r\n");
    }
    let (mut sized, mut dated) = (false, false);
    for (name, value) in headers {
        let text = name.as_str();
        match text.len() {
            4 => dated |= *name == DATE,
            10 if *name == CONNECTION => continue,
            14 => sized |= *name == CONTENT_LENGTH,
            17 if *name == TRANSFER_ENCODING => continue,
            _ => {}
        }
        fields::write(text.as_bytes(), value.as_bytes(), out);
    }
    match framing {
        Framing::Sized(0) if asked.is_head => {}
        Framing::Sized(length) if !sized => {
            let _ = write!(out, "content-length: {length}\r\n");
        }
        Framing::Chunked if !asked.is_head => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::Sized(_) | Framing::Chunked | Framing::Bodiless => {}
    }
    if !asked.keep_alive {
        out.extend_from_slice(b"connection: close\r\n");
    }
    if !dated {
        date(out);
    }
    out.extend_from_slice(b"\r\n");
}

/// A server with a clock says when it answered (RFC 9110 section 6.6.1).
fn date(out: &mut Vec<u8>) {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    NOW.with_borrow_mut(|(written, text)| {
        if *written != second {
            *written = second;
            *text = httpdate::fmt_http_date(now);
        }
        fields::write(b"date", text.as_bytes(), out);
    });
}

/// Whether the answer itself ends the connection.
pub(super) fn closes(headers: &HeaderMap) -> bool {
    headers.get(CONNECTION).is_some_and(|value| fields::says_close(value.as_bytes()))
}

/// The three pieces as slices; how many there are.
pub(super) fn slices<'a>(pieces: [&'a [u8]; 3], into: &mut [IoSlice<'a>; 3]) -> usize {
    let mut filled = 0;
    for piece in pieces {
        if !piece.is_empty() {
            into[filled] = IoSlice::new(piece);
            filled += 1;
        }
    }
    filled
}
