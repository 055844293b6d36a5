//! Bodies on their way out and back.

use bytes::Bytes;
use hyper::body::Incoming;

use super::UpstreamError;

/// A request's body: the client's own stream, or bytes at hand.
#[derive(Debug)]
pub enum OutBody {
    /// Nothing.
    Empty,
    /// Bytes at hand, which can be sent again.
    Full(Bytes),
    /// The client's stream, which cannot.
    Streamed(Incoming),
}

/// What the portal answered.
pub type Reply = http::Response<ReplyBody>;

/// The answer's body; holds the connection until it has ended.
#[derive(Debug)]
pub struct ReplyBody {}

impl ReplyBody {
    /// The whole body, if it is no larger than `limit` bytes.
    ///
    /// # Errors
    /// [`UpstreamError::TooLarge`], [`UpstreamError::BodyBroken`].
    pub async fn collect(self, _limit: usize) -> Result<Bytes, UpstreamError> {
        unimplemented!()
    }
}
