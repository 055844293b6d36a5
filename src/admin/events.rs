//! `GET /v1/events`: the status as server-sent events, one for each change, the newest only.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::select_all;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::OwnedSemaphorePermit;

use super::api::Body;
use super::report::StatusReport;
use super::state::AdminState;

/// How many may listen at a time.
pub(super) const MAX_SUBSCRIBERS: usize = 8;

/// After how long without a change a comment is sent, so that a dead listener is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The body of one listener: where it stands now, then every change. A slow listener misses what lies
/// between, never the newest; the permit frees its place when it goes.
pub(super) fn stream(state: AdminState, permit: OwnedSemaphorePermit) -> Body {
    let listener = Listener { state, seen: None, _permit: permit };
    StreamBody::new(stream::unfold(listener, |mut listener| async {
        let frame = Frame::data(listener.next().await?);
        Some((Ok::<_, Infallible>(frame), listener))
    }))
    .boxed_unsync()
}

struct Listener {
    state: AdminState,
    seen: Option<Vec<String>>,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    /// The next event; none once the server closes.
    async fn next(&mut self) -> Option<Bytes> {
        let mut closing = self.state.0.closing.subscribe();
        let silence = tokio::time::sleep(KEEP_ALIVE);
        tokio::pin!(silence);
        loop {
            let report = self.state.report();
            let marks = marks(&report);
            if self.seen.as_ref() != Some(&marks) {
                self.seen = Some(marks);
                return Some(event(&report));
            }
            tokio::select! {
                () = self.state.changed() => {}
                () = &mut silence => return Some(Bytes::from_static(b": still here\n\n")),
                _ = closing.wait_for(|closing| *closing) => return None,
            }
        }
    }
}

impl AdminState {
    /// Completes when any identity's standing may have changed.
    pub(super) async fn changed(&self) {
        let waits: Vec<_> = self.0.identities.iter().map(|identity| identity.session.changed()).collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        select_all(waits).await;
    }
}

/// What makes one report differ from the next; a second that passed does not.
fn marks(report: &StatusReport) -> Vec<String> {
    let mark = |identity: &super::report::IdentityReport| {
        let challenge = identity.challenge.as_ref().map(|c| (c.method, &c.masked_target));
        let error = identity.error.as_ref().map(|error| (error.code, &error.text));
        let channel = identity.channel.as_ref().map(|channel| &channel.opened_at);
        format!("{:?}", (identity.state, &identity.expires_at, challenge, error, channel))
    };
    report.identities.iter().map(mark).collect()
}

fn event(report: &StatusReport) -> Bytes {
    // One line: JSON escapes every line break within.
    let json = serde_json::to_string(report).unwrap_or_default();
    Bytes::from(format!("event: status\ndata: {json}\n\n"))
}
