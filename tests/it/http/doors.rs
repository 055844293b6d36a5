//! Who gets in: the unix socket, the local key, addresses that others reach.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::status;
use crate::plain_world::{Plain, Stage};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn the_unix_socket_serves_under_any_host_and_needs_no_key() {
    let (address, mut heads) = Stage::open().await.always(OK);
    let plain = Plain::before(address);
    let socket = plain.path("http.sock");
    let proxy = plain
        .with("listen", &format!("unix_socket = {socket:?}"))
        .with("guard", "local_key = { env = \"LOCAL_KEY\" }")
        .environment("LOCAL_KEY", "CNRY-local-key")
        .start()
        .await;
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(heads.recv().await.unwrap().starts_with("GET /a "));
    assert!(proxy.stop().await);
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_local_key_opens_in_its_header_or_as_proxy_authorization_and_never_travels_on() {
    let (address, mut heads) = Stage::open().await.always(OK);
    let proxy = Plain::before(address)
        .with("guard", "local_key = { env = \"LOCAL_KEY\" }")
        .environment("LOCAL_KEY", "CNRY-local-key")
        .start()
        .await;
    // "x:CNRY-local-key" in Base64.
    for shown in [
        "X-Portunus-Key: CNRY-local-key",
        "Proxy-Authorization: Bearer CNRY-local-key",
        "Proxy-Authorization: Basic eDpDTlJZLWxvY2FsLWtleQ==",
    ] {
        let answer = proxy.ask(&format!("GET /a\r\n{shown}"), "").await;
        assert_eq!(status(&answer), 200, "{shown}: {answer}");
        let head = heads.recv().await.unwrap();
        assert!(!head.contains("CNRY") && !head.contains("eDpD"), "{head}");
    }
    for shown in [
        "X-A: b",
        "X-Portunus-Key: CNRY-local-kez",
        "X-Portunus-Key: CNRY-local-key\r\nX-Portunus-Key: CNRY-local-key",
        "X_Portunus_Key: CNRY-local-key",
        "Authorization: Bearer CNRY-local-key",
    ] {
        let answer = proxy.ask(&format!("GET /a\r\n{shown}"), "").await;
        assert_eq!(status(&answer), 403, "{shown}: {answer}");
        assert!(!answer.contains("CNRY"), "{answer}");
    }
    assert!(heads.try_recv().is_err());
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn an_address_that_others_reach_needs_the_flag_and_a_key() {
    let (address, _heads) = Stage::open().await.always(OK);
    let open = || Plain::before(address).with("listen", "addresses = [\"0.0.0.0:0\"]");
    let keyed = |plain: Plain| {
        plain.with("guard", "local_key = { env = \"LOCAL_KEY\" }").environment("LOCAL_KEY", "CNRY-local-key")
    };
    let why = open().try_start().await.map(|_| ()).unwrap_err();
    assert!(why.contains("not a loopback address"), "{why}");
    let why = open().unsafe_listen().try_start().await.map(|_| ()).unwrap_err();
    assert!(why.contains("local_key is not set"), "{why}");
    let why = keyed(open()).try_start().await.map(|_| ()).unwrap_err();
    assert!(why.contains("--unsafe-listen"), "{why}");
    assert!(keyed(open()).unsafe_listen().start().await.stop().await);
}
