//! AES-256-GCM under one key: IV, then ciphertext, then tag (PROTOCOL section 3.5).

use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use bytes::Bytes;
use rand::CryptoRng;
use zeroize::Zeroize;

use super::ChannelError;

/// The bytes of an AES-256 key.
pub(super) const KEY_BYTES: usize = 32;
/// What a payload is longer than its plaintext by.
pub(super) const OVERHEAD: usize = IV_BYTES + TAG_BYTES;
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// One key, its schedule prepared, and the count of its messages.
///
/// Boxed, so that moving it leaves no copy behind; the schedule and the GHASH key are wiped on drop (feature
/// `zeroize` of `aes-gcm`, asserted by a test). Neither `Clone` nor `Debug`.
pub(super) struct Key {
    cipher: Box<Aes256Gcm>,
    messages: AtomicU64,
}

impl Key {
    /// Prepares the key; wiping the bytes it is made of is the caller's duty.
    pub(super) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self { cipher: Box::new(Aes256Gcm::new(bytes.into())), messages: AtomicU64::new(0) }
    }

    /// How many messages went through this key, refused ones included.
    pub(super) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Counts one message more, if fewer than `most` were counted before.
    pub(super) fn count(&self, most: u64) -> Result<(), ChannelError> {
        // Each caller gets a number of its own, so exactly `most` pass however many race.
        if self.messages.fetch_add(1, Ordering::Relaxed) < most { Ok(()) } else { Err(ChannelError::WornOut) }
    }

    /// Appends IV, ciphertext and tag of `plain` to `out`, whose capacity is right already. The IV is fresh.
    pub(super) fn seal(
        &self,
        plain: &[u8],
        aad: &[u8],
        out: &mut Vec<u8>,
        rng: &mut impl CryptoRng,
    ) -> Result<(), ChannelError> {
        let mut iv = [0; IV_BYTES];
        rng.fill_bytes(&mut iv);
        self.seal_under(&iv, plain, aad, out)
    }

    /// As [`Key::seal`], under a given IV. Only `seal` and known-answer tests may call this.
    pub(super) fn seal_under(
        &self,
        iv: &[u8; IV_BYTES],
        plain: &[u8],
        aad: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ChannelError> {
        out.extend_from_slice(iv);
        let start = out.len();
        out.extend_from_slice(plain);
        match self.cipher.encrypt_inout_detached(&Nonce::from(*iv), aad, (&mut out[start..]).into()) {
            Ok(tag) => {
                out.extend_from_slice(&tag);
                Ok(())
            }
            Err(_) => {
                out[start..].zeroize();
                Err(ChannelError::TooLong)
            }
        }
    }

    /// Checks the tag of IV, ciphertext and tag, then decrypts in place. On failure the payload is as it was.
    pub(super) fn open(&self, payload: &mut [u8], aad: &[u8]) -> Result<(), ChannelError> {
        let parts = payload.split_first_chunk_mut::<IV_BYTES>();
        let Some((iv, (text, tag))) =
            parts.and_then(|(iv, rest)| Some((iv, rest.split_last_chunk_mut::<TAG_BYTES>()?)))
        else {
            return Err(ChannelError::DoesNotOpen);
        };
        let opened =
            self.cipher.decrypt_inout_detached(&Nonce::from(*iv), aad, text.into(), &Tag::from(*tag));
        opened.map_err(|_| ChannelError::DoesNotOpen)
    }
}

/// The plaintext of an opened payload, without a copy; wiped when its last holder lets go of it.
pub(super) fn plaintext(payload: Vec<u8>) -> Bytes {
    Bytes::from_owner(Opened(payload))
}

/// A payload that [`Key::open`] accepted.
struct Opened(Vec<u8>);

impl AsRef<[u8]> for Opened {
    fn as_ref(&self) -> &[u8] {
        let end = self.0.len().saturating_sub(TAG_BYTES);
        self.0.get(IV_BYTES..end).unwrap_or_default()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // As a slice: a `Vec` is wiped element by element, which takes longer than decrypting it did.
        self.0.as_mut_slice().zeroize();
    }
}
