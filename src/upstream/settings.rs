//! Where the portal is, and how long to wait for it.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// What the doors out are configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The base URL: `http` or `https`, an authority, an optional path prefix (PROTOCOL section 1).
    pub url: url::Url,
    /// PEM file of the CAs to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// Time for DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Time from the end of the request to the head of the answer.
    pub head_timeout: Duration,
    /// How long an idle connection is kept for reuse.
    pub idle_timeout: Duration,
    /// Idle connections kept for each worker.
    pub max_idle: usize,
    /// Whether HTTP/2 is taken where ALPN offers it.
    pub http2: bool,
    /// The headers of a sealed request.
    pub sealed: SealedHeaders,
}

/// How a sealed request is marked (PROTOCOL sections 2 and 11).
#[derive(Debug, Clone)]
pub struct SealedHeaders {
    /// `X-Secure-Channel-Session-Id` or `X-SC-Session-Id`.
    pub session: HeaderName,
    /// Whether `X-SC-Version: 2` goes beside it.
    pub version: bool,
    /// The `Content-Type` of a sealed body.
    pub content_type: HeaderValue,
}
