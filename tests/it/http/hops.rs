//! `Via` and `Forwarded`: silent unless configured, and never a client's own word.

use super::{status, values};
use crate::plain_world::{Plain, Stage};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn nothing_tells_the_portal_who_asked_unless_it_is_configured() {
    let (address, mut heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address).start().await;
    assert_eq!(status(&proxy.ask("GET /a", "").await), 200);
    let head = heads.recv().await.unwrap().to_lowercase();
    for name in ["via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"] {
        assert!(values(&head, name).is_empty(), "{head}");
    }
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn what_is_configured_is_told_in_place_of_what_a_client_claims_on_both_ways_to_the_portal() {
    let (address, mut heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address)
        .with("upstream", "via = true")
        .with("upstream", "forwarded = \"both\"")
        .with("limits", "replay_body = 0")
        .start()
        .await;
    let own = proxy.address().to_string();
    for (head, body) in [("GET /a", ""), ("POST /a\r\nContent-Length: 2", "hi")] {
        let claims =
            "\r\nForwarded: for=evil\r\nX-Forwarded-For: evil\r\nX-Forwarded-Host: evil\r\nVia: 1.0 fred";
        assert_eq!(status(&proxy.ask(&format!("{head}{claims}"), body).await), 200);
        let head = heads.recv().await.unwrap();
        assert!(!head.contains("evil"), "{head}");
        assert_eq!(values(&head, "forwarded"), [format!("for=127.0.0.1;host=\"{own}\";proto=http")]);
        assert_eq!(values(&head, "x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(values(&head, "x-forwarded-host"), [own.as_str()]);
        assert_eq!(values(&head, "x-forwarded-proto"), ["http"]);
        let via = values(&head, "via");
        assert_eq!((via.len(), via[0]), (2, "1.0 fred"), "{head}");
        assert!(via[1].starts_with("1.1 portunus-"), "{head}");
    }
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_request_that_comes_back_is_refused_where_via_is_on() {
    let (address, mut heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address).with("upstream", "via = true").start().await;
    assert_eq!(status(&proxy.ask("GET /a", "").await), 200);
    let head = heads.recv().await.unwrap();
    // As if whatever the portal's name leads to had sent it back here.
    let answer = proxy.ask(&format!("GET /a\r\nVia: {}, 1.1 gateway", values(&head, "via")[0]), "").await;
    assert_eq!(status(&answer), 502, "{answer}");
    assert!(answer.contains("urn:portunus:problem:request-came-back"), "{answer}");
    assert!(answer.contains("proxy_loop_detected"), "{answer}");
    assert!(heads.try_recv().is_err());
    assert!(proxy.stop().await);
}
