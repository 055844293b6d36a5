//! From the configuration to the rooms.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use http::{HeaderName, HeaderValue};

use super::{StartError, settings};
use crate::channel::Fingerprint;
use crate::clock::SharedClock;
use crate::config::{Auto, Config, ExtraValue, Surroundings};
use crate::guard::Guard;
use crate::listener::{self, Bound, Endpoint};
use crate::portal::{Adopted, Client, Dialect};
use crate::proxy::House;
use crate::response::Responder;
use crate::route::RouteTable;
use crate::secret::{AccessCode, ClientHash, Expose, LocalKey};
use crate::session::{Credentials, SessionHandle};
use crate::upstream::{Injected, Upstream};

const ACCESS_CODE: HeaderName = HeaderName::from_static("x-portal-access-code");
const CLIENT_HASH: HeaderName = HeaderName::from_static("x-client-hash");

/// Every secret the proxy needs, fetched from its source.
#[derive(Debug)]
pub struct Secrets {
    pub(super) access_code: Option<AccessCode>,
    pub(super) client_hash: ClientHash,
    pub(super) credentials: Option<Credentials>,
    pub(super) local_key: Option<LocalKey>,
    pub(super) extra_headers: Vec<(HeaderName, HeaderValue)>,
}

impl Secrets {
    /// Fetches them all.
    ///
    /// # Errors
    /// The first that cannot be had.
    pub async fn fetch(config: &Config, from: &Surroundings<'_>) -> Result<Self, StartError> {
        let mut extra_headers = Vec::with_capacity(config.upstream.extra_headers.len());
        for header in &config.upstream.extra_headers {
            let value = match &header.value {
                ExtraValue::Literal(value) => value.clone(),
                ExtraValue::Secret(source) => {
                    let setting = format!("upstream.extra_headers.{}", header.name);
                    let secret = source.resolve(setting.clone(), LocalKey::new, from).await?;
                    secret.header_value().map_err(|_| StartError::NotAHeader { setting })?
                }
            };
            extra_headers.push((header.name.clone(), value));
        }
        Ok(Self {
            access_code: config.portal.fetch_access_code(from).await?,
            client_hash: config.portal.client_hash.fetch(&config.state_dir, from).await?,
            credentials: config.login.credentials(from).await?,
            local_key: config.guard.fetch_local_key(from).await?,
            extra_headers,
        })
    }

    /// What signs in, if an account is configured.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The headers of the identity that go on every request.
    ///
    /// # Errors
    /// If one of them cannot be sent.
    pub fn injected(&self) -> Result<Injected, StartError> {
        let not_a_header = |setting: &str| StartError::NotAHeader { setting: setting.to_owned() };
        let mut headers = Vec::with_capacity(2 + self.extra_headers.len());
        if let Some(code) = &self.access_code {
            headers.push((ACCESS_CODE, code.header_value().map_err(|_| not_a_header("portal.access_code"))?));
        }
        let hash = self.client_hash.header_value().map_err(|_| not_a_header("portal.client_hash"))?;
        headers.push((CLIENT_HASH, hash));
        headers.extend(self.extra_headers.iter().cloned());
        Ok(Injected { headers })
    }
}

/// Opens every socket, for every worker.
pub(super) fn bind(config: &Config) -> Result<Vec<Bound>, StartError> {
    let workers = match config.listen.workers {
        Auto::Given(workers) => workers,
        Auto::Auto => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let tcp = |addresses: &[SocketAddr]| addresses.iter().copied().map(Endpoint::Tcp).collect::<Vec<_>>();
    let unix = config.listen.unix_socket.iter().cloned().map(Endpoint::Unix);
    let mut endpoints = tcp(&config.listen.addresses);
    endpoints.extend(unix);
    match listener::bind(&endpoints, workers) {
        // The default names both loopbacks, and not every machine has an IPv6 one.
        Err(listener::BindError::Io { at, .. })
            if config.listen.has_default_addresses() && at.starts_with("[::1]") =>
        {
            endpoints.retain(|endpoint| !matches!(endpoint, Endpoint::Tcp(SocketAddr::V6(_))));
            tracing::info!("this machine has no [::1]; listening on 127.0.0.1 alone");
            Ok(listener::bind(&endpoints, workers)?)
        }
        bound => Ok(bound?),
    }
}

/// The portal's side: the doors out, and whoever speaks to it for the session.
///
/// # Errors
/// If the doors cannot be prepared.
pub(crate) fn portal(
    config: &Config,
    dialect: &Dialect,
    injected: &Injected,
) -> Result<(Upstream, Client), StartError> {
    let upstream = Upstream::new(&config.upstream.settings(dialect)).map_err(StartError::Upstream)?;
    let pin = config.portal.key_pin.as_ref().map(|pin| Fingerprint::from(pin.digest()));
    let client = Client::new(upstream.for_another_worker(), dialect.clone(), injected.clone(), pin)
        .with_settings(settings::client(config));
    Ok((upstream, client))
}

/// Every room but the listener, and the way to the portal for one worker after another.
pub(super) fn house(
    config: &Config,
    secrets: &Secrets,
    addresses: &[SocketAddr],
    clock: SharedClock,
) -> Result<(House, Upstream), StartError> {
    let dialect = config.dialect();
    let injected = secrets.injected()?;
    let (upstream, client) = portal(config, &dialect, &injected)?;
    let wall = clock.clone();
    let client = client.with_wall(move || wall.wall());
    let guard = Guard::new(&settings::guard(config, addresses, secrets.local_key.clone()))?;
    let routes = RouteTable::new(settings::route(config, &dialect, &injected)?)?;
    let responder =
        Responder::new(upstream.base().clone(), settings::answer_cookies(config), routes.headers().clone());
    let session =
        SessionHandle::spawn(client, settings::session(config, secrets.credentials.clone()), clock.clone());
    let adopted = Adopted::new(&dialect, config.login.adopt, config.session.assumed_token_life);
    let settings = settings::proxy(config, &dialect, adopted);
    Ok((House { guard, routes, session, responder, injected, clock, settings }, upstream))
}
