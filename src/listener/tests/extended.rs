//! Tunnels over HTTP/2 (RFC 8441) beside other streams of the same connection.

use http::{Method, Request};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::ext::Protocol;

use super::*;

async fn client(server: &Server) -> http2::SendRequest<Empty<Bytes>> {
    let io = TokioIo::new(server.connect().await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn connect(server: &Server, protocol: &'static str) -> Request<Empty<Bytes>> {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://{}/tunnel", server.address))
        .body(Empty::new())
        .unwrap();
    request.extensions_mut().insert(Protocol::from_static(protocol));
    request
}

#[tokio::test]
async fn a_tunnel_over_http2_outlives_every_rest_and_ends_with_either_side() {
    let server =
        Server::start(Settings { keep_alive_timeout: Duration::from_millis(200), ..Settings::default() });
    let mut client = client(&server).await;
    // The setting has to arrive before an extended CONNECT may be sent.
    let plain = Request::builder().uri(format!("http://{}/one", server.address)).body(Empty::new()).unwrap();
    assert_eq!(client.send_request(plain).await.unwrap().status(), 200);
    let mut answer = client.send_request(connect(&server, "websocket")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("upgrade") && !answer.headers().contains_key("connection"));
    let mut tunnel = TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap());
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        tunnel.write_all(b"ping").await.unwrap();
        let mut echoed = [0; 4];
        timeout(DEADLINE, tunnel.read_exact(&mut echoed)).await.unwrap().unwrap();
        assert_eq!(&echoed, b"ping");
    }
    drop(tunnel);
    // At rest again, it ends like any other.
    wait_for(|| server.limits.open_connections() == 0).await;
}

#[tokio::test]
async fn another_protocol_is_no_tunnel() {
    let server = Server::start(Settings::default());
    let mut client = client(&server).await;
    let plain = Request::builder().uri(format!("http://{}/one", server.address)).body(Empty::new()).unwrap();
    client.send_request(plain).await.unwrap();
    // The handler is asked with CONNECT, which the guard refuses.
    let answer = client.send_request(connect(&server, "connect-udp")).await;
    assert!(answer.is_err() || !answer.unwrap().status().is_success());
}
