//! A replica that is stopped in the middle of a refresh, while it has the lock, and goes on when another has taken
//! over: it must not put its own pair in the place of the other's.

use std::path::Path;
use std::time::{Duration, Instant};

use portal_sim::Fault;
use redis_fixture::Server;
use tokio::net::TcpStream;

use crate::crowd::asked;
use crate::world::{Behaviour, Home, LISTENS, Proxy, READY, simulator};

const PATIENCE: Duration = Duration::from_secs(60);
/// How long the portal takes over the refresh of the one that is stopped: longer than its lock lives.
const SLOW: Duration = Duration::from_secs(6);

/// What came of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How often one was stopped.
    pub times: u64,
    /// How often it overwrote what the other had stored.
    pub overwritten: u64,
    /// Requests that were not answered by a 200, on either side.
    pub errors: u64,
    /// Spent refresh tokens that the portal saw again.
    pub reused: u64,
}

impl Outcome {
    /// Whether nothing was lost.
    pub fn is_good(&self) -> bool {
        self.times > 0 && (self.overwritten, self.errors, self.reused) == (0, 0, 0)
    }
}

/// Stops a replica `times` times, each time two new ones.
///
/// # Errors
/// What could not be started, or did not come to pass.
pub async fn run(program: &Path, times: u64) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    for _ in 0..times {
        once(program, &mut outcome).await?;
        outcome.times += 1;
    }
    Ok(outcome)
}

async fn once(program: &Path, outcome: &mut Outcome) -> Result<(), String> {
    let sim = simulator(1, false, Duration::from_secs(3600)).await;
    let redis = Server::start();
    let home = || Home::replica(&sim, redis.port(), "redis_lease = \"500ms\"", "own_call = \"2s\"");
    let (sleeper, other) = (home(), home());
    let start = async |home: &std::io::Result<Home>| -> Result<(Proxy, String), String> {
        let home = home.as_ref().map_err(ToString::to_string)?;
        let mut proxy = home.start_as(program, Behaviour::IsCalm).map_err(|e| e.to_string())?;
        let address = proxy.says(LISTENS, PATIENCE).await?;
        proxy.says(READY, PATIENCE).await?;
        Ok((proxy, address))
    };
    let (mut slept, its_address) = start(&sleeper).await?;
    let (mut awake, address) = start(&other).await?;
    let key = redis.cli(&["--raw", "KEYS", "*:login"]);
    let written = || redis.cli(&["HGET", &key, "written"]);

    let signed_in = written();
    sim.next_on("/token/refresh", Fault::Delay(SLOW));
    sim.expire_access_tokens();
    let begun = Instant::now();
    let pending = tokio::spawn(ask(its_address.clone()));
    while written() == signed_in {
        if begun.elapsed() > PATIENCE {
            return Err("no intent was written".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The intent is written, and the token is on its way or about to be.
    slept.pause().map_err(|e| e.to_string())?;
    outcome.errors += u64::from(!ask(address.clone()).await);
    let theirs = written();
    tokio::time::sleep((SLOW + Duration::from_secs(1)).saturating_sub(begun.elapsed())).await;
    slept.resume().map_err(|e| e.to_string())?;
    outcome.errors += u64::from(!pending.await.unwrap_or(false));
    // Long enough for whatever it still means to store.
    tokio::time::sleep(Duration::from_secs(2)).await;
    outcome.overwritten += u64::from(written() != theirs || theirs == signed_in);
    outcome.errors += u64::from(!ask(address).await) + u64::from(!ask(its_address).await);
    outcome.reused += sim.counters().refresh_reuse_detected;
    for proxy in [&mut slept, &mut awake] {
        proxy.kill().await.map_err(|e| e.to_string())?;
    }
    sim.stop().await;
    Ok(())
}

/// One request on a connection of its own.
async fn ask(address: String) -> bool {
    match TcpStream::connect(&address).await {
        Ok(mut connection) => asked(&mut connection, &address).await,
        Err(_) => false,
    }
}
