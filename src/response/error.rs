//! Why the client gets no answer of the portal.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use crate::channel::ChannelError;
use crate::guard::Refusal;
use crate::held::NoRoom;
use crate::route::NoRoute;
use crate::session::SessionError;
use crate::upstream::UpstreamError;
use crate::whose::Nobody;

/// Everything that can end a request without an answer of the portal. Each has one row in the table.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Refused at the door: by the guard, or for want of a route.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no lease, or no channel, to be had.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The channel's cryptography failed.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// No answer came.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The request's body is larger than may be collected.
    #[error("the request's body is larger than {limit} bytes")]
    BodyTooLarge {
        /// `limits.sealed_body`.
        limit: usize,
    },
    /// There is no room in memory to hold the request's body, which has to be held.
    #[error("the request's body cannot be held: {0}")]
    NoRoom(#[from] NoRoom),
    /// The client's body broke off while it was collected.
    #[error("the request's body broke off, or is framed badly")]
    ClientBodyBroken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The client's body stood still while it was collected.
    #[error("the request's body did not come in time")]
    ClientBodyStalled,
    /// It has come through this process before (RFC 9110 section 7.6.3).
    #[error("the request has come through this proxy before")]
    CameBack,
    /// The proxy is finishing what runs and takes nothing new.
    #[error("the proxy is shutting down")]
    Draining,
    /// More requests are under way than may be.
    #[error("the proxy serves as many requests as it may")]
    Overloaded,
    /// More requests of one identity are under way than may be.
    #[error("as many requests of this identity are under way as may be: {most}")]
    Crowded {
        /// `limits.in_flight_each`, or what the identity has in its place.
        most: usize,
        /// `limits.retry_after`.
        retry_after: Duration,
    },
    /// A success in the clear where a sealed answer is due: a downgrade, or a wrong route.
    #[error("the portal answered in the clear where a sealed answer is due")]
    SealedRouteAnsweredPlain,
    /// A sealed request was lost on the way, or its answer does not open; it is not sent again (ruling 1).
    #[error("the answer is lost, and the portal may have acted on the request")]
    OutcomeUnknown,
    /// A fault of ours.
    #[error("the proxy failed: {0}")]
    Internal(&'static str),
}

/// A refusal at the door, in words that a response can be made of: what the errors of the rooms before turn into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// 4xx.
    pub status: StatusCode,
    /// Stable, of `a-z 0-9 -`; becomes the problem's `type`.
    pub code: &'static str,
    /// What is refused, and why.
    pub text: Cow<'static, str>,
    /// What to do about it; may be empty.
    pub hint: Cow<'static, str>,
    /// Whether the connection cannot be trusted any more (bad framing).
    pub close: bool,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            code: refusal.code(),
            text: refusal.to_string().into(),
            hint: refusal.hint().into(),
            close: refusal.closes(),
        }
    }
}

impl From<NoRoute> for Refused {
    fn from(none: NoRoute) -> Self {
        Self {
            status: none.status(),
            code: none.code(),
            text: none.to_string().into(),
            hint: none.hint().into(),
            close: false,
        }
    }
}

impl From<Nobody> for Refused {
    fn from(nobody: Nobody) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: nobody.code(),
            text: nobody.to_string().into(),
            hint: nobody.hint().to_string().into(),
            close: false,
        }
    }
}

impl From<Refusal> for ProxyError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<NoRoute> for ProxyError {
    fn from(none: NoRoute) -> Self {
        Self::Refused(none.into())
    }
}

impl From<Nobody> for ProxyError {
    fn from(nobody: Nobody) -> Self {
        Self::Refused(nobody.into())
    }
}
