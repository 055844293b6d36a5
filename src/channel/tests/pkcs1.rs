//! The vectors of RSA Laboratories for RSAES-OAEP, as RFC 8017 has it: the known answer of each message under a seed.

use std::convert::Infallible;

use data_encoding::HEXLOWER;
use rand::{TryCryptoRng, TryRng};
use rsa::{BoxedUint, Oaep, PrivateKey};
use sha1::Sha1;

use super::peer::{spki_of, unwrap};
use super::*;

const VECTORS: &str = include_str!("../../../tests/vectors/rsa_oaep_pkcs1.txt");

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

/// Gives out the seed of a vector, and nothing else.
struct Seed(Vec<u8>);

impl TryRng for Seed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("a seed is taken whole")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("a seed is taken whole")
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        assert_eq!(dst.len(), self.0.len(), "as long as the hash");
        dst.copy_from_slice(&std::mem::take(&mut self.0));
        Ok(())
    }
}

impl TryCryptoRng for Seed {}

fn key(fields: &[&str]) -> PrivateKey {
    let [n, e, d, p, q] = fields else { panic!("{fields:?}") };
    let number = |hex: &str| BoxedUint::from_be_slice_vartime(&bytes(hex));
    PrivateKey::from_components(number(n), number(e), number(d), vec![number(p), number(q)]).unwrap()
}

#[test]
fn every_oaep_vector_of_pkcs1_opens_and_comes_out_again_under_its_seed() {
    let (mut private, mut portal) = (None, None);
    let (mut vectors, mut ours, mut weak) = (0, 0, Vec::new());
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        if fields[0] == "K" {
            let theirs = key(&fields[2..]);
            // Nine of their ten keys are shorter than a portal's may be.
            portal = match PortalKey::parse("k", &spki_of(&theirs)) {
                Ok(key) => Some(key),
                Err(ChannelError::WeakKey(_)) => {
                    weak.push(fields[1]);
                    None
                }
                Err(other) => panic!("{other}"),
            };
            private = Some(theirs);
            continue;
        }
        let &["V", message, seed, ciphertext] = fields.as_slice() else { panic!("{line}") };
        let (message, ciphertext) = (bytes(message), bytes(ciphertext));
        let private: &PrivateKey = private.as_ref().unwrap();
        assert_eq!(unwrap(private, &ciphertext, OaepHash::Sha1, OaepHash::Sha1).unwrap(), message);
        let public = rsa::PublicKey::from(private);
        let anew = public.encrypt(&mut Seed(bytes(seed)), Oaep::<Sha1>::new(), &message);
        assert_eq!(anew.unwrap(), ciphertext);
        if let Some(portal) = &portal {
            // What wraps the channel's keys, under a seed that is known for once.
            let wrapped =
                portal.encrypt(&message, OaepHash::Sha1, OaepHash::Sha1, &mut Seed(bytes(seed))).unwrap();
            assert_eq!(wrapped, ciphertext);
            ours += 1;
        }
        // And no changed byte opens.
        for at in [0, ciphertext.len() / 2, ciphertext.len() - 1] {
            let mut changed = ciphertext.clone();
            changed[at] ^= 1;
            assert!(unwrap(private, &changed, OaepHash::Sha1, OaepHash::Sha1).is_err());
        }
        vectors += 1;
    }
    assert_eq!((vectors, ours), (60, 6));
    assert_eq!(weak, ["1024", "1025", "1026", "1027", "1028", "1029", "1030", "1031", "1536"]);
}
