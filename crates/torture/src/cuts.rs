//! The process or the power dies at a given step; the next start must have a lease.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portunus::clock::ManualClock;
use portunus::identity::IdentityName;
use portunus::secret::{OneTimeCode, OtpSecret, Password};
use portunus::session::{
    Codes, Credentials, FactorKind, FileStore, MfaChoice, Owned, SealingKey, SessionError, SessionHandle,
    Settings,
};

pub use crate::disk::Death;
use crate::disk::SimDisk;
use crate::strict::{LIFE, Strict};

/// How many refreshes there are before the end, if nothing dies.
const REFRESHES: usize = 3;
/// Steps from the first login to the last refresh, with room: the sweep ends at the first run that dies nowhere.
const MOST_STEPS: u64 = 2000;

/// What came of many deaths.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Runs that died.
    pub deaths: u64,
    /// Restarts that had a lease without a person.
    pub recovered: u64,
    /// Restarts at which a person was asked.
    pub asked: u64,
    /// Spent refresh tokens that the portal saw again.
    pub reused: u64,
    /// Restarts that sent the stored refresh token more than once.
    pub more_than_one_try: u64,
    /// One-time codes that came twice.
    pub codes_twice: u64,
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.deaths += other.deaths;
        self.recovered += other.recovered;
        self.asked += other.asked;
        self.reused += other.reused;
        self.more_than_one_try += other.more_than_one_try;
        self.codes_twice += other.codes_twice;
    }
}

/// Who signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A TOTP seed: no person is needed.
    Totp,
    /// Codes by e-mail: a person is needed for each login.
    Person,
}

/// Dies once at every step there is.
pub fn at_every_step(who: Who, death: Death) -> Outcome {
    let mut total = Outcome::default();
    for step in 1..MOST_STEPS {
        let one = run(who, death, step, step);
        if one.deaths == 0 {
            break;
        }
        total.add(one);
    }
    total
}

/// Dies at random steps.
pub fn at_random(who: Who, death: Death, runs: u64) -> Outcome {
    let steps = at_every_step(who, Death::Process).deaths;
    let mut total = Outcome::default();
    for n in 0..runs {
        total.add(run(who, death, rand::random_range(1..=steps), n));
    }
    total
}

fn run(who: Who, death: Death, step: u64, seed: u64) -> Outcome {
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_010));
    let disk = SimDisk::new();
    let factor = match who {
        Who::Totp => FactorKind::Otp,
        Who::Person => FactorKind::Email,
    };
    let portal = Strict::new(Some(factor), &disk);

    // The first login is the person's, who is there to see to it; what may die begins after it.
    in_one_process(async {
        let session = spawn(&portal, &disk, &clock, who);
        sign_in(&session, &clock, who).await;
    });
    disk.die_at(step);
    let died = in_one_process(async {
        let session = spawn(&portal, &disk, &clock, who);
        for _ in 0..REFRESHES {
            clock.advance(LIFE);
            until_dead_or(&disk, &clock, session.lease()).await;
            if disk.is_dead() {
                return true;
            }
        }
        // A login anew is part of what may die as well.
        if who == Who::Totp {
            portal.state().revoke_all();
            clock.advance(LIFE);
            until_dead_or(&disk, &clock, session.lease()).await;
        }
        disk.is_dead()
    });
    if !died {
        return Outcome::default();
    }

    let next = disk.after(death, seed);
    let portal = portal.seen_from(&next);
    let calls = portal.state().refresh_calls;
    clock.advance(LIFE);
    let mut outcome = Outcome { deaths: 1, ..Outcome::default() };
    in_one_process(async {
        let session = spawn(&portal, &next, &clock, who);
        match drive(&clock, session.lease()).await {
            Ok(_) => outcome.recovered += 1,
            Err(SessionError::CodeRequired { .. } | SessionError::PersonRequired { .. }) => {
                outcome.asked += 1
            }
            // Neither: it shows as a difference between deaths and the two.
            Err(_) => {}
        }
        // Whoever asks on gets no further tries out of it.
        if outcome.recovered == 0 {
            for _ in 0..5 {
                clock.advance(LIFE);
                let _ = drive(&clock, session.lease()).await;
            }
        }
    });
    let state = portal.state();
    let tries = state.refresh_calls - calls;
    outcome.more_than_one_try += u64::from(tries > 1);
    outcome.reused += state.reused;
    outcome.codes_twice += state.codes_twice;
    outcome
}

/// A runtime of its own, dropped with everything in it, as a process is.
fn in_one_process<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let lived = runtime.block_on(life);
    runtime.shutdown_background();
    lived
}

fn spawn(portal: &Strict, disk: &SimDisk, clock: &ManualClock, who: Who) -> SessionHandle {
    let otp_secret = (who == Who::Totp).then(|| OtpSecret::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
    let credentials = Credentials {
        email: "me@example.com".into(),
        password: Some(Password::new("correct horse")),
        otp_secret,
        mfa: MfaChoice::Auto,
        codes: Codes::default(),
    };
    let settings = Settings {
        credentials: Some(credentials),
        refresh_jitter: 0.0,
        margin: Duration::ZERO,
        ..Settings::default()
    };
    let owned = Owned {
        identity: IdentityName::sole(),
        realm: "torture".into(),
        key: SealingKey::new(&[1; 32]),
        lock_timeout: Duration::from_secs(1),
    };
    let store = FileStore::new(disk.clone(), owned);
    SessionHandle::spawn_with(portal.clone(), settings, Arc::new(clock.clone()), Arc::new(store))
}

async fn sign_in(session: &SessionHandle, clock: &ManualClock, who: Who) {
    let first = drive(clock, session.lease()).await;
    let lease = match who {
        Who::Totp => first,
        Who::Person => {
            if !matches!(first, Err(SessionError::CodeRequired { .. })) {
                let _ = drive(clock, session.sign_in(None)).await;
            }
            drive(clock, session.answer(OneTimeCode::new("123456"))).await
        }
    };
    lease.expect("nothing fails before anything dies");
    drive(clock, session.close()).await;
}

/// Lets time pass until it is done.
async fn drive<T>(clock: &ManualClock, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        for _ in 0..20 {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(Duration::from_micros(50)) => {}
            }
        }
        clock.advance(Duration::from_secs(1));
    }
}

/// The same, but what is dead is not waited for.
async fn until_dead_or<T>(disk: &SimDisk, clock: &ManualClock, work: impl Future<Output = T>) {
    let death = async {
        while !disk.is_dead() {
            tokio::time::sleep(Duration::from_micros(50)).await;
        }
    };
    tokio::select! {
        biased;
        () = death => {}
        _ = drive(clock, work) => {}
    }
}
