//! A store that replicas share goes away, and comes back.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokio::sync::Notify;

use super::*;

/// A shared store: away while told so.
#[derive(Debug, Default)]
struct SharedStore {
    away: AtomicBool,
    back: Notify,
    inner: MemoryStore,
}

impl SharedStore {
    fn go(&self) {
        self.away.store(true, SeqCst);
    }

    fn come_back(&self) {
        self.away.store(false, SeqCst);
        self.back.notify_one();
    }

    fn reach<'a, T: Send + 'a>(&self, answer: impl FnOnce() -> Stored<'a, T>) -> Stored<'a, T> {
        match self.away.load(SeqCst) {
            true => {
                let error = StoreError { what: "it is away".into(), hint: "see that it runs".into() };
                Box::pin(std::future::ready(Err(error)))
            }
            false => answer(),
        }
    }
}

impl Store for SharedStore {
    fn lock(&self) -> Stored<'_, Lock> {
        self.reach(|| self.inner.lock())
    }

    fn load(&self) -> Stored<'_, Option<SavedSession>> {
        self.reach(|| self.inner.load())
    }

    fn begin_refresh(&self, generation: Generation) -> Stored<'_, ()> {
        self.reach(|| self.inner.begin_refresh(generation))
    }

    fn commit(&self, session: Option<SavedSession>) -> Stored<'_, ()> {
        self.reach(|| self.inner.commit(session))
    }

    fn keep(&self, generation: Generation) -> Stored<'_, ()> {
        self.reach(|| self.inner.keep(generation))
    }

    fn attempts(&self) -> Stored<'_, Attempts> {
        self.reach(|| self.inner.attempts())
    }

    fn record(&self, attempts: Attempts) -> Stored<'_, ()> {
        self.reach(|| self.inner.record(attempts))
    }

    fn changed(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.back.notified())
    }

    fn is_away(&self) -> bool {
        self.away.load(SeqCst)
    }
}

/// Signed in, with a bearer of a thousand seconds; and then the store goes away.
async fn without_a_store(who: Credentials) -> (Arc<SharedStore>, FakePortal, ManualClock, SessionHandle) {
    let (store, portal) = (Arc::new(SharedStore::default()), FakePortal::default());
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH + START);
    let wait_timeout = Duration::from_secs(60);
    let settings =
        Settings { credentials: Some(who), wait_timeout, refresh_jitter: 0.0, ..Settings::default() };
    let kept = Arc::clone(&store) as Arc<dyn Store>;
    let session = SessionHandle::spawn_with(portal.clone(), settings, Arc::new(clock.clone()), kept);
    if soon(session.lease()).await.is_err() {
        soon(session.answer(code("123456"))).await.unwrap();
    }
    // The step of the login's code is over.
    clock.advance(Duration::from_secs(40));
    store.go();
    (store, portal, clock, session)
}

#[tokio::test]
async fn a_good_bearer_serves_on_and_nothing_is_renewed() {
    let (_, portal, clock, session) = without_a_store(by_seed()).await;
    for _ in 0..9 {
        clock.advance(Duration::from_secs(100));
        quiet().await;
        assert!(session.current().is_some());
    }
    assert_eq!((portal.calls(Op::Refresh), portal.calls(Op::Initiate)), (0, 1));
    assert!(session.counters().store_away);
}

#[tokio::test]
async fn a_refused_bearer_is_followed_by_a_login_of_its_own_that_is_stored_once_the_store_is_back() {
    let (store, portal, clock, session) = without_a_store(by_seed()).await;
    let refused = soon(session.lease()).await.unwrap();
    let own = soon(session.replace(&refused)).await.unwrap();
    assert!(own.generation() > refused.generation());
    assert_eq!((portal.calls(Op::Refresh), portal.calls(Op::Initiate)), (0, 2), "the shared token stays");
    assert!(session.counters().unsaved);

    // Nobody else has the token of the pair that came meanwhile.
    clock.advance(Duration::from_secs(700));
    quiet().await;
    assert_eq!((portal.calls(Op::Refresh), portal.calls(Op::Initiate)), (1, 2));
    store.come_back();
    quiet().await;
    assert!(!session.counters().unsaved);
    let stored = store.inner.load().await.unwrap().unwrap();
    assert_eq!(stored.generation, soon(session.lease()).await.unwrap().generation());
}

#[tokio::test]
async fn of_two_that_signed_in_meanwhile_the_first_to_be_back_is_whom_the_other_follows() {
    let (store, _, _, session) = without_a_store(by_seed()).await;
    let refused = soon(session.lease()).await.unwrap();
    let own = soon(session.replace(&refused)).await.unwrap();
    let shared = store.inner.load().await.unwrap().unwrap();
    let theirs = SavedSession {
        access: crate::secret::AccessToken::new("theirs"),
        refresh: Some(crate::secret::RefreshToken::new("renews-theirs")),
        generation: own.generation(),
        ..shared
    };
    store.inner.commit(Some(theirs)).await.unwrap();
    store.come_back();
    quiet().await;
    assert_eq!(soon(session.lease()).await.unwrap().bearer(), "Bearer theirs");
}

#[tokio::test]
async fn where_a_login_needs_a_person_nothing_is_sent_before_the_store_is_back() {
    let (store, portal, clock, session) = without_a_store(by_mail()).await;
    let refused = soon(session.lease()).await.unwrap();
    let error = soon(session.replace(&refused)).await.unwrap_err();
    assert!(matches!(error, SessionError::Store(_)), "{error}");
    assert_eq!((portal.calls(Op::Refresh), portal.calls(Op::Initiate)), (0, 1));
    store.come_back();
    clock.advance(Duration::from_secs(2));
    quiet().await;
    assert!(soon(session.replace(&refused)).await.is_ok());
    assert_eq!((portal.calls(Op::Refresh), portal.calls(Op::Initiate)), (1, 1));
}

#[tokio::test]
async fn news_of_another_replicas_pair_are_followed_at_once_unless_a_person_signed_out() {
    let (store, _, _, session) = without_a_store(by_seed()).await;
    let held = soon(session.lease()).await.unwrap();
    let newer = |generation, bearer: &str, shared: SavedSession| SavedSession {
        access: crate::secret::AccessToken::new(bearer),
        generation,
        ..shared
    };
    let shared = store.inner.load().await.unwrap().unwrap();
    store.inner.commit(Some(newer(held.generation().next(), "theirs", shared.clone()))).await.unwrap();
    store.come_back();
    quiet().await;
    assert_eq!(session.current().unwrap().bearer(), "Bearer theirs");

    soon(session.sign_out()).await.unwrap();
    let next = held.generation().next().next();
    store.inner.commit(Some(newer(next, "another", shared))).await.unwrap();
    store.come_back();
    quiet().await;
    assert!(session.current().is_none());
}
