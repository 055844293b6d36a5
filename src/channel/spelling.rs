//! How a deployment spells its channel: whatever PROTOCOL section 12 leaves open is a setting here.

/// The cryptographic part of a dialect (PROTOCOL sections 3.2, 3.5, 4 and 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelling {
    /// How a sealed body is written (section 4).
    pub envelope: EnvelopeForm,
    /// The hash of RSA-OAEP itself (section 3.2).
    pub oaep_hash: OaepHash,
    /// The hash of OAEP's mask generation function (section 3.2).
    pub mgf1_hash: OaepHash,
    /// What is bound to each message beside its plaintext (section 3.5).
    pub aad: Aad,
    /// How binary is spelled in JSON on the way out; both spellings are read (ruling 13).
    pub base64: Base64,
    /// How the keys reach the portal (sections 3.2 and 4).
    pub key_exchange: KeyExchange,
}

/// The form of a sealed request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeForm {
    /// `{"v":2,"p":"<base64>"}`.
    Json,
    /// SCv2 binary: `53 43 02 02`, then the payload.
    Binary,
    /// Plain JSON under the session header: a gateway in test mode.
    Raw,
}

/// A hash inside RSA-OAEP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OaepHash {
    /// SHA-1, the Java default for MGF1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// Additional authenticated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aad {
    /// None.
    None,
    /// The UTF-8 session id.
    SessionId,
}

/// The Base64 alphabet (RFC 4648).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base64 {
    /// Section 4, padded.
    Standard,
    /// Section 5, unpadded.
    Url,
}

/// How the wrapped keys travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyExchange {
    /// In a call of their own, `POST {sc}/session`.
    Session,
    /// Inside the first message, SCv2 type 1 (ruling 11).
    FirstMessage,
}
