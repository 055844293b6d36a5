//! Backup codes from a source: spent before they are sent, sent once, and only where somebody said so.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;

/// A list that lies somewhere, and may change.
#[derive(Debug)]
pub(super) struct Listed {
    codes: Mutex<Result<Vec<&'static str>, CodeSourceError>>,
    fetched: AtomicUsize,
}

impl Listed {
    pub(super) fn of(codes: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { codes: Mutex::new(Ok(codes.to_vec())), fetched: AtomicUsize::new(0) })
    }

    pub(super) fn put(&self, codes: Result<Vec<&'static str>, CodeSourceError>) {
        *self.codes.lock().unwrap() = codes;
    }

    pub(super) fn fetched(&self) -> usize {
        self.fetched.load(SeqCst)
    }
}

impl CodeSource for Listed {
    fn fetch(&self) -> Fetched<'_> {
        self.fetched.fetch_add(1, SeqCst);
        let codes = self.codes.lock().unwrap().clone();
        Box::pin(std::future::ready(codes.map(|codes| codes.into_iter().map(code).collect())))
    }
}

const CODES: [&str; 3] = ["backup01", "backup02", "backup03"];

fn with_codes(listed: &Arc<Listed>, spend_backup: bool) -> Credentials {
    let backup: Arc<dyn CodeSource> = Arc::<Listed>::clone(listed);
    Credentials { codes: Codes { backup: Some(backup), spend_backup, mailed: None }, ..by_mail() }
}

fn world(listed: &Arc<Listed>, spend_backup: bool) -> World {
    World::with(|settings, portal| {
        settings.credentials = Some(with_codes(listed, spend_backup));
        portal.state().methods = vec![FactorKind::Email, FactorKind::Otp, FactorKind::BackupCode];
    })
}

fn sent(world: &World) -> Vec<String> {
    world.portal.state().codes.iter().map(|sent| sent.secret.clone()).collect()
}

async fn by_code(world: &World) -> Result<Arc<Lease>, SessionError> {
    soon(world.session.sign_in_by_backup_code(None)).await
}

#[tokio::test]
async fn a_backup_code_is_taken_only_where_a_person_or_the_configuration_says_so() {
    let listed = Listed::of(&CODES);
    let world = self::world(&listed, false);
    assert!(matches!(world.lease().await, Err(SessionError::CodeRequired { .. })));
    assert!(matches!(soon(world.session.sign_in(None)).await, Err(SessionError::CodeRequired { .. })));
    assert_eq!((listed.fetched(), sent(&world).len()), (0, 0), "it is not even looked at");
    by_code(&world).await.unwrap();
    assert_eq!(sent(&world), ["backup01"]);
    assert_eq!(world.session.counters().backup_codes_left, Some(2));
    // That was about one login: the next is as it was before.
    world.portal.next(Op::Refresh, PortalErrorKind::TokenRefused);
    world.pass(1001).await;
    assert!(world.lease().await.is_err());
    assert_eq!(sent(&world).len(), 1);

    let world = self::world(&Listed::of(&CODES), true);
    world.lease().await.unwrap();
    assert_eq!(sent(&world), ["backup01"]);
}

#[tokio::test]
async fn with_a_seed_no_login_without_a_person_spends_a_backup_code() {
    let listed = Listed::of(&CODES);
    let world = World::with(|settings, portal| {
        settings.credentials =
            Some(Credentials { otp_secret: by_seed().otp_secret, ..with_codes(&listed, true) });
        portal.state().methods = vec![FactorKind::BackupCode, FactorKind::Otp];
    });
    world.lease().await.unwrap();
    assert_eq!(listed.fetched(), 0);
    by_code(&world).await.unwrap();
    assert_eq!(sent(&world).last().unwrap(), "backup01");
}

#[tokio::test]
async fn each_code_is_sent_once_and_the_end_of_the_list_is_said_before_anything_is_sent() {
    let world = self::world(&Listed::of(&CODES), false);
    for left in (0..3).rev() {
        by_code(&world).await.unwrap();
        assert_eq!(world.session.counters().backup_codes_left, Some(left));
    }
    assert_eq!(sent(&world), CODES);
    let error = by_code(&world).await.unwrap_err();
    assert!(matches!(error, SessionError::NoBackupCode { .. }), "{error}");
    assert_eq!((world.portal.calls(Op::Initiate), sent(&world).len()), (3, 3));
}

#[tokio::test]
async fn a_refused_backup_code_stays_spent_and_the_next_is_tried_as_often_as_may_be() {
    let world = self::world(&Listed::of(&CODES), true);
    for _ in 0..2 {
        world.portal.next(Op::Complete, PortalErrorKind::CodeRefused);
    }
    assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
    assert_eq!(sent(&world), ["backup01", "backup02"]);
    world.pass(4000).await;
    assert!(world.lease().await.is_err(), "latched: the list is not used up on a portal that refuses it");
    assert_eq!(sent(&world).len(), 2);
    by_code(&world).await.unwrap();
    assert_eq!(sent(&world).last().unwrap(), "backup03");
}

#[tokio::test]
async fn a_code_whose_answer_was_lost_is_never_sent_again_and_one_that_never_left_is() {
    for kind in
        [unknown(), PortalErrorKind::Trouble, PortalErrorKind::RateLimited { retry_after: None }, not_sent()]
    {
        let world = self::world(&Listed::of(&CODES), false);
        world.portal.next(Op::Complete, kind.clone());
        let first = by_code(&world).await;
        if first.is_err() {
            by_code(&world).await.unwrap();
        }
        let expected = if kind == not_sent() { ["backup01", "backup01"] } else { ["backup01", "backup02"] };
        assert_eq!(sent(&world), expected, "{kind}");
    }
}

#[tokio::test]
async fn a_source_that_fails_costs_no_attempt_and_is_asked_again() {
    let listed = Listed::of(&[]);
    let broken = CodeSourceError { what: "login.backup_codes: pass failed".into(), hint: None };
    listed.put(Err(broken.clone()));
    let world = self::world(&listed, true);
    let error = world.lease().await.unwrap_err();
    assert!(matches!(&error, SessionError::CodeSource(told) if *told == broken), "{error}");
    assert_eq!(world.portal.calls(Op::Initiate), 0);
    listed.put(Ok(CODES.to_vec()));
    world.pass(60).await;
    world.lease().await.unwrap();
}

#[tokio::test]
async fn a_list_that_is_replaced_serves_on() {
    let listed = Listed::of(&CODES[..1]);
    let world = self::world(&listed, false);
    by_code(&world).await.unwrap();
    by_code(&world).await.unwrap_err();
    listed.put(Ok(vec!["backup01", "another1"]));
    by_code(&world).await.unwrap();
    assert_eq!(sent(&world), ["backup01", "another1"]);
}

#[tokio::test]
async fn where_the_portal_offers_no_backup_codes_none_is_spent() {
    let listed = Listed::of(&CODES);
    let world = self::world(&listed, false);
    world.portal.state().methods = vec![FactorKind::Otp];
    assert!(matches!(by_code(&world).await, Err(SessionError::NoBackupCode { .. })));
    // Nor where it asks for no second factor at all.
    world.portal.state().methods = vec![];
    by_code(&world).await.unwrap();
    assert_eq!(sent(&world), [""; 0]);
    world.portal.state().methods = vec![FactorKind::BackupCode];
    by_code(&world).await.unwrap();
    assert_eq!(sent(&world), ["backup01"]);
}

#[tokio::test]
async fn without_a_source_a_backup_code_cannot_be_taken() {
    let world = World::new();
    assert!(matches!(by_code(&world).await, Err(SessionError::NoBackupCode { .. })));
    assert_eq!(world.portal.calls(Op::Initiate), 0);
}

/// A store whose process dies in the moment after a code was marked as spent: nothing that follows happens.
#[derive(Debug)]
struct Dying(Arc<MemoryStore>);

impl Store for Dying {
    fn lock(&self) -> Stored<'_, Lock> {
        self.0.lock()
    }

    fn load(&self) -> Stored<'_, Option<SavedSession>> {
        self.0.load()
    }

    fn begin_refresh(&self, generation: Generation) -> Stored<'_, ()> {
        self.0.begin_refresh(generation)
    }

    fn commit(&self, session: Option<SavedSession>) -> Stored<'_, ()> {
        self.0.commit(session)
    }

    fn keep(&self, generation: Generation) -> Stored<'_, ()> {
        self.0.keep(generation)
    }

    fn attempts(&self) -> Stored<'_, Attempts> {
        self.0.attempts()
    }

    fn record(&self, attempts: Attempts) -> Stored<'_, ()> {
        let dies = !attempts.used_codes.is_empty();
        let recorded = self.0.record(attempts);
        Box::pin(async move {
            recorded.await?;
            if dies {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_crash_between_the_mark_and_the_sending_costs_the_code_and_sends_no_code_twice() {
    let (listed, store) = (Listed::of(&CODES), Arc::new(MemoryStore::new()));
    let settings = || Settings { credentials: Some(with_codes(&listed, false)), ..Settings::default() };
    let (portal, clock) = (FakePortal::default(), ManualClock::at(SystemTime::UNIX_EPOCH + START));
    portal.state().methods = vec![FactorKind::BackupCode];
    let shared = Arc::new(clock.clone());
    let dying = Arc::new(Dying(Arc::clone(&store)));
    let session = SessionHandle::spawn_with(portal.clone(), settings(), shared, dying);
    let doomed = tokio::spawn(async move { session.sign_in_by_backup_code(None).await });
    soon(async {
        while store.attempts().await.unwrap().used_codes.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    quiet().await;
    assert_eq!(portal.calls(Op::Complete), 0, "marked, and not sent");
    doomed.abort();

    let world = World::start(portal, clock, settings(), store);
    by_code(&world).await.unwrap();
    assert_eq!(sent(&world), ["backup02"]);
    assert_eq!(world.session.counters().backup_codes_left, Some(1));
}

#[tokio::test]
async fn two_processes_on_one_store_never_send_the_same_code() {
    let (listed, store) = (Listed::of(&CODES), Arc::new(MemoryStore::new()));
    let settings = || Settings { credentials: Some(with_codes(&listed, false)), ..Settings::default() };
    let (portal, clock) = (FakePortal::default(), ManualClock::at(SystemTime::UNIX_EPOCH + START));
    portal.state().methods = vec![FactorKind::BackupCode];
    let one = World::start(portal.clone(), clock.clone(), settings(), Arc::clone(&store));
    let two = World::start(portal, clock, settings(), store);
    by_code(&one).await.unwrap();
    by_code(&two).await.unwrap();
    by_code(&one).await.unwrap();
    assert_eq!(sent(&one), CODES);
    assert!(matches!(by_code(&two).await, Err(SessionError::NoBackupCode { .. })));
}
