//! Logins: with a seed, by mail, by a person; and the guard against lock-outs.

use super::*;

fn typed(password: &str) -> Option<Credentials> {
    Some(Credentials { password: Some(Password::new(password)), ..by_seed() })
}

fn challenge(world: &World) -> Challenge {
    match world.session.status() {
        Status::AwaitingCode(challenge) => challenge,
        other => panic!("no challenge: {other:?}"),
    }
}

#[tokio::test]
async fn a_start_alone_calls_nobody() {
    let world = World::new();
    world.pass(10_000).await;
    for op in [Op::Open, Op::Initiate, Op::Refresh] {
        assert_eq!(world.portal.calls(op), 0, "{op:?}");
    }
    assert!(matches!(world.session.status(), Status::SignedOut));
}

#[tokio::test]
async fn a_refused_password_is_never_sent_again_by_itself() {
    let world = World::new();
    world.portal.next(Op::Initiate, PortalErrorKind::CredentialsRefused);
    for _ in 0..60 {
        assert!(matches!(world.lease().await, Err(SessionError::CredentialsRefused)));
        world.pass(60).await;
    }
    assert_eq!(world.portal.calls(Op::Initiate), 1);
    // A restart loop, as a supervisor makes it.
    let mut world = world;
    for _ in 0..5 {
        world = world.restarted(Settings { credentials: Some(by_seed()), ..Settings::default() }).await;
        assert!(matches!(world.lease().await, Err(SessionError::CredentialsRefused)));
    }
    assert_eq!(world.portal.calls(Op::Initiate), 1);
    // A person clears the latch.
    assert!(soon(world.session.sign_in(None)).await.is_ok());
    assert_eq!(world.portal.calls(Op::Initiate), 2);
}

#[tokio::test]
async fn changed_credentials_clear_the_latch() {
    let world = World::new();
    world.portal.next(Op::Initiate, PortalErrorKind::CredentialsRefused);
    world.lease().await.unwrap_err();
    // One change in 65,536 goes unnoticed; four in a row never do.
    let mut world = world;
    for password in ["one", "two", "three", "four"] {
        world = world.restarted(Settings { credentials: typed(password), ..Settings::default() }).await;
        if world.lease().await.is_ok() {
            return;
        }
    }
    panic!("the change was not noticed");
}

#[tokio::test]
async fn a_login_of_unknown_outcome_is_not_repeated_without_a_person() {
    let world = World::new();
    for _ in 0..10 {
        world.portal.next(Op::Initiate, unknown());
    }
    for _ in 0..50 {
        assert!(world.lease().await.is_err());
        world.pass(60).await;
    }
    assert_eq!(world.portal.calls(Op::Initiate), 1);
    assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
    world.portal.forget_script();
    world.pass(24 * 3600).await;
    assert!(world.lease().await.is_err(), "what nobody looked at is no safer after a day");
    assert!(soon(world.session.sign_in(None)).await.is_ok(), "a person may");
}

#[tokio::test]
async fn a_login_of_unknown_outcome_is_repeated_a_little_where_the_portal_took_the_password_before() {
    let world = World::with(|_, portal| portal.state().life = Duration::from_secs(10));
    world.lease().await.unwrap();
    for _ in 0..10 {
        world.portal.next(Op::Refresh, PortalErrorKind::TokenRefused);
        world.portal.next(Op::Initiate, unknown());
    }
    for _ in 0..50 {
        world.pass(60).await;
        let _ = world.lease().await;
    }
    assert_eq!(world.portal.calls(Op::Initiate), 1 + 3);
    assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
}

#[tokio::test]
async fn a_portal_in_trouble_costs_no_attempt() {
    let world = World::new();
    for kind in [PortalErrorKind::Trouble, not_sent(), PortalErrorKind::RateLimited { retry_after: None }] {
        for _ in 0..4 {
            world.portal.next(Op::Initiate, kind.clone());
        }
    }
    for _ in 0..12 {
        assert!(world.lease().await.is_err());
        world.pass(60).await;
    }
    assert!(world.lease().await.is_ok());
    assert_eq!(world.portal.calls(Op::Initiate), 13);
}

#[tokio::test]
async fn a_person_may_be_refused_three_times_an_hour_and_not_a_fourth() {
    let world = World::with(|settings, _| settings.credentials = None);
    for _ in 0..3 {
        world.portal.next(Op::Initiate, PortalErrorKind::CredentialsRefused);
        let error = soon(world.session.sign_in(typed("typo"))).await.unwrap_err();
        assert!(matches!(error, SessionError::CredentialsRefused));
        world.pass(60).await;
    }
    let error = soon(world.session.sign_in(typed("right"))).await.unwrap_err();
    assert!(
        matches!(error, SessionError::RateLimited { retry_after } if retry_after.as_secs() == 3600 - 180)
    );
    assert_eq!(world.portal.calls(Op::Initiate), 3);
    world.pass(3600 - 180).await;
    assert!(soon(world.session.sign_in(typed("right"))).await.is_ok());
}

#[tokio::test]
async fn a_persons_typo_harms_neither_the_lease_nor_the_configured_login() {
    let world = World::new();
    let lease = world.lease().await.unwrap();
    world.portal.next(Op::Initiate, PortalErrorKind::CredentialsRefused);
    assert!(soon(world.session.sign_in(typed("typo"))).await.is_err());
    assert_eq!(world.lease().await.unwrap().generation(), lease.generation());
    assert!(soon(world.session.replace(&lease)).await.is_ok(), "refreshes go on");

    let world = World::new();
    world.portal.next(Op::Initiate, PortalErrorKind::CredentialsRefused);
    assert!(soon(world.session.sign_in(typed("typo"))).await.is_err());
    assert!(world.lease().await.is_ok());
    let passwords: Vec<_> = world.portal.state().passwords.iter().map(|sent| sent.secret.clone()).collect();
    assert_eq!(passwords, ["typo", "configured"]);
}

#[tokio::test]
async fn a_totp_step_is_used_once_and_the_next_login_waits_for_the_next() {
    let world = World::new();
    world.lease().await.unwrap();
    let again = tokio::spawn({
        let session = world.session.clone();
        async move { session.sign_in(None).await }
    });
    world.called(Op::Initiate, 2).await;
    world.pass(29).await;
    assert_eq!(world.portal.calls(Op::Complete), 1);
    world.pass(1).await;
    soon(again).await.unwrap().unwrap();
    let codes: Vec<_> = world.portal.state().codes.iter().map(|sent| sent.secret.clone()).collect();
    assert_eq!(codes.len(), 2);
    assert_ne!(codes[0], codes[1]);
}

#[tokio::test]
async fn the_code_is_made_for_the_portals_clock() {
    let codes = async |skew: i64, slow: Duration| {
        let world = World::with(|_, portal| portal.state().skew = Some(skew));
        world.clock.set_wall(world.clock.wall() - slow);
        world.lease().await.unwrap();
        world.portal.state().codes[0].secret.clone()
    };
    let right = codes(0, Duration::ZERO).await;
    assert_eq!(codes(600, Duration::from_secs(600)).await, right);
    assert_ne!(codes(0, Duration::from_secs(600)).await, right);
}

#[tokio::test]
async fn a_refused_seed_code_is_tried_once_more_and_then_latched() {
    let world = World::new();
    for _ in 0..2 {
        world.portal.next(Op::Complete, PortalErrorKind::CodeRefused);
    }
    let caller = tokio::spawn({
        let session = world.session.clone();
        async move { session.lease().await }
    });
    world.called(Op::Complete, 1).await;
    quiet().await;
    world.pass(30).await;
    assert!(matches!(soon(caller).await.unwrap(), Err(SessionError::PersonRequired { .. })));
    world.pass(1000).await;
    assert!(world.lease().await.is_err());
    assert_eq!((world.portal.calls(Op::Initiate), world.portal.calls(Op::Complete)), (2, 2));
}

#[tokio::test]
async fn an_unreadable_seed_is_said_before_anything_is_sent() {
    let world = World::with(|settings, _| {
        settings.credentials = Some(Credentials { otp_secret: Some(OtpSecret::new("!")), ..by_seed() });
    });
    assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
    assert_eq!(world.portal.calls(Op::Initiate), 0);
}

#[tokio::test]
async fn a_stale_channel_under_a_login_is_renewed_and_the_login_begins_again_once() {
    for op in [Op::Initiate, Op::Complete] {
        let world = World::new();
        world.portal.next(op, PortalErrorKind::ChannelStale);
        let caller = tokio::spawn({
            let session = world.session.clone();
            async move { session.lease().await }
        });
        world.called(Op::Initiate, 2).await;
        quiet().await;
        world.pass(30).await;
        assert!(soon(caller).await.unwrap().is_ok(), "{op:?}");
        assert_eq!((world.portal.calls(Op::Open), world.portal.calls(Op::Initiate)), (2, 2), "{op:?}");
    }
    let world = World::new();
    world.portal.next(Op::Initiate, PortalErrorKind::ChannelStale);
    world.portal.next(Op::Initiate, PortalErrorKind::ChannelStale);
    assert!(world.lease().await.is_err());
    assert_eq!(world.portal.calls(Op::Initiate), 2);
}

#[tokio::test]
async fn a_mail_is_sent_for_a_person_or_where_it_is_configured() {
    for (mfa, by_person, mails) in
        [(MfaChoice::Auto, false, 0), (MfaChoice::Auto, true, 1), (MfaChoice::Email, false, 1)]
    {
        let world = World::with(|settings, _| settings.credentials = Some(Credentials { mfa, ..by_mail() }));
        let error = if by_person { soon(world.session.sign_in(None)).await } else { world.lease().await };
        assert!(matches!(error, Err(SessionError::CodeRequired { .. })));
        assert_eq!(world.portal.calls(Op::Send), mails, "{mfa:?} {by_person}");
        assert_eq!(challenge(&world).sent.is_some(), mails == 1);
    }
}

#[tokio::test]
async fn a_persons_code_signs_in_and_whoever_asks_meanwhile_waits_for_it() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    world.lease().await.unwrap_err();
    world.portal.hold(Op::Complete);
    let answer = tokio::spawn({
        let session = world.session.clone();
        async move { session.answer(code("123456")).await }
    });
    world.called(Op::Complete, 1).await;
    let asker = tokio::spawn({
        let session = world.session.clone();
        async move { session.lease().await }
    });
    quiet().await;
    assert!(!asker.is_finished());
    world.portal.release(Op::Complete);
    assert_eq!(soon(answer).await.unwrap().unwrap().generation(), Generation(1));
    assert_eq!(soon(asker).await.unwrap().unwrap().generation(), Generation(1));
}

#[tokio::test]
async fn a_wrong_code_begins_again_as_often_as_it_may() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    soon(world.session.sign_in(None)).await.unwrap_err();
    let error = soon(world.session.answer(code("wrong"))).await.unwrap_err();
    let SessionError::Portal { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind, PortalErrorKind::CodeRefused);
    assert_eq!((world.portal.calls(Op::Initiate), world.portal.calls(Op::Send)), (2, 2));
    challenge(&world);
    let error = soon(world.session.answer(code("wrong"))).await.unwrap_err();
    assert!(matches!(error, SessionError::PersonRequired { .. }));
    assert_eq!(world.portal.calls(Op::Initiate), 2);
    assert!(soon(world.session.answer(code("123456"))).await.is_err(), "nothing is pending");
    assert_eq!(world.portal.calls(Op::Complete), 2);
}

#[tokio::test]
async fn a_code_that_did_not_reach_the_portal_can_be_entered_again() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    soon(world.session.sign_in(None)).await.unwrap_err();
    for kind in [not_sent(), PortalErrorKind::Trouble, PortalErrorKind::RateLimited { retry_after: None }] {
        world.portal.next(Op::Complete, kind);
        assert!(soon(world.session.answer(code("123456"))).await.is_err());
        challenge(&world);
    }
    assert!(soon(world.session.answer(code("123456"))).await.is_ok());
    assert_eq!(world.portal.calls(Op::Initiate), 1);
}

#[tokio::test]
async fn a_code_is_sent_again_after_its_cooldown_and_not_before() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    soon(world.session.sign_in(None)).await.unwrap_err();
    world.pass(59).await;
    let error = soon(world.session.send_code(None)).await.unwrap_err();
    assert!(matches!(error, SessionError::RateLimited { retry_after } if retry_after.as_secs() == 1));
    world.pass(1).await;
    let sent = soon(world.session.send_code(None)).await.unwrap();
    assert_eq!(sent.sent.unwrap().masked_target.as_deref(), Some("m***@example.com"));
    assert_eq!(world.portal.calls(Op::Send), 2);
}

#[tokio::test]
async fn another_offered_factor_can_be_chosen_and_one_that_is_not_offered_cannot() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    soon(world.session.sign_in(None)).await.unwrap_err();
    assert_eq!(
        soon(world.session.send_code(Some(FactorKind::Otp))).await.unwrap().method.kind,
        FactorKind::Otp
    );
    assert!(soon(world.session.send_code(Some(FactorKind::BackupCode))).await.is_err());
    assert_eq!(challenge(&world).method.kind, FactorKind::Otp);
    assert_eq!(world.portal.calls(Op::Send), 1);
    assert!(soon(world.session.answer(code("123456"))).await.is_ok());
}

#[tokio::test]
async fn a_challenge_lives_as_long_as_the_portal_says() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    soon(world.session.sign_in(None)).await.unwrap_err();
    world.pass(299).await;
    challenge(&world);
    world.pass(1).await;
    assert!(matches!(world.session.status(), Status::SignedOut));
    assert!(matches!(
        soon(world.session.answer(code("123456"))).await,
        Err(SessionError::PersonRequired { .. })
    ));
}

#[tokio::test]
async fn an_automatic_challenge_that_nobody_answers_is_not_repeated() {
    let world = World::with(|settings, _| {
        settings.credentials = Some(Credentials { mfa: MfaChoice::Email, ..by_mail() });
    });
    for _ in 0..60 {
        assert!(world.lease().await.is_err());
        world.pass(60).await;
    }
    assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
    assert_eq!((world.portal.calls(Op::Initiate), world.portal.calls(Op::Send)), (1, 1));
    // Nor does a restart loop send a mail each time.
    let mut world = world;
    for _ in 0..10 {
        let credentials = Credentials { mfa: MfaChoice::Email, ..by_mail() };
        world = world.restarted(Settings { credentials: Some(credentials), ..Settings::default() }).await;
        assert!(world.lease().await.is_err());
    }
    assert!(world.portal.calls(Op::Send) <= 4);
}

#[tokio::test]
async fn the_good_lease_serves_on_while_a_person_signs_in_again() {
    let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
    soon(world.session.sign_in(None)).await.unwrap_err();
    let lease = soon(world.session.answer(code("123456"))).await.unwrap();
    soon(world.session.sign_in(None)).await.unwrap_err();
    challenge(&world);
    assert_eq!(world.lease().await.unwrap().generation(), lease.generation());
}

#[tokio::test]
async fn signed_out_stays_signed_out_until_a_person_signs_in() {
    let world = World::new();
    world.lease().await.unwrap();
    soon(world.session.sign_out()).await.unwrap();
    assert!(matches!(world.lease().await, Err(SessionError::SignedOut)));
    world.pass(5000).await;
    assert!(matches!(world.lease().await, Err(SessionError::SignedOut)));
    assert!(world.store.load().await.unwrap().is_none());
    assert_eq!(world.portal.calls(Op::Initiate), 1);
    assert!(soon(world.session.sign_in(None)).await.is_ok());
    assert!(world.lease().await.is_ok());
}

#[tokio::test]
async fn a_sign_out_that_the_portal_did_not_hear_of_is_over_here_all_the_same() {
    for (kind, told) in [(not_sent(), false), (unknown(), false), (PortalErrorKind::TokenRefused, true)] {
        let world = World::new();
        world.lease().await.unwrap();
        world.portal.next(Op::Logout, kind.clone());
        assert_eq!(soon(world.session.sign_out()).await.is_ok(), told, "{kind}");
        assert!(world.session.current().is_none());
        assert!(matches!(world.session.status(), Status::SignedOut));
    }
}

#[tokio::test]
async fn without_a_password_a_person_is_required() {
    for credentials in [None, Some(Credentials { password: None, ..by_seed() })] {
        let world = World::with(|settings, _| settings.credentials = credentials);
        assert!(matches!(world.lease().await, Err(SessionError::PersonRequired { .. })));
        assert!(matches!(soon(world.session.sign_in(None)).await, Err(SessionError::PersonRequired { .. })));
        assert_eq!(world.portal.calls(Op::Initiate), 0);
        assert!(soon(world.session.sign_in(typed("right"))).await.is_ok());
    }
}
