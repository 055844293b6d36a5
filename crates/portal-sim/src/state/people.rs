//! The people: password, standing, second factors.

use std::collections::HashSet;
use std::time::SystemTime;

use data_encoding::BASE32_NOPAD;

use super::password::PasswordHash;
use super::totp;
use crate::chance;
use crate::settings::{Account, AccountState, Factor};

/// One person.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) biz_id: String,
    password: Option<PasswordHash>,
    pub(crate) state: AccountState,
    pub(crate) wrong_passwords: u32,
    pub(crate) email_factor: bool,
    pub(crate) otp: Option<Vec<u8>>,
    /// A secret handed out by setup and not verified yet.
    pub(crate) otp_setup: Option<Vec<u8>>,
    used_steps: HashSet<u64>,
    backup: Option<Backup>,
}

#[derive(Debug)]
struct Backup {
    left: HashSet<String>,
    total: usize,
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeCheck {
    Good,
    Bad,
}

impl User {
    pub(crate) fn from_account(account: &Account) -> Self {
        let mut user = Self::registered(&account.email, account.email.split('@').next().unwrap_or_default());
        user.password = Some(PasswordHash::new(&account.password));
        user.state = account.state;
        user.email_factor = false;
        for factor in &account.factors {
            match factor {
                Factor::Email => user.email_factor = true,
                Factor::Otp { secret_base32 } => user.otp = Some(read_base32(secret_base32)),
                Factor::BackupCodes(codes) => {
                    user.backup = Some(Backup { left: codes.iter().cloned().collect(), total: codes.len() });
                }
            }
        }
        user
    }

    /// Someone who registered: e-mail was verified, so it is the first factor; there is no password yet.
    pub(crate) fn registered(email: &str, name: &str) -> Self {
        Self {
            email: email.to_owned(),
            name: name.to_owned(),
            biz_id: chance::name("usr_"),
            password: None,
            state: AccountState::Active,
            wrong_passwords: 0,
            email_factor: true,
            otp: None,
            otp_setup: None,
            used_steps: HashSet::new(),
            backup: None,
        }
    }

    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    pub(crate) fn password_is(&self, password: &str) -> bool {
        self.password.as_ref().is_some_and(|hash| hash.matches(password))
    }

    pub(crate) fn set_password(&mut self, password: &str) {
        self.password = Some(PasswordHash::new(password));
        self.wrong_passwords = 0;
    }

    pub(crate) fn has_backup_codes(&self) -> bool {
        self.backup.as_ref().is_some_and(|backup| !backup.left.is_empty())
    }

    pub(crate) fn backup_count(&self) -> (usize, usize) {
        self.backup.as_ref().map_or((0, 0), |backup| (backup.left.len(), backup.total))
    }

    /// Checks a TOTP code: one step of drift either way, and each step once.
    pub(crate) fn spend_otp(&mut self, code: &str, now: SystemTime, single_use: bool) -> CodeCheck {
        let Some(secret) = &self.otp else { return CodeCheck::Bad };
        match matching_step(secret, code, now) {
            Some(step) if !single_use || self.used_steps.insert(step) => CodeCheck::Good,
            _ => CodeCheck::Bad,
        }
    }

    /// Checks the first code of a new secret, which turns the secret into a factor.
    pub(crate) fn verify_setup(&mut self, code: &str, now: SystemTime) -> CodeCheck {
        let Some(step) = self.otp_setup.as_ref().and_then(|secret| matching_step(secret, code, now)) else {
            return CodeCheck::Bad;
        };
        self.otp = self.otp_setup.take();
        self.used_steps = HashSet::from([step]);
        CodeCheck::Good
    }

    pub(crate) fn spend_backup_code(&mut self, code: &str) -> CodeCheck {
        let spent = self.backup.as_mut().is_some_and(|backup| backup.left.remove(code));
        if spent { CodeCheck::Good } else { CodeCheck::Bad }
    }

    /// A code that would be accepted now: the current step's if it is unspent, else a neighbour's.
    pub(crate) fn unspent_otp(&self, now: SystemTime) -> Option<String> {
        let secret = self.otp.as_ref()?;
        let step = totp::step_of(now);
        [step, step + 1, step.saturating_sub(1)]
            .into_iter()
            .find(|step| !self.used_steps.contains(step))
            .map(|step| totp::code_at(secret, step))
    }

    pub(crate) fn current_otp(&self, now: SystemTime) -> Option<String> {
        let secret = self.otp_setup.as_ref().or(self.otp.as_ref())?;
        Some(totp::code_at(secret, totp::step_of(now)))
    }
}

fn matching_step(secret: &[u8], code: &str, now: SystemTime) -> Option<u64> {
    let step = totp::step_of(now);
    (step.saturating_sub(1)..=step + 1).find(|&step| totp::code_at(secret, step) == code)
}

fn read_base32(text: &str) -> Vec<u8> {
    let text = text.trim_end_matches('=').to_ascii_uppercase();
    BASE32_NOPAD.decode(text.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::DEFAULT_TOTP_SECRET;

    #[test]
    fn a_totp_step_is_good_once_and_drift_is_one_step() {
        let factors = vec![Factor::Otp { secret_base32: DEFAULT_TOTP_SECRET.to_owned() }];
        let mut user = User::from_account(&Account::new("a@example.com", factors));
        let now = SystemTime::now();
        let at = |delta: i64| {
            let step = totp::step_of(now).checked_add_signed(delta).unwrap();
            totp::code_at(&read_base32(DEFAULT_TOTP_SECRET), step)
        };
        assert_eq!(user.spend_otp(&at(-2), now, true), CodeCheck::Bad);
        assert_eq!(user.spend_otp(&at(-1), now, true), CodeCheck::Good);
        assert_eq!(user.spend_otp(&at(0), now, true), CodeCheck::Good);
        assert_eq!(user.spend_otp(&at(0), now, true), CodeCheck::Bad, "spent");
        assert_eq!(user.spend_otp(&at(1), now, true), CodeCheck::Good);
        assert_eq!(user.spend_otp(&at(2), now, true), CodeCheck::Bad);
    }

    #[test]
    fn a_backup_code_is_good_once() {
        let codes = vec!["backup00".to_owned(), "backup01".to_owned()];
        let mut user = User::from_account(&Account::new("a@example.com", vec![Factor::BackupCodes(codes)]));
        assert_eq!(user.spend_backup_code("backup00"), CodeCheck::Good);
        assert_eq!(user.spend_backup_code("backup00"), CodeCheck::Bad);
        assert_eq!(user.backup_count(), (1, 2));
    }
}
