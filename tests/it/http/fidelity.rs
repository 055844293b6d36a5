//! What passes as it came, in both directions.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{status, values};
use crate::plain_world::{PATIENCE, Plain, Stage, read_until};

#[tokio::test]
async fn trailers_of_a_request_never_go_upstream() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).with("limits", "replay_body = 0").start().await;
    let mut raw = proxy.connect().await;
    raw.head("POST /a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Client-Hash\r\nConnection: close").await;
    raw.send(b"5\r\nhello\r\n0\r\nX-Client-Hash: evil\r\nX-Other: 1\r\n\r\n").await;
    let mut upstream = stage.next().await;
    let seen = read_until(&mut upstream, "0\r\n\r\n").await;
    assert!(seen.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{seen}");
    assert!(values(&seen, "trailer").is_empty() && !seen.contains("evil"), "{seen}");
    upstream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(status(&raw.rest().await), 204);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn trailers_of_an_answer_pass_cleaned_to_who_asked_and_to_nobody_else() {
    let (address, _heads) = Stage::open().await.always(
        "HTTP/1.1 200 OK\r\nTrailer: Grpc-Status, X-Client-Hash, Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nok\r\n0\r\nGrpc-Status: 7\r\nX-Client-Hash: leak\r\nSet-Cookie: a=b\r\n\r\n",
    );
    let proxy = Plain::before(address).start().await;
    let asked = proxy.ask("GET /a\r\nTE: trailers", "").await;
    assert!(
        asked.contains("0\r\ngrpc-status: 7\r\n\r\n") || asked.contains("0\r\nGrpc-Status: 7\r\n\r\n"),
        "{asked}"
    );
    assert!(!asked.contains("leak") && !asked.contains("a=b"), "{asked}");
    let plain = proxy.ask("GET /a", "").await;
    assert!(plain.ends_with("2\r\nok\r\n0\r\n\r\n"), "{plain}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_refused_request_is_answered_without_a_100() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    raw.head("POST /a/../b\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close").await;
    assert_eq!(status(&raw.until("\r\n\r\n").await), 400);
    assert!(stage.is_untouched());
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn ranges_validators_and_compression_pass_untouched_on_a_plain_route() {
    let (address, mut heads) = Stage::open().await.always(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/5\r\nContent-Encoding: gzip\r\nETag: \"v1\"\r\n\
         Accept-Ranges: bytes\r\nContent-Length: 2\r\n\r\n\x1f\x08",
    );
    let proxy = Plain::before(address).start().await;
    let sent = "GET /a%20b;v=1?x=%2F&y\r\nRange: bytes=0-1\r\nIf-Range: \"v1\"\r\nIf-None-Match: \"v0\"\r\n\
                Accept-Encoding: br, gzip\r\nX-Twice: 1\r\nX-Twice: 2";
    let answer = proxy.ask(sent, "").await;
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("GET /a%20b;v=1?x=%2F&y HTTP/1.1\r\n"), "{head}");
    for (name, expected) in [
        ("range", "bytes=0-1"),
        ("if-range", "\"v1\""),
        ("if-none-match", "\"v0\""),
        ("accept-encoding", "br, gzip"),
    ] {
        assert_eq!(values(&head, name), [expected], "{head}");
    }
    assert_eq!(values(&head, "x-twice"), ["1", "2"]);
    assert_eq!(status(&answer), 206, "{answer}");
    for (name, expected) in [
        ("content-range", "bytes 0-1/5"),
        ("content-encoding", "gzip"),
        ("etag", "\"v1\""),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(values(&answer, name), [expected], "{answer}");
    }
    assert!(answer.ends_with("\r\n\r\n\x1f\x08"), "{answer:?}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn answers_without_a_body_have_none_and_leave_the_connection_usable() {
    for (method, answer, expected) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", Some("5000")),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", None),
    ] {
        let (address, _heads) = Stage::open().await.always(answer);
        let proxy = Plain::before(address).start().await;
        let mut raw = proxy.connect().await;
        for _ in 0..2 {
            raw.head(&format!("{method} /a")).await;
            let seen = raw.until("\r\n\r\n").await;
            assert!(seen.ends_with("\r\n\r\n"), "a body: {seen}");
            assert_eq!(values(&seen, "content-length"), expected.into_iter().collect::<Vec<_>>(), "{seen}");
        }
        drop(raw);
        assert!(proxy.stop().await);
    }
}

#[tokio::test]
async fn every_event_passes_the_moment_it_comes() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    raw.head("GET /events").await;
    let mut upstream = stage.next().await;
    read_until(&mut upstream, "\r\n\r\n").await;
    upstream
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await
        .unwrap();
    raw.until("\r\n\r\n").await;
    for number in 0..5 {
        // The next one is not sent before this one has arrived.
        upstream.write_all(format!("9\r\ndata: {number}\n\n\r\n").as_bytes()).await.unwrap();
        raw.until(&format!("data: {number}\n\n")).await;
    }
    drop(raw);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_request_upstream() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun"] {
        let mut raw = proxy.connect().await;
        raw.head("GET /slow").await;
        let mut upstream = stage.next().await;
        read_until(&mut upstream, "\r\n\r\n").await;
        if !answer.is_empty() {
            upstream.write_all(answer.as_bytes()).await.unwrap();
            raw.until("begun").await;
        }
        drop(raw);
        let ended = tokio::time::timeout(PATIENCE, upstream.read(&mut [0; 1])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?} after {answer:?}");
    }
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_slow_reader_slows_the_portal_down_and_not_the_memory_up() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    raw.head("GET /large").await;
    let mut upstream = stage.next().await;
    read_until(&mut upstream, "\r\n\r\n").await;
    let length = 512 << 20;
    upstream
        .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    // The client reads nothing: what the portal can send is what sockets and buffers hold, no more.
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(300), upstream.write(&piece)).await {
        sent += written.unwrap();
        assert!(sent < length / 4, "the proxy takes all of it");
    }
    drop(raw);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_slow_portal_slows_an_upload_down() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    let length = 512 << 20;
    raw.head(&format!("POST /upload\r\nContent-Length: {length}")).await;
    let mut upstream = stage.next().await;
    read_until(&mut upstream, "\r\n\r\n").await;
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(300), raw.stream.write(&piece)).await {
        sent += written.unwrap();
        assert!(sent < length / 4, "the proxy takes all of it");
    }
    drop((raw, upstream));
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn an_answer_before_the_upload_has_ended_reaches_the_client() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    raw.head("POST /upload\r\nContent-Length: 1000000").await;
    raw.send(b"the beginning").await;
    let mut upstream = stage.next().await;
    read_until(&mut upstream, "the beginning").await;
    upstream
        .write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        .await
        .unwrap();
    let answer = raw.until("big").await;
    assert_eq!(status(&answer), 413, "{answer}");
    drop((raw, upstream));
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn links_to_the_portal_become_local_and_others_stay_as_they_are() {
    for (location, expected) in [
        ("http://PORTAL/next?a=b#c", "http://LOCAL/next?a=b#c"),
        ("/next", "/next"),
        ("https://elsewhere.example/next", "https://elsewhere.example/next"),
        ("//elsewhere.example/next", "//elsewhere.example/next"),
        ("http://PORTAL.evil.example/", "http://PORTAL.evil.example/"),
    ] {
        let stage = Stage::open().await;
        let portal = stage.address.to_string();
        let location = location.replace("PORTAL", &portal);
        let answer: &'static str = Box::leak(
            format!(
                "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Location: {location}\r\n\
                 Refresh: 5; url={location}\r\nContent-Length: 0\r\n\r\n"
            )
            .into_boxed_str(),
        );
        let (address, mut heads) = stage.always(answer);
        let proxy = Plain::before(address).start().await;
        let expected = expected.replace("PORTAL", &portal).replace("LOCAL", &proxy.address().to_string());
        let seen = proxy.ask("GET /a", "").await;
        assert_eq!(values(&seen, "location"), [expected.as_str()], "{seen}");
        assert_eq!(values(&seen, "content-location"), [expected.as_str()], "{seen}");
        assert_eq!(values(&seen, "refresh"), [format!("5; url={expected}")], "{seen}");
        heads.recv().await.unwrap();
        assert!(heads.try_recv().is_err(), "the proxy followed a redirect");
        assert!(proxy.stop().await);
    }
}

#[tokio::test]
async fn cookies_stop_here_or_pass_fitted_to_the_local_address() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/; Secure; HttpOnly; Domain=.portal.example; \
                          SameSite=None\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n";
    for (choice, sent, set) in [
        ("strip", vec![], vec![]),
        ("pass", vec!["x=1; y=2"], vec!["a=1; Path=/; HttpOnly; SameSite=Lax", "b=2"]),
    ] {
        let (address, mut heads) = Stage::open().await.always(ANSWER);
        let proxy = Plain::before(address).with("upstream", &format!("cookies = {choice:?}")).start().await;
        let answer = proxy.ask("GET /a\r\nCookie: x=1; y=2", "").await;
        assert_eq!(values(&answer, "set-cookie"), set, "{answer}");
        assert_eq!(values(&heads.recv().await.unwrap(), "cookie"), sent);
        assert!(proxy.stop().await);
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_portal_closed_costs_nobody_an_answer() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    for round in 0..20 {
        raw.head(if round % 2 == 0 { "GET /a" } else { "POST /a\r\nContent-Length: 0" }).await;
        let mut upstream = stage.next().await;
        read_until(&mut upstream, "\r\n\r\n").await;
        upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        assert_eq!(status(&raw.until("ok").await), 200);
        drop(upstream); // closed while idle, without a word
    }
    drop(raw);
    assert!(proxy.stop().await);
}
