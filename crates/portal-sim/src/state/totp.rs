//! TOTP (RFC 6238) with HMAC-SHA-1, steps of 30 s, six digits.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::millis;

/// The step in which a moment lies.
pub(crate) fn step_of(time: SystemTime) -> u64 {
    millis(time) / 30_000
}

/// The code of a step.
pub(crate) fn code_at(secret: &[u8], step: u64) -> String {
    format!("{:06}", truncated(secret, step) % 1_000_000)
}

/// RFC 4226, section 5.3.
fn truncated(secret: &[u8], counter: u64) -> u32 {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(&counter.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 0x0f);
    let word = [digest[offset], digest[offset + 1], digest[offset + 2], digest[offset + 3]];
    u32::from_be_bytes(word) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_6238_appendix_b() {
        let secret = b"12345678901234567890";
        for (seconds, eight_digits) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(truncated(secret, seconds / 30) % 100_000_000, eight_digits);
            assert_eq!(code_at(secret, seconds / 30), format!("{:06}", eight_digits % 1_000_000));
        }
    }
}
