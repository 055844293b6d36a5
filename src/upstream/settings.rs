//! Where the portal is, and how long to wait for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;

use crate::channel::SessionHeader;

use super::Via;
use crate::held::HeldBytes;

/// What the doors out are configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The base URL: `http` or `https`, an authority, an optional path prefix (PROTOCOL section 1).
    pub url: url::Url,
    /// PEM file of the CAs to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the SubjectPublicKeyInfo that the portal's certificate must carry, beside being trusted.
    pub spki_pin: Option<[u8; 32]>,
    /// The certificate the proxy shows where the portal asks for one.
    pub client_identity: Option<ClientIdentity>,
    /// The forward proxy that connections go through.
    pub via: Option<Via>,
    /// Time for DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Time from the end of the request to the head of the answer.
    pub head_timeout: Duration,
    /// How long a body may stand still, whichever side it waits for; an event stream may stand as long as it likes.
    pub body_idle_timeout: Duration,
    /// How long an idle connection is kept for reuse.
    pub idle_timeout: Duration,
    /// How long a connection may have been idle to be used for a request that cannot be sent twice.
    pub fresh_reuse: Duration,
    /// How long a body whose client sent `Expect: 100-continue` waits for the portal's 100.
    pub continue_timeout: Duration,
    /// An answer that says that it is no longer than this, in bytes, is had whole before its head is passed on,
    /// where its request may be repeated; and so is JSON that does not say how long it is, up to this.
    pub whole_answer: usize,
    /// How many of a hundred requests may be sent once more because their answer was lost.
    pub repeat_percent: u32,
    /// Where the room for such an answer comes from; without room it streams.
    pub held: HeldBytes,
    /// Idle connections kept for each worker.
    pub max_idle: usize,
    /// Whether HTTP/2 is taken where ALPN offers it.
    pub http2: bool,
    /// Where the proxy itself listens: a portal there would be the proxy, calling itself without end.
    pub own_addresses: Vec<SocketAddr>,
    /// The headers of a sealed request.
    pub sealed: SealedHeaders,
}

impl Settings {
    /// The defaults for a portal at `url`.
    pub fn new(url: url::Url, sealed: SealedHeaders) -> Self {
        Self {
            url,
            ca_file: None,
            spki_pin: None,
            client_identity: None,
            via: None,
            connect_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            fresh_reuse: Duration::from_secs(1),
            continue_timeout: Duration::from_secs(1),
            whole_answer: 64 * 1024,
            repeat_percent: 10,
            held: HeldBytes::unbounded(),
            max_idle: 256,
            http2: true,
            own_addresses: Vec::new(),
            sealed,
        }
    }
}

/// A client certificate for mutual TLS (RFC 8446 section 4.4.2).
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// PEM file of the certificate and what chains it.
    pub cert_file: PathBuf,
    /// PEM file of its private key.
    pub key_file: PathBuf,
}

/// How a sealed request is marked (PROTOCOL sections 2 and 11).
#[derive(Debug, Clone)]
pub struct SealedHeaders {
    /// `X-Secure-Channel-Session-Id` or `X-SC-Session-Id`.
    pub session: SessionHeader,
    /// Whether `X-SC-Version: 2` goes beside it.
    pub version: bool,
    /// The `Content-Type` of a sealed body.
    pub content_type: HeaderValue,
}
