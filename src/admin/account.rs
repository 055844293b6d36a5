//! The endpoints about the account: strict bodies in, the account room's answers out as JSON.
//!
//! The id of a registration stays here, between its steps: nobody has to carry it, and it is in no answer.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::explain::{Cause, Explained};
use super::login::{EMAIL_MAX, code, required_password};
use super::report::seconds_left;
use super::state::Identity;
use crate::account::{Ask, OtpSetup, Told};
use crate::secret::{Expose, OneTimeCode, Password, RegistrationId, ResetToken, TurnstileToken};

/// The longest name of an account, and the longest token of a reset link, in characters.
const NAME_MAX: usize = 255;
const TOKEN_MAX: usize = 4096;

/// A registration between its steps.
#[derive(Debug, Default)]
pub(super) struct Registering(Mutex<Option<UnderWay>>);

#[derive(Debug, Clone)]
struct UnderWay {
    registration: RegistrationId,
    email: String,
    name: String,
    step: RegisterStep,
    masked_target: Option<String>,
    expires_at: SystemTime,
}

/// The last step of a registration that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegisterStep {
    /// Begun; the code is to be sent.
    Begun,
    /// The code was sent, and is awaited.
    CodeSent,
    /// The address is verified; the account is to be made.
    Verified,
    /// The account is made; its first password is to be set.
    Completed,
    /// The account is made; an administrator has to approve it.
    PendingApproval,
}

/// Where a registration stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterReport {
    /// Whose.
    pub email: String,
    /// The last step that was made.
    pub step: RegisterStep,
    /// Seconds left for the rest.
    pub expires_in: u64,
    /// Where the code went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_target: Option<String>,
}

/// A body that names the identity and nothing else.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Nothing {
    pub(super) identity: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeOnly {
    pub(super) identity: Option<String>,
    #[serde(deserialize_with = "code")]
    pub(super) code: OneTimeCode,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forgot {
    pub(super) identity: Option<String>,
    pub(super) email: String,
    #[serde(default, deserialize_with = "turnstile")]
    pub(super) turnstile_token: Option<TurnstileToken>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    pub(super) identity: Option<String>,
    #[serde(deserialize_with = "token")]
    pub(super) token: ResetToken,
    #[serde(deserialize_with = "required_password")]
    pub(super) new_password: Password,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Init {
    pub(super) identity: Option<String>,
    #[serde(deserialize_with = "required_password")]
    pub(super) new_password: Password,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) identity: Option<String>,
    #[serde(deserialize_with = "required_password")]
    pub(super) current_password: Password,
    #[serde(deserialize_with = "required_password")]
    pub(super) new_password: Password,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    pub(super) identity: Option<String>,
    pub(super) email: String,
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Complete {
    pub(super) identity: Option<String>,
    #[serde(deserialize_with = "super::login::password")]
    pub(super) new_password: Option<Password>,
}

impl Identity {
    /// Asks the portal, and gives the answer as JSON.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Value, Explained> {
        let told = self.told(ask).await?;
        Ok(match told {
            Told::Done => json!({ "done": true }),
            Told::Profile(profile) => json!(profile),
            Told::Sessions(sessions) => json!({ "sessions": sessions }),
            Told::Terminated(count) => json!({ "terminated": count }),
            Told::Factors(factors) => json!({ "factors": factors }),
            Told::BackupCodes(codes) => json!(codes),
            Told::OtpSetup(setup) => shown(&setup),
            Told::Registering { .. } | Told::CodeSent { .. } | Told::Registered { .. } => json!({}),
        })
    }

    async fn told(&self, ask: Ask) -> Result<Told, Explained> {
        let Some(account) = &self.account else {
            return Err(Explained::new(Cause::NotFound, "this proxy has no way to ask about accounts"));
        };
        account.ask(ask).await.map_err(|error| Explained::from(&error))
    }

    /// Changes the password, and says what has to be told of it.
    pub(super) async fn change_password(&self, body: Change) -> Result<Value, Explained> {
        let ask = Ask::ChangePassword { current: body.current_password, new: body.new_password };
        self.told(ask).await?;
        Ok(json!({ "done": true, "update": self.password_source }))
    }

    /// Begins a registration; one under way is forgotten.
    pub(super) async fn register(&self, body: Register, now: SystemTime) -> Result<Value, Explained> {
        let (email, name) = (checked(body.email, "email", EMAIL_MAX)?, checked(body.name, "name", NAME_MAX)?);
        let told = self.told(Ask::Register { email: email.clone(), name: name.clone() }).await?;
        let Told::Registering { registration, expires_in } = told else { return Err(unexpected()) };
        let (step, expires_at) = (RegisterStep::Begun, now + expires_in);
        self.keep(Some(UnderWay { registration, email, name, step, masked_target: None, expires_at }));
        self.registration(now)
    }

    /// Where the registration stands.
    pub(super) fn registration(&self, now: SystemTime) -> Result<Value, Explained> {
        let under_way = self.under_way(now)?;
        Ok(json!(RegisterReport {
            email: under_way.email,
            step: under_way.step,
            expires_in: seconds_left(under_way.expires_at, now),
            masked_target: under_way.masked_target,
        }))
    }

    pub(super) async fn send_registration_code(&self, now: SystemTime) -> Result<Value, Explained> {
        let under_way = self.under_way(now)?;
        let told = self.told_of(Ask::SendRegistrationCode(under_way.registration.clone())).await?;
        let Told::CodeSent { masked_target } = told else { return Err(unexpected()) };
        self.keep(Some(UnderWay { step: RegisterStep::CodeSent, masked_target, ..under_way }));
        self.registration(now)
    }

    pub(super) async fn verify_registration(
        &self,
        code: OneTimeCode,
        now: SystemTime,
    ) -> Result<Value, Explained> {
        let under_way = self.under_way(now)?;
        self.told_of(Ask::VerifyRegistration(under_way.registration.clone(), code)).await?;
        self.keep(Some(UnderWay { step: RegisterStep::Verified, ..under_way }));
        self.registration(now)
    }

    pub(super) async fn complete_registration(
        &self,
        new: Option<Password>,
        now: SystemTime,
    ) -> Result<Value, Explained> {
        let under_way = self.under_way(now)?;
        let UnderWay { registration, email, name, .. } = under_way.clone();
        let told = self.told_of(Ask::CompleteRegistration { registration, email, name, new }).await?;
        let step = match told {
            Told::Registered { pending_approval: true } => RegisterStep::PendingApproval,
            _ => RegisterStep::Completed,
        };
        self.keep(Some(UnderWay { step, ..under_way }));
        self.registration(now)
    }

    pub(super) async fn init_password(&self, new: Password, now: SystemTime) -> Result<Value, Explained> {
        let under_way = self.under_way(now)?;
        self.told_of(Ask::InitPassword { registration: under_way.registration, new }).await?;
        self.keep(None);
        Ok(json!({ "done": true, "email": under_way.email }))
    }

    /// As `told`, for a registration that is forgotten when the portal has forgotten it.
    async fn told_of(&self, ask: Ask) -> Result<Told, Explained> {
        let told = self.told(ask).await;
        if told.as_ref().is_err_and(|explained| explained.cause == Cause::NoRegistration) {
            self.keep(None);
        }
        told
    }

    fn under_way(&self, now: SystemTime) -> Result<UnderWay, Explained> {
        let registering = self.registering.0.lock().unwrap_or_else(PoisonError::into_inner);
        let living = registering.as_ref().filter(|under_way| under_way.expires_at > now).cloned();
        living.ok_or_else(|| Explained::new(Cause::NoRegistration, "no registration is under way"))
    }

    fn keep(&self, under_way: Option<UnderWay>) {
        *self.registering.0.lock().unwrap_or_else(PoisonError::into_inner) = under_way;
    }
}

/// The one answer with a secret in it: it is what was asked for, by the user of this proxy.
#[expect(clippy::disallowed_methods, reason = "the seed is for the authenticator of the person who asks")]
fn shown(setup: &OtpSetup) -> Value {
    json!({
        "secret": setup.secret.expose(),
        "uri": setup.uri.as_ref().map(Expose::expose),
        "issuer": setup.issuer,
        "account": setup.account,
    })
}

pub(super) fn checked(text: String, field: &str, max: usize) -> Result<String, Explained> {
    let text = text.trim().to_owned();
    if text.is_empty() || text.chars().count() > max {
        return Err(Explained::new(Cause::BadRequest, format!("`{field}` has 1 to {max} characters")));
    }
    Ok(text)
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~*".contains(&byte);
    text.bytes()
        .map(|byte| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The text of one segment of a path; `None` if it is not text.
pub(super) fn text_of(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?, tail)
            }
            (b'%', _) => return None,
            (byte, tail) => (*byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

fn unexpected() -> Explained {
    Explained::new(Cause::PortalNotUnderstood, "the account answered another question")
}

fn token<'de, D: serde::Deserializer<'de>>(from: D) -> Result<ResetToken, D::Error> {
    let text = String::deserialize(from)?;
    if (1..=TOKEN_MAX).contains(&text.chars().count()) {
        return Ok(ResetToken::new(text));
    }
    Err(serde::de::Error::custom("a token has 1 to 4096 characters"))
}

fn turnstile<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<TurnstileToken>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    if (1..=TOKEN_MAX).contains(&text.chars().count()) {
        return Ok(Some(TurnstileToken::new(text)));
    }
    Err(serde::de::Error::custom("a token has 1 to 4096 characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_kind_goes_through_the_path_and_back() {
        for id in ["sess_1***", "a/b?c#d", "é %41", ".."] {
            let written = segment(id);
            assert!(!written.contains(['/', '?', '#', ' ']), "{written}");
            assert_eq!(text_of(&written).as_deref(), Some(id));
        }
        for broken in ["%", "%4", "%zz", "%FF"] {
            assert_eq!(text_of(broken), None, "{broken}");
        }
    }
}
