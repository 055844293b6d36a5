//! What a client is told when there is no answer of the portal, and what the log says of it.

use http::{HeaderValue, Response, header};

use crate::guard::Refusal;
use crate::response::{Body, Caller, ProxyError};
use crate::telemetry::{Count, Counters};
use crate::upstream::UpstreamError;

/// The answer to a failure, and one line in the log under the request's id.
pub(super) fn explain(error: &ProxyError, caller: &Caller, counters: &Counters) -> Response<Body> {
    counters.add(Count::Problems);
    if matches!(error, ProxyError::NoRoom(_) | ProxyError::Upstream(UpstreamError::NoRoom(_))) {
        counters.add(Count::NoRoom);
    }
    let row = error.row();
    let id = caller.request_id().to_str().unwrap_or_default();
    if row.status.is_server_error() {
        tracing::warn!(code = row.code, request_id = id, error = %Chain(error), "answered with a problem");
    } else {
        tracing::info!(code = row.code, request_id = id, error = %error, "refused");
    }
    error.respond(caller)
}

/// The two refusals that are answers: a preflight, and `OPTIONS *`.
pub(super) fn local_answer(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = refusal.status();
    match refusal {
        Refusal::Preflight(preflight) => *response.headers_mut() = preflight.headers(),
        _ => {
            const ALLOW: HeaderValue =
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            response.headers_mut().insert(header::ALLOW, ALLOW);
        }
    }
    response
}

/// An error with all that caused it, for the log.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(inner) = cause {
            write!(f, ": {inner}")?;
            cause = inner.source();
        }
        Ok(())
    }
}
