//! The data path of one worker on the runtime of whoever calls: the cargo feature `fuzz`, which no release has.
//!
//! What looks at millions of connections one after another has no time for threads that wake each other, and with its
//! own runtime it also has the clock in hand.

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;

use futures_util::future::join_all;

use super::ground::Ground;
use super::{StartError, build, residents, workers};
use crate::clock::SharedClock;
use crate::config::{Config, Environment};
use crate::listener;
use crate::telemetry::Totals;

/// Binds the sockets; what is given back serves them, for as long as it is polled. No admin API, no TLS.
///
/// # Errors
/// [`StartError`], as [`super::start`] has them.
pub async fn serve_here(
    config: &Config,
    environment: &Environment,
    clock: SharedClock,
) -> Result<impl Future<Output = io::Result<()>> + Send + use<>, StartError> {
    let all = residents::fetch(config, &config.surroundings(environment, None)).await?;
    let bound = build::bind(config, environment)?;
    let Ground { lobby, limits, built, .. } = Ground::lay(config, all, &bound, &clock).await?;
    // Nobody signs in, so nobody signs out.
    let (front, _forget) = workers::front(&lobby, &built, &Totals::default());
    Ok(async move {
        // What the session's owner is asked by lives as long as this.
        let _built = built;
        let serve = |bound| listener::serve(bound, Arc::clone(&front), limits.clone(), pending());
        join_all(bound.into_iter().map(serve)).await.into_iter().collect()
    })
}
