//! The head of an answer, from bytes: httparse reads it, and one pass decides how its body is framed.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Version};
use hyper::ext::ReasonPhrase;

use super::MAX_HEAD;
use super::body::Framing;
use crate::upstream::answer::{self, Afterwards};
use crate::upstream::reply::is_event_stream;
use crate::{fields, pieces};

/// As many fields as hyper's client takes.
const MAX_HEADERS: usize = 100;
/// What the answer gets on its way to the client.
const ROOM: usize = 2;

/// A final answer.
pub(super) struct Parsed {
    pub(super) head: Response<()>,
    pub(super) found: Found,
    pub(super) after: Afterwards,
    /// Whether its body may not stand still.
    pub(super) stalls: bool,
    /// How many bytes it took.
    pub(super) taken: usize,
}

/// Its body.
pub(super) enum Found {
    /// All of it.
    Whole(Bytes),
    /// To be read yet.
    Coming(Framing),
}

/// Whether a head may end in the bytes from `new` on; one that did not end before them.
pub(super) fn may_end(bytes: &[u8], new: usize) -> bool {
    let tail = &bytes[new.saturating_sub(3)..];
    memchr::memchr_iter(b'\n', tail).any(|at| matches!(&tail[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

/// What `bytes` begin with.
pub(super) enum Heard {
    Final(Parsed),
    /// To be passed on, or not (RFC 9110 section 15.2).
    Interim {
        status: StatusCode,
        headers: HeaderMap,
        taken: usize,
    },
}

/// The answer that `bytes` begin with; `None` if its head has not ended yet.
pub(super) fn answer(bytes: &[u8], method: &Method) -> Result<Option<Heard>, &'static str> {
    let mut room = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_HEADERS];
    let mut raw = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut raw, bytes, &mut room);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("its head is too large"),
        Err(_) => return Err(NO_HTTP),
    };
    if length > MAX_HEAD {
        return Err("its head is too large");
    }
    let status = raw.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(NO_HTTP)?;
    // Interim answers are not the answer, but for the switch that nobody asked for.
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        let headers =
            fields::read(raw.headers, bytes, &Bytes::copy_from_slice(&bytes[..length]), 0).ok_or(NO_HTTP)?;
        return Ok(Some(Heard::Interim { status, headers, taken: length }));
    }
    head(bytes, length, status, &raw, method).map(|parsed| Some(Heard::Final(parsed)))
}

const NO_HTTP: &str = "it is not an HTTP message";

/// Whether a name is this one; `usual` is how it is nearly always written.
fn is(name: &str, lower: &str, usual: &str) -> bool {
    name == usual || name == lower || name.eq_ignore_ascii_case(lower)
}

fn head(
    text: &[u8],
    length: usize,
    status: StatusCode,
    raw: &httparse::Response<'_, '_>,
    method: &Method,
) -> Result<Parsed, &'static str> {
    let mut marks = answer::Marks::default();
    let is_11 = raw.version == Some(1);
    let (mut keep_alive, mut stalls) = (is_11, true);
    for field in raw.headers.iter() {
        match field.name.len() {
            14 if is(field.name, "content-length", "Content-Length") => marks.note_length(field.value),
            17 if is(field.name, "transfer-encoding", "Transfer-Encoding") => marks.note_coding(field.value),
            10 if is(field.name, "connection", "Connection") => {
                keep_alive &= !fields::says_close(field.value);
            }
            12 if is(field.name, "content-type", "Content-Type") => stalls &= !is_event_stream(field.value),
            _ => {}
        }
    }
    let (after, coded, sized) = marks.judge(status, true)?;
    if coded && !is_11 {
        return Err("it has a Transfer-Encoding in HTTP/1.0");
    }
    let bodiless =
        *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let rest = &text[length..];
    let framed = match (bodiless, coded, sized) {
        (true, ..) => Framing::Sized(0),
        (false, true, _) => Framing::chunked(),
        (false, false, Some(length)) => Framing::Sized(length),
        (false, false, None) => Framing::UntilClose,
    };
    let here = match framed {
        Framing::Sized(size) => usize::try_from(size).ok().filter(|size| *size <= rest.len()),
        Framing::Chunked(_) | Framing::UntilClose => None,
    };
    // One piece of memory for the head and a short body; the fields' values are slices of it.
    let taken = length + here.unwrap_or(0);
    let kept = pieces::copy(&text[..taken]);
    let mut headers = fields::read(raw.headers, text, &kept, ROOM).ok_or(NO_HTTP)?;
    answer::strip(status, method, coded, &mut headers);

    let mut head = Response::new(());
    *head.status_mut() = status;
    *head.version_mut() = if is_11 { Version::HTTP_11 } else { Version::HTTP_10 };
    *head.headers_mut() = headers;
    let reason = raw.reason.unwrap_or_default();
    if Some(reason) != status.canonical_reason()
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        head.extensions_mut().insert(reason);
    }
    let found = match here {
        Some(_) => Found::Whole(kept.slice(length..)),
        None => Found::Coming(framed),
    };
    // Whatever is there beyond the answer belongs to nobody, and the connection is not used again.
    let after = if keep_alive { after } else { Afterwards::Spent };
    Ok(Parsed { head, found, after, stalls, taken })
}
