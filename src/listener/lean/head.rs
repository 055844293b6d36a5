//! A request from bytes, if it is one that nobody can read in two ways.
//!
//! httparse reads the head; what is asked for beyond that is narrower than HTTP (RFC 9112): lines that end in CRLF, an
//! origin-form target, each framing field as it should be or not at all, and no field that changes the connection.
//! Whatever else there is, faulty or only rare, is not refused here: it is hyper's, with the witness beside it.

use std::mem::MaybeUninit;

use http::uri::PathAndQuery;
use http::{Method, Request, Uri};

use crate::listener::{Content, Settings};
use crate::{fields, pieces, splice};

/// As many fields as there is room for on the stack; hyper keeps as many.
const MAX_FIELDS: usize = 100;
/// What the request gets on its way.
const ROOM: usize = 4;

/// A request that has come whole, or of which only content is still to come.
pub(super) struct Whole {
    pub(super) request: Request<Content>,
    /// How many bytes it took.
    pub(super) taken: usize,
    /// The client keeps the connection.
    pub(super) keep_alive: bool,
    /// How many bytes of its content are still to come.
    pub(super) left: u64,
}

/// The request that `bytes` begin with; `None` if it has not come whole, or is not for this reader. With `long`, its
/// content may still be coming, if there is much of it.
pub(super) fn request(bytes: &[u8], settings: &Settings, long: bool) -> Option<Whole> {
    // httparse would skip empty lines before it.
    if !bytes.first()?.is_ascii_uppercase() {
        return None;
    }
    let mut room = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let mut raw = httparse::Request::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_request_with_uninit_headers(&mut raw, bytes, &mut room);
    let Ok(httparse::Status::Complete(length)) = parsed else { return None };
    if raw.version != Some(1) || length > settings.max_head_bytes || raw.headers.len() > settings.max_headers
    {
        return None;
    }
    if !every_line_ends_in_crlf(&bytes[..length]) {
        return None;
    }
    let method = method(raw.method?)?;
    let target = raw.path?;
    // A fragment is never sent (RFC 9112 section 3.2).
    if !target.starts_with('/') || target.contains('#') {
        return None;
    }
    let framing = framing(raw.headers)?;
    let whole = length.checked_add(framing.length)?;
    let taken = whole.min(bytes.len());
    let left = (whole - taken) as u64;
    if left > 0 && !(long && left >= splice::WORTHWHILE) {
        return None;
    }
    // One piece of memory for the head and the content; the fields' values are slices of it.
    let kept = pieces::copy(&bytes[..taken]);
    let path = fields::slice(target.as_bytes(), bytes, &kept);
    let uri = Uri::from(PathAndQuery::from_maybe_shared(path).ok()?);
    let headers = fields::read(raw.headers, bytes, &kept, ROOM)?;
    let mut request = Request::new(Content::Whole(kept.slice(length..)));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Some(Whole { request, taken, keep_alive: framing.keep_alive, left })
}

/// A lone LF is the end of a line to one reader and not to another.
fn every_line_ends_in_crlf(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r')
}

/// CONNECT, TRACE and whatever is not registered are no plain requests.
fn method(name: &str) -> Option<Method> {
    Some(match name {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        "HEAD" => Method::HEAD,
        "OPTIONS" => Method::OPTIONS,
        _ => return None,
    })
}

/// How long the content is, and whether another request may follow.
struct Framing {
    length: usize,
    keep_alive: bool,
}

/// `None` where a field says more about the connection than this.
fn framing(fields: &[httparse::Header<'_>]) -> Option<Framing> {
    let (mut length, mut keep_alive, mut connections) = (None, true, 0);
    for field in fields {
        match field.name.len() {
            2 if is(field, "te") => return None,
            6 if is(field, "expect") => return None,
            7 if is(field, "upgrade") || is(field, "trailer") => return None,
            10 if is(field, "connection") => {
                connections += 1;
                match field.value {
                    b"keep-alive" | b"Keep-Alive" => {}
                    b"close" => keep_alive = false,
                    _ => return None,
                }
            }
            14 if is(field, "content-length") && length.replace(number(field.value)?).is_some() => {
                return None;
            }
            17 if is(field, "transfer-encoding") => return None,
            _ => {}
        }
    }
    (connections < 2).then_some(Framing { length: length.unwrap_or(0), keep_alive })
}

fn is(field: &httparse::Header<'_>, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(name)
}

/// `1*DIGIT` without padding, of a length that is no overflow to anybody (as in guard/framing.rs).
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 15 || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::listener::witness::Witness;

    fn taken(text: &str) -> Option<usize> {
        request(text.as_bytes(), &Settings::default(), false).map(|whole| whole.taken)
    }

    #[test]
    fn a_plain_request_is_read_as_it_is() {
        let text = "POST /a/b?c=d HTTP/1.1\r\nHost: localhost:1\r\nX-A: 1\r\nx-a:  2 \r\n\
            content-length: 3\r\nConnection: close\r\n\r\nabcGET /";
        let whole = request(text.as_bytes(), &Settings::default(), false).unwrap();
        assert_eq!(&text[whole.taken..], "GET /");
        assert!(!whole.keep_alive);
        let (parts, content) = whole.request.into_parts();
        assert_eq!((parts.method, parts.uri), (Method::POST, "/a/b?c=d".parse().unwrap()));
        assert_eq!(parts.headers["host"], "localhost:1");
        assert_eq!(parts.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert!(matches!(content, Content::Whole(bytes) if bytes == "abc"));
    }

    #[test]
    fn whatever_is_faulty_rare_or_not_whole_is_not_for_this_reader() {
        let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        assert_eq!(taken(get), Some(get.len()));
        for other in [
            "",
            "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n",
            "GET / HTTP/1.0\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n\n",
            "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
            "get / HTTP/1.1\r\nhost: a\r\n\r\n",
            "TRACE / HTTP/1.1\r\nhost: a\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /#a HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\0\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nTE: trailers\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nTrailer: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nExpect: 100-continue\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nUpgrade: h2c\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nConnection: x-a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nConnection: close\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nConnection: keep-alive, close\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 2\r\n\r\na",
            "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
            "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 01\r\n\r\na",
            "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: +1\r\n\r\na",
            "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 1, 1\r\n\r\na",
            "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 1a\r\n\r\na",
            "POST / HTTP/1.1\r\nhost: a\r\nContent-Length:\r\n\r\na",
            "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 18446744073709551617\r\n\r\na",
        ] {
            assert_eq!(taken(other), None, "{other:?}");
        }
    }

    #[test]
    fn as_many_fields_and_bytes_as_the_limits_say_and_no_more() {
        let text = "GET / HTTP/1.1\r\nhost: a\r\nx-a: b\r\n\r\n";
        let taken = |max_headers, max_head_bytes| {
            let settings = Settings { max_headers, max_head_bytes, ..Settings::default() };
            request(text.as_bytes(), &settings, false).map(|whole| whole.taken)
        };
        assert_eq!(taken(2, text.len()), Some(text.len()));
        assert_eq!(taken(1, text.len()), None);
        assert_eq!(taken(2, text.len() - 1), None);
    }

    #[test]
    fn long_content_may_be_coming_and_short_content_is_waited_for_by_hyper() {
        let read = |length: u64, long| {
            let text = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\nabc");
            request(text.as_bytes(), &Settings::default(), long)
                .map(|one| (one.taken == text.len(), one.left))
        };
        let long = splice::WORTHWHILE + 3;
        assert_eq!(read(long, true), Some((true, long - 3)));
        assert_eq!(read(999_999_999_999_999, true), Some((true, 999_999_999_999_996)));
        for (length, may) in [(long - 1, true), (long, false), (1_000_000_000_000_000, true)] {
            assert_eq!(read(length, may), None, "{length}");
        }
    }

    /// Requests and what is nearly one.
    fn nearly() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            "GET / HTTP/1.1\r\n",
            "POST /x HTTP/1.1\r\n",
            "host: a\r\n",
            "Content-Length: 3\r\n",
            "Content-Length: 0\r\n",
            "transfer-encoding: chunked\r\n",
            "connection: close\r\n",
            "x: y\r\n",
            "\r\n",
            "\r\n",
            "abc",
            "\n",
            "\r",
            " ",
            ":",
            "#",
            "0\r\n\r\n",
            "\0",
            "content-length:",
            "é",
        ]);
        (prop::collection::vec(piece, 0..12), any::<Option<(prop::sample::Index, u8)>>()).prop_map(
            |(pieces, change)| {
                let mut bytes = pieces.concat().into_bytes();
                if let Some((at, byte)) = change
                    && !bytes.is_empty()
                {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                bytes
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// A second reader agrees: no fault, and the next request begins where this one ends.
        #[test]
        fn what_is_taken_up_has_one_reading(bytes in nearly()) {
            if let Some(whole) = request(&bytes, &Settings::default(), false) {
                let mut witness = Witness::new(64 * 1024);
                prop_assert_eq!(witness.read(&bytes[..whole.taken]), None);
                prop_assert!(witness.is_between_requests());
                let mut more = bytes[..whole.taken].to_vec();
                more.pop();
                prop_assert!(request(&more, &Settings::default(), false).is_none());
            }
        }
    }
}
