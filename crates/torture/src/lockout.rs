//! An hour of refused passwords: constant traffic, a restart every minute, some of them in the middle of a login.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portunus::clock::ManualClock;
use portunus::identity::IdentityName;
use portunus::secret::Password;
use portunus::session::{
    Codes, Credentials, FileStore, MfaChoice, Owned, SealingKey, SessionHandle, Settings,
};
use portunus::state_dir::StateDir;

use crate::disk::SimDisk;
use crate::strict::Strict;

/// How often the portal was shown a password in `seconds` of simulated time, one ask each second.
///
/// With `die_at`, the first process is killed at that step, in the middle of its login.
pub fn passwords_sent(seconds: u64, die_at: Option<u64>) -> u64 {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let steps = SimDisk::new();
    let portal = Strict::new(None, &steps);
    portal.state().refuses = true;
    if let Some(step) = die_at {
        steps.die_at(step);
    }
    for minute in 0..seconds.div_ceil(60) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let portal = if minute == 0 { portal.clone() } else { portal.seen_from(&SimDisk::new()) };
            let session = spawn(&portal, &dir, &clock);
            for _ in 0..60 {
                // One that is killed in its login never answers.
                let _ = tokio::time::timeout(Duration::from_millis(200), session.lease()).await;
                clock.advance(Duration::from_secs(1));
                if steps.is_dead() && minute == 0 {
                    break;
                }
            }
        });
        runtime.shutdown_background();
    }
    portal.state().passwords
}

fn spawn(portal: &Strict, dir: &tempfile::TempDir, clock: &ManualClock) -> SessionHandle {
    let credentials = Credentials {
        email: "me@example.com".into(),
        password: Some(Password::new("no longer right")),
        otp_secret: None,
        mfa: MfaChoice::Auto,
        codes: Codes::default(),
    };
    let settings = Settings { credentials: Some(credentials), ..Settings::default() };
    let owned = Owned {
        identity: IdentityName::sole(),
        realm: "torture".into(),
        key: SealingKey::new(&[1; 32]),
        lock_timeout: Duration::from_secs(1),
    };
    let store = FileStore::new(StateDir::open(&dir.path().join("state")).expect("a state directory"), owned);
    SessionHandle::spawn_with(portal.clone(), settings, Arc::new(clock.clone()), Arc::new(store))
}
