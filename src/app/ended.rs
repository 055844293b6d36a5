//! What a login that has ended leaves behind with connections: idle ones hold heads and answers of it in buffers.

use crate::listener;
use crate::session::{SessionHandle, Status};
use crate::upstream::Upstream;

/// Closes what is idle, and clears the buffers of this thread, whenever the session comes to have no login; until it
/// is closed. Runs where the connections are used: their buffers are the thread's.
pub(super) async fn forget_after(session: SessionHandle, upstream: Upstream) {
    let mut changes = session.subscribe();
    let mut had_ended = true;
    while changes.changed().await {
        let has_ended = has_ended(&session.status());
        if has_ended && !had_ended {
            upstream.forget_idle();
            listener::forget();
        }
        had_ended = has_ended;
    }
}

/// Whether there is no login, and none under way.
fn has_ended(status: &Status) -> bool {
    match status {
        Status::SignedOut | Status::AwaitingCode(_) | Status::Failed(_) => true,
        Status::Opening | Status::Active(_) => false,
    }
}
