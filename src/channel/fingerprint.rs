//! What a pin of the portal's key compares.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};

use super::base64;

/// The SHA-256 of a SubjectPublicKeyInfo; written as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a SubjectPublicKeyInfo in DER.
    pub(super) fn of(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }
}

impl From<[u8; 32]> for Fingerprint {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads what other tools print: hex in either case, plain or with colons, or Base64 of either alphabet; with
/// or without `sha256:` or `sha256//` before it.
impl FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digest = without_label(text.trim());
        let bytes = match digest.len() {
            64 => HEXLOWER_PERMISSIVE.decode(digest.as_bytes()).ok(),
            95 => without_colons(digest).and_then(|hex| HEXLOWER_PERMISSIVE.decode(&hex).ok()),
            43 | 44 => base64::decode(digest.as_bytes()),
            _ => None,
        };
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes
            .map(Self)
            .ok_or("a fingerprint is a SHA-256: 64 hex digits, with or without colons, or its Base64")
    }
}

fn without_label(text: &str) -> &str {
    match text.split_at_checked(7) {
        Some((label, rest)) if label.eq_ignore_ascii_case("sha256:") => rest,
        Some((label, rest)) if label.eq_ignore_ascii_case("sha256/") => {
            rest.strip_prefix('/').unwrap_or(text)
        }
        _ => text,
    }
}

/// `ab:cd:…` as `abcd…`, if there is a colon after every second digit and nowhere else.
fn without_colons(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(3);
    pairs
        .map(|pair| match *pair {
            [high, low] | [high, low, b':'] => Some([high, low]),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()
        .map(|pairs| pairs.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn every_common_spelling_of_one_digest_is_read_and_printed_as_lower_case_hex() {
        let colons =
            HEX.as_bytes().chunks(2).map(|p| String::from_utf8_lossy(p)).collect::<Vec<_>>().join(":");
        for spelling in [
            HEX.to_owned(),
            HEX.to_uppercase(),
            format!("sha256:{HEX}"),
            format!("SHA256:{}", HEX.to_uppercase()),
            format!("  {HEX}\n"),
            colons.to_uppercase(),
            colons,
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into(),
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into(),
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU".into(),
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU".into(),
        ] {
            let read: Fingerprint = spelling.parse().unwrap_or_else(|e| panic!("{spelling}: {e}"));
            assert_eq!(read.to_string(), HEX, "{spelling}");
            assert_eq!(read, Fingerprint::of(b""));
        }
    }

    #[test]
    fn what_is_not_a_sha_256_is_refused() {
        let misplaced = format!("{}:{}", &HEX[..1], &HEX[1..]);
        let short = &HEX[..62];
        let long = format!("{HEX}00");
        let letters = "g".repeat(64);
        let dashes = "ab-".repeat(31) + "ab";
        for bad in
            ["", "sha256:", "sha256/", short, &long, &misplaced, &letters, &dashes, "é", &"é".repeat(32)]
        {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
