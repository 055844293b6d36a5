//! `[login]`: what signs in.

use std::sync::Arc;
use std::time::Duration;

use crate::config::codes::ConfiguredCodes;
use crate::config::document::Written;
use crate::config::layers::Section;
use crate::config::problem::Problem;
use crate::config::reader::Reader;
use crate::config::secret_source::{SecretError, SecretSource, Surroundings};
use crate::config::setting::{Fallback, Kind, Setting, count, ms, section, span, words};
use crate::config::values::{FromWritten, Words as _};
use crate::secret::{OtpSecret, Password};
use crate::session::{CodeSource, Codes, Credentials, MfaChoice};

section! {
    /// What signs in. What is left out is asked of a person.
    pub struct Login in "login" {
        "The account."
            email: Option<Email> = Fallback::Nothing(r#""you@example.com""#), Kind::Text("an e-mail address");
        "Its password."
            password: Option<SecretSource> = Fallback::Nothing(r#"{ command = ["pass", "portal"] }"#), Kind::Secret;
        "The second factor. auto takes otp where otp_secret is set, else the first one that a person can answer."
            mfa: MfaChoice = Fallback::Is(r#""auto""#), Kind::Choice(MfaChoice::WORDS);
        "The Base32 seed of the authenticator app, so that no person is needed."
            otp_secret: Option<SecretSource> = Fallback::Nothing(r#"{ file = "~/.config/portunus/otp" }"#), Kind::Secret;
        "A program that prints the code of the newest e-mail, or nothing while it has not come. It is run after a code was \
         sent, again and again while that is good."
            code_command: Option<SecretSource> = Fallback::Nothing(r#"{ command = ["fetch-portal-code"] }"#), Kind::Secret;
        "How long after one run of code_command the next follows."
            code_every: Duration = Fallback::Is(r#""5s""#), span(ms(100), Duration::from_secs(600));
        "How long one run of it may take."
            code_timeout: Duration = Fallback::Is(r#""30s""#), span(ms(100), Duration::from_secs(600));
        "The backup codes, one a line. Only `portunus login --use-backup-code` takes one; each is spent by being sent."
            backup_codes: Option<SecretSource> = Fallback::Nothing(r#"{ file = "~/.config/portunus/backup-codes" }"#), Kind::Secret;
        "Whether a login without a person may spend one too, where it has no otp_secret and no code_command."
            use_backup_codes: bool = Fallback::Is("false"), Kind::Switch;
        "Whether a login that a client completes through the proxy becomes the proxy's own."
            adopt: bool = Fallback::Is("false"), Kind::Switch;
        "Logins without a person whose outcome stays unknown, as in a crash, until one needs a person or other \
         credentials. One that the portal refuses is never repeated."
            automatic_attempts: u32 = Fallback::Is("1"), count(1, 10);
        "The same, once the portal has taken these credentials: a right password locks no account."
            proven_attempts: u32 = Fallback::Is("3"), count(1, 10);
        "A person's refused passwords or codes in one attempt_window. More may lock the account."
            person_attempts: u32 = Fallback::Is("3"), count(1, 10);
        "The window of person_attempts."
            attempt_window: Duration = Fallback::Is(r#""1h""#), span(ms(1_000), Duration::from_secs(86_400));
        "How often a login begins again after a wrong code."
            code_retries: u32 = Fallback::Is("1"), count(0, 5);
    }
}

impl Login {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let login = Self::fields(section)?;
        for (key, is_set) in [
            ("password", login.password.is_some()),
            ("otp_secret", login.otp_secret.is_some()),
            ("code_command", login.code_command.is_some()),
            ("backup_codes", login.backup_codes.is_some()),
        ] {
            if is_set && login.email.is_none() {
                let place = section.place_of(key, Self::SETTINGS);
                section.reader.report(Problem::new(&place, format!("'{key}' is set, but 'email' is not")));
            }
        }
        check_codes(section, Self::SETTINGS, login.code_command.as_ref(), login.backup_codes.as_ref());
        if login.use_backup_codes && login.backup_codes.is_none() {
            let place = section.place_of("use_backup_codes", Self::SETTINGS);
            let text = "'use_backup_codes' is set, but 'backup_codes' is not";
            section.reader.report(Problem::new(&place, text));
        }
        Some(login)
    }

    /// Whether the proxy can sign in without a person, as far as the configuration can tell.
    pub fn needs_no_person(&self) -> bool {
        let has =
            |source: &Option<SecretSource>| source.as_ref().is_some_and(|source| !source.needs_a_person());
        self.email.is_some() && has(&self.password)
    }

    /// What signs in, fetched from its sources; `None` without an account. A secret that a person has to type
    /// is left out here, since the session asks for what is missing.
    ///
    /// # Errors
    /// Why a secret cannot be had.
    pub async fn credentials(&self, from: &Surroundings<'_>) -> Result<Option<Credentials>, SecretError> {
        let Some(Email(email)) = &self.email else { return Ok(None) };
        let password = match self.password.as_ref().filter(|source| !source.needs_a_person()) {
            Some(source) => Some(source.resolve("login.password", Password::new, from).await?),
            None => None,
        };
        let otp_secret = match self.otp_secret.as_ref().filter(|source| !source.needs_a_person()) {
            Some(source) => Some(source.resolve("login.otp_secret", OtpSecret::new, from).await?),
            None => None,
        };
        let codes = self.codes(from);
        Ok(Some(Credentials { email: email.clone(), password, otp_secret, mfa: self.mfa, codes }))
    }

    /// Where its codes come from. Unlike the password they are fetched by the login that needs one: a list of codes
    /// changes, and has no business in memory.
    fn codes(&self, from: &Surroundings<'_>) -> Codes {
        let source = |setting, source: &Option<SecretSource>, timeout| -> Option<Arc<dyn CodeSource>> {
            Some(Arc::new(ConfiguredCodes::new(setting, source.as_ref()?, from, timeout)))
        };
        Codes {
            mailed: source("login.code_command", &self.code_command, self.code_timeout),
            backup: source("login.backup_codes", &self.backup_codes, from.command_timeout),
            spend_backup: self.use_backup_codes,
        }
    }
}

/// Reports a source of codes that can give none: `code_command` fetches another one each time, and `backup_codes` are
/// a list. Also for those of an `[[identity]]`.
pub(in crate::config) fn check_codes(
    section: &mut Section<'_, '_>,
    settings: &'static [Setting],
    mailed: Option<&SecretSource>,
    backup: Option<&SecretSource>,
) {
    if backup.is_some_and(SecretSource::needs_a_person) {
        let place = section.place_of("backup_codes", settings);
        let text = "'backup_codes' is { prompt = true }, and nobody is asked for a list";
        let hint = "leave it out: `portunus login --mfa backup-code` asks for one code";
        section.reader.report(Problem::new(&place, text).hint(hint));
    }
    if mailed.is_some_and(|source| !matches!(source, SecretSource::Command(_))) {
        let place = section.place_of("code_command", settings);
        let text =
            "'code_command' must be { command = [\"program\", \"argument\"] }: each code is another one";
        section.reader.report(Problem::new(&place, text));
    }
}

words!(MfaChoice {
    "auto" => Self::Auto,
    "otp" => Self::Otp,
    "email" => Self::Email,
    "backup-code" => Self::BackupCode,
});

/// The account: at most 255 characters (PROTOCOL section 6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromWritten for Email {
    fn from_written(written: &Written, setting: &Setting, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_written(written, setting, reader)?;
        let parts = text.split_once('@');
        let is_one = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        let problem = if text.chars().count() > 255 {
            "has more than 255 characters"
        } else if !is_one || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            "is no e-mail address"
        } else {
            return Some(Self(text));
        };
        reader.report(Problem::new(&written.place, format!("'{}' {problem}", setting.key)));
        None
    }
}
