//! Calls that only look: what `portunus check` asks a portal, each on its own.

use http::{HeaderValue, header};

use super::bootstrap::check_pin;
use super::caller::failure;
use super::{Client, Endpoint, Finder};
use crate::channel::PortalKey;
use crate::portal::wire;
use crate::session::{FoundSetting, PortalError, PortalErrorKind as Kind};

impl Client {
    /// What the dialect leaves open, found if it is not known yet.
    ///
    /// # Errors
    /// Why it cannot be found.
    pub async fn find_out(&self) -> Result<Vec<FoundSetting>, PortalError> {
        let Some(finder) = &self.caller.finder else { return Ok(Vec::new()) };
        finder.be_ready().await?;
        Ok(finder.findings().list())
    }

    /// The finder, to be shared with another client of the same portal.
    pub fn finder(&self) -> Option<Finder> {
        self.caller.finder.clone()
    }

    /// The key that the portal serves (PROTOCOL section 3.1): readable, strong enough, and the pinned one where
    /// one is pinned.
    ///
    /// # Errors
    /// Why there is none that a channel could be opened with.
    pub async fn served_key(&self) -> Result<PortalKey, PortalError> {
        let unusable = |error| failure(Endpoint::PublicKey, Kind::Channel(error));
        let announced = self.caller.fetch_key().await?;
        let key = PortalKey::parse(&announced.id, &announced.spki).map_err(unusable)?;
        check_pin(key.fingerprint(), self.pin).map_err(unusable)?;
        Ok(key)
    }

    /// The account that the profile names (PROTOCOL section 7), if it names one. Without a bearer the call shows
    /// how the portal takes an access code: a portal that knows it answers 401.
    ///
    /// # Errors
    /// Everything but a success.
    pub async fn profile(&self, bearer: Option<&HeaderValue>) -> Result<Option<String>, PortalError> {
        let extra = bearer.map(|bearer| (header::AUTHORIZATION, bearer.clone())).into_iter().collect();
        let success = self.caller.call(Endpoint::Profile, None, None, extra).await?;
        success.read(Endpoint::Profile, |data| Ok(wire::account_email(data)))
    }
}
