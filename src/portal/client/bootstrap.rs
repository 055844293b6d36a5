//! Opening a channel: the portal's key, then two of ours under it (PROTOCOL sections 3.1 and 3.2).

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::Endpoint;
use super::caller::{Caller, Success, failure};
use super::door::Door;
use super::request::Body;
use crate::channel::{Bootstrap, ChannelError, Fingerprint, KeyExchange, PortalKey, Spelling};
use crate::portal::wire::{self, AnnouncedKey};
use crate::session::{NewChannel, Opening, PortalError, PortalErrorKind as Kind, Skew};

/// The key that the portal served last, so that a change is noticed.
#[derive(Debug, Default)]
pub(super) struct LastKey(Mutex<Option<Fingerprint>>);

impl LastKey {
    /// Remembers the key; gives the one before it, if that was another.
    pub(super) fn replace(&self, served: Fingerprint) -> Option<Fingerprint> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(served).filter(|before| *before != served)
    }
}

/// What came of it, with `T` for the channel itself.
#[derive(Debug)]
pub(super) struct Opened<T> {
    pub(super) channel: T,
    pub(super) expires_at: Option<SystemTime>,
    pub(super) skew: Option<Skew>,
}

impl<D: Door> Caller<D> {
    pub(super) async fn open_channel(
        &self,
        pin: Option<Fingerprint>,
        last: &LastKey,
    ) -> Result<Opening, PortalError> {
        let Some(spelling) = self.spelled().channel else {
            return Err(failure(Endpoint::Session, Kind::NotUnderstood("the dialect has no secure channel")));
        };
        let start = |key: AnnouncedKey| {
            let (keys, hello) = start(&key, spelling, pin, last)?;
            Ok((keys.with_settings(self.settings.keys), hello))
        };
        if spelling.key_exchange == KeyExchange::FirstMessage {
            let made = start(self.fetch_key().await?);
            let (keys, _) = made.map_err(|error| failure(Endpoint::PublicKey, Kind::Channel(error)))?;
            return Ok(Opening::Keys(keys));
        }
        let finish = |bootstrap: Bootstrap, id: &str| bootstrap.finish(id);
        let Opened { channel, expires_at, skew } = self.negotiate(start, finish).await?;
        Ok(Opening::Open(NewChannel { channel, expires_at, skew }))
    }

    /// Fetches the key and makes the session; once more with a fresh key if that one is refused, and once more
    /// with fresh keys of ours if the outcome is unknown (section 13, ruling 1).
    pub(super) async fn negotiate<K, T>(
        &self,
        start: impl Fn(AnnouncedKey) -> Result<(K, Bytes), ChannelError> + Send + Sync,
        finish: impl Fn(K, &str) -> Result<T, ChannelError> + Send + Sync,
    ) -> Result<Opened<T>, PortalError>
    where
        K: Send,
    {
        let (mut key_again, mut session_again) = (true, true);
        loop {
            let key = self.fetch_key().await?;
            let (keys, hello) = start(key).map_err(|e| failure(Endpoint::PublicKey, Kind::Channel(e)))?;
            let made = self.call(Endpoint::Session, Some(Body::new(hello.into())), None, Vec::new()).await;
            match made {
                Ok(success) => return self.opened(&success, |id| finish(keys, id)),
                Err(error) if key_again && is_refused_key(&error) => key_again = false,
                Err(PortalError { kind: Kind::OutcomeUnknown(_), .. }) if session_again => {
                    session_again = false;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn opened<T>(
        &self,
        success: &Success,
        finish: impl FnOnce(&str) -> Result<T, ChannelError>,
    ) -> Result<Opened<T>, PortalError> {
        let session = success.read(Endpoint::Session, wire::channel_session)?;
        let channel = finish(&session.id).map_err(|e| failure(Endpoint::Session, Kind::Channel(e)))?;
        let skew = wire::skew(&success.headers, success.wall);
        Ok(Opened { channel, expires_at: session.expires_at, skew })
    }

    /// A GET: once more if the outcome is unknown (ruling 1).
    pub(super) async fn fetch_key(&self) -> Result<AnnouncedKey, PortalError> {
        let call = Endpoint::PublicKey;
        let fetched = match self.call(call, None, None, Vec::new()).await {
            Err(PortalError { kind: Kind::OutcomeUnknown(_), .. }) => {
                self.call(call, None, None, Vec::new()).await
            }
            fetched => fetched,
        };
        fetched?.read(call, wire::announced_key)
    }
}

/// Section 13: 400/4000 on session creation, or a code of the channel: the key has rotated. Two causes share the
/// code, and the message that tells them apart is localized; a padding mismatch fails again with the new key.
fn is_refused_key(error: &PortalError) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    error.kind == Kind::Refused && (code == "4000" || code.starts_with("SECURE_CHANNEL."))
}

fn start(
    key: &AnnouncedKey,
    spelling: Spelling,
    pin: Option<Fingerprint>,
    last: &LastKey,
) -> Result<(Bootstrap, Bytes), ChannelError> {
    let key = PortalKey::parse(&key.id, &key.spki)?;
    let served = key.fingerprint();
    check_pin(served, pin)?;
    if let Some(before) = last.replace(served) {
        tracing::warn!(%before, now = %served, "the portal serves another key than before; it is not pinned");
    }
    let (bootstrap, hello) = Bootstrap::start(&key, spelling, &mut rand::rng())?;
    Ok((bootstrap, hello.to_json()))
}

pub(super) fn check_pin(served: Fingerprint, pin: Option<Fingerprint>) -> Result<(), ChannelError> {
    match pin {
        Some(pinned) if pinned != served => Err(ChannelError::PinMismatch { served, pinned }),
        Some(_) | None => Ok(()),
    }
}
