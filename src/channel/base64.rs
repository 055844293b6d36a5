//! Base64 (RFC 4648), vectorized where the machine can: written in one spelling, read in all (ruling 13).

use std::sync::LazyLock;

use ::base64::Engine;
use ::base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use super::Base64;

// The crate has vectors for these targets only; the scalar engine is its own fallback on older machines.
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
type Fast = ::base64::engine::Simd;
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
type Fast = ::base64::engine::GeneralPurpose;

/// Trailing bits that encode nothing must be zero: one payload has one text in each spelling.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

static STANDARD: LazyLock<Fast> = LazyLock::new(|| standard(ANY_PADDING.with_encode_padding(true)));
static URL: LazyLock<Fast> = LazyLock::new(|| url(ANY_PADDING.with_encode_padding(false)));

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
fn standard(config: GeneralPurposeConfig) -> Fast {
    Fast::standard(config)
}

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
fn url(config: GeneralPurposeConfig) -> Fast {
    Fast::url_safe(config)
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
fn standard(config: GeneralPurposeConfig) -> Fast {
    Fast::new(&::base64::alphabet::STANDARD, config)
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
fn url(config: GeneralPurposeConfig) -> Fast {
    Fast::new(&::base64::alphabet::URL_SAFE, config)
}

impl Base64 {
    /// How long the text of so many bytes is; `None` if it does not fit in memory.
    pub(super) const fn text_len(self, bytes: usize) -> Option<usize> {
        ::base64::encoded_len(bytes, matches!(self, Self::Standard))
    }

    /// The text of `bytes`.
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        self.engine().encode(bytes)
    }

    /// Turns the last `raw` bytes of `room` into text that fills `room`, without a second buffer.
    ///
    /// `room` is as long as the text, so the text never overtakes the bytes it is made of: what is written lies
    /// before what is still to be read, and the gap between both is a third of what is left. Each step encodes
    /// as much as fits in the gap; the last bytes, when the gap is too small to be worth it, go over the stack.
    pub(super) fn encode_in_place(self, room: &mut [u8], raw: usize) {
        debug_assert_eq!(self.text_len(raw), Some(room.len()));
        let (mut read, mut written) = (room.len() - raw, 0);
        while room.len() - read > ON_STACK {
            let (front, back) = room.split_at_mut(read);
            let step = (read - written) / 4 * 3;
            written += self.encode_into(&back[..step], &mut front[written..]);
            read += step;
        }
        let mut rest = [0; ON_STACK];
        let rest = &mut rest[..room.len() - read];
        rest.copy_from_slice(&room[read..]);
        self.encode_into(rest, &mut room[written..]);
    }

    fn encode_into(self, bytes: &[u8], text: &mut [u8]) -> usize {
        self.engine().encode_slice(bytes, text).expect("the room was measured by `text_len`")
    }

    fn engine(self) -> &'static Fast {
        match self {
            Self::Standard => &STANDARD,
            Self::Url => &URL,
        }
    }
}

/// The gap is at least a third of this, so every step is long enough for the vector unit (128 bytes).
const ON_STACK: usize = 768;

/// Reads either alphabet, padded or not; `None` if it is neither.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let spelling = if memchr::memchr2(b'-', b'_', text).is_some() { Base64::Url } else { Base64::Standard };
    spelling.engine().decode(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_are_read_padded_and_unpadded() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(Base64::Standard.encode(bytes.as_bytes()), text);
            assert_eq!(Base64::Url.encode(bytes.as_bytes()), text.trim_end_matches('='));
            assert_eq!(decode(text.as_bytes()).unwrap(), bytes.as_bytes());
            assert_eq!(decode(text.trim_end_matches('=').as_bytes()).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn both_alphabets_are_read_but_not_in_one_text() {
        assert_eq!(decode(b"+/+/").unwrap(), decode(b"-_-_").unwrap());
        assert_eq!(decode(b"+_+/"), None);
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for bad in [&b"Z"[..], b"Zg=a", b"Z g=", b"Zg\n", b"Zh==", b"=", b"Zm9v\0", "Zmö".as_bytes()] {
            assert_eq!(decode(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn in_place_and_into_a_new_buffer_give_the_same_text_at_every_length_around_the_steps() {
        for raw in (0..40).chain(700..1100).chain([3071, 3072, 3073, 65_536, 100_001]) {
            let bytes: Vec<u8> = (0..raw).map(|i| (i * 31 % 251) as u8).collect();
            for spelling in [Base64::Standard, Base64::Url] {
                let mut room = vec![b'#'; spelling.text_len(raw).unwrap()];
                let start = room.len() - raw;
                room[start..].copy_from_slice(&bytes);
                spelling.encode_in_place(&mut room, raw);
                assert_eq!(room, spelling.encode(&bytes).as_bytes(), "{raw} bytes, {spelling:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(text: Vec<u8>) {
            let _ = decode(&text);
        }

        #[test]
        fn what_was_written_is_read(bytes: Vec<u8>) {
            for spelling in [Base64::Standard, Base64::Url] {
                prop_assert_eq!(decode(spelling.encode(&bytes).as_bytes()), Some(bytes.clone()));
            }
        }
    }
}
