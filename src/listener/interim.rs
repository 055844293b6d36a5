//! Interim answers (1xx, RFC 9110 section 15.2): heads that go out before the answer, past hyper, whose server has
//! no way to send one.
//!
//! Why that never splits or reorders a message. hyper flushes its socket only when its own write buffer is empty:
//! at that moment every byte of every message so far has been written. A head of ours goes out at such a moment
//! only, and only while its request is being answered: that begins after the answer before it has been encoded
//! whole, and ends before hyper sees anything of its own answer. A client that takes no bytes gets no hints; of
//! one that takes half a head, the rest comes before anything else (`Socket`).

use std::fmt::{self, Write as _};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use http::{HeaderMap, StatusCode};

use super::Settings;
use super::control::Control;

/// Where the interim answers to one request go. Those that cannot be sent are dropped: HTTP/1.0 and hyper's HTTP/2
/// have none, and none may come once the answer is there.
#[derive(Debug, Clone, Default)]
pub struct Interim {
    line: Option<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    control: Arc<Control>,
    request: u64,
    most: usize,
    max_bytes: usize,
}

impl Interim {
    /// For the `request`th request of a connection of HTTP/1.1.
    pub(super) fn open(control: &Arc<Control>, request: u64, settings: &Settings) -> Self {
        if settings.max_interim == 0 {
            return Self::default();
        }
        control.hints().open.store(request, Ordering::Relaxed);
        let (most, max_bytes) = (settings.max_interim, settings.max_head_bytes);
        Self { line: Some(Line { control: Arc::clone(control), request, most, max_bytes }) }
    }

    /// Whether anything that is sent can come through.
    pub fn is_open(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.control.hints().is_open(line.request))
    }

    /// Sends a head before the answer; `headers` have been cleaned. 100 and 101 are no business of the handler's,
    /// and what is no interim answer is none.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        let Some(Line { control, request, most, max_bytes }) = &self.line else { return };
        if !(102..200).contains(&status.as_u16()) {
            return;
        }
        if control.hints().put(*request, &head(status, headers), *most, *max_bytes) {
            control.wake();
        }
    }
}

fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut line = String::new();
    let _ =
        write!(line, "HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    let mut head = line.into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The heads of one connection that wait for their moment.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// The request that may have some, counted from 1: its handler runs. 0 for none.
    open: AtomicU64,
    /// Whether `waiting` holds anything: all that a connection without hints ever looks at.
    some: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    request: u64,
    sent: usize,
    bytes: Vec<u8>,
}

/// Shows how much waits, never what.
impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("sent", &self.sent)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Hints {
    fn is_open(&self, request: u64) -> bool {
        self.open.load(Ordering::Relaxed) == request
    }

    /// `false` if it is too late, or too much.
    fn put(&self, request: u64, head: &[u8], most: usize, max_bytes: usize) -> bool {
        let mut waiting = self.lock();
        if !self.is_open(request) {
            return false;
        }
        if waiting.request != request {
            *waiting = Waiting { request, ..Waiting::default() };
        }
        if waiting.sent >= most || waiting.bytes.len() + head.len() > max_bytes {
            return false;
        }
        waiting.sent += 1;
        waiting.bytes.extend_from_slice(head);
        self.some.store(true, Ordering::Release);
        true
    }

    /// What may go out at this moment; called when nothing else waits to be written.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        if !self.some.load(Ordering::Acquire) {
            return None;
        }
        let mut waiting = self.lock();
        self.some.store(false, Ordering::Relaxed);
        let bytes = std::mem::take(&mut waiting.bytes);
        (self.is_open(waiting.request) && !bytes.is_empty()).then_some(bytes)
    }

    /// Whether anything waits for its moment.
    pub(super) fn are_waiting(&self) -> bool {
        self.some.load(Ordering::Acquire)
    }

    /// What came just before the answer gets one turn in which hyper flushes, and no more: a client that does not
    /// read must not keep its own answer waiting.
    pub(super) async fn turn(&self) {
        let mut turned = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut turned, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// The answer is there.
    pub(super) fn close(&self) {
        self.open.store(0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn open(hints: &Hints, request: u64) {
        hints.open.store(request, Ordering::Relaxed);
    }

    #[test]
    fn a_hint_belongs_to_the_request_that_is_being_answered_and_to_no_other() {
        let hints = Hints::default();
        open(&hints, 1);
        assert!(!hints.put(2, b"early", 9, 99));
        assert!(hints.put(1, b"one", 9, 99) && hints.put(1, b"two", 9, 99));
        assert_eq!(hints.take().as_deref(), Some(&b"onetwo"[..]));
        assert_eq!(hints.take(), None);
        assert!(hints.put(1, b"late", 9, 99));
        open(&hints, 2);
        assert_eq!(hints.take(), None, "its request has been answered");
        assert!(hints.put(2, b"next", 9, 99));
        assert_eq!(hints.take().as_deref(), Some(&b"next"[..]));
    }

    #[test]
    fn as_many_hints_as_the_limit_pass_and_as_many_bytes_and_no_more() {
        let hints = Hints::default();
        open(&hints, 1);
        assert!(hints.put(1, b"12345", 2, 9));
        assert!(!hints.put(1, b"12345", 2, 9));
        assert!(hints.put(1, b"1234", 2, 9));
        assert!(hints.take().is_some());
        assert!(!hints.put(1, b"", 2, 9), "what has gone out counts too");
        open(&hints, 2);
        assert!(hints.put(2, b"1", 2, 9), "each request counts anew");
    }

    #[test]
    fn a_head_is_written_as_one_and_what_is_no_interim_answer_is_not() {
        let mut headers = HeaderMap::new();
        headers.append("link", HeaderValue::from_static("</a.css>"));
        headers.append("link", HeaderValue::from_static("</b.css>"));
        let text = head(StatusCode::EARLY_HINTS, &headers);
        assert_eq!(text, b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\nlink: </b.css>\r\n\r\n");
        assert_eq!(head(StatusCode::from_u16(199).unwrap(), &HeaderMap::new()), b"HTTP/1.1 199 \r\n\r\n");
        assert!(!Interim::default().is_open());
    }
}
