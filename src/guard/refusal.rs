//! Why a request goes no further.

use http::{Method, StatusCode};

use super::Preflight;

/// Why a request goes no further. A variant is a situation; what it carries may be shown to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No `Host`, which HTTP/1.1 asks for and HTTP/1.0 is not excused from here.
    #[error("the request has no Host")]
    MissingHost,
    /// More than one `Host`, which is never valid.
    #[error("the request has more than one Host")]
    RepeatedHost,
    /// A `Host` that is not a name with an optional port.
    #[error("the request's Host is malformed")]
    MalformedHost,
    /// A well-formed `Host` or target that is not one of ours: a rebound DNS name, or a request for elsewhere.
    #[error("the request is addressed to another host")]
    ForeignHost,
    /// The target's authority and the `Host` beside it differ (HTTP/2; RFC 9113 section 8.3.1).
    #[error("the request's target and its Host differ")]
    HostMismatch,
    /// CONNECT, TRACE, TRACK, or the HTTP/2 preface's PRI.
    #[error("{0} is not implemented")]
    MethodRefused(Method),
    /// A target that is neither a path nor an `http` URL of ours nor, with OPTIONS, `*`.
    #[error("the request's target has a form that is not served")]
    TargetForm,
    /// A page of another origin, a page without an origin (`null`), or a malformed one.
    #[error("the request comes from a page of another origin")]
    ForeignOrigin,
    /// More than one `Origin`.
    #[error("the request has more than one Origin")]
    RepeatedOrigin,
    /// `Sec-Fetch-Site` says that another site, or another port of this one, made the browser send it; or
    /// `Sec-Purpose`, that nobody has asked for it yet.
    #[error("a page of another site made the browser send the request")]
    CrossSite,
    /// A local key is set and the request shows none.
    #[error("the request does not show the local key")]
    LocalKeyMissing,
    /// The request shows another key, or more than one.
    #[error("the local key is wrong")]
    LocalKeyWrong,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("the request has both Content-Length and Transfer-Encoding")]
    AmbiguousLength,
    /// A `Content-Length` that is repeated, not digits only, or padded with zeros.
    #[error("the request's Content-Length is not valid")]
    BadContentLength,
    /// A `Transfer-Encoding` other than one `chunked`, or any in a version that has none.
    #[error("the request's Transfer-Encoding is not exactly one chunked")]
    BadTransferEncoding,
    /// A line that ends in LF without CR, which some readers take for a part of the line.
    #[error("a line of the request's head ends in a bare line feed")]
    BareLineFeed,
    /// Bytes that cannot be followed from one request to the next.
    #[error("the request's framing cannot be followed")]
    UnclearFraming,
    /// A field name that some servers read as one of those that frame or address a message.
    #[error("a header field's name imitates {0}")]
    LookalikeHeader(&'static str),
    /// An upgrade on a request with a body: where the body ends would depend on who reads it.
    #[error("a request that asks for an upgrade has a body")]
    UpgradeWithBody,
    /// Not a fault: `OPTIONS *`, answered here.
    #[error("OPTIONS * is answered by the proxy itself")]
    ServerOptions,
    /// Not a fault: a CORS preflight, answered here.
    #[error("a CORS preflight is answered by the proxy itself")]
    Preflight(Preflight),
}

impl Refusal {
    /// The status of the answer. 204 is for the two that are no faults.
    pub fn status(&self) -> StatusCode {
        match self {
            // RFC 9112 section 3.2 demands 400 here; 421 is for a host that is valid and not ours.
            Self::MissingHost | Self::RepeatedHost | Self::MalformedHost | Self::HostMismatch => {
                StatusCode::BAD_REQUEST
            }
            Self::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            // 405 would say that another target might take them, and would owe an `Allow`.
            Self::MethodRefused(_) => StatusCode::NOT_IMPLEMENTED,
            Self::ForeignOrigin | Self::RepeatedOrigin | Self::CrossSite => StatusCode::FORBIDDEN,
            // Not 401, which must always be the portal's; not 407, for which a browser asks for a password and
            // which a client answers only if it believes that it speaks to a forward proxy.
            Self::LocalKeyMissing | Self::LocalKeyWrong => StatusCode::FORBIDDEN,
            Self::TargetForm
            | Self::AmbiguousLength
            | Self::BadContentLength
            | Self::BadTransferEncoding
            | Self::BareLineFeed
            | Self::UnclearFraming
            | Self::LookalikeHeader(_)
            | Self::UpgradeWithBody => StatusCode::BAD_REQUEST,
            Self::ServerOptions | Self::Preflight(_) => StatusCode::NO_CONTENT,
        }
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingHost => "missing-host",
            Self::RepeatedHost => "repeated-host",
            Self::MalformedHost => "malformed-host",
            Self::ForeignHost => "foreign-host",
            Self::HostMismatch => "host-mismatch",
            Self::MethodRefused(_) => "method-refused",
            Self::TargetForm => "target-form",
            Self::ForeignOrigin => "foreign-origin",
            Self::RepeatedOrigin => "repeated-origin",
            Self::CrossSite => "cross-site",
            Self::LocalKeyMissing => "local-key-missing",
            Self::LocalKeyWrong => "local-key-wrong",
            Self::AmbiguousLength => "ambiguous-length",
            Self::BadContentLength => "bad-content-length",
            Self::BadTransferEncoding => "bad-transfer-encoding",
            Self::BareLineFeed => "bare-line-feed",
            Self::UnclearFraming => "unclear-framing",
            Self::LookalikeHeader(_) => "lookalike-header",
            Self::UpgradeWithBody => "upgrade-with-body",
            Self::ServerOptions => "server-options",
            Self::Preflight(_) => "preflight",
        }
    }

    /// What the caller can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::MissingHost | Self::RepeatedHost | Self::MalformedHost | Self::HostMismatch => {
                "send exactly one Host with the address that the proxy listens on, such as localhost:8787"
            }
            Self::ForeignHost => {
                "use the address that the proxy prints at its start, or add the name to guard.allowed_hosts"
            }
            Self::MethodRefused(_) => "this is a reverse proxy; do not configure it as a client's HTTP proxy",
            Self::TargetForm => "send the path alone, beginning with a slash",
            Self::ForeignOrigin => "if this is your own front end, add its origin to guard.allowed_origins",
            Self::RepeatedOrigin => "send one Origin at most",
            Self::CrossSite => "open the address yourself, or add the page's origin to guard.allowed_origins",
            Self::LocalKeyMissing => {
                "send the key of guard.local_key in its header, or as Proxy-Authorization: Bearer"
            }
            Self::LocalKeyWrong => "compare the key with the one that guard.local_key names; send it once",
            Self::AmbiguousLength | Self::BadContentLength => {
                "send one Content-Length in plain digits, or Transfer-Encoding: chunked, not both"
            }
            Self::BadTransferEncoding => "send Transfer-Encoding: chunked alone, and over HTTP/1.1 only",
            Self::BareLineFeed | Self::UnclearFraming => "end each line of the head with CR LF",
            Self::LookalikeHeader(_) => "write the name with hyphens, or leave the field out",
            Self::UpgradeWithBody => "send the handshake without a body",
            Self::ServerOptions | Self::Preflight(_) => "nothing to do",
        }
    }

    /// Whether this is an answer rather than a fault: no problem document, and nothing to log.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::ServerOptions | Self::Preflight(_))
    }

    /// Whether the connection must end with the answer, since its bytes may be read in more than one way or its
    /// sender does not belong here.
    pub fn closes(&self) -> bool {
        !self.is_answer()
    }
}
