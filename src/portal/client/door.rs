//! What is handed to the doors out, and what comes back: the one place here that knows of connections.

use std::error::Error;
use std::fmt;
use std::future::Future;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::upstream::{Injected, Outgoing, Upstream, UpstreamError};

/// A way out; the tests have one of their own.
pub(in crate::portal) trait Door: Send + Sync + 'static {
    /// Hands the parcel over and collects the answer, if it has no more than `limit` bytes.
    fn carry(&self, parcel: Parcel, limit: usize) -> impl Future<Output = Result<Answered, Lost>> + Send;
}

/// A call, ready to leave.
pub(in crate::portal) enum Parcel {
    Plain {
        method: Method,
        path: String,
        json: Option<Bytes>,
        extra: Vec<(HeaderName, HeaderValue)>,
    },
    /// `session` names the channel; the first message of one has no name for it yet.
    Sealed {
        path: String,
        envelope: Bytes,
        session: Option<HeaderValue>,
        bearer: Option<HeaderValue>,
    },
}

/// Where it goes, never what it holds.
impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain { method, path, .. } => write!(f, "{method} {path}"),
            Self::Sealed { path, .. } => write!(f, "POST {path}, sealed"),
        }
    }
}

/// An answer as it came: not opened.
pub(in crate::portal) struct Answered {
    pub(in crate::portal) status: StatusCode,
    pub(in crate::portal) headers: HeaderMap,
    pub(in crate::portal) body: Bytes,
}

/// There is no answer.
#[derive(Debug)]
pub(in crate::portal) enum Lost {
    /// Nothing reached the portal.
    NotSent(String),
    /// It may have acted.
    Unknown(String),
}

impl From<UpstreamError> for Lost {
    fn from(error: UpstreamError) -> Self {
        let words = chain(&error);
        if error.may_have_acted() { Self::Unknown(words) } else { Self::NotSent(words) }
    }
}

/// An error with its causes, since the session keeps text only.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

/// The portal's own doors.
pub(in crate::portal) struct UpstreamDoor {
    upstream: Upstream,
    injected: Injected,
}

impl UpstreamDoor {
    pub(in crate::portal) fn new(upstream: Upstream, injected: Injected) -> Self {
        Self { upstream, injected }
    }

    /// Closes what is idle, with what is in its buffers.
    pub(in crate::portal) fn forget_idle(&self) {
        self.upstream.forget_idle();
    }
}

impl Door for UpstreamDoor {
    async fn carry(&self, parcel: Parcel, limit: usize) -> Result<Answered, Lost> {
        let outgoing = match parcel {
            Parcel::Plain { method, path, json, extra } => {
                Outgoing::hello(method, &path, json, &self.injected, &extra)
            }
            Parcel::Sealed { path, envelope, session, bearer } => {
                let mut sealed = Outgoing::sign_in(&path, envelope, session.as_ref(), &self.injected);
                if let Some(bearer) = &bearer {
                    sealed.set_bearer(bearer);
                }
                sealed
            }
        };
        let (head, body) = self.upstream.send(outgoing).await?.into_parts();
        let body = body.collect(limit).await?;
        Ok(Answered { status: head.status, headers: head.headers, body })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::*;

    #[test]
    fn section_13_what_never_left_can_be_sent_again() {
        let source = io::Error::other("connection refused");
        let error = UpstreamError::Connect { authority: "portal:443".into(), source };
        let Lost::NotSent(words) = Lost::from(error) else { panic!("it never left") };
        assert_eq!(words, "no connection to the portal at portal:443: connection refused");
    }

    #[test]
    fn ruling_1_what_may_have_arrived_has_an_unknown_outcome() {
        for error in [UpstreamError::HeadTimeout(Duration::from_secs(30)), UpstreamError::TooLarge(1)] {
            assert!(matches!(Lost::from(error), Lost::Unknown(_)));
        }
    }

    #[test]
    fn debug_of_a_parcel_shows_no_body() {
        let extra = vec![(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer CNRY"))];
        let json = Some(Bytes::from_static(b"CNRY"));
        let plain = Parcel::Plain { method: Method::POST, path: "/p".into(), json, extra };
        assert_eq!(format!("{plain:?}"), "POST /p");
        let session = HeaderValue::from_static("CNRY");
        let envelope = Bytes::from_static(b"CNRY");
        let sealed = Parcel::Sealed {
            path: "/p".into(),
            envelope,
            bearer: Some(session.clone()),
            session: Some(session),
        };
        assert_eq!(format!("{sealed:?}"), "POST /p, sealed");
    }
}
