//! The owner of the login: one task, asked by mailbox, read by watch.

use std::sync::Arc;

use super::{Challenge, Credentials, Lease, OpenChannel, Portal, SessionError, Tokens};
use crate::clock::SharedClock;
use crate::secret::OneTimeCode;

/// What the session's owner is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What signs in.
    pub credentials: Option<Credentials>,
}

/// Where the login stands.
#[derive(Debug, Clone)]
pub enum Status {
    /// Nobody is signed in, and nothing is under way.
    SignedOut,
    /// A login or a refresh is under way, with no good lease meanwhile.
    Opening,
    /// A person has to enter a code.
    AwaitingCode(Challenge),
    /// Signed in.
    Active(Arc<Lease>),
    /// It failed, and why.
    Failed(SessionError),
}

/// How everybody else speaks to a session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionHandle {}

impl SessionHandle {
    /// Starts the owner task on the current runtime; the portal's type ends here.
    pub fn spawn<P: Portal>(_portal: P, _settings: Settings, _clock: SharedClock) -> Self {
        unimplemented!()
    }

    /// The lease, if there is a good one right now. Never waits.
    pub fn current(&self) -> Option<Arc<Lease>> {
        unimplemented!()
    }

    /// A good lease; signs in or refreshes where that needs no person.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn lease(&self) -> Result<Arc<Lease>, SessionError> {
        unimplemented!()
    }

    /// A lease newer than the one that the portal refused.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn replace(&self, _refused: &Lease) -> Result<Arc<Lease>, SessionError> {
        unimplemented!()
    }

    /// An open channel; opens one if needed.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn channel(&self) -> Result<Arc<OpenChannel>, SessionError> {
        unimplemented!()
    }

    /// A channel newer than the one that the portal refused.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn replace_channel(&self, _stale: &OpenChannel) -> Result<Arc<OpenChannel>, SessionError> {
        unimplemented!()
    }

    /// A person signs in: begins at initiate, with these credentials in place of the configured ones.
    ///
    /// # Errors
    /// Why it ended without a lease; [`SessionError::CodeRequired`] when a code is awaited.
    pub async fn sign_in(&self, _credentials: Option<Credentials>) -> Result<Arc<Lease>, SessionError> {
        unimplemented!()
    }

    /// Answers the pending challenge.
    ///
    /// # Errors
    /// Why there is still no lease.
    pub async fn answer(&self, _code: OneTimeCode) -> Result<Arc<Lease>, SessionError> {
        unimplemented!()
    }

    /// Sends the code of the pending challenge again, or by another of the offered factors.
    ///
    /// # Errors
    /// Why none was sent.
    pub async fn send_code(&self, _by: Option<super::FactorKind>) -> Result<Challenge, SessionError> {
        unimplemented!()
    }

    /// Takes over the tokens of a login that a client completed through the proxy.
    pub async fn adopt(&self, _tokens: Tokens) {
        unimplemented!()
    }

    /// A client's own logout went through: the lease is dead.
    pub fn ended(&self, _lease: &Lease) {
        unimplemented!()
    }

    /// Ends the session at the portal, closes the channel, and stays signed out until asked.
    ///
    /// # Errors
    /// If the portal could not be told; locally it is over all the same.
    pub async fn sign_out(&self) -> Result<(), SessionError> {
        unimplemented!()
    }

    /// Where the login stands now.
    pub fn status(&self) -> Status {
        unimplemented!()
    }

    /// Closes the channel at the portal and stops the owner; the login stays valid.
    pub async fn close(&self) {
        unimplemented!()
    }
}
