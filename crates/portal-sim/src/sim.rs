//! The handle by which a test, a demo or the binary holds a running simulator.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::channel::KeyRing;
use crate::counters::Counters;
use crate::faults::Fault;
use crate::portal::{Endpoint, Portal};
use crate::server::{self, TlsError, WireEntry};
use crate::settings::{AccountState, Dialect, Lifetimes, RateLimits, Settings};
use crate::state::Mail;

/// A running simulator. Clones are handles to the same one; it runs until [`Sim::stop`] or until its runtime
/// ends.
#[derive(Debug, Clone)]
pub struct Sim {
    portal: Arc<Portal>,
    addr: SocketAddr,
    tls: Option<Arc<CaFile>>,
    stop: watch::Sender<bool>,
}

/// Why a simulator could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The address could not be taken.
    Bind(SocketAddr, std::io::Error),
    /// The RSA key could not be made.
    Key(String),
    /// The certificate could not be made or written.
    Tls(Box<dyn std::error::Error + Send + Sync>),
    /// `sealed_paths` names something that is no endpoint, or one whose body is never collected.
    NotSealable(String),
}

impl Sim {
    /// Starts a simulator on the current tokio runtime; when this returns, it accepts connections.
    ///
    /// # Errors
    /// When the address is taken, or a key or certificate cannot be made.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let mut sealed = HashSet::new();
        for name in &settings.dialect.sealed_paths {
            let endpoint = name.parse::<Endpoint>().ok().filter(|endpoint| !endpoint.streams());
            sealed.insert(endpoint.ok_or_else(|| StartError::NotSealable(name.clone()))?);
        }
        if !settings.dialect.channel {
            sealed.clear();
        }
        let tls = settings.tls.as_ref().map(|tls| server::make(tls, settings.http2)).transpose()?;
        let share = settings.share_rsa_keys;
        let keys = tokio::task::spawn_blocking(move || KeyRing::new(share))
            .await
            .map_err(|error| StartError::Key(error.to_string()))?
            .map_err(|error| StartError::Key(error.to_string()))?;
        let listen = settings.listen;
        let listener = server::bind(listen).await.map_err(|error| StartError::Bind(listen, error))?;
        let addr = listener.local_addr().map_err(|error| StartError::Bind(listen, error))?;

        let keep_ca_file = settings.tls.as_ref().is_some_and(|tls| tls.ca_file.is_some());
        let portal = Arc::new(Portal::new(settings, keys, sealed));
        let (stop, stopped) = watch::channel(false);
        let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
        tokio::spawn(server::accept_forever(Arc::clone(&portal), listener, acceptor, stopped));
        let tls = tls.map(|tls| Arc::new(CaFile { pem: tls.ca_pem, path: tls.ca_file, keep: keep_ca_file }));
        Ok(Self { portal, addr, tls, stop })
    }

    /// Where it is: scheme, host, port and path prefix. Over TLS the host is `localhost`.
    pub fn url(&self) -> String {
        let prefix = self.portal.settings.prefix.trim_end_matches('/');
        match self.tls {
            Some(_) => format!("https://localhost:{}{prefix}", self.addr.port()),
            None => format!("http://{}{prefix}", self.addr),
        }
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The CA's certificate.
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.pem.as_str())
    }

    /// The file with the CA's certificate; removed with the last handle unless its path was given.
    pub fn ca_file(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.path.as_path())
    }

    /// What it was started with. Changes made since by [`Sim::set_lifetimes`] and the like do not show.
    pub fn settings(&self) -> &Settings {
        &self.portal.settings
    }

    /// How it spells the protocol.
    pub fn dialect(&self) -> &Dialect {
        &self.portal.settings.dialect
    }

    /// SHA-256 of the SPKI of the RSA key of the moment, as a client would pin it.
    pub fn key_sha256(&self) -> [u8; 32] {
        self.portal.keys.spki_sha256()
    }

    /// Applies a fault to the next request.
    pub fn next(&self, fault: Fault) {
        self.plan(None, 0, 1, fault);
    }

    /// Applies a fault to the next request whose path contains this text.
    pub fn next_on(&self, path_contains: &str, fault: Fault) {
        self.plan(Some(path_contains), 0, 1, fault);
    }

    /// Applies a fault to `times` requests whose path contains this text (any path when absent), after
    /// letting `skip` of them pass.
    pub fn plan(&self, path_contains: Option<&str>, skip: u32, times: u32, fault: Fault) {
        self.portal.faults.plan(path_contains, skip, times, fault);
    }

    /// From now on this part of all requests, 0 to 1, brings a fault along; it befalls that request, or the next
    /// that it can befall. Until [`Sim::clear_faults`].
    pub fn faults_by_chance(&self, part: f64, draw: fn() -> Fault) {
        self.portal.faults.by_chance(part, draw);
    }

    /// Forgets faults that were not applied yet, and brings no more.
    pub fn clear_faults(&self) {
        self.portal.faults.clear();
    }

    /// How many faults wait for their request.
    pub fn pending_faults(&self) -> usize {
        self.portal.faults.pending()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.portal.tally.snapshot()
    }

    /// Waits until the counters fulfil a condition, and returns them.
    ///
    /// # Panics
    /// At the deadline, with the counters as they are then.
    pub async fn wait_for(&self, what: &str, deadline: Duration, f: impl Fn(&Counters) -> bool) -> Counters {
        match self.portal.tally.wait_for(deadline, f).await {
            Ok(counters) => counters,
            Err(counters) => panic!("waited {deadline:?} for {what}; the counters are {counters:#?}"),
        }
    }

    /// How often requests of this id were processed.
    pub fn times_processed(&self, request_id: &str) -> u64 {
        self.portal.tally.times(request_id)
    }

    /// The mails sent to this address, oldest first.
    pub fn inbox(&self, email: &str) -> Vec<Mail> {
        self.portal.world().inbox(email)
    }

    /// The TOTP code of this moment; empty for an account without one. While a setup waits for its first
    /// code, that is the new secret's.
    pub fn otp_now(&self, email: &str) -> String {
        self.portal
            .world()
            .user(email)
            .and_then(|user| user.current_otp(SystemTime::now()))
            .unwrap_or_default()
    }

    /// A TOTP code that would be accepted now, from the neighbouring steps if the current one is spent;
    /// empty when all are.
    pub fn otp_unspent(&self, email: &str) -> String {
        self.portal
            .world()
            .user(email)
            .and_then(|user| user.unspent_otp(SystemTime::now()))
            .unwrap_or_default()
    }

    /// Forgets all channels.
    pub fn drop_channels(&self) {
        self.portal.drop_channels();
    }

    /// Channels that are open, expired ones included until someone asks for them.
    pub fn open_channels(&self) -> usize {
        self.portal.channels.count()
    }

    /// Replaces the RSA key. Takes as long as making one does.
    pub fn rotate_key(&self) {
        self.portal.rotate_key();
    }

    /// Ends the life of all access tokens given so far; refresh tokens stay good.
    pub fn expire_access_tokens(&self) {
        self.portal.expire_access_tokens();
    }

    /// Ends all sessions, so that access and refresh tokens are refused.
    pub fn revoke_sessions(&self) {
        self.portal.revoke_sessions();
    }

    /// Locks an account.
    pub fn lock(&self, email: &str) {
        self.set_state(email, AccountState::Locked);
    }

    /// Changes an account's standing.
    pub fn set_state(&self, email: &str, state: AccountState) {
        if let Some(user) = self.portal.world().user_mut(email) {
            user.state = state;
            user.wrong_passwords = 0;
        }
    }

    /// Changes how long things live from now on.
    pub fn set_lifetimes(&self, lifetimes: Lifetimes) {
        self.portal.set_lifetimes(lifetimes);
    }

    /// How long things live.
    pub fn lifetimes(&self) -> Lifetimes {
        self.portal.lifetimes()
    }

    /// Changes how often things may be asked from now on.
    pub fn set_rate_limits(&self, rate_limits: RateLimits) {
        self.portal.set_rate_limits(rate_limits);
    }

    /// How often things may be asked.
    pub fn rate_limits(&self) -> RateLimits {
        self.portal.rate_limits()
    }

    /// Opens all rate windows anew.
    pub fn clear_rate_limits(&self) {
        self.portal.limits.clear();
    }

    /// Closes connections that answer nothing at the moment, without a word.
    pub fn close_idle(&self) {
        self.portal.connections.close_idle();
    }

    /// The last requests, as they came over the wire.
    pub fn wire_log(&self) -> Vec<WireEntry> {
        self.portal.wire.all()
    }

    /// Forgets the requests logged so far.
    pub fn clear_wire_log(&self) {
        self.portal.wire.clear();
    }

    /// Stops accepting and closes all connections; when this returns, the port is free.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The listener is gone when nobody listens for the stop any more; only then are there no new
        // connections to close.
        self.stop.closed().await;
        self.portal.connections.close_all();
        // A connection can be stuck only in a reset that has ended it already, so this is a formality.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.portal.connections.drained()).await;
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind(addr, _) => write!(f, "cannot listen on {addr}"),
            Self::Key(why) => write!(f, "cannot make an RSA key: {why}"),
            Self::Tls(_) => f.write_str("cannot serve TLS"),
            Self::NotSealable(name) => {
                write!(f, "sealed_paths names {name}, which is no endpoint that can be sealed")
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(_, error) => Some(error),
            Self::Tls(error) => Some(error.as_ref()),
            Self::Key(_) | Self::NotSealable(_) => None,
        }
    }
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        Self::Tls(Box::new(error))
    }
}

#[derive(Debug)]
struct CaFile {
    pem: String,
    path: PathBuf,
    keep: bool,
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if !self.keep {
            // It lies in the temporary directory: what cannot be removed there does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
