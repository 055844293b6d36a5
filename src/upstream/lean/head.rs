//! A request's head, written straight from its parts: no map is built, and what never changes is rendered already.

use http::header::{self, HeaderName};
use http::{HeaderValue, Method};

use super::Order;
use crate::fields;
use crate::upstream::outgoing::{Named, Outgoing, X_SC_VERSION};

/// Request line, fields and the empty line (RFC 9112 section 3).
pub(super) fn render(order: Order<'_>, out: &mut Vec<u8>) {
    let Order { outgoing, length, base, sealed, .. } = order;
    out.extend_from_slice(outgoing.method().as_str().as_bytes());
    out.push(b' ');
    base.write_target(outgoing.path(), out);
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(base.host_header().as_bytes());
    out.extend_from_slice(b"\r\n");
    let session = outgoing.channel().map(|_| sealed.session.get());
    let session = session.as_ref();
    for (name, value) in outgoing.headers() {
        if !is_ours(name, outgoing, session) {
            field(name, value, out);
        } else if *name == header::TE && outgoing.channel().is_none() {
            // The policy has left nothing but `trailers`; it is a field of this hop (RFC 9110 section 10.1.4).
            out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n");
        }
    }
    outgoing.injected().write(out);
    if let Some(cookies) = outgoing.jar().and_then(|jar| jar.cookies_for(base, outgoing.path())) {
        field(&header::COOKIE, &cookies, out);
    }
    if let Some(bearer) = outgoing.bearer() {
        field(&header::AUTHORIZATION, bearer, out);
    }
    if let Some((channel, session)) = outgoing.channel().zip(session) {
        if let Named::ById(id) = channel {
            field(session, id, out);
        }
        field(&header::CONTENT_TYPE, &sealed.content_type, out);
        if sealed.version {
            out.extend_from_slice(b"x-sc-version: 2\r\n");
        }
    }
    if length > 0 || matches!(*outgoing.method(), Method::POST | Method::PUT | Method::PATCH) {
        out.extend_from_slice(b"content-length: ");
        number(length, out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn field(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    fields::write(name.as_str().as_bytes(), value.as_bytes(), out);
}

fn number(n: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut n = n;
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Fields that this side writes itself, or that said how the client's own connection was framed. By length first: of
/// the fields that every request has, few get past it.
fn is_ours(name: &HeaderName, outgoing: &Outgoing, session: Option<&HeaderName>) -> bool {
    let known = match name.as_str().len() {
        2 => *name == header::TE,
        4 => *name == header::HOST,
        6 => *name == header::EXPECT || (*name == header::COOKIE && outgoing.jar().is_some()),
        7 => *name == header::TRAILER,
        10 => *name == header::CONNECTION,
        12 => session.is_some() && (*name == header::CONTENT_TYPE || *name == X_SC_VERSION),
        13 => outgoing.bearer().is_some() && *name == header::AUTHORIZATION,
        14 => *name == header::CONTENT_LENGTH,
        17 => *name == header::TRANSFER_ENCODING,
        _ => false,
    };
    known || session == Some(name) || outgoing.injected().has(name)
}
