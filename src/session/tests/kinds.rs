//! Every kind of failure of every call: what askers are told, and whether it is tried again by itself.

use super::*;
use crate::channel::ChannelError;

fn every_kind() -> Vec<PortalErrorKind> {
    vec![
        not_sent(),
        unknown(),
        PortalErrorKind::Trouble,
        PortalErrorKind::RateLimited { retry_after: Some(Duration::from_secs(5)) },
        PortalErrorKind::ChannelStale,
        PortalErrorKind::CredentialsRefused,
        PortalErrorKind::CodeRefused,
        PortalErrorKind::LoginGone,
        PortalErrorKind::TokenRefused,
        PortalErrorKind::PendingApproval,
        PortalErrorKind::Blocked(Blocked::Suspended),
        PortalErrorKind::FingerprintMismatch,
        PortalErrorKind::RiskChallenge,
        PortalErrorKind::Channel(ChannelError::NoRandomness),
        PortalErrorKind::Refused,
        PortalErrorKind::NotUnderstood("not JSON"),
    ]
}

/// What came of one failure, and what came after every pause was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nobody noticed.
    Healed,
    /// Told so, and well again by itself after the pause.
    Paused,
    /// Told so until a person acts.
    Latched,
}

/// Runs `first` into the failure, then asks again after an hour.
async fn outcome<T>(
    world: &World,
    first: impl Future<Output = Result<T, SessionError>> + Send + 'static,
) -> (Outcome, Option<SessionError>)
where
    T: Send + 'static,
{
    let first = tokio::spawn(first);
    quiet().await;
    if !first.is_finished() {
        // It waits for the next TOTP step.
        world.pass(30).await;
    }
    let error = soon(first).await.unwrap().err();
    let Some(error) = error else { return (Outcome::Healed, None) };
    world.pass(3600).await;
    let again = tokio::spawn({
        let session = world.session.clone();
        async move { session.lease().await }
    });
    world.pass(31).await;
    let outcome = if soon(again).await.unwrap().is_ok() { Outcome::Paused } else { Outcome::Latched };
    (outcome, Some(error))
}

fn told(error: Option<&SessionError>) -> &'static str {
    match error {
        None => "-",
        Some(SessionError::CodeRequired { .. }) => "code",
        Some(SessionError::PersonRequired { .. }) => "person",
        Some(SessionError::CredentialsRefused) => "credentials",
        Some(SessionError::PendingApproval) => "approval",
        Some(SessionError::AccountBlocked(Blocked::Suspended)) => "suspended",
        Some(SessionError::FingerprintMismatch) => "fingerprint",
        Some(SessionError::RiskChallenge) => "risk",
        Some(SessionError::RateLimited { retry_after }) if *retry_after >= Duration::from_secs(5) => {
            "limited"
        }
        Some(SessionError::Portal { .. }) => "portal",
        Some(SessionError::Channel(_)) => "channel",
        Some(_) => "something else",
    }
}

#[tokio::test]
async fn every_kind_of_failure_of_open_channel() {
    use Outcome::{Healed, Paused};
    for kind in every_kind() {
        let world = World::new();
        world.portal.next(Op::Open, kind.clone());
        let session = world.session.clone();
        let (outcome, error) = outcome(&world, async move { session.lease().await }).await;
        let expected = match kind {
            PortalErrorKind::OutcomeUnknown(_) => (Healed, "-"),
            PortalErrorKind::RateLimited { .. } => (Paused, "limited"),
            PortalErrorKind::Channel(_) => (Paused, "channel"),
            _ => (Paused, "portal"),
        };
        assert_eq!((outcome, told(error.as_ref())), expected, "{kind}");
    }
}

#[tokio::test]
async fn every_kind_of_failure_of_initiate() {
    use Outcome::{Healed, Latched, Paused};
    for kind in every_kind() {
        let world = World::new();
        world.portal.next(Op::Initiate, kind.clone());
        let session = world.session.clone();
        let (outcome, error) = outcome(&world, async move { session.lease().await }).await;
        let expected = match kind {
            PortalErrorKind::NotSent(_) | PortalErrorKind::Trouble => (Paused, "portal"),
            // Told as what happened; the next who asks hears that a person is needed.
            PortalErrorKind::OutcomeUnknown(_) | PortalErrorKind::NotUnderstood(_) => (Latched, "portal"),
            PortalErrorKind::RateLimited { .. } => (Paused, "limited"),
            PortalErrorKind::ChannelStale => (Healed, "-"),
            PortalErrorKind::Channel(_) => (Paused, "channel"),
            PortalErrorKind::CredentialsRefused
            | PortalErrorKind::CodeRefused
            | PortalErrorKind::TokenRefused => (Latched, "credentials"),
            PortalErrorKind::PendingApproval => (Latched, "approval"),
            PortalErrorKind::Blocked(_) => (Latched, "suspended"),
            PortalErrorKind::FingerprintMismatch => (Latched, "fingerprint"),
            PortalErrorKind::RiskChallenge => (Latched, "risk"),
            PortalErrorKind::LoginGone | PortalErrorKind::Refused => (Latched, "portal"),
        };
        assert_eq!((outcome, told(error.as_ref())), expected, "{kind}");
        if outcome == Latched {
            assert_eq!(world.portal.calls(Op::Initiate), 1, "{kind}");
            assert!(soon(world.session.sign_in(None)).await.is_ok(), "{kind}: a person can");
        }
    }
}

#[tokio::test]
async fn every_kind_of_failure_of_an_automatic_complete() {
    use Outcome::{Healed, Latched, Paused};
    for kind in every_kind() {
        let world = World::new();
        world.portal.next(Op::Complete, kind.clone());
        let session = world.session.clone();
        let (outcome, error) = outcome(&world, async move { session.lease().await }).await;
        let expected = match kind {
            PortalErrorKind::NotSent(_) | PortalErrorKind::Trouble => (Paused, "portal"),
            PortalErrorKind::RateLimited { .. } => (Paused, "limited"),
            PortalErrorKind::Channel(_) => (Paused, "channel"),
            // Begins again at initiate.
            PortalErrorKind::OutcomeUnknown(_)
            | PortalErrorKind::NotUnderstood(_)
            | PortalErrorKind::ChannelStale
            | PortalErrorKind::LoginGone
            | PortalErrorKind::CredentialsRefused
            | PortalErrorKind::CodeRefused
            | PortalErrorKind::TokenRefused => (Healed, "-"),
            PortalErrorKind::PendingApproval => (Latched, "approval"),
            PortalErrorKind::Blocked(_) => (Latched, "suspended"),
            PortalErrorKind::FingerprintMismatch => (Latched, "fingerprint"),
            PortalErrorKind::RiskChallenge => (Latched, "risk"),
            PortalErrorKind::Refused => (Latched, "portal"),
        };
        assert_eq!((outcome, told(error.as_ref())), expected, "{kind}");
    }
}

#[tokio::test]
async fn every_kind_of_failure_of_a_persons_complete() {
    for kind in every_kind() {
        let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
        soon(world.session.sign_in(None)).await.unwrap_err();
        world.portal.next(Op::Complete, kind.clone());
        let error = soon(world.session.answer(code("123456"))).await.unwrap_err();
        let (initiated, expected) = match kind {
            PortalErrorKind::NotSent(_) | PortalErrorKind::Trouble => (1, "portal"),
            PortalErrorKind::RateLimited { .. } => (1, "limited"),
            PortalErrorKind::Channel(_) => (1, "channel"),
            PortalErrorKind::OutcomeUnknown(_)
            | PortalErrorKind::NotUnderstood(_)
            | PortalErrorKind::ChannelStale
            | PortalErrorKind::LoginGone
            | PortalErrorKind::CredentialsRefused
            | PortalErrorKind::CodeRefused
            | PortalErrorKind::TokenRefused => (2, "portal"),
            PortalErrorKind::PendingApproval => (1, "approval"),
            PortalErrorKind::Blocked(_) => (1, "suspended"),
            PortalErrorKind::FingerprintMismatch => (1, "fingerprint"),
            PortalErrorKind::RiskChallenge => (1, "risk"),
            PortalErrorKind::Refused => (1, "portal"),
        };
        assert_eq!((world.portal.calls(Op::Initiate), told(Some(&error))), (initiated, expected), "{kind}");
    }
}

#[tokio::test]
async fn every_kind_of_failure_of_a_code_to_be_sent() {
    for kind in every_kind() {
        let world = World::with(|settings, _| settings.credentials = Some(by_mail()));
        world.portal.next(Op::Send, kind.clone());
        let error = soon(world.session.sign_in(None)).await.unwrap_err();
        let (initiated, expected) = match kind {
            // The challenge stands, and its code can be sent again.
            PortalErrorKind::NotSent(_)
            | PortalErrorKind::OutcomeUnknown(_)
            | PortalErrorKind::NotUnderstood(_)
            | PortalErrorKind::Trouble
            | PortalErrorKind::RateLimited { .. } => (1, "code"),
            PortalErrorKind::ChannelStale | PortalErrorKind::LoginGone => (2, "code"),
            PortalErrorKind::Channel(_) => (1, "channel"),
            PortalErrorKind::CredentialsRefused
            | PortalErrorKind::CodeRefused
            | PortalErrorKind::TokenRefused => (1, "credentials"),
            PortalErrorKind::PendingApproval => (1, "approval"),
            PortalErrorKind::Blocked(_) => (1, "suspended"),
            PortalErrorKind::FingerprintMismatch => (1, "fingerprint"),
            PortalErrorKind::RiskChallenge => (1, "risk"),
            PortalErrorKind::Refused => (1, "portal"),
        };
        assert_eq!((world.portal.calls(Op::Initiate), told(Some(&error))), (initiated, expected), "{kind}");
    }
}

#[tokio::test]
async fn every_kind_of_failure_of_a_refresh() {
    use Outcome::{Healed, Latched, Paused};
    for kind in every_kind() {
        let world = World::new();
        let lease = world.lease().await.unwrap();
        world.portal.next(Op::Refresh, kind.clone());
        let session = world.session.clone();
        let (outcome, error) = outcome(&world, async move { session.replace(&lease).await }).await;
        let (logins, expected) = match kind {
            PortalErrorKind::NotSent(_) | PortalErrorKind::Trouble => (1, (Paused, "portal")),
            PortalErrorKind::RateLimited { .. } => (1, (Paused, "limited")),
            PortalErrorKind::Channel(_) => (1, (Paused, "channel")),
            PortalErrorKind::ChannelStale => (1, (Healed, "-")),
            PortalErrorKind::OutcomeUnknown(_)
            | PortalErrorKind::NotUnderstood(_)
            | PortalErrorKind::TokenRefused
            | PortalErrorKind::CredentialsRefused
            | PortalErrorKind::CodeRefused
            | PortalErrorKind::LoginGone
            | PortalErrorKind::Refused => (2, (Healed, "-")),
            PortalErrorKind::PendingApproval => (1, (Latched, "approval")),
            PortalErrorKind::Blocked(_) => (1, (Latched, "suspended")),
            PortalErrorKind::FingerprintMismatch => (1, (Latched, "fingerprint")),
            PortalErrorKind::RiskChallenge => (1, (Latched, "risk")),
        };
        assert_eq!((outcome, told(error.as_ref())), expected, "{kind}");
        assert_eq!(world.portal.calls(Op::Initiate), logins, "{kind}");
    }
}

#[tokio::test]
async fn no_failure_of_logout_or_close_keeps_anybody_signed_in() {
    for kind in every_kind() {
        for op in [Op::Logout, Op::Close] {
            let world = World::new();
            world.lease().await.unwrap();
            world.portal.next(op, kind.clone());
            let told = soon(world.session.sign_out()).await;
            assert!(told.is_ok() || op == Op::Logout, "{op:?} {kind}");
            assert!(world.session.current().is_none() && world.session.current_channel().is_none());
            soon(world.session.close()).await;
        }
    }
}
