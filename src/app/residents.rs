//! The identities: what each signs in with, and the rooms that are its own.
//!
//! A table that is made at the start and never changes, not a concurrent map: an identity comes or goes with the
//! configuration, which is read once, and a request finds its own by number without a lock.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Secrets, StartError, build};
use crate::admin;
use crate::clock::SharedClock;
use crate::config::{Config, Surroundings};
use crate::held::HeldBytes;
use crate::identity::IdentityName;
use crate::portal::Account;
use crate::proxy::House;
use crate::session::{Credentials, SessionHandle};
use crate::telemetry::Totals;
use crate::upstream::Upstream;

/// One identity that is served.
#[derive(Debug, Clone)]
pub struct Resident {
    pub(super) name: IdentityName,
    pub(super) house: Arc<House>,
    pub(super) totals: Totals,
}

impl Resident {
    /// Its name.
    pub fn name(&self) -> &IdentityName {
        &self.name
    }

    /// Its sign-in.
    pub fn session(&self) -> &SessionHandle {
        &self.house.session
    }

    /// What its requests have counted.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }
}

/// One identity's rooms, before anything is served.
pub(super) struct Built {
    pub(super) resident: Resident,
    pub(super) upstream: Upstream,
    account: Account,
    credentials: Option<Credentials>,
    password_source: Option<String>,
}

/// Each identity's part of the configuration with its secrets. A source that two of them name is asked once: it may
/// be a person.
pub(super) async fn fetch(
    config: &Config,
    from: &Surroundings<'_>,
) -> Result<Vec<(Config, Secrets)>, StartError> {
    let mut all: Vec<(Config, Secrets)> = Vec::with_capacity(config.identities.len().max(1));
    for own in config.each() {
        let secrets = match all.first() {
            None => Secrets::fetch(&own, from).await,
            Some((other, theirs)) => theirs.fetch_beside(other, &own, from).await,
        };
        let secrets = secrets.map_err(|error| error.of(&own))?;
        all.push((own, secrets));
    }
    Ok(all)
}

/// Builds the rooms of all of them.
pub(super) async fn build(
    all: Vec<(Config, Secrets)>,
    addresses: &[SocketAddr],
    clock: &SharedClock,
    held: &HeldBytes,
) -> Result<Vec<Built>, StartError> {
    let mut built = Vec::with_capacity(all.len());
    for (own, secrets) in all {
        let house = build::house(&own, &secrets, addresses, clock.clone(), held).await;
        let (house, upstream, account) = house.map_err(|error| error.of(&own))?;
        built.push(Built {
            resident: Resident {
                name: own.identity.clone(),
                house: Arc::new(house),
                totals: Totals::default(),
            },
            upstream,
            account,
            credentials: secrets.credentials,
            password_source: own.password_source(),
        });
    }
    Ok(built)
}

impl Built {
    /// As the admin API has it.
    pub(super) fn into_admin(self) -> admin::Identity {
        let Resident { name, house, .. } = self.resident;
        let identity = admin::Identity::new(name, Arc::new(house.session.clone()), self.credentials);
        identity.with_account(Arc::new(self.account), self.password_source).with_places(house.places.clone())
    }
}
