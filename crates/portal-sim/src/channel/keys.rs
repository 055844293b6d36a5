//! The RSA key: made at start, rotated on demand, used to unwrap what clients send.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rsa::PrivateKey;
use rsa::oaep::DecryptingKey;
use rsa::pkcs8::EncodePublicKey;
use rsa::traits::Decryptor;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::chance::{self, SystemRandom};
use crate::settings::{Base64Form, OaepHash};

/// The portal's RSA key pair of the moment. An older one is gone: a client that wraps with it is told so.
#[derive(Debug)]
pub(crate) struct KeyRing {
    current: Mutex<Arc<Key>>,
    shared: bool,
}

#[derive(Debug)]
struct Key {
    id: String,
    private: PrivateKey,
    spki: Vec<u8>,
    made: OffsetDateTime,
}

/// What the portal says about its key.
#[derive(Debug)]
pub(crate) struct PublishedKey {
    pub(crate) id: String,
    pub(crate) spki: String,
    pub(crate) made: OffsetDateTime,
}

/// Why session keys could not be unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnwrapError {
    UnknownKey,
    Padding,
}

impl KeyRing {
    pub(crate) fn new(shared: bool) -> Result<Self, rsa::errors::Error> {
        Ok(Self { current: Mutex::new(Arc::new(Key::new(shared, None)?)), shared })
    }

    pub(crate) fn rotate(&self) {
        let old = self.current();
        // Key generation fails only without randomness; the old key is then the best there is.
        if let Ok(key) = Key::new(self.shared, Some(&old.private)) {
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        }
    }

    pub(crate) fn published(&self, form: Base64Form) -> PublishedKey {
        let key = self.current();
        let spki = match form {
            Base64Form::Standard => STANDARD.encode(&key.spki),
            Base64Form::Url => URL_SAFE_NO_PAD.encode(&key.spki),
        };
        PublishedKey { id: key.id.clone(), spki, made: key.made }
    }

    pub(crate) fn spki_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.current().spki).into()
    }

    pub(crate) fn unwrap(
        &self,
        key_id: &str,
        wrapped: [&[u8]; 2],
        (hash, mgf1): (OaepHash, OaepHash),
    ) -> Result<[[u8; 32]; 2], UnwrapError> {
        let key = self.current();
        if key.id != key_id {
            return Err(UnwrapError::UnknownKey);
        }
        let open = |cipher: &[u8]| {
            let private = key.private.clone();
            match (hash, mgf1) {
                (OaepHash::Sha256, OaepHash::Sha256) => {
                    DecryptingKey::<Sha256, Sha256>::new(private).decrypt(cipher)
                }
                (OaepHash::Sha256, OaepHash::Sha1) => {
                    DecryptingKey::<Sha256, Sha1>::new(private).decrypt(cipher)
                }
                (OaepHash::Sha1, OaepHash::Sha256) => {
                    DecryptingKey::<Sha1, Sha256>::new(private).decrypt(cipher)
                }
                (OaepHash::Sha1, OaepHash::Sha1) => DecryptingKey::<Sha1, Sha1>::new(private).decrypt(cipher),
            }
            .ok()
            .and_then(|plain| <[u8; 32]>::try_from(plain).ok())
            .ok_or(UnwrapError::Padding)
        };
        Ok([open(wrapped[0])?, open(wrapped[1])?])
    }

    fn current(&self) -> Arc<Key> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Key {
    fn new(shared: bool, not: Option<&PrivateKey>) -> Result<Self, rsa::errors::Error> {
        let private = if shared { from_store(not)? } else { PrivateKey::new(&mut SystemRandom, BITS)? };
        let spki =
            private.to_public_key().to_public_key_der().map_err(|_| rsa::errors::Error::Internal)?.into_vec();
        let made = OffsetDateTime::now_utc();
        let id = format!("rsa-key-{}-{}", made.date(), &chance::name("")[..8]);
        Ok(Self { id, private, spki, made })
    }
}

const BITS: usize = 2048;

/// Two keys for the whole process, enough for a rotation to change the key.
fn from_store(not: Option<&PrivateKey>) -> Result<PrivateKey, rsa::errors::Error> {
    static STORE: Mutex<Vec<PrivateKey>> = Mutex::new(Vec::new());
    let mut store = STORE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = store.iter().find(|key| Some(*key) != not) {
        return Ok(key.clone());
    }
    let key = PrivateKey::new(&mut SystemRandom, BITS)?;
    store.push(key.clone());
    Ok(key)
}
