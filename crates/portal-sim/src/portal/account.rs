//! The account of whoever is logged in: profile, sessions, second factors.

use std::time::SystemTime;

use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::answer::Answer;
use super::fields::Fields;
use super::refusal::Refusal;
use super::{Call, Outcome, Portal};
use crate::chance;
use crate::state::{CodeCheck, Family};

/// `GET /web/v1/{portal}/profile`
pub(super) fn profile(portal: &Portal, call: Call) -> Outcome {
    let world = portal.world();
    let user = world.user(&call.who()?.sub).ok_or(Refusal::TokenInvalid)?;
    let name = portal.settings.portal.as_str();
    Ok(Answer::ok(json!({
        "bizId": user.biz_id,
        "accountEmail": user.email,
        "accountName": user.name,
        "accountPortal": {"code": name.to_uppercase(), "value": 10_001_002, "label": name},
        "accountStatus": {"code": user.state.name(), "value": 10_002_001, "label": "Active"},
        "locale": "en",
    })))
}

/// `…/security/sessions`: GET lists, DELETE of one ends it, DELETE of the list or POST to
/// `terminate-others` ends all but this one.
pub(super) fn sessions(portal: &Portal, call: Call) -> Outcome {
    let who = call.who()?;
    let mut world = portal.world();
    match (call.method.as_str(), call.tail.as_str()) {
        ("GET" | "HEAD", "") => {
            let list: Vec<_> =
                world.tokens.of(&who.sub).into_iter().map(|f| described(f, &who.sid)).collect();
            Ok(Answer::ok(Value::Array(list)))
        }
        ("DELETE", "") | ("POST", "terminate-others") => {
            let ended = world.tokens.end_others(&who.sub, Some(&who.sid));
            Ok(Answer::ok(json!({"success": true, "terminatedSessions": ended})))
        }
        ("DELETE", wanted) => {
            let id =
                world.tokens.of(&who.sub).into_iter().find(|f| masked_id(f) == wanted).map(|f| f.id.clone());
            world.tokens.end(&id.ok_or(Refusal::NotFound)?);
            Ok(Answer::ok(json!({"success": true, "terminatedSessions": 1})))
        }
        ("GET" | "HEAD", _) => Err(Refusal::NotFound),
        _ => Err(Refusal::MethodNotAllowed),
    }
}

/// `GET …/security/mfa`
pub(super) fn mfa(portal: &Portal, call: Call) -> Outcome {
    let world = portal.world();
    let user = world.user(&call.who()?.sub).ok_or(Refusal::TokenInvalid)?;
    let mut list = Vec::new();
    let mut add = |code: &str, value: u64, label: &str| {
        let primary = list.is_empty();
        let at = text(SystemTime::now());
        let method = json!({"code": code, "value": value, "label": label});
        list.push(json!({"mfaMethod": method, "isEnabled": true, "isPrimary": primary, "verifiedAt": at}));
    };
    if user.email_factor {
        add("EMAIL", 10_011_001, "Email");
    }
    if user.otp.is_some() {
        add("OTP", 10_011_002, "Authenticator app");
    }
    if user.has_backup_codes() {
        add("BACKUP_CODE", 10_011_005, "Backup code");
    }
    Ok(Answer::ok(Value::Array(list)))
}

/// `POST …/security/mfa/otp/setup`
pub(super) fn otp_setup(portal: &Portal, call: Call) -> Outcome {
    Fields::new(call.endpoint, portal.dialect(), call.body.clone()).done()?;
    let mut world = portal.world();
    let user = world.user_mut(&call.who()?.sub).ok_or(Refusal::TokenInvalid)?;
    let secret = chance::bytes::<20>();
    user.otp_setup = Some(secret.to_vec());
    let (secret, issuer) = (BASE32_NOPAD.encode(&secret), "Portal%20Simulator");
    let uri =
        format!("otpauth://totp/{issuer}:{}?secret={secret}&issuer={issuer}&digits=6&period=30", user.email);
    Ok(Answer::ok(json!({
        "secret": secret,
        "qrCodeUri": uri,
        "issuer": "Portal Simulator",
        "accountName": user.email,
    })))
}

/// `POST …/security/mfa/otp/verify`
pub(super) fn otp_verify(portal: &Portal, call: Call) -> Outcome {
    let mut fields = Fields::new(call.endpoint, portal.dialect(), call.body.clone());
    let code = fields.text("code", 6..=10);
    fields.done()?;
    let mut world = portal.world();
    let user = world.user_mut(&call.who()?.sub).ok_or(Refusal::TokenInvalid)?;
    if user.otp_setup.is_none() {
        return Err(Refusal::OtpSetupInvalid);
    }
    match user.verify_setup(&code, SystemTime::now()) {
        CodeCheck::Good => Ok(Answer::no_content()),
        CodeCheck::Bad => Err(Refusal::CodeInvalid),
    }
}

/// `GET …/security/mfa/backup-codes`
pub(super) fn backup_codes(portal: &Portal, call: Call) -> Outcome {
    let world = portal.world();
    let user = world.user(&call.who()?.sub).ok_or(Refusal::TokenInvalid)?;
    let (left, total) = user.backup_count();
    Ok(Answer::ok(json!({"remainingCount": left, "totalCount": total})))
}

fn described(family: &Family, current: &str) -> Value {
    json!({
        "sessionId": masked_id(family),
        "deviceInfo": family.user_agent.split('/').next().unwrap_or_default(),
        "ipAddress": family.address,
        "location": null,
        "createdAt": text(family.created),
        "lastActiveAt": text(family.active),
        "isCurrent": family.id == current,
        "userAgent": family.user_agent,
    })
}

/// Enough of the id to tell sessions apart, not enough to be one.
fn masked_id(family: &Family) -> String {
    format!("{}***", family.id.get(..12).unwrap_or(&family.id))
}

fn text(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}
