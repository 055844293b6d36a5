//! The portal's RSA key, checked before it wraps anything.

use std::fmt;
use std::sync::Arc;

use rand::CryptoRng;
use rsa::pkcs1::RsaPublicKeyRef;
use rsa::pkcs8::der::Decode;
use rsa::pkcs8::spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Oaep, PublicKey};
use sha1::Sha1;
use sha2::Sha256;

use super::aead::KEY_BYTES;
use super::{ChannelError, Fingerprint, OaepHash, base64};

/// Below this, RSA can be broken by those who can pay for it.
const FEWEST_BITS: usize = 2048;
/// Above this, a key is an attack on our time.
const MOST_BITS: usize = 16384;
/// Below this, badly padded messages have been recovered; every key generator uses at least this.
const SMALLEST_EXPONENT: u64 = 65537;
/// More text than any key of [`MOST_BITS`] bits needs, armour and line breaks included.
const MOST_TEXT: usize = 8192;
/// `rsaEncryption`, RFC 8017 appendix A.1.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A public key of the portal under the id it is announced with.
#[derive(Clone)]
pub struct PortalKey {
    id: Arc<str>,
    key: PublicKey,
    fingerprint: Fingerprint,
}

impl PortalKey {
    /// Reads and checks a key: SPKI DER in Base64, RSA of 2048 to 16384 bits, odd exponent of at least 65537.
    ///
    /// PEM armour and white space are read over, both Base64 alphabets are read, padded or not.
    ///
    /// # Errors
    /// [`ChannelError::UnreadableKey`], [`ChannelError::WeakKey`], [`ChannelError::UnusableKeyId`].
    pub fn parse(key_id: &str, spki_base64: &str) -> Result<Self, ChannelError> {
        if key_id.is_empty() || key_id.len() > usize::from(u8::MAX) {
            return Err(ChannelError::UnusableKeyId(key_id.len()));
        }
        if spki_base64.len() > MOST_TEXT {
            return Err(ChannelError::UnreadableKey("it is longer than a key of 16384 bits"));
        }
        let der = base64::decode(&bare_base64(spki_base64))
            .ok_or(ChannelError::UnreadableKey("it is not Base64"))?;
        Ok(Self { id: key_id.into(), key: checked(&der)?, fingerprint: Fingerprint::of(&der) })
    }

    /// The id the portal announced.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What a pin compares.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The size of the modulus in bits.
    pub fn bits(&self) -> usize {
        bits_of(self.key.n().as_ref())
    }

    /// The key itself if it is the pinned one.
    ///
    /// # Errors
    /// [`ChannelError::PinMismatch`] with both fingerprints.
    pub fn pinned_to(self, pinned: Fingerprint) -> Result<Self, ChannelError> {
        if self.fingerprint != pinned {
            return Err(ChannelError::PinMismatch { served: self.fingerprint, pinned });
        }
        Ok(self)
    }

    /// Shares the id without copying it.
    pub(super) fn shared_id(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    /// RSAES-OAEP with an empty label over the 32 raw bytes (PROTOCOL section 3.2).
    pub(super) fn wrap(
        &self,
        secret: &[u8; KEY_BYTES],
        oaep: OaepHash,
        mgf1: OaepHash,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, ChannelError> {
        self.encrypt(secret, oaep, mgf1, rng)
    }

    /// The same over a message of any length, as the vectors of others have them.
    pub(super) fn encrypt(
        &self,
        message: &[u8],
        oaep: OaepHash,
        mgf1: OaepHash,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, ChannelError> {
        use OaepHash::{Sha1 as S1, Sha256 as S256};
        let wrapped = match (oaep, mgf1) {
            (S1, S1) => self.key.encrypt(rng, Oaep::<Sha1>::new(), message),
            (S1, S256) => self.key.encrypt(rng, Oaep::<Sha1, Sha256>::new_with_mgf_hash(), message),
            (S256, S1) => self.key.encrypt(rng, Oaep::<Sha256, Sha1>::new_with_mgf_hash(), message),
            (S256, S256) => self.key.encrypt(rng, Oaep::<Sha256>::new(), message),
        };
        wrapped.map_err(|error| match error {
            rsa::Error::Rng => ChannelError::NoRandomness,
            _ => ChannelError::UnreadableKey("it cannot wrap 32 bytes"),
        })
    }
}

impl fmt::Debug for PortalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalKey")
            .field("id", &self.id)
            .field("bits", &self.bits())
            .field("fingerprint", &self.fingerprint)
            .finish()
    }
}

/// Without white space, and without the first and the last line of PEM.
fn bare_base64(text: &str) -> Vec<u8> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("-----"));
    lines.flat_map(str::bytes).filter(|byte| !byte.is_ascii_whitespace()).collect()
}

fn checked(der: &[u8]) -> Result<PublicKey, ChannelError> {
    let spki = SubjectPublicKeyInfoRef::from_der(der)
        .map_err(|_| ChannelError::UnreadableKey("it is not a SubjectPublicKeyInfo"))?;
    if spki.algorithm.oid != RSA_ENCRYPTION {
        return Err(ChannelError::UnreadableKey("its algorithm is not rsaEncryption"));
    }
    let rsa = spki.subject_public_key.as_bytes().and_then(|bytes| RsaPublicKeyRef::from_der(bytes).ok());
    let rsa = rsa.ok_or(ChannelError::UnreadableKey("it holds no RSA modulus and exponent"))?;
    let modulus = BoxedUint::from_be_slice_vartime(rsa.modulus.as_bytes());
    let exponent = BoxedUint::from_be_slice_vartime(rsa.public_exponent.as_bytes());

    let bits = bits_of(&modulus);
    if bits < FEWEST_BITS {
        return Err(ChannelError::WeakKey(format!("it has {bits} bits, and {FEWEST_BITS} are the least")));
    }
    if bits > MOST_BITS {
        return Err(ChannelError::UnreadableKey("it has more than 16384 bits"));
    }
    if exponent < BoxedUint::from(SMALLEST_EXPONENT) {
        return Err(ChannelError::WeakKey(format!("its exponent is below {SMALLEST_EXPONENT}")));
    }
    if rsa.public_exponent.as_bytes().last().is_none_or(|byte| byte % 2 == 0) {
        return Err(ChannelError::WeakKey("its exponent is even".into()));
    }
    PublicKey::new_with_size_limits(modulus, exponent, FEWEST_BITS..=MOST_BITS).map_err(|error| match error {
        rsa::Error::PublicExponentTooLarge => {
            ChannelError::UnreadableKey("its exponent has more than 33 bits")
        }
        _ => ChannelError::WeakKey("its modulus is not one that RSA can use".into()),
    })
}

fn bits_of(number: &BoxedUint) -> usize {
    number.bit_width_vartime() as usize
}
