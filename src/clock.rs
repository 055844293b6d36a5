//! Time as an argument: the wall for expiry, the boot clock for what must also count a laptop's sleep.
//!
//! Timers run on tokio's clock (monotonic, stops in suspend) and are only ever hints: what has expired is
//! decided at use, by [`Clock::wall`] and [`Clock::since_boot`], whichever says so first.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

/// A clock shared by everybody who asks for the time.
pub type SharedClock = Arc<dyn Clock>;

/// What tells the time and sleeps.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock; may jump either way.
    fn wall(&self) -> SystemTime;
    /// Time since boot, suspend included (`CLOCK_BOOTTIME`); never goes back.
    fn since_boot(&self) -> Duration;
    /// Completes after `span` at the earliest.
    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clocks, ready to share.
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn since_boot(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// A clock that moves only when told to; for tests of jumps, sleeps and expiry.
#[derive(Debug, Clone)]
pub struct ManualClock {
    hands: Arc<Mutex<Hands>>,
    moved: Arc<watch::Sender<()>>,
}

#[derive(Debug, Clone, Copy)]
struct Hands {
    wall: SystemTime,
    boot: Duration,
}

impl ManualClock {
    /// A clock that shows `wall` and has been up for an hour.
    pub fn at(wall: SystemTime) -> Self {
        let hands = Hands { wall, boot: Duration::from_secs(3600) };
        Self { hands: Arc::new(Mutex::new(hands)), moved: Arc::new(watch::Sender::new(())) }
    }

    /// Lets `span` pass on both clocks and wakes the sleepers whose time has come.
    pub fn advance(&self, span: Duration) {
        self.change(|hands| {
            hands.wall += span;
            hands.boot += span;
        });
    }

    /// Sets the wall clock, as a person or NTP would; no time passes.
    pub fn set_wall(&self, wall: SystemTime) {
        self.change(|hands| hands.wall = wall);
    }

    fn change(&self, f: impl FnOnce(&mut Hands)) {
        f(&mut self.hands.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.send_replace(());
    }

    fn hands(&self) -> Hands {
        *self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        self.hands().wall
    }

    fn since_boot(&self) -> Duration {
        self.hands().boot
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let until = self.hands().boot + span;
        let (clock, mut moved) = (self.clone(), self.moved.subscribe());
        Box::pin(async move {
            while clock.hands().boot < until {
                // The sender lives in `clock`, so this cannot fail.
                let _ = moved.changed().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_its_sleepers_when_their_time_has_come() {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH);
        let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }

    #[test]
    fn setting_the_wall_lets_no_time_pass() {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH);
        let before = clock.since_boot();
        clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(3600));
        assert_eq!(clock.since_boot(), before);
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + Duration::from_secs(3600));
    }
}
