//! What keeps a stored login from whoever gets hold of the file alone: AES-256-GCM under a key of its own.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::{Expose, SealingPassphrase};

/// The bytes of a nonce. Drawn at random: one document is written a few times an hour, and 2^32 are safe.
pub(super) const NONCE_BYTES: usize = 12;
/// The bytes of a passphrase's salt.
pub(super) const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

/// Argon2id as OWASP's cheat sheet has it for those who cannot wait: 19 MiB, two passes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// What seals the stored logins.
pub struct SealingKey(Source);

enum Source {
    Raw(Zeroizing<[u8; KEY_BYTES]>),
    /// The key is made from it and a document's salt; the last one made is kept, since making it is slow.
    Passphrase {
        text: SealingPassphrase,
        made: Mutex<Option<Made>>,
    },
}

type Made = ([u8; SALT_BYTES], Zeroizing<[u8; KEY_BYTES]>);

impl SealingKey {
    /// A key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Source::Raw(Zeroizing::new(*key)))
    }

    /// The keys that a passphrase makes.
    pub fn from_passphrase(text: SealingPassphrase) -> Self {
        Self(Source::Passphrase { text, made: Mutex::new(None) })
    }

    /// What all who share a passphrase have in common for `purpose`, and nobody else can make: 64 hex digits.
    pub fn shared(text: &SealingPassphrase, purpose: &str) -> String {
        let digest = Sha256::new().chain_update(b"portunus shared\0").chain_update(purpose).finalize();
        let salt: [u8; SALT_BYTES] = std::array::from_fn(|n| digest[n]);
        HEXLOWER.encode(&*stretched(text, salt))
    }

    /// Whether a document needs a salt.
    pub(super) fn is_salted(&self) -> bool {
        matches!(self.0, Source::Passphrase { .. })
    }

    /// The key for documents of this salt.
    pub(super) fn for_salt(&self, salt: [u8; SALT_BYTES]) -> Key {
        match &self.0 {
            Source::Raw(key) => Key(key.clone()),
            Source::Passphrase { text, made } => {
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                match &*made {
                    Some((with, key)) if *with == salt => Key(key.clone()),
                    Some(_) | None => {
                        let key = stretched(text, salt);
                        *made = Some((salt, key.clone()));
                        Key(key)
                    }
                }
            }
        }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(***)")
    }
}

/// A key that is ready to use.
pub(super) struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// Tells a document of another key from a damaged one, and says nothing about the key.
    pub(super) fn id(&self) -> String {
        let digest = Sha256::new().chain_update(b"portunus sealing key\0").chain_update(*self.0).finalize();
        HEXLOWER.encode(&digest[..8])
    }

    pub(super) fn seal(&self, nonce: [u8; NONCE_BYTES], plain: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
        self.cipher().encrypt(&Nonce::from(nonce), Payload { msg: plain, aad }).ok()
    }

    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_BYTES],
        sealed: &[u8],
        aad: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        self.cipher().decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad }).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&*self.0).into())
    }
}

fn stretched(text: &SealingPassphrase, salt: [u8; SALT_BYTES]) -> Zeroizing<[u8; KEY_BYTES]> {
    let params =
        Params::new(MEMORY_KIB, PASSES, 1, Some(KEY_BYTES)).expect("constants within Argon2's bounds");
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    #[expect(clippy::disallowed_methods, reason = "the passphrase becomes the key")]
    let text = text.expose().as_bytes();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(text, &salt, key.as_mut_slice())
        .expect("the salt and the key have lengths that Argon2 takes");
    key
}
