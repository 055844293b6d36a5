//! From the configuration to the rooms.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;

use data_encoding::BASE64;
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::{StartError, doors, scout, settings, store};
use crate::channel::Fingerprint;
use crate::clock::SharedClock;
use crate::config::{Auto, Config, Environment, ExtraValue, Surroundings};
use crate::guard::Guard;
use crate::held::HeldBytes;
use crate::listener::{self, BindError, Bound, Door, Endpoint, PassedWords};
use crate::portal::{Account, Adopted, Client, Dialect};
use crate::proxy::{House, Lobby};
use crate::response::Responder;
use crate::route::RouteTable;
use crate::secret::{AccessCode, ClientHash, Expose, LocalKey, ProxyCredentials, SealingPassphrase};
use crate::session::{Credentials, RedisDoor, SessionHandle};
use crate::upstream::{self, Base, Injected, Upstream, Via};
use crate::whose::{self, Choice};

const ACCESS_CODE: HeaderName = HeaderName::from_static("x-portal-access-code");
const CLIENT_HASH: HeaderName = HeaderName::from_static("x-client-hash");

/// Every secret the proxy needs, fetched from its source.
#[derive(Debug)]
pub struct Secrets {
    pub(super) access_code: Option<AccessCode>,
    pub(super) client_hash: ClientHash,
    pub(super) credentials: Option<Credentials>,
    pub(super) proxy_credentials: Option<ProxyCredentials>,
    pub(super) local_key: Option<LocalKey>,
    pub(super) extra_headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) sealing: Option<SealingPassphrase>,
    pub(super) redis: Option<RedisDoor>,
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
        let sealing = config.login_store.fetch_key(from).await?;
        Ok(Self {
            access_code: config.portal.fetch_access_code(from).await?,
            client_hash: store::client_hash(config, sealing.as_ref(), from).await?,
            credentials: config.login.credentials(from).await?,
            proxy_credentials: config.upstream.fetch_proxy_credentials(from).await?,
            local_key: config.guard.fetch_local_key(from).await?,
            extra_headers,
            sealing,
            redis: store::door(&config.login_store, from).await?,
        })
    }

    /// The forward proxy on the way to the portal, with what it asks for.
    ///
    /// # Errors
    /// If the credentials cannot be sent.
    pub fn via(&self, config: &Config) -> Result<Option<Via>, StartError> {
        let Some(proxy) = &config.forward_proxy else { return Ok(None) };
        let credentials = self.proxy_credentials.as_ref().or(proxy.credentials.as_ref());
        let authorization = credentials
            .map(basic)
            .transpose()
            .map_err(|_| StartError::NotAHeader { setting: "upstream.proxy_credentials".to_owned() })?;
        Ok(Some(Via { host: proxy.host.clone(), port: proxy.port, authorization }))
    }

    /// Those of another identity of the same proxy, where `theirs` is the configuration of these: what is the same
    /// for both is not fetched again.
    pub(super) async fn fetch_beside(
        &self,
        theirs: &Config,
        config: &Config,
        from: &Surroundings<'_>,
    ) -> Result<Self, StartError> {
        let access_code = match config.portal.access_code == theirs.portal.access_code {
            true => self.access_code.clone(),
            false => config.portal.fetch_access_code(from).await?,
        };
        let client_hash = match config.portal.client_hash == theirs.portal.client_hash {
            true => self.client_hash.clone(),
            false => store::client_hash(config, self.sealing.as_ref(), from).await?,
        };
        Ok(Self {
            access_code,
            client_hash,
            credentials: config.login.credentials(from).await?,
            proxy_credentials: self.proxy_credentials.clone(),
            local_key: self.local_key.clone(),
            extra_headers: self.extra_headers.clone(),
            sealing: self.sealing.clone(),
            redis: self.redis.clone(),
        })
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
        Ok(Injected::new(headers))
    }
}

/// `Basic` (RFC 7617).
#[expect(clippy::disallowed_methods, reason = "into the header that shows them to the forward proxy")]
fn basic(credentials: &ProxyCredentials) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let text = Zeroizing::new(format!("Basic {}", BASE64.encode(credentials.expose().as_bytes())));
    let mut value = HeaderValue::from_str(&text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Opens every socket, for every worker, and takes those that were opened for it.
///
/// # Errors
/// The first that cannot be had, or that would let others in.
pub(super) fn bind(config: &Config, environment: &Environment) -> Result<Vec<Bound>, StartError> {
    let mut bound = open(config)?;
    let words = PassedWords {
        pid: environment.get("LISTEN_PID"),
        count: environment.get("LISTEN_FDS"),
        names: environment.get("LISTEN_FDNAMES"),
    };
    for handed in &config.listen.inherited {
        for number in handed.numbers(words, std::process::id())? {
            let socket = environment.sockets().take(number).ok_or_else(|| BindError::NotHanded {
                what: handed.to_string(),
                why: format!(
                    "descriptor {number} is no listening socket that this process was started with, \
                              or is taken already"
                ),
            })?;
            match Bound::add_to_each(&mut bound, handed, socket)? {
                Some(address) if !address.ip().to_canonical().is_loopback() && !config.may_be_exposed => {
                    return Err(StartError::Exposed { what: handed.to_string(), address });
                }
                Some(_) | None => {}
            }
        }
    }
    let left = environment.sockets().left();
    if !left.is_empty() {
        tracing::warn!(?left, "descriptors of listening sockets that nothing in listen.inherited takes");
    }
    Ok(bound)
}

/// Opens what the configuration names itself: what `[listen]` names by the door 0, what an identity names by its own.
///
/// # Errors
/// The first that cannot be had.
pub(super) fn open(config: &Config) -> Result<Vec<Bound>, BindError> {
    let workers = match config.listen.workers {
        Auto::Given(workers) => workers,
        Auto::Auto => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let tcp = |addresses: &[SocketAddr]| addresses.iter().copied().map(Endpoint::Tcp).collect::<Vec<_>>();
    let unix = config.listen.unix_socket.iter().cloned().map(Endpoint::Unix);
    let mut endpoints = tcp(&config.listen.addresses);
    endpoints.extend(unix);
    let mut all = match listener::bind(&endpoints, workers) {
        // The default names both loopbacks, and not every machine has an IPv6 one.
        Err(BindError::Io { at, .. }) if config.listen.has_default_addresses() && at.starts_with("[::1]") => {
            endpoints.retain(|endpoint| !matches!(endpoint, Endpoint::Tcp(SocketAddr::V6(_))));
            tracing::info!("this machine has no [::1]; listening on 127.0.0.1 alone");
            listener::bind(&endpoints, workers)?
        }
        bound => bound?,
    };
    for (nth, identity) in config.identities.iter().enumerate() {
        let mut endpoints = tcp(&identity.listen);
        endpoints.extend(identity.unix_socket.iter().cloned().map(Endpoint::Unix));
        if let Some(door) = doors::of(identity, nth) {
            for (worker, own) in all.iter_mut().zip(listener::bind(&endpoints, workers)?) {
                worker.join(own, door);
            }
        }
    }
    Ok(all)
}

/// The portal's side: the doors out, and whoever speaks to it for the session, with the same connections.
///
/// # Errors
/// If the doors cannot be prepared.
pub(crate) fn portal(
    config: &Config,
    dialect: &Dialect,
    injected: &Injected,
    via: Option<Via>,
    own_addresses: &[SocketAddr],
    held: &HeldBytes,
) -> Result<(Upstream, Client), StartError> {
    let doors = upstream::Settings {
        own_addresses: own_addresses.to_vec(),
        via,
        held: held.clone(),
        ..config.upstream.settings(dialect)
    };
    let upstream = Upstream::new(&doors).map_err(StartError::Upstream)?;
    if own_addresses.iter().any(|own| is_at(upstream.base(), own)) {
        return Err(StartError::OwnListener(upstream.base().authority().to_owned()));
    }
    let pin = config.portal.key_pin.as_ref().map(|pin| Fingerprint::from(pin.digest()));
    let client = Client::new(upstream.clone(), dialect.clone(), injected.clone(), pin)
        .with_settings(settings::client(config))
        .with_finder(scout::finder(config, dialect, &upstream, injected));
    Ok((upstream, client))
}

/// The sign-in, and the channel beside it.
async fn session(
    config: &Config,
    #[cfg_attr(
        not(feature = "bench"),
        expect(unused_variables, reason = "the bench spells its own channel")
    )]
    dialect: &Dialect,
    client: Client,
    secrets: &Secrets,
    clock: SharedClock,
) -> Result<SessionHandle, StartError> {
    #[cfg(feature = "bench")]
    if let Some(bench) = &config.bench {
        use super::bench::Standing;
        let settings = settings::session(config, Some(Standing::credentials()));
        return Ok(SessionHandle::spawn(Standing::new(bench, dialect), settings, clock));
    }
    let settings = settings::session(config, secrets.credentials.clone());
    Ok(SessionHandle::spawn_with(client, settings, clock, store::open(config, secrets).await?))
}

/// Whether the URL itself says that the portal is at this address; names are looked up when they are needed.
fn is_at(base: &Base, own: &SocketAddr) -> bool {
    let same_host = match base.host().parse::<IpAddr>() {
        Ok(ip) => ip == own.ip() || (own.ip().is_unspecified() && ip.is_loopback()),
        Err(_) => base.host() == "localhost" && (own.ip().is_loopback() || own.ip().is_unspecified()),
    };
    base.port() == own.port() && same_host
}

/// What all requests meet before it is known whose they are.
pub(super) fn lobby(
    config: &Config,
    local_key: Option<LocalKey>,
    doors: &[(Door, SocketAddr)],
) -> Result<Lobby, StartError> {
    let ways = doors::ways(config, doors);
    let addresses: Vec<_> = doors.iter().map(|(_, address)| *address).collect();
    let guard = settings::guard(config, &addresses, &ways, local_key);
    let choice = match config.identities.is_empty() {
        true => Choice::sole(),
        false => Choice::among(&whose::Settings {
            identities: ways,
            header: config.choosing.header.clone(),
            default: config.choosing.default.clone(),
            hosts: guard.hosts.clone(),
        }),
    };
    Ok(Lobby { guard: Guard::new(&guard)?, choice })
}

/// One identity's rooms, and its way to the portal: the control runtime's own, to make each worker's from.
pub(super) async fn house(
    config: &Config,
    secrets: &Secrets,
    addresses: &[SocketAddr],
    clock: SharedClock,
    held: &HeldBytes,
) -> Result<(House, Upstream, Account), StartError> {
    let dialect = config.dialect();
    #[cfg_attr(not(feature = "bench"), expect(unused_mut, reason = "the bench puts one in"))]
    let mut injected = secrets.injected()?;
    #[cfg(feature = "bench")]
    if let Some(bench) = &config.bench
        && !bench.sealed
    {
        // A sealed call names its channel by itself.
        injected = super::bench::with_channel(&injected, bench, &dialect)?;
    }
    let injected = settings::with_jar(config, injected);
    let via = secrets.via(config)?;
    let (upstream, client) = portal(config, &dialect, &injected, via, addresses, held)?;
    let wall = clock.clone();
    let client = client.with_wall(move || wall.wall());
    #[cfg_attr(not(feature = "bench"), expect(unused_mut, reason = "the bench seals more"))]
    let mut routes = settings::route(config, &dialect, &injected)?;
    #[cfg(feature = "bench")]
    if config.bench.as_ref().is_some_and(|bench| bench.sealed) {
        routes.unmatched = crate::route::Protection::Sealed;
    }
    let routes = RouteTable::new(routes)?;
    let responder =
        Responder::new(upstream.base().clone(), settings::answer_cookies(config), routes.headers().clone());
    let session = session(config, &dialect, client, secrets, clock.clone()).await?;
    let account = Account::new(
        upstream.clone(),
        dialect.clone(),
        injected.clone(),
        settings::client(config),
        session.clone(),
    );
    let adopted = Adopted::new(&dialect, config.login.adopt, config.session.assumed_token_life);
    let places = settings::places(config);
    let settings = settings::proxy(config, &dialect, adopted);
    let held = held.clone();
    Ok((House { routes, session, responder, held, places, injected, clock, settings }, upstream, account))
}
