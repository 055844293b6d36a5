//! A client's body: at hand where it has to be, a stream where it may be.

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;

use super::Proxy;
use crate::held::Room;
use crate::inflow::Inflow;
use crate::listener::{Content, TimedBody, TimedBodyError};
use crate::response::ProxyError;
use crate::telemetry::Count;
use crate::upstream::OutBody;

impl Proxy {
    /// A plain request's body: at hand if it says that it is short and there is room, else the stream itself.
    pub(super) async fn hold(&self, body: Inflow) -> Result<OutBody, ProxyError> {
        let limit = self.house.settings.replay_body;
        match body.size_hint().exact() {
            Some(length) if length <= limit as u64 => match self.house.held.room_for(length as usize) {
                Ok(room) => Ok(OutBody::Full(self.collect(Content::Coming(body), limit, room).await?)),
                Err(_) => {
                    self.counters.add(Count::NotKept);
                    Ok(OutBody::Streamed(body))
                }
            },
            _ => Ok(OutBody::Streamed(body)),
        }
    }

    /// The same for one that is here whole: kept, or else sent once.
    pub(super) fn keep(&self, bytes: Bytes) -> Kept {
        if bytes.len() > self.house.settings.replay_body {
            return Kept::ForOnce(bytes);
        }
        match self.house.held.room_for(bytes.len()) {
            Ok(room) => Kept::Held(room.keep(bytes)),
            Err(_) => {
                self.counters.add(Count::NotKept);
                Kept::ForOnce(bytes)
            }
        }
    }

    /// The whole body, if it is no longer than `limit` bytes. The room for it grows where it has to.
    pub(super) async fn collect(
        &self,
        body: Content,
        limit: usize,
        mut room: Room,
    ) -> Result<Bytes, ProxyError> {
        let too_large = ProxyError::BodyTooLarge { limit };
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large);
        }
        let expected = body.size_hint().exact().map(|length| length as usize);
        let mut body = TimedBody::new(body, self.house.settings.body_idle_timeout);
        let mut first = Bytes::new();
        let mut more: Option<BytesMut> = None;
        while let Some(frame) = body.frame().await {
            // Trailers end here: they would speak of a body that nobody sees.
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            let so_far = more.as_ref().map_or(first.len(), BytesMut::len);
            if so_far + data.len() > limit {
                return Err(too_large);
            }
            room.reach(so_far + data.len())?;
            match &mut more {
                Some(more) => more.extend_from_slice(&data),
                None if first.is_empty() => first = data, // the common case: one frame, nothing copied
                None => {
                    let whole =
                        more.insert(BytesMut::with_capacity(expected.unwrap_or(0).max(so_far + data.len())));
                    whole.extend_from_slice(&first);
                    whole.extend_from_slice(&data);
                }
            }
            // A body of known length is not asked once more, which would mean to wait.
            if body.is_end_stream() {
                break;
            }
        }
        Ok(room.keep(more.map_or(first, BytesMut::freeze)))
    }
}

/// A body that is here whole.
pub(super) enum Kept {
    /// As far as `limits.replay_body` and `limits.held_bytes` go, it can be sent again.
    Held(Bytes),
    /// Beyond them it is not.
    ForOnce(Bytes),
}

fn broken(error: TimedBodyError) -> ProxyError {
    match error {
        TimedBodyError::Idle(_) => ProxyError::ClientBodyStalled,
        TimedBodyError::Broken(source) => ProxyError::ClientBodyBroken(source),
    }
}
