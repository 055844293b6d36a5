//! Every row of PROTOCOL section 8 against the simulator, which shares no code with this room.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use portal_sim::{DEFAULT_PASSWORD, DEFAULT_TOTP_SECRET, Preset as SimPreset, RateLimits, Sim};

use super::*;
use crate::account::Account as _;
use crate::clock::SystemClock;
use crate::portal::{Client, Preset};
use crate::secret::{OneTimeCode, OtpSecret, Password, ResetToken};
use crate::session::{Codes, Credentials, MfaChoice};
use crate::upstream::{SealedHeaders, Settings as UpstreamSettings};

const NEW: &str = "a brand new password";

struct World {
    sim: Sim,
    account: Account,
}

impl World {
    /// Signed in as `email`, who has the default password.
    async fn of(email: &str) -> Self {
        Self::with(email, |_| {}).await
    }

    async fn with(email: &str, change: impl FnOnce(&mut Dialect)) -> Self {
        let mut settings = portal_sim::Settings::preset(SimPreset::Guide);
        settings.share_rsa_keys = true;
        settings.rate_limits = RateLimits { enabled: false, ..RateLimits::default() };
        let mut headers = vec![
            (
                HeaderName::from_static("x-portal-access-code"),
                HeaderValue::from_str(&settings.access_code).unwrap(),
            ),
            (HeaderName::from_static("x-client-hash"), HeaderValue::from_static("hash-1")),
        ];
        for name in &settings.dialect.required_headers {
            headers.push((name.parse().unwrap(), HeaderValue::from_static("https")));
        }
        let mut dialect = Dialect::preset(Preset::Guide, &settings.portal);
        change(&mut dialect);
        let sealed = SealedHeaders {
            session: dialect.session_header.clone(),
            version: dialect.sc_version,
            content_type: dialect.sealed_content_type.clone(),
        };
        let sim = Sim::start(settings).await.unwrap();
        let upstream = Upstream::new(&UpstreamSettings::new(sim.url().parse().unwrap(), sealed)).unwrap();
        let injected = Injected::new(headers);
        let client = Client::new(upstream.for_another_worker(), dialect.clone(), injected.clone(), None);
        let credentials = Credentials {
            email: email.to_owned(),
            password: Some(Password::new(DEFAULT_PASSWORD)),
            otp_secret: Some(OtpSecret::new(DEFAULT_TOTP_SECRET)),
            mfa: MfaChoice::Auto,
            codes: Codes::default(),
        };
        let settings = crate::session::Settings {
            credentials: Some(credentials),
            ..crate::session::Settings::default()
        };
        let session = SessionHandle::spawn(client, settings, SystemClock::shared());
        let account = Account::new(upstream, dialect, injected, Settings::default(), session);
        Self { sim, account }
    }

    async fn ask(&self, ask: Ask) -> Result<Told, AccountError> {
        self.account.ask(ask).await
    }

    fn mailed(&self, email: &str) -> portal_sim::Mail {
        self.sim.inbox(email).pop().unwrap()
    }
}

#[tokio::test]
async fn section_7_profile_call() {
    let world = World::of("plain@example.com").await;
    let Told::Profile(profile) = world.ask(Ask::Profile).await.unwrap() else { panic!("no profile") };
    assert_eq!(profile.email.as_deref(), Some("plain@example.com"));
    assert_eq!(profile.status.as_deref(), Some("ACTIVE"));
}

#[tokio::test]
async fn section_8_register_rows_then_password_init() {
    let world = World::of("plain@example.com").await;
    let (email, name) = ("new@example.com".to_owned(), "New".to_owned());
    let begun = world.ask(Ask::Register { email: email.clone(), name: name.clone() }).await.unwrap();
    let Told::Registering { registration, expires_in } = begun else { panic!("not begun") };
    assert_eq!(expires_in.as_secs(), 600);
    let sent = world.ask(Ask::SendRegistrationCode(registration.clone())).await.unwrap();
    assert!(matches!(sent, Told::CodeSent { masked_target: Some(to) } if to == "n***@example.com"));
    let wrong = Ask::VerifyRegistration(registration.clone(), OneTimeCode::new("not it"));
    let refused = world.ask(wrong).await.unwrap_err();
    assert!(
        matches!(&refused, AccountError::Portal(error) if error.kind == Kind::CodeRefused),
        "{refused:?}"
    );
    let code = OneTimeCode::new(world.mailed(&email).code.unwrap());
    world.ask(Ask::VerifyRegistration(registration.clone(), code)).await.unwrap();
    let complete = Ask::CompleteRegistration { registration: registration.clone(), email, name, new: None };
    let done = world.ask(complete).await.unwrap();
    assert!(matches!(done, Told::Registered { pending_approval: false }));
    let new = Password::new(NEW);
    world.ask(Ask::InitPassword { registration: registration.clone(), new: new.clone() }).await.unwrap();
    let again = world.ask(Ask::InitPassword { registration, new }).await.unwrap_err();
    assert!(matches!(again, AccountError::RegistrationGone), "{again:?}");
}

#[tokio::test]
async fn section_8_password_forgot_and_reset() {
    let world = World::of("plain@example.com").await;
    for email in ["admin@example.com", "nobody@example.com"] {
        let told = world.ask(Ask::ForgotPassword { email: email.to_owned(), turnstile: None }).await.unwrap();
        assert!(matches!(told, Told::Done), "the same answer whatever the address");
    }
    let token = ResetToken::new(world.mailed("admin@example.com").token.unwrap());
    let reset = Ask::ResetPassword { token, new: Password::new(NEW) };
    world.ask(reset.clone()).await.unwrap();
    assert!(matches!(world.ask(reset).await, Err(AccountError::ResetToken)));
}

#[tokio::test]
async fn section_8_password_change() {
    let world = World::of("plain@example.com").await;
    let change =
        |current: &str| Ask::ChangePassword { current: Password::new(current), new: Password::new(NEW) };
    assert!(matches!(world.ask(change("not the password")).await, Err(AccountError::CurrentPassword)));
    world.ask(change(DEFAULT_PASSWORD)).await.unwrap();
    assert!(matches!(world.ask(change(DEFAULT_PASSWORD)).await, Err(AccountError::CurrentPassword)));
}

#[tokio::test]
async fn section_8_sessions_and_their_end() {
    let world = World::of("plain@example.com").await;
    let Told::Sessions(list) = world.ask(Ask::Sessions).await.unwrap() else { panic!("no list") };
    assert_eq!((list.len(), list[0].current), (1, true));
    let ended = world.ask(Ask::TerminateOthers).await.unwrap();
    assert!(matches!(ended, Told::Terminated(Some(0))), "{ended:?}");
    let ended = world.ask(Ask::Terminate(list[0].id.clone())).await.unwrap();
    assert!(matches!(ended, Told::Terminated(Some(1))), "{ended:?}");
    let Told::Sessions(anew) = world.ask(Ask::Sessions).await.unwrap() else { panic!("no list") };
    assert_ne!(anew[0].id, list[0].id, "our own sign-in was ended, and made anew");
}

#[tokio::test]
async fn section_8_mfa_otp_setup_verify_and_backup_codes() {
    let world = World::of("plain@example.com").await;
    let verify = |code: String| Ask::VerifyOtp(OneTimeCode::new(code));
    assert!(matches!(world.ask(verify("123456".into())).await, Err(AccountError::NoOtpSetup)));
    assert!(matches!(world.ask(Ask::SetUpOtp).await, Ok(Told::OtpSetup(setup)) if setup.uri.is_some()));
    let wrong = world.ask(verify("000000x".into())).await.unwrap_err();
    assert!(matches!(&wrong, AccountError::Portal(error) if error.kind == Kind::CodeRefused), "{wrong:?}");
    let told = world.ask(verify(world.sim.otp_now("plain@example.com"))).await.unwrap();
    assert!(matches!(told, Told::Done), "a 204");
    let Told::Factors(factors) = world.ask(Ask::Factors).await.unwrap() else { panic!("no list") };
    assert_eq!(factors.iter().map(|factor| factor.code.as_str()).collect::<Vec<_>>(), ["OTP"]);
    let told = world.ask(Ask::BackupCodes).await.unwrap();
    assert!(matches!(told, Told::BackupCodes(codes) if codes.remaining == 0), "{told:?}");
}

#[tokio::test]
async fn section_13_a_dead_bearer_and_a_lost_channel_are_replaced_once() {
    let world = World::of("plain@example.com").await;
    world.ask(Ask::Profile).await.unwrap();
    world.sim.expire_access_tokens();
    world.ask(Ask::Profile).await.unwrap();
    world.ask(Ask::ForgotPassword { email: "admin@example.com".into(), turnstile: None }).await.unwrap();
    world.sim.drop_channels();
    world.sim.expire_access_tokens();
    let (current, new) = (Password::new(DEFAULT_PASSWORD), Password::new(NEW));
    world.ask(Ask::ChangePassword { current, new }).await.unwrap();
}

#[tokio::test]
async fn ruling_3_a_call_that_is_found_to_need_the_channel_is_sealed_from_then_on() {
    let world = World::with("plain@example.com", |dialect| {
        dialect.sealed_paths.retain(|path| !path.ends_with("/forgot"));
    })
    .await;
    assert!(!world.account.caller.seals(Endpoint::PasswordForgot));
    world.ask(Ask::ForgotPassword { email: "admin@example.com".into(), turnstile: None }).await.unwrap();
    assert!(world.account.caller.seals(Endpoint::PasswordForgot));
}

#[tokio::test]
async fn a_template_of_the_deployment_shapes_the_body_and_names_what_it_misses() {
    let world = World::with("plain@example.com", |dialect| {
        let body = r#"{"sessionId":"{session_id}","password":"{new_password}"}"#;
        dialect.requests.set(Endpoint::RegisterComplete, body).unwrap();
    })
    .await;
    let registration = crate::secret::RegistrationId::new("reg_1");
    let ask = Ask::CompleteRegistration { registration, email: "a@b.c".into(), name: "A".into(), new: None };
    assert!(matches!(world.ask(ask).await, Err(AccountError::ValueMissing("new_password"))));
}

#[test]
fn the_account_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Arc<Account>>();
}
