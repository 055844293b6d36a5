//! Accepting connections and speaking HTTP/1.1 or HTTP/2 on them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::connections::{Connection, Socket};
use super::gateway;
use crate::portal::Portal;

/// Takes the port.
pub(crate) async fn bind(at: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(at).await
}

/// Accepts until the simulator is stopped.
pub(crate) async fn accept_forever(
    portal: Arc<Portal>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|&stop| stop) => return,
        };
        // An accept fails for reasons of the moment (a peer gone already, no descriptors left).
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        portal.tally.change(|c| c.connections += 1);
        let connection = portal.connections.add();
        tokio::spawn(converse(Arc::clone(&portal), stream, peer, tls.clone(), connection));
    }
}

async fn converse(
    portal: Arc<Portal>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    connection: Arc<Connection>,
) {
    let http2 = portal.settings.http2;
    let talk = async {
        match tls {
            Some(tls) => {
                let socket = Socket::new(stream, Arc::clone(&connection));
                let Ok(secured) = tls.accept(socket).await else { return };
                let h2 = secured.get_ref().1.alpn_protocol() == Some(b"h2");
                speak(Arc::clone(&portal), secured, peer, Arc::clone(&connection), h2).await;
            }
            None => {
                let h2 = http2 && starts_with_h2_preface(&stream).await;
                let socket = Socket::new(stream, Arc::clone(&connection));
                speak(Arc::clone(&portal), socket, peer, Arc::clone(&connection), h2).await;
            }
        }
    };
    tokio::select! {
        () = talk => {}
        () = connection.killed() => {}
    }
    portal.connections.remove(&connection);
}

async fn speak<I>(portal: Arc<Portal>, io: I, peer: SocketAddr, connection: Arc<Connection>, h2: bool)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (portal, connection) = (Arc::clone(&portal), Arc::clone(&connection));
        async move { Ok::<_, Infallible>(gateway::answer(portal, connection, peer, request).await) }
    });
    let io = TokioIo::new(io);
    // How a conversation ends is the client's business: errors here are broken connections.
    let _ = if h2 {
        http2::Builder::new(TokioExecutor::new()).timer(TokioTimer::new()).serve_connection(io, service).await
    } else {
        http1::Builder::new().serve_connection(io, service).with_upgrades().await
    };
}

/// Whether a client speaks HTTP/2 by prior knowledge (RFC 9113, section 3.3).
async fn starts_with_h2_preface(stream: &TcpStream) -> bool {
    let mut start = [0; 4];
    // No HTTP/1 method begins with "PRI", which is why the preface does.
    matches!(stream.peek(&mut start).await, Ok(3..) if start.starts_with(b"PRI"))
}
