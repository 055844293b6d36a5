//! Many clients at the instant of expiry, through one proxy, or several that share a login.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use redis_fixture::Server;

use crate::world::{Home, LISTENS, READY, simulator};

const PATIENCE: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How often all bearers were ended.
    pub expiries: u64,
    /// Refreshes that the portal did after them.
    pub refreshes: u64,
    /// Expiries after which there was another number of refreshes than one.
    pub not_one: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests that were not answered by a 200.
    pub errors: u64,
    /// Spent refresh tokens that the portal saw again.
    pub reused: u64,
}

/// What the proxies share a login by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// One state directory.
    Directory,
    /// One Redis, and a directory each.
    Redis,
}

/// Ends all bearers `expiries` times, and each time `clients` ask at once, spread over `processes` proxies.
///
/// # Errors
/// What could not be started.
pub async fn run(
    program: &Path,
    shared: Shared,
    processes: usize,
    clients: usize,
    expiries: u64,
) -> Result<Outcome, String> {
    let sim = simulator(1, false, Duration::from_secs(3600)).await;
    let redis = (shared == Shared::Redis).then(Server::start);
    let homes: Vec<Home> = match &redis {
        Some(redis) => (0..processes).map(|_| Home::replica(&sim, redis.port(), "", "")).collect(),
        None => Home::new(&sim, 0).map(|home| vec![home]),
    }
    .map_err(|e| e.to_string())?;
    let mut proxies = Vec::new();
    let mut connections = Vec::new();
    for home in homes.iter().cycle().take(processes) {
        let mut proxy = home.start(program, false).map_err(|e| e.to_string())?;
        let address = proxy.says(LISTENS, PATIENCE).await?;
        proxy.says(READY, PATIENCE).await?;
        for _ in 0..clients.div_ceil(processes) {
            connections
                .push((address.clone(), TcpStream::connect(&address).await.map_err(|e| e.to_string())?));
        }
        proxies.push(proxy);
    }
    let gate = Arc::new(Barrier::new(connections.len() + 1));
    let mut tasks = tokio::task::JoinSet::new();
    for (address, mut connection) in connections {
        let gate = Arc::clone(&gate);
        tasks.spawn(async move {
            let mut errors = 0;
            for _ in 0..expiries {
                gate.wait().await;
                if !asked(&mut connection, &address).await {
                    errors += 1;
                    connection = TcpStream::connect(&address).await.expect("the proxy listens");
                }
                gate.wait().await;
            }
            errors
        });
    }
    let mut outcome = Outcome { expiries, requests: tasks.len() as u64 * expiries, ..Outcome::default() };
    for _ in 0..expiries {
        let before = sim.counters().refreshed;
        sim.expire_access_tokens();
        gate.wait().await;
        gate.wait().await;
        let refreshes = sim.counters().refreshed - before;
        outcome.refreshes += refreshes;
        outcome.not_one += u64::from(refreshes != 1);
    }
    outcome.errors = tasks.join_all().await.into_iter().sum();
    outcome.reused = sim.counters().refresh_reuse_detected;
    for proxy in &mut proxies {
        proxy.kill().await.map_err(|e| e.to_string())?;
    }
    sim.stop().await;
    Ok(outcome)
}

/// One request on a connection that stays open; whether a whole 200 came.
pub(crate) async fn asked(connection: &mut TcpStream, address: &str) -> bool {
    let request = format!("GET /web/v1/tenant/profile HTTP/1.1\r\nhost: {address}\r\n\r\n");
    if connection.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 4096];
        match connection.read(&mut part).await {
            Ok(0) | Err(_) => return false,
            Ok(n) => answer.extend_from_slice(&part[..n]),
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = |wanted: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        let is_whole = match header("content-length") {
            Some((_, length)) => length.trim().parse().is_ok_and(|length: usize| body.len() >= length),
            // Chunked, by a proxy that speaks HTTP/1.1.
            None => body.ends_with("0\r\n\r\n"),
        };
        if is_whole {
            return head.starts_with("HTTP/1.1 200");
        }
    }
}
