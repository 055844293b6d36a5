//! Connections to the portal, kept for reuse by one worker.

use super::{Outgoing, Reply, Settings, UpstreamError};

/// The way to the portal for one worker: its own connections, shared with nobody.
#[derive(Debug, Clone)]
pub struct Upstream {}

impl Upstream {
    /// Prepares TLS and addresses; connects to nothing yet.
    ///
    /// # Errors
    /// If the CA file cannot be used; the text says why.
    pub fn new(_settings: &Settings) -> Result<Self, String> {
        unimplemented!()
    }

    /// The same way with connections of its own, for another worker.
    #[must_use]
    pub fn for_another_worker(&self) -> Self {
        unimplemented!()
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// Why there is none; [`UpstreamError::may_have_acted`] says what that means.
    pub async fn send(&self, _outgoing: Outgoing) -> Result<Reply, UpstreamError> {
        unimplemented!()
    }
}
