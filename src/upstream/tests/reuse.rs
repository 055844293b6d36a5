//! Which connection a request takes, and what happens when a kept one is dead.

use super::*;

/// Answers the first request of the first connection, then breaks it on the second request.
async fn breaks_on_second() -> Fake {
    Fake::start(|mut peer, n| async move {
        let mut served = 0;
        while peer.head().await.is_some() {
            served += 1;
            if n == 0 && served == 2 {
                return;
            }
            peer.say(OK).await;
        }
    })
    .await
}

#[tokio::test]
async fn the_second_request_uses_the_first_ones_connection() {
    let fake = Fake::answering(OK).await;
    let upstream = fake.upstream();
    for _ in 0..5 {
        assert_eq!(body_of(upstream.send(post()).await).await, "ok");
        assert_eq!(upstream.idle(), 1);
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn another_worker_has_connections_of_its_own() {
    let fake = Fake::answering(OK).await;
    let one = fake.upstream();
    let other = one.for_another_worker();
    body_of(one.send(get()).await).await;
    body_of(other.send(get()).await).await;
    assert_eq!((fake.connections(), one.idle(), other.idle()), (2, 1, 1));
}

#[tokio::test]
async fn an_idle_get_on_a_dead_connection_is_sent_once_more_on_a_new_one() {
    let fake = breaks_on_second().await;
    let upstream = fake.upstream();
    body_of(upstream.send(get()).await).await;
    assert_eq!(body_of(within(upstream.send(get())).await).await, "ok");
    assert_eq!((fake.connections(), fake.requests()), (2, 3));
}

#[tokio::test]
async fn a_kept_put_is_sent_once_more_under_the_same_id() {
    let fake = breaks_on_second().await;
    let upstream = fake.upstream();
    let kept = request("PUT", OutBody::Full(Bytes::from_static(b"x")));
    body_of(upstream.send_kept(&kept).await).await;
    assert_eq!(body_of(within(upstream.send_kept(&kept)).await).await, "ok");
    assert_eq!(fake.requests(), 3);
}

#[tokio::test]
async fn a_post_that_reached_a_dying_connection_is_never_sent_twice() {
    let fake = breaks_on_second().await;
    let upstream = fake.upstream();
    body_of(upstream.send(get()).await).await;
    let error = within(upstream.send(post())).await.unwrap_err();
    assert!(error.may_have_acted(), "{error}");
    assert_eq!((fake.connections(), fake.requests()), (1, 2));
}

/// What becomes of the first answer of a portal that gives a whole one to the second request.
async fn loses_the_first(how: &'static str) -> Fake {
    Fake::start(move |mut peer, n| async move {
        while peer.head().await.is_some() {
            if n > 0 {
                peer.say(OK).await;
                continue;
            }
            peer.say(how).await;
            if how.ends_with("stalls") {
                peer.gone().await;
            }
            return;
        }
    })
    .await
}

const LOST: [&str; 5] = [
    "",
    "HTTP/1.1 200 OK\r\ncontent-le",
    "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nstalls",
    "HTTP/1.1 200 OK\r\ncontent-type: application/json;charset=UTF-8\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
];

#[tokio::test]
async fn a_get_whose_answer_is_lost_at_any_step_is_sent_once_more_and_a_post_is_not() {
    for how in LOST {
        let fake = loses_the_first(how).await;
        let upstream = fake.upstream_with(|s| s.body_idle_timeout = Duration::from_millis(100));
        assert_eq!(body_of(within(upstream.send(get())).await).await, "ok", "{how:?}");
        assert_eq!((fake.connections(), fake.requests()), (2, 2), "{how:?}");

        let fake = loses_the_first(how).await;
        let upstream = fake.upstream_with(|s| s.body_idle_timeout = Duration::from_millis(100));
        let lost = match within(upstream.send(post())).await {
            Ok(reply) => reply.into_body().collect(1024).await.unwrap_err(),
            Err(lost) => lost,
        };
        assert!(lost.may_have_acted(), "{how:?}: {lost}");
        assert_eq!(fake.requests(), 1, "{how:?}");
    }
}

#[tokio::test]
async fn a_get_that_is_not_answered_in_time_is_sent_once_more_and_then_given_up() {
    let fake = Fake::start(|mut peer, _| async move {
        peer.head().await;
        peer.gone().await;
    })
    .await;
    let upstream = fake.upstream_with(|s| s.head_timeout = Duration::from_millis(60));
    let error = within(upstream.send(get())).await.unwrap_err();
    assert!(matches!(error, UpstreamError::HeadTimeout(_)), "{error}");
    assert_eq!(fake.requests(), 2);
    let error = within(upstream.send(post())).await.unwrap_err();
    assert!(matches!(error, UpstreamError::HeadTimeout(_)), "{error}");
    assert_eq!(fake.requests(), 3);
}

#[tokio::test]
async fn an_answer_longer_than_the_limit_streams_and_is_not_asked_for_again() {
    for (limit, whole) in [(100, true), (99, false)] {
        let fake = loses_the_first("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
        let upstream = fake.upstream_with(|s| s.whole_answer = limit);
        let reply = within(upstream.send(get())).await.unwrap();
        assert_eq!(reply.into_body().collect(1024).await.is_ok(), whole, "{limit}");
        assert_eq!(fake.requests(), if whole { 2 } else { 1 }, "{limit}");
    }
}

#[tokio::test]
async fn where_nothing_may_be_repeated_a_lost_answer_is_an_error_at_once() {
    let fake = loses_the_first("").await;
    let upstream = fake.upstream_with(|s| s.repeat_percent = 0);
    let error = within(upstream.send(get())).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Broken { may_have_acted: true, .. }), "{error}");
    assert_eq!(fake.requests(), 1);
}

#[tokio::test]
async fn a_post_takes_a_connection_used_just_now_and_no_older_one() {
    let fake = Fake::answering(OK).await;
    let upstream = fake.upstream_with(|s| s.fresh_reuse = Duration::from_millis(40));
    body_of(upstream.send(post()).await).await;
    body_of(upstream.send(post()).await).await;
    assert_eq!(fake.connections(), 1);
    tokio::time::sleep(Duration::from_millis(60)).await;
    body_of(upstream.send(post()).await).await;
    assert_eq!(fake.connections(), 2);
    tokio::time::sleep(Duration::from_millis(60)).await;
    body_of(upstream.send(get()).await).await; // what may be repeated takes any
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_the_portal_closed_is_not_used() {
    let fake = Fake::start(|mut peer, _| async move {
        peer.head().await;
        peer.say(OK).await;
    })
    .await;
    let upstream = fake.upstream();
    for n in 1..=3 {
        assert_eq!(body_of(upstream.send(post()).await).await, "ok");
        assert_eq!(fake.connections(), n);
        tokio::time::sleep(Duration::from_millis(20)).await; // the FIN arrives
    }
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_may_be() {
    let fake = Fake::answering(OK).await;
    for (concurrent, kept) in [(2, 2), (3, 2)] {
        let upstream = fake.upstream_with(|s| s.max_idle = 2);
        let replies = futures_util::future::join_all((0..concurrent).map(|_| upstream.send(get()))).await;
        for reply in replies {
            body_of(reply).await;
        }
        assert_eq!(upstream.idle(), kept);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_its_time_has_come() {
    let (gone, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let fake = Fake::start(move |mut peer, _| {
        let gone = gone.clone();
        async move {
            peer.head().await;
            peer.say(OK).await;
            peer.gone().await;
            gone.send(()).unwrap();
        }
    })
    .await;
    let upstream = fake.upstream_with(|s| s.idle_timeout = Duration::from_millis(80));
    body_of(upstream.send(get()).await).await;
    assert_eq!(upstream.idle(), 1);
    within(seen.recv()).await.unwrap();
    assert_eq!(upstream.idle(), 0);
}

#[tokio::test]
async fn forgetting_closes_what_is_idle() {
    let fake = Fake::answering(OK).await;
    let upstream = fake.upstream();
    body_of(upstream.send(get()).await).await;
    upstream.forget_idle();
    assert_eq!(upstream.idle(), 0);
    body_of(upstream.send(get()).await).await;
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn an_answer_that_stalls_is_given_up_in_time_however_often_it_is_looked_at() {
    let fake = loses_the_first("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nstalls").await;
    let upstream = fake.upstream_with(|s| s.body_idle_timeout = Duration::from_millis(100));
    let reply = within(upstream.send(post())).await.unwrap();
    let mut collecting = std::pin::pin!(reply.into_body().collect(1024));
    let mut others = tokio::time::interval(Duration::from_millis(5));
    let lost = within(async {
        loop {
            tokio::select! {
                biased;
                collected = &mut collecting => return collected.unwrap_err(),
                _ = others.tick() => {}
            }
        }
    })
    .await;
    assert!(matches!(lost, UpstreamError::BodyStalled(_)), "{lost}");
}

#[tokio::test]
async fn what_was_open_before_the_machine_slept_is_not_used_after_it() {
    let fake = Fake::answering(OK).await;
    let upstream = fake.upstream();
    for (slept, connections) in [(0, 1), (1, 1), (30, 2), (0, 2)] {
        upstream.pretend_sleep(Duration::from_secs(slept));
        body_of(upstream.send(get()).await).await;
        assert_eq!((fake.connections(), upstream.idle()), (connections, 1), "{slept} s");
    }
}

#[tokio::test]
async fn where_there_is_no_room_an_answer_streams_and_is_not_asked_for_again() {
    for (room, whole) in [(100, true), (99, false)] {
        let fake = loses_the_first("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
        let upstream = fake.upstream_with(|s| s.held = crate::held::HeldBytes::new(room));
        let reply = within(upstream.send(get())).await.unwrap();
        assert_eq!(reply.into_body().collect(1024).await.is_ok(), whole, "{room}");
        assert_eq!(fake.requests(), if whole { 2 } else { 1 }, "{room}");
    }
}

#[tokio::test]
async fn what_goes_out_only_once_is_not_sent_again_whatever_is_lost() {
    for how in LOST {
        let fake = loses_the_first(how).await;
        let upstream = fake.upstream_with(|s| s.body_idle_timeout = Duration::from_millis(100));
        let mut once = get();
        once.only_once();
        let lost = match within(upstream.send(once)).await {
            Ok(reply) => reply.into_body().collect(1024).await.unwrap_err(),
            Err(lost) => lost,
        };
        assert!(lost.may_have_acted(), "{how:?}: {lost}");
        assert_eq!(fake.requests(), 1, "{how:?}");
    }
}

#[tokio::test]
async fn an_unread_answer_is_cancelled_and_its_connection_closed() {
    let (gone, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let fake = Fake::start(move |mut peer, _| {
        let gone = gone.clone();
        async move {
            peer.head().await;
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nbegin").await;
            peer.gone().await;
            gone.send(()).unwrap();
        }
    })
    .await;
    let upstream = fake.upstream();
    let reply = upstream.send(get()).await.unwrap();
    drop(reply);
    within(seen.recv()).await.unwrap();
    assert_eq!(upstream.idle(), 0);

    // The same while the head is awaited.
    let silent = Fake::start(|mut peer, _| async move {
        peer.head().await;
        peer.gone().await;
    })
    .await;
    let upstream = silent.upstream();
    let waiting = tokio::time::timeout(Duration::from_millis(50), upstream.send(get())).await;
    assert!(waiting.is_err());
    assert_eq!((silent.requests(), upstream.idle()), (1, 0));
}

#[tokio::test]
async fn a_portal_that_closes_just_as_a_request_leaves_costs_no_get_and_doubles_no_post() {
    let fake = Fake::start(|mut peer, _| async move {
        loop {
            let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(3), peer.head()).await else {
                return;
            };
            peer.say(OK).await;
        }
    })
    .await;
    let upstream = fake.upstream();
    let mut failed_posts = 0;
    for n in 0..150 {
        // Around the very moment of the close.
        tokio::time::sleep(Duration::from_micros(2500 + n * 10)).await;
        assert_eq!(body_of(within(upstream.send(get())).await).await, "ok", "request {n}");
        tokio::time::sleep(Duration::from_micros(2500 + n * 10)).await;
        let before = fake.requests();
        match within(upstream.send(post())).await {
            Ok(reply) => assert_eq!(reply.into_body().collect(9).await.unwrap(), "ok"),
            Err(e) => {
                assert!(matches!(e, UpstreamError::Broken { .. }), "{e:?}");
                failed_posts += 1;
            }
        }
        assert!(fake.requests() <= before + 1, "post {n} arrived twice");
    }
    assert!(failed_posts < 150, "most of them must find a connection in time or make one");
}

#[tokio::test]
async fn what_has_no_length_is_passed_on_at_once_unless_it_is_json() {
    const LINES: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json-seq\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n";
    let fake = Fake::start(|mut peer, _| async move {
        peer.head().await;
        peer.say(LINES).await;
        peer.gone().await;
    })
    .await;
    let upstream = fake.upstream();
    let reply = within(upstream.send(get())).await.unwrap();
    assert_eq!(reply.status(), 200, "its end is still to come");
}

#[tokio::test]
async fn json_of_unknown_length_that_is_too_long_to_be_had_whole_streams_on_without_a_gap() {
    const LONG: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n6\r\n[1,2,3\r\n6\r\n,4,5,6\r\n1\r\n]\r\n0\r\n\r\n";
    for limit in [0, 5, 6, 12, 13] {
        let fake = Fake::answering(LONG).await;
        let upstream = fake.upstream_with(|s| s.whole_answer = limit);
        assert_eq!(body_of(within(upstream.send(get())).await).await, "[1,2,3,4,5,6]", "{limit}");
        assert_eq!(upstream.idle(), 1, "{limit}");
    }
}
