//! Tokens: given at login, renewed by refresh, ended by logout.

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::fields::Fields;
use super::refusal::Refusal;
use super::{Call, Outcome, Portal, seconds};
use crate::chance;
use crate::state::{Claims, Family, RefreshOutcome, World, millis};

/// What ties a token to a client hash.
pub(super) fn confirmation(client_hash: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(client_hash.as_bytes()))
}

/// Starts a session and says what complete answers with.
pub(super) fn start(portal: &Portal, world: &mut World, email: &str, call: &Call) -> Value {
    let now = SystemTime::now();
    let family = Family {
        id: chance::name("fam_"),
        email: email.to_owned(),
        client_hash: call.client_hash.clone(),
        user_agent: call.user_agent.clone(),
        address: call.address.clone(),
        created: now,
        active: now,
    };
    let refresh = world.tokens.start(family.clone(), portal.lifetimes().refresh);
    let mut answer = access(portal, world, &family);
    answer["refreshToken"] = json!(refresh);
    answer["accountStatus"] = Value::Null;
    answer
}

/// `POST {refresh}`
pub(super) fn refresh(portal: &Portal, call: Call) -> Outcome {
    let dialect = portal.dialect();
    let mut fields = Fields::new(call.endpoint, dialect, call.body);
    let token = fields.text("refreshToken", 1..=4096);
    fields.done()?;
    let mut world = portal.world();
    let life = portal.lifetimes().refresh;
    let (rotates, revokes) = (dialect.refresh_rotates, dialect.reuse_revokes);
    match world.tokens.refresh(&token, &call.client_hash, life, rotates, revokes) {
        RefreshOutcome::Good(family, next) => {
            portal.tally.change(|c| c.refreshed += 1);
            let mut answer = access(portal, &world, &family);
            if let Some(next) = next {
                answer["refreshToken"] = json!(next);
            }
            Ok(Answer::ok(answer))
        }
        RefreshOutcome::Reused => {
            portal.tally.change(|c| c.refresh_reuse_detected += 1);
            Err(Refusal::RefreshRefused)
        }
        RefreshOutcome::Refused => Err(Refusal::RefreshRefused),
        RefreshOutcome::Foreign => Err(Refusal::Fingerprint),
    }
}

/// `POST {auth}/logout`
pub(super) fn logout(portal: &Portal, call: Call) -> Outcome {
    Fields::new(call.endpoint, portal.dialect(), call.body.clone()).done()?;
    let ended = portal.world().tokens.end(&call.who()?.sid);
    Ok(Answer::ok(json!({"success": true, "terminatedSessions": u64::from(ended)})))
}

fn access(portal: &Portal, world: &World, family: &Family) -> Value {
    let life = portal.lifetimes().access;
    let now = SystemTime::now();
    let end = millis(now + life);
    let claims = Claims {
        sub: family.email.clone(),
        jti: chance::name(""),
        sid: family.id.clone(),
        portal: portal.settings.portal.clone(),
        cnf: confirmation(&family.client_hash),
        iat: millis(now) / 1000,
        exp: end.div_ceil(1000),
        exp_ms: end,
        generation: world.tokens.generation,
    };
    let mut answer = json!({"accessToken": portal.signer.sign(&claims), "expiresIn": seconds(life)});
    if portal.dialect().token_type {
        answer["tokenType"] = json!("Bearer");
    }
    answer
}
