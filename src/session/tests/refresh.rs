//! Refreshes: what is kept, what is spent, what is written down first.

use super::*;
use crate::session::store::{SavedSession, Stored};

#[tokio::test]
async fn without_a_new_refresh_token_the_old_one_stays() {
    let world = World::with(|_, portal| portal.state().rotates = false);
    let first = world.lease().await.unwrap();
    let second = soon(world.session.replace(&first)).await.unwrap();
    soon(world.session.replace(&second)).await.unwrap();
    let sent: Vec<_> = world.portal.state().refresh_tokens.iter().map(|sent| sent.secret.clone()).collect();
    assert_eq!(sent, ["refresh-1", "refresh-1"]);
}

#[tokio::test]
async fn a_refused_refresh_logs_in_anew_where_that_needs_no_person() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    world.portal.next(Op::Refresh, PortalErrorKind::TokenRefused);
    // The code of this step is used: the login waits for the next.
    let renewed = tokio::spawn({
        let (session, lease) = (world.session.clone(), Arc::clone(&lease));
        async move { session.replace(&lease).await }
    });
    world.called(Op::Initiate, 2).await;
    quiet().await;
    assert_eq!(world.portal.calls(Op::Complete), 1);
    world.pass(30).await;
    assert!(soon(renewed).await.unwrap().unwrap().generation() > lease.generation());
    assert_eq!((world.portal.calls(Op::Refresh), world.portal.calls(Op::Complete)), (1, 2));
}

#[tokio::test]
async fn a_refused_refresh_says_that_a_person_is_required_where_one_is() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    soon(world.session.sign_in(None)).await.unwrap_err();
    let lease = soon(world.session.answer(code("123456"))).await.unwrap();
    world.portal.next(Op::Refresh, PortalErrorKind::TokenRefused);
    for _ in 0..3 {
        let error = soon(world.session.replace(&lease)).await.unwrap_err();
        assert!(matches!(error, SessionError::PersonRequired { .. }), "{error}");
        world.pass(100).await;
    }
    assert_eq!((world.portal.calls(Op::Refresh), world.portal.calls(Op::Initiate)), (1, 1));
    assert!(world.session.current().is_some(), "the bearer itself was not refused by this");
}

#[tokio::test]
async fn a_login_without_a_second_factor_is_repeated_without_a_person() {
    let world = World::with(|settings, portal| {
        settings.credentials = Some(by_mail());
        portal.state().methods = vec![];
    });
    let lease = world.lease().await.unwrap();
    world.portal.next(Op::Refresh, PortalErrorKind::TokenRefused);
    assert!(soon(world.session.replace(&lease)).await.is_ok());
    assert_eq!(world.portal.calls(Op::Initiate), 2);
}

#[tokio::test]
async fn a_lost_answer_is_followed_by_a_fresh_login_on_a_new_channel() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    world.pass(30).await;
    world.portal.next(Op::Refresh, unknown());
    assert!(soon(world.session.replace(&lease)).await.is_ok());
    assert_eq!((world.portal.calls(Op::Refresh), world.portal.calls(Op::Initiate)), (1, 2));
    assert_eq!(world.portal.calls(Op::Open), 2);
}

#[tokio::test]
async fn a_lost_answer_where_a_login_needs_a_person_tries_the_token_exactly_once_more() {
    for (second, refreshed) in
        [(None, true), (Some(unknown()), false), (Some(PortalErrorKind::TokenRefused), false)]
    {
        let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
        soon(world.session.sign_in(None)).await.unwrap_err();
        let lease = soon(world.session.answer(code("123456"))).await.unwrap();
        world.portal.next(Op::Refresh, unknown());
        if let Some(kind) = second.clone() {
            world.portal.next(Op::Refresh, kind);
        }
        let answer = soon(world.session.replace(&lease)).await;
        assert_eq!(answer.is_ok(), refreshed, "{second:?}");
        world.pass(100).await;
        let _ = soon(world.session.replace(&lease)).await;
        assert_eq!(world.portal.calls(Op::Refresh), 2, "{second:?}");
        assert_eq!(world.portal.calls(Op::Initiate), 1, "{second:?}");
    }
}

#[tokio::test]
async fn a_doubtful_token_that_the_portal_did_not_take_is_still_there_for_its_one_more_time() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    soon(world.session.sign_in(None)).await.unwrap_err();
    let lease = soon(world.session.answer(code("123456"))).await.unwrap();
    world.portal.next(Op::Refresh, unknown());
    world.portal.next(Op::Refresh, not_sent());
    assert!(matches!(soon(world.session.replace(&lease)).await, Err(SessionError::Portal { .. })));
    assert_eq!(world.store.load().await.unwrap().unwrap().unanswered, 1, "the first intent stays open");
    world.pass(5).await;
    assert!(soon(world.session.replace(&lease)).await.is_ok());
    assert_eq!(world.portal.calls(Op::Refresh), 3);
    assert_eq!(world.store.load().await.unwrap().unwrap().unanswered, 0);
}

#[tokio::test]
async fn a_rate_limited_refresh_waits_as_long_as_it_is_told() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    let retry_after = Some(Duration::from_secs(200));
    world.portal.next(Op::Refresh, PortalErrorKind::RateLimited { retry_after });
    let error = soon(world.session.replace(&lease)).await.unwrap_err();
    assert!(
        matches!(error, SessionError::RateLimited { retry_after } if retry_after == Duration::from_secs(200))
    );
    world.pass(199).await;
    let error = soon(world.session.replace(&lease)).await.unwrap_err();
    assert!(
        matches!(error, SessionError::RateLimited { retry_after } if retry_after == Duration::from_secs(1))
    );
    assert_eq!(world.portal.calls(Op::Refresh), 1);
    world.pass(1).await;
    assert!(soon(world.session.replace(&lease)).await.is_ok());
}

#[tokio::test]
async fn an_absurd_retry_after_is_obeyed_up_to_its_limit() {
    for (asked, held_back) in [(3600, 3600), (3601, 3600), (u64::MAX, 3600)] {
        let world = World::new();
        let retry_after = Some(Duration::from_secs(asked));
        world.portal.next(Op::Initiate, PortalErrorKind::RateLimited { retry_after });
        let error = world.lease().await.unwrap_err();
        assert!(
            matches!(error, SessionError::RateLimited { retry_after } if retry_after.as_secs() == held_back),
            "{asked}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_storm_of_complaints_is_followed_as_often_as_it_may_and_no_more() {
    let world = World::with(|settings, _| settings.complaints_burst = 5);
    let mut lease = world.lease().await.unwrap();
    for _ in 0..5 {
        lease = soon(world.session.replace(&lease)).await.unwrap();
    }
    assert!(matches!(soon(world.session.replace(&lease)).await, Err(SessionError::TooManyComplaints { .. })));
    assert_eq!(world.portal.calls(Op::Refresh), 5);
    assert!(world.session.current().is_some(), "which may well be good for all other calls");
    world.pass(1).await;
    assert!(soon(world.session.replace(&lease)).await.is_ok());
}

#[tokio::test]
async fn a_bearer_of_four_seconds_works() {
    let world = World::with(|_, portal| portal.state().life = Duration::from_secs(4));
    world.lease().await.unwrap();
    for second in 1..=40 {
        world.pass(1).await;
        assert!(world.lease().await.is_ok(), "second {second}");
    }
    assert_eq!(world.portal.calls(Op::Initiate), 1);
    assert!((10..=20).contains(&world.portal.calls(Op::Refresh)));
}

#[tokio::test]
async fn a_wall_clock_set_forward_costs_a_refresh_and_one_set_back_none() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    world.clock.set_wall(world.clock.wall() - Duration::from_secs(3600));
    quiet().await;
    assert_eq!(world.lease().await.unwrap().generation(), lease.generation());
    world.clock.set_wall(world.clock.wall() + Duration::from_secs(7200));
    let newer = world.lease().await.unwrap();
    assert!(newer.generation() > lease.generation());
    assert_eq!(world.portal.calls(Op::Refresh), 1);
    assert_eq!(world.session.counters().clock_jumps, 2);
    // Back to the true time: the boot clock still ends the life when it is over.
    world.clock.set_wall(world.clock.wall() - Duration::from_secs(7200));
    world.portal.hold(Op::Refresh);
    world.pass(1000).await;
    assert!(world.session.current().is_none());
}

#[tokio::test]
async fn the_next_process_takes_a_good_lease_up_without_a_call() {
    let world = World::new();
    world.lease().await.unwrap();
    let settings = Settings { credentials: Some(by_seed()), ..Settings::default() };
    let world = world.restarted(settings).await;
    assert_eq!(world.lease().await.unwrap().generation(), Generation(1));
    assert_eq!((world.portal.calls(Op::Refresh), world.portal.calls(Op::Initiate)), (0, 1));
}

#[tokio::test]
async fn the_next_process_refreshes_an_expired_lease_when_somebody_needs_it_and_not_before() {
    let world = World::new();
    world.lease().await.unwrap();
    let settings = Settings { credentials: Some(by_seed()), ..Settings::default() };
    soon(world.session.close()).await;
    world.pass(5000).await;
    let world = world.restarted(settings).await;
    world.pass(100).await;
    assert_eq!(world.portal.calls(Op::Refresh), 0);
    assert_eq!(world.lease().await.unwrap().generation(), Generation(2));
    assert_eq!((world.portal.calls(Op::Refresh), world.portal.calls(Op::Initiate)), (1, 1));
}

#[tokio::test]
async fn the_next_process_does_not_trust_a_token_that_was_on_its_way() {
    let world = World::new();
    world.lease().await.unwrap();
    world.store.begin_refresh(Generation(1)).await.unwrap();
    let settings = Settings { credentials: Some(by_seed()), ..Settings::default() };
    let world = world.restarted(settings).await;
    world.pass(1000).await;
    assert!(world.lease().await.is_ok());
    assert_eq!((world.portal.calls(Op::Refresh), world.portal.calls(Op::Initiate)), (0, 2));
}

#[tokio::test]
async fn a_restart_loop_does_not_send_a_doubtful_token_again_and_again() {
    let mut world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    soon(world.session.sign_in(None)).await.unwrap_err();
    let lease = soon(world.session.answer(code("123456"))).await.unwrap();
    world.portal.hold(Op::Refresh);
    let mut session = world.session.clone();
    for _ in 0..5 {
        let lease = Arc::clone(&lease);
        tokio::spawn(async move { session.replace(&lease).await });
        quiet().await;
        let closing = tokio::spawn({
            let session = world.session.clone();
            async move { session.close().await }
        });
        quiet().await;
        world.pass(2).await;
        soon(closing).await.unwrap();
        world = world.restarted(Settings { credentials: Some(by_mail()), ..Settings::default() }).await;
        session = world.session.clone();
    }
    assert_eq!(world.portal.calls(Op::Refresh), 2);
}

#[tokio::test]
async fn the_tokens_of_another_account_are_not_used_for_the_configured_one() {
    let world = World::new();
    world.lease().await.unwrap();
    let other = Credentials { email: "other@example.com".into(), ..by_seed() };
    let world = world.restarted(Settings { credentials: Some(other), ..Settings::default() }).await;
    world.pass(30).await;
    world.lease().await.unwrap();
    assert_eq!(world.portal.calls(Op::Initiate), 2);
}

#[tokio::test]
async fn a_client_that_logs_out_kills_the_lease_for_everybody_at_once() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    world.session.ended(&lease);
    assert!(world.session.current().is_none());
    quiet().await;
    assert!(world.store.load().await.unwrap().is_none());
    assert!(matches!(world.session.status(), Status::SignedOut));
    world.pass(30).await;
    let next = world.lease().await.unwrap();
    assert!(next.generation() > lease.generation());
    assert_eq!((world.portal.calls(Op::Refresh), world.portal.calls(Op::Initiate)), (0, 2));
    world.session.ended(&lease);
    assert!(world.session.current().is_some(), "a late notice about the old one changes nothing");
}

#[tokio::test]
async fn a_lease_that_ended_during_a_refresh_that_failed_is_not_handed_out_again() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    world.portal.hold(Op::Refresh);
    world.portal.next(Op::Refresh, PortalErrorKind::Trouble);
    world.pass(700).await;
    world.called(Op::Refresh, 1).await;
    world.session.ended(&lease);
    let asker = tokio::spawn({
        let session = world.session.clone();
        async move { session.lease().await }
    });
    quiet().await;
    world.portal.release(Op::Refresh);
    let answer = soon(asker).await.unwrap();
    assert!(!answer.is_ok_and(|given| given.generation() == lease.generation()));
    assert!(world.session.current().is_none());
}

#[tokio::test]
async fn adopted_tokens_become_the_session() {
    let world = World::with(|settings, _| settings.credentials = None);
    assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
    let tokens = Tokens {
        access: crate::secret::AccessToken::new("theirs"),
        refresh: Some(crate::secret::RefreshToken::new("renews-theirs")),
        expires_in: Duration::from_secs(1000),
        skew: None,
    };
    soon(world.session.adopt(tokens)).await;
    assert_eq!(world.lease().await.unwrap().bearer(), "Bearer theirs");
    world.pass(700).await;
    assert_eq!(world.portal.state().refresh_tokens[0].secret, "renews-theirs");
    assert_eq!(world.lease().await.unwrap().bearer(), "Bearer access-1");
}

/// A store that cannot be written while told so.
#[derive(Debug, Default)]
struct BrokenStore {
    broken: std::sync::atomic::AtomicBool,
    inner: MemoryStore,
}

impl BrokenStore {
    fn set(&self, broken: bool) {
        self.broken.store(broken, std::sync::atomic::Ordering::SeqCst);
    }

    fn or<'a, T: Send + 'a>(&self, answer: impl FnOnce() -> Stored<'a, T>) -> Stored<'a, T> {
        if self.broken.load(std::sync::atomic::Ordering::SeqCst) {
            Box::pin(std::future::ready(Err(StoreError {
                what: "no space left".into(),
                hint: "make room".into(),
            })))
        } else {
            answer()
        }
    }
}

impl Store for BrokenStore {
    fn lock(&self) -> Stored<'_, Lock> {
        self.inner.lock()
    }

    fn load(&self) -> Stored<'_, Option<SavedSession>> {
        self.inner.load()
    }

    fn begin_refresh(&self, generation: Generation) -> Stored<'_, ()> {
        self.or(|| self.inner.begin_refresh(generation))
    }

    fn commit(&self, session: Option<SavedSession>) -> Stored<'_, ()> {
        self.or(|| self.inner.commit(session))
    }

    fn keep(&self, generation: Generation) -> Stored<'_, ()> {
        self.or(|| self.inner.keep(generation))
    }

    fn attempts(&self) -> Stored<'_, Attempts> {
        self.inner.attempts()
    }

    fn record(&self, attempts: Attempts) -> Stored<'_, ()> {
        self.or(|| self.inner.record(attempts))
    }
}

fn with_broken_store() -> (Arc<BrokenStore>, FakePortal, ManualClock, SessionHandle) {
    let (store, portal) = (Arc::new(BrokenStore::default()), FakePortal::default());
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH + START);
    let settings = Settings { credentials: Some(by_seed()), refresh_jitter: 0.0, ..Settings::default() };
    let kept = Arc::clone(&store) as Arc<dyn Store>;
    let session = SessionHandle::spawn_with(portal.clone(), settings, Arc::new(clock.clone()), kept);
    (store, portal, clock, session)
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_error_and_no_password_leaves() {
    let (store, portal, clock, session) = with_broken_store();
    store.set(true);
    assert!(matches!(soon(session.lease()).await, Err(SessionError::Store(_))));
    assert!(matches!(session.status(), Status::Failed(SessionError::Store(_))));
    assert_eq!(portal.calls(Op::Initiate), 0);
    store.set(false);
    clock.advance(Duration::from_secs(2));
    assert!(soon(session.lease()).await.is_ok());
}

#[tokio::test]
async fn a_pair_that_cannot_be_saved_is_used_and_saved_later() {
    let (store, portal, clock, session) = with_broken_store();
    let lease = soon(session.lease()).await.unwrap();
    portal.hold(Op::Refresh);
    let replacing = tokio::spawn({
        let session = session.clone();
        async move { session.replace(&lease).await }
    });
    quiet().await;
    store.set(true);
    portal.release(Op::Refresh);
    assert_eq!(soon(replacing).await.unwrap().unwrap().generation(), Generation(2));
    assert!(session.counters().unsaved);
    assert_eq!(store.inner.load().await.unwrap().unwrap().unanswered, 1, "a crash now would be noticed");
    store.set(false);
    clock.advance(Duration::from_secs(15));
    quiet().await;
    assert!(!session.counters().unsaved);
    let saved = store.inner.load().await.unwrap().unwrap();
    assert_eq!((saved.generation, saved.unanswered), (Generation(2), 0));
}

#[tokio::test]
async fn an_early_refresh_waits_for_a_store_that_cannot_be_written_and_a_late_one_does_not() {
    let (store, portal, clock, session) = with_broken_store();
    soon(session.lease()).await.unwrap();
    store.set(true);
    clock.advance(Duration::from_secs(700));
    quiet().await;
    assert_eq!(portal.calls(Op::Refresh), 0);
    assert!(session.current().is_some());
    clock.advance(Duration::from_secs(300));
    quiet().await;
    assert_eq!(soon(session.lease()).await.unwrap().generation(), Generation(2));
    assert_eq!(portal.calls(Op::Refresh), 1);
    assert!(session.counters().store_failures > 0);
}

#[tokio::test]
async fn who_asks_while_the_store_is_read_is_given_the_stored_bearer_and_nothing_is_refreshed() {
    let world = World::new();
    let first = world.lease().await.unwrap();
    let settings = Settings { credentials: Some(by_seed()), refresh_jitter: 0.0, ..Settings::default() };
    let world = world.restarted(settings).await;
    let again = world.lease().await.unwrap();
    assert_eq!(again.generation(), first.generation());
    assert_eq!((world.portal.calls(Op::Refresh), world.portal.calls(Op::Initiate)), (0, 1));
}
