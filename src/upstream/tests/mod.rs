//! The doors out against fake portals over real sockets.

mod answers;
mod reuse;
mod secure;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use tokio::net::{TcpListener, TcpStream};

use super::fake::*;
use super::*;

/// What a door makes of a request, as the portal reads it.
async fn on_the_wire(url_path: &str, outgoing: Outgoing) -> String {
    let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let fake = Fake::start(move |mut peer, _| {
        let sent = sent.clone();
        async move {
            sent.send(peer.head().await.unwrap()).unwrap();
            peer.say(OK).await;
        }
    })
    .await;
    let upstream = Upstream::new(&settings(&format!("{}{url_path}", fake.url))).unwrap();
    body_of(upstream.send(outgoing).await).await;
    let head = seen.recv().await.unwrap();
    assert!(head.contains(&format!("\r\nhost: {}\r\n", upstream.base().authority())), "{head}");
    head
}

#[tokio::test]
async fn each_injected_header_goes_out_exactly_once_whatever_the_client_sent() {
    let request = http::Request::builder()
        .method("POST")
        .uri("http://elsewhere.example/a%20b?x=1")
        .header("host", "localhost:1")
        .header("x-client-hash", "forged-1")
        .header("x-client-hash", "forged-2")
        .header("authorization", "Bearer forged")
        .header("content-length", "999")
        .header("transfer-encoding", "chunked")
        .header("expect", "100-continue")
        .header("x-request-id", "one-plausible-id")
        .header("x-kept", "yes")
        .body(())
        .unwrap();
    let bearer = HeaderValue::from_static("Bearer real");
    let body = OutBody::Full(Bytes::from_static(b"abc"));
    let outgoing = Outgoing::plain(request.into_parts().0, body, Some(&bearer), &injected());
    let head = on_the_wire("/prefix", outgoing).await;
    assert!(head.starts_with("POST /prefix/a%20b?x=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(lines(&head, "host").len(), 1);
    assert_eq!(lines(&head, "x-portal-access-code"), ["CNRY-access-code"]);
    assert_eq!(lines(&head, "x-client-hash"), ["hash"]);
    assert_eq!(lines(&head, "authorization"), ["Bearer real"]);
    assert_eq!(lines(&head, "content-length"), ["3"]);
    assert_eq!(lines(&head, "x-request-id"), ["one-plausible-id"]);
    assert_eq!(lines(&head, "x-kept"), ["yes"]);
    assert!(!head.contains("transfer-encoding") && !head.contains("expect") && !head.contains("x-sc-"));
}

#[tokio::test]
async fn a_sealed_request_is_marked_and_says_nothing_of_its_plaintext() {
    let request = http::Request::builder()
        .method("POST")
        .uri("/login")
        .header("content-type", "text/plain")
        .header("content-digest", "sha-256=:x:")
        .header("accept-encoding", "gzip")
        .header("x-sc-session-id", "forged")
        .body(())
        .unwrap();
    let channel = HeaderValue::from_static("sess_1");
    let envelope = Bytes::from_static(b"{\"v\":2}");
    let outgoing = Outgoing::sealed(request.into_parts().0, envelope, Some(&channel), None, &injected());
    let head = on_the_wire("", outgoing).await;
    assert_eq!(lines(&head, "x-sc-session-id"), ["sess_1"]);
    assert_eq!(lines(&head, "x-sc-version"), ["2"]);
    assert_eq!(lines(&head, "content-type"), ["application/json;charset=UTF-8"]);
    assert!(!head.contains("content-digest") && !head.contains("accept-encoding"));
    assert!(head.ends_with("\r\n\r\n{\"v\":2}"));
}

#[tokio::test]
async fn a_call_of_our_own_carries_what_it_is_given() {
    let extra = [(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer mine"))];
    let outgoing = Outgoing::hello(Method::POST, "/logout now", None, &injected(), &extra);
    let head = on_the_wire("", outgoing).await;
    assert!(head.starts_with("POST /logout%20now HTTP/1.1\r\n"), "{head}");
    assert_eq!(lines(&head, "authorization"), ["Bearer mine"]);
    assert_eq!(lines(&head, "content-length"), ["0"]);
    assert_eq!(lines(&head, "x-client-hash"), ["hash"]);
    let id = lines(&head, "x-request-id")[0];
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
}

#[tokio::test]
async fn a_probe_carries_what_it_is_given_and_no_id_of_its_own() {
    let extra = [(http::HeaderName::from_static("x-sc-session-id"), HeaderValue::from_static("s"))];
    let body = Some(Bytes::from_static(b"{}"));
    let probe = || Outgoing::probe(Method::POST, "/p", body.clone(), &extra, &injected());
    let head = on_the_wire("", probe()).await;
    assert!(head.starts_with("POST /p HTTP/1.1\r\n"), "{head}");
    assert_eq!(lines(&head, "x-sc-session-id"), ["s"]);
    assert_eq!(lines(&head, "content-length"), ["2"]);
    for absent in ["x-request-id", "content-type"] {
        assert!(lines(&head, absent).is_empty(), "{head}");
    }
    assert_eq!(probe().id(), None);
}

#[test]
fn an_implausible_id_is_replaced_and_a_copy_keeps_the_id() {
    for bad in ["", "short", "has space in it", &"x".repeat(129)] {
        let mut headers = http::HeaderMap::new();
        headers.insert(X_REQUEST_ID, bad.parse().unwrap());
        let id = request_id(&mut headers);
        assert!(uuid::Uuid::try_parse(id.to_str().unwrap()).is_ok(), "{bad}");
        assert_eq!(request_id(&mut headers), id);
    }
    let first = post();
    let second = first.try_clone().unwrap();
    assert_eq!(first.id(), second.id());
    assert!(first.id().is_some());
}

#[test]
fn debug_shows_no_secret_and_no_query() {
    let outgoing = Outgoing::hello(
        Method::POST,
        "/x?token=CNRY-query",
        Some(Bytes::from_static(b"{\"password\":\"CNRY-body\"}")),
        &injected(),
        &[],
    );
    let shown = format!("{outgoing:?} {:?}", injected());
    assert!(!shown.contains("CNRY"), "{shown}");
}
