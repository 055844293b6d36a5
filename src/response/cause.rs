//! Which row of the table a cause has.

use std::io;
use std::time::Duration;

use super::table::*;
use super::{ProxyError, Refused};
use crate::channel::ChannelError;
use crate::session::SessionError;
use crate::upstream::UpstreamError;

impl ProxyError {
    /// The one row for this situation.
    pub fn row(&self) -> Row {
        match self {
            Self::Refused(refused) => of_refused(refused),
            Self::Session(e) => of_session(e),
            Self::Channel(e) => of_channel(e),
            Self::Upstream(e) => of_upstream(e),
            Self::BodyTooLarge { .. } => BODY_TOO_LARGE,
            Self::NoRoom(_) => NO_ROOM,
            Self::ClientBodyBroken(_) => CLIENT_BODY_BROKEN,
            Self::ClientBodyStalled => CLIENT_BODY_TIMEOUT,
            Self::CameBack => CAME_BACK,
            Self::Draining => SHUTTING_DOWN,
            Self::Overloaded => OVERLOADED,
            Self::Crowded { .. } => CROWDED,
            Self::SealedRouteAnsweredPlain => ANSWERED_PLAIN,
            Self::OutcomeUnknown => OUTCOME_UNKNOWN,
            Self::Internal(_) => INTERNAL,
        }
    }

    /// When to come again, where that can be said.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Session(
                SessionError::RateLimited { retry_after }
                | SessionError::TooManyComplaints { retry_after }
                | SessionError::Portal { retry_after, .. },
            ) => Some(*retry_after),
            Self::Crowded { retry_after, .. } => Some(*retry_after),
            // A person has to act first.
            Self::Session(SessionError::CodeRequired { .. }) => Some(Duration::from_secs(5)),
            Self::Session(SessionError::PersonRequired { .. } | SessionError::SignedOut) => {
                Some(Duration::from_secs(10))
            }
            other => other.row().retryable_soon().then_some(Duration::from_secs(1)),
        }
    }

    /// Whether the client's connection ends with the answer: what follows on it cannot be read, or will not be.
    pub fn closes(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.close,
            other => [BODY_TOO_LARGE, NO_ROOM, CLIENT_BODY_BROKEN, CLIENT_BODY_TIMEOUT, SHUTTING_DOWN]
                .contains(&other.row()),
        }
    }
}

impl Row {
    /// A 503 that passes by itself.
    fn retryable_soon(&self) -> bool {
        self.retryable && self.status == http::StatusCode::SERVICE_UNAVAILABLE
    }
}

/// A refusal brings its own status and code. It is an error whatever it brings.
fn of_refused(refused: &Refused) -> Row {
    let is_error = refused.status.is_client_error() || refused.status.is_server_error();
    Row {
        status: if is_error { refused.status } else { http::StatusCode::FORBIDDEN },
        code: refused.code,
        title: "request refused",
        error: "http_request_denied",
        who: Who::Client,
        retryable: false,
        hint: "",
    }
}

fn of_session(e: &SessionError) -> Row {
    match e {
        SessionError::CodeRequired { .. } => MFA_REQUIRED,
        SessionError::PersonRequired { .. } => SIGN_IN_REQUIRED,
        SessionError::NoBackupCode { .. } => NO_BACKUP_CODE,
        SessionError::CodeSource(_) => CODE_SOURCE_FAILED,
        SessionError::CredentialsRefused => CREDENTIALS_REFUSED,
        SessionError::PendingApproval => PENDING_APPROVAL,
        SessionError::AccountBlocked(_) => ACCOUNT_BLOCKED,
        SessionError::FingerprintMismatch => FINGERPRINT,
        SessionError::RiskChallenge => RISK_CHALLENGE,
        SessionError::RateLimited { .. } | SessionError::TooManyComplaints { .. } => SIGN_IN_LIMITED,
        SessionError::Portal { .. } => SIGN_IN_FAILED,
        SessionError::Channel(e) => of_channel(e),
        SessionError::WaitedTooLong => SIGN_IN_TIMEOUT,
        SessionError::QueueFull => QUEUE_FULL,
        SessionError::NoChannel => NO_CHANNEL,
        SessionError::Store(_) => STATE_UNUSABLE,
        SessionError::SignedOut => SIGNED_OUT,
        SessionError::Closed => SHUTTING_DOWN,
    }
}

fn of_channel(e: &ChannelError) -> Row {
    match e {
        ChannelError::UnreadableKey(_) | ChannelError::UnusableKeyId(_) => KEY_UNREADABLE,
        ChannelError::UnusableSessionId(_) => SESSION_ID_UNUSABLE,
        ChannelError::TooLong => MESSAGE_TOO_LONG,
        ChannelError::WeakKey(_) => KEY_WEAK,
        ChannelError::PinMismatch { .. } => KEY_NOT_PINNED,
        ChannelError::NoRandomness => NO_RANDOMNESS,
        ChannelError::WornOut => WORN_OUT,
        ChannelError::DoesNotOpen => DOES_NOT_OPEN,
    }
}

fn of_upstream(e: &UpstreamError) -> Row {
    match e {
        UpstreamError::Dns { .. } => NAME_NOT_FOUND,
        UpstreamError::Connect { source, .. } => Row { error: connect_error(source), ..UNREACHABLE },
        UpstreamError::Via { fault, .. } => Row { hint: fault.hint(), ..NO_WAY },
        UpstreamError::Loop { .. } => LOOP,
        UpstreamError::ConnectTimeout { .. } => CONNECT_TIMEOUT,
        UpstreamError::Tls { fault, .. } if fault.is_certificate() => {
            Row { hint: fault.hint(), ..CERTIFICATE }
        }
        UpstreamError::Tls { fault, .. } => Row { hint: fault.hint(), ..NO_TLS },
        UpstreamError::Broken { may_have_acted: true, .. } => BROKEN,
        UpstreamError::Broken { may_have_acted: false, .. } => {
            Row { retryable: true, hint: "send the request again", ..BROKEN }
        }
        UpstreamError::HeadTimeout(_) => TIMEOUT,
        UpstreamError::TooLarge(_) => ANSWER_TOO_LARGE,
        UpstreamError::NoRoom(_) => ANSWER_NOT_HELD,
        UpstreamError::BearerEnded => BEARER_ENDED,
        UpstreamError::BodyBroken(_) => ANSWER_BROKEN,
        UpstreamError::BodyStalled(_) => ANSWER_STALLED,
        UpstreamError::UploadStalled(_) => UPLOAD_STALLED,
        UpstreamError::ClientStalled(_) => CLIENT_BODY_TIMEOUT,
        UpstreamError::ClientBody(_) => CLIENT_BODY_BROKEN,
        UpstreamError::Invalid(_) => ANSWER_INVALID,
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
