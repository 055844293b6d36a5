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
mod error;
mod metrics;
mod settings;
mod visit;
mod workers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::{self, AdminState};
use crate::clock::SharedClock;
use crate::config::{Config, Environment, Person};
use crate::identity::IdentityName;
use crate::proxy::House;
use crate::session::SessionHandle;
use crate::telemetry::Totals;

pub use build::Secrets;
pub(crate) use build::portal;
pub use error::StartError;
pub use visit::{Visit, try_addresses};

use workers::Workers;

/// A proxy that accepts requests. Dropped without [`Running::stop`], it ends at once, without draining.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    admin_socket: Option<PathBuf>,
    house: Arc<House>,
    totals: Totals,
    workers: Workers,
    admin: Option<JoinHandle<()>>,
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
    let secrets = Secrets::fetch(config, &config.surroundings(environment, person)).await?;
    let bound = build::bind(config)?;
    let addresses = bound.first().map(crate::listener::Bound::addresses).unwrap_or_default();
    let admin_socket = config.admin_socket.as_deref().map(admin::bind).transpose()?;
    let (house, upstream, account) = build::house(config, &secrets, &addresses, clock.clone())?;
    let (lobby, house) = (build::lobby(config, &secrets, &addresses)?, Arc::new(house));

    let (stop, stopped) = watch::channel(false);
    let totals = Totals::default();
    let limits = crate::listener::Limits::new(settings::listener(config));
    let workers = Workers::start(bound, &Arc::new(lobby), &house, &upstream, &totals, &limits, &stopped)?;
    let (asking, asked) = watch::channel(false);
    let socket_path = admin_socket.as_ref().map(|socket| socket.file.path().to_owned());
    let admin = match admin_socket {
        Some(socket) => {
            let source = config.login.password.as_ref().map(|source| format!("login.password: {source}"));
            let identity = admin::Identity::new(
                IdentityName::sole(),
                Arc::new(house.session.clone()),
                secrets.credentials,
            )
            .with_account(Arc::new(account), source);
            let state = admin_state(
                identity,
                clock,
                &addresses,
                metrics::source(totals.clone(), limits, house.session.clone()),
                move || {
                    asking.send_replace(true);
                },
            );
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
        admin_socket: socket_path,
        house,
        totals,
        workers,
        admin,
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

    /// Where the admin API is, if anywhere.
    pub fn admin_socket(&self) -> Option<&Path> {
        self.admin_socket.as_deref()
    }

    /// The sign-in.
    pub fn session(&self) -> &SessionHandle {
        &self.house.session
    }

    /// What the request path has counted.
    pub fn totals(&self) -> &Totals {
        &self.totals
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
        self.house.session.close().await;
        if let Some(admin) = self.admin.take() {
            let _ = admin.await;
        }
        drained
    }
}

fn admin_state(
    identity: admin::Identity,
    clock: SharedClock,
    addresses: &[SocketAddr],
    metrics: impl Fn() -> Vec<admin::Metric> + Send + Sync + 'static,
    shutdown: impl Fn() + Send + Sync + 'static,
) -> AdminState {
    let listen = addresses.iter().map(|address| format!("http://{address}")).collect();
    AdminState::new(vec![identity], clock, env!("CARGO_PKG_VERSION"), listen, metrics, shutdown)
}

/// Completes when the stop is told, or whoever would tell it has gone.
async fn told(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
