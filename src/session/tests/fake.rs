//! A portal that does as it is told: it counts, blocks, and fails in each kind.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use super::super::*;
use crate::channel::{Aad, Base64, Bootstrap, EnvelopeForm, KeyExchange, OaepHash, PortalKey, Spelling};
use crate::secret::{AccessToken, Expose, LoginSessionId, OneTimeCode, Password, RefreshToken};

/// What a portal is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Open,
    Close,
    Initiate,
    Send,
    Complete,
    Refresh,
    Logout,
}

/// What happened to a secret that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) secret: String,
    pub(super) answer: Result<(), PortalErrorKind>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct FakePortal(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

/// What the portal answers with, and what it saw.
#[derive(Debug)]
pub(super) struct State {
    pub(super) seals: bool,
    pub(super) seals_refresh: bool,
    /// The keys of a channel travel inside its first message.
    pub(super) first_message: bool,
    pub(super) methods: Vec<FactorKind>,
    pub(super) life: Duration,
    pub(super) channel_life: Option<Duration>,
    pub(super) code_life: Option<Duration>,
    pub(super) skew: Option<i64>,
    pub(super) rotates: bool,
    pub(super) renew_channel_after: u64,
    pub(super) passwords: Vec<Sent>,
    pub(super) codes: Vec<Sent>,
    pub(super) refresh_tokens: Vec<Sent>,
    script: HashMap<Op, VecDeque<PortalErrorKind>>,
    held: HashSet<Op>,
    begun: HashMap<Op, usize>,
    issued: u64,
    named: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            seals: true,
            seals_refresh: true,
            first_message: false,
            methods: vec![FactorKind::Email, FactorKind::Otp],
            life: Duration::from_secs(1000),
            channel_life: None,
            code_life: None,
            skew: None,
            rotates: true,
            renew_channel_after: 1 << 20,
            passwords: Vec::new(),
            codes: Vec::new(),
            refresh_tokens: Vec::new(),
            script: HashMap::new(),
            held: HashSet::new(),
            begun: HashMap::new(),
            issued: 0,
            named: 0,
        }
    }
}

impl FakePortal {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// The next call of `op` that is not scripted yet fails in this way.
    pub(super) fn next(&self, op: Op, kind: PortalErrorKind) {
        self.state().script.entry(op).or_default().push_back(kind);
    }

    pub(super) fn forget_script(&self) {
        self.state().script.clear();
    }

    /// Calls of `op` begin, and do not end until released.
    pub(super) fn hold(&self, op: Op) {
        self.state().held.insert(op);
    }

    pub(super) fn release(&self, op: Op) {
        self.state().held.remove(&op);
        self.0.changed.send_modify(|n| *n += 1);
    }

    /// How many calls of `op` have begun.
    pub(super) fn calls(&self, op: Op) -> usize {
        self.state().begun.get(&op).copied().unwrap_or(0)
    }

    async fn call(&self, op: Op) -> Result<(), PortalErrorKind> {
        *self.state().begun.entry(op).or_default() += 1;
        let mut changed = self.0.changed.subscribe();
        while self.state().held.contains(&op) {
            changed.changed().await.unwrap();
        }
        self.state().script.get_mut(&op).and_then(VecDeque::pop_front).map_or(Ok(()), Err)
    }

    /// Carries the keys of a channel along, if they are there to be carried; names it where the call was heard.
    async fn sealed_call(&self, op: Op, passage: Option<&Passage>) -> Result<(), PortalErrorKind> {
        let first = passage.filter(|passage| passage.is_first());
        if let Some(first) = first {
            first.seal(b"{}", &mut rand::rng()).unwrap();
        }
        let answer = self.call(op).await;
        match (first, &answer) {
            (Some(first), Ok(())) => {
                self.state().named += 1;
                let id = format!("sess-{}", self.state().named);
                first.settle(Some(&id));
            }
            (Some(_), Err(PortalErrorKind::OutcomeUnknown(_))) | (None, _) => {}
            (Some(first), Err(_)) => first.settle(None),
        }
        answer
    }

    fn tokens(&self) -> Tokens {
        let mut state = self.state();
        state.issued += 1;
        let n = state.issued;
        Tokens {
            access: AccessToken::new(format!("access-{n}")),
            refresh: Some(RefreshToken::new(format!("refresh-{n}"))),
            expires_in: state.life,
            skew: state.skew.map(Skew),
        }
    }
}

pub(super) fn error(call: &'static str, kind: PortalErrorKind) -> PortalError {
    PortalError { call, kind, status: None, code: None }
}

#[expect(clippy::disallowed_methods, reason = "the fake looks at what it was sent")]
fn text(secret: &impl Expose) -> String {
    secret.expose().to_owned()
}

impl Portal for FakePortal {
    fn seals(&self, call: OwnCall) -> bool {
        let state = self.state();
        state.seals && (call != OwnCall::Refresh || state.seals_refresh)
    }

    async fn open_channel(&self) -> Result<Opening, PortalError> {
        self.call(Op::Open).await.map_err(|kind| error("secure-channel/session", kind))?;
        let (n, life) = (self.calls(Op::Open), self.state().channel_life);
        let expires_at = life.map(|life| std::time::SystemTime::UNIX_EPOCH + super::START + life);
        let keys = keys(self.state().renew_channel_after);
        if self.state().first_message {
            return Ok(Opening::Keys(keys));
        }
        let channel = keys.finish(&format!("sess-{n}")).unwrap();
        Ok(Opening::Open(NewChannel { channel, expires_at, skew: self.state().skew.map(Skew) }))
    }

    async fn close_channel(&self, _: &OpenChannel) -> Result<(), PortalError> {
        self.call(Op::Close).await.map_err(|kind| error("secure-channel/session/close", kind))
    }

    async fn initiate(
        &self,
        _: &str,
        password: &Password,
        channel: Option<&Passage>,
    ) -> Result<Initiated, PortalError> {
        assert_eq!(channel.is_some(), self.seals(OwnCall::Initiate));
        let answer = self.sealed_call(Op::Initiate, channel).await;
        self.state().passwords.push(Sent { secret: text(password), answer: answer.clone() });
        answer.map_err(|kind| error("login/initiate", kind))?;
        let state = self.state();
        Ok(Initiated {
            login: LoginSessionId::new("login"),
            methods: state.methods.iter().map(|kind| method(*kind)).collect(),
            expires_in: Duration::from_secs(300),
            skew: state.skew.map(Skew),
        })
    }

    async fn send_code(
        &self,
        _: &LoginSessionId,
        _: &Method,
        channel: Option<&Passage>,
    ) -> Result<CodeSent, PortalError> {
        assert_eq!(channel.is_some(), self.seals(OwnCall::MfaSend));
        self.sealed_call(Op::Send, channel).await.map_err(|kind| error("login/mfa/send", kind))?;
        let cooldown = Duration::from_secs(60);
        Ok(CodeSent {
            masked_target: Some("m***@example.com".into()),
            cooldown,
            code_expires_in: self.state().code_life,
        })
    }

    async fn complete(
        &self,
        _: &LoginSessionId,
        factor: Option<(&Method, &OneTimeCode)>,
        channel: Option<&Passage>,
    ) -> Result<Tokens, PortalError> {
        assert_eq!(channel.is_some(), self.seals(OwnCall::Complete));
        let mut answer = self.sealed_call(Op::Complete, channel).await;
        if let Some((_, code)) = factor {
            if text(code) == "wrong" && answer.is_ok() {
                answer = Err(PortalErrorKind::CodeRefused);
            }
            self.state().codes.push(Sent { secret: text(code), answer: answer.clone() });
        }
        answer.map_err(|kind| error("login/complete", kind))?;
        Ok(self.tokens())
    }

    async fn refresh(&self, token: &RefreshToken, channel: Option<&Passage>) -> Result<Tokens, PortalError> {
        assert_eq!(channel.is_some(), self.seals(OwnCall::Refresh));
        // Sent is sent, even if nobody waits for the answer.
        self.state().refresh_tokens.push(Sent {
            secret: text(token),
            answer: Err(PortalErrorKind::OutcomeUnknown("cut off".into())),
        });
        let place = self.state().refresh_tokens.len() - 1;
        let answer = self.sealed_call(Op::Refresh, channel).await;
        self.state().refresh_tokens[place].answer = answer.clone();
        answer.map_err(|kind| error("token/refresh", kind))?;
        let tokens = self.tokens();
        let refresh = tokens.refresh.filter(|_| self.state().rotates);
        Ok(Tokens { refresh, ..tokens })
    }

    async fn logout(&self, _: &AccessToken) -> Result<(), PortalError> {
        self.call(Op::Logout).await.map_err(|kind| error("logout", kind))
    }
}

pub(super) fn method(kind: FactorKind) -> Method {
    Method { kind, label: None, wire: serde_json::Value::from(format!("{kind:?}")) }
}

/// Real keys, to a key whose other half nobody has.
fn keys(renew_after_messages: u64) -> Bootstrap {
    const KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnlXFcvbh1MhdhwLN5cz+QC4+zfyaOgrrCRPRNn1Nqpw2dnHz\
        ZEXthSuzK/E2KBrtqJYlUmVeFqRptn9zkcD4i9BXOcorg1vcDiG3oAD8TtCVMfa8rkz9ptPrxhSjaUpyhzX1sAOo29Ot48vRB6yHMdWd\
        /31a/iLU5uKyLNm9hSXjZD+7qipUXImB+pxKfO9KW/9Hn0qAkbwmB0aVj34TSqMZqgB07tUP6R51mTWVzVqHkgoZfev+NuOTHtcwcNe5\
        0xPCBvdY6DgaPvQIVRsAlqYST6Ij+IzN62gmOcAc1Z5Rf1t8ZMw/+jaQWjRRE85MlbsapCAAO3YrrTrHxUl4owIDAQAB";
    let spelling = Spelling {
        envelope: EnvelopeForm::Json,
        oaep_hash: OaepHash::Sha256,
        mgf1_hash: OaepHash::Sha256,
        aad: Aad::None,
        base64: Base64::Standard,
        key_exchange: KeyExchange::Session,
    };
    let key = PortalKey::parse("key", KEY).unwrap();
    let (bootstrap, _) = Bootstrap::start(&key, spelling, &mut rand::rng()).unwrap();
    let limits = crate::channel::Settings { renew_after_messages, ..Default::default() };
    bootstrap.with_settings(limits)
}
