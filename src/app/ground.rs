//! What all workers stand on: the doors, who gets in, and the rooms of every identity.

use std::net::SocketAddr;
use std::sync::Arc;

use super::build::{self, Secrets};
use super::residents::{self, Built};
use super::{StartError, settings};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::held::HeldBytes;
use crate::listener::{Bound, Door, Limits};
use crate::proxy::Lobby;

pub(super) struct Ground {
    /// Every worker has the same.
    pub(super) doors: Vec<Door>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) lobby: Arc<Lobby>,
    /// One budget for all of them.
    pub(super) held: HeldBytes,
    pub(super) limits: Limits,
    pub(super) built: Vec<Built>,
}

impl Ground {
    /// Builds the rooms behind sockets that are bound already.
    pub(super) async fn lay(
        config: &Config,
        all: Vec<(Config, Secrets)>,
        bound: &[Bound],
        clock: &SharedClock,
    ) -> Result<Self, StartError> {
        let doors = bound.first().map(Bound::doors).unwrap_or_default();
        let local_key = all.first().and_then(|(_, secrets)| secrets.local_key.clone());
        let lobby = Arc::new(build::lobby(config, local_key, &doors)?);
        let (doors, addresses): (Vec<_>, Vec<_>) = doors.into_iter().unzip();
        let held = HeldBytes::new(config.limits.held_bytes);
        let built = residents::build(all, &addresses, clock, &held).await?;
        let limits = Limits::new(settings::listener(config));
        Ok(Self { doors, addresses, lobby, held, limits, built })
    }
}
