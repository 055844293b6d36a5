//! What STYLE section 6 asks to be kept true, each under its sentence.

use super::*;

#[tokio::test]
async fn a_hundred_callers_make_one_flight() {
    let world = World::new();
    world.portal.hold(Op::Complete);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let session = world.session.clone();
            tokio::spawn(async move { session.lease().await })
        })
        .collect();
    world.called(Op::Complete, 1).await;
    assert!(matches!(world.session.status(), Status::Opening));
    world.portal.release(Op::Complete);
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap().unwrap().generation(), Generation(1));
    }
    assert_eq!((world.portal.calls(Op::Initiate), world.portal.calls(Op::Complete)), (1, 1));
    assert_eq!(world.portal.calls(Op::Open), 1);
    assert_eq!(world.session.counters().logins, 1);
}

#[tokio::test]
async fn fifty_holders_of_one_stale_lease_make_one_refresh() {
    let world = World::new();
    let stale = world.lease().await.unwrap();
    world.portal.hold(Op::Refresh);
    let holders: Vec<_> = (0..50)
        .map(|_| {
            let (session, stale) = (world.session.clone(), Arc::clone(&stale));
            tokio::spawn(async move { session.replace(&stale).await })
        })
        .collect();
    world.called(Op::Refresh, 1).await;
    quiet().await;
    assert!(world.session.current().is_none(), "a lease that was refused is not given to others meanwhile");
    world.portal.release(Op::Refresh);
    for holder in holders {
        assert_eq!(soon(holder).await.unwrap().unwrap().generation(), Generation(2));
    }
    assert_eq!(world.portal.calls(Op::Refresh), 1);
    assert_eq!(world.portal.calls(Op::Initiate), 1);
}

#[tokio::test]
async fn a_late_complaint_about_an_old_lease_makes_none() {
    let world = World::new();
    let old = world.lease().await.unwrap();
    let new = soon(world.session.replace(&old)).await.unwrap();
    let again = soon(world.session.replace(&old)).await.unwrap();
    assert_eq!(new.generation(), again.generation());
    assert_eq!(world.portal.calls(Op::Refresh), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_nothing() {
    let world = World::new();
    world.portal.hold(Op::Complete);
    let caller = tokio::spawn({
        let session = world.session.clone();
        async move { session.lease().await }
    });
    world.called(Op::Complete, 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    world.portal.release(Op::Complete);
    quiet().await;
    assert!(world.session.current().is_some(), "the flight landed without anybody waiting");
    assert_eq!(world.portal.calls(Op::Initiate), 1);
}

#[tokio::test]
async fn a_failure_is_shared_and_backed_off() {
    let world = World::new();
    world.portal.hold(Op::Initiate);
    world.portal.next(Op::Initiate, PortalErrorKind::Trouble);
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let session = world.session.clone();
            tokio::spawn(async move { session.lease().await })
        })
        .collect();
    world.called(Op::Initiate, 1).await;
    quiet().await;
    world.portal.release(Op::Initiate);
    for caller in callers {
        let error = soon(caller).await.unwrap().unwrap_err();
        assert!(
            matches!(error, SessionError::Portal { retry_after, .. } if retry_after >= Duration::from_secs(1))
        );
    }
    // Told the same at once, with what is left of the pause, and nobody is called.
    let Err(SessionError::Portal { retry_after, .. }) = world.lease().await else { panic!("backed off") };
    assert!(retry_after <= Duration::from_secs(2));
    assert!(matches!(world.session.status(), Status::Failed(SessionError::Portal { .. })));
    assert_eq!(world.portal.calls(Op::Initiate), 1);
    world.pass(2).await;
    assert!(world.lease().await.is_ok(), "the pause is over");
    assert_eq!(world.portal.calls(Op::Initiate), 2);
}

#[tokio::test]
async fn every_asker_hears_code_required_at_once() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    for _ in 0..20 {
        let error = world.lease().await.unwrap_err();
        assert!(
            matches!(error, SessionError::CodeRequired { expires_in } if expires_in <= Duration::from_secs(300))
        );
    }
    assert_eq!(world.portal.calls(Op::Initiate), 1);
    assert_eq!(world.portal.calls(Op::Send), 0, "nobody is there to wait for a mail");
    assert!(matches!(world.session.status(), Status::AwaitingCode(_)));
}

#[tokio::test]
async fn refresh_at_seventy_percent() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    let planned = world.session.refresh_at().unwrap();
    assert_eq!(planned, SystemTime::UNIX_EPOCH + START + Duration::from_secs(700));
    world.pass(699).await;
    assert_eq!(world.portal.calls(Op::Refresh), 0);
    world.pass(1).await;
    assert_eq!(world.portal.calls(Op::Refresh), 1);
    assert!(world.session.current().unwrap().generation() > lease.generation());
}

#[tokio::test]
async fn the_refresh_is_moved_by_no_more_than_its_jitter() {
    let moments = async |jitter| {
        let mut moments = Vec::new();
        for _ in 0..20 {
            let world = World::with(|settings, _| settings.refresh_jitter = jitter);
            world.lease().await.unwrap();
            let at = world.session.refresh_at().unwrap();
            moments.push(at.duration_since(SystemTime::UNIX_EPOCH + START).unwrap().as_secs());
        }
        moments
    };
    let spread = moments(0.1).await;
    assert!(spread.iter().all(|at| (629..=771).contains(at)), "{spread:?}");
    assert!(spread.iter().any(|at| *at != spread[0]), "{spread:?}");
}

#[tokio::test]
async fn a_failed_early_refresh_keeps_the_good_lease() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    for kind in [PortalErrorKind::Trouble, not_sent(), PortalErrorKind::RateLimited { retry_after: None }] {
        world.portal.next(Op::Refresh, kind);
    }
    world.pass(700).await;
    for failed in 1..=3 {
        world.called(Op::Refresh, failed).await;
        quiet().await;
        assert_eq!(world.lease().await.unwrap().generation(), lease.generation());
        assert!(matches!(world.session.status(), Status::Active(_)));
        assert_eq!(world.session.counters().refreshes_failed, failed as u64);
        world.pass(8).await;
    }
    world.called(Op::Refresh, 4).await;
    assert!(world.lease().await.unwrap().generation() > lease.generation());
    assert_eq!(world.portal.calls(Op::Initiate), 1, "the refresh token was never thrown away");
}

#[tokio::test]
async fn a_lease_that_slept_past_its_end_is_not_handed_out() {
    let world = World::new();
    let old = world.lease().await.unwrap();
    world.portal.hold(Op::Refresh);
    // Eight hours in one go, as a laptop's lid does it. The timers have not fired yet.
    world.clock.advance(Duration::from_secs(8 * 3600));
    assert!(world.session.current().is_none());
    assert!(matches!(world.session.status(), Status::Opening));
    let first = tokio::spawn({
        let session = world.session.clone();
        async move { session.lease().await }
    });
    world.called(Op::Refresh, 1).await;
    world.portal.release(Op::Refresh);
    assert!(soon(first).await.unwrap().unwrap().generation() > old.generation());
    assert_eq!(world.session.counters().clock_jumps, 1);
}

#[tokio::test]
async fn a_lost_channel_is_rebuilt_without_a_new_login() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    let stale = soon(world.session.channel()).await.unwrap();
    let fresh = soon(world.session.replace_channel(&stale)).await.unwrap();
    assert!(fresh.generation() > stale.generation());
    world.portal.next(Op::Refresh, PortalErrorKind::ChannelStale);
    assert!(soon(world.session.replace(&lease)).await.is_ok());
    assert_eq!(world.portal.calls(Op::Refresh), 2, "refused, not processed: sent again once");
    assert_eq!((world.portal.calls(Op::Open), world.portal.calls(Op::Initiate)), (3, 1));
}

#[tokio::test]
async fn a_403_never_refreshes() {
    for kind in [
        PortalErrorKind::FingerprintMismatch,
        PortalErrorKind::RiskChallenge,
        PortalErrorKind::Blocked(Blocked::Locked),
    ] {
        let world = World::new();
        let lease = world.lease().await.unwrap();
        world.portal.next(Op::Refresh, kind.clone());
        assert!(soon(world.session.replace(&lease)).await.is_err());
        for _ in 0..10 {
            world.pass(60).await;
            assert!(soon(world.session.replace(&lease)).await.is_err());
        }
        assert_eq!(world.portal.calls(Op::Refresh), 1, "{kind}");
        assert_eq!(world.portal.calls(Op::Initiate), 1, "{kind}");
    }
}

#[tokio::test]
async fn as_many_wait_as_may_and_the_next_is_told_that_the_queue_is_full() {
    let world = World::with(|settings, _| settings.max_waiting = 3);
    world.portal.hold(Op::Initiate);
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let session = world.session.clone();
            tokio::spawn(async move { session.lease().await })
        })
        .collect();
    quiet().await;
    assert!(matches!(world.lease().await, Err(SessionError::QueueFull)));
    world.portal.release(Op::Initiate);
    for caller in callers {
        assert!(soon(caller).await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_caller_waits_as_long_as_it_may_and_no_longer() {
    let world = World::with(|settings, _| settings.wait_timeout = Duration::from_secs(30));
    world.portal.hold(Op::Initiate);
    let caller = tokio::spawn({
        let session = world.session.clone();
        async move { session.lease().await }
    });
    quiet().await;
    world.pass(29).await;
    assert!(!caller.is_finished());
    world.pass(1).await;
    assert!(matches!(soon(caller).await.unwrap(), Err(SessionError::WaitedTooLong)));
}

#[tokio::test]
async fn a_shutdown_lets_a_refresh_land_and_closes_the_channel() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    world.portal.hold(Op::Refresh);
    let waiting = tokio::spawn({
        let session = world.session.clone();
        async move { session.replace(&lease).await }
    });
    world.called(Op::Refresh, 1).await;
    let closing = tokio::spawn({
        let session = world.session.clone();
        async move { session.close().await }
    });
    quiet().await;
    assert!(!closing.is_finished());
    world.portal.release(Op::Refresh);
    soon(closing).await.unwrap();
    assert!(soon(waiting).await.unwrap().is_ok());
    let saved = world.store.load().await.unwrap().unwrap();
    assert_eq!((saved.generation, saved.unanswered), (Generation(2), 0));
    assert_eq!(world.portal.calls(Op::Close), 1);
    assert!(matches!(world.lease().await, Err(SessionError::Closed)));
    assert!(matches!(soon(world.session.channel()).await, Err(SessionError::Closed)));
    soon(world.session.close()).await;
}

#[tokio::test]
async fn a_shutdown_waits_for_a_silent_portal_no_longer_than_it_may() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    world.portal.hold(Op::Refresh);
    world.portal.hold(Op::Close);
    let (session, waiting) = (world.session.clone(), world.session.clone());
    let waiting = tokio::spawn(async move { waiting.replace(&lease).await });
    world.called(Op::Refresh, 1).await;
    let closing = tokio::spawn(async move { session.close().await });
    quiet().await;
    world.pass(2).await;
    world.called(Op::Close, 1).await;
    assert!(!closing.is_finished());
    world.pass(2).await;
    soon(closing).await.unwrap();
    assert!(matches!(soon(waiting).await.unwrap(), Err(SessionError::Closed)));
    assert_eq!(world.store.load().await.unwrap().unwrap().unanswered, 1, "the next process knows");
}

#[tokio::test]
async fn changes_are_noticed_and_end_with_the_session() {
    let world = World::new();
    let mut changes = world.session.subscribe();
    world.lease().await.unwrap();
    assert!(soon(changes.changed()).await);
    assert!(matches!(world.session.status(), Status::Active(_)));
    soon(world.session.close()).await;
    while soon(changes.changed()).await {}
    assert!(matches!(world.session.status(), Status::Failed(SessionError::Closed)));
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    let shown = format!("{lease:?} {:?} {:?} {:?}", world.session, world.session.status(), world.store);
    for secret in ["configured", "GEZDGNBV", "access-1", "refresh-1", "sess-1"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn a_new_subscription_waits_for_the_next_change() {
    let world = World::new();
    world.lease().await.unwrap();
    quiet().await;
    let mut changes = world.session.subscribe();
    let waiting = tokio::spawn(async move { changes.changed().await });
    quiet().await;
    assert!(!waiting.is_finished(), "what changed before the subscription is not news");
    world.session.sign_out().await.unwrap();
    assert!(soon(waiting).await.unwrap());
}
