//! What comes before the answer: interim answers, and uploads that wait to be asked for.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::{status, values};
use crate::plain_world::{Plain, Stage, read_until};

const HINTED: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Client-Hash: leak\r\n\
                      Set-Cookie: a=b\r\nConnection: X-Hop\r\nX-Hop: 1\r\nStrict-Transport-Security: max-age=1\r\n\
                      Access-Control-Allow-Origin: *\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
                      HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Final: 1\r\n\r\nok";

#[tokio::test]
async fn interim_answers_are_passed_on_cleaned_and_before_the_final_one() {
    let (address, _heads) = Stage::open().await.always(HINTED);
    let proxy = Plain::before(address).start().await;
    let answer = proxy.ask("GET /a", "").await;
    let heads: Vec<&str> = answer.split("\r\n\r\n").collect();
    assert_eq!(heads.len(), 4, "{answer}");
    assert_eq!(heads[0], "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload");
    assert_eq!(heads[1], "HTTP/1.1 102 Processing");
    assert_eq!((status(heads[2]), values(heads[2], "x-final"), heads[3]), (200, vec!["1"], "ok"));
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_hint_arrives_while_the_answer_is_still_being_made() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    raw.head("GET /a").await;
    let mut upstream = stage.next().await;
    for round in 0..3 {
        read_until(&mut upstream, "\r\n\r\n").await;
        let link =
            format!("HTTP/1.1 103 Early Hints\r\nLink: <http://{}/{round}.css>\r\n\r\n", stage.address);
        upstream.write_all(link.as_bytes()).await.unwrap();
        let hint = raw.until("\r\n\r\n").await;
        let local = format!("<http://{}/{round}.css>", proxy.address());
        assert_eq!((status(&hint), values(&hint, "link")), (103, vec![local.as_str()]), "{hint}");
        upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        assert_eq!(status(&raw.until("ok").await), 200);
        raw.head("GET /a").await;
    }
    drop(raw);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn no_more_interim_answers_pass_than_the_limit_and_none_to_http10() {
    for (limit, passed) in [(2, 2), (1, 1), (0, 0)] {
        let (address, _heads) = Stage::open().await.always(HINTED);
        let proxy = Plain::before(address).with("limits", &format!("interim = {limit}")).start().await;
        let answer = proxy.ask("GET /a", "").await;
        assert_eq!(answer.matches("HTTP/1.1 10").count(), passed, "{answer}");
        let mut old = proxy.connect().await;
        let host = proxy.address();
        old.send(format!("GET /a HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await;
        assert_eq!(status(&old.rest().await), 200);
        assert!(proxy.stop().await);
    }
}

/// What the portal still gets of a body of `length` bytes, of which the head came with some.
async fn take(upstream: &mut tokio::net::TcpStream, head: &str, length: usize) {
    let mut left = length - head.split_once("\r\n\r\n").unwrap().1.len();
    let mut buffer = vec![0; 16 * 1024];
    while left > 0 {
        left -= upstream.read(&mut buffer).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_told_to_go_on_at_once_where_the_body_is_held() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    raw.head("POST /a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close").await;
    assert_eq!(status(&raw.until("\r\n\r\n").await), 100);
    raw.send(b"hello").await;
    let mut upstream = stage.next().await;
    let head = read_until(&mut upstream, "\r\n\r\n").await;
    assert!(values(&head, "expect").is_empty(), "{head}");
    take(&mut upstream, &head, 5).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(status(&raw.rest().await), 200);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn where_the_body_streams_the_portal_says_when_to_go_on() {
    const LENGTH: usize = 200_000;
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).with("upstream", "continue_timeout = \"60s\"").start().await;
    let mut raw = proxy.connect().await;
    raw.head(&format!("POST /a\r\nContent-Length: {LENGTH}\r\nExpect: 100-continue\r\nConnection: close"))
        .await;
    let mut upstream = stage.next().await;
    let head = read_until(&mut upstream, "\r\n\r\n").await;
    assert_eq!(values(&head, "expect"), ["100-continue"], "{head}");
    let early = tokio::time::timeout(Duration::from_millis(100), raw.stream.read(&mut [0; 1])).await;
    assert!(early.is_err(), "told to go on by nobody: {early:?}");
    upstream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send(&vec![b'x'; LENGTH]).await;
    take(&mut upstream, &head, LENGTH).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(status(&raw.rest().await), 200);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_portal_that_does_not_know_the_word_gets_the_body_in_time() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).with("upstream", "continue_timeout = \"200ms\"").start().await;
    let mut raw = proxy.connect().await;
    raw.head("POST /a\r\nContent-Length: 200000\r\nExpect: 100-continue\r\nConnection: close").await;
    let mut upstream = stage.next().await;
    let begun = Instant::now();
    let head = read_until(&mut upstream, "\r\n\r\n").await;
    assert_eq!(status(&raw.until("\r\n\r\n").await), 100);
    assert!(begun.elapsed() >= Duration::from_millis(150), "{:?}", begun.elapsed());
    raw.send(&vec![b'x'; 200_000]).await;
    take(&mut upstream, &head, 200_000).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(status(&raw.rest().await), 200);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn an_upload_that_the_portal_refuses_unasked_for_never_begins() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut raw = proxy.connect().await;
    raw.head("POST /a\r\nContent-Length: 200000\r\nExpect: 100-continue").await;
    let mut upstream = stage.next().await;
    read_until(&mut upstream, "\r\n\r\n").await;
    upstream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    // The connection cannot go on: nobody knows whether the body will come after all.
    let answer = raw.rest().await;
    assert_eq!(status(&answer), 401, "{answer}");
    assert_eq!((values(&answer, "connection"), answer.ends_with("no")), (vec!["close"], true), "{answer}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn an_upload_refused_half_way_is_told_what_the_portal_said_and_not_that_it_hung_up() {
    for round in 0..20 {
        let mut stage = Stage::open().await;
        let proxy = Plain::before(stage.address).start().await;
        let mut raw = proxy.connect().await;
        raw.head("POST /upload\r\nContent-Length: 50000000").await;
        let (mut reads, mut writes) = raw.stream.into_split();
        let uploading = tokio::spawn(async move {
            let piece = vec![b'x'; 100_000];
            for _ in 0..500 {
                if writes.write_all(&piece).await.is_err() {
                    break;
                }
            }
            writes
        });
        let mut upstream = stage.next().await;
        read_until(&mut upstream, "\r\n\r\nx").await;
        let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
        upstream.write_all(refusal.as_bytes()).await.unwrap();
        drop(upstream); // on bytes that it has not read: a reset
        let mut answer = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(Ok(n @ 1..)) =
            tokio::time::timeout(Duration::from_secs(10), reads.read(&mut buffer)).await
        {
            answer.extend_from_slice(&buffer[..n]);
            if answer.ends_with(b"no") {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(status(&answer), 401, "round {round}: {answer}");
        drop(reads);
        drop(uploading.await.unwrap());
        assert!(proxy.stop().await);
    }
}
