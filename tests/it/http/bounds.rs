//! What ends by itself: slow heads, stalled bodies, too many at once.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::{status, values};
use crate::plain_world::{Plain, Stage, read_until};

#[tokio::test]
async fn a_head_that_never_ends_is_answered_408() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).with("limits", "header_timeout = \"200ms\"").start().await;
    let begun = Instant::now();
    let mut raw = proxy.connect().await;
    raw.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-A:").await;
    let answer = raw.rest().await;
    assert_eq!(status(&answer), 408, "{answer}");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert!(stage.is_untouched());
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn an_upload_that_stands_still_ends_in_408_where_it_is_held_and_where_it_streams() {
    for (length, setting) in [
        (1000, ("limits", "body_idle_timeout = \"200ms\"")),
        (1_000_000, ("upstream", "body_idle_timeout = \"200ms\"")),
    ] {
        let stage = Stage::open().await;
        let proxy = Plain::before(stage.address).with(setting.0, setting.1).start().await;
        let begun = Instant::now();
        let mut raw = proxy.connect().await;
        raw.head(&format!("POST /a\r\nContent-Length: {length}")).await;
        raw.send(b"begun").await;
        let answer = raw.until("client-body-timeout").await;
        assert_eq!(status(&answer), 408, "{answer}");
        assert_eq!(values(&answer, "connection"), ["close"], "{answer}");
        assert!(begun.elapsed() >= Duration::from_millis(200) && begun.elapsed() < Duration::from_secs(5));
        drop(raw);
        assert!(proxy.stop().await);
    }
}

#[tokio::test]
async fn a_portal_that_does_not_answer_is_a_504_in_time() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).with("upstream", "head_timeout = \"200ms\"").start().await;
    let mut raw = proxy.connect().await;
    raw.head("GET /a\r\nConnection: close").await;
    let _upstream = stage.next().await;
    let answer = raw.rest().await;
    assert_eq!(status(&answer), 504, "{answer}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn one_connection_more_than_the_cap_is_answered_503_with_retry_after() {
    let (address, _heads) = Stage::open().await.always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Plain::before(address)
        .with("limits", "connections = 2")
        .with("limits", "retry_after = \"7s\"")
        .start()
        .await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut raw = proxy.connect().await;
        raw.head("GET /a").await;
        assert_eq!(status(&raw.until("ok").await), 200);
        kept.push(raw);
    }
    let mut third = proxy.connect().await;
    let answer = third.rest().await;
    assert_eq!((status(&answer), values(&answer, "retry-after")), (503, vec!["7"]), "{answer}");
    // Room again as soon as one has gone.
    kept.pop();
    let begun = Instant::now();
    loop {
        let answer = proxy.ask("GET /a", "").await;
        if status(&answer) == 200 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{answer}");
    }
    drop(kept);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn one_request_more_than_may_be_in_flight_is_answered_503_with_retry_after() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).with("limits", "in_flight = 1").start().await;
    let mut first = proxy.connect().await;
    first.head("GET /a").await;
    let mut upstream = stage.next().await;
    read_until(&mut upstream, "\r\n\r\n").await;
    let second = proxy.ask("GET /b", "").await;
    assert_eq!((status(&second), values(&second, "retry-after")), (503, vec!["1"]), "{second}");
    assert!(second.contains("urn:portunus:problem:overloaded"), "{second}");
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(status(&first.until("ok").await), 200);
    first.head("GET /c").await;
    read_until(&mut upstream, "\r\n\r\n").await;
    drop((first, upstream));
    assert!(proxy.stop().await);
}

/// HTTP/2 frames that cost little to send and much to take (RFC 9113 section 10.5).
#[tokio::test]
async fn floods_of_http2_frames_hold_nobody_up() {
    let (address, _heads) = Stage::open().await.always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Plain::before(address).start().await;
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    };
    // :method GET, :scheme http, :path /, all indexed (RFC 7541 appendix A).
    let head = [0x82, 0x86, 0x84];
    let rapid_reset = |n: u32| {
        let stream = 2 * n + 1;
        [frame(1, 5, stream, &head), frame(3, 0, stream, &8u32.to_be_bytes())].concat()
    };
    let floods: [(&str, Vec<u8>); 5] = [
        ("rapid reset", (0..20_000).flat_map(rapid_reset).collect()),
        (
            "continuation",
            [frame(1, 1, 1, &head), (0..20_000).flat_map(|_| frame(9, 0, 1, &[0x82])).collect()].concat(),
        ),
        (
            "empty data",
            [frame(1, 4, 1, &[0x83, 0x86, 0x84]), (0..50_000).flat_map(|_| frame(0, 0, 1, &[])).collect()]
                .concat(),
        ),
        ("settings", (0..50_000).flat_map(|_| frame(4, 0, 0, &[])).collect()),
        ("ping", (0..50_000).flat_map(|_| frame(6, 0, 0, &[0; 8])).collect()),
    ];
    for (name, flood) in floods {
        let mut attacker = proxy.connect().await;
        let attack = tokio::spawn(async move {
            attacker.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
            attacker.send(&frame(4, 0, 0, &[])).await;
            // Never reads: what the proxy would answer piles up in the socket.
            let _ = tokio::time::timeout(Duration::from_secs(2), attacker.stream.write_all(&flood)).await;
            attacker
        });
        for _ in 0..5 {
            let begun = Instant::now();
            let answer = proxy.ask("GET /innocent", "").await;
            assert_eq!(status(&answer), 200, "{name}: {answer}");
            assert!(begun.elapsed() < Duration::from_secs(1), "{name}: {:?}", begun.elapsed());
        }
        drop(attack.await.unwrap());
    }
    proxy.stop().await;
}
