//! Registration: initiate, code/send, verify, complete; password/init follows.

use std::time::Instant;

use serde_json::json;

use super::answer::Answer;
use super::fields::Fields;
use super::refusal::Refusal;
use super::{Call, Outcome, Portal, code_mail, masked, seconds};
use crate::chance;
use crate::settings::AccountState;
use crate::state::{Registration, SentCode, User, World};

/// `POST {auth}/register/initiate`
pub(super) fn initiate(portal: &Portal, call: Call) -> Outcome {
    let mut fields = Fields::new(call.endpoint, portal.dialect(), call.body);
    let (email, name) = (fields.email("email"), fields.text("accountName", 1..=255));
    let mut world = portal.world();
    if world.user(&email).is_some() {
        fields.complain("email", "is already registered");
    }
    fields.done()?;
    let life = portal.lifetimes().registration;
    let session = chance::name("reg_");
    let registration = Registration {
        email: email.clone(),
        name,
        client_hash: call.client_hash,
        expires: Instant::now() + life,
        mail: None,
        verified: false,
        completed: false,
    };
    world.registrations.insert(session.clone(), registration);
    Ok(Answer::ok(json!({"sessionId": session, "email": email, "expiresIn": seconds(life)})))
}

/// `POST {auth}/register/code/send`
pub(super) fn code_send(portal: &Portal, call: Call) -> Outcome {
    let mut fields = Fields::new(call.endpoint, portal.dialect(), call.body);
    let session = fields.text("sessionId", 1..=255);
    fields.done()?;
    let mut world = portal.world();
    let registration = registration(&mut world, &session, &call.client_hash)?;
    let (code, now) = (chance::six_digits(), Instant::now());
    let expires = now + portal.lifetimes().email_code;
    registration.mail = Some(SentCode { code: code.clone(), sent: now, expires });
    let email = registration.email.clone();
    world.send(code_mail(&email, "Your registration code", &code));
    Ok(Answer::ok(json!({"sent": true, "maskedTarget": masked(&email)})))
}

/// `POST {auth}/register/verify`
pub(super) fn verify(portal: &Portal, call: Call) -> Outcome {
    let mut fields = Fields::new(call.endpoint, portal.dialect(), call.body);
    let (session, code) = (fields.text("sessionId", 1..=255), fields.text("code", 6..=10));
    fields.done()?;
    let mut world = portal.world();
    let registration = registration(&mut world, &session, &call.client_hash)?;
    let right =
        registration.mail.as_ref().is_some_and(|mail| mail.code == code && mail.expires > Instant::now());
    if !right {
        return Err(Refusal::CodeInvalid);
    }
    registration.verified = true;
    registration.mail = None;
    Ok(Answer::ok(json!({"sessionId": session, "verified": true})))
}

/// `POST {auth}/register/complete`
pub(super) fn complete(portal: &Portal, call: Call) -> Outcome {
    let mut fields = Fields::new(call.endpoint, portal.dialect(), call.body);
    let session = fields.text("sessionId", 1..=255);
    let name = fields.optional_text("accountName", 1..=255);
    let password = fields.optional_text("password", 8..=128);
    fields.optional_text("email", 1..=255);
    fields.optional_text("locale", 1..=16);
    fields.done()?;
    let mut world = portal.world();
    let registration = registration(&mut world, &session, &call.client_hash)?;
    if !registration.verified || registration.completed {
        return Err(Refusal::Malformed("E-mail address is not verified"));
    }
    registration.completed = true;
    let name = name.unwrap_or_else(|| registration.name.clone());
    let mut user = User::registered(&registration.email, &name);
    if let Some(password) = password {
        user.set_password(&password);
    }
    if portal.settings.registration_pending {
        user.state = AccountState::Pending;
    }
    let answer = json!({"userBizId": user.biz_id, "email": user.email});
    world.insert(user);
    Ok(Answer::created(answer))
}

/// The living registration of this name, if it is this client's.
pub(super) fn registration<'w>(
    world: &'w mut World,
    session: &str,
    client_hash: &str,
) -> Result<&'w mut Registration, Refusal> {
    if world.registrations.get(session).is_some_and(|r| r.expires <= Instant::now()) {
        world.registrations.remove(session);
    }
    let registration = world.registrations.get_mut(session).ok_or(Refusal::LoginSessionGone)?;
    if registration.client_hash == client_hash { Ok(registration) } else { Err(Refusal::Fingerprint) }
}
