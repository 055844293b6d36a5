//! The vectors by which NIST validates implementations of AES-GCM (CAVP), through the functions that the proxy runs.

use data_encoding::HEXLOWER;

use super::aead::plaintext;
use super::*;
use crate::channel::aead::Key as AeadKey;

const VECTORS: &str = include_str!("../../../tests/vectors/nist_gcm_256.txt");

fn bytes(hex: &str) -> Vec<u8> {
    if hex == "-" { Vec::new() } else { HEXLOWER.decode(hex.as_bytes()).unwrap() }
}

#[test]
fn every_vector_of_nist_for_our_sizes_seals_and_opens_as_it_says() {
    let (mut sealed, mut opened, mut refused) = (0, 0, 0);
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let &[operation, key, iv, aad, ct, tag, pt] = fields.as_slice() else { panic!("{line}") };
        let key = AeadKey::new(bytes(key).as_slice().try_into().unwrap());
        let (iv, aad) = (bytes(iv), bytes(aad));
        let payload = [&iv[..], &bytes(ct), &bytes(tag)].concat();
        if operation == "E" {
            let mut out = Vec::new();
            key.seal_under(iv.as_slice().try_into().unwrap(), &bytes(pt), &aad, &mut out).unwrap();
            assert_eq!(out, payload, "{line}");
            sealed += 1;
        }
        let mut text = payload.clone();
        match (key.open(&mut text, &aad), pt) {
            (Err(ChannelError::DoesNotOpen), "FAIL") => {
                assert_eq!(text, payload, "{line}: something was decrypted");
                refused += 1;
            }
            (Ok(()), pt) if pt != "FAIL" => {
                assert_eq!(plaintext(text), bytes(pt), "{line}");
                opened += 1;
            }
            (other, _) => panic!("{line}: {other:?}"),
        }
    }
    assert_eq!((sealed, opened, refused), (375, 559, 191));
}
