//! What the listener calls for each request.

use std::error::Error;
use std::future::Future;

use bytes::Bytes;
use http::{Request, Response};

use super::{Content, Interim, Peer};
use crate::splice::Source;

/// What answers requests. One value serves all connections of a worker.
pub trait Handler: Send + Sync + 'static {
    /// The body of an answer.
    type Body: Source<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static;

    /// Answers one request. The future is dropped when the client goes away. `interim` takes what is to be said
    /// before the answer.
    fn call(
        &self,
        request: Request<Content>,
        peer: &Peer,
        interim: Interim,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// The answer to a request beyond [`super::Settings::max_in_flight`]: 503; the listener adds `Retry-After`.
    fn overloaded(&self) -> Response<Self::Body>;
}
