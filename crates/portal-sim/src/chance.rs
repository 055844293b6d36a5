//! Randomness from the operating system, and opaque names made of it.

use data_encoding::HEXLOWER;
use rsa::rand_core::{TryCryptoRng, TryRng};

/// The operating system's random numbers, for crates that want a generator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = getrandom::Error;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        getrandom::u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        getrandom::u64()
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        getrandom::fill(dst)
    }
}

impl TryCryptoRng for SystemRandom {}

/// Random bytes. A machine without randomness cannot simulate anything, so this one fault is fatal.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    getrandom::fill(&mut out).expect("the operating system gives random numbers");
    out
}

/// An opaque name: the prefix and 128 random bits.
pub(crate) fn name(prefix: &str) -> String {
    format!("{prefix}{}", HEXLOWER.encode(&bytes::<16>()))
}

/// Six digits, as e-mail codes are.
pub(crate) fn six_digits() -> String {
    format!("{:06}", u32::from_le_bytes(bytes()) % 1_000_000)
}
