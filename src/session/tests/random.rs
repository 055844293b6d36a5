//! Whatever happens in whatever order: nobody is stuck, and nothing is used more often than it may be.

use std::collections::HashMap;

use proptest::prelude::*;

use super::fake::Sent;
use super::*;
use crate::secret::AccessToken;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    Ask,
    AskAndLeave,
    AskForChannel,
    Complain,
    ComplainLate,
    ComplainAboutChannel,
    Fail(Op, PortalErrorKind),
    Hold(Op),
    Release(Op),
    Pass(u64),
    SetWall(i64),
    SignIn,
    Answer(&'static str),
    SendCode(Option<FactorKind>),
    Adopt,
    Ended,
    SignOut,
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop::sample::select(vec![Op::Open, Op::Initiate, Op::Send, Op::Complete, Op::Refresh, Op::Logout])
}

fn kind() -> impl Strategy<Value = PortalErrorKind> {
    prop::sample::select(vec![
        not_sent(),
        unknown(),
        PortalErrorKind::Trouble,
        PortalErrorKind::RateLimited { retry_after: Some(Duration::from_secs(90)) },
        PortalErrorKind::ChannelStale,
        PortalErrorKind::CredentialsRefused,
        PortalErrorKind::CodeRefused,
        PortalErrorKind::LoginGone,
        PortalErrorKind::TokenRefused,
        PortalErrorKind::PendingApproval,
        PortalErrorKind::FingerprintMismatch,
        PortalErrorKind::Refused,
        PortalErrorKind::NotUnderstood("not JSON"),
    ])
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Ask),
        2 => Just(Event::AskAndLeave),
        1 => Just(Event::AskForChannel),
        4 => Just(Event::Complain),
        1 => Just(Event::ComplainLate),
        1 => Just(Event::ComplainAboutChannel),
        8 => (op(), kind()).prop_map(|(op, kind)| Event::Fail(op, kind)),
        1 => op().prop_map(Event::Hold),
        2 => op().prop_map(Event::Release),
        6 => prop::sample::select(vec![0, 1, 5, 31, 301, 701, 1001, 8 * 3600]).prop_map(Event::Pass),
        1 => prop::sample::select(vec![-3600, -60, 60, 3600]).prop_map(Event::SetWall),
        2 => Just(Event::SignIn),
        2 => prop::sample::select(vec!["person", "wrong"]).prop_map(Event::Answer),
        1 => prop::sample::select(vec![None, Some(FactorKind::Email), Some(FactorKind::Otp)])
            .prop_map(Event::SendCode),
        1 => Just(Event::Adopt),
        1 => Just(Event::Ended),
        1 => Just(Event::SignOut),
        1 => Just(Event::Restart),
    ]
}

/// How the world is set up, so that each kind of login is met.
#[derive(Debug, Clone, Copy)]
enum SetUp {
    Seed,
    Mail,
    NoFactor,
    NoChannel,
}

fn settings(set_up: SetUp) -> Settings {
    let credentials = match set_up {
        SetUp::Seed | SetUp::NoChannel => by_seed(),
        SetUp::Mail => Credentials { mfa: MfaChoice::Email, ..by_mail() },
        SetUp::NoFactor => by_mail(),
    };
    Settings { credentials: Some(credentials), wait_timeout: Duration::from_secs(60), ..Settings::default() }
}

async fn live(set_up: SetUp, events: Vec<Event>) {
    let mut world = World::with(|given, portal| {
        *given = settings(set_up);
        match set_up {
            SetUp::NoFactor => portal.state().methods = vec![],
            SetUp::NoChannel => portal.state().seals = false,
            SetUp::Seed | SetUp::Mail => {}
        }
    });
    let mut leases: Vec<Arc<Lease>> = Vec::new();
    let (mut hours, mut completed_by_a_person, mut wall_jumps) = (1, 0, 0);
    for event in events {
        let session = world.session.clone();
        match event {
            Event::Ask => drop(tokio::spawn(async move { session.lease().await })),
            Event::AskAndLeave => {
                let caller = tokio::spawn(async move { session.lease().await });
                tokio::task::yield_now().await;
                caller.abort();
            }
            Event::AskForChannel => drop(tokio::spawn(async move { session.channel().await })),
            Event::Complain => {
                if let Some(lease) = leases.last().cloned() {
                    tokio::spawn(async move { session.replace(&lease).await });
                }
            }
            Event::ComplainLate => {
                if let Some(lease) = leases.first().cloned() {
                    tokio::spawn(async move { session.replace(&lease).await });
                }
            }
            Event::ComplainAboutChannel => {
                if let Some(channel) = session.current_channel() {
                    tokio::spawn(async move { session.replace_channel(&channel).await });
                }
            }
            Event::Fail(op, kind) => world.portal.next(op, kind),
            Event::Hold(op) => world.portal.hold(op),
            Event::Release(op) => world.portal.release(op),
            Event::Pass(seconds) => {
                world.clock.advance(Duration::from_secs(seconds));
                hours += seconds.div_ceil(3600);
            }
            Event::SetWall(seconds) => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                let wall = world.clock.wall();
                world.clock.set_wall(if seconds < 0 { wall - by } else { wall + by });
                wall_jumps += 1;
            }
            Event::SignIn => {
                completed_by_a_person += 1;
                tokio::spawn(async move {
                    let typed = Credentials { password: Some(Password::new("typed")), ..by_seed() };
                    session.sign_in(Some(typed)).await
                });
            }
            Event::Answer(text) => {
                completed_by_a_person += 1;
                tokio::spawn(async move { session.answer(code(text)).await });
            }
            Event::SendCode(by) => drop(tokio::spawn(async move { session.send_code(by).await })),
            Event::Adopt => {
                let n = leases.len() + usize::try_from(hours).unwrap() * 1000;
                let tokens = Tokens {
                    access: AccessToken::new(format!("adopted-{n}")),
                    refresh: None,
                    expires_in: Duration::from_secs(1000),
                    skew: None,
                };
                tokio::spawn(async move { session.adopt(tokens).await });
            }
            Event::Ended => {
                if let Some(lease) = leases.last() {
                    session.ended(lease);
                }
            }
            Event::SignOut => drop(tokio::spawn(async move { session.sign_out().await })),
            Event::Restart => {
                let closing = tokio::spawn(async move { session.close().await });
                quiet().await;
                // A portal that is silent now is given up on.
                for _ in 0..3 {
                    world.pass(2).await;
                }
                soon(closing).await.unwrap();
                world = world.restarted(settings(set_up)).await;
                // A lease is its process's; the next one counts for itself where nothing was saved.
                leases.clear();
            }
        }
        quiet().await;
        if let Some(lease) = world.session.current() {
            assert!(lease.expires_at() > world.clock.wall(), "an expired lease was handed out");
            if leases.last().is_none_or(|last| last.generation() != lease.generation()) {
                leases.push(lease);
            }
        }
    }
    passwords(&world.portal.state().passwords, hours + wall_jumps, completed_by_a_person);
    codes(&world.portal.state().codes);
    refresh_tokens(&world.portal.state().refresh_tokens);
    recovers(&world).await;
}

/// The configured password is refused once, and again only after a person completed a login; a person's three
/// times an hour.
fn passwords(sent: &[Sent], windows: u64, completed_by_a_person: u64) {
    let refused = |secret: &str| {
        let judged = |sent: &&Sent| {
            matches!(
                sent.answer,
                Err(PortalErrorKind::CredentialsRefused
                    | PortalErrorKind::CodeRefused
                    | PortalErrorKind::TokenRefused)
            )
        };
        sent.iter().filter(|sent| sent.secret == secret).filter(judged).count() as u64
    };
    let lost = sent.iter().filter(|sent| matches!(sent.answer, Err(PortalErrorKind::OutcomeUnknown(_))));
    let completed = completed_by_a_person + sent.iter().filter(|sent| sent.answer.is_ok()).count() as u64;
    assert!(refused("configured") <= 1 + completed_by_a_person, "{sent:?}");
    assert!(refused("typed") <= 3 * windows + 3 * completed, "{sent:?}");
    assert!(lost.count() as u64 <= 6 * windows + 3 * completed, "{sent:?}");
}

/// No code made from the seed is sent twice.
fn codes(sent: &[Sent]) {
    let mut seen = HashMap::<&str, usize>::new();
    for sent in sent.iter().filter(|sent| sent.secret.bytes().all(|byte| byte.is_ascii_digit())) {
        *seen.entry(&sent.secret).or_default() += 1;
    }
    assert!(seen.values().all(|times| *times == 1), "{sent:?}");
}

/// A refresh token that was answered is never sent again, and one whose answer was lost at most once more.
fn refresh_tokens(sent: &[Sent]) {
    let mut lost = HashMap::<&str, usize>::new();
    let mut spent = HashMap::<&str, &Sent>::new();
    for one in sent {
        assert!(!spent.contains_key(&*one.secret), "{} was answered: {sent:?}", one.secret);
        match &one.answer {
            Err(PortalErrorKind::OutcomeUnknown(_) | PortalErrorKind::NotUnderstood(_)) => {
                *lost.entry(&one.secret).or_default() += 1;
            }
            Ok(())
            | Err(
                PortalErrorKind::TokenRefused
                | PortalErrorKind::CredentialsRefused
                | PortalErrorKind::CodeRefused
                | PortalErrorKind::LoginGone
                | PortalErrorKind::Refused,
            ) => drop(spent.insert(&one.secret, one)),
            Err(_) => {}
        }
    }
    assert!(lost.values().all(|times| *times <= 2), "{sent:?}");
}

/// Once the portal is well, and a person there, everybody gets a lease.
async fn recovers(world: &World) {
    world.portal.forget_script();
    for op in [Op::Open, Op::Close, Op::Initiate, Op::Send, Op::Complete, Op::Refresh, Op::Logout] {
        world.portal.release(op);
    }
    for _ in 0..4 {
        world.pass(1801).await;
    }
    let person = tokio::spawn({
        let session = world.session.clone();
        async move {
            match session.sign_in(Some(by_seed())).await {
                Err(SessionError::CodeRequired { .. }) => session.answer(code("person")).await,
                other => other,
            }
        }
    });
    // A wall clock that was set back meets steps again that are used up; it waits for the first that is not.
    for _ in 0..60 {
        if !person.is_finished() {
            world.pass(30).await;
        }
    }
    let signed_in = soon(person).await.unwrap();
    assert!(signed_in.is_ok(), "{signed_in:?}");
    assert!(soon(world.session.lease()).await.is_ok());
    if world.portal.state().seals {
        assert!(soon(world.session.channel()).await.is_ok());
    }
    soon(world.session.close()).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_leaves_anybody_stuck_and_nothing_is_used_too_often(
        set_up in prop::sample::select(vec![SetUp::Seed, SetUp::Mail, SetUp::NoFactor, SetUp::NoChannel]),
        events in prop::collection::vec(event(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(live(set_up, events));
    }
}
