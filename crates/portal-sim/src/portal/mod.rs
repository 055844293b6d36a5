//! The portal's own calls: channel, login, tokens, registration, passwords, account.
//!
//! In: a [`Call`], already opened, admitted and rate-counted by the gateway. Out: an [`Answer`] or a
//! [`Refusal`], neither spelled yet. What always holds: a handler is a plain function under one lock. What
//! it refuses to know: how bytes came in and how they leave.

mod account;
mod answer;
mod desk;
mod endpoint;
mod fields;
mod login;
mod passwords;
mod refusal;
mod register;
mod tokens;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

pub(crate) use answer::{Answer, write_refusal};
pub(crate) use desk::{close_channel, open_channel, public_key, read_session_request, session_answer};
pub(crate) use endpoint::{Endpoint, Place, Routes};
pub(crate) use refusal::Refusal;

use crate::channel::{Channels, KeyRing};
use crate::counters::Tally;
use crate::faults::Faults;
use crate::server::{Connections, WireLog};
use crate::settings::{Dialect, Lifetimes, RateLimits, Settings};
use crate::state::{Claims, Limits, Mail, Signer, World};

/// One simulated portal, shared by all its connections.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) settings: Settings,
    pub(crate) routes: Routes,
    pub(crate) sealed: HashSet<Endpoint>,
    pub(crate) keys: KeyRing,
    pub(crate) channels: Channels,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) tally: Tally,
    pub(crate) wire: WireLog,
    pub(crate) connections: Connections,
    signer: Signer,
    world: Mutex<World>,
    tunable: Mutex<Tunable>,
}

/// What a test may change while the portal runs.
#[derive(Debug, Clone)]
struct Tunable {
    lifetimes: Lifetimes,
    rate_limits: RateLimits,
}

/// One call to a handler.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) endpoint: Endpoint,
    pub(crate) method: http::Method,
    pub(crate) tail: String,
    pub(crate) client_hash: String,
    pub(crate) user_agent: String,
    pub(crate) address: String,
    pub(crate) body: Map<String, Value>,
    pub(crate) who: Option<Claims>,
}

/// What a handler says.
pub(crate) type Outcome = Result<Answer, Refusal>;

impl Portal {
    pub(crate) fn new(settings: Settings, keys: KeyRing, sealed: HashSet<Endpoint>) -> Self {
        Self {
            routes: Routes::new(&settings),
            sealed,
            keys,
            channels: Channels::default(),
            limits: Limits::default(),
            faults: Faults::default(),
            tally: Tally::default(),
            wire: WireLog::new(settings.wire_log),
            connections: Connections::default(),
            signer: Signer::new(),
            world: Mutex::new(World::new(&settings.accounts)),
            tunable: Mutex::new(Tunable {
                lifetimes: settings.lifetimes.clone(),
                rate_limits: settings.rate_limits.clone(),
            }),
            settings,
        }
    }

    pub(crate) fn dialect(&self) -> &Dialect {
        &self.settings.dialect
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lifetimes(&self) -> Lifetimes {
        self.tunable().lifetimes.clone()
    }

    pub(crate) fn set_lifetimes(&self, lifetimes: Lifetimes) {
        self.tunable().lifetimes = lifetimes;
    }

    pub(crate) fn rate_limits(&self) -> RateLimits {
        self.tunable().rate_limits.clone()
    }

    pub(crate) fn set_rate_limits(&self, rate_limits: RateLimits) {
        self.tunable().rate_limits = rate_limits;
    }

    pub(crate) fn drop_channels(&self) {
        self.channels.drop_all();
    }

    pub(crate) fn rotate_key(&self) {
        self.keys.rotate();
        if self.dialect().rotation_drops_channels {
            self.channels.drop_all();
        }
    }

    pub(crate) fn expire_access_tokens(&self) {
        self.world().tokens.generation += 1;
    }

    pub(crate) fn revoke_sessions(&self) {
        self.world().tokens.revoke_all();
    }

    /// Hands a call to its handler.
    pub(crate) fn handle(&self, call: Call) -> Outcome {
        match call.endpoint {
            Endpoint::Initiate => login::initiate(self, call),
            Endpoint::MfaSend => login::mfa_send(self, call),
            Endpoint::Complete => login::complete(self, call),
            Endpoint::Refresh => tokens::refresh(self, call),
            Endpoint::Logout => tokens::logout(self, call),
            Endpoint::RegisterInitiate => register::initiate(self, call),
            Endpoint::RegisterCodeSend => register::code_send(self, call),
            Endpoint::RegisterVerify => register::verify(self, call),
            Endpoint::RegisterComplete => register::complete(self, call),
            Endpoint::PasswordInit => passwords::init(self, call),
            Endpoint::PasswordForgot => passwords::forgot(self, call),
            Endpoint::PasswordReset => passwords::reset(self, call),
            Endpoint::PasswordChange => passwords::change(self, call),
            Endpoint::Profile => account::profile(self, call),
            Endpoint::Sessions => account::sessions(self, call),
            Endpoint::Mfa => account::mfa(self, call),
            Endpoint::OtpSetup => account::otp_setup(self, call),
            Endpoint::OtpVerify => account::otp_verify(self, call),
            Endpoint::BackupCodes => account::backup_codes(self, call),
            _ => Err(Refusal::NotFound),
        }
    }

    /// Who an `Authorization` header stands for.
    pub(crate) fn identify(&self, authorization: Option<&str>, client_hash: &str) -> Result<Claims, Refusal> {
        let header = authorization.ok_or(Refusal::TokenMissing)?;
        let token = header.strip_prefix("Bearer ").ok_or(Refusal::TokenMissing)?;
        let claims = self.signer.check(token).ok_or(Refusal::TokenInvalid)?;
        let world = self.world();
        if claims.generation != world.tokens.generation || world.tokens.family(&claims.sid).is_none() {
            return Err(Refusal::TokenInvalid);
        }
        if claims.portal != self.settings.portal {
            return Err(Refusal::PortalMismatch);
        }
        if claims.cnf != tokens::confirmation(client_hash) {
            return Err(Refusal::Fingerprint);
        }
        Ok(claims)
    }

    fn tunable(&self) -> MutexGuard<'_, Tunable> {
        self.tunable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// The person logged in; the gateway let nobody else through.
    fn who(&self) -> Result<&Claims, Refusal> {
        self.who.as_ref().ok_or(Refusal::TokenMissing)
    }
}

/// Whole seconds, as answers name them; a life of less than one is still told as one.
fn seconds(life: Duration) -> u64 {
    life.as_secs().max(1)
}

fn code_mail(to: &str, subject: &str, code: &str) -> Mail {
    let (to, subject, code) = (to.to_owned(), subject.to_owned(), Some(code.to_owned()));
    Mail { to, subject, code, token: None, link: None, at: SystemTime::now() }
}

/// `r***@example.com`
fn masked(email: &str) -> String {
    match email.split_once('@') {
        Some((user, host)) => format!("{}***@{host}", user.chars().take(1).collect::<String>()),
        None => "***".to_owned(),
    }
}
