//! The secure channel's envelopes.

use std::sync::LazyLock;

use portunus::channel::{
    Aad, Base64, Channel, ChannelError, EnvelopeForm, Form, KeyExchange, OaepHash, Spelling, form_of,
};

const KEY: [u8; 32] = [7; 32];

static CHANNELS: LazyLock<Vec<Channel>> = LazyLock::new(|| {
    let spelled = |envelope, aad, base64| {
        let (oaep_hash, mgf1_hash) = (OaepHash::Sha256, OaepHash::Sha256);
        let spelling =
            Spelling { envelope, oaep_hash, mgf1_hash, aad, base64, key_exchange: KeyExchange::Session };
        Channel::fixed(&KEY, "session-1", spelling).expect("the id is a header value")
    };
    vec![
        spelled(EnvelopeForm::Json, Aad::None, Base64::Standard),
        spelled(EnvelopeForm::Json, Aad::SessionId, Base64::Url),
        spelled(EnvelopeForm::Binary, Aad::SessionId, Base64::Standard),
    ]
});

/// Bytes that nobody sealed never open, whatever they look like; what was sealed opens as itself, and no longer
/// once a byte of it is another.
pub fn envelope(data: &[u8]) {
    for channel in CHANNELS.iter() {
        match channel.open(data) {
            Ok(plain) => panic!("opened {} bytes that nobody sealed", plain.len()),
            // One answer for every cause, so that nobody learns from it.
            Err(error) => assert_eq!(error, ChannelError::DoesNotOpen),
        }
    }
    let Some((&[which, at, change], plain)) = data.split_first_chunk::<3>() else { return };
    let channel = &CHANNELS[usize::from(which) % CHANNELS.len()];
    let sealed = channel.seal(plain, &mut rand::rng()).expect("the channel is not worn");
    // A request's envelope differs from an answer's by its type alone, where it is binary.
    let mut answer = sealed.to_vec();
    if answer.starts_with(b"SC\x02\x02") {
        answer[3] = 129;
    }
    assert_eq!(channel.open(&answer).expect("it was sealed just now"), plain);
    if change != 0 && !answer.is_empty() {
        let at = usize::from(at) * answer.len() / 256;
        answer[at] ^= change;
        if let Ok(opened) = channel.open(&answer) {
            assert_eq!(form_of(&answer), Form::Json, "a changed byte was not noticed");
            assert_eq!(opened, plain, "a change of the JSON around the payload alters nothing in it");
        }
    }
}
