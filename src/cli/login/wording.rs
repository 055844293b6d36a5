//! What a login's questions say, and what an answer must look like before anything is sent.

use zeroize::Zeroizing;

use super::super::args::Factor;
use super::super::failure::Failure;
use super::super::span::countdown;
use crate::admin::{CODE_LENGTH, ChallengeReport, EMAIL_MAX, FactorName, PASSWORD_LENGTH};
use crate::secret::{OneTimeCode, Password};

/// The prompt as it reads `elapsed` seconds after the challenge came; none once its time is over.
pub(super) fn code_prompt(challenge: &ChallengeReport, elapsed: u64) -> Option<String> {
    let left = challenge.expires_in.checked_sub(elapsed).filter(|left| *left > 0)?;
    let resend = match challenge.resend_in.map(|wait| wait.saturating_sub(elapsed)) {
        None => String::new(),
        Some(0) => ", r = send again".to_owned(),
        Some(wait) => format!(", r = send again in {wait} s"),
    };
    Some(format!("{} ({} left{resend}): ", describe(challenge), countdown(left)))
}

pub(super) fn describe(challenge: &ChallengeReport) -> String {
    match (challenge.method, &challenge.masked_target) {
        (FactorName::Email, None) => "code from the e-mail".to_owned(),
        (FactorName::Otp, _) => "code from the authenticator app".to_owned(),
        (FactorName::BackupCode, _) => "one of the backup codes".to_owned(),
        (FactorName::Email | FactorName::Other, Some(target)) => format!("code sent to {target}"),
        (FactorName::Other, None) => "code".to_owned(),
    }
}

pub(super) fn name(factor: FactorName) -> &'static str {
    match factor {
        FactorName::Email => "e-mail",
        FactorName::Otp => "authenticator app",
        FactorName::BackupCode => "backup code",
        FactorName::Other => "another one",
    }
}

pub(in crate::cli) fn checked_email(typed: &str) -> Result<String, Failure> {
    let email = typed.trim();
    if email.contains('@') && email.chars().count() <= EMAIL_MAX {
        return Ok(email.to_owned());
    }
    Err(Failure::usage(format!("an e-mail address has an @ and at most {EMAIL_MAX} characters")))
}

pub(in crate::cli) fn checked_password(typed: &str) -> Result<Password, Failure> {
    if PASSWORD_LENGTH.contains(&typed.chars().count()) {
        return Ok(Password::new(typed));
    }
    let (min, max) = (PASSWORD_LENGTH.start(), PASSWORD_LENGTH.end());
    Err(Failure::usage(format!("a password has {min} to {max} characters; nothing was sent")))
}

/// Without the spaces that authenticator apps show and people type.
pub(in crate::cli) fn checked_code(typed: &str) -> Result<OneTimeCode, Failure> {
    let code: Zeroizing<String> = Zeroizing::new(typed.split_whitespace().collect());
    if CODE_LENGTH.contains(&code.chars().count()) {
        return Ok(OneTimeCode::new(code.as_str()));
    }
    let (min, max) = (CODE_LENGTH.start(), CODE_LENGTH.end());
    Err(Failure::usage(format!("a code has {min} to {max} characters; nothing was sent")))
}

impl From<Factor> for FactorName {
    fn from(factor: Factor) -> Self {
        match factor {
            Factor::Otp => Self::Otp,
            Factor::Email => Self::Email,
            Factor::BackupCode => Self::BackupCode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(method: FactorName, resend_in: Option<u64>) -> ChallengeReport {
        let masked_target = (method == FactorName::Email).then(|| "r***@example.com".to_owned());
        ChallengeReport {
            method,
            masked_target,
            expires_in: 300,
            resend_in,
            offered: Vec::new(),
            unfetched: None,
        }
    }

    #[test]
    fn the_prompt_counts_down_and_ends_with_the_login() {
        let email = challenge(FactorName::Email, Some(60));
        let prompt = |elapsed| code_prompt(&email, elapsed);
        assert_eq!(
            prompt(28).unwrap(),
            "code sent to r***@example.com (4:32 left, r = send again in 32 s): "
        );
        assert_eq!(prompt(60).unwrap(), "code sent to r***@example.com (4:00 left, r = send again): ");
        assert!(prompt(299).is_some());
        assert_eq!(prompt(300), None);
        let app = challenge(FactorName::Otp, None);
        assert_eq!(code_prompt(&app, 0).unwrap(), "code from the authenticator app (5:00 left): ");
    }

    #[test]
    fn passwords_and_codes_are_measured_before_anything_is_sent() {
        assert!(checked_password(&"x".repeat(7)).is_err());
        assert!(checked_password(&"x".repeat(8)).is_ok());
        assert!(checked_password(&"ö".repeat(128)).is_ok());
        assert!(checked_password(&"x".repeat(129)).is_err());
        assert!(checked_code("12345").is_err());
        assert_eq!(checked_code(" 123 456 ").unwrap(), OneTimeCode::new("123456"));
        assert!(checked_code("1234567890").is_ok());
        assert!(checked_code("12345678901").is_err());
    }

    #[test]
    fn an_address_is_measured_too() {
        let of = |length: usize| format!("{}@b", "a".repeat(length - 2));
        assert!(checked_email(&of(EMAIL_MAX)).is_ok());
        assert!(checked_email(&of(EMAIL_MAX + 1)).is_err());
        assert!(checked_email("no address").is_err());
        assert_eq!(checked_email(" a@b\n").unwrap(), "a@b");
    }
}
