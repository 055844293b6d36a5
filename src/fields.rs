//! The fields of an HTTP/1.1 head (RFC 9112 section 5), from text and to text.
//!
//! In: what httparse has read, or a name and a value. Out: a map whose values are slices of one piece of memory, or a
//! line. Always: nothing is looked up for the names that nearly every head has. Refuses to know: whose head it is, and
//! what a field means, but for the end of the connection.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

/// The map of the fields of `text`, with room for `more`. `kept` begins like `text`, and lives on in the values. `None`
/// where a name or a value is none.
pub fn read(raw: &[httparse::Header<'_>], text: &[u8], kept: &Bytes, more: usize) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(raw.len() + more);
    for field in raw {
        let name = match familiar(field.name) {
            Some(name) => name,
            None => HeaderName::from_bytes(field.name.as_bytes()).ok()?,
        };
        let value = slice(field.value, text, kept);
        headers.append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    Some(headers)
}

/// A part of `text` as one of `kept`, which begins like it.
pub fn slice(part: &[u8], text: &[u8], kept: &Bytes) -> Bytes {
    let begins = part.as_ptr() as usize - text.as_ptr() as usize;
    kept.slice(begins..begins + part.len())
}

/// The names that nearly every head has, as they are nearly always written: found without the table of all names.
fn familiar(name: &str) -> Option<HeaderName> {
    Some(match name {
        "date" | "Date" => header::DATE,
        "host" | "Host" => header::HOST,
        "accept" | "Accept" => header::ACCEPT,
        "server" | "Server" => header::SERVER,
        "connection" | "Connection" => header::CONNECTION,
        "user-agent" | "User-Agent" => header::USER_AGENT,
        "content-type" | "Content-Type" => header::CONTENT_TYPE,
        "cache-control" | "Cache-Control" => header::CACHE_CONTROL,
        "content-length" | "Content-Length" => header::CONTENT_LENGTH,
        "accept-encoding" | "Accept-Encoding" => header::ACCEPT_ENCODING,
        "accept-language" | "Accept-Language" => header::ACCEPT_LANGUAGE,
        _ => return None,
    })
}

/// Writes one line.
pub fn write(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Whether a value of `Connection` names `close` (RFC 9112 section 9.6).
pub fn says_close(connection: &[u8]) -> bool {
    connection.split(|&b| b == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_whatever_the_names_and_without_a_copy() {
        let mut text = Vec::new();
        let fields =
            [("Host", "a"), ("x-odd", ""), ("Accept-Language", "de"), ("X-Odd", "b c"), ("date", "x")];
        for (name, value) in fields {
            write(name.as_bytes(), value.as_bytes(), &mut text);
        }
        text.extend_from_slice(b"\r\n");
        let kept = Bytes::copy_from_slice(&text);
        let mut room = [httparse::EMPTY_HEADER; 8];
        let httparse::Status::Complete((_, raw)) = httparse::parse_headers(&text, &mut room).unwrap() else {
            panic!("it is whole")
        };
        let headers = read(raw, &text, &kept, 1).unwrap();
        assert_eq!(headers.len(), fields.len());
        for (name, value) in fields {
            assert!(headers.get_all(name).iter().any(|one| one == value), "{name}");
        }
        let inside = kept.as_ptr_range();
        assert!(headers.values().filter(|v| !v.is_empty()).all(|v| inside.contains(&v.as_bytes().as_ptr())));
    }

    #[test]
    fn close_is_a_token_of_its_own_in_any_case() {
        for yes in ["close", "Close", "keep-alive, CLOSE ", "a,close,b"] {
            assert!(says_close(yes.as_bytes()), "{yes}");
        }
        for no in ["", "closed", "keep-alive", "c lose"] {
            assert!(!says_close(no.as_bytes()), "{no}");
        }
    }
}
