//! Answers of the upstream: bad status lines, bad framing, surprises (RFC 9112 sections 4, 6 and 8).

use super::Response;
use super::Wanted::{Body, Refused, RefusedOr};

/// 64 interim answers.
macro_rules! flood {
    () => {
        concat!(eight!(), eight!(), eight!(), eight!(), eight!(), eight!(), eight!(), eight!())
    };
}

/// 8 interim answers.
macro_rules! eight {
    () => {
        concat!(two!(), two!(), two!(), two!())
    };
}

/// 2 interim answers.
macro_rules! two {
    () => {
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n"
    };
}

/// Every response case.
pub const RESPONSES: &[Response] = &[
    Response {
        name: "plain",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Body("hello"),
        absent: &[],
    },
    Response {
        name: "chunked",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        wanted: Body("hello"),
        absent: &[],
    },
    Response {
        name: "until-close",
        bytes: "HTTP/1.1 200 OK\r\n\r\nhello",
        wanted: Body("hello"),
        absent: &[],
    },
    Response {
        name: "cl-twice-same",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "cl-twice-other",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "cl-list-other",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5, 4\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "cl-negative",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "cl-plus",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "cl-letters",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "cl-overflow",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "cl-empty",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "cl-and-te",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "te-and-cl",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "cl-short",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "cl-long",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        wanted: Body("hello"),
        absent: &[],
    },
    Response {
        name: "chunk-bad-size",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "chunk-overflow",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "chunk-cut",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "chunk-no-end",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "te-gzip",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        wanted: RefusedOr("hello"),
        absent: &["transfer-encoding"],
    },
    Response {
        name: "te-unknown-chunked",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: cow, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "status-zero",
        bytes: "HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "status-two-digits",
        bytes: "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "status-letters",
        bytes: "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "status-negative",
        bytes: "HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "version-junk",
        bytes: "HTTP/9.9 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "version-missing",
        bytes: "200 OK\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response { name: "garbage", bytes: "this is not HTTP at all\r\n\r\n", wanted: Refused, absent: &[] },
    Response { name: "http09", bytes: "hello", wanted: Refused, absent: &[] },
    Response { name: "empty", bytes: "", wanted: Refused, absent: &[] },
    Response { name: "half-head", bytes: "HTTP/1.1 200 OK\r\nContent-Le", wanted: Refused, absent: &[] },
    Response {
        name: "header-no-colon",
        bytes: "HTTP/1.1 200 OK\r\nBroken\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "header-space-before-colon",
        bytes: "HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 5\r\n\r\nhello",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "header-nul",
        bytes: "HTTP/1.1 200 OK\r\nX-A: b\x00c\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "header-cr",
        bytes: "HTTP/1.1 200 OK\r\nX-A: b\rc\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "header-folded",
        bytes: "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "upgrade-unasked",
        bytes: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "interim-103",
        bytes: "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "interim-100",
        bytes: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Body("hello"),
        absent: &[],
    },
    Response {
        name: "no-content-with-body",
        bytes: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
        wanted: RefusedOr(""),
        absent: &[],
    },
    Response {
        name: "no-content-chunked",
        bytes: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        wanted: RefusedOr(""),
        absent: &[],
    },
    Response {
        name: "not-modified-with-body",
        bytes: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello",
        wanted: RefusedOr(""),
        absent: &[],
    },
    Response {
        name: "head-with-body",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        wanted: RefusedOr(""),
        absent: &[],
    },
    Response {
        name: "head-chunked",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        wanted: RefusedOr(""),
        absent: &[],
    },
    Response {
        name: "hop-by-hop",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: X-Secret, close\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\r\nhello",
        wanted: Body("hello"),
        absent: &["x-secret", "keep-alive", "proxy-authenticate"],
    },
    Response {
        name: "cors",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\r\nhello",
        wanted: Body("hello"),
        absent: &["access-control-allow-origin", "access-control-allow-credentials"],
    },
    Response {
        name: "sticky",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nStrict-Transport-Security: max-age=1\r\nAlt-Svc: h3=\":443\"\r\nClear-Site-Data: \"*\"\r\nService-Worker-Allowed: /\r\n\r\nhello",
        wanted: Body("hello"),
        absent: &["strict-transport-security", "alt-svc", "clear-site-data", "service-worker-allowed"],
    },
    Response {
        name: "credentials-echoed",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Client-Hash: leak\r\nX-Portal-Access-Code: leak\r\n\r\nhello",
        wanted: Body("hello"),
        absent: &["x-client-hash", "x-portal-access-code"],
    },
    Response {
        name: "interim-flood",
        bytes: concat!(flood!(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "interim-then-junk",
        bytes: "HTTP/1.1 103 Early Hints\r\n\r\njunk\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "interim-with-length",
        bytes: "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response { name: "interim-only", bytes: "HTTP/1.1 102 Processing\r\n\r\n", wanted: Refused, absent: &[] },
    Response {
        name: "switch-h2c",
        bytes: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "status-four-digits",
        bytes: "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "status-no-reason",
        bytes: "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "cl-list-same",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "cl-zero-with-body",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello",
        wanted: RefusedOr(""),
        absent: &[],
    },
    Response {
        name: "cl-space-inside",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "te-twice",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "te-chunked-identity",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "http10-chunked",
        bytes: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "chunk-extension",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
    Response {
        name: "chunk-negative",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "chunk-longer-than-said",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "trailer-hop",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Client-Hash\r\n\r\n5\r\nhello\r\n0\r\nX-Client-Hash: leak\r\nConnection: close\r\n\r\n",
        wanted: RefusedOr("hello"),
        absent: &["x-client-hash"],
    },
    Response {
        name: "split-in-location",
        bytes: "HTTP/1.1 200 OK\r\nLocation: /a\rSet-Cookie: evil=1\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "header-name-space",
        bytes: "HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 5\r\n\r\nhello",
        wanted: Refused,
        absent: &[],
    },
    Response {
        name: "proxy-headers",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nProxy-Connection: close\r\nProxy-Authentication-Info: x\r\nUpgrade: h2c\r\n\r\nhello",
        wanted: Body("hello"),
        absent: &["proxy-connection", "proxy-authentication-info", "upgrade"],
    },
    Response {
        name: "cors-private-network",
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nAccess-Control-Allow-Private-Network: true\r\nAccess-Control-Allow-Local-Network: true\r\n\r\nhello",
        wanted: Body("hello"),
        absent: &["access-control-allow-private-network", "access-control-allow-local-network"],
    },
    Response {
        name: "reset-content-with-body",
        bytes: "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello",
        wanted: RefusedOr("hello"),
        absent: &[],
    },
];
