//! Time-based one-time passwords (RFC 6238): SHA-1, six digits, thirty seconds.

use std::time::{Duration, SystemTime};

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::secret::{Expose, OneTimeCode, OtpSecret};

/// How long one code lives (RFC 6238 section 5.2).
pub(super) const STEP: Duration = Duration::from_secs(30);

/// The number of one thirty-second step since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(pub u64);

impl Step {
    /// The step that `time` is in.
    pub(crate) fn at(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(since_epoch.as_secs() / STEP.as_secs())
    }

    /// How long from `time` until the step after this one begins.
    pub(crate) fn left(self, time: SystemTime) -> Duration {
        let end = SystemTime::UNIX_EPOCH + STEP * u32::try_from(self.0 + 1).unwrap_or(u32::MAX);
        end.duration_since(time).unwrap_or_default()
    }
}

/// An authenticator's key; wiped on drop.
pub(crate) struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// Reads what portals and apps show: Base32 in either case, grouped by spaces or dashes, padded or not; or
    /// a whole `otpauth://totp/…` address, whose digits, period and algorithm must then be the usual ones.
    ///
    /// # Errors
    /// What about the text is wrong.
    pub(crate) fn parse(secret: &OtpSecret) -> Result<Self, &'static str> {
        #[expect(clippy::disallowed_methods, reason = "the text becomes the key that codes are made with")]
        let text = secret.expose().trim();
        let base32 = match text.split_at_checked(OTPAUTH.len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(OTPAUTH) => secret_of(rest)?,
            Some(_) | None => text,
        };
        let plain: Zeroizing<Vec<u8>> = Zeroizing::new(
            base32
                .bytes()
                .filter(|byte| !matches!(byte, b' ' | b'-' | b'=') && !byte.is_ascii_whitespace())
                .map(|byte| byte.to_ascii_uppercase())
                .collect(),
        );
        let key = BASE32_NOPAD.decode(&plain).map_err(|_| "the OTP secret is not Base32")?;
        if key.is_empty() {
            return Err("the OTP secret is empty");
        }
        Ok(Self(Zeroizing::new(key)))
    }

    /// The code of `step`.
    pub(crate) fn code(&self, step: Step) -> OneTimeCode {
        OneTimeCode::new(format!("{:06}", self.truncated(step) % 1_000_000))
    }

    /// The dynamic truncation of RFC 4226 section 5.3.
    fn truncated(&self, step: Step) -> u32 {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(&step.0.to_be_bytes());
        let digest: [u8; 20] = mac.finalize().into_bytes().into();
        let offset = usize::from(digest[19] & 0x0f);
        u32::from_be_bytes([
            digest[offset] & 0x7f,
            digest[offset + 1],
            digest[offset + 2],
            digest[offset + 3],
        ])
    }
}

const OTPAUTH: &str = "otpauth://totp/";

/// The `secret` parameter of an `otpauth://totp/LABEL?…` address, if the rest is what we can do.
fn secret_of(rest: &str) -> Result<&str, &'static str> {
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let mut secret = None;
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name.to_ascii_lowercase().as_str() {
            "secret" => secret = Some(value),
            "digits" if value != "6" => return Err("the OTP address asks for other than 6 digits"),
            "period" if value != "30" => return Err("the OTP address asks for other than 30 seconds"),
            "algorithm" if !value.eq_ignore_ascii_case("SHA1") => {
                return Err("the OTP address asks for another hash than SHA1");
            }
            _ => {}
        }
    }
    let secret = secret.ok_or("the OTP address has no secret")?;
    // Padding is the one part of Base32 that an address has to escape.
    Ok(secret.trim_end_matches("%3D").trim_end_matches("%3d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B: the ASCII seed `12345678901234567890`.
    const RFC_SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn seed(text: &str) -> Result<Seed, &'static str> {
        Seed::parse(&OtpSecret::new(text))
    }

    #[test]
    fn the_vectors_of_rfc_6238_appendix_b_come_out() {
        let seed = seed(RFC_SEED).unwrap();
        for (time, eight_digits) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            let step = Step::at(SystemTime::UNIX_EPOCH + Duration::from_secs(time));
            assert_eq!(seed.truncated(step) % 100_000_000, eight_digits, "at {time}");
        }
    }

    #[test]
    fn the_vectors_of_rfc_4226_appendix_d_come_out_in_six_digits() {
        let seed = seed(RFC_SEED).unwrap();
        let codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583"];
        for (count, code) in (0..).zip(codes) {
            assert_eq!(seed.code(Step(count)), OneTimeCode::new(code));
        }
    }

    #[test]
    fn every_usual_spelling_of_one_seed_is_read() {
        let expected = seed(RFC_SEED).unwrap().code(Step(1));
        for spelling in [
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "GEZDGNBV-GY3TQOJQ-GEZDGNBV-GY3TQOJQ====\n",
            "otpauth://totp/Portal:me%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Portal",
            "OTPAUTH://TOTP/x?digits=6&period=30&algorithm=sha1&secret=gezdgnbvgy3tqojqgezdgnbvgy3tqojq#f",
        ] {
            assert_eq!(seed(spelling).unwrap().code(Step(1)), expected, "{spelling}");
        }
    }

    #[test]
    fn what_would_make_wrong_codes_is_refused() {
        for bad in [
            "",
            "====",
            "not base32!",
            "GEZDGNB1",
            "otpauth://totp/x",
            "otpauth://totp/x?issuer=y",
            "otpauth://totp/x?secret=GEZDGNBV&digits=8",
            "otpauth://totp/x?secret=GEZDGNBV&period=60",
            "otpauth://totp/x?secret=GEZDGNBV&algorithm=SHA256",
            "otpauth://hotp/x?secret=GEZDGNBV",
        ] {
            assert!(seed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_step_ends_where_the_next_begins() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(Step::at(at(29_999)), Step(0));
        assert_eq!(Step::at(at(30_000)), Step(1));
        assert_eq!(Step(0).left(at(29_999)), Duration::from_millis(1));
        assert_eq!(Step(1).left(at(30_000)), STEP);
        assert_eq!(Step(0).left(at(31_000)), Duration::ZERO);
    }
}
