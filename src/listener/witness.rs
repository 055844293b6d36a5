//! A second reader of HTTP/1 framing, beside hyper: it sees what hyper takes away before anybody can object.
//!
//! hyper drops a `Content-Length` beside a `Transfer-Encoding`, a second equal `Content-Length`, the fragment of
//! a target, and takes a lone LF for the end of a line. All of that is allowed (RFC 9112 sections 2.2, 6.1 and
//! 6.3), and all of it is how one message is made to look like two. The witness follows the bytes as they come,
//! line by line in heads and by arithmetic in bodies, and names the request that has such a fault.

use std::fmt;

/// What a request's bytes had that its parsed form does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoFramings,
    /// More than one `Content-Length`.
    RepeatedLength,
    /// A `#` in the request line; a fragment is never sent (RFC 9112 section 3.2).
    Fragment,
    /// A line that ends in LF without CR.
    BareLineFeed,
    /// Framing that the witness cannot follow, though hyper did: two readers disagree.
    Lost,
}

/// The reader of one connection.
pub(super) struct Witness {
    at: At,
    /// Heads begun so far.
    heads: u64,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    max_line: usize,
    head: Head,
}

/// Shows nothing of the line: it may be a field with a credential.
impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("at", &self.at).field("heads", &self.heads).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    RequestLine,
    Fields,
    /// This many bytes of a body.
    Sized(u64),
    ChunkSize,
    /// This many bytes of a chunk, its CRLF included.
    Chunk(u64),
    Trailers,
    Nowhere,
}

#[derive(Debug, Default)]
struct Head {
    length: Option<u64>,
    coded: bool,
    fault: Option<Malformed>,
}

const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";
const CONTENT_LENGTH: &[u8] = b"content-length:";

impl Witness {
    /// `max_line`: the longest line that is remembered, in bytes; hyper takes no longer head.
    pub(super) fn new(max_line: usize) -> Self {
        Self { at: At::RequestLine, heads: 0, partial: Vec::new(), max_line, head: Head::default() }
    }

    /// The same for a connection that has had so many requests already.
    pub(super) fn after(mut self, heads: u64) -> Self {
        self.heads = heads;
        self
    }

    /// Reads on. The number of a request, counted from 1, and its fault, if its head had one.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Option<(u64, Malformed)> {
        let mut found = None;
        while !bytes.is_empty() {
            match self.at {
                At::Nowhere => return found,
                At::Sized(left) | At::Chunk(left) => {
                    let taken = left.min(bytes.len() as u64);
                    bytes = &bytes[taken as usize..];
                    self.at = match (self.at, left - taken) {
                        (At::Sized(_), 0) => At::RequestLine,
                        (At::Sized(_), left) => At::Sized(left),
                        (_, 0) => At::ChunkSize,
                        (_, left) => At::Chunk(left),
                    };
                }
                At::RequestLine | At::Fields | At::ChunkSize | At::Trailers => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else {
                        self.keep(bytes);
                        return found.or_else(|| self.is_lost());
                    };
                    let fault = if self.partial.is_empty() {
                        self.line(&bytes[..end])
                    } else {
                        let mut whole = std::mem::take(&mut self.partial);
                        whole.extend_from_slice(&bytes[..end]);
                        self.line(&whole)
                    };
                    found = found.or(fault);
                    bytes = &bytes[end + 1..];
                }
            }
        }
        found
    }

    /// Whether the next byte begins a request.
    #[cfg(test)]
    pub(super) fn is_between_requests(&self) -> bool {
        self.at == At::RequestLine && self.partial.is_empty()
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.partial.len() + bytes.len() > self.max_line {
            self.partial = Vec::new();
            self.at = At::Nowhere;
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn is_lost(&self) -> Option<(u64, Malformed)> {
        (self.at == At::Nowhere).then_some((self.heads + 1, Malformed::Lost))
    }

    /// One line without its LF.
    fn line(&mut self, line: &[u8]) -> Option<(u64, Malformed)> {
        let (line, is_crlf) = match line {
            [line @ .., b'\r'] => (line, true),
            line => (line, false),
        };
        match self.at {
            // An empty line before a request is skipped (RFC 9112 section 2.2).
            At::RequestLine if line.is_empty() => {}
            At::RequestLine => {
                self.heads += 1;
                self.head = Head::default();
                self.at = At::Fields;
                if memchr::memchr(b'#', line).is_some() {
                    self.head.fault = Some(Malformed::Fragment);
                }
            }
            At::Fields if line.is_empty() => self.at = self.end_of_head(),
            At::Fields => self.field(line),
            At::ChunkSize => self.at = chunk(line),
            At::Trailers if line.is_empty() => self.at = At::RequestLine,
            At::Trailers | At::Sized(_) | At::Chunk(_) | At::Nowhere => {}
        }
        if !is_crlf && self.heads > 0 {
            self.head.fault.get_or_insert(Malformed::BareLineFeed);
        }
        match self.at {
            At::RequestLine | At::Sized(_) | At::ChunkSize if self.head.fault.is_some() => {
                self.head.fault.take().map(|fault| (self.heads, fault))
            }
            At::Nowhere => self.is_lost(),
            _ => None,
        }
    }

    fn field(&mut self, line: &[u8]) {
        match line[0] | 0x20 {
            b't' if begins_with(line, TRANSFER_ENCODING) => self.head.coded = true,
            b'c' if begins_with(line, CONTENT_LENGTH) => {
                let digits = line[CONTENT_LENGTH.len()..].trim_ascii();
                if self.head.length.replace(number(digits).unwrap_or(u64::MAX)).is_some() {
                    self.head.fault.get_or_insert(Malformed::RepeatedLength);
                }
            }
            _ => {}
        }
    }

    fn end_of_head(&mut self) -> At {
        match (self.head.coded, self.head.length) {
            (true, Some(_)) => {
                self.head.fault.get_or_insert(Malformed::TwoFramings);
                At::ChunkSize
            }
            (true, None) => At::ChunkSize,
            (false, None | Some(0)) => At::RequestLine,
            (false, Some(length)) => At::Sized(length),
        }
    }
}

fn begins_with(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
}

/// 1*DIGIT; what is none, hyper refuses.
fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Where a chunk-size line leads (RFC 9112 section 7.1); its extensions are hyper's to bound.
fn chunk(line: &[u8]) -> At {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    match str::from_utf8(&line[..digits]).ok().and_then(|text| u64::from_str_radix(text, 16).ok()) {
        Some(0) => At::Trailers,
        Some(size) => size.checked_add(2).map_or(At::Nowhere, At::Chunk),
        None => At::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

    /// All faults, however the bytes are cut.
    fn faults(bytes: &[u8], cuts: usize) -> Vec<(u64, Malformed)> {
        let mut witness = Witness::new(1024);
        bytes.chunks(cuts).filter_map(|piece| witness.read(piece)).collect()
    }

    fn fault(text: &str) -> Option<(u64, Malformed)> {
        let whole = faults(text.as_bytes(), text.len());
        for cuts in [1, 2, 3, 7, 16] {
            assert_eq!(faults(text.as_bytes(), cuts), whole, "{text:?} in pieces of {cuts}");
        }
        whole.first().copied()
    }

    #[test]
    fn what_hyper_takes_away_is_seen() {
        for (text, expected) in [
            (
                "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                Malformed::TwoFramings,
            ),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 3\r\n\r\n",
                Malformed::TwoFramings,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
                Malformed::RepeatedLength,
            ),
            ("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", Malformed::Fragment),
            ("GET /a HTTP/1.1\nHost: x\r\n\r\n", Malformed::BareLineFeed),
            ("GET /a HTTP/1.1\r\nHost: x\n\r\n", Malformed::BareLineFeed),
            ("GET /a HTTP/1.1\r\nHost: x\r\n\n", Malformed::BareLineFeed),
        ] {
            assert_eq!(fault(text), Some((1, expected)), "{text:?}");
            assert_eq!(fault(&format!("{PLAIN}\r\n{text}")), Some((2, expected)), "{text:?}");
        }
    }

    #[test]
    fn what_stands_in_a_body_is_nobodys_head() {
        let inside = "POST /x#y HTTP/1.1\nContent-Length: 1\nTransfer-Encoding: chunked\n\n";
        let sized = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{inside}{PLAIN}", inside.len());
        let chunked = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{inside}\r\n2\r\n\n\n\r\n0\r\nA: b\r\n\r\n{PLAIN}",
            inside.len()
        );
        for text in [sized, chunked] {
            assert_eq!(fault(&text), None, "{text:?}");
            assert_eq!(fault(&format!("{text}GET /#z HTTP/1.1\r\n\r\n")), Some((3, Malformed::Fragment)));
        }
    }

    #[test]
    fn the_longest_line_is_kept_and_a_longer_one_loses_the_thread() {
        for (length, expected) in [(1024, None), (1025, Some((2, Malformed::Lost)))] {
            let line = format!("X-A: {}", "x".repeat(length - 5));
            let text = format!("GET / HTTP/1.1\r\n{line}");
            assert_eq!(faults(text.as_bytes(), 1).first().copied(), expected);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_and_no_cut_make_a_difference_or_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cuts in 1usize..40) {
            let whole = faults(&bytes, bytes.len().max(1));
            prop_assert_eq!(faults(&bytes, cuts).first().copied(), whole.first().copied());
        }
    }
}
