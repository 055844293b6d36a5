//! Which of the offered factors a login takes.

use super::budget::By;
use super::codes::backup_factor;
use super::flight::Login;
use super::{FactorKind, Method, MfaChoice};

/// How a login goes on after initiate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// No factor is asked for (ruling 5).
    Complete,
    /// By a code made from the OTP secret.
    Otp(Method),
    /// By a backup code from its source.
    Backup(Method),
    /// By a backup code, which the portal does not offer.
    NoBackup,
    /// By a person's code; `send` has the portal deliver it now.
    Ask {
        /// The factor.
        method: Method,
        /// Whether to have the code sent without being asked.
        send: bool,
    },
}

/// Chooses among `offered`. What a person chose comes first, then what is configured, then what needs nobody,
/// then what a person can answer; backup codes last, since each is good for one login only.
pub(super) fn choose(offered: &[Method], login: &Login, seed: bool) -> Next {
    if login.by_backup_code {
        let without = if offered.is_empty() { Next::Complete } else { Next::NoBackup };
        return backup_factor(offered).map_or(without, Next::Backup);
    }
    let spends_backup = login.spends_backup(seed);
    let looks_for_mail = login.credentials.codes.mailed.is_some();
    let find = |kind| offered.iter().find(|method| method.kind == kind).cloned();
    let wanted = match (login.prefer, login.credentials.mfa) {
        (Some(kind), _) => find(kind),
        (None, MfaChoice::Auto) if seed => find(FactorKind::Otp),
        (None, MfaChoice::Auto) if looks_for_mail => find(FactorKind::Email),
        (None, MfaChoice::Auto) if spends_backup => find(FactorKind::BackupCode),
        (None, MfaChoice::Auto) => None,
        (None, MfaChoice::Otp) => find(FactorKind::Otp),
        (None, MfaChoice::Email) => find(FactorKind::Email),
        (None, MfaChoice::BackupCode) => find(FactorKind::BackupCode),
    };
    let reachable =
        || offered.iter().find(|method| method.kind != FactorKind::BackupCode).or(offered.first());
    let Some(method) = wanted.or_else(|| reachable().cloned()) else { return Next::Complete };
    if method.kind == FactorKind::Otp && seed && login.prefer.is_none() {
        return Next::Otp(method);
    }
    if method.kind == FactorKind::BackupCode && spends_backup {
        return Next::Backup(method);
    }
    // A mail is sent to somebody who waits for it, or who asked for mails.
    let wanted = login.by == By::Person || looks_for_mail || login.credentials.mfa == MfaChoice::Email;
    let send = method.kind.is_delivered() && wanted;
    Next::Ask { method, send }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Codes, Credentials};

    fn method(kind: FactorKind) -> Method {
        Method { kind, label: None, wire: serde_json::Value::Null }
    }

    fn login(mfa: MfaChoice, by: By) -> Login {
        let credentials = Credentials {
            email: "me".into(),
            password: None,
            otp_secret: None,
            mfa,
            codes: Codes::default(),
        };
        Login { credentials, by, by_backup_code: false, prefer: None, code_retries: 0 }
    }

    fn ask(kind: FactorKind, send: bool) -> Next {
        Next::Ask { method: method(kind), send }
    }

    #[test]
    fn every_choice_meets_every_offer() {
        use FactorKind::{BackupCode, Email, Other, Otp};
        let all = [BackupCode, Email, Otp].map(method);
        for (offered, mfa, by, seed, expected) in [
            (&all[..0], MfaChoice::Auto, By::Itself, true, Next::Complete),
            (&all, MfaChoice::Auto, By::Itself, true, Next::Otp(method(Otp))),
            (&all, MfaChoice::Auto, By::Itself, false, ask(Email, false)),
            (&all, MfaChoice::Auto, By::Person, false, ask(Email, true)),
            (&all, MfaChoice::Otp, By::Itself, true, Next::Otp(method(Otp))),
            (&all, MfaChoice::Otp, By::Itself, false, ask(Otp, false)),
            (&all, MfaChoice::Email, By::Itself, true, ask(Email, true)),
            (&all, MfaChoice::BackupCode, By::Person, true, ask(BackupCode, false)),
            (&all[..1], MfaChoice::Auto, By::Itself, true, ask(BackupCode, false)),
            (&all[..2], MfaChoice::Otp, By::Itself, true, ask(Email, false)),
            (&[method(Other)], MfaChoice::Auto, By::Person, false, ask(Other, false)),
        ] {
            assert_eq!(choose(offered, &login(mfa, by), seed), expected, "{mfa:?} {by:?} {seed}");
        }
    }

    #[test]
    fn what_a_person_chose_comes_before_the_configuration() {
        let offered = [FactorKind::Email, FactorKind::Otp].map(method);
        let login = Login { prefer: Some(FactorKind::Email), ..login(MfaChoice::Auto, By::Person) };
        assert_eq!(choose(&offered, &login, true), ask(FactorKind::Email, true));
    }
}
