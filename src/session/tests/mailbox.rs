//! The code of the newest e-mail, fetched by a program: when it is run, what is sent, and who is told what.

use super::backup::Listed;
use super::*;

fn with_mailbox(listed: &Arc<Listed>) -> Credentials {
    let mailed: Arc<dyn CodeSource> = Arc::<Listed>::clone(listed);
    Credentials { codes: Codes { mailed: Some(mailed), ..Codes::default() }, ..by_mail() }
}

fn world(listed: &Arc<Listed>) -> World {
    World::with(|settings, _| settings.credentials = Some(with_mailbox(listed)))
}

fn sent(world: &World) -> Vec<String> {
    world.portal.state().codes.iter().map(|sent| sent.secret.clone()).collect()
}

fn asks(world: &World) -> tokio::task::JoinHandle<Result<Arc<Lease>, SessionError>> {
    let session = world.session.clone();
    tokio::spawn(async move { session.lease().await })
}

fn signs_in(world: &World) -> tokio::task::JoinHandle<Result<Arc<Lease>, SessionError>> {
    let session = world.session.clone();
    tokio::spawn(async move { session.sign_in(None).await })
}

fn broken() -> CodeSourceError {
    CodeSourceError { what: "login.code_command: fetch-code failed (exit status: 1)".into(), hint: None }
}

#[tokio::test]
async fn a_mailed_code_is_fetched_and_signs_in_and_whoever_asks_waits_for_it() {
    let listed = Listed::of(&[]);
    let world = self::world(&listed);
    let asker = asks(&world);
    world.called(Op::Send, 1).await;
    quiet().await;
    assert!(matches!(world.session.status(), Status::AwaitingCode(_)));
    assert_eq!((listed.fetched(), asker.is_finished()), (1, false));
    listed.put(Ok(vec!["111111"]));
    world.pass(5).await;
    soon(asker).await.unwrap().unwrap();
    assert_eq!(sent(&world), ["111111"]);
    assert_eq!((world.portal.calls(Op::Initiate), world.portal.calls(Op::Send)), (1, 1));
}

#[tokio::test]
async fn the_mailbox_is_looked_into_while_the_code_is_good_and_no_longer() {
    let listed = Listed::of(&[]);
    let world = self::world(&listed);
    world.portal.state().code_life = Some(Duration::from_secs(22));
    let asker = asks(&world);
    world.called(Op::Send, 1).await;
    quiet().await;
    for looks in 1..=4 {
        assert_eq!(listed.fetched(), looks);
        world.pass(5).await;
    }
    world.pass(2).await;
    assert!(matches!(soon(asker).await.unwrap(), Err(SessionError::CodeRequired { .. })));
    world.pass(60).await;
    assert_eq!(listed.fetched(), 5);
    // Until the login itself is over, a person may have another sent; that is looked for as well.
    listed.put(Ok(vec!["222222"]));
    soon(world.session.send_code(None)).await.unwrap();
    quiet().await;
    assert!(world.session.current().is_some());
    assert_eq!(sent(&world), ["222222"]);
}

#[tokio::test]
async fn a_mailed_code_that_was_refused_is_not_sent_again_and_the_next_mail_is_waited_for() {
    let listed = Listed::of(&["wrong"]);
    let world = self::world(&listed);
    let asker = asks(&world);
    world.called(Op::Send, 2).await;
    for _ in 0..4 {
        world.pass(5).await;
    }
    assert_eq!((sent(&world), world.portal.calls(Op::Initiate)), (vec!["wrong".to_owned()], 2));
    listed.put(Ok(vec!["wrong", "222222"]));
    world.pass(5).await;
    soon(asker).await.unwrap().unwrap();
    assert_eq!(sent(&world), ["wrong", "222222"]);
}

#[tokio::test]
async fn when_the_next_mailed_code_is_refused_too_a_person_is_needed() {
    let listed = Listed::of(&["111111", "222222", "333333"]);
    let world = self::world(&listed);
    for _ in 0..2 {
        world.portal.next(Op::Complete, PortalErrorKind::CodeRefused);
    }
    assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
    world.pass(4000).await;
    assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
    assert_eq!((sent(&world).len(), world.portal.calls(Op::Initiate)), (2, 2));
    assert!(soon(world.session.sign_in(None)).await.is_ok(), "a person may");
}

#[tokio::test]
async fn a_code_of_an_earlier_login_is_not_sent_even_by_another_process() {
    let listed = Listed::of(&["111111"]);
    let world = self::world(&listed);
    world.lease().await.unwrap();
    soon(world.session.sign_out()).await.unwrap();
    let settings = Settings { credentials: Some(with_mailbox(&listed)), ..Settings::default() };
    let world = world.restarted(settings).await;
    let asker = asks(&world);
    world.called(Op::Send, 2).await;
    quiet().await;
    assert_eq!(sent(&world), ["111111"], "it still lies in the mailbox");
    listed.put(Ok(vec!["222222", "111111"]));
    world.pass(5).await;
    soon(asker).await.unwrap().unwrap();
    assert_eq!(sent(&world), ["111111", "222222"]);
}

#[tokio::test]
async fn who_signs_in_waits_for_the_mailbox_and_may_be_faster() {
    let listed = Listed::of(&[]);
    let world = self::world(&listed);
    let person = signs_in(&world);
    world.called(Op::Send, 1).await;
    quiet().await;
    assert!(!person.is_finished());
    let lease = soon(world.session.answer(code("123456"))).await.unwrap();
    assert!(matches!(soon(person).await.unwrap(), Err(SessionError::CodeRequired { .. })));
    assert_eq!(world.lease().await.unwrap().generation(), lease.generation());
    world.pass(60).await;
    assert_eq!(listed.fetched(), 1, "nothing is looked for any more");

    let world = self::world(&Listed::of(&["111111"]));
    assert!(soon(signs_in(&world)).await.unwrap().is_ok());
}

#[tokio::test]
async fn who_signs_in_is_not_kept_waiting_for_longer_than_a_request() {
    let listed = Listed::of(&[]);
    let world = self::world(&listed);
    let person = signs_in(&world);
    world.called(Op::Send, 1).await;
    quiet().await;
    world.pass(59).await;
    assert!(!person.is_finished());
    world.pass(1).await;
    assert!(matches!(soon(person).await.unwrap(), Err(SessionError::CodeRequired { .. })));
    listed.put(Ok(vec!["111111"]));
    world.pass(5).await;
    assert!(world.session.current().is_some(), "it is looked for all the same");
}

#[tokio::test]
async fn a_command_that_fails_leaves_the_code_to_a_person_and_is_run_again() {
    let listed = Listed::of(&[]);
    listed.put(Err(broken()));
    let world = self::world(&listed);
    assert!(matches!(soon(signs_in(&world)).await.unwrap(), Err(SessionError::CodeRequired { .. })));
    let unfetched = || match world.session.status() {
        Status::AwaitingCode(challenge) => challenge.unfetched,
        other => panic!("{other:?}"),
    };
    assert_eq!(unfetched().as_deref(), Some(&broken()), "who is told of it reads why");
    listed.put(Ok(vec![]));
    world.pass(5).await;
    quiet().await;
    assert_eq!(unfetched(), None, "it works again, and only the mail is missing");
    let asker = asks(&world);
    listed.put(Ok(vec!["111111"]));
    world.pass(5).await;
    assert!(soon(asker).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_mail_that_never_comes_ends_after_a_few_logins() {
    let listed = Listed::of(&[]);
    let world = self::world(&listed);
    for _ in 0..120 {
        let asker = asks(&world);
        quiet().await;
        world.pass(60).await;
        assert!(soon(asker).await.unwrap().is_err());
    }
    assert_eq!((world.portal.calls(Op::Initiate), world.portal.calls(Op::Send)), (3, 3));
    assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
}

#[tokio::test]
async fn a_code_that_the_portal_had_no_time_for_is_given_to_it_again_more_slowly() {
    let listed = Listed::of(&["111111"]);
    let world = self::world(&listed);
    for _ in 0..2 {
        world.portal.next(Op::Complete, PortalErrorKind::Trouble);
    }
    let asker = asks(&world);
    world.called(Op::Complete, 1).await;
    quiet().await;
    world.pass(5).await;
    assert_eq!(sent(&world).len(), 2);
    world.pass(14).await;
    assert_eq!(sent(&world).len(), 2);
    world.pass(1).await;
    assert!(soon(asker).await.unwrap().is_ok());
    assert_eq!((sent(&world).len(), world.portal.calls(Op::Initiate)), (3, 1));
}

#[tokio::test]
async fn a_sign_out_ends_the_looking() {
    let listed = Listed::of(&[]);
    let world = self::world(&listed);
    let person = signs_in(&world);
    world.called(Op::Send, 1).await;
    quiet().await;
    soon(world.session.sign_out()).await.unwrap();
    assert!(soon(person).await.unwrap().is_err());
    world.pass(60).await;
    assert_eq!(listed.fetched(), 1);
    assert!(matches!(world.lease().await, Err(SessionError::SignedOut)));
}

#[tokio::test]
async fn with_a_seed_or_another_choice_no_mail_is_sent() {
    let listed = Listed::of(&["111111"]);
    let credentials = Credentials { otp_secret: by_seed().otp_secret, ..with_mailbox(&listed) };
    let world = World::with(|settings, _| settings.credentials = Some(credentials));
    world.lease().await.unwrap();
    assert_eq!((world.portal.calls(Op::Send), listed.fetched()), (0, 0));
    let credentials = Credentials { mfa: MfaChoice::Otp, ..with_mailbox(&listed) };
    let world = World::with(|settings, _| settings.credentials = Some(credentials));
    assert!(matches!(world.lease().await, Err(SessionError::CodeRequired { .. })));
    assert_eq!((world.portal.calls(Op::Send), listed.fetched()), (0, 0));
}
