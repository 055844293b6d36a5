//! The session against a scripted portal and a clock that moves when told to.

mod apart;
mod backup;
mod behaviour;
mod channel;
mod fake;
mod first_message;
mod kinds;
mod login;
mod machine;
mod mailbox;
mod refresh;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::fake::{FakePortal, Op};
use super::*;
use crate::clock::{Clock, ManualClock};
use crate::secret::{OneTimeCode, OtpSecret, Password};

/// When the tests begin, since the epoch; the first second of a TOTP step.
const START: Duration = Duration::from_secs(1_700_000_010);

/// The channel itself, where it opens by a call of its own.
trait Opened {
    async fn channel(&self) -> Result<Arc<OpenChannel>, SessionError>;
    async fn replace_channel(&self, stale: &Arc<OpenChannel>) -> Result<Arc<OpenChannel>, SessionError>;
}

impl Opened for SessionHandle {
    async fn channel(&self) -> Result<Arc<OpenChannel>, SessionError> {
        self.passage().await.map(|passage| Arc::clone(passage.open_channel().expect("an open channel")))
    }

    async fn replace_channel(&self, stale: &Arc<OpenChannel>) -> Result<Arc<OpenChannel>, SessionError> {
        let another = self.another_passage(Passage::on(Arc::clone(stale))).await?;
        Ok(Arc::clone(another.open_channel().expect("an open channel")))
    }
}

/// A portal, a clock, a store, and a session between them.
struct World {
    portal: FakePortal,
    clock: ManualClock,
    store: Arc<MemoryStore>,
    session: SessionHandle,
}

impl World {
    fn new() -> Self {
        Self::with(|_, _| ())
    }

    fn with(arrange: impl FnOnce(&mut Settings, &FakePortal)) -> Self {
        let (portal, clock) = (FakePortal::default(), ManualClock::at(SystemTime::UNIX_EPOCH + START));
        // Longer than a login can wait for its next TOTP step.
        let wait_timeout = Duration::from_secs(60);
        let credentials = Some(by_seed());
        let mut settings = Settings { credentials, wait_timeout, refresh_jitter: 0.0, ..Settings::default() };
        arrange(&mut settings, &portal);
        Self::start(portal, clock, settings, Arc::new(MemoryStore::new()))
    }

    /// Another process on the same store, with these settings.
    async fn restarted(self, settings: Settings) -> Self {
        self.session.close().await;
        Self::start(self.portal, self.clock, settings, self.store)
    }

    fn start(portal: FakePortal, clock: ManualClock, settings: Settings, store: Arc<MemoryStore>) -> Self {
        let (shared, kept) = (Arc::new(clock.clone()), Arc::clone(&store) as Arc<dyn Store>);
        let session = SessionHandle::spawn_with(portal.clone(), settings, shared, kept);
        Self { portal, clock, store, session }
    }

    /// Lets time pass, and everybody react.
    async fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        quiet().await;
    }

    async fn lease(&self) -> Result<Arc<Lease>, SessionError> {
        soon(self.session.lease()).await
    }

    /// Waits until `op` was called `n` times.
    async fn called(&self, op: Op, n: usize) {
        soon(async {
            while self.portal.calls(op) < n {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

fn by_seed() -> Credentials {
    Credentials {
        email: "me@example.com".into(),
        password: Some(Password::new("configured")),
        otp_secret: Some(OtpSecret::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")),
        mfa: MfaChoice::Auto,
        codes: Codes::default(),
    }
}

fn by_mail() -> Credentials {
    Credentials { otp_secret: None, ..by_seed() }
}

fn code(text: &str) -> OneTimeCode {
    OneTimeCode::new(text)
}

/// Fails instead of hanging.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), future).await.expect("it should have come by now")
}

/// Until everybody has done what there is to do: on one thread, enough turns for every task.
async fn quiet() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

fn unknown() -> PortalErrorKind {
    PortalErrorKind::OutcomeUnknown("reset".into())
}

fn not_sent() -> PortalErrorKind {
    PortalErrorKind::NotSent("refused".into())
}
