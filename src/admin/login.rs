//! The bodies of the login endpoints: read strictly, turned into secrets at once.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};

use super::explain::{Cause, Explained};
use super::report::FactorName;
use super::state::Identity;
use crate::secret::{OneTimeCode, OtpSecret, Password};
use crate::session::{Credentials, MfaChoice};

/// The longest e-mail address the portal takes (PROTOCOL 6.1).
pub(crate) const EMAIL_MAX: usize = 255;

/// The lengths of a password, in characters (PROTOCOL 6.1).
pub(crate) const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

/// The lengths of a code, in characters (PROTOCOL 6.3).
pub(crate) const CODE_LENGTH: std::ops::RangeInclusive<usize> = 6..=10;

/// `POST /v1/login`. What is absent is taken from the configuration, if it speaks of the same account.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LoginBody {
    pub(super) identity: Option<String>,
    email: Option<String>,
    #[serde(deserialize_with = "password")]
    password: Option<Password>,
    #[serde(deserialize_with = "otp_secret")]
    otp_secret: Option<OtpSecret>,
    mfa: Option<Mfa>,
    /// Whether the second factor is taken from the configured source of backup codes.
    pub(super) use_backup_code: bool,
}

/// `POST /v1/login/code`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeBody {
    pub(super) identity: Option<String>,
    #[serde(deserialize_with = "code")]
    pub(super) code: OneTimeCode,
}

/// `POST /v1/login/resend`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ResendBody {
    pub(super) identity: Option<String>,
    pub(super) by: Option<FactorName>,
}

/// `POST /v1/logout`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogoutBody {
    pub(super) identity: Option<String>,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mfa {
    Auto,
    Otp,
    Email,
    BackupCode,
}

impl LoginBody {
    /// What to sign in with: `None` leaves it to the configuration.
    pub(super) fn credentials(self, of: &Identity) -> Result<Option<Credentials>, Explained> {
        if self.email.is_none() && self.password.is_none() && self.otp_secret.is_none() && self.mfa.is_none()
        {
            return Ok(None);
        }
        let configured = of.configured.as_ref();
        let Some(email) = self.email.or_else(|| configured.map(|login| login.email.clone())) else {
            return Err(Explained::new(Cause::BadRequest, "no `email` is given, and none is configured"));
        };
        if email.is_empty() || email.chars().count() > EMAIL_MAX {
            return Err(Explained::new(
                Cause::BadRequest,
                format!("`email` has 1 to {EMAIL_MAX} characters"),
            ));
        }
        // The secrets of one account are never sent for another.
        let same = configured.filter(|login| login.email == email);
        Ok(Some(Credentials {
            password: self.password.or_else(|| same.and_then(|login| login.password.clone())),
            otp_secret: self.otp_secret.or_else(|| same.and_then(|login| login.otp_secret.clone())),
            codes: same.map(|login| login.codes.clone()).unwrap_or_default(),
            mfa: self.mfa.map_or_else(|| same.map(|login| login.mfa).unwrap_or_default(), MfaChoice::from),
            email,
        }))
    }
}

impl From<Mfa> for MfaChoice {
    fn from(mfa: Mfa) -> Self {
        match mfa {
            Mfa::Auto => Self::Auto,
            Mfa::Otp => Self::Otp,
            Mfa::Email => Self::Email,
            Mfa::BackupCode => Self::BackupCode,
        }
    }
}

/// Reads a body; an empty one is an empty object. The error never repeats what stood there.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Explained> {
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    // A list would be read as the values of the fields, in their order.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Explained::new(Cause::BadRequest, "the body is no JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "the body has a wrong, missing or unknown field",
            serde_json::error::Category::Syntax | serde_json::error::Category::Eof => "the body is no JSON",
            serde_json::error::Category::Io => "the body cannot be read",
        };
        let at = format!("{what} at line {}, column {}", error.line(), error.column());
        Explained::new(Cause::BadRequest, at)
    })
}

pub(super) fn password<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Password>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    if PASSWORD_LENGTH.contains(&text.chars().count()) {
        return Ok(Some(Password::new(text)));
    }
    Err(D::Error::custom("a password has 8 to 128 characters"))
}

pub(super) fn required_password<'de, D: Deserializer<'de>>(from: D) -> Result<Password, D::Error> {
    password(from)?.ok_or_else(|| D::Error::custom("a password is missing"))
}

fn otp_secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OtpSecret>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(OtpSecret::new))
}

pub(super) fn code<'de, D: Deserializer<'de>>(from: D) -> Result<OneTimeCode, D::Error> {
    let text = String::deserialize(from)?;
    if CODE_LENGTH.contains(&text.chars().count()) {
        return Ok(OneTimeCode::new(text));
    }
    Err(D::Error::custom("a code has 6 to 10 characters"))
}
