//! Callers that wait for a flight: bounded in number, each with a deadline, all told the same.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Generation, SessionError};
use crate::clock::SharedClock;

/// What a caller asks its owner for: something newer than what the portal refused, if it refused anything.
#[derive(Debug)]
pub(super) struct Ask<T> {
    pub(super) refused: Option<Generation>,
    pub(super) reply: oneshot::Sender<Result<T, SessionError>>,
}

impl<T> Ask<T> {
    /// Answers; a caller that went away is no loss.
    pub(super) fn answer(self, answer: Result<T, SessionError>) {
        let _ = self.reply.send(answer);
    }

    /// Whether something of `generation` is what it asks for.
    pub(super) fn accepts(&self, generation: Generation) -> bool {
        self.refused.is_none_or(|refused| generation > refused)
    }
}

/// Asks the owner behind `mailbox`, and waits no longer than `patience`.
pub(super) async fn ask<T>(
    mailbox: &mpsc::Sender<Ask<T>>,
    refused: Option<Generation>,
    clock: &SharedClock,
    patience: Duration,
) -> Result<T, SessionError> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        mailbox.send(Ask { refused, reply }).await.map_err(|_| SessionError::Closed)?;
        answer.await.map_err(|_| SessionError::Closed)?
    };
    tokio::select! {
        biased;
        answer = asked => answer,
        () = clock.sleep(patience) => Err(SessionError::WaitedTooLong),
    }
}

/// Those who wait for the flight under way.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    asks: Vec<Ask<T>>,
    most: usize,
}

impl<T> Waiting<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { asks: Vec::new(), most: most.max(1) }
    }

    /// Lets one more wait, or tells it that too many do. Places of callers that went away are free again.
    pub(super) fn admit(&mut self, ask: Ask<T>) {
        if self.asks.len() >= self.most {
            self.asks.retain(|ask| !ask.reply.is_closed());
        }
        if self.asks.len() >= self.most {
            ask.answer(Err(SessionError::QueueFull));
        } else {
            self.asks.push(ask);
        }
    }

    /// The one who has waited longest and is still there; it waits no more.
    pub(super) fn next(&mut self) -> Option<Ask<T>> {
        self.asks.retain(|ask| !ask.reply.is_closed());
        (!self.asks.is_empty()).then(|| self.asks.remove(0))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asks.iter().all(|ask| ask.reply.is_closed())
    }

    /// Answers all whom `answer` has something to say to; the others wait on.
    pub(super) fn answer(&mut self, answer: impl Fn(&Ask<T>) -> Option<Result<T, SessionError>>) {
        for ask in std::mem::take(&mut self.asks) {
            match answer(&ask) {
                Some(answer) => ask.answer(answer),
                None => self.asks.push(ask),
            }
        }
    }

    /// Tells all of them the same.
    pub(super) fn fail(&mut self, error: &SessionError) {
        self.answer(|_| Some(Err(error.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(refused: Option<Generation>) -> (Ask<u8>, oneshot::Receiver<Result<u8, SessionError>>) {
        let (reply, answer) = oneshot::channel();
        (Ask { refused, reply }, answer)
    }

    #[test]
    fn as_many_wait_as_may_and_one_more_is_told_so() {
        let mut waiting = Waiting::new(2);
        let (first, second, third) = (one(None), one(None), one(None));
        let mut answers = [first.1, second.1, third.1];
        for ask in [first.0, second.0, third.0] {
            waiting.admit(ask);
        }
        assert!(matches!(answers[2].try_recv(), Ok(Err(SessionError::QueueFull))));
        waiting.answer(|_| Some(Ok(7)));
        assert!(matches!(answers[0].try_recv(), Ok(Ok(7))));
        assert!(matches!(answers[1].try_recv(), Ok(Ok(7))));
    }

    #[test]
    fn the_place_of_a_caller_that_went_away_is_free() {
        let mut waiting = Waiting::new(1);
        let (gone, answer) = one(None);
        waiting.admit(gone);
        drop(answer);
        assert!(waiting.is_empty());
        let (next, mut answer) = one(None);
        waiting.admit(next);
        assert!(answer.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
        assert!(!waiting.is_empty());
    }

    #[test]
    fn who_complained_about_a_generation_is_not_given_it_again() {
        let mut waiting = Waiting::new(2);
        let ((patient, mut first), (complaint, mut second)) = (one(None), one(Some(Generation(3))));
        assert!(!complaint.accepts(Generation(3)) && complaint.accepts(Generation(4)));
        waiting.admit(patient);
        waiting.admit(complaint);
        waiting.answer(|ask| ask.accepts(Generation(3)).then_some(Ok(3)));
        assert!(first.try_recv().is_ok());
        assert!(second.try_recv().is_err());
    }
}
