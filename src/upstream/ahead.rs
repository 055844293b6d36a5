//! What comes ahead of an answer: interim answers (1xx), and the body that waits for one of them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use http::{HeaderMap, StatusCode};
use tokio::time::Sleep;

/// What becomes of the interim answers to a request: 102, 103 and the like, as they came.
#[derive(Clone)]
pub struct OnInterim(Arc<Told<'static>>);

/// Who is told of an interim answer.
pub type Told<'a> = dyn Fn(StatusCode, &HeaderMap) + Send + Sync + 'a;

impl OnInterim {
    /// Calls `told` for each of them, in their order, from whichever task reads the portal's connection.
    pub fn new(told: impl Fn(StatusCode, &HeaderMap) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    /// Who is told.
    pub(super) fn told(&self) -> &Told<'_> {
        &*self.0
    }
}

impl fmt::Debug for OnInterim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnInterim")
    }
}

/// Who has to hear of the interim answers to one request. Whatever reads an answer's heads calls [`Ahead::heard`]
/// for each 1xx but 101.
#[derive(Debug, Clone, Default)]
pub(super) struct Ahead {
    pub(super) interim: Option<OnInterim>,
    pub(super) gate: Option<Arc<Gate>>,
}

impl Ahead {
    /// Whether nobody has to.
    pub(super) fn is_nobody(&self) -> bool {
        self.interim.is_none() && self.gate.is_none()
    }

    pub(super) fn heard(&self, status: StatusCode, headers: &HeaderMap) {
        if let Some(gate) = &self.gate {
            // Any of them says that the portal has begun to look at the request (RFC 9110 section 10.1.1).
            gate.open();
        }
        if let Some(OnInterim(told)) = &self.interim
            && status != StatusCode::CONTINUE
        {
            told(status, headers);
        }
    }
}

/// Stands before a body whose client wants to be told to go on (`Expect: 100-continue`).
#[derive(Debug, Default)]
pub(super) struct Gate {
    open: AtomicBool,
    waker: AtomicWaker,
}

impl Gate {
    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// A body's wait at its gate. It ends by itself: not every portal knows the word.
#[derive(Debug)]
pub(super) struct Waits {
    gate: Arc<Gate>,
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Waits {
    pub(super) fn at(gate: Arc<Gate>, patience: Duration) -> Self {
        Self { gate, patience, timer: None }
    }

    pub(super) fn open(&self) {
        self.gate.open();
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.gate.waker.register(cx.waker());
        if self.gate.open.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let patience = self.patience;
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience))).as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_the_word_or_for_as_long_as_it_was_told() {
        let gate = Arc::new(Gate::default());
        let begun = Instant::now();
        let mut waits = Waits::at(gate.clone(), Duration::from_secs(1));
        poll_fn(|cx| waits.poll(cx)).await;
        assert_eq!(begun.elapsed().as_secs(), 1);

        let begun = Instant::now();
        let mut waits = Waits::at(gate.clone(), Duration::from_secs(1));
        let waiting = tokio::spawn(async move { poll_fn(|cx| waits.poll(cx)).await });
        tokio::task::yield_now().await;
        Ahead { interim: None, gate: Some(gate) }.heard(StatusCode::CONTINUE, &HeaderMap::new());
        waiting.await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[test]
    fn hints_are_told_and_the_word_to_go_on_is_not_one() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let ahead = Ahead {
            interim: Some(OnInterim::new(move |status, _| heard.lock().unwrap().push(status.as_u16()))),
            gate: None,
        };
        for status in [100, 103, 102] {
            ahead.heard(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        }
        assert_eq!(*told.lock().unwrap(), [103, 102]);
    }
}
