//! Looks at Redis every now and then: news may be lost, Redis may come back, or it may have lost what was there.

use std::sync::{Arc, Weak};

use super::{Found, Inner, RedisStore, Store};

/// Until the store is dropped.
pub(super) async fn watch(inner: Weak<Inner>) {
    loop {
        let Some((news, poll)) =
            inner.upgrade().map(|inner| (Arc::clone(&inner.link.news), inner.times.poll))
        else {
            return;
        };
        tokio::select! {
            () = news.broken.notified() => {}
            () = tokio::time::sleep(poll) => {}
        }
        let Some(inner) = inner.upgrade() else { return };
        look(inner).await;
    }
}

async fn look(inner: Arc<Inner>) {
    let (before, was_away) = (inner.seen_revision(), inner.link.is_away());
    let found = inner.find().await;
    match found {
        Ok(Found { there, newest }) if there < newest.revision => {
            // To take the lock is to put it back. Another may be first, or it fails: there is a next look.
            let _ = RedisStore(inner).lock().await;
        }
        Ok(Found { there, .. }) if there > before || was_away => inner.link.news.changed.notify_one(),
        Ok(_) | Err(_) => {}
    }
}
