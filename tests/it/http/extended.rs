//! WebSockets over HTTP/2 (RFC 8441), by a client of its own: the same checks, and the portal sees HTTP/1.1.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Handshake, Response as Agreed};
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::plain_world::{Plain, Stage, Started};

struct Client {
    sender: http2::SendRequest<Empty<Bytes>>,
    authority: String,
}

impl Client {
    async fn of(proxy: &Started) -> Self {
        let authority = proxy.address().to_string();
        let io = TokioIo::new(TcpStream::connect(&authority).await.unwrap());
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let mut client = Self { sender, authority };
        // By the first answer the server's settings have arrived, which allow an extended CONNECT.
        let options = Request::builder().method("OPTIONS").uri(format!("http://{}/a", client.authority));
        let options = options.header("max-forwards", "0").body(Empty::new()).unwrap();
        client.sender.send_request(options).await.unwrap();
        client
    }

    async fn connect(
        &mut self,
        protocol: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Response<Incoming> {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("http://{}/chat?room=1", self.authority))
            .header("sec-websocket-version", "13");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Empty::new()).unwrap();
        if let Some(protocol) = protocol {
            request.extensions_mut().insert(Protocol::from(protocol));
        }
        self.sender.send_request(request).await.unwrap()
    }
}

#[tokio::test]
async fn a_websocket_over_http2_is_one_of_http11_to_the_portal() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut client = Client::of(&proxy).await;
    let portal = tokio::spawn(async move {
        let stream = stage.next().await;
        let mut seen = None;
        #[expect(clippy::result_large_err, reason = "the library's own signature")]
        let check = |request: &Handshake, mut agreed: Agreed| {
            seen = Some((request.uri().to_string(), request.headers().clone()));
            agreed.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("chat"));
            Ok(agreed)
        };
        let mut socket = tokio_tungstenite::accept_hdr_async(stream, check).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
        seen.unwrap()
    });
    let own = format!("http://{}", proxy.address());
    let headers =
        [("origin", own.as_str()), ("sec-websocket-protocol", "chat"), ("authorization", "Bearer x")];
    let mut answer = client.connect(Some("websocket"), &headers).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    for gone in ["connection", "upgrade", "sec-websocket-accept"] {
        assert!(!answer.headers().contains_key(gone), "{gone}");
    }
    let upgraded = hyper::upgrade::on(&mut answer).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
    for size in [0, 10, 200_000] {
        let message = Message::binary(vec![7; size]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    drop((socket, client));
    let (target, seen) = portal.await.unwrap();
    assert_eq!(target, "/chat?room=1");
    assert_eq!(
        (&seen["upgrade"], &seen["connection"]),
        (&"websocket".parse().unwrap(), &"Upgrade".parse().unwrap())
    );
    assert!(!seen.contains_key("authorization"), "a client's own credentials went on");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn every_check_of_a_handshake_holds_over_http2() {
    let mut stage = Stage::open().await;
    let proxy = Plain::before(stage.address).start().await;
    let mut client = Client::of(&proxy).await;
    for (protocol, headers, refused) in [
        (Some("websocket"), vec![("origin", "https://evil.example")], 403),
        (Some("websocket"), vec![("origin", "null")], 403),
        (Some("websocket"), vec![("sec-fetch-site", "cross-site")], 403),
        (Some("connect-udp"), vec![], 501),
        (None, vec![], 501),
    ] {
        let answer = client.connect(protocol, &headers).await;
        assert_eq!(answer.status(), refused, "{protocol:?} {headers:?}");
    }
    client.authority = "evil.example".to_owned();
    assert_eq!(client.connect(Some("websocket"), &[]).await.status(), 421);
    assert!(stage.is_untouched());
    drop(client);
    assert!(proxy.stop().await);
}
