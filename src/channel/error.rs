//! What can go wrong with a channel's bytes.

/// A failure of the channel's cryptography. It never says which check failed on a body that did not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The portal's public key cannot be read.
    #[error("the portal's public key is not a Base64 SubjectPublicKeyInfo of an RSA key: {0}")]
    UnreadableKey(&'static str),
    /// The portal's public key is too weak to be used.
    #[error("the portal's public key is too weak: {0}")]
    WeakKey(String),
    /// The id of the portal's public key is empty or longer than SCv2 can carry.
    #[error("the id of the portal's public key has {0} bytes; 1 to 255 can be sent")]
    UnusableKeyId(usize),
    /// Another key is served than the one pinned.
    #[error("the portal serves the key {served}, but {pinned} is pinned")]
    PinMismatch {
        /// What the portal serves.
        served: super::Fingerprint,
        /// What the configuration asks for.
        pinned: super::Fingerprint,
    },
    /// The portal's session id cannot be sent back in a header. The id itself is not shown: it is a credential.
    #[error("the session id that the portal gave cannot be sent in a header: {0}")]
    UnusableSessionId(&'static str),
    /// The operating system gave no randomness.
    #[error("no randomness to be had from the operating system")]
    NoRandomness,
    /// This channel's keys have sealed as many messages as they may.
    #[error("the channel's keys are worn out")]
    WornOut,
    /// A message is longer than AES-GCM can seal (64 GiB).
    #[error("the message is too long to be sealed")]
    TooLong,
    /// A body did not open. One answer for every cause.
    #[error("the answer does not open under the channel's key")]
    DoesNotOpen,
}
