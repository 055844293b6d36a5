//! Answers to a client's own calls that change the proxy's sign-in.

use std::time::Duration;

use http::Method;

use super::wire::{Data, tokens};
use super::{Dialect, Endpoint, Reading};
use crate::session::{Lease, SessionHandle};

/// Which of a client's calls are about the proxy's own sign-in.
#[derive(Debug, Clone, Default)]
pub struct Adopted {
    /// `login/complete` and `token/refresh`, where `login.adopt` is set.
    token_paths: Vec<String>,
    logout_path: String,
    assumed_life: Duration,
}

impl Adopted {
    /// For this dialect; tokens are taken over only if `adopt` says so, a logout is noticed in any case.
    /// `assumed_life` is the life of a token whose answer says nothing about it.
    pub fn new(dialect: &Dialect, adopt: bool, assumed_life: Duration) -> Self {
        let token_paths = if adopt {
            [Endpoint::Complete, Endpoint::Refresh].map(|endpoint| dialect.path(endpoint)).into()
        } else {
            Vec::new()
        };
        Self { token_paths, logout_path: dialect.path(Endpoint::Logout), assumed_life }
    }

    /// Whether an answer to this call could concern the sign-in, so that its body has to be read.
    pub fn concerns(&self, method: &Method, path: &str) -> bool {
        *method == Method::POST && (path == self.logout_path || self.token_paths.iter().any(|p| p == path))
    }

    /// Takes note of an answer: tokens are adopted, a logout ends the lease it was made with.
    pub fn notice(
        &self,
        session: &SessionHandle,
        method: &Method,
        path: &str,
        reading: &Reading,
        body: &[u8],
        lease: Option<&Lease>,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        if !reading.is_success() || !self.concerns(method, path) {
            return None;
        }
        if path == self.logout_path {
            if let Some(lease) = lease {
                session.ended(lease);
            }
            return None;
        }
        // An answer without tokens, such as one that waits for approval, is nothing to adopt.
        let tokens = tokens(&Data::read(body).ok()?, None, self.assumed_life).ok()?;
        let session = session.clone();
        Some(async move { session.adopt(tokens).await })
    }
}
