//! What to conclude from a reply (PROTOCOL sections 9, 13; precedence: ruling 9).

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::session::Blocked;

/// What a reply means for the session, the channel and the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Success, or an answer that concerns the caller only.
    Pass,
    /// `SECURE_CHANNEL.*`: refused, not processed; a new channel helps.
    ChannelStale,
    /// `SECURE_CHANNEL.INVALID_PAYLOAD`: to a plain request, the path needs the channel.
    NeedsChannel,
    /// 400/4000: perhaps the channel, if the request was sealed on one that was not made just now.
    MaybeChannel,
    /// 401: the bearer is expired or revoked.
    BearerRefused,
    /// 429.
    RateLimited(Option<Duration>),
    /// 2101, isPendingApproval, U1010–13.
    PendingApproval,
    /// Locked, suspended, rejected, closed.
    Blocked(Blocked),
    /// `AUTH.FINGERPRINT_MISMATCH`, U1069.
    FingerprintMismatch,
}

impl Verdict {
    /// Judges an answer by its status, headers and (opened, or plain) body.
    pub fn of(_status: StatusCode, _headers: &HeaderMap, _body: &[u8]) -> Self {
        unimplemented!()
    }
}
