//! A WebSocket that sends back what it gets.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::portal::{Portal, Refusal};
use crate::server::{Body, empty};

/// `GET …/ws`
pub(super) fn upgrade(portal: &Arc<Portal>, parts: Parts, body: Incoming) -> Result<Response<Body>, Refusal> {
    let asks = parts
        .headers
        .get(UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let key = parts.headers.get(SEC_WEBSOCKET_KEY).filter(|_| asks);
    let key = key.ok_or(Refusal::Malformed("Expected a WebSocket handshake"))?;
    let accept = derive_accept_key(key.as_bytes());

    let mut request = Request::from_parts(parts, body);
    let upgraded = hyper::upgrade::on(&mut request);
    let connection = portal.connections.add();
    let portal = Arc::clone(portal);
    tokio::spawn(async move {
        let busy = connection.busy();
        if let Ok(upgraded) = upgraded.await {
            let mut socket =
                WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            loop {
                let message = tokio::select! {
                    message = socket.next() => message,
                    () = connection.killed() => None,
                };
                let Some(Ok(message)) = message else { break };
                if message.is_close() {
                    // The library has queued its half of the closing handshake; this sends it.
                    let _ = socket.flush().await;
                    break;
                }
                if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                    break;
                }
            }
        }
        drop(busy);
        portal.connections.remove(&connection);
    });

    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::try_from(accept).map_err(|_| Refusal::Internal)?);
    Ok(response)
}
