//! Which heads of an answer may be passed on: what hyper lets through and no proxy may (RFC 9112 section 6).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{self, HeaderMap};
use http::{HeaderValue, Method, Response, StatusCode, Version};
use sha1::{Digest, Sha1};

/// Whether the connection may serve another exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    Reusable,
    /// Bytes may still come that belong to no answer.
    Spent,
}

/// Checks the head of an answer and takes out of it what would frame it a second time.
pub(super) fn check<B>(answer: &mut Response<B>, method: &Method) -> Result<Afterwards, &'static str> {
    let mut marks = Marks::default();
    answer.headers().get_all(header::CONTENT_LENGTH).iter().for_each(|v| marks.note_length(v.as_bytes()));
    answer.headers().get_all(header::TRANSFER_ENCODING).iter().for_each(|v| marks.note_coding(v.as_bytes()));
    if answer.version() < Version::HTTP_11 && answer.headers().contains_key(header::TRANSFER_ENCODING) {
        // RFC 9112 section 6.1: its framing is faulty. hyper says so only where a body can follow.
        return Err("it has a Transfer-Encoding in HTTP/1.0");
    }
    let (status, h1) = (answer.status(), answer.version() < Version::HTTP_2);
    let (after, coded, _) = marks.judge(status, h1)?;
    strip(status, method, coded, answer.headers_mut());
    Ok(after)
}

/// What an answer says about where it ends.
#[derive(Debug, Default)]
pub(super) struct Marks {
    lengths: u8,
    length: Option<u64>,
    codings: u8,
    chunked: bool,
}

impl Marks {
    /// A `Content-Length`; 1*DIGIT.
    pub(super) fn note_length(&mut self, digits: &[u8]) {
        self.lengths = self.lengths.saturating_add(1);
        let digits = digits.trim_ascii();
        let legal = !digits.is_empty() && digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit);
        self.length = legal.then(|| digits.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')));
    }

    /// A `Transfer-Encoding`; only a lone `chunked` can be undone.
    pub(super) fn note_coding(&mut self, coding: &[u8]) {
        self.codings = self.codings.saturating_add(1);
        self.chunked = coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    }

    /// Whether the connection may serve on, whether the body is chunked, and its length if that is told.
    pub(super) fn judge(
        &self,
        status: StatusCode,
        h1: bool,
    ) -> Result<(Afterwards, bool, Option<u64>), &'static str> {
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err("it switches protocols, which nobody asked for");
        }
        if status.as_u16() < 200 || status.as_u16() > 599 {
            return Err("its status is none that HTTP knows");
        }
        let coded = match (h1, self.codings, self.chunked) {
            (false, ..) | (_, 0, _) => false,
            (true, 1, true) => true,
            (true, ..) => return Err("its Transfer-Encoding is not chunked alone"),
        };
        let length = match (self.lengths, self.length) {
            (0, _) => None,
            (1, Some(length)) => Some(length),
            (1, None) => return Err("its Content-Length is not a number"),
            _ => return Err("it has more than one Content-Length"),
        };
        if coded && length.is_some() {
            return Err("it has both a Content-Length and a Transfer-Encoding");
        }
        // RFC 9110 section 8.6: neither may be there; if one is, something may follow.
        let spent = status == StatusCode::NO_CONTENT && (coded || length.is_some_and(|n| n > 0));
        Ok((if spent { Afterwards::Spent } else { Afterwards::Reusable }, coded, length))
    }
}

/// Takes out what would frame an answer a second time.
pub(super) fn strip(status: StatusCode, method: &Method, coded: bool, headers: &mut HeaderMap) {
    if status == StatusCode::NO_CONTENT {
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
    }
    if coded && (*method == Method::HEAD || status == StatusCode::NOT_MODIFIED) {
        headers.remove(header::TRANSFER_ENCODING);
    }
}

/// Checks the answer to a WebSocket handshake that says yes (RFC 6455 section 4.1).
pub(super) fn check_upgrade(headers: &HeaderMap, key: Option<&HeaderValue>) -> Result<(), &'static str> {
    let is_websocket =
        headers.get(header::UPGRADE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !is_websocket {
        return Err("it switches to another protocol than the one asked for");
    }
    let accepted = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    match (key, accepted) {
        (Some(key), Some(accepted)) if accepted.as_bytes() == accept_for(key).as_bytes() => Ok(()),
        _ => Err("its Sec-WebSocket-Accept does not match the handshake"),
    }
}

fn accept_for(key: &HeaderValue) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(key.as_bytes());
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(sha1.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, headers: &[(&'static str, &'static str)]) -> Result<Afterwards, &'static str> {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        check(&mut answer.body(()).unwrap(), &Method::GET)
    }

    #[test]
    fn an_answer_of_http10_with_a_transfer_encoding_is_refused_to_every_method() {
        let answer = |version: Version| {
            let answer = Response::builder().version(version).header("transfer-encoding", "chunked");
            answer.body(()).unwrap()
        };
        for method in [Method::HEAD, Method::GET] {
            for version in [Version::HTTP_09, Version::HTTP_10] {
                let told = check(&mut answer(version), &method);
                assert_eq!(told, Err("it has a Transfer-Encoding in HTTP/1.0"), "{method} {version:?}");
            }
            assert_eq!(check(&mut answer(Version::HTTP_11), &method), Ok(Afterwards::Reusable));
        }
    }

    #[test]
    fn an_answer_that_could_be_framed_two_ways_is_refused() {
        let cl = "content-length";
        let te = "transfer-encoding";
        assert_eq!(judge(200, &[(cl, "5")]), Ok(Afterwards::Reusable));
        assert_eq!(judge(200, &[(te, "Chunked")]), Ok(Afterwards::Reusable));
        for bad in [
            vec![(cl, "5"), (te, "chunked")],
            vec![(cl, "5"), (cl, "5")],
            vec![(cl, "5, 5")],
            vec![(cl, "+5")],
            vec![(cl, "00000000000000000005")],
            vec![(te, "gzip, chunked")],
            vec![(te, "identity")],
            vec![(te, "chunked"), (te, "chunked")],
        ] {
            assert!(judge(200, &bad).is_err(), "{bad:?}");
        }
        for status in [100, 101, 103, 600, 999] {
            assert!(judge(status, &[]).is_err(), "{status}");
        }
    }

    #[test]
    fn an_answer_without_a_body_that_announces_one_spends_the_connection() {
        assert_eq!(judge(204, &[("content-length", "5")]), Ok(Afterwards::Spent));
        assert_eq!(judge(204, &[("content-length", "0")]), Ok(Afterwards::Reusable));
        assert_eq!(judge(304, &[("content-length", "5")]), Ok(Afterwards::Reusable));
    }

    #[test]
    fn only_the_right_accept_value_makes_a_websocket() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="); // RFC 6455 section 1.3
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
        assert!(check_upgrade(&headers, Some(&key)).is_err());
        headers
            .insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(check_upgrade(&headers, Some(&key)), Ok(()));
        assert!(check_upgrade(&headers, None).is_err());
        headers.insert(header::UPGRADE, HeaderValue::from_static("h2c"));
        assert!(check_upgrade(&headers, Some(&key)).is_err());
    }
}
