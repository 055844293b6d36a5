//! The chunked coding undone (RFC 9112 section 7.1).

use std::fmt;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A chunk's size line, its extensions included, in bytes.
const MAX_LINE: usize = 16 * 1024;
/// All trailer fields together, in bytes and in number.
const MAX_TRAILERS: usize = 16 * 1024;
const MAX_TRAILER_FIELDS: usize = 100;

/// What can be told next.
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
}

/// Shows how much there is, never what.
impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(bytes) => write!(f, "Data({} bytes)", bytes.len()),
            Self::Trailers(fields) => write!(f, "Trailers({})", fields.len()),
            Self::End => f.write_str("End"),
        }
    }
}

/// Where in the coding the next byte stands.
#[derive(Debug, Default)]
pub(in crate::upstream) enum Chunks {
    #[default]
    Size,
    /// This many bytes of data.
    Data(u64),
    /// The CRLF behind the data.
    DataEnd,
    Trailers,
    Ended,
}

impl Chunks {
    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Reads on; `None` if more bytes are needed.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> io::Result<Option<Piece>> {
        loop {
            match self {
                Self::Ended => return Ok(Some(Piece::End)),
                Self::Size => {
                    let Some(line) = line(read, MAX_LINE)? else { return Ok(None) };
                    *self = match size(&line)? {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                }
                Self::Data(left) => {
                    if read.is_empty() {
                        return Ok(None);
                    }
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    let data = read.split_to(taken).freeze();
                    // What ends with these bytes is told now: whoever has them all need not ask again.
                    self.over_the_end(read)?;
                    return Ok(Some(Piece::Data(data)));
                }
                Self::DataEnd => {
                    if read.len() < 2 {
                        return Ok(None);
                    }
                    if &read[..2] != b"\r\n" {
                        return Err(bad("a chunk is longer than its size"));
                    }
                    read.advance(2);
                    *self = Self::Size;
                }
                Self::Trailers => return self.trailers(read),
            }
        }
    }

    /// Steps over an end without trailers that is at hand already.
    fn over_the_end(&mut self, read: &mut BytesMut) -> io::Result<()> {
        if matches!(self, Self::DataEnd) && &read[..] == b"\r\n0\r\n\r\n" {
            read.clear();
            *self = Self::Ended;
        }
        Ok(())
    }

    fn trailers(&mut self, read: &mut BytesMut) -> io::Result<Option<Piece>> {
        if read.starts_with(b"\r\n") {
            read.advance(2);
            *self = Self::Ended;
            return Ok(Some(Piece::End));
        }
        let mut room = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
        let (length, fields) = match httparse::parse_headers(read, &mut room) {
            Ok(httparse::Status::Complete(parsed)) => parsed,
            Ok(httparse::Status::Partial) if read.len() > MAX_TRAILERS => {
                return Err(bad("its trailers are too long"));
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(bad("its trailers are no header fields")),
        };
        if length > MAX_TRAILERS {
            return Err(bad("its trailers are too long"));
        }
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value)) else {
                return Err(bad("its trailers are no header fields"));
            };
            trailers.append(name, value);
        }
        read.advance(length);
        *self = Self::Ended;
        Ok(Some(Piece::Trailers(trailers)))
    }
}

/// A line without its CRLF; one that ends in LF alone is refused.
fn line(read: &mut BytesMut, most: usize) -> io::Result<Option<BytesMut>> {
    let Some(end) = memchr::memchr(b'\n', read) else {
        return if read.len() > most { Err(bad("a chunk's size line is too long")) } else { Ok(None) };
    };
    if end > most {
        return Err(bad("a chunk's size line is too long"));
    }
    let mut line = read.split_to(end + 1);
    line.truncate(end);
    if line.last() != Some(&b'\r') {
        return Err(bad("a chunk's size line ends in LF alone"));
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

/// `chunk-size [ chunk-ext ]`, with the white space that RFC 9112 section 7.1.1 calls bad and wants parsed.
fn size(line: &[u8]) -> io::Result<u64> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = &line[digits..];
    let extension = rest.trim_ascii_start();
    let legal = extension.is_empty() || extension[0] == b';';
    if digits == 0 || !legal || rest.iter().any(|&b| b.is_ascii_control() && b != b'\t') {
        return Err(bad("a chunk's size is not a hexadecimal number"));
    }
    let text = str::from_utf8(&line[..digits]).unwrap_or_default();
    u64::from_str_radix(text, 16).map_err(|_| bad("a chunk's size is not a hexadecimal number"))
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Data, trailers and what is left over, however the bytes are cut.
    fn undone(text: &[u8], cuts: usize) -> Result<(Vec<u8>, Option<HeaderMap>, bool), String> {
        let (mut chunks, mut read, mut data, mut trailers) =
            (Chunks::default(), BytesMut::new(), Vec::new(), None);
        for piece in text.chunks(cuts) {
            read.extend_from_slice(piece);
            loop {
                match chunks.next(&mut read).map_err(|e| e.to_string())? {
                    Some(Piece::Data(bytes)) => data.extend_from_slice(&bytes),
                    Some(Piece::Trailers(fields)) => trailers = Some(fields),
                    Some(Piece::End) | None => break,
                }
            }
        }
        Ok((data, trailers, chunks.is_ended()))
    }

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let text = b"5\r\nhello\r\n1;a=b;c=\"d\"\r\n \r\nA \r\n0123456789\r\n0\r\nX-A: b\r\nX-A: c\r\n\r\n";
        for cuts in 1..=text.len() {
            let (data, trailers, ended) = undone(text, cuts).unwrap();
            assert_eq!(data, b"hello 0123456789");
            assert!(ended);
            assert_eq!(trailers.unwrap().get_all("x-a").iter().count(), 2);
        }
        let (data, trailers, ended) = undone(b"2\r\nok\r\n0\r\n\r\n", 99).unwrap();
        assert_eq!((data.as_slice(), trailers, ended), (&b"ok"[..], None, true));
    }

    #[test]
    fn what_is_not_the_coding_is_refused() {
        for bad in [
            "zz\r\n",
            "\r\n",
            " 5\r\nhello\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            "0x1\r\na\r\n",
            "5\nhello\r\n",
            "1;a\rb\r\nx\r\n",
            "1 a\r\nx\r\n",
            "2\r\nabc\r\n",
            "2\r\nab\n0\r\n\r\n",
            "10000000000000005\r\nhello\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n folded: x\r\n\r\n",
        ] {
            for cuts in [1, 2, 99] {
                assert!(undone(bad.as_bytes(), cuts).is_err(), "{bad:?} in pieces of {cuts}");
            }
        }
    }

    #[test]
    fn a_size_line_and_trailers_may_be_as_long_as_their_limits_and_no_longer() {
        let extended = |length: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(length - 2));
        assert!(undone(extended(MAX_LINE - 1).as_bytes(), 4096).is_ok());
        assert!(undone(extended(MAX_LINE).as_bytes(), 4096).is_err());
        let trailed = |length: usize| format!("0\r\nx: {}\r\n\r\n", "t".repeat(length - 7));
        assert!(undone(trailed(MAX_TRAILERS).as_bytes(), 4096).unwrap().2);
        assert!(undone(trailed(MAX_TRAILERS + 1).as_bytes(), 4096).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_cut_makes_a_difference(text in "[0-9a-f;x\r\n ]{0,60}", cuts in 1usize..9) {
            let whole = undone(text.as_bytes(), text.len().max(1));
            let cut = undone(text.as_bytes(), cuts);
            if let (Ok(whole), Ok(cut)) = (&whole, &cut) {
                prop_assert_eq!(&whole.0, &cut.0);
                prop_assert_eq!(whole.2, cut.2);
            }
            prop_assert_eq!(whole.is_err(), cut.is_err());
        }
    }
}
