//! Whatever happens in whatever order, looked at after every single thing: nobody is stuck, and nothing is used more
//! often than it may be.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;

use super::backup::Listed;
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
    SignInByBackupCode,
    Answer(&'static str),
    SendCode(Option<FactorKind>),
    Mail,
    LoseTheSource,
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
        PortalErrorKind::Blocked(Blocked::Locked),
        PortalErrorKind::FingerprintMismatch,
        PortalErrorKind::RiskChallenge,
        PortalErrorKind::Refused,
        PortalErrorKind::NotUnderstood("not JSON"),
    ])
}

fn event() -> impl Strategy<Value = Event> {
    let factor = || prop::sample::select(vec![None, Some(FactorKind::Email), Some(FactorKind::Otp)]);
    prop_oneof![
        8 => Just(Event::Ask),
        2 => Just(Event::AskAndLeave),
        1 => Just(Event::AskForChannel),
        4 => Just(Event::Complain),
        1 => Just(Event::ComplainLate),
        1 => Just(Event::ComplainAboutChannel),
        8 => (op(), kind()).prop_map(|(op, kind)| Event::Fail(op, kind)),
        1 => op().prop_map(Event::Hold),
        6 => prop::sample::select(vec![0, 1, 5, 31, 301, 701, 1001, 8 * 3600]).prop_map(Event::Pass),
        1 => prop::sample::select(vec![-3600, -60, 60, 3600]).prop_map(Event::SetWall),
        2 => Just(Event::SignIn),
        1 => Just(Event::SignInByBackupCode),
        2 => prop::sample::select(vec!["person", "wrong"]).prop_map(Event::Answer),
        1 => factor().prop_map(Event::SendCode),
        2 => Just(Event::Mail),
        1 => Just(Event::LoseTheSource),
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
    Mailbox,
    Backup,
    NoFactor,
    NoChannel,
    FirstMessage,
}

/// What is known of the world without looking into it: what can happen next, and what may have been spent by now.
#[derive(Debug, Clone)]
struct Model {
    set_up: SetUp,
    held: HashSet<Op>,
    /// How many windows of attempts have begun, at most.
    windows: u64,
    /// How often a person acted.
    persons: u64,
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Event;

    fn init_state() -> BoxedStrategy<Self> {
        use SetUp::{Backup, FirstMessage, Mail, Mailbox, NoChannel, NoFactor, Seed};
        prop::sample::select(vec![Seed, Mail, Mailbox, Backup, NoFactor, NoChannel, FirstMessage])
            .prop_map(|set_up| Self { set_up, held: HashSet::new(), windows: 1, persons: 0 })
            .boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Event> {
        if state.held.is_empty() {
            return event().boxed();
        }
        let held: Vec<Op> = state.held.iter().copied().collect();
        prop_oneof![20 => event(), 5 => prop::sample::select(held).prop_map(Event::Release)].boxed()
    }

    fn preconditions(state: &Self, event: &Event) -> bool {
        match event {
            Event::Release(op) => state.held.contains(op),
            Event::Hold(op) => !state.held.contains(op),
            _ => true,
        }
    }

    fn apply(mut state: Self, event: &Event) -> Self {
        match event {
            Event::Hold(op) => drop(state.held.insert(*op)),
            Event::Release(op) => drop(state.held.remove(op)),
            Event::Pass(seconds) => state.windows += seconds.div_ceil(3600),
            Event::SetWall(_) => state.windows += 1,
            Event::SignIn | Event::SignInByBackupCode | Event::Answer(_) => state.persons += 1,
            _ => {}
        }
        state
    }
}

/// The world, and what a test remembers of it.
struct Machine {
    world: World,
    /// Backup codes, or the mailbox.
    listed: Arc<Listed>,
    leases: Vec<Arc<Lease>>,
    steps: usize,
    // Last: what runs on it goes first.
    runtime: Runtime,
}

const BACKUP: [&str; 6] = ["backup-1", "backup-2", "backup-3", "backup-4", "backup-5", "backup-6"];
const MAILS: [&str; 8] = ["mail-1", "mail-2", "mail-3", "mail-4", "mail-5", "mail-6", "mail-7", "mail-8"];

fn settings(set_up: SetUp, listed: &Arc<Listed>) -> Settings {
    let source: Arc<dyn CodeSource> = Arc::<Listed>::clone(listed);
    let credentials = match set_up {
        SetUp::Seed | SetUp::NoChannel | SetUp::FirstMessage => by_seed(),
        SetUp::Mail => Credentials { mfa: MfaChoice::Email, ..by_mail() },
        SetUp::Mailbox => {
            Credentials { codes: Codes { mailed: Some(source), ..Codes::default() }, ..by_mail() }
        }
        SetUp::Backup => {
            let codes = Codes { backup: Some(source), spend_backup: true, mailed: None };
            Credentials { codes, ..by_mail() }
        }
        SetUp::NoFactor => by_mail(),
    };
    Settings { credentials: Some(credentials), wait_timeout: Duration::from_secs(60), ..Settings::default() }
}

impl StateMachineTest for Machine {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let listed = match model.set_up {
            SetUp::Backup => Listed::of(&BACKUP),
            _ => Listed::of(&[]),
        };
        let world = runtime.block_on(async {
            World::with(|given, portal| {
                *given = settings(model.set_up, &listed);
                let mut state = portal.state();
                match model.set_up {
                    SetUp::NoFactor => state.methods = vec![],
                    SetUp::NoChannel => state.seals = false,
                    SetUp::Backup => state.methods = vec![FactorKind::BackupCode],
                    SetUp::FirstMessage => state.first_message = true,
                    SetUp::Seed | SetUp::Mail | SetUp::Mailbox => {}
                }
            })
        });
        Self { world, listed, leases: Vec::new(), steps: 0, runtime }
    }

    fn apply(mut machine: Self, model: &Model, event: Event) -> Self {
        machine.steps += 1;
        let Self { world, listed, mut leases, steps, runtime } = machine;
        let world = runtime.block_on(async {
            let world = happen(world, model.set_up, &listed, &mut leases, steps, event).await;
            quiet().await;
            world
        });
        if let Some(lease) = world.session.current() {
            assert!(lease.expires_at() > world.clock.wall(), "an expired lease was handed out");
            if leases.last().is_none_or(|last| last.generation() != lease.generation()) {
                leases.push(lease);
            }
        }
        Self { world, listed, leases, steps, runtime }
    }

    fn check_invariants(machine: &Self, model: &Model) {
        let state = machine.world.portal.state();
        passwords(&state.passwords, model);
        codes(&state.codes);
        refresh_tokens(&state.refresh_tokens);
    }

    fn teardown(machine: Self, _: Model) {
        let Self { world, runtime, .. } = machine;
        runtime.block_on(recovers(&world));
    }
}

async fn happen(
    world: World,
    set_up: SetUp,
    listed: &Arc<Listed>,
    leases: &mut Vec<Arc<Lease>>,
    steps: usize,
    event: Event,
) -> World {
    let session = world.session.clone();
    let complain = |lease: Option<&Arc<Lease>>| {
        if let Some(lease) = lease.cloned() {
            let session = world.session.clone();
            tokio::spawn(async move { session.replace(&lease).await });
        }
    };
    match event {
        Event::Ask => drop(tokio::spawn(async move { session.lease().await })),
        Event::AskAndLeave => {
            let caller = tokio::spawn(async move { session.lease().await });
            tokio::task::yield_now().await;
            caller.abort();
        }
        // Keys that are lent to it come back unused.
        Event::AskForChannel => drop(tokio::spawn(async move { session.passage().await.is_ok() })),
        Event::Complain => complain(leases.last()),
        Event::ComplainLate => complain(leases.first()),
        Event::ComplainAboutChannel => {
            if let Some(channel) = session.current_channel() {
                tokio::spawn(async move { session.another_passage(Passage::on(channel)).await.is_ok() });
            }
        }
        Event::Fail(op, kind) => world.portal.next(op, kind),
        Event::Hold(op) => world.portal.hold(op),
        Event::Release(op) => world.portal.release(op),
        Event::Pass(seconds) => world.clock.advance(Duration::from_secs(seconds)),
        Event::SetWall(seconds) => {
            let by = Duration::from_secs(seconds.unsigned_abs());
            let wall = world.clock.wall();
            world.clock.set_wall(if seconds < 0 { wall - by } else { wall + by });
        }
        Event::SignIn => drop(tokio::spawn(async move {
            let typed = Credentials { password: Some(Password::new("typed")), ..by_seed() };
            session.sign_in(Some(typed)).await
        })),
        Event::SignInByBackupCode => {
            tokio::spawn(async move { session.sign_in_by_backup_code(None).await });
        }
        Event::Answer(text) => drop(tokio::spawn(async move { session.answer(code(text)).await })),
        Event::SendCode(by) => drop(tokio::spawn(async move { session.send_code(by).await })),
        Event::Mail => match set_up {
            SetUp::Backup => listed.put(Ok(BACKUP.to_vec())),
            // Up to the newest; the older ones lie there still.
            _ => listed.put(Ok(MAILS[..=steps % MAILS.len()].to_vec())),
        },
        Event::LoseTheSource => {
            listed.put(Err(CodeSourceError { what: "the source is gone".into(), hint: None }));
        }
        Event::Adopt => {
            let tokens = Tokens {
                access: AccessToken::new(format!("adopted-{steps}")),
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
            // A lease is its process's; the next one counts for itself where nothing was saved.
            leases.clear();
            return world.restarted(settings(set_up, listed)).await;
        }
    }
    world
}

/// Whether the portal may have looked at what was sent.
fn may_be_judged(sent: &&Sent) -> bool {
    !matches!(
        sent.answer,
        Err(PortalErrorKind::NotSent(_)
            | PortalErrorKind::Trouble
            | PortalErrorKind::RateLimited { .. }
            | PortalErrorKind::ChannelStale)
    )
}

/// The configured password is refused once, and again only after a person completed a login; a person's three
/// times an hour.
fn passwords(sent: &[Sent], model: &Model) {
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
    let completed = model.persons + sent.iter().filter(|sent| sent.answer.is_ok()).count() as u64;
    assert!(refused("configured") <= 1 + model.persons, "{sent:?}");
    assert!(refused("typed") <= 3 * model.windows + 3 * completed, "{sent:?}");
    assert!(lost.count() as u64 <= 6 * model.windows + 3 * completed, "{sent:?}");
}

/// No code made from the seed is sent twice, no backup code of the list leaves twice, and no mailed code is sent
/// again that the portal may have looked at.
fn codes(sent: &[Sent]) {
    let most = |chosen: &dyn Fn(&&Sent) -> bool| {
        let mut times = HashMap::<&str, usize>::new();
        for sent in sent.iter().filter(chosen) {
            *times.entry(&sent.secret).or_default() += 1;
        }
        times.into_values().max().unwrap_or_default()
    };
    let made = |sent: &&Sent| sent.secret.bytes().all(|byte| byte.is_ascii_digit());
    let left = |sent: &&Sent| !matches!(sent.answer, Err(PortalErrorKind::NotSent(_)));
    assert!(most(&made) <= 1, "{sent:?}");
    assert!(most(&|one| one.secret.starts_with("backup-") && left(one)) <= 1, "{sent:?}");
    assert!(most(&|one| one.secret.starts_with("mail-") && may_be_judged(one)) <= 1, "{sent:?}");
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
                Err(SessionError::CodeRequired { .. }) => session.answer(code("rescue")).await,
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
        assert!(soon(world.session.passage()).await.is_ok());
    }
    soon(world.session.close()).await;
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_leaves_anybody_stuck_and_nothing_is_used_too_often(sequential 1..60 => Machine);
}

/// What the machine has found: it was sent again after the code had been asked for in vain.
#[test]
fn a_refused_refresh_token_is_gone_also_where_the_login_in_its_place_asks_for_a_code() {
    let mut model = Model { set_up: SetUp::Backup, held: HashSet::new(), windows: 1, persons: 0 };
    let mut machine = Machine::init_test(&model);
    for event in [
        Event::SignIn,
        Event::Fail(Op::Refresh, PortalErrorKind::CredentialsRefused),
        Event::Answer("person"),
        Event::Complain,
        Event::SignInByBackupCode,
        Event::Complain,
    ] {
        model = <Model as ReferenceStateMachine>::apply(model, &event);
        machine = <Machine as StateMachineTest>::apply(machine, &model, event);
    }
    assert_eq!(machine.world.portal.state().refresh_tokens.len(), 1);
    Machine::teardown(machine, model);
}
