//! Passwords: the first one, a forgotten one, a reset one, a changed one.

use std::time::{Instant, SystemTime};

use serde_json::json;

use super::answer::Answer;
use super::fields::Fields;
use super::refusal::Refusal;
use super::{Call, Outcome, Portal, login, register};
use crate::chance;
use crate::settings::AccountState;
use crate::state::{Mail, Reset};

/// `POST {auth}/password/init`
pub(super) fn init(portal: &Portal, call: Call) -> Outcome {
    let mut fields = Fields::new(call.endpoint, portal.dialect(), call.body);
    let (session, password) = (fields.text("sessionId", 1..=255), fields.password("newPassword"));
    fields.done()?;
    let mut world = portal.world();
    let from_registration = world.registrations.contains_key(&session);
    let email = if from_registration {
        let registration = register::registration(&mut world, &session, &call.client_hash)?;
        if !registration.completed {
            return Err(Refusal::Malformed("Registration is not complete"));
        }
        registration.email.clone()
    } else {
        login::login(&mut world, &session, &call.client_hash)?.email.clone()
    };
    let user = world.user_mut(&email).ok_or(Refusal::LoginSessionGone)?;
    if user.has_password() {
        return Err(Refusal::Malformed("Password is already set"));
    }
    user.set_password(&password);
    world.registrations.remove(&session);
    Ok(Answer::created(json!({"email": email, "passwordSet": true})))
}

/// `POST {auth}/password/forgot`: the same answer whether the account exists or not.
pub(super) fn forgot(portal: &Portal, call: Call) -> Outcome {
    let mut fields = Fields::new(call.endpoint, portal.dialect(), call.body);
    let email = fields.email("email");
    let token = fields.optional_text("turnstileToken", 1..=4096);
    if portal.settings.turnstile.is_some() && token != portal.settings.turnstile {
        fields.complain("turnstileToken", "is required");
    }
    fields.done()?;
    let mut world = portal.world();
    if let Some(email) = world.user(&email).map(|user| user.email.clone()) {
        let token = chance::name("reset_");
        let expires = Instant::now() + portal.lifetimes().reset_token;
        world.resets.insert(token.clone(), Reset { email: email.clone(), expires, used: false });
        let link = format!("https://portal.example/{}/reset-password?token={token}", portal.settings.portal);
        let (subject, at) = ("Reset your password".to_owned(), SystemTime::now());
        world.send(Mail { to: email, subject, code: None, token: Some(token), link: Some(link), at });
    }
    let message = "If the address is registered, a link is on its way";
    Ok(Answer::ok(json!({"success": true, "message": message})))
}

/// `POST {auth}/password/reset`: also ends every session and lifts a lock.
pub(super) fn reset(portal: &Portal, call: Call) -> Outcome {
    let mut fields = Fields::new(call.endpoint, portal.dialect(), call.body);
    let (token, password) = (fields.text("token", 1..=255), fields.password("newPassword"));
    fields.done()?;
    let mut world = portal.world();
    let reset = world.resets.get_mut(&token).filter(|reset| !reset.used).ok_or(Refusal::ResetTokenInvalid)?;
    if reset.expires <= Instant::now() {
        return Err(Refusal::ResetTokenExpired);
    }
    reset.used = true;
    let email = reset.email.clone();
    let user = world.user_mut(&email).ok_or(Refusal::ResetTokenInvalid)?;
    user.set_password(&password);
    if user.state == AccountState::Locked {
        user.state = AccountState::Active;
    }
    world.tokens.end_others(&email, None);
    Ok(Answer::ok(json!({"success": true, "email": email})))
}

/// `POST {auth}/password/change`: ends every other session.
pub(super) fn change(portal: &Portal, call: Call) -> Outcome {
    let mut fields = Fields::new(call.endpoint, portal.dialect(), call.body.clone());
    let (current, new) = (fields.password("currentPassword"), fields.password("newPassword"));
    fields.done()?;
    let who = call.who()?;
    let mut world = portal.world();
    let user = world.user_mut(&who.sub).ok_or(Refusal::TokenInvalid)?;
    if !user.password_is(&current) {
        return Err(Refusal::CurrentPassword);
    }
    user.set_password(&new);
    let ended = world.tokens.end_others(&who.sub, Some(&who.sid));
    Ok(Answer::ok(json!({"success": true, "terminatedSessions": ended})))
}
