//! Login: initiate, mfa/send, complete.

use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::answer::Answer;
use super::fields::Fields;
use super::refusal::Refusal;
use super::{Call, Outcome, Portal, code_mail, masked, seconds, tokens};
use crate::chance;
use crate::settings::{AccountState, BlockedForm, Dialect, InitiateAnswer, MethodForm, MfaSendAnswer};
use crate::settings::{PendingStep, Vocabulary};
use crate::state::{CodeCheck, LoginSession, SentCode, User, World};

/// A second factor, as the wire names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Email,
    Otp,
    BackupCode,
}

impl Method {
    const ALL: [Self; 3] = [Self::Email, Self::Otp, Self::BackupCode];

    const fn name(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Otp => "OTP",
            Self::BackupCode => "BACKUP_CODE",
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Email => 10_011_001,
            Self::Otp => 10_011_002,
            Self::BackupCode => 10_011_005,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Email => "Email",
            Self::Otp => "Authenticator app",
            Self::BackupCode => "Backup code",
        }
    }

    fn of(user: &User) -> Vec<Self> {
        let mut methods = Vec::new();
        if user.email_factor {
            methods.push(Self::Email);
        }
        if user.otp.is_some() {
            methods.push(Self::Otp);
        }
        if user.has_backup_codes() && !methods.is_empty() {
            methods.push(Self::BackupCode);
        }
        methods
    }

    /// Reads a `method` in the form that the dialect takes.
    fn read(value: &Value, dialect: &Dialect) -> Option<Self> {
        let by_number = || Self::ALL.into_iter().find(|m| value.as_u64() == Some(m.number()));
        let by_name = || Self::ALL.into_iter().find(|m| value.as_str() == Some(m.name()));
        match dialect.method_form {
            MethodForm::Integer => by_number(),
            MethodForm::Name => by_name(),
            MethodForm::Any => by_number().or_else(by_name),
            // An object's `value` is what is to be sent back.
            MethodForm::AsReceived => match dialect.initiate_answer {
                InitiateAnswer::MfaMethods
                | InitiateAnswer::MfaMethodsStatus
                | InitiateAnswer::MethodNumbers
                | InitiateAnswer::MethodObjects => by_number(),
                InitiateAnswer::MfaMethodNames | InitiateAnswer::Available | InitiateAnswer::MethodNames => {
                    by_name()
                }
            },
        }
    }
}

/// `POST {login}/initiate`
pub(super) fn initiate(portal: &Portal, call: Call) -> Outcome {
    let dialect = portal.dialect();
    let mut fields = Fields::new(call.endpoint, dialect, call.body);
    let (email, password) = (fields.email("email"), fields.password("password"));
    fields.done()?;
    let mut world = portal.world();
    let user = world.user_mut(&email).ok_or(Refusal::Credentials)?;
    // A locked account says so whatever the password: that is what a lock is for.
    if user.state == AccountState::Locked {
        return blocked(dialect, Refusal::Locked, user.state);
    }
    if !user.password_is(&password) {
        user.wrong_passwords += 1;
        let lock_after = portal.settings.lock_after;
        if lock_after > 0 && user.wrong_passwords >= lock_after {
            user.state = AccountState::Locked;
        }
        portal.tally.change(|c| c.wrong_password += 1);
        return Err(Refusal::Credentials);
    }
    user.wrong_passwords = 0;
    match user.state {
        AccountState::Active | AccountState::Locked => {}
        AccountState::Pending if dialect.pending_step == PendingStep::Complete => {}
        AccountState::Pending => return pending(dialect),
        AccountState::Suspended => return blocked(dialect, Refusal::Suspended, user.state),
        AccountState::Rejected => return blocked(dialect, Refusal::Rejected, user.state),
        AccountState::Closed => return blocked(dialect, Refusal::Closed, user.state),
    }
    let (email, methods) = (user.email.clone(), Method::of(user));
    let life = portal.lifetimes().login;
    let session = chance::name("login_");
    let expires = Instant::now() + life;
    let client_hash = call.client_hash;
    world.logins.insert(session.clone(), LoginSession { email, client_hash, expires, mail: None });
    Ok(Answer::ok(initiated(dialect, &session, &methods, seconds(life))))
}

/// `POST {login}/mfa/send`
pub(super) fn mfa_send(portal: &Portal, call: Call) -> Outcome {
    let dialect = portal.dialect();
    let mut fields = Fields::new(call.endpoint, dialect, call.body);
    let session = fields.text("sessionId", 1..=255);
    let method = fields.any("method").and_then(|value| Method::read(&value, dialect));
    if method != Some(Method::Email) {
        fields.complain("method", "must be a method that is delivered");
    }
    fields.done()?;
    let lifetimes = portal.lifetimes();
    let mut world = portal.world();
    let login = login(&mut world, &session, &call.client_hash)?;
    if let Some(mail) = &login.mail {
        let ready = mail.sent + lifetimes.mfa_cooldown;
        if let Some(wait) = ready.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
            return Err(Refusal::Cooldown(wait.as_secs() + 1));
        }
    }
    let (code, now) = (chance::six_digits(), Instant::now());
    login.mail = Some(SentCode { code: code.clone(), sent: now, expires: now + lifetimes.email_code });
    let email = login.email.clone();
    if !world.user(&email).is_some_and(|user| user.email_factor) {
        return Err(Refusal::Malformed("Method is not set up"));
    }
    world.send(code_mail(&email, "Your login code", &code));
    Ok(Answer::ok(match dialect.mfa_send_answer {
        MfaSendAnswer::Cooldown => json!({
            "sent": true,
            "cooldownSeconds": lifetimes.mfa_cooldown.as_secs(),
            "codeExpiresIn": seconds(lifetimes.email_code),
        }),
        MfaSendAnswer::Masked => json!({"sent": true, "method": "EMAIL", "maskedTarget": masked(&email)}),
    }))
}

/// `POST {login}/complete`
pub(super) fn complete(portal: &Portal, call: Call) -> Outcome {
    let dialect = portal.dialect();
    let mut fields = Fields::new(call.endpoint, dialect, call.body.clone());
    let session = fields.text("sessionId", 1..=255);
    let method = fields.any("method");
    let code = fields.optional_text("code", 6..=10);
    fields.done()?;
    let mut world = portal.world();
    let email = login(&mut world, &session, &call.client_hash)?.email.clone();
    let checked = second_factor(portal, &mut world, &session, &email, method.as_ref(), code.as_deref());
    if checked.is_ok() || dialect.failed_complete_ends {
        world.logins.remove(&session);
    }
    if checked == Err(Refusal::CodeInvalid) {
        portal.tally.change(|c| c.wrong_code += 1);
    }
    checked?;
    let state = world.user(&email).map_or(AccountState::Closed, |user| user.state);
    match state {
        AccountState::Active => {}
        AccountState::Pending => return pending(dialect),
        AccountState::Locked => return blocked(dialect, Refusal::Locked, state),
        AccountState::Suspended => return blocked(dialect, Refusal::Suspended, state),
        AccountState::Rejected => return blocked(dialect, Refusal::Rejected, state),
        AccountState::Closed => return blocked(dialect, Refusal::Closed, state),
    }
    portal.tally.change(|c| c.logins += 1);
    Ok(Answer::ok(tokens::start(portal, &mut world, &email, &call)))
}

fn second_factor(
    portal: &Portal,
    world: &mut World,
    session: &str,
    email: &str,
    method: Option<&Value>,
    code: Option<&str>,
) -> Result<(), Refusal> {
    let mailed = world
        .logins
        .get(session)
        .and_then(|login| login.mail.as_ref())
        .filter(|mail| mail.expires > Instant::now())
        .map(|mail| mail.code.clone());
    let user = world.user_mut(email).ok_or(Refusal::LoginSessionGone)?;
    let methods = Method::of(user);
    if methods.is_empty() {
        return match (method, code) {
            (None, None) => Ok(()),
            _ => Err(Refusal::Malformed("No second factor is set up")),
        };
    }
    let (Some(method), Some(code)) = (method, code) else {
        return Err(Refusal::Malformed("Method and code are required"));
    };
    let method = Method::read(method, portal.dialect()).filter(|method| methods.contains(method));
    let check = match method.ok_or(Refusal::Malformed("Method is not set up"))? {
        Method::Email if mailed.as_deref() == Some(code) => CodeCheck::Good,
        Method::Email => CodeCheck::Bad,
        Method::Otp => user.spend_otp(code, SystemTime::now(), portal.settings.otp_single_use),
        Method::BackupCode => user.spend_backup_code(code),
    };
    if check == CodeCheck::Good { Ok(()) } else { Err(Refusal::CodeInvalid) }
}

/// The living login session of this name, if it is this client's.
pub(super) fn login<'w>(
    world: &'w mut World,
    session: &str,
    client_hash: &str,
) -> Result<&'w mut LoginSession, Refusal> {
    if world.logins.get(session).is_some_and(|login| login.expires <= Instant::now()) {
        world.logins.remove(session);
    }
    let login = world.logins.get_mut(session).ok_or(Refusal::LoginSessionGone)?;
    if login.client_hash == client_hash { Ok(login) } else { Err(Refusal::Fingerprint) }
}

/// The older vocabulary has a code of its own for a pending account; the others answer with 2101.
fn pending(dialect: &Dialect) -> Outcome {
    if dialect.vocabulary == Vocabulary::U { Err(Refusal::Pending) } else { Ok(Answer::pending(dialect)) }
}

fn blocked(dialect: &Dialect, refusal: Refusal, state: AccountState) -> Outcome {
    let status = match dialect.blocked_form {
        BlockedForm::Error => return Err(refusal),
        BlockedForm::StatusName => json!(state.name()),
        BlockedForm::StatusObject => json!({"code": state.name(), "label": state.name()}),
    };
    Ok(Answer::ok(json!({"sessionId": null, "accountStatus": status})))
}

fn initiated(dialect: &Dialect, session: &str, methods: &[Method], expires_in: u64) -> Value {
    let names: Vec<_> = methods.iter().map(|m| m.name()).collect();
    let numbers: Vec<_> = methods.iter().map(|m| m.number()).collect();
    let objects: Vec<_> = methods
        .iter()
        .map(|m| match dialect.initiate_answer {
            InitiateAnswer::MfaMethods => json!({"code": m.name(), "value": m.number()}),
            _ => json!({"code": m.name(), "value": m.number(), "label": m.label()}),
        })
        .collect();
    match dialect.initiate_answer {
        InitiateAnswer::MfaMethods => {
            json!({"sessionId": session, "mfaMethods": objects, "expiresIn": expires_in})
        }
        InitiateAnswer::MfaMethodsStatus => {
            json!({"sessionId": session, "mfaMethods": objects, "expiresIn": expires_in, "accountStatus": null})
        }
        InitiateAnswer::MfaMethodNames => {
            json!({"sessionId": session, "mfaMethods": names, "expiresIn": expires_in})
        }
        InitiateAnswer::Available => {
            json!({"sessionId": session, "mfaRequired": !methods.is_empty(), "availableMethods": names})
        }
        InitiateAnswer::MethodNames => json!({"sessionId": session, "methods": names}),
        InitiateAnswer::MethodNumbers => json!({"sessionId": session, "methods": numbers}),
        InitiateAnswer::MethodObjects => json!({"sessionId": session, "methods": objects}),
    }
}
