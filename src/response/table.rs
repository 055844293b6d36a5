//! Cause to answer: one row for each situation.
//!
//! 503 is every "not signed in" (401 always means that the portal said it); 502 and 504 are the way to the portal;
//! 4xx is the client's request. `type` is `urn:portunus:problem:` and the code; `error` is RFC 9209 section 2.3.

use std::io;
use std::time::Duration;

use http::StatusCode;

use super::{ProxyError, Refused};
use crate::channel::ChannelError;
use crate::session::SessionError;
use crate::upstream::UpstreamError;

/// What the client is told about one situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The HTTP status.
    pub status: StatusCode,
    /// Stable code; the problem's `type` ends with it.
    pub code: &'static str,
    /// The situation in a few words; the same for each of its kind.
    pub title: &'static str,
    /// The error type of RFC 9209.
    pub proxy_error: &'static str,
    /// Whose turn it is.
    pub who: Who,
    /// Whether the same request can simply be sent again later.
    pub retryable: bool,
    /// What to do; may be empty.
    pub hint: &'static str,
}

/// Where the cause lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The request.
    Client,
    /// The proxy, its sign-in or its configuration.
    Proxy,
    /// The portal.
    Portal,
    /// What lies in between.
    Network,
}

impl Who {
    /// As it is written in a problem.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Proxy => "proxy",
            Self::Portal => "portal",
            Self::Network => "network",
        }
    }
}

impl ProxyError {
    /// The one row for this situation.
    pub fn row(&self) -> Row {
        use Who::{Client, Network, Portal, Proxy};
        match self {
            Self::Refused(refused) => of_refused(refused),
            Self::Session(e) => of_session(e),
            Self::Channel(e) => of_channel(e),
            Self::Upstream(e) => of_upstream(e),
            Self::BodyTooLarge { .. } => {
                row(413, "body-too-large", "request body too large", "http_request_error", Client)
                    .hint("raise limits.sealed_body, or send it on a plain route")
            }
            Self::ClientBodyBroken(_) => {
                row(400, "client-body-broken", "request body broke off", "http_request_error", Client)
                    .hint("send the request again, whole")
            }
            Self::ClientBodyStalled => {
                row(408, "client-body-timeout", "request body timed out", "http_request_error", Client)
                    .again()
                    .hint("send the request again, faster")
            }
            Self::Draining => {
                row(503, "shutting-down", "proxy is shutting down", "proxy_internal_response", Proxy)
                    .again()
                    .hint("wait until it is up again")
            }
            Self::Overloaded => {
                row(503, "overloaded", "proxy is overloaded", "connection_limit_reached", Proxy)
                    .again()
                    .hint("raise limits.in_flight if this happens often")
            }
            Self::SealedRouteAnsweredPlain => row(
                502,
                "sealed-route-answered-plain",
                "answer came in the clear",
                "http_protocol_error",
                Portal,
            )
            .hint("if this path is not sealed, give it a [[route]] with protect = \"plain\""),
            Self::OutcomeUnknown => {
                row(502, "outcome-unknown", "outcome unknown", "http_response_incomplete", Network)
                    .hint("look up whether it was done before you send it again")
            }
            Self::Internal(_) => row(500, "internal", "fault in the proxy", "proxy_internal_error", Proxy)
                .hint("see the proxy's log under this request's id"),
        }
    }

    /// When to come again, where that can be said.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Session(e) => match e {
                SessionError::RateLimited { retry_after } | SessionError::Portal { retry_after, .. } => {
                    Some(*retry_after)
                }
                SessionError::CodeRequired { .. } => Some(Duration::from_secs(5)),
                SessionError::PersonRequired { .. } | SessionError::SignedOut => {
                    Some(Duration::from_secs(10))
                }
                SessionError::WaitedTooLong | SessionError::QueueFull | SessionError::Closed => {
                    Some(Duration::from_secs(1))
                }
                SessionError::CredentialsRefused
                | SessionError::PendingApproval
                | SessionError::AccountBlocked(_)
                | SessionError::FingerprintMismatch
                | SessionError::RiskChallenge
                | SessionError::Channel(_) => None,
            },
            Self::Draining | Self::Overloaded => Some(Duration::from_secs(1)),
            Self::Refused(_)
            | Self::Channel(_)
            | Self::Upstream(_)
            | Self::BodyTooLarge { .. }
            | Self::ClientBodyBroken(_)
            | Self::ClientBodyStalled
            | Self::SealedRouteAnsweredPlain
            | Self::OutcomeUnknown
            | Self::Internal(_) => None,
        }
    }

    /// Whether the client's connection ends with the answer: what follows on it cannot be read, or will not be.
    pub fn closes(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.close,
            Self::BodyTooLarge { .. }
            | Self::ClientBodyBroken(_)
            | Self::ClientBodyStalled
            | Self::Draining => true,
            Self::Session(SessionError::Closed)
            | Self::Upstream(UpstreamError::ClientBody(_) | UpstreamError::ClientStalled(_)) => true,
            Self::Session(_)
            | Self::Channel(_)
            | Self::Upstream(_)
            | Self::Overloaded
            | Self::SealedRouteAnsweredPlain
            | Self::OutcomeUnknown
            | Self::Internal(_) => false,
        }
    }
}

fn of_refused(refused: &Refused) -> Row {
    let status = refused.status.as_u16();
    row(status, refused.code, "request refused", "http_request_denied", Who::Client)
}

fn of_session(e: &SessionError) -> Row {
    use Who::{Portal, Proxy};
    const DENIED: &str = "http_request_denied";
    match e {
        SessionError::CodeRequired { .. } => {
            row(503, "mfa-required", "sign-in waits for a code", DENIED, Proxy)
                .again()
                .hint("enter the code: portunus login")
        }
        SessionError::PersonRequired { .. } => {
            row(503, "sign-in-required", "sign-in required", DENIED, Proxy)
                .again()
                .hint("sign in: portunus login")
        }
        SessionError::CredentialsRefused => {
            row(503, "credentials-refused", "portal refused the credentials", DENIED, Proxy)
                .hint("correct e-mail or password in [login], or sign in by hand: portunus login")
        }
        SessionError::PendingApproval => {
            row(503, "pending-approval", "account waits for approval", DENIED, Portal)
                .hint("ask the portal's administrator to approve the account")
        }
        SessionError::AccountBlocked(_) => row(503, "account-blocked", "account is blocked", DENIED, Portal)
            .hint("ask the portal's administrator, then: portunus login"),
        SessionError::FingerprintMismatch => {
            row(503, "fingerprint-mismatch", "client hash does not match", DENIED, Proxy)
                .hint("set portal.client_hash back to the one of this login, or sign in anew: portunus login")
        }
        SessionError::RiskChallenge => {
            row(503, "risk-challenge", "portal asks for a risk challenge", DENIED, Portal)
                .hint("pass the challenge in the portal's own front end, then: portunus login")
        }
        SessionError::RateLimited { .. } => {
            row(503, "sign-in-rate-limited", "portal limits sign-in", "destination_unavailable", Portal)
                .again()
                .hint("wait; every further attempt makes it longer")
        }
        SessionError::Portal { .. } => {
            row(503, "sign-in-failed", "sign-in failed", "destination_unavailable", Portal)
                .again()
                .hint("see what is wrong: portunus check")
        }
        SessionError::Channel(e) => of_channel(e),
        SessionError::WaitedTooLong => {
            row(503, "sign-in-timeout", "sign-in takes too long", "destination_unavailable", Portal)
                .again()
                .hint("see what it waits for: portunus status")
        }
        SessionError::QueueFull => row(
            503,
            "sign-in-queue-full",
            "too many requests wait for sign-in",
            "connection_limit_reached",
            Proxy,
        )
        .again()
        .hint("send fewer requests until the sign-in is done"),
        SessionError::SignedOut => {
            row(503, "signed-out", "signed out", DENIED, Proxy).again().hint("sign in: portunus login")
        }
        SessionError::Closed => {
            row(503, "session-closed", "proxy is shutting down", "proxy_internal_response", Proxy)
                .again()
                .hint("wait until it is up again")
        }
    }
}

fn of_channel(e: &ChannelError) -> Row {
    use Who::{Portal, Proxy};
    match e {
        ChannelError::UnreadableKey(_) => {
            row(502, "portal-key-unreadable", "portal's key is unreadable", "http_protocol_error", Portal)
                .hint("check [dialect]; see: portunus check")
        }
        ChannelError::WeakKey(_) => {
            row(502, "portal-key-weak", "portal's key is too weak", "http_protocol_error", Portal)
                .hint("the portal's operator has to make a key of at least 2048 bits")
        }
        ChannelError::PinMismatch { .. } => row(
            502,
            "portal-key-not-pinned",
            "portal's key is not the pinned one",
            "http_protocol_error",
            Portal,
        )
        .hint("if the portal's operator confirms the new key, update the pin; else somebody is in between"),
        ChannelError::NoRandomness => {
            row(500, "no-randomness", "no randomness", "proxy_internal_error", Proxy)
                .again()
                .hint("check the operating system's random source")
        }
        ChannelError::WornOut => {
            row(503, "channel-worn-out", "secure channel is worn out", "proxy_internal_error", Proxy)
                .again()
                .hint("send the request again: a new channel is opened")
        }
        ChannelError::DoesNotOpen => row(
            502,
            "answer-does-not-open",
            "answer does not open",
            "http_protocol_error",
            Portal,
        )
        .hint(
            "the portal may have acted: look before you send it again; check aad and envelope in [dialect]",
        ),
    }
}

fn of_upstream(e: &UpstreamError) -> Row {
    use Who::{Client, Network, Portal};
    match e {
        UpstreamError::Dns { .. } => {
            row(502, "portal-name-not-found", "portal's name does not resolve", "dns_error", Network)
                .again()
                .hint("check the host in upstream.url, and this machine's network")
        }
        UpstreamError::Connect { source, .. } => {
            row(502, "portal-unreachable", "portal cannot be reached", connect_error(source), Network)
                .again()
                .hint("check host and port in upstream.url, and whether the portal is up")
        }
        UpstreamError::ConnectTimeout { .. } => row(
            504,
            "portal-connect-timeout",
            "connecting to the portal takes too long",
            "connection_timeout",
            Network,
        )
        .again()
        .hint("check the network and firewall; upstream.connect_timeout is the limit"),
        UpstreamError::Tls { fault, .. } if fault.is_certificate() => row(
            502,
            "portal-certificate",
            "portal's certificate cannot be trusted",
            "tls_certificate_error",
            Portal,
        )
        .hint(fault.hint()),
        UpstreamError::Tls { fault, .. } => {
            row(502, "portal-tls", "no TLS with the portal", "tls_protocol_error", Portal).hint(fault.hint())
        }
        UpstreamError::Broken { may_have_acted, .. } => row(
            502,
            "portal-connection-broken",
            "connection to the portal broke",
            "connection_terminated",
            Network,
        )
        .again_if(!may_have_acted)
        .hint(if *may_have_acted {
            "the portal may have acted: look before you send it again"
        } else {
            "send the request again"
        }),
        UpstreamError::HeadTimeout(_) => row(
            504,
            "portal-timeout",
            "portal does not answer",
            "http_response_timeout",
            Portal,
        )
        .hint("the portal may have acted: look before you send it again; upstream.head_timeout is the limit"),
        UpstreamError::TooLarge(_) => {
            row(502, "answer-too-large", "answer too large", "http_response_body_size", Portal)
                .hint("raise limits.sealed_answer")
        }
        UpstreamError::BodyBroken(_) => {
            row(502, "answer-broken", "answer broke off", "http_response_incomplete", Network)
                .hint("the portal has acted: look before you send it again")
        }
        UpstreamError::BodyStalled(_) => row(
            504,
            "answer-stalled",
            "answer stands still",
            "connection_read_timeout",
            Portal,
        )
        .hint("the portal has acted: look before you send it again; upstream.body_idle_timeout is the limit"),
        UpstreamError::UploadStalled(_) => {
            row(504, "upload-stalled", "portal reads no further", "connection_write_timeout", Portal)
                .hint("upstream.body_idle_timeout is the limit")
        }
        UpstreamError::ClientStalled(_) => {
            row(408, "client-upload-timeout", "request body timed out", "http_request_error", Client)
                .again()
                .hint("send the request again, faster; upstream.body_idle_timeout is the limit")
        }
        UpstreamError::ClientBody(_) => {
            row(400, "client-upload-broken", "request body broke off", "http_request_error", Client)
                .hint("send the request again, whole")
        }
        UpstreamError::Invalid(_) => {
            row(502, "answer-invalid", "answer is not valid HTTP", "http_protocol_error", Portal)
                .hint("ask the portal's operator, with this request's id")
        }
    }
}

fn connect_error(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => "connection_refused",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "destination_ip_unroutable",
        io::ErrorKind::TimedOut => "connection_timeout",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => "connection_terminated",
        _ => "destination_unavailable",
    }
}

fn row(status: u16, code: &'static str, title: &'static str, proxy_error: &'static str, who: Who) -> Row {
    // Every row is an error, whatever is written in it.
    let status = StatusCode::from_u16(status).ok().filter(|s| s.is_client_error() || s.is_server_error());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Row { status, code, title, proxy_error, who, retryable: false, hint: "" }
}

impl Row {
    fn again(self) -> Self {
        self.again_if(true)
    }

    fn again_if(self, retryable: bool) -> Self {
        Self { retryable, ..self }
    }

    fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }
}
