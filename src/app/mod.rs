//! Joinery: a [`Config`] becomes rooms, rooms become tasks and threads, and all of them drain together.
//!
//! The one place that knows everybody. In: a configuration, the environment its secrets come from, a clock.
//! Out: a [`Running`] proxy. Always: whatever can fail at the start fails before the first request is
//! accepted, every socket is bound by then, and a stop lets what runs finish within `limits.drain`.
//!
//! Threads: each worker has a runtime of its own for the data path. Logins, refreshes, the channel and the
//! admin API run on the runtime that called [`start`], so that nothing there ever delays a request.

#[cfg(feature = "bench")]
mod bench;
mod build;
mod door_tls;
mod doors;
mod ended;
mod error;
mod ground;
#[cfg(feature = "fuzz")]
mod here;
mod metrics;
mod residents;
mod rush;
mod scout;
mod settings;
mod store;
mod visit;
mod workers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::{self, AdminState};
use crate::clock::SharedClock;
use crate::config::{Config, Environment, Person};
use crate::identity::IdentityName;
use crate::listener::Door;
use crate::session::SessionHandle;
use crate::telemetry::Totals;

#[cfg(feature = "bench")]
pub use bench::Standing;
pub use build::Secrets;
pub(crate) use build::portal;
pub use error::StartError;
#[cfg(feature = "fuzz")]
pub use here::serve_here;
pub use residents::Resident;
pub use store::try_store;
pub use visit::{Visit, has_inherited, try_addresses};

use ground::Ground;
use residents::Built;
use workers::Workers;

/// A proxy that accepts requests. Dropped without [`Running::stop`], it ends at once, without draining.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    scheme: &'static str,
    doors: Vec<Door>,
    admin_socket: Option<PathBuf>,
    /// In the order of the configuration; there is always one.
    residents: Vec<Resident>,
    workers: Workers,
    admin: Option<JoinHandle<()>>,
    _rush: Ended,
    /// Asked over the admin API to stop.
    asked: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    drain: Duration,
}

/// Starts a proxy. Must be called on a runtime, which from then on carries the sign-in and the admin API.
///
/// `person` answers the prompts of secrets that have to be typed, if there is somebody.
///
/// # Errors
/// [`StartError`]: what cannot be had, whose it is, and what to do.
pub async fn start(
    config: &Config,
    environment: &Environment,
    person: Option<&(dyn Person + Sync)>,
    clock: SharedClock,
) -> Result<Running, StartError> {
    let all = residents::fetch(config, &config.surroundings(environment, person)).await?;
    let tls = door_tls::prepare(&config.listen)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let bound = build::bind(config, environment)?;
    let bound: Vec<_> = bound.into_iter().map(|bound| bound.with_tls(tls.clone())).collect();
    let admin_socket = config.admin_socket.as_deref().map(admin::bind).transpose()?;
    let Ground { doors, addresses, lobby, held, limits, built } =
        Ground::lay(config, all, &bound, &clock).await?;
    let residents: Vec<_> = built.iter().map(|built| built.resident.clone()).collect();

    let (stop, stopped) = watch::channel(false);
    let nobodys = Totals::default();
    let rush = tokio::spawn(rush::give_back_after(limits.clone()));
    let workers = Workers::start(bound, &lobby, &built, &nobodys, &limits, &stopped)?;
    for Built { resident, upstream, .. } in &built {
        tokio::spawn(ended::forget_after(resident.session().clone(), upstream.clone()));
    }
    let (asking, asked) = watch::channel(false);
    let socket_path = admin_socket.as_ref().map(|socket| socket.file.path().to_owned());
    let admin = match admin_socket {
        Some(socket) => {
            let identities = built.into_iter().map(Built::into_admin).collect();
            let metrics = metrics::source(residents.clone(), nobodys, limits, held.clone());
            let shutdown = move || {
                asking.send_replace(true);
            };
            let listen = urls(scheme, &addresses);
            let state = admin_state(identities, clock, listen, metrics, shutdown).with_held(held);
            let admin::Socket { listener, file } = socket;
            let listener = tokio::net::UnixListener::from_std(listener).map_err(StartError::Runtime)?;
            Some(tokio::spawn(async move {
                admin::serve(listener, state, admin::Limits::default(), told(stopped)).await;
                drop(file);
            }))
        }
        None => None,
    };
    Ok(Running {
        addresses,
        scheme,
        doors,
        admin_socket: socket_path,
        residents,
        workers,
        admin,
        _rush: Ended(rush),
        asked,
        stop,
        drain: config.limits.drain,
    })
}

impl Running {
    /// The TCP addresses, with the ports that were chosen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The same as a caller writes them: `http://`, or `https://` where the proxy speaks TLS.
    pub fn urls(&self) -> Vec<String> {
        urls(self.scheme, &self.addresses)
    }

    /// Where the admin API is, if anywhere.
    pub fn admin_socket(&self) -> Option<&Path> {
        self.admin_socket.as_deref()
    }

    /// The same, each with the identity whose own it is, if it is one's.
    pub fn doors(&self) -> impl Iterator<Item = (SocketAddr, Option<&IdentityName>)> {
        let whose = |door: &Door| Some(&self.residents.get(door.0.checked_sub(1)?)?.name);
        self.addresses.iter().zip(&self.doors).map(move |(address, door)| (*address, whose(door)))
    }

    /// The identities, in the order of the configuration.
    pub fn residents(&self) -> &[Resident] {
        &self.residents
    }

    /// The sign-in of the first identity: for most, of the only one.
    pub fn session(&self) -> &SessionHandle {
        self.residents[0].session()
    }

    /// What the requests of the first identity have counted.
    pub fn totals(&self) -> &Totals {
        self.residents[0].totals()
    }

    /// Completes when somebody asks over the admin API to stop; never, if there is none.
    pub async fn asked_to_stop(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Stops: accepts nothing more, finishes what runs within `limits.drain`, closes the channel at the portal.
    /// The login stays valid there. `true` if everything was finished.
    pub async fn stop(mut self) -> bool {
        self.stop.send_replace(true);
        let drained = self.workers.join(self.drain).await;
        join_all(self.residents.iter().map(|resident| resident.session().close())).await;
        if let Some(admin) = self.admin.take() {
            let _ = admin.await;
        }
        drained
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Ended(JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn urls(scheme: &str, addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(|address| format!("{scheme}://{address}")).collect()
}

fn admin_state(
    identities: Vec<admin::Identity>,
    clock: SharedClock,
    listen: Vec<String>,
    metrics: impl Fn() -> Vec<admin::Metric> + Send + Sync + 'static,
    shutdown: impl Fn() + Send + Sync + 'static,
) -> AdminState {
    AdminState::new(identities, clock, env!("CARGO_PKG_VERSION"), listen, metrics, shutdown)
}

/// Completes when the stop is told, or whoever would tell it has gone.
async fn told(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
