//! The room over real sockets against the simulator, which shares no code with it.

use http::{HeaderName, HeaderValue};
use portal_sim::{DEFAULT_PASSWORD, Sim};

use super::bootstrap::LastKey;
use super::door::UpstreamDoor;
use super::*;
use crate::channel::{Aad, Base64, Channel, ChannelError, EnvelopeForm, OaepHash};
use crate::portal::{EmptyBody, MethodForm, Preset};
use crate::session::{Blocked, FactorKind, PortalErrorKind as Kind};
use crate::upstream::{SealedHeaders, Settings as UpstreamSettings};

const ACCESS_CODE: &str = "portal-1";

/// A channel without the session that would hold it.
struct Held(Channel);

impl Sealer for Held {
    fn seal(&self, plain: &[u8]) -> Result<bytes::Bytes, ChannelError> {
        self.0.seal(plain, &mut rand::rng())
    }

    fn open(&self, body: &[u8], _: Option<&str>) -> Result<bytes::Bytes, ChannelError> {
        self.0.open(body)
    }

    fn session(&self) -> Option<HeaderValue> {
        Some(self.0.id_header().clone())
    }

    fn settle(&self, _: Option<&str>) {}

    fn opened_at(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A simulator, and a caller in its dialect.
struct World {
    sim: Sim,
    caller: Caller<UpstreamDoor>,
    last: LastKey,
}

impl World {
    async fn of(settings: portal_sim::Settings) -> Self {
        Self::with_access_code(settings, ACCESS_CODE).await
    }

    async fn with_access_code(mut settings: portal_sim::Settings, code: &'static str) -> Self {
        settings.access_code = ACCESS_CODE.into();
        settings.share_rsa_keys = true;
        // One channel serves each test: how it is born with a message is `tests/it/first_message.rs`.
        settings.dialect.session_call = true;
        let dialect = in_our_words(&settings.dialect, &settings.portal);
        let mut headers = vec![
            (HeaderName::from_static("x-portal-access-code"), HeaderValue::from_static(code)),
            (HeaderName::from_static("x-client-hash"), HeaderValue::from_static("hash-1")),
        ];
        // What an edge would add (PROTOCOL section 2).
        for name in &settings.dialect.required_headers {
            headers.push((name.parse().unwrap(), HeaderValue::from_static("https")));
        }
        let sealed = SealedHeaders {
            session: dialect.session_header.clone(),
            version: dialect.sc_version,
            content_type: dialect.sealed_content_type.clone(),
        };
        let sim = Sim::start(settings).await.unwrap();
        let upstream = Upstream::new(&UpstreamSettings::new(sim.url().parse().unwrap(), sealed)).unwrap();
        let door = UpstreamDoor::new(upstream, Injected::new(headers));
        Self { sim, caller: Caller::new(door, dialect), last: LastKey::default() }
    }

    async fn preset(preset: portal_sim::Preset) -> Self {
        Self::of(portal_sim::Settings::preset(preset)).await
    }

    async fn channel(&self) -> Option<Held> {
        self.caller.dialect.channel?;
        match self.caller.open_channel(None, &self.last).await.unwrap() {
            Opening::Open(new) => Some(Held(new.channel)),
            Opening::Keys(_) => panic!("this dialect opens its channel by a call"),
        }
    }

    async fn initiate(&self, email: &str, password: &str) -> Result<Initiated, PortalError> {
        let channel = self.channel().await;
        self.caller.initiate(email, &Password::new(password), dyn_sealer(channel.as_ref())).await
    }

    /// Everything a session does in its life.
    async fn whole_life(&self) {
        let held = self.channel().await;
        let channel = dyn_sealer(held.as_ref());
        let password = Password::new(DEFAULT_PASSWORD);

        let email = "both@example.com";
        let initiated = self.caller.initiate(email, &password, channel).await.unwrap();
        let kinds: Vec<_> = initiated.methods.iter().map(|method| method.kind).collect();
        assert!(kinds.contains(&FactorKind::Email) && kinds.contains(&FactorKind::Otp), "{kinds:?}");
        let mailed = initiated.methods.iter().find(|method| method.kind == FactorKind::Email).unwrap();
        self.caller.send_code(&initiated.login, mailed, channel).await.unwrap();
        let code = OneTimeCode::new(self.sim.inbox(email).last().unwrap().code.clone().unwrap());
        let factor = Some((mailed, &code));
        let tokens = self.caller.complete(&initiated.login, factor, channel).await.unwrap();
        assert!(tokens.skew.unwrap().0.abs() <= 2);

        let refresh = tokens.refresh.unwrap();
        let renewed = self.caller.refresh(&refresh, channel).await.unwrap();
        self.caller.logout(&renewed.access).await.unwrap();
        let dead = self.caller.logout(&renewed.access).await.unwrap_err();
        assert_eq!(dead.kind, Kind::TokenRefused, "{dead:?}");
        if let Some(held) = &held {
            self.caller.close_channel(held.0.id_header()).await.unwrap();
            self.caller.close_channel(held.0.id_header()).await.unwrap();
            assert_eq!(self.sim.open_channels(), 0);
        }
    }
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn dyn_sealer(held: Option<&Held>) -> Option<&dyn Sealer> {
    held.map(|held| held as &dyn Sealer)
}

/// The simulator's dialect as a person would configure ours for it.
fn in_our_words(theirs: &portal_sim::Dialect, portal: &str) -> Dialect {
    let mut ours = Dialect::preset(Preset::Guide, portal);
    ours.auth_base.clone_from(&theirs.auth_base);
    ours.login_base.clone_from(&theirs.login_base);
    ours.channel_base.clone_from(&theirs.channel_base);
    ours.refresh_path.clone_from(&theirs.refresh_path);
    ours.session_header = theirs.session_header.parse::<HeaderName>().unwrap().into();
    ours.sc_version = theirs.sc_version;
    ours.sealed_content_type = theirs.sealed_content_type.parse().unwrap();
    ours.accept_plain_success = theirs.sealed_answers == portal_sim::SealedAnswers::Never;
    ours.empty_body = match theirs.empty_body {
        portal_sim::EmptyBody::Object => EmptyBody::Object,
        portal_sim::EmptyBody::Header => EmptyBody::Header,
    };
    ours.method_form = match theirs.method_form {
        portal_sim::MethodForm::Integer | portal_sim::MethodForm::Any => MethodForm::Integer,
        portal_sim::MethodForm::Name => MethodForm::Name,
        portal_sim::MethodForm::AsReceived => MethodForm::AsReceived,
    };
    let hash = |hash| match hash {
        portal_sim::OaepHash::Sha256 => OaepHash::Sha256,
        portal_sim::OaepHash::Sha1 => OaepHash::Sha1,
    };
    let spelling = ours.channel.as_mut().unwrap();
    spelling.oaep_hash = hash(theirs.oaep_hash);
    spelling.mgf1_hash = hash(theirs.mgf1_hash);
    spelling.envelope = match theirs.envelope {
        portal_sim::Envelope::Json => EnvelopeForm::Json,
        portal_sim::Envelope::Binary => EnvelopeForm::Binary,
        portal_sim::Envelope::Raw => EnvelopeForm::Raw,
    };
    spelling.aad = match theirs.aad {
        portal_sim::Aad::None => Aad::None,
        portal_sim::Aad::SessionId => Aad::SessionId,
    };
    spelling.base64 = match theirs.base64 {
        portal_sim::Base64Form::Standard => Base64::Standard,
        portal_sim::Base64Form::Url => Base64::Url,
    };
    let seals = |name: &str| theirs.sealed_paths.iter().any(|path| path == name);
    ours.sealed_paths = [
        ("login/initiate", Endpoint::Initiate),
        ("mfa/send", Endpoint::MfaSend),
        ("login/complete", Endpoint::Complete),
        ("token/refresh", Endpoint::Refresh),
    ]
    .into_iter()
    .filter(|(name, _)| seals(name))
    .map(|(_, endpoint)| ours.path(endpoint))
    .collect();
    if !theirs.channel {
        ours.channel = None;
        ours.sealed_paths.clear();
    }
    assert_eq!(ours.problems(), Vec::<String>::new());
    ours
}

const PRESETS: [(portal_sim::Preset, Preset); 5] = [
    (portal_sim::Preset::Guide, Preset::Guide),
    (portal_sim::Preset::Scv2, Preset::Scv2),
    (portal_sim::Preset::Sdk, Preset::Sdk),
    (portal_sim::Preset::Wiki, Preset::Wiki),
    (portal_sim::Preset::Plain, Preset::Plain),
];

#[tokio::test]
async fn every_preset_lives_a_whole_life() {
    for (theirs, ours) in PRESETS {
        let mut world = World::preset(theirs).await;
        world.caller.dialect = Dialect::preset(ours, &world.sim.settings().portal).into();
        world.whole_life().await;
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the seed of a failure, which the harness shows with it")]
async fn fifty_random_dialects_live_a_whole_life() {
    for seed in 0..50 {
        let settings = portal_sim::Settings::random(seed);
        println!("seed {seed}: {:?}", settings.dialect);
        World::of(settings).await.whole_life().await;
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the seed of a failure, which the harness shows with it")]
async fn fifty_random_dialects_refuse_in_words_we_understand() {
    for seed in 100..150 {
        let settings = portal_sim::Settings::random(seed);
        println!("seed {seed}: {:?}", settings.dialect);
        let world = World::of(settings).await;
        let wrong = world.initiate("admin@example.com", "not the password").await.unwrap_err();
        assert_eq!(wrong.kind, Kind::CredentialsRefused, "{wrong:?}");
    }
}

#[tokio::test]
async fn accounts_that_cannot_sign_in_say_why() {
    for (theirs, _) in PRESETS {
        let world = World::preset(theirs).await;
        let pending = world.initiate("pending@example.com", DEFAULT_PASSWORD).await.unwrap_err();
        assert_eq!(pending.kind, Kind::PendingApproval, "{theirs:?} {pending:?}");
        if theirs == portal_sim::Preset::Wiki {
            continue; // ruling 7: numbers have no words for a blocked account
        }
        for (email, blocked) in [
            ("locked@example.com", Blocked::Locked),
            ("suspended@example.com", Blocked::Suspended),
            ("rejected@example.com", Blocked::Rejected),
        ] {
            let error = world.initiate(email, DEFAULT_PASSWORD).await.unwrap_err();
            assert_eq!(error.kind, Kind::Blocked(blocked), "{theirs:?} {error:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_code_is_refused_as_such() {
    for (theirs, _) in PRESETS {
        let world = World::preset(theirs).await;
        let held = world.channel().await;
        let channel = dyn_sealer(held.as_ref());
        let password = Password::new(DEFAULT_PASSWORD);
        let initiated = world.caller.initiate("admin@example.com", &password, channel).await.unwrap();
        let factor = Some((&initiated.methods[0], &OneTimeCode::new("000000")));
        let error = world.caller.complete(&initiated.login, factor, channel).await.unwrap_err();
        assert_eq!(error.kind, Kind::CodeRefused, "{theirs:?} {error:?}");
    }
}

#[tokio::test]
async fn a_refresh_token_that_was_used_is_refused() {
    let world = World::preset(portal_sim::Preset::Scv2).await;
    let held = world.channel().await;
    let channel = dyn_sealer(held.as_ref());
    let made_up = RefreshToken::new("nobody-ever-gave-this-out");
    let error = world.caller.refresh(&made_up, channel).await.unwrap_err();
    assert_eq!(error.kind, Kind::TokenRefused, "{error:?}");
}

#[tokio::test]
async fn a_wrong_access_code_is_refused_and_not_tried_again() {
    let settings = portal_sim::Settings::preset(portal_sim::Preset::Guide);
    let world = World::with_access_code(settings, "wrong").await;
    let error = world.caller.open_channel(None, &world.last).await.unwrap_err();
    assert_eq!(error.kind, Kind::Refused, "{error:?}");
    assert_eq!(error.status, Some(403));
}

#[tokio::test]
async fn section_13_a_dropped_channel_is_found_out() {
    for theirs in [portal_sim::Preset::Guide, portal_sim::Preset::Scv2] {
        let world = World::preset(theirs).await;
        let held = world.channel().await;
        world.sim.drop_channels();
        let password = Password::new(DEFAULT_PASSWORD);
        let error = world.caller.initiate("admin@example.com", &password, dyn_sealer(held.as_ref())).await;
        assert_eq!(error.unwrap_err().kind, Kind::ChannelStale, "{theirs:?}");
    }
}

#[tokio::test]
async fn the_pinned_key_is_used_and_any_other_is_refused() {
    let world = World::preset(portal_sim::Preset::Guide).await;
    let right: Fingerprint = hex(world.sim.key_sha256()).parse().unwrap();
    let wrong: Fingerprint = hex([7; 32]).parse().unwrap();
    assert!(world.caller.open_channel(Some(right), &world.last).await.is_ok());
    let error = world.caller.open_channel(Some(wrong), &world.last).await.unwrap_err();
    let mismatch = ChannelError::PinMismatch { served: right, pinned: wrong };
    assert_eq!(error.kind, Kind::Channel(mismatch));
    assert_eq!(world.sim.open_channels(), 1, "nothing was sent under the wrong key");
}

#[tokio::test]
async fn a_key_that_changes_is_accepted_without_a_pin_and_noticed() {
    let world = World::preset(portal_sim::Preset::Guide).await;
    assert!(world.channel().await.is_some());
    let before: Fingerprint = hex(world.sim.key_sha256()).parse().unwrap();
    world.sim.rotate_key();
    assert!(world.channel().await.is_some());
    let now = hex(world.sim.key_sha256()).parse().unwrap();
    assert_eq!(world.last.replace(now), None, "the new key is remembered");
    assert_eq!(world.last.replace(before), Some(now));
}

#[tokio::test]
async fn a_wrong_oaep_hash_is_refused_after_one_fresh_key() {
    let mut world = World::preset(portal_sim::Preset::Guide).await;
    Arc::make_mut(&mut world.caller.dialect).channel.as_mut().unwrap().oaep_hash = OaepHash::Sha1;
    let error = world.caller.open_channel(None, &world.last).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Refused, Some("4000")));
}
