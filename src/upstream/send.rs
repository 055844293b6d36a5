//! The way to the portal, as the other rooms see it.

use std::fmt;
use std::sync::Arc;

use super::dial::{Dialer, Stages};
use super::outgoing::Outgoing;
use super::reply::Reply;
use super::tls::Tls;
use super::watch::Ticks;
use super::worker::Worker;
use super::{Base, Settings, Told, UpstreamError};

/// The way to the portal for one worker: its own connections, shared with nobody.
#[derive(Clone)]
pub struct Upstream {
    worker: Arc<Worker>,
}

impl Upstream {
    /// Prepares TLS and addresses; connects to nothing yet.
    ///
    /// # Errors
    /// If the URL or a certificate file cannot be used; the text says why.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let base = Arc::new(Base::new(&settings.url)?);
        // Reading the platform's certificates takes milliseconds: only where TLS is spoken.
        let tls = if base.is_tls() { Some(Tls::new(settings, &base)?) } else { None };
        let ticks = Ticks::new(settings.head_timeout, settings.body_idle_timeout, settings.idle_timeout);
        let own = settings.own_addresses.as_slice().into();
        let via = settings.via.clone();
        let dialer = Dialer { base, tls, via, limit: settings.connect_timeout, ticks: Arc::new(ticks), own };
        Ok(Self { worker: Arc::new(Worker::new(dialer, Arc::new(settings.sealed.clone()), settings)) })
    }

    /// The same way with connections of its own, for another worker.
    #[must_use]
    pub fn for_another_worker(&self) -> Self {
        Self { worker: Arc::new(self.worker.sibling()) }
    }

    /// The portal's base URL.
    pub fn base(&self) -> &Base {
        self.worker.base()
    }

    /// Sends a request and waits for the head of the answer. Dropping the future cancels the exchange.
    ///
    /// # Errors
    /// Why there is none; [`UpstreamError::may_have_acted`] says what that means.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Reply, UpstreamError> {
        if outgoing.is_held() {
            return self.held(&outgoing, None).await;
        }
        let (jar, path) = (outgoing.jar().cloned(), outgoing.path().cloned());
        let reply = Box::pin(self.worker.send_streamed(outgoing)).await?;
        if let Some(jar) = jar {
            jar.keep(self.base(), path.as_ref(), reply.headers());
        }
        Ok(reply)
    }

    /// As [`Upstream::send`] for a request that the caller keeps, to send it again after a refused bearer.
    ///
    /// # Errors
    /// As [`Upstream::send`]; [`UpstreamError::Invalid`] if the body is a stream, which cannot be kept.
    pub async fn send_kept(&self, outgoing: &Outgoing) -> Result<Reply, UpstreamError> {
        if !outgoing.is_held() {
            return Err(UpstreamError::Invalid("a stream cannot be kept"));
        }
        self.held(outgoing, None).await
    }

    /// As [`Upstream::send_kept`]; `told` hears of the interim answers.
    ///
    /// # Errors
    /// As [`Upstream::send_kept`].
    pub async fn send_hearing(&self, outgoing: &Outgoing, told: &Told<'_>) -> Result<Reply, UpstreamError> {
        if !outgoing.is_held() {
            return Err(UpstreamError::Invalid("a stream cannot be kept"));
        }
        self.held(outgoing, Some(told)).await
    }

    async fn held(&self, outgoing: &Outgoing, told: Option<&Told<'_>>) -> Result<Reply, UpstreamError> {
        let reply = self.worker.send_held(outgoing, told).await?;
        if let Some(jar) = outgoing.jar() {
            jar.keep(self.base(), outgoing.path(), reply.headers());
        }
        Ok(reply)
    }

    /// Connects once as far as TLS and says how far it came, how long each stage took, and what failed, if
    /// anything; nothing is sent.
    pub async fn probe(&self) -> (Stages, Result<(), UpstreamError>) {
        self.worker.probe().await
    }

    /// Closes what is idle, and clears this thread's buffers: after the machine slept none of it is alive, and after
    /// a login has ended nobody needs what it left there.
    pub fn forget_idle(&self) {
        self.worker.forget_idle();
    }

    /// As if the machine had slept for so long.
    #[cfg(test)]
    pub(super) fn pretend_sleep(&self, slept: std::time::Duration) {
        self.worker.wakes.pretend(slept);
    }

    /// How many connections wait for reuse.
    pub fn idle(&self) -> usize {
        self.worker.idle()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("authority", &self.base().authority())
            .field("idle", &self.idle())
            .finish_non_exhaustive()
    }
}
