//! Which keys of a portal are taken.

use data_encoding::{BASE64, BASE64_MIME, BASE64URL_NOPAD};
use proptest::prelude::*;
use rsa::pkcs1::{RsaPublicKey, UintRef};
use rsa::pkcs8::der::Encode;
use rsa::pkcs8::der::asn1::{AnyRef, BitStringRef};
use rsa::pkcs8::spki::{AlgorithmIdentifier, ObjectIdentifier, SubjectPublicKeyInfo};

use super::peer::{private_key, spki_of};
use super::*;

const RSA: &str = "1.2.840.113549.1.1.1";

/// The SPKI of an odd modulus of `bits` bits and any exponent.
fn spki(oid: &str, bits: usize, exponent: u64) -> String {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] >>= modulus.len() * 8 - bits;
    let exponent = exponent.to_be_bytes();
    let key = RsaPublicKey {
        modulus: UintRef::new(&modulus).unwrap(),
        public_exponent: UintRef::new(&exponent).unwrap(),
    };
    let key = key.to_der().unwrap();
    let algorithm =
        AlgorithmIdentifier { oid: ObjectIdentifier::new_unwrap(oid), parameters: Some(AnyRef::NULL) };
    let subject_public_key = BitStringRef::from_bytes(&key).unwrap();
    BASE64.encode(&SubjectPublicKeyInfo { algorithm, subject_public_key }.to_der().unwrap())
}

fn refusal(spki: &str) -> ChannelError {
    PortalKey::parse("k", spki).expect_err("it is refused")
}

#[test]
fn a_key_has_2048_to_16384_bits() {
    for bits in [2048, 2049, 3072, 4096, 16384] {
        let key = PortalKey::parse("k", &spki(RSA, bits, 65537)).unwrap_or_else(|e| panic!("{bits}: {e}"));
        assert_eq!(key.bits(), bits);
    }
    for bits in [512, 1024, 2047] {
        let refusal = refusal(&spki(RSA, bits, 65537));
        assert_eq!(refusal, ChannelError::WeakKey(format!("it has {bits} bits, and 2048 are the least")));
    }
    assert_eq!(refusal(&spki(RSA, 16385, 65537)), ChannelError::UnreadableKey("it has more than 16384 bits"));
}

#[test]
fn an_exponent_is_odd_and_at_least_65537() {
    for exponent in [65537, 65539, (1 << 33) - 1] {
        assert!(PortalKey::parse("k", &spki(RSA, 2048, exponent)).is_ok(), "{exponent}");
    }
    for exponent in [1, 3, 17, 257, 65535] {
        assert!(matches!(refusal(&spki(RSA, 2048, exponent)), ChannelError::WeakKey(_)), "{exponent}");
    }
    assert_eq!(refusal(&spki(RSA, 2048, 65538)), ChannelError::WeakKey("its exponent is even".into()));
    assert!(matches!(refusal(&spki(RSA, 2048, (1 << 33) + 1)), ChannelError::UnreadableKey(_)));
}

#[test]
fn a_key_of_16384_bits_wraps() {
    let key = PortalKey::parse("k", &spki(RSA, 16384, 65537)).unwrap();
    let wrapped = key.wrap(&[7; 32], OaepHash::Sha256, OaepHash::Sha1, &mut rand::rng()).unwrap();
    assert_eq!(wrapped.len(), 2048);
}

#[test]
fn a_modulus_that_is_even_is_refused() {
    let mut der = BASE64.decode(spki(RSA, 2048, 65537).as_bytes()).unwrap();
    // The modulus ends where the exponent's five bytes (INTEGER, 3, 01 00 01) begin.
    let last = der.len() - 6;
    der[last] ^= 1;
    assert!(matches!(refusal(&BASE64.encode(&der)), ChannelError::WeakKey(_)));
}

#[test]
fn a_key_that_is_not_for_encryption_with_rsa_is_refused() {
    for (name, oid) in [("RSASSA-PSS", "1.2.840.113549.1.1.10"), ("EC", "1.2.840.10045.2.1")] {
        let refusal = refusal(&spki(oid, 2048, 65537));
        assert_eq!(refusal, ChannelError::UnreadableKey("its algorithm is not rsaEncryption"), "{name}");
    }
}

#[test]
fn line_breaks_armour_and_the_other_alphabet_are_read_and_have_the_same_fingerprint() {
    let text = spki_of(&private_key());
    let der = BASE64.decode(text.as_bytes()).unwrap();
    let key = PortalKey::parse("k", &text).unwrap();
    assert_eq!(key.fingerprint(), Fingerprint::of(&der));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}-----END PUBLIC KEY-----\n", BASE64_MIME.encode(&der));
    for spelling in [pem, BASE64_MIME.encode(&der), BASE64URL_NOPAD.encode(&der), format!("  {text}\n")] {
        assert_eq!(PortalKey::parse("k", &spelling).unwrap().fingerprint(), key.fingerprint(), "{spelling}");
    }
}

#[test]
fn what_is_no_key_is_unreadable() {
    let der = BASE64.decode(spki_of(&private_key()).as_bytes()).unwrap();
    let longer = BASE64.encode(&[&der[..], b"\0"].concat());
    let cut = BASE64.encode(&der[..der.len() - 1]);
    // PKCS #1 without the algorithm around it begins 24 bytes in.
    let bare = BASE64.encode(&der[24..]);
    for bad in ["", "!", "AAAA", "none", &longer, &cut, &bare] {
        assert!(matches!(refusal(bad), ChannelError::UnreadableKey(_)), "{bad}");
    }
}

#[test]
fn a_pin_takes_its_own_key_and_names_both_when_it_is_another() {
    let key = PortalKey::parse("k", &spki_of(&private_key())).unwrap();
    let pinned = key.fingerprint();
    assert_eq!(key.clone().pinned_to(pinned).unwrap().fingerprint(), pinned);

    let other = PortalKey::parse("k", &spki(RSA, 2048, 65537)).unwrap();
    let served = other.fingerprint();
    let error = other.pinned_to(pinned).expect_err("another key");
    assert_eq!(error, ChannelError::PinMismatch { served, pinned });
    assert!(
        error.to_string().contains(&served.to_string()) && error.to_string().contains(&pinned.to_string())
    );
}

proptest! {
    #[test]
    fn reading_a_key_never_panics(id in ".{0,300}", text in ".{0,400}") {
        let _ = PortalKey::parse(&id, &text);
    }

    #[test]
    fn reading_any_bytes_as_a_key_never_panics(der: Vec<u8>) {
        let _ = PortalKey::parse("k", &BASE64.encode(&der));
    }

    #[test]
    fn a_damaged_key_never_panics(at in 0_usize..294, change in 1_u8.., end in 0_usize..=294) {
        let mut der = BASE64.decode(spki(RSA, 2048, 65537).as_bytes()).unwrap();
        assert_eq!(der.len(), 294);
        der[at] ^= change;
        let _ = PortalKey::parse("k", &BASE64.encode(&der));
        let _ = PortalKey::parse("k", &BASE64.encode(&der[..end]));
    }

    #[test]
    fn reading_a_fingerprint_never_panics(text in ".{0,100}") {
        let _ = text.parse::<Fingerprint>();
    }
}
