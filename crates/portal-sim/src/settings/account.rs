//! The people who can, or cannot, log in.

use serde::Serialize;

use super::dialect::choice;

/// The password of every default account.
pub const DEFAULT_PASSWORD: &str = "correct horse battery";

/// The TOTP secret of the default accounts that have one, in Base32.
pub const DEFAULT_TOTP_SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// One account.
#[derive(Debug, Clone, Serialize)]
pub struct Account {
    /// The e-mail address, which is also the login name.
    pub email: String,
    /// The password; hashed when the simulator starts.
    pub password: String,
    /// Whether it may log in.
    pub state: AccountState,
    /// What a login needs beside the password; empty for nothing.
    pub factors: Vec<Factor>,
}

impl Account {
    /// An account in good standing with the default password.
    pub fn new(email: &str, factors: Vec<Factor>) -> Self {
        Self {
            email: email.to_owned(),
            password: DEFAULT_PASSWORD.to_owned(),
            state: AccountState::Active,
            factors,
        }
    }

    /// The same account in another state.
    #[must_use]
    pub fn in_state(mut self, state: AccountState) -> Self {
        self.state = state;
        self
    }
}

choice! {
    /// Whether an account may log in.
    pub enum AccountState {
        /// It may.
        #[default]
        Active = "ACTIVE",
        /// An administrator must approve it first.
        Pending = "PENDING_APPROVAL",
        /// Too many wrong passwords.
        Locked = "LOCKED",
        /// Suspended by an administrator.
        Suspended = "SUSPENDED",
        /// The application was turned down.
        Rejected = "REJECTED",
        /// Closed for good.
        Closed = "CLOSED",
    }
}

/// A second factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Factor {
    /// A TOTP app.
    Otp {
        /// The shared secret in Base32.
        secret_base32: String,
    },
    /// A code sent by e-mail.
    Email,
    /// Codes on paper, each good once.
    BackupCodes(Vec<String>),
}

/// The accounts of a simulator that was told nothing else.
pub fn default_accounts() -> Vec<Account> {
    let otp = || Factor::Otp { secret_base32: DEFAULT_TOTP_SECRET.to_owned() };
    let backup = || Factor::BackupCodes((0..10).map(|n| format!("backup{n:02}")).collect());
    let in_state = |email, state| Account::new(email, vec![otp()]).in_state(state);
    vec![
        Account::new("admin@example.com", vec![otp()]),
        Account::new("mail@example.com", vec![Factor::Email]),
        Account::new("both@example.com", vec![Factor::Email, otp(), backup()]),
        Account::new("plain@example.com", vec![]),
        in_state("pending@example.com", AccountState::Pending),
        in_state("locked@example.com", AccountState::Locked),
        in_state("suspended@example.com", AccountState::Suspended),
        in_state("rejected@example.com", AccountState::Rejected),
        in_state("closed@example.com", AccountState::Closed),
    ]
}
