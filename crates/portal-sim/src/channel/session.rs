//! Channel sessions: who may use one, for how long, and the two keys.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};

use crate::chance;
use crate::settings::Aad;

/// One client's channel.
pub(crate) struct Channel {
    pub(crate) id: String,
    client_hash: String,
    request: Aes256Gcm,
    response: Aes256Gcm,
    moving: Mutex<Moving>,
}

struct Moving {
    expires: SystemTime,
    seen: HashSet<[u8; 12]>,
}

/// A bound on memory only: replays come soon or never.
const REMEMBERED_IVS: usize = 1 << 18;

/// Why a sealed payload was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelError {
    TooShort,
    Replayed,
    Undecryptable,
}

/// Every open channel.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    open: Mutex<HashMap<String, Arc<Channel>>>,
}

impl Channels {
    /// Opens a channel; the second value is its end.
    pub(crate) fn open(
        &self,
        [request, response]: [[u8; 32]; 2],
        client_hash: &str,
        life: Duration,
    ) -> (Arc<Channel>, SystemTime) {
        let expires = SystemTime::now() + life;
        let channel = Arc::new(Channel {
            id: chance::name("sess_"),
            client_hash: client_hash.to_owned(),
            request: Aes256Gcm::new(&request.into()),
            response: Aes256Gcm::new(&response.into()),
            moving: Mutex::new(Moving { expires, seen: HashSet::new() }),
        });
        self.lock().insert(channel.id.clone(), Arc::clone(&channel));
        (channel, expires)
    }

    /// The live channel of this name, as seen by this client.
    pub(crate) fn find(
        &self,
        id: &str,
        bound_to: Option<&str>,
        slide: Option<Duration>,
    ) -> Option<Arc<Channel>> {
        let channel = self.lock().get(id).cloned()?;
        if bound_to.is_some_and(|hash| hash != channel.client_hash) {
            return None;
        }
        let now = SystemTime::now();
        let live = {
            let mut moving = channel.moving();
            let live = moving.expires > now;
            if let (true, Some(life)) = (live, slide) {
                moving.expires = now + life;
            }
            live
        };
        if live {
            return Some(channel);
        }
        self.lock().remove(id);
        None
    }

    pub(crate) fn close(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    pub(crate) fn drop_all(&self) {
        self.lock().clear();
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Channel>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    /// Opens `IV‖ciphertext‖tag` from the client.
    pub(crate) fn open(&self, payload: &[u8], aad: Option<Aad>, once: bool) -> Result<Vec<u8>, ChannelError> {
        let (iv, sealed) = payload.split_first_chunk::<12>().ok_or(ChannelError::TooShort)?;
        if sealed.len() < 16 {
            return Err(ChannelError::TooShort);
        }
        let plain = self
            .request
            .decrypt(&Nonce::from(*iv), Payload { msg: sealed, aad: self.aad(aad) })
            .map_err(|_| ChannelError::Undecryptable)?;
        // Only now: a forged message must not use up the IV of a genuine one.
        if once {
            let mut moving = self.moving();
            if moving.seen.len() == REMEMBERED_IVS {
                moving.seen.clear();
            }
            if !moving.seen.insert(*iv) {
                return Err(ChannelError::Replayed);
            }
        }
        Ok(plain)
    }

    /// Seals an answer as `IV‖ciphertext‖tag`.
    pub(crate) fn seal(&self, plain: &[u8], aad: Option<Aad>) -> Vec<u8> {
        let iv = chance::bytes::<12>();
        let sealed = self
            .response
            .encrypt(&Nonce::from(iv), Payload { msg: plain, aad: self.aad(aad) })
            .expect("AES-GCM refuses only messages of 64 GiB");
        [&iv[..], &sealed].concat()
    }

    fn aad(&self, aad: Option<Aad>) -> &[u8] {
        match aad {
            Some(Aad::SessionId) => self.id.as_bytes(),
            Some(Aad::None) | None => b"",
        }
    }

    fn moving(&self) -> std::sync::MutexGuard<'_, Moving> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("id", &self.id).finish_non_exhaustive()
    }
}
