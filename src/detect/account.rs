//! Whose login confirms what was found, and how that ended.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::SharedClock;
use crate::secret::{OneTimeCode, OtpSecret, Password};
use crate::session::{PortalTime, Seed, Skew, Step};

/// Whose login confirms what was found.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account's name.
    pub email: String,
    /// Its password.
    pub password: Password,
    /// Where its TOTP codes come from, if they do.
    pub otp: Option<Arc<dyn OtpCodes>>,
}

/// A source of TOTP codes. It never gives the same code twice: it waits for the next step instead (ruling 16).
pub trait OtpCodes: fmt::Debug + Send + Sync {
    /// A code that was never given before; `None` if there is none to be had.
    fn next(&self) -> Pin<Box<dyn Future<Output = Option<OneTimeCode>> + Send + '_>>;
    /// The portal's clock minus ours, as an answer that came just now tells it.
    fn learn(&self, _skew: Option<Skew>) {}
}

/// The codes of a seed, each given once.
pub struct SeededCodes {
    seed: Seed,
    clock: SharedClock,
    /// The portal's clock is the one that counts.
    portal: PortalTime,
    last: Mutex<Option<Step>>,
}

impl SeededCodes {
    /// Reads the seed.
    ///
    /// # Errors
    /// What about its text is wrong.
    pub fn new(secret: &OtpSecret, clock: SharedClock) -> Result<Self, &'static str> {
        Ok(Self { seed: Seed::parse(secret)?, clock, portal: PortalTime::default(), last: Mutex::new(None) })
    }

    /// The step of this moment, if none of its codes was given, and that it is from now on.
    fn take_step(&self) -> Option<Step> {
        let now = Step::at(self.portal.now(&*self.clock));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last >= now) {
            return None;
        }
        *last = Some(now);
        Some(now)
    }
}

impl OtpCodes for SeededCodes {
    fn next(&self) -> Pin<Box<dyn Future<Output = Option<OneTimeCode>> + Send + '_>> {
        Box::pin(async {
            loop {
                if let Some(step) = self.take_step() {
                    return Some(self.seed.code(step));
                }
                let now = self.portal.now(&*self.clock);
                self.clock.sleep(Step::at(now).left(now)).await;
            }
        })
    }

    fn learn(&self, skew: Option<Skew>) {
        self.portal.learn(&*self.clock, skew);
    }
}

/// Without the seed.
impl fmt::Debug for SeededCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededCodes").finish_non_exhaustive()
    }
}

/// What the confirmation may cost, to be shown and asked for before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginBudget {
    /// Whose login.
    pub email: String,
    /// How often the password is sent at most. Once is the rule.
    pub initiates: u32,
    /// Whether a TOTP code may be spent, which completes the login.
    pub completes: bool,
}

impl fmt::Display for LoginBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { email, initiates, completes } = self;
        write!(
            f,
            "log in as {email}: one call of login/initiate, at most {initiates} (the portal allows 10)"
        )?;
        f.write_str(match completes {
            true => ", then login/complete with a TOTP code, then logout",
            false => "; the login is not completed",
        })
    }
}

/// How the confirmation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginEnd {
    /// It was not asked for, or refused by the person.
    NotTried,
    /// The portal began a login; it was not completed, for want of a code.
    Begun,
    /// Tokens came, and a call with them was served.
    Complete,
    /// The portal read the login and refused it, for a reason that is the account's.
    Refused(String),
    /// The portal did not read the login.
    NotRead(String),
}

impl fmt::Display for LoginEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTried => f.write_str("no login was tried"),
            Self::Begun => f.write_str("a login was begun, and not completed"),
            Self::Complete => f.write_str("a login was completed, used and ended"),
            Self::Refused(why) => write!(f, "the login was read, and refused: {why}"),
            Self::NotRead(why) => write!(f, "the login was not read: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::clock::ManualClock;
    use crate::secret::Expose;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test compares the codes")]
    async fn the_second_code_waits_for_the_next_step() {
        // RFC 6238 appendix B, at 59 s and at 1111111109 s.
        let secret = OtpSecret::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(59));
        let codes = SeededCodes::new(&secret, Arc::new(clock.clone())).unwrap();
        assert_eq!(codes.next().await.unwrap().expose(), "287082");
        let second = codes.next();
        tokio::pin!(second);
        let early = tokio::time::timeout(Duration::from_millis(20), &mut second).await;
        assert!(early.is_err(), "a code was given twice");
        clock.advance(Duration::from_secs(1_111_111_109 - 59));
        assert_eq!(second.await.unwrap().expose(), "081804");
        assert!(!format!("{codes:?}").contains("GEZD"));
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test compares the codes")]
    async fn ruling_16_a_code_is_of_the_portals_time_and_a_spent_one_waits_for_its_next_step() {
        // Our clock is 600 s ahead of the portal, where it is 59 s after the epoch.
        let secret = OtpSecret::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(659));
        let codes = SeededCodes::new(&secret, Arc::new(clock.clone())).unwrap();
        codes.learn(Some(Skew(-600)));
        assert_eq!(codes.next().await.unwrap().expose(), "287082");
        // RFC 4226 appendix D, count 2: the portal's next step begins in one second.
        let second = codes.next();
        tokio::pin!(second);
        let early = tokio::time::timeout(Duration::from_millis(20), &mut second).await;
        assert!(early.is_err(), "a code was given twice");
        clock.advance(Duration::from_secs(1));
        assert_eq!(second.await.unwrap().expose(), "359152");
    }

    #[test]
    fn the_budget_says_what_it_costs() {
        let budget = LoginBudget { email: "a@b.c".into(), initiates: 6, completes: false };
        let told = budget.to_string();
        assert!(
            told.contains("a@b.c") && told.contains("at most 6") && told.contains("not completed"),
            "{told}"
        );
    }
}
