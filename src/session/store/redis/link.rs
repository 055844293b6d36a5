//! The connection to Redis: made when it is needed, made anew when it broke, and the ear for what others publish.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo as _,
    Pipeline, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError, RedisFuture, RedisResult,
    ScriptInvocation, ServerErrorKind, TlsCertificates, TlsMode, Value,
};
use tokio::sync::{Mutex, Notify, watch};

use super::url::{Kind, RedisUrl};
use crate::secret::{Expose, RedisPassword};
use crate::session::StoreError;

/// Where Redis is, and what opens it.
#[derive(Debug, Clone)]
pub struct RedisDoor {
    /// Where.
    pub url: RedisUrl,
    /// The password of its user.
    pub password: Option<RedisPassword>,
    /// The only certificate authorities to trust, in PEM; without them those of the system.
    pub ca: Option<Vec<u8>>,
    /// How long a connection or a command may take. Over zero.
    pub timeout: Duration,
}

/// What others have published.
#[derive(Debug)]
pub(super) struct News {
    /// Told of everything: whoever waits for the lock looks again.
    pub(super) stirred: watch::Sender<()>,
    /// Told of what another has written.
    pub(super) changed: Notify,
    /// Told when the connection broke.
    pub(super) broken: Notify,
    /// The name that our own writings are published under.
    pub(super) me: String,
}

impl News {
    pub(super) fn new(me: String) -> Self {
        Self { stirred: watch::Sender::new(()), changed: Notify::new(), broken: Notify::new(), me }
    }

    fn hear(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Message => {
                if let Some(Value::BulkString(said)) = push.data.get(1)
                    && said != b"free"
                    && said != self.me.as_bytes()
                {
                    self.changed.notify_one();
                }
                self.stirred.send_replace(());
            }
            PushKind::Disconnection => self.broken.notify_one(),
            _ => {}
        }
    }
}

pub(super) struct Link {
    door: RedisDoor,
    sentinel: Option<Mutex<SentinelClient>>,
    channel: String,
    pub(super) news: Arc<News>,
    current: Mutex<Option<(u64, Wire)>>,
    made: AtomicU64,
    away: AtomicBool,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("door", &self.door).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(door: RedisDoor, channel: String, news: Arc<News>) -> Result<Self, StoreError> {
        let sentinel = match &door.url.kind {
            Kind::Sentinel(master) => {
                Some(Mutex::new(door.sentinel(master).map_err(|error| door.failed(&error))?))
            }
            Kind::One | Kind::Cluster => None,
        };
        let (made, away) = (AtomicU64::new(0), AtomicBool::new(false));
        Ok(Self { door, sentinel, channel, news, current: Mutex::new(None), made, away })
    }

    /// Where it leads, for a person.
    pub(super) fn address(&self) -> String {
        self.door.url.to_string()
    }

    /// Whether the last attempt to use it failed.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Relaxed)
    }

    /// Runs a script; once more on a new connection, if the one there was is of no use.
    pub(super) async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        let answer = self.run_twice(call).await;
        let was_away = self.away.swap(answer.is_err(), Relaxed);
        match &answer {
            Ok(_) if was_away => tracing::info!(redis = %self.door.url, "Redis is back"),
            Err(error) if !was_away => {
                tracing::warn!(redis = %self.door.url, %error, "Redis is away; what is held serves on");
            }
            Ok(_) | Err(_) => {}
        }
        answer.map_err(|error| self.door.failed(&error))
    }

    async fn run_twice<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> RedisResult<T> {
        let (made, mut wire) = self.wire().await?;
        match call.invoke_async(&mut wire).await {
            Err(error) if is_of_the_connection(&error) => {
                self.drop_wire(made).await;
                if error.is_timeout() {
                    return Err(error);
                }
                let (made, mut wire) = self.wire().await?;
                let again = call.invoke_async(&mut wire).await;
                if again.as_ref().is_err_and(is_of_the_connection) {
                    self.drop_wire(made).await;
                }
                again
            }
            answer => answer,
        }
    }

    async fn drop_wire(&self, made: u64) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|(number, _)| *number == made) {
            *current = None;
        }
    }

    /// The connection there is, or a new one. Whoever asks meanwhile waits for the same.
    async fn wire(&self) -> RedisResult<(u64, Wire)> {
        let mut current = self.current.lock().await;
        if let Some(open) = &*current {
            return Ok(open.clone());
        }
        let connect = self.connect();
        // A Sentinel and its master are two connections.
        let most = self.door.timeout * 3;
        let wire = tokio::time::timeout(most, connect)
            .await
            .unwrap_or_else(|_| Err(RedisError::from((ErrorKind::Io, "no connection in time"))))?;
        let open = (self.made.fetch_add(1, Relaxed), wire);
        *current = Some(open.clone());
        // What was published meanwhile was missed.
        self.news.changed.notify_one();
        self.news.stirred.send_replace(());
        Ok(open)
    }

    async fn connect(&self) -> RedisResult<Wire> {
        let news = Arc::clone(&self.news);
        let hear = move |push: PushInfo| -> Result<(), redis::aio::SendError> {
            news.hear(&push);
            Ok(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.door.timeout))
            .set_response_timeout(Some(self.door.timeout));
        let mut wire = match (&self.door.url.kind, &self.sentinel) {
            (Kind::Cluster, _) => {
                let cluster = self.door.cluster()?.push_sender(hear).build()?;
                Wire::Cluster(cluster.get_async_connection().await?)
            }
            (Kind::Sentinel(_), Some(sentinel)) => {
                let config = config.set_push_sender(hear);
                Wire::One(sentinel.lock().await.get_async_connection_with_config(&config).await?)
            }
            (Kind::One | Kind::Sentinel(_), _) => {
                let config = config.set_push_sender(hear);
                let client = self.door.client()?;
                Wire::One(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
        };
        match &mut wire {
            Wire::One(one) => one.subscribe(&self.channel).await?,
            Wire::Cluster(cluster) => cluster.subscribe(&self.channel).await?,
        }
        Ok(wire)
    }
}

/// Whether another connection, or the same server a little later, may do better.
fn is_of_the_connection(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(error.kind(), ErrorKind::Server(ReadOnly | MasterDown | BusyLoading | ClusterDown))
}

impl RedisDoor {
    fn settings(&self) -> RedisConnectionInfo {
        let mut settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("portunus", env!("CARGO_PKG_VERSION"))
            .set_db(self.url.database);
        if let Some(user) = &self.url.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            #[expect(clippy::disallowed_methods, reason = "it is what opens Redis")]
            let password = password.expose();
            settings = settings.set_password(password);
        }
        settings
    }

    fn addresses(&self) -> Vec<ConnectionAddr> {
        let address = |(host, port): &(String, u16)| match self.url.tls {
            true => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
            false => ConnectionAddr::Tcp(host.clone(), *port),
        };
        self.url.nodes.iter().map(address).collect()
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        self.url.tls.then(|| TlsCertificates { client_tls: None, root_cert: self.ca.clone() })
    }

    fn client(&self) -> RedisResult<Client> {
        let address = self.addresses().remove(0);
        let info = address.into_connection_info()?.set_redis_settings(self.settings());
        match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    fn sentinel(&self, master: &str) -> RedisResult<SentinelClient> {
        let settings = self.settings();
        let mut builder = SentinelClientBuilder::new(self.addresses(), master, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_db(settings.db());
        if let Some(user) = settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        builder.build()
    }

    fn cluster(&self) -> RedisResult<redis::cluster::ClusterClientBuilder> {
        let settings = self.settings();
        let mut builder = ClusterClient::builder(self.addresses())
            .use_protocol(ProtocolVersion::RESP3)
            .connection_timeout(self.timeout)
            .response_timeout(self.timeout);
        if let Some(user) = settings.username() {
            builder = builder.username(user);
        }
        if let Some(password) = settings.password() {
            builder = builder.password(password);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder.tls(TlsMode::Secure).certs(certificates);
        }
        Ok(builder)
    }

    /// What failed, and the way out.
    fn failed(&self, error: &RedisError) -> StoreError {
        let hint = match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => {
                "check the user in [state] store, and [state] redis_password"
            }
            _ if lacks_rights(error) => {
                "give its user these rights: ~portunus:* &portunus:* +@read +@write +@scripting +@connection \
                 +subscribe +publish +time"
            }
            (_, Some("OOM")) => "make room in it, or raise its maxmemory",
            (ErrorKind::RESP3NotSupported, _) => "Redis 6, Valkey 7.2 or newer is needed",
            (ErrorKind::MasterNameNotFoundBySentinel, _) => "check ?master= in [state] store",
            _ if self.url.tls && !error.is_connection_refusal() => {
                "see that it runs and is reached from here, and that [state] redis_ca holds who signed its certificate"
            }
            _ => "see that it runs, and that it is reached from here",
        };
        StoreError { what: format!("{} cannot be used: {error}", self.url), hint: hint.into() }
    }
}

/// Whether the user may not do this: a command, or one inside a script, which Redis 7.0 tells in words only.
fn lacks_rights(error: &RedisError) -> bool {
    error.code() == Some("NOPERM")
        || error.detail().is_some_and(|said| said.contains("can't run this command"))
}

/// An open connection.
#[derive(Clone)]
enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(one) => one.req_packed_command(command),
            Self::Cluster(cluster) => cluster.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(one) => one.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(one) => one.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}
