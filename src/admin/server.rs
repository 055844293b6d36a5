//! The accept loop: who may speak, how many at a time, and the drain.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::api::answer;
use super::socket::{admits, own_uid};
use super::state::AdminState;

/// How long to wait after an accept failed for want of descriptors, before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one admin peer may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest body, in bytes.
    pub body: usize,
    /// The largest head, in bytes; hyper takes no less than 8 KiB.
    pub head: usize,
    /// How long a head may take to arrive.
    pub head_time: Duration,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How many connections at a time; the next wait in the kernel's queue.
    pub connections: usize,
    /// How long running requests may take to end at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 * 1024,
            head: 16 * 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            connections: 32,
            drain: Duration::from_secs(2),
        }
    }
}

/// Serves the admin API until `shutdown` completes and the running requests have ended, or the drain is over.
pub async fn serve(
    listener: UnixListener,
    state: AdminState,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections));
    let watcher = tokio::spawn(keep_looking(state.clone()));
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = admitted(&listener, &permits) => accepted,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "the admin socket could not accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = graceful.watch(connection(stream, state.clone(), limits));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "an admin connection broke off");
            }
            drop(permit);
        });
    }
    watcher.abort();
    drop(listener);
    state.0.closing.send_replace(true);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        debug!("admin connections were still open at the end of the drain");
    }
}

type Permit = tokio::sync::OwnedSemaphorePermit;

/// The next connection of a peer that may speak, with its place. A place first: who waits costs nothing here.
async fn admitted(listener: &UnixListener, permits: &Arc<Semaphore>) -> io::Result<(UnixStream, Permit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    loop {
        let (stream, _) = listener.accept().await?;
        match stream.peer_cred() {
            Ok(peer) if admits(peer.uid(), own_uid()) => return Ok((stream, permit)),
            Ok(peer) => warn!(uid = peer.uid(), "another user's process was refused at the admin socket"),
            Err(error) => warn!(%error, "an admin peer without credentials was refused"),
        }
    }
}

fn connection(
    stream: UnixStream,
    state: AdminState,
    limits: Limits,
) -> impl GracefulConnection<Error = hyper::Error> + Send {
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(answer(&state, &limits, request).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head)
        .serve_connection(TokioIo::new(stream), service)
}

/// Looks at every change, so that `since` is when a state began and not when somebody first asked.
async fn keep_looking(state: AdminState) {
    loop {
        state.report();
        state.changed().await;
    }
}
