//! Every limit at n and at n + 1; what the types promise.

use super::peer::{portal_key, private_key, spki_of};
use super::*;

fn channel(renew_after_messages: u64, refuse_after_messages: u64) -> Channel {
    let settings = Settings { renew_after_messages, refuse_after_messages };
    bootstrap_over(&[1; 32], &[2; 32], GUIDE).with_settings(settings).finish("sess_abc").unwrap()
}

fn seal(channel: &Channel) -> Result<(), ChannelError> {
    channel.seal(b"{}", &mut rand::rng()).map(drop)
}

#[test]
fn renewal_is_due_at_the_soft_limit_and_not_one_message_before() {
    let channel = channel(3, 100);
    for sealed in 0..5 {
        assert_eq!(channel.is_worn(), sealed >= 3, "after {sealed} messages");
        seal(&channel).unwrap();
    }
}

#[test]
fn the_hard_limit_itself_is_sealed_and_one_more_is_refused_for_good() {
    let channel = channel(2, 3);
    for _ in 0..3 {
        seal(&channel).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(seal(&channel), Err(ChannelError::WornOut));
    }
    assert_eq!(channel.sealed(), 3, "what was refused was not sealed");
    assert!(channel.is_worn());
}

#[test]
fn a_first_message_counts_against_the_hard_limit() {
    for (most, allowed) in [(0, false), (1, true)] {
        let settings = Settings { renew_after_messages: most, refuse_after_messages: most };
        let (bootstrap, _) = Bootstrap::start(&portal_key(), GUIDE, &mut rand::rng()).unwrap();
        let sent = bootstrap.with_settings(settings).first_message(b"{}", &mut rand::rng());
        assert_eq!(sent.is_ok(), allowed);
        if let Ok((_, awaiting)) = sent {
            assert_eq!(seal(&awaiting.finish("sess_abc").unwrap()), Err(ChannelError::WornOut));
        }
    }
}

#[test]
fn threads_that_race_for_the_last_messages_get_exactly_as_many_as_there_are() {
    let channel = channel(1, 1000);
    let sealed: usize = std::thread::scope(|scope| {
        let race = || (0..400).filter(|_| seal(&channel).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(race)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(sealed, 1000);
}

#[test]
fn by_default_renewal_is_due_long_before_refusal() {
    let Settings { renew_after_messages, refuse_after_messages } = Settings::default();
    assert_eq!(renew_after_messages, 1 << 24);
    assert_eq!(refuse_after_messages, Settings::MOST_MESSAGES);
}

#[test]
fn a_session_id_has_at_most_1024_visible_characters() {
    let named = |id: &str| bootstrap_over(&[1; 32], &[2; 32], GUIDE).finish(id).map(drop);
    assert_eq!(named("s"), Ok(()));
    assert_eq!(named(&"s".repeat(1024)), Ok(()));
    let long = "s".repeat(1025);
    for bad in ["", &long, " a", "a ", "a b", "a\r\nb: c", "a\0", "sess_é", "\t"] {
        let error = named(bad).expect_err("it is unusable");
        assert!(matches!(error, ChannelError::UnusableSessionId(_)), "{bad:?}: {error}");
        assert!(bad.len() < 3 || !error.to_string().contains(bad), "the id is not shown: {error}");
    }
}

#[test]
fn a_key_id_has_1_to_255_bytes() {
    let spki = spki_of(&private_key());
    assert_eq!(PortalKey::parse(&"k".repeat(255), &spki).unwrap().id().len(), 255);
    for bad in [0, 256] {
        let error = PortalKey::parse(&"k".repeat(bad), &spki).expect_err("it is unusable");
        assert_eq!(error, ChannelError::UnusableKeyId(bad));
    }
}

#[test]
fn the_text_of_a_key_has_at_most_8192_bytes() {
    let spki = spki_of(&private_key());
    let padded = |length: usize| format!("{spki}{}", "\n".repeat(length - spki.len()));
    assert!(PortalKey::parse("k", &padded(8192)).is_ok());
    assert!(matches!(PortalKey::parse("k", &padded(8193)), Err(ChannelError::UnreadableKey(_))));
}

#[test]
fn a_channel_may_be_shared_and_its_keys_are_wiped() {
    fn shared<T: Send + Sync>() {}
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    shared::<Channel>();
    shared::<Bootstrap>();
    wiped::<aes_gcm::Aes256Gcm>();
}

#[test]
fn debug_shows_neither_the_id_nor_a_key() {
    let (bootstrap, hello) = Bootstrap::start(&portal_key(), GUIDE, &mut rand::rng()).unwrap();
    assert_eq!(
        format!("{bootstrap:?} {hello:?}"),
        r#"Bootstrap { key_id: "rsa-key-1", .. } Hello { key_id: "rsa-key-1", .. }"#
    );
    let (_, awaiting) = bootstrap.first_message(b"{}", &mut rand::rng()).unwrap();
    assert_eq!(format!("{awaiting:?}"), r#"AwaitingId { key_id: "rsa-key-1", .. }"#);

    let channel = awaiting.finish("CNRY-session").unwrap();
    let shown = format!("{channel:?} {:?}", channel.id_header());
    assert!(shown.starts_with("Channel(#") && shown.contains("1 sealed"), "{shown}");
    assert!(!shown.contains("CNRY"), "{shown}");
    assert!(channel.id_header().is_sensitive());
    assert_eq!(channel.id_header().as_bytes(), channel.id().as_bytes());
}
