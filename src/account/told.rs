//! What is answered. Texts are the portal's own, as one line without control characters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::{OtpSecret, OtpUri, RegistrationId};

/// An answer.
#[derive(Debug, Clone)]
pub enum Told {
    /// Done; there is nothing to say about it.
    Done,
    /// Who is signed in.
    Profile(Profile),
    /// Where the account is signed in.
    Sessions(Vec<SignedIn>),
    /// Sign-ins were ended; how many, if the portal said so.
    Terminated(Option<u64>),
    /// The second factors.
    Factors(Vec<Factor>),
    /// The backup codes.
    BackupCodes(BackupCodes),
    /// A secret to put into an authenticator.
    OtpSetup(OtpSetup),
    /// A registration has begun.
    Registering {
        /// What names it in the calls to come.
        registration: RegistrationId,
        /// How long it lives.
        expires_in: Duration,
    },
    /// A code was sent.
    CodeSent {
        /// Where to, masked by the portal.
        masked_target: Option<String>,
    },
    /// The account was made.
    Registered {
        /// Whether an administrator has to approve it first.
        pending_approval: bool,
    },
}

/// Who is signed in, by the profile; never by the token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The account's id.
    pub id: Option<String>,
    /// Its address.
    pub email: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The portal that it is of.
    pub portal: Option<String>,
    /// How it stands.
    pub status: Option<String>,
}

/// One place where the account is signed in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The id, masked by the portal.
    pub id: String,
    /// Which device.
    pub device: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// From where.
    pub location: Option<String>,
    /// Since when.
    pub created_at: Option<String>,
    /// When it was last used.
    pub last_active_at: Option<String>,
    /// By which program.
    pub user_agent: Option<String>,
    /// Whether it is ours.
    pub current: bool,
}

/// A second factor of the account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factor {
    /// `EMAIL`, `OTP`, `BACKUP_CODE`, or the portal's number.
    pub code: String,
    /// The portal's text.
    pub label: Option<String>,
    /// Whether it is in use.
    pub enabled: bool,
    /// Whether it is the first choice.
    pub primary: bool,
    /// When it was verified.
    pub verified_at: Option<String>,
}

/// The backup codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupCodes {
    /// How many are left.
    pub remaining: u64,
    /// How many there were, if the portal says so.
    pub total: Option<u64>,
}

/// A secret to put into an authenticator.
#[derive(Debug, Clone)]
pub struct OtpSetup {
    /// In Base32.
    pub secret: OtpSecret,
    /// `otpauth://…`, which holds the secret; what a QR code shows.
    pub uri: Option<OtpUri>,
    /// Who issues it.
    pub issuer: Option<String>,
    /// For which account.
    pub account: Option<String>,
}
