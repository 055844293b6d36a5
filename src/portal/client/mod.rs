//! The session's own calls, made over the doors out.
//!
//! In: what the session asks for, an open channel where the call is sealed. Out: the session's types, or a
//! [`PortalError`]. Always: each call is one attempt, within a deadline and a size; a call that the dialect
//! seals never leaves plain, and its plain success is not believed. Refuses to know: budgets, back-off, and
//! what a failure means for the login.
//!
//! `door` carries, `seal` seals and opens, `request` writes bodies, `caller` puts one call together,
//! `bootstrap` the two that open a channel, and `finder` knows how those are spelled where the dialect does not say.

mod bootstrap;
pub(super) mod caller;
pub(super) mod door;
mod finder;
mod look;
mod request;
pub(super) mod seal;
mod settings;

#[cfg(test)]
mod against_sim;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::channel::Fingerprint;
use crate::secret::{AccessToken, LoginSessionId, OneTimeCode, Password, RefreshToken};
use crate::session::{
    CodeSent, Findings, Initiated, Method, OpenChannel, Opening, OwnCall, Passage, Portal, PortalError,
    Tokens,
};
use crate::upstream::{Injected, Jar, Upstream};

use super::{Dialect, Endpoint};
use caller::Caller;
use door::UpstreamDoor;
use seal::Sealer;

pub use finder::{Finder, Scout, Scouted};
pub use seal::{Unsealed, unseal};
pub use settings::Settings;

/// Speaks to the portal for one identity's session.
pub struct Client {
    caller: Caller<UpstreamDoor>,
    pin: Option<Fingerprint>,
    last_key: bootstrap::LastKey,
    jar: Option<Jar>,
}

impl Client {
    /// A client over these doors; `pin` is the fingerprint the portal's key must have, if one is configured.
    pub fn new(upstream: Upstream, dialect: Dialect, injected: Injected, pin: Option<Fingerprint>) -> Self {
        let (jar, last_key) = (injected.jar().cloned(), bootstrap::LastKey::default());
        let door = UpstreamDoor::new(upstream, injected);
        Self { caller: Caller::new(door, dialect), pin, last_key, jar }
    }

    /// The same under other limits than the default ones.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.caller.settings = settings;
        self
    }

    /// The same, which finds out what its dialect leaves open.
    #[must_use]
    pub fn with_finder(mut self, finder: Option<Finder>) -> Self {
        self.caller.finder = finder;
        self
    }

    /// The same by another wall clock than the machine's.
    #[must_use]
    pub fn with_wall(mut self, wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.caller.wall = Arc::new(wall);
        self
    }
}

impl Portal for Client {
    fn seals(&self, call: OwnCall) -> bool {
        self.caller.seals(endpoint_of(call))
    }

    async fn open_channel(&self) -> Result<Opening, PortalError> {
        let open = || self.caller.open_channel(self.pin, &self.last_key);
        let Some(finder) = &self.caller.finder else { return open().await };
        finder.be_ready().await?;
        let opened = match open().await {
            Err(error) if finder.doubts(&error) => {
                finder.search().await?;
                open().await
            }
            opened => opened,
        };
        if opened.is_ok() {
            finder.opened();
        }
        opened
    }

    fn findings(&self) -> Findings {
        self.caller.finder.as_ref().map_or_else(Findings::default, |finder| finder.findings().clone())
    }

    async fn close_channel(&self, channel: &OpenChannel) -> Result<(), PortalError> {
        self.caller.close_channel(channel.channel().id_header()).await
    }

    async fn initiate(
        &self,
        email: &str,
        password: &Password,
        channel: Option<&Passage>,
    ) -> Result<Initiated, PortalError> {
        if let Some(jar) = &self.jar {
            jar.begins_login_of(email);
        }
        self.caller.initiate(email, password, sealer(channel)).await
    }

    async fn send_code(
        &self,
        login: &LoginSessionId,
        method: &Method,
        channel: Option<&Passage>,
    ) -> Result<CodeSent, PortalError> {
        self.caller.send_code(login, method, sealer(channel)).await
    }

    async fn complete(
        &self,
        login: &LoginSessionId,
        factor: Option<(&Method, &OneTimeCode)>,
        channel: Option<&Passage>,
    ) -> Result<Tokens, PortalError> {
        self.caller.complete(login, factor, sealer(channel)).await
    }

    async fn refresh(&self, token: &RefreshToken, channel: Option<&Passage>) -> Result<Tokens, PortalError> {
        self.caller.refresh(token, sealer(channel)).await
    }

    async fn logout(&self, token: &AccessToken) -> Result<(), PortalError> {
        let outcome = self.caller.logout(token).await;
        // Whatever the portal said: whoever signs in next is not to go by these.
        if let Some(jar) = &self.jar {
            jar.clear();
        }
        // The call itself went by them, with the bearer.
        self.caller.door.forget_idle();
        outcome
    }
}

/// Without the headers that name the identity.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("dialect", &self.caller.dialect)
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

fn sealer(passage: Option<&Passage>) -> Option<&dyn Sealer> {
    passage.map(|passage| passage as &dyn Sealer)
}

fn endpoint_of(call: OwnCall) -> Endpoint {
    match call {
        OwnCall::Initiate => Endpoint::Initiate,
        OwnCall::MfaSend => Endpoint::MfaSend,
        OwnCall::Complete => Endpoint::Complete,
        OwnCall::Refresh => Endpoint::Refresh,
    }
}
