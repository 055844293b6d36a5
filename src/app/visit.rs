//! The portal's side alone, for `portunus check`: nothing listens, and nothing is remembered.

use std::net::SocketAddr;

use super::{Secrets, StartError, build, door_tls, settings};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::held::HeldBytes;
use crate::listener::Bound;
use crate::portal::Client;
use crate::session::{Credentials, SessionHandle};
use crate::upstream::Upstream;

/// The rooms on the portal's side.
#[derive(Debug)]
pub struct Visit {
    /// The doors out.
    pub upstream: Upstream,
    /// Makes single calls.
    pub client: Client,
    /// A session of its own, which knows of no earlier login and leaves none behind.
    pub session: SessionHandle,
}

impl Visit {
    /// Prepares everything; connects to nothing yet. Must be called on a runtime.
    ///
    /// # Errors
    /// If the doors cannot be prepared: a CA file, a certificate, a URL, a secret that no header can hold.
    pub fn prepare(config: &Config, secrets: &Secrets, clock: SharedClock) -> Result<Self, StartError> {
        let (dialect, injected) = (config.dialect(), settings::with_jar(config, secrets.injected()?));
        let own = &config.listen.addresses;
        let via = secrets.via(config)?;
        let held = HeldBytes::new(config.limits.held_bytes);
        let (upstream, client) = build::portal(config, &dialect, &injected, via.clone(), own, &held)?;
        let (_, for_session) = build::portal(config, &dialect, &injected, via, own, &held)?;
        let for_session = for_session.with_finder(client.finder());
        let settings = settings::session(config, secrets.credentials.clone());
        Ok(Self { upstream, client, session: SessionHandle::spawn(for_session, settings, clock) })
    }
}

impl Secrets {
    /// The credentials, if an account is configured.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Whether there is an access code.
    pub fn has_access_code(&self) -> bool {
        self.access_code.is_some()
    }
}

/// Opens the sockets that the configuration asks for, and closes them again: the addresses that are free. The
/// certificate for callers is looked at as well.
///
/// # Errors
/// The first thing that cannot be had.
pub fn try_addresses(config: &Config) -> Result<Vec<SocketAddr>, StartError> {
    door_tls::prepare(&config.listen)?;
    Ok(build::open(config)?.first().map(Bound::addresses).unwrap_or_default())
}
