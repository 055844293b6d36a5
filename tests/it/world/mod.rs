//! A world for one test: the simulator as the portal, the proxy before it, and a client that knows nothing.
//!
//! The portal runs on a thread and a runtime of its own, so that its password hashes and private-key operations
//! never hold up the proxy's. Everything listens on port 0, and everything that is remembered is in a temporary
//! directory. Nothing here sleeps for a fixed time: [`until`] waits for a condition, with a deadline.

mod client;
mod settings;

pub use client::{Answer, Client, Connection};
pub use settings::WorldOptions;

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use portal_sim::{Sim, WireEntry};
use portunus::admin;
use portunus::app::{self, Running, StartError};
use portunus::clock::{SharedClock, SystemClock};
use portunus::config::{Config, Environment, Inputs};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One portal, one proxy, one client.
#[derive(Debug)]
pub struct World {
    pub sim: Sim,
    pub client: Client,
    pub proxy: Running,
    portal: Portal,
    directory: TempDir,
}

impl World {
    pub async fn start(options: WorldOptions) -> Self {
        Self::start_by(options, SystemClock::shared()).await
    }

    /// With a proxy that lives by this clock.
    pub async fn start_by(options: WorldOptions, clock: SharedClock) -> Self {
        let (portal, sim) = Portal::start(options.sim.clone()).await;
        let directory = tempfile::tempdir().unwrap();
        let proxy = start_proxy_by(&sim, &options, directory.path(), clock).await.unwrap();
        let client = Client::new(proxy.addresses()[0]);
        Self { sim, client, proxy, portal, directory }
    }

    /// With every default: the guide's dialect, and an account that needs no person.
    pub async fn usual() -> Self {
        Self::start(WorldOptions::default()).await
    }

    /// The same with another proxy in place of this one, which is stopped.
    pub async fn restarted(self, options: &WorldOptions) -> Self {
        self.restarted_after(options, || {}).await
    }

    /// The same, with something done in between.
    pub async fn restarted_after(self, options: &WorldOptions, between: impl FnOnce()) -> Self {
        let Self { sim, proxy, portal, directory, .. } = self;
        assert!(proxy.stop().await);
        between();
        let proxy = start_proxy(&sim, options, directory.path()).await.unwrap();
        let client = Client::new(proxy.addresses()[0]);
        Self { sim, client, proxy, portal, directory }
    }

    /// The admin socket's other end.
    pub fn admin(&self) -> admin::Client {
        admin::Client::new(self.proxy.admin_socket().unwrap())
    }

    /// The answer of the admin API to a GET, head and all.
    pub async fn admin_get(&self, path: &str) -> String {
        let mut stream = tokio::net::UnixStream::connect(self.proxy.admin_socket().unwrap()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: portunus\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// What the proxy remembers is here.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A path of the portal's.
    pub fn path(&self, name: &str) -> String {
        format!("/web/v1/{}/{name}", self.sim.settings().portal)
    }

    /// An auth call's path, in the portal's dialect.
    pub fn auth(&self, name: &str) -> String {
        let base = self.sim.dialect().auth_base.replace("{portal}", &self.sim.settings().portal);
        format!("{base}/{name}")
    }

    /// A login call's path, in the portal's dialect.
    pub fn login(&self, name: &str) -> String {
        let base = self.sim.dialect().login_base.replace("{auth}", &self.auth(""));
        format!("{}/{name}", base.replace("//", "/"))
    }

    /// Asks until there is an answer of the portal's; anything but a 503 meanwhile is wrong.
    pub async fn eventually_200(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.profile().await;
            if answer.status == 200 {
                return;
            }
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(tokio::time::Instant::now() < deadline, "{}", answer.text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn profile(&self) -> Answer {
        self.client.get(&self.path("profile")).await
    }

    /// A sealed call that changes something at the portal, and changes it back to what it was.
    pub async fn change_password(&self) -> Answer {
        let same = portal_sim::DEFAULT_PASSWORD;
        let body = serde_json::json!({ "currentPassword": same, "newPassword": same });
        self.client.post_json(&self.auth("password/change"), &body).await
    }

    /// What came over the wire to paths that contain this.
    pub fn wire(&self, path: &str) -> Vec<WireEntry> {
        self.sim.wire_log().into_iter().filter(|entry| entry.path.contains(path)).collect()
    }

    /// Stops the proxy, then the portal. Whether everything was drained.
    pub async fn stop(self) -> bool {
        let drained = self.proxy.stop().await;
        self.portal.end();
        drained
    }
}

/// Starts a proxy for this portal, with its state in this directory.
pub async fn start_proxy(sim: &Sim, options: &WorldOptions, directory: &Path) -> Result<Running, StartError> {
    start_proxy_by(sim, options, directory, SystemClock::shared()).await
}

async fn start_proxy_by(
    sim: &Sim,
    options: &WorldOptions,
    directory: &Path,
    clock: SharedClock,
) -> Result<Running, StartError> {
    let (text, environment) = options.written(sim, directory);
    let environment: Environment =
        environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // The path serves for names only; nothing is read from it.
    let file = directory.join("world.toml");
    let inputs = Inputs { file: Some(&file), environment: &environment, flags: &[], unsafe_listen: false };
    let config = Config::from_text(&text, &inputs).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    app::start(&config, &environment, None, clock).await
}

/// The thread that the simulator runs on; it ends with this.
#[derive(Debug)]
struct Portal {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Portal {
    async fn start(settings: portal_sim::Settings) -> (Self, Sim) {
        let (ready, started) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let sim = Sim::start(settings).await.unwrap();
                ready.send(sim.clone()).unwrap();
                let _ = ended.await;
                sim.stop().await;
            });
            runtime.shutdown_background();
        });
        (Self { end: Some(end), thread: Some(thread) }, started.await.unwrap())
    }

    fn end(mut self) {
        drop(self.end.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Waits until the condition holds.
///
/// # Panics
/// At the deadline.
#[track_caller]
pub fn until<'a>(what: &'a str, holds: impl Fn() -> bool + 'a) -> impl Future<Output = ()> + 'a {
    let place = std::panic::Location::caller();
    async move {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !holds() {
            assert!(tokio::time::Instant::now() < deadline, "{place}: waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
