//! The portal's side alone, for `portunus check`: nothing listens, and nothing is remembered.

use std::net::SocketAddr;

use super::{Secrets, StartError, build, door_tls, settings};
use crate::clock::SharedClock;
use crate::config::{Config, Environment};
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
/// certificate for callers is looked at as well. Sockets that were opened for this process are looked at like
/// those of a start; a process that was given none cannot look.
///
/// # Errors
/// The first thing that cannot be had.
pub fn try_addresses(config: &Config, environment: &Environment) -> Result<Vec<SocketAddr>, StartError> {
    door_tls::prepare(&config.listen)?;
    let bound = match has_inherited(config, environment) {
        true => build::bind(config, environment)?,
        false => build::open(config)?,
    };
    Ok(bound.first().map(Bound::addresses).unwrap_or_default())
}

/// Whether there are sockets to inherit, and this process was given some.
pub fn has_inherited(config: &Config, environment: &Environment) -> bool {
    !config.listen.inherited.is_empty() && !environment.sockets().left().is_empty()
}
