//! The data path's threads: each with a runtime, sockets and upstream connections of its own.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::residents::Built;
use super::{StartError, ended, told};
use crate::listener::{self, Bound, Limits};
use crate::proxy::{Front, Lobby, Proxy};
use crate::telemetry::Totals;

/// The workers, until they are joined.
#[derive(Debug)]
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    /// Closed when the last worker is done.
    done: mpsc::Receiver<()>,
    /// Ends what is still running: dropped, or told, at the deadline.
    abandon: watch::Sender<bool>,
}

impl Workers {
    pub(super) fn start(
        bound: Vec<Bound>,
        lobby: &Arc<Lobby>,
        built: &[Built],
        nobodys: &Totals,
        limits: &Limits,
        stopped: &watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
        let (running, done) = mpsc::channel(1);
        let (abandon, abandoned) = watch::channel(false);
        let mut threads = Vec::with_capacity(bound.len());
        for (number, bound) in bound.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(StartError::Runtime)?;
            let (front, forget) = front(lobby, built, nobodys);
            let (limits, stopped, abandoned) = (limits.clone(), stopped.clone(), abandoned.clone());
            let running = running.clone();
            let work = move || {
                let serving = listener::serve(bound, front, limits, told(stopped));
                runtime.block_on(async {
                    for forgets in forget {
                        tokio::spawn(forgets);
                    }
                    tokio::select! {
                        served = serving => if let Err(error) = served {
                            tracing::error!(%error, "a worker cannot serve");
                        },
                        () = told(abandoned) => {}
                    }
                });
                drop(running);
            };
            let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(work);
            threads.push(thread.map_err(StartError::Runtime)?);
        }
        Ok(Self { threads, done, abandon })
    }

    /// Waits until all are done, and ends those that are not within `drain`. `true` if none had to be ended.
    pub(super) async fn join(&mut self, drain: Duration) -> bool {
        let drained = tokio::time::timeout(drain, self.done.recv()).await.is_ok();
        self.abandon.send_replace(true);
        for thread in self.threads.drain(..) {
            // A worker that was told to abandon its work ends at its next turn.
            if tokio::task::spawn_blocking(move || thread.join()).await.is_err() {
                tracing::error!("a worker could not be joined");
            }
        }
        drained
    }
}

/// What one worker serves with: each identity's rooms, by connections upstream of its own. Beside it, what forgets
/// with a session what those connections hold.
pub(super) fn front(
    lobby: &Arc<Lobby>,
    built: &[Built],
    nobodys: &Totals,
) -> (Arc<Front>, Vec<impl Future<Output = ()> + Send + 'static + use<>>) {
    let ways = built.iter().map(|Built { resident, upstream, .. }| {
        let (house, counters) = (resident.house.clone(), resident.totals.for_worker());
        let upstream = upstream.for_another_worker();
        let forgets = ended::forget_after(resident.session().clone(), upstream.clone());
        (Proxy::new(house, upstream, counters), forgets)
    });
    let (ways, forget): (Vec<_>, Vec<_>) = ways.unzip();
    (Arc::new(Front::new(lobby.clone(), ways, nobodys.for_worker())), forget)
}
