//! One pass over the header fields: what frames, addresses and marks the request, and what must not be there.
//!
//! hyper has parsed the message and reads it in one way. These rules refuse what another reader might read in a
//! second way (RFC 9112 sections 6.1 to 6.3), whether or not today's hyper lets it come this far.

use http::header::{CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Version};

use super::Refusal;

/// What the guard has to look at.
#[derive(Debug, Default)]
pub(super) struct Marks<'a> {
    pub(super) host: Option<&'a HeaderValue>,
    pub(super) origin: Option<&'a HeaderValue>,
    pub(super) cross_site: bool,
    pub(super) upgrade: bool,
    pub(super) has_body: bool,
}

/// Names that frame, address or route a message. Servers that keep header fields as variables cannot tell
/// `Content_Length` from `Content-Length`.
const IMITATED: [&str; 9] = [
    "content-length",
    "transfer-encoding",
    "host",
    "connection",
    "upgrade",
    "origin",
    "sec-fetch-site",
    "proxy-authorization",
    "expect",
];

/// Longer than any name that matters here.
const LONGEST: usize = 24;

impl<'a> Marks<'a> {
    pub(super) fn read(headers: &'a HeaderMap, version: Version) -> Result<Self, Refusal> {
        let mut marks = Self::default();
        let mut length: Option<&[u8]> = None;
        let mut chunked = false;
        let (mut ahead_of_need, mut same_origin) = (false, false);
        for (name, value) in headers {
            let text = name.as_str();
            // By length first: of the fields that every request has, few get past it.
            match text.len() {
                4 if *name == HOST => once(&mut marks.host, value, Refusal::RepeatedHost)?,
                6 if *name == ORIGIN => once(&mut marks.origin, value, Refusal::RepeatedOrigin)?,
                // Some clients offer h2c with their first request, whatever it is. Nobody here acts on that (RFC
                // 9113 section 3.1 has retired it), and the field is not passed on: there is one reading only.
                7 if *name == UPGRADE => marks.upgrade |= !value.as_bytes().eq_ignore_ascii_case(b"h2c"),
                11 if text == "sec-purpose" => ahead_of_need = true,
                14 if *name == CONTENT_LENGTH => {
                    once(&mut length, value.as_bytes(), Refusal::BadContentLength)?;
                }
                14 if text == "sec-fetch-site" => {
                    // `none` is a person's own doing: an address typed, a bookmark.
                    marks.cross_site |= !matches!(value.as_bytes(), b"same-origin" | b"none");
                    same_origin = value.as_bytes() == b"same-origin";
                }
                17 if *name == TRANSFER_ENCODING => {
                    if chunked || version != Version::HTTP_11 || !is_chunked(value) {
                        return Err(Refusal::BadTransferEncoding);
                    }
                    chunked = true;
                }
                1..=LONGEST if text.bytes().any(|b| matches!(b, b'_' | b'.')) => imitation(text)?,
                _ => {}
            }
        }
        // A page can have addresses fetched ahead of need by speculation rules, and Chromium sends those requests as
        // if a person had typed them: with `Sec-Fetch-Site: none`. Nobody has asked for them yet.
        marks.cross_site |= ahead_of_need && !same_origin;
        if let Some(length) = length {
            if chunked {
                return Err(Refusal::AmbiguousLength);
            }
            if !is_plain_number(length) {
                return Err(Refusal::BadContentLength);
            }
        }
        marks.has_body = chunked || length.is_some_and(|length| length != b"0");
        if marks.upgrade && marks.has_body {
            return Err(Refusal::UpgradeWithBody);
        }
        Ok(marks)
    }
}

fn once<T>(place: &mut Option<T>, value: T, otherwise: Refusal) -> Result<(), Refusal> {
    if place.replace(value).is_some() { Err(otherwise) } else { Ok(()) }
}

fn is_chunked(value: &HeaderValue) -> bool {
    value.as_bytes().eq_ignore_ascii_case(b"chunked")
}

/// `1*DIGIT` without padding: sixty zeros are a number to one reader and an overflow to another.
/// More digits than this, a petabyte, and readers that count in doubles (to 2^53) take it for another number.
const MOST_DIGITS: usize = 15;

fn is_plain_number(digits: &[u8]) -> bool {
    match digits {
        [] => false,
        [b'0', _, ..] => false,
        _ if digits.len() > MOST_DIGITS => false,
        _ => digits.iter().all(u8::is_ascii_digit),
    }
}

fn imitation(name: &str) -> Result<(), Refusal> {
    let fold = |b: u8| if matches!(b, b'_' | b'.') { b'-' } else { b };
    let imitated = IMITATED.iter().find(|known| {
        known.len() == name.len() && known.bytes().zip(name.bytes()).all(|(known, b)| known == fold(b))
    });
    imitated.map_or(Ok(()), |known| Err(Refusal::LookalikeHeader(known)))
}
