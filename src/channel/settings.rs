//! How much one pair of keys may seal.

/// Limits per key, in messages. With random 96-bit nonces the chance of a repeated one grows with the square
/// of the count; a repeated nonce gives the authentication key away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// From this many messages on, [`super::Channel::is_worn`] asks for a new channel. 2^24 keep the chance
    /// of a repeated nonce near 2^-49.
    pub renew_after_messages: u64,
    /// After this many messages, sealing is refused. Never more than [`Settings::MOST_MESSAGES`].
    pub refuse_after_messages: u64,
}

impl Settings {
    /// What no setting can exceed: NIST SP 800-38D section 8.3 ends at 2^32 messages, and we stay 2^20 below.
    pub const MOST_MESSAGES: u64 = (1 << 32) - (1 << 20);

    /// The same, with both limits brought down to what is safe, and renewal no later than refusal.
    pub(super) fn bounded(self) -> Self {
        let refuse_after_messages = self.refuse_after_messages.min(Self::MOST_MESSAGES);
        let renew_after_messages = self.renew_after_messages.min(refuse_after_messages);
        Self { renew_after_messages, refuse_after_messages }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { renew_after_messages: 1 << 24, refuse_after_messages: Self::MOST_MESSAGES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_reaches_what_nist_forbids() {
        let wild = Settings { renew_after_messages: u64::MAX, refuse_after_messages: u64::MAX }.bounded();
        assert_eq!(wild.refuse_after_messages, Settings::MOST_MESSAGES);
        assert_eq!(wild.renew_after_messages, Settings::MOST_MESSAGES);
        const { assert!(Settings::MOST_MESSAGES < 1 << 32) };
    }

    #[test]
    fn the_ceiling_itself_may_be_set_and_one_more_is_brought_down() {
        for (asked, given) in [
            (Settings::MOST_MESSAGES, Settings::MOST_MESSAGES),
            (Settings::MOST_MESSAGES + 1, Settings::MOST_MESSAGES),
        ] {
            let settings = Settings { refuse_after_messages: asked, ..Settings::default() };
            assert_eq!(settings.bounded().refuse_after_messages, given);
        }
    }

    #[test]
    fn renewal_is_asked_for_no_later_than_refusal() {
        let settings = Settings { renew_after_messages: 10, refuse_after_messages: 3 }.bounded();
        assert_eq!(settings.renew_after_messages, 3);
    }
}
