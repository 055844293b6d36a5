//! Ruling 11 and PROTOCOL section 4, type 1: keys that travel inside the first sealed request.

use super::*;
use crate::channel::ChannelError;

fn world() -> World {
    World::with(|_, portal| portal.state().first_message = true)
}

/// One who was lent the keys, and has sent a message under them.
async fn carrier(world: &World) -> Passage {
    let passage = soon(world.session.passage()).await.unwrap();
    assert!(passage.is_first() && passage.id_header().is_none());
    passage.seal(b"{}", &mut rand::rng()).unwrap();
    passage
}

fn id(passage: &Passage) -> &str {
    passage.open_channel().expect("an open channel").channel().id()
}

/// Somebody else who asks, and has to wait.
async fn waiter(world: &World) -> tokio::task::JoinHandle<Result<Passage, SessionError>> {
    let session = world.session.clone();
    let waiter = tokio::spawn(async move { session.passage().await });
    quiet().await;
    assert!(!waiter.is_finished(), "one bootstrap in flight, the others wait");
    waiter
}

#[tokio::test]
async fn ruling_11_one_request_carries_the_keys_and_all_others_wait_for_its_answer() {
    let world = world();
    let first = carrier(&world).await;
    let mut waiters = Vec::new();
    for _ in 0..50 {
        waiters.push(waiter(&world).await);
    }
    first.settle(Some("sess-1"));
    for waiter in waiters {
        assert_eq!(id(&soon(waiter).await.unwrap().unwrap()), "sess-1");
    }
    assert_eq!((world.portal.calls(Op::Open), world.session.counters().channels_opened), (1, 1));
    assert_eq!(world.session.current_channel().unwrap().channel().sealed(), 1, "the first message counts");
}

#[tokio::test]
async fn a_first_message_is_sealed_once() {
    let world = world();
    let first = carrier(&world).await;
    assert_eq!(first.seal(b"{}", &mut rand::rng()).unwrap_err(), ChannelError::WornOut);
    first.settle(Some("sess-1"));
    first.settle(Some("sess-2"));
    assert_eq!(first.seal(b"{}", &mut rand::rng()).unwrap_err(), ChannelError::WornOut);
    assert_eq!(id(&soon(world.session.passage()).await.unwrap()), "sess-1");
}

#[tokio::test]
async fn keys_that_never_left_are_lent_to_the_next_who_waits() {
    let world = world();
    let unused = soon(world.session.passage()).await.unwrap();
    let next = waiter(&world).await;
    drop(unused);
    let next = soon(next).await.unwrap().unwrap();
    assert!(next.is_first());
    assert_eq!(world.portal.calls(Op::Open), 1, "the same keys");
    next.seal(b"{}", &mut rand::rng()).unwrap();
    next.settle(Some("sess-1"));
    assert_eq!(id(&soon(world.session.passage()).await.unwrap()), "sess-1");
}

#[tokio::test]
async fn ruling_1_a_lost_first_message_leaves_new_keys_to_the_next() {
    for unnamed in [false, true] {
        let world = world();
        let lost = carrier(&world).await;
        let next = waiter(&world).await;
        if unnamed {
            lost.settle(None);
        }
        drop(lost);
        let next = soon(next).await.unwrap().unwrap();
        assert!(next.is_first());
        assert_eq!(world.portal.calls(Op::Open), 2, "keys that may be known to somebody are not used again");
        assert!(world.session.current_channel().is_none());
        assert_eq!(world.session.counters().channels_opened, 0);
    }
}

#[tokio::test]
async fn who_goes_away_before_the_keys_are_made_costs_nobody_anything() {
    let world = world();
    world.portal.hold(Op::Open);
    let gone = waiter(&world).await;
    world.called(Op::Open, 1).await;
    let stays = waiter(&world).await;
    gone.abort();
    quiet().await;
    world.portal.release(Op::Open);
    assert!(soon(stays).await.unwrap().unwrap().is_first());
    assert_eq!(world.portal.calls(Op::Open), 1);
}

#[tokio::test]
async fn a_stale_channel_is_replaced_by_a_new_first_message_and_a_late_complaint_makes_none() {
    let world = world();
    carrier(&world).await.settle(Some("sess-1"));
    let (stale, late) = (world.session.passage().await.unwrap(), world.session.passage().await.unwrap());
    let another = soon(world.session.another_passage(stale)).await.unwrap();
    assert!(another.is_first());
    assert!(world.session.current_channel().is_none(), "nobody else is given the stale one");
    another.seal(b"{}", &mut rand::rng()).unwrap();
    another.settle(Some("sess-2"));
    quiet().await;
    assert_eq!(id(&soon(world.session.another_passage(late)).await.unwrap()), "sess-2");
    assert_eq!(world.portal.calls(Op::Open), 2);
}

#[tokio::test]
async fn who_gives_up_a_first_message_for_another_does_not_wait_for_itself() {
    let world = world();
    let lost = carrier(&world).await;
    let another = soon(world.session.another_passage(lost)).await.unwrap();
    assert!(another.is_first());
    assert_eq!(world.portal.calls(Op::Open), 2);
}

#[tokio::test]
async fn a_worn_channel_serves_until_somebody_carries_new_keys() {
    let world = World::with(|_, portal| {
        portal.state().first_message = true;
        portal.state().renew_channel_after = 2;
    });
    carrier(&world).await.settle(Some("sess-1"));
    let passage = soon(world.session.passage()).await.unwrap();
    passage.seal(b"{}", &mut rand::rng()).unwrap();
    assert_eq!(id(&soon(world.session.passage()).await.unwrap()), "sess-1", "worn, and still good");
    world.called(Op::Open, 2).await;
    quiet().await;
    assert!(soon(world.session.passage()).await.unwrap().is_first());
}

#[tokio::test]
async fn a_name_that_no_header_can_hold_makes_no_channel() {
    let world = world();
    carrier(&world).await.settle(Some("sess 1\n"));
    quiet().await;
    assert!(world.session.current_channel().is_none());
    assert!(soon(world.session.passage()).await.unwrap().is_first());
}

#[tokio::test]
async fn a_login_opens_its_own_channel_and_all_its_calls_use_it() {
    let world = world();
    world.lease().await.unwrap();
    assert_eq!((world.portal.calls(Op::Open), world.session.counters().channels_opened), (1, 1));
    world.session.sign_out().await.unwrap();
    assert_eq!(world.portal.calls(Op::Close), 1);
}

#[tokio::test]
async fn ruling_2_a_login_whose_first_message_is_refused_begins_again_once() {
    let world = world();
    world.portal.next(Op::Initiate, PortalErrorKind::ChannelStale);
    world.lease().await.unwrap();
    assert_eq!((world.portal.calls(Op::Initiate), world.portal.calls(Op::Open)), (2, 2));
}

#[tokio::test]
async fn a_failure_to_make_keys_is_shared_and_backed_off() {
    let world = world();
    world.portal.next(Op::Open, not_sent());
    assert!(matches!(soon(world.session.passage()).await, Err(SessionError::Portal { .. })));
    assert!(soon(world.session.passage()).await.is_err());
    assert_eq!(world.portal.calls(Op::Open), 1);
}
