//! The lock-out guard: how often a password or a code may be tried, across restarts (issue of lock-outs in
//! PROTOCOL section 10: a proxy that retries blindly locks the account out).
//!
//! A *refused* password is never tried again automatically: a latch holds until a person acts or the
//! credentials change. An attempt of *unknown* outcome (no answer, a crash, a code that nobody entered) may
//! have been refused as well, and a restart loop would make many of them. So there is one, and then the same
//! latch; a few, where the portal has taken these very credentials before, since a right password locks nothing.
//! All of it is recorded before a password leaves.

use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use sha2::Sha256;

use super::totp::Step;
use super::{Blocked, Credentials, SessionError, Settings};
use crate::secret::{Expose, OneTimeCode};

/// What a store remembers about attempts to sign in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Why nothing is tried automatically any more, and with which credentials that happened.
    pub latch: Option<Latch>,
    /// Which credentials the automatic logins were made with.
    pub tried: Option<CredentialsTag>,
    /// Which credentials the portal has taken before.
    pub proven: Option<CredentialsTag>,
    /// When the automatic logins of unknown outcome began, since the last whose outcome is known.
    pub automatic: Vec<SystemTime>,
    /// When the passwords and codes of a person were tried that were refused, or whose outcome is unknown.
    pub person: Vec<SystemTime>,
    /// The TOTP steps whose codes were used, oldest first (ruling 16).
    pub used_steps: Vec<Step>,
    /// The backup codes that were sent, oldest first; each is good once.
    pub used_codes: Vec<CredentialsTag>,
    /// The codes from the mailbox that were sent, oldest first: their mails may still lie there.
    pub used_mailed: Vec<CredentialsTag>,
}

/// A definite refusal, tied to the credentials that met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latch {
    /// What the portal said.
    pub why: Latched,
    /// Which credentials it said it about.
    pub credentials: CredentialsTag,
}

/// What holds a latch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latched {
    /// E-mail or password refused.
    Credentials,
    /// The code made from the OTP secret refused, and again.
    Code,
    /// The backup code from its source refused, and the next.
    BackupCode,
    /// The code from the mailbox refused, and the next.
    MailedCode,
    /// An automatic login did not come to an end, so that nobody knows whether it was refused.
    Unfinished,
    /// Waiting for an administrator.
    Approval,
    /// The account is blocked.
    Blocked(Blocked),
}

impl Latched {
    /// What askers are told.
    pub(super) fn error(self) -> SessionError {
        match self {
            Self::Credentials => SessionError::CredentialsRefused,
            Self::Code => SessionError::PersonRequired {
                reason: "the portal refused the code made from the OTP secret; check the secret and the clock",
            },
            Self::BackupCode => SessionError::PersonRequired {
                reason: "the portal refused the codes of login.backup_codes; they may be of an older list",
            },
            Self::MailedCode => SessionError::PersonRequired {
                reason: "the portal refused the codes that login.code_command gave; see which mail it reads",
            },
            Self::Unfinished => SessionError::PersonRequired {
                reason: "an automatic login did not come to an end, and may have been refused; portunus login",
            },
            Self::Approval => SessionError::PendingApproval,
            Self::Blocked(how) => SessionError::AccountBlocked(how),
        }
    }
}

/// Tells changed credentials from unchanged ones. Sixteen bits of a salted hash: enough to notice a change, too
/// few to test guesses of a password with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialsTag {
    /// Drawn for each tag.
    pub salt: [u8; 8],
    /// The first bytes of the keyed hash.
    pub tag: [u8; 2],
}

impl CredentialsTag {
    fn new(credentials: &Credentials) -> Self {
        let salt = rand::rng().random();
        Self { salt, tag: Self::hash(salt, credentials) }
    }

    fn matches(&self, credentials: &Credentials) -> bool {
        Self::hash(self.salt, credentials) == self.tag
    }

    fn of_code(code: &OneTimeCode) -> Self {
        let salt = rand::rng().random();
        Self { salt, tag: Self::hash_code(salt, code) }
    }

    fn matches_code(&self, code: &OneTimeCode) -> bool {
        Self::hash_code(self.salt, code) == self.tag
    }

    #[expect(clippy::disallowed_methods, reason = "hashed, to notice that the credentials changed")]
    fn hash(salt: [u8; 8], credentials: &Credentials) -> [u8; 2] {
        let password = credentials.password.as_ref().map_or("", |password| password.expose());
        let seed = credentials.otp_secret.as_ref().map_or("", |seed| seed.expose());
        Self::hash_parts(salt, &[credentials.email.as_str(), password, seed])
    }

    #[expect(clippy::disallowed_methods, reason = "hashed, to notice that it comes again")]
    fn hash_code(salt: [u8; 8], code: &OneTimeCode) -> [u8; 2] {
        Self::hash_parts(salt, &[code.expose().trim()])
    }

    fn hash_parts(salt: [u8; 8], parts: &[&str]) -> [u8; 2] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&salt).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        [digest[0], digest[1]]
    }
}

/// Who began a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The proxy, by itself.
    Itself,
    /// A person, who is there to answer.
    Person,
}

/// One attempt under way; [`Attempts::settle`] takes it back where it cost nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    by: By,
    at: SystemTime,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The portal took the password, or never looked at it: the attempt cost nothing.
    Free,
    /// It may have been refused, or a person is yet to answer: the attempt stays counted.
    Counted,
}

/// Why an attempt may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// A latch holds until a person acts or the credentials change.
    Latched(Latched),
    /// The window is full; this long until its oldest attempt leaves it.
    Spent(Duration),
}

impl Attempts {
    /// How many TOTP steps are remembered: more than can be used while the first of them could come again.
    const STEPS: usize = 64;
    /// How many backup codes are remembered: more than a portal gives at once.
    const CODES: usize = 64;
    /// How many mailed codes are remembered: more mails than lie in a mailbox whose codes are still good.
    const MAILED: usize = 8;

    /// Whether an attempt may be made now.
    pub(super) fn allow(
        &self,
        by: By,
        credentials: &Credentials,
        now: SystemTime,
        settings: &Settings,
    ) -> Result<(), Denied> {
        if by == By::Itself {
            return self.allow_itself(credentials, settings);
        }
        let limit = settings.person_attempts;
        let recent: Vec<_> =
            self.person.iter().filter(|at| within(**at, now, settings.attempt_window)).copied().collect();
        if recent.len() < limit {
            return Ok(());
        }
        // The one whose leaving makes room.
        let mut ages: Vec<_> = recent.iter().map(|at| now.duration_since(*at).unwrap_or_default()).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        let age = ages.get(recent.len() - limit).copied().unwrap_or_default();
        Err(Denied::Spent(settings.attempt_window.saturating_sub(age)))
    }

    /// No window: what nobody looked at in an hour is no safer after it.
    fn allow_itself(&self, credentials: &Credentials, settings: &Settings) -> Result<(), Denied> {
        let is = |tag: &Option<CredentialsTag>| tag.as_ref().is_some_and(|tag| tag.matches(credentials));
        match &self.latch {
            Some(latch) if latch.credentials.matches(credentials) => return Err(Denied::Latched(latch.why)),
            Some(_) | None => {}
        }
        let limit = if is(&self.proven) { settings.proven_attempts } else { settings.automatic_attempts };
        if is(&self.tried) && self.automatic.len() >= limit {
            return Err(Denied::Latched(Latched::Unfinished));
        }
        Ok(())
    }

    /// Counts an attempt, if it may be made.
    pub(super) fn begin(
        &mut self,
        by: By,
        credentials: &Credentials,
        now: SystemTime,
        settings: &Settings,
    ) -> Result<Attempt, Denied> {
        self.person.retain(|at| within(*at, now, settings.attempt_window));
        self.allow(by, credentials, now, settings)?;
        if by == By::Itself && !self.tried.as_ref().is_some_and(|tried| tried.matches(credentials)) {
            self.tried = Some(CredentialsTag::new(credentials));
            self.automatic.clear();
        }
        let at = whole_millis(now);
        self.count(by).push(at);
        Ok(Attempt { by, at })
    }

    /// Takes the attempt back if it cost nothing.
    pub(super) fn settle(&mut self, attempt: Attempt, verdict: Verdict) {
        let attempts = self.count(attempt.by);
        match (verdict, attempts.iter().position(|at| *at == attempt.at)) {
            (Verdict::Free, Some(place)) => drop(attempts.remove(place)),
            (Verdict::Free, None) | (Verdict::Counted, _) => {}
        }
    }

    /// The portal took the password of these credentials.
    pub(super) fn prove(&mut self, credentials: &Credentials) {
        if !self.proven.as_ref().is_some_and(|proven| proven.matches(credentials)) {
            self.proven = Some(CredentialsTag::new(credentials));
        }
    }

    /// Counts a code of a person that the portal refused.
    pub(super) fn code_refused(&mut self, now: SystemTime) {
        self.person.push(now);
    }

    /// Stops all automatic attempts with these credentials.
    pub(super) fn latch(&mut self, why: Latched, credentials: &Credentials) {
        self.latch = Some(Latch { why, credentials: CredentialsTag::new(credentials) });
    }

    /// A login was completed: nothing counts any more, except that codes stay used.
    pub(super) fn completed(&mut self) {
        self.latch = None;
        self.automatic.clear();
        self.person.clear();
    }

    /// Uses up `step`, unless it was used before.
    pub(super) fn spend(&mut self, step: Step) -> bool {
        if self.used_steps.contains(&step) {
            return false;
        }
        if self.used_steps.len() >= Self::STEPS {
            self.used_steps.remove(0);
        }
        self.used_steps.push(step);
        true
    }

    /// Whether a backup code was sent before.
    pub(super) fn has_spent(&self, code: &OneTimeCode) -> bool {
        self.used_codes.iter().any(|used| used.matches_code(code))
    }

    /// Uses up a backup code, unless it was used before.
    pub(super) fn spend_code(&mut self, code: &OneTimeCode) -> bool {
        if self.has_spent(code) {
            return false;
        }
        if self.used_codes.len() >= Self::CODES {
            self.used_codes.remove(0);
        }
        self.used_codes.push(CredentialsTag::of_code(code));
        true
    }

    /// The code did not reach the portal.
    pub(super) fn unspend_code(&mut self, code: &OneTimeCode) {
        self.used_codes.retain(|used| !used.matches_code(code));
    }

    /// Whether a mailed code was sent before.
    pub(super) fn has_mailed(&self, code: &OneTimeCode) -> bool {
        self.used_mailed.iter().any(|used| used.matches_code(code))
    }

    /// Uses up a mailed code.
    pub(super) fn spend_mailed(&mut self, code: &OneTimeCode) {
        if self.used_mailed.len() >= Self::MAILED {
            self.used_mailed.remove(0);
        }
        self.used_mailed.push(CredentialsTag::of_code(code));
    }

    /// The portal has not looked at the mailed code.
    pub(super) fn unspend_mailed(&mut self, code: &OneTimeCode) {
        self.used_mailed.retain(|used| !used.matches_code(code));
    }

    fn count(&mut self, by: By) -> &mut Vec<SystemTime> {
        match by {
            By::Itself => &mut self.automatic,
            By::Person => &mut self.person,
        }
    }
}

/// The time as every store keeps it, so that an attempt is found again to be taken back.
fn whole_millis(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::new(since.as_secs(), since.subsec_millis() * 1_000_000)
}

/// Whether `at` is less than one window away. A clock that was set back leaves attempts in the future, which
/// count; one that was years fast must not count for years.
fn within(at: SystemTime, now: SystemTime, window: Duration) -> bool {
    let distance = now.duration_since(at).unwrap_or_else(|ahead| ahead.duration());
    distance < window
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Password;
    use crate::session::{Codes, MfaChoice};

    const HOUR: Duration = Duration::from_secs(3600);

    fn credentials(password: &str) -> Credentials {
        Credentials {
            email: "me@example.com".into(),
            password: Some(Password::new(password)),
            otp_secret: None,
            mfa: MfaChoice::Auto,
            codes: Codes::default(),
        }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    #[test]
    fn an_attempt_that_cost_nothing_is_taken_back_from_a_store_that_keeps_milliseconds() {
        let (me, settings) = (credentials("right"), Settings::default());
        let mut attempts = Attempts::default();
        let attempt =
            attempts.begin(By::Itself, &me, now() + Duration::from_nanos(123_456_789), &settings).unwrap();
        for at in &mut attempts.automatic {
            *at = whole_millis(*at);
        }
        attempts.settle(attempt, Verdict::Free);
        assert!(attempts.automatic.is_empty());
        assert!(attempts.begin(By::Itself, &me, now(), &settings).is_ok());
    }

    #[test]
    fn a_latch_stops_automatic_attempts_until_the_credentials_change() {
        let (old, settings) = (credentials("old"), Settings::default());
        let mut attempts = Attempts::default();
        attempts.latch(Latched::Credentials, &old);
        let denied = attempts.begin(By::Itself, &old, now() + 1000 * HOUR, &settings);
        assert_eq!(denied.unwrap_err(), Denied::Latched(Latched::Credentials));
        assert!(attempts.begin(By::Person, &old, now(), &settings).is_ok(), "a person may");
        // Sixteen bits: one in 65,536 changes goes unnoticed, so look at a few.
        let noticed = (0..4)
            .filter(|n| attempts.allow(By::Itself, &credentials(&n.to_string()), now(), &settings).is_ok());
        assert!(noticed.count() >= 3);
    }

    #[test]
    fn the_limit_of_a_person_is_reached_at_n_and_refused_at_n_plus_one() {
        let (by, who, settings) = (By::Person, credentials("p"), Settings::default());
        let mut attempts = Attempts::default();
        for n in 0..3 {
            attempts.begin(by, &who, now() + n * Duration::from_secs(60), &settings).unwrap();
        }
        let later = now() + Duration::from_secs(180);
        let denied = attempts.begin(by, &who, later, &settings).unwrap_err();
        assert_eq!(denied, Denied::Spent(HOUR - Duration::from_secs(180)));
        assert!(attempts.begin(by, &who, now() + HOUR, &settings).is_ok(), "the oldest left the window");
    }

    #[test]
    fn one_attempt_of_unknown_outcome_is_made_and_three_where_the_credentials_are_proven() {
        let (who, settings) = (credentials("p"), Settings::default());
        for (proven, limit) in [(false, 1), (true, 3)] {
            let mut attempts = Attempts::default();
            if proven {
                attempts.prove(&who);
            }
            for _ in 0..limit {
                attempts.begin(By::Itself, &who, now(), &settings).unwrap();
            }
            let denied = attempts.begin(By::Itself, &who, now() + 1000 * HOUR, &settings).unwrap_err();
            assert_eq!(denied, Denied::Latched(Latched::Unfinished), "no window");
            attempts.completed();
            assert!(attempts.begin(By::Itself, &who, now(), &settings).is_ok());
        }
    }

    #[test]
    fn changed_credentials_have_attempts_of_their_own() {
        let settings = Settings::default();
        let mut attempts = Attempts::default();
        attempts.begin(By::Itself, &credentials("old"), now(), &settings).unwrap();
        // Sixteen bits: one in 65,536 changes goes unnoticed, so look at a few.
        let noticed = (0..4).filter(|n| {
            attempts.clone().begin(By::Itself, &credentials(&n.to_string()), now(), &settings).is_ok()
        });
        assert!(noticed.count() >= 3);
    }

    #[test]
    fn a_backup_code_is_sent_once_unless_it_did_not_arrive() {
        let (mut attempts, code) = (Attempts::default(), OneTimeCode::new("backup01"));
        assert!(attempts.spend_code(&code));
        assert!(!attempts.spend_code(&OneTimeCode::new(" backup01")));
        attempts.unspend_code(&code);
        assert!(attempts.spend_code(&code));
        for n in 2..=64 {
            attempts.used_codes.push(CredentialsTag::of_code(&OneTimeCode::new(format!("code-{n}"))));
        }
        assert!(!attempts.spend_code(&code), "at the limit");
        while attempts.used_codes.len() < 65 && !attempts.spend_code(&OneTimeCode::new("another")) {}
        assert_eq!(attempts.used_codes.len(), 64);
    }

    #[test]
    fn mailed_codes_are_remembered_up_to_their_limit() {
        let mut attempts = Attempts::default();
        let code = |n: u32| OneTimeCode::new(n.to_string());
        for n in 100_001..=100_008 {
            attempts.spend_mailed(&code(n));
        }
        assert!(attempts.has_mailed(&code(100_001)), "at the limit");
        attempts.spend_mailed(&code(100_009));
        assert_eq!(attempts.used_mailed.len(), 8);
        attempts.unspend_mailed(&code(100_009));
        assert_eq!(attempts.used_mailed.len(), 7);
    }

    #[test]
    fn an_attempt_that_cost_nothing_is_taken_back() {
        let (who, settings) = (credentials("p"), Settings::default());
        let mut attempts = Attempts::default();
        for _ in 0..10 {
            let attempt = attempts.begin(By::Itself, &who, now(), &settings).unwrap();
            attempts.settle(attempt, Verdict::Free);
        }
        assert!(attempts.automatic.is_empty());
    }

    #[test]
    fn a_clock_set_back_forgets_no_attempt_and_one_far_ahead_locks_nobody_out() {
        let (who, settings) = (credentials("p"), Settings::default());
        let mut attempts = Attempts { person: vec![now(); 3], ..Attempts::default() };
        assert!(attempts.begin(By::Person, &who, now() - HOUR / 2, &settings).is_err());
        assert!(attempts.begin(By::Person, &who, now() - 24 * HOUR, &settings).is_ok());
    }

    #[test]
    fn a_step_is_spent_once_and_steps_are_remembered_up_to_their_limit() {
        let mut attempts = Attempts::default();
        assert!(attempts.spend(Step(1)));
        assert!(!attempts.spend(Step(1)));
        for step in 2..=64 {
            attempts.spend(Step(step));
        }
        assert!(!attempts.spend(Step(1)), "at the limit");
        attempts.spend(Step(65));
        assert_eq!(attempts.used_steps.len(), 64);
        assert!(attempts.spend(Step(1)), "one past it");
    }
}
