//! The channel's keeper.

use super::*;
use crate::channel::ChannelError;

#[tokio::test]
async fn a_hundred_callers_open_one_channel_lazily() {
    let world = World::new();
    quiet().await;
    assert_eq!(world.portal.calls(Op::Open), 0);
    assert!(world.session.current_channel().is_none());
    world.portal.hold(Op::Open);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let session = world.session.clone();
            tokio::spawn(async move { session.channel().await })
        })
        .collect();
    world.called(Op::Open, 1).await;
    world.portal.release(Op::Open);
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap().unwrap().channel().id(), "sess-1");
    }
    assert_eq!(world.portal.calls(Op::Open), 1);
    assert_eq!(world.session.counters().channels_opened, 1);
}

#[tokio::test]
async fn fifty_holders_of_one_stale_channel_open_one_and_a_late_complaint_opens_none() {
    let world = World::new();
    let stale = soon(world.session.channel()).await.unwrap();
    world.portal.hold(Op::Open);
    let holders: Vec<_> = (0..50)
        .map(|_| {
            let (session, stale) = (world.session.clone(), Arc::clone(&stale));
            tokio::spawn(async move { session.replace_channel(&stale).await })
        })
        .collect();
    world.called(Op::Open, 2).await;
    assert!(world.session.current_channel().is_none(), "nobody else is given the stale one");
    world.portal.release(Op::Open);
    for holder in holders {
        assert_eq!(soon(holder).await.unwrap().unwrap().channel().id(), "sess-2");
    }
    assert_eq!(soon(world.session.replace_channel(&stale)).await.unwrap().channel().id(), "sess-2");
    assert_eq!(world.portal.calls(Op::Open), 2);
}

#[tokio::test]
async fn a_channel_is_used_until_its_end_less_its_margin() {
    for (life, named, last_second) in [
        (Some(Duration::from_secs(3600)), true, 3539),
        (Some(Duration::from_secs(100)), true, 89),
        (None, false, 86_400 - 61),
    ] {
        let world = World::with(|_, portal| portal.state().channel_life = life);
        let channel = soon(world.session.channel()).await.unwrap();
        if named {
            assert_eq!(channel.expires_at(), SystemTime::UNIX_EPOCH + START + life.unwrap());
        }
        assert_eq!(channel.opened_at(), SystemTime::UNIX_EPOCH + START);
        world.pass(last_second).await;
        assert!(world.session.current_channel().is_some(), "{life:?}");
        world.pass(1).await;
        assert!(world.session.current_channel().is_none(), "{life:?}");
        quiet().await;
        assert_eq!(world.portal.calls(Op::Open), 1, "lazy: nobody asked");
    }
}

#[tokio::test]
async fn a_portal_whose_clock_is_ahead_does_not_lengthen_a_channels_life() {
    let world = World::with(|_, portal| {
        portal.state().channel_life = Some(Duration::from_secs(1000 + 600));
        portal.state().skew = Some(600);
    });
    let channel = soon(world.session.channel()).await.unwrap();
    assert_eq!(channel.expires_at(), SystemTime::UNIX_EPOCH + START + Duration::from_secs(1000));
}

#[tokio::test]
async fn a_worn_channel_serves_on_while_another_is_opened() {
    let world = World::with(|_, portal| portal.state().renew_channel_after = 2);
    let old = soon(world.session.channel()).await.unwrap();
    world.portal.hold(Op::Open);
    old.channel().seal(b"{}", &mut rand::rng()).unwrap();
    soon(world.session.channel()).await.unwrap();
    quiet().await;
    assert_eq!(world.portal.calls(Op::Open), 1, "one message short of the limit");
    old.channel().seal(b"{}", &mut rand::rng()).unwrap();
    for _ in 0..5 {
        assert_eq!(soon(world.session.channel()).await.unwrap().generation(), old.generation());
    }
    world.called(Op::Open, 2).await;
    world.portal.release(Op::Open);
    quiet().await;
    assert!(world.session.current_channel().unwrap().generation() > old.generation());
    assert_eq!(world.portal.calls(Op::Open), 2);
}

#[tokio::test]
async fn a_failure_to_open_is_shared_and_backed_off_shortly() {
    let world = World::new();
    world.portal.next(Op::Open, PortalErrorKind::Trouble);
    for _ in 0..5 {
        let error = soon(world.session.channel()).await.unwrap_err();
        assert!(
            matches!(error, SessionError::Portal { retry_after, .. } if retry_after <= Duration::from_millis(500))
        );
    }
    assert_eq!(world.portal.calls(Op::Open), 1);
    world.pass(1).await;
    assert!(soon(world.session.channel()).await.is_ok());
    assert_eq!(world.session.counters().channels_failed, 1);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_once_more() {
    let world = World::new();
    world.portal.next(Op::Open, unknown());
    assert!(soon(world.session.channel()).await.is_ok());
    assert_eq!(world.portal.calls(Op::Open), 2);
}

#[tokio::test]
async fn a_rate_limit_on_channels_is_obeyed() {
    let world = World::new();
    let retry_after = Some(Duration::from_secs(120));
    world.portal.next(Op::Open, PortalErrorKind::RateLimited { retry_after });
    let error = soon(world.session.channel()).await.unwrap_err();
    assert!(
        matches!(error, SessionError::RateLimited { retry_after } if retry_after == Duration::from_secs(120))
    );
    world.pass(119).await;
    assert!(matches!(soon(world.session.channel()).await, Err(SessionError::RateLimited { .. })));
    world.pass(1).await;
    assert!(soon(world.session.channel()).await.is_ok());
}

#[tokio::test]
async fn an_unusable_key_is_a_hard_failure_that_says_so() {
    let world = World::new();
    world.portal.next(Op::Open, PortalErrorKind::Channel(ChannelError::WeakKey("1024 bits".into())));
    let error = soon(world.session.channel()).await.unwrap_err();
    assert!(matches!(error, SessionError::Channel(ChannelError::WeakKey(_))));
    // The login says the same, and no password leaves.
    let error = world.lease().await.unwrap_err();
    assert!(matches!(error, SessionError::Channel(ChannelError::WeakKey(_))));
    assert_eq!(world.portal.calls(Op::Initiate), 0);
}

#[tokio::test]
async fn a_dialect_without_a_channel_signs_in_and_explains_itself_to_who_asks_for_one() {
    let world = World::with(|_, portal| portal.state().seals = false);
    let lease = world.lease().await.unwrap();
    soon(world.session.replace(&lease)).await.unwrap();
    assert!(matches!(soon(world.session.channel()).await, Err(SessionError::NoChannel)));
    assert_eq!(world.portal.calls(Op::Open), 0);
}

#[tokio::test]
async fn complaints_are_followed_as_often_as_they_may_and_one_more_is_not() {
    let world = World::with(|settings, _| settings.complaints_burst = 3);
    let mut channel = soon(world.session.channel()).await.unwrap();
    for _ in 0..3 {
        channel = soon(world.session.replace_channel(&channel)).await.unwrap();
    }
    let error = soon(world.session.replace_channel(&channel)).await.unwrap_err();
    assert!(
        matches!(error, SessionError::RateLimited { retry_after } if retry_after <= Duration::from_secs(1))
    );
    assert!(world.session.current_channel().is_some());
    world.pass(1).await;
    assert!(soon(world.session.replace_channel(&channel)).await.is_ok());
}

#[tokio::test]
async fn a_sign_out_closes_the_channel_and_the_next_call_opens_another() {
    let world = World::new();
    world.lease().await.unwrap();
    soon(world.session.sign_out()).await.unwrap();
    assert_eq!((world.portal.calls(Op::Close), world.portal.calls(Op::Logout)), (1, 1));
    assert!(world.session.current_channel().is_none());
    assert!(soon(world.session.channel()).await.is_ok(), "a client may sign in by itself");
}
