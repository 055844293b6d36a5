//! The portal's cookies, kept in a jar: sent back to it on every way there is, and seen by nobody else.

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{status, values};
use crate::plain_world::{Plain, Stage, Started, read_until};

const GIVES: &str =
    "HTTP/1.1 200 OK\r\nSet-Cookie: s=CNRY-crumb; Path=/; HttpOnly\r\nContent-Length: 2\r\n\r\nok";

async fn jar(stage: Stage, answer: &'static str) -> (Started, UnboundedReceiver<String>) {
    let (address, heads) = stage.always(answer);
    let proxy = Plain::before(address)
        .with("upstream", "cookies = \"jar\"")
        .with("limits", "replay_body = 0")
        .with("limits", "cookies = 2")
        .start()
        .await;
    (proxy, heads)
}

#[tokio::test]
async fn a_jar_gives_the_portal_its_cookies_back_and_shows_a_client_none() {
    let (proxy, mut heads) = jar(Stage::open().await, GIVES).await;
    let mut cookies = Vec::new();
    // Held and streamed requests take different ways to the portal.
    for (head, body) in [
        ("GET /a\r\nCookie: s=CNRY-forged; other=1", ""),
        ("GET /b\r\nCookie: s=CNRY-forged", ""),
        ("POST /c\r\nContent-Length: 3\r\nCookie: s=CNRY-forged", "abc"),
        ("GET /d\r\nC_ookie: x", ""),
    ] {
        let answer = proxy.ask(head, body).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(!answer.contains("CNRY") && values(&answer, "set-cookie").is_empty(), "{answer}");
        let head = heads.recv().await.unwrap();
        assert!(!head.contains("forged"), "{head}");
        cookies.push(values(&head, "cookie").join(" | "));
    }
    assert_eq!(cookies, ["", "s=CNRY-crumb", "s=CNRY-crumb", "s=CNRY-crumb"]);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_jar_keeps_what_a_streamed_answer_and_a_refusal_give_and_no_more_than_its_limit() {
    let answer = "HTTP/1.1 401 Unauthorized\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\n\
                  Set-Cookie: c=3; Path=/\r\nSet-Cookie: no=4; Domain=other.example\r\nContent-Length: 0\r\n\r\n";
    let (proxy, mut heads) = jar(Stage::open().await, answer).await;
    for sent in ["", "b=2; c=3"] {
        let answer = proxy.ask("POST /a\r\nContent-Length: 3", "abc").await;
        assert_eq!(status(&answer), 401, "{answer}");
        assert!(values(&answer, "set-cookie").is_empty(), "{answer}");
        assert_eq!(values(&heads.recv().await.unwrap(), "cookie").join(""), sent);
    }
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_websocket_handshake_carries_the_jar() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).with("upstream", "cookies = \"jar\"").start().await;
    let asked = tokio::spawn(async move {
        let answer = proxy.ask("GET /a", "").await;
        assert_eq!(status(&answer), 200);
        let mut raw = proxy.connect().await;
        raw.head("GET /ws\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
            .await;
        assert_eq!(status(&raw.until("\r\n\r\n").await), 101);
        drop(raw);
        proxy
    });
    let mut first = stage.next().await;
    read_until(&mut first, "\r\n\r\n").await;
    first.write_all(GIVES.as_bytes()).await.unwrap();
    let mut second = stage.next().await;
    let handshake = read_until(&mut second, "\r\n\r\n").await;
    assert_eq!(values(&handshake, "cookie"), ["s=CNRY-crumb"]);
    second
        .write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        .await
        .unwrap();
    let proxy = asked.await.unwrap();
    drop(second);
    proxy.stop().await;
}
