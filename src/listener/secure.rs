//! TLS on the listener's TCP sockets.
//!
//! The handshake counts as part of the first head: it has that head's time, and a drain ends it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::control::{Control, Order};
use super::socket::Stream;

/// How a TLS connection begins (RFC 8446 section 5.1: a record of type `handshake`).
const HANDSHAKE: u8 = 22;

/// For whoever speaks plain HTTP here, so that he learns why he is not understood.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\
                           content-length: 35\r\n\r\nthis port speaks TLS: use https://\r\n";

/// Shakes hands; `None` if that comes to nothing, which is told the client by TLS and nobody else.
pub(super) async fn accept(
    acceptor: &TlsAcceptor,
    mut stream: Stream,
    control: &Control,
) -> Option<TlsStream<TcpStream>> {
    let mut first = [0; 1];
    match until_told_to_leave(stream.peek(&mut first), control).await?.ok()? {
        0 => return None,
        _ if first[0] != HANDSHAKE => {
            stream.write_now(SPEAK_TLS);
            return None;
        }
        _ => {}
    }
    let Stream::Tcp(stream) = stream else { return None };
    match until_told_to_leave(acceptor.accept(stream), control).await? {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake came to nothing");
            None
        }
    }
}

/// Whether HTTP/2 was agreed on (RFC 9113 section 3.2).
pub(super) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

async fn until_told_to_leave<T>(work: impl Future<Output = T>, control: &Control) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if control.order(cx.waker()) != Order::Serve {
            return Poll::Ready(None);
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
}
