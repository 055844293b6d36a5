//! What the portal, or whoever answers for it, may say.

use super::*;

/// The body, or the error of whichever step fails.
async fn told(answer: &'static str, method: &str) -> Result<Bytes, UpstreamError> {
    let fake = Fake::start(move |mut peer, _| async move {
        peer.head().await;
        peer.say(answer).await;
        // Some answers end with the connection, and none gets another request.
    })
    .await;
    within(async {
        fake.upstream().send(request(method, OutBody::Empty)).await?.into_body().collect(64).await
    })
    .await
}

#[tokio::test]
async fn answers_that_no_proxy_may_pass_on_are_refused() {
    for bad in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: ,chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 099 What\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "hello, this is no HTTP at all\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: empty name\r\n\r\n",
    ] {
        let error = told(bad, "GET").await.expect_err(bad);
        let expected = matches!(error, UpstreamError::Invalid(_) | UpstreamError::BodyBroken(_));
        assert!(expected && error.may_have_acted(), "{bad}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_whole() {
    for bad in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
    ] {
        assert!(matches!(told(bad, "GET").await, Err(UpstreamError::BodyBroken(_))), "{bad}");
    }
    for bad in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        assert!(matches!(told(bad, "GET").await, Err(UpstreamError::Broken { .. })), "{bad}");
    }
}

#[tokio::test]
async fn answers_of_every_legal_framing_pass() {
    for (answer, method, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "GET", "ok"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nt: 1\r\n\r\n",
            "GET",
            "ok",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", "GET", "until the end"),
        ("HTTP/1.0 200 OK\r\n\r\nold", "GET", "old"),
        (
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "GET",
            "ok",
        ),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "POST", "ok"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", "HEAD", ""),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9999\r\n\r\n", "GET", ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", "GET", ""),
    ] {
        assert_eq!(told(answer, method).await.expect(answer), body, "{answer}");
    }
}

#[tokio::test]
async fn what_follows_an_answer_never_reaches_the_next_request() {
    for junk in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 304 Not Modified\r\n\r\nevil",
    ] {
        let fake = Fake::start(move |mut peer, n| async move {
            while peer.head().await.is_some() {
                peer.say(if n == 0 { junk } else { OK }).await;
            }
        })
        .await;
        let upstream = fake.upstream();
        body_of(upstream.send(get()).await).await;
        assert_eq!(body_of(within(upstream.send(get())).await).await, "ok", "{junk}");
        assert_eq!(fake.connections(), 2, "{junk}");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_that_announces_one_is_the_last_on_its_connection() {
    // The announced bytes come later, as if they were the next answer.
    let fake = Fake::start(|mut peer, n| async move {
        peer.head().await;
        peer.say(if n == 0 { "HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\n" } else { OK }).await;
        peer.gone().await;
    })
    .await;
    let upstream = fake.upstream();
    body_of(upstream.send(get()).await).await;
    assert_eq!(upstream.idle(), 0);
}

#[tokio::test]
async fn a_head_larger_than_may_be_is_refused() {
    for (padding, fits) in [(60 * 1024, true), (70 * 1024, false)] {
        let fake = Fake::start(move |mut peer, _| async move {
            peer.head().await;
            let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(padding));
            peer.say(&head).await;
            peer.gone().await;
        })
        .await;
        let reply = within(fake.upstream().send(get())).await;
        assert_eq!(reply.is_ok(), fits, "{padding}: {reply:?}");
    }
}

#[tokio::test]
async fn a_body_is_collected_up_to_its_limit() {
    let fake = Fake::start(|mut peer, n| async move {
        while peer.head().await.is_some() {
            peer.say(if n == 0 {
                "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour"
            } else {
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nfo\r\n2\r\nur\r\n0\r\n\r\n"
            })
            .await;
        }
    })
    .await;
    for _ in 0..2 {
        let upstream = fake.upstream();
        assert_eq!(upstream.send(get()).await.unwrap().into_body().collect(4).await.unwrap(), "four");
        let error = upstream.send(get()).await.unwrap().into_body().collect(3).await.unwrap_err();
        assert!(matches!(error, UpstreamError::TooLarge(3)), "{error}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_times_out() {
    let fake = Fake::start(|mut peer, _| async move {
        peer.head().await;
        peer.gone().await;
    })
    .await;
    let limit = Duration::from_millis(60);
    let upstream = fake.upstream_with(|s| s.head_timeout = limit);
    let begun = std::time::Instant::now();
    let error = within(upstream.send(post())).await.unwrap_err();
    assert!(matches!(error, UpstreamError::HeadTimeout(l) if l == limit), "{error:?}");
    assert!(begun.elapsed() >= limit && error.may_have_acted());
    assert_eq!(fake.requests(), 1);
}

#[tokio::test]
async fn a_body_that_stands_still_times_out_and_an_event_stream_does_not() {
    let fake = Fake::start(|mut peer, n| async move {
        peer.head().await;
        let kind = if n == 0 { "text/plain" } else { "text/event-stream" };
        peer.say(&format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\nbegin")).await;
        if n == 1 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            peer.say("end").await;
            return;
        }
        peer.gone().await;
    })
    .await;
    let limit = Duration::from_millis(60);
    let upstream = fake.upstream_with(|s| s.body_idle_timeout = limit);
    let error = within(upstream.send(get()).await.unwrap().into_body().collect(99)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::BodyStalled(l) if l == limit), "{error:?}");
    assert_eq!(body_of(upstream.send(get()).await).await, "beginend");
}

#[tokio::test]
async fn a_slow_reader_is_not_taken_for_a_stalled_portal() {
    let fake = Fake::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole").await;
    let upstream = fake.upstream_with(|s| s.body_idle_timeout = Duration::from_millis(40));
    let reply = upstream.send(get()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(reply.into_body().collect(99).await.unwrap(), "whole");
}

#[tokio::test]
async fn nobody_at_the_address_is_told_from_no_such_name() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let upstream = Upstream::new(&settings(&format!("http://127.0.0.1:{port}"))).unwrap();
    let error = upstream.send(post()).await.unwrap_err();
    assert!(
        matches!(&error, UpstreamError::Connect { source, .. }
        if source.kind() == std::io::ErrorKind::ConnectionRefused),
        "{error:?}"
    );
    assert!(!error.may_have_acted());

    let upstream = Upstream::new(&settings("http://no-such-name.invalid")).unwrap();
    let error = within(upstream.send(post())).await.unwrap_err();
    assert!(matches!(&error, UpstreamError::Dns { host, .. } if host == "no-such-name.invalid"), "{error:?}");
}
