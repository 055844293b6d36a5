//! Which answers are had whole before anybody sees their head, so that until then they can be lost without harm.

use http::{HeaderMap, header};
use http_body::Body as _;

use super::reply::Reply;
use super::{Settings, UpstreamError};
use crate::held::HeldBytes;

/// How long such an answer may be, and where the room for it comes from.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    /// In bytes.
    longest: usize,
    held: HeldBytes,
}

impl Whole {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { longest: settings.whole_answer, held: settings.held.clone() }
    }

    /// Has a short answer whole, where its request can be repeated. One of unknown length is taken for short if it
    /// is a JSON document, which is of no use before its end. Where there is no room for it, it streams.
    pub(super) async fn secure(&self, reply: &mut Reply, is_repeatable: bool) -> Result<(), UpstreamError> {
        if !is_repeatable {
            return Ok(());
        }
        let expected = match reply.body().size_hint().exact() {
            Some(length) => usize::try_from(length).unwrap_or(usize::MAX),
            None if is_json(reply.headers()) => self.longest,
            None => 0,
        };
        if expected == 0 || expected > self.longest {
            return Ok(());
        }
        let Ok(room) = self.held.room_for(expected) else { return Ok(()) };
        reply.body_mut().read_ahead(self.longest, room).await
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/json"))
            && kind.get(16).is_none_or(|next| matches!(next, b';' | b' '))
    })
}
