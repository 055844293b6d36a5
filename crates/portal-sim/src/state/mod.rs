//! What the portal remembers: people, logins under way, tokens, registrations, reset links, mail.
//!
//! In: questions from the portal's calls. Out: facts. What always holds: one lock around all of it, held for
//! one call, never across an await. What it refuses to know: HTTP, channels, and how answers are spelled.

mod jwt;
mod limits;
mod password;
mod people;
mod tokens;
mod totp;

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

pub(crate) use jwt::{Claims, Signer};
pub(crate) use limits::Limits;
pub(crate) use people::{CodeCheck, User};
pub(crate) use tokens::{Family, RefreshOutcome, Tokens};

use crate::settings::Account;

/// A mail that the portal sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// The recipient.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The code in it, if it is about one.
    pub code: Option<String>,
    /// The token in its link, if it is about one.
    pub token: Option<String>,
    /// The link, if there is one.
    pub link: Option<String>,
    /// When it was sent.
    pub at: SystemTime,
}

/// Everything that the portal remembers.
#[derive(Debug, Default)]
pub(crate) struct World {
    people: HashMap<String, User>,
    pub(crate) logins: HashMap<String, LoginSession>,
    pub(crate) registrations: HashMap<String, Registration>,
    pub(crate) resets: HashMap<String, Reset>,
    pub(crate) tokens: Tokens,
    inbox: HashMap<String, Vec<Mail>>,
}

/// A login between initiate and complete.
#[derive(Debug)]
pub(crate) struct LoginSession {
    pub(crate) email: String,
    pub(crate) client_hash: String,
    pub(crate) expires: Instant,
    pub(crate) mail: Option<SentCode>,
}

/// A registration between initiate and complete; kept afterwards until the password is set.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) client_hash: String,
    pub(crate) expires: Instant,
    pub(crate) mail: Option<SentCode>,
    pub(crate) verified: bool,
    pub(crate) completed: bool,
}

/// A code on its way by mail.
#[derive(Debug)]
pub(crate) struct SentCode {
    pub(crate) code: String,
    pub(crate) sent: Instant,
    pub(crate) expires: Instant,
}

/// A password-reset link.
#[derive(Debug)]
pub(crate) struct Reset {
    pub(crate) email: String,
    pub(crate) expires: Instant,
    pub(crate) used: bool,
}

impl World {
    pub(crate) fn new(accounts: &[Account]) -> Self {
        let mut world = Self::default();
        for account in accounts {
            world.insert(User::from_account(account));
        }
        world
    }

    pub(crate) fn insert(&mut self, user: User) {
        self.people.insert(key(&user.email), user);
    }

    pub(crate) fn user(&self, email: &str) -> Option<&User> {
        self.people.get(&key(email))
    }

    pub(crate) fn user_mut(&mut self, email: &str) -> Option<&mut User> {
        self.people.get_mut(&key(email))
    }

    pub(crate) fn send(&mut self, mail: Mail) {
        self.inbox.entry(key(&mail.to)).or_default().push(mail);
    }

    pub(crate) fn inbox(&self, email: &str) -> Vec<Mail> {
        self.inbox.get(&key(email)).cloned().unwrap_or_default()
    }
}

/// E-mail addresses are compared without regard to case.
fn key(email: &str) -> String {
    email.to_ascii_lowercase()
}

/// Milliseconds since the epoch.
pub(crate) fn millis(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
