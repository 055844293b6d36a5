//! How often each call was made, against the limits of PROTOCOL section 10, less what the person needs afterwards.

use std::time::Duration;

use crate::portal::Endpoint;

/// The calls made so far, by the boot clock.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    made: Vec<(Endpoint, Duration)>,
    /// Paths that were asked for and turned out to be nobody's, which no limit counts.
    nobodys: usize,
    /// Calls by another method than theirs, to see whether anything is served there. A limit may count them.
    looks: Vec<Endpoint>,
    /// Until when the portal itself asked to wait.
    shut: Vec<(Endpoint, Duration)>,
}

/// What may be spent in one window. The length of the default window is not documented: a minute is assumed.
struct Allowance {
    calls: usize,
    window: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

/// The table: what section 10 allows, less what a login right afterwards needs. `None` is a call that it does not
/// limit; one whose limit it does not know is treated like the known ones.
fn allowance(call: Endpoint) -> Option<Allowance> {
    let (calls, window) = match call {
        Endpoint::Initiate => (10 - 2, MINUTE),
        Endpoint::Complete => (5 - 1, MINUTE),
        Endpoint::MfaSend => (5 - 1, MINUTE),
        Endpoint::Logout => (10 - 2, MINUTE),
        Endpoint::OtpSetup | Endpoint::OtpVerify | Endpoint::PasswordReset | Endpoint::PasswordInit => {
            (5 - 2, 5 * MINUTE)
        }
        Endpoint::RegisterCodeSend | Endpoint::RegisterComplete => (5 - 2, MINUTE),
        Endpoint::Refresh
        | Endpoint::RegisterInitiate
        | Endpoint::RegisterVerify
        | Endpoint::PasswordForgot
        | Endpoint::PasswordChange
        | Endpoint::Sessions
        | Endpoint::Terminate
        | Endpoint::TerminateOthers
        | Endpoint::Mfa
        | Endpoint::BackupCodes => (10, MINUTE),
        Endpoint::Profile => (60, MINUTE),
        Endpoint::PublicKey | Endpoint::Session | Endpoint::SessionClose => return None,
    };
    Some(Allowance { calls, window })
}

impl Ledger {
    /// How long until the call may be made; zero if it may be made now.
    pub(super) fn wait(&self, call: Endpoint, now: Duration) -> Duration {
        let asked = self.shut.iter().filter(|(of, _)| *of == call).map(|(_, until)| *until).max();
        let asked = asked.map_or(Duration::ZERO, |until| until.saturating_sub(now));
        let Some(Allowance { calls, window }) = allowance(call) else { return asked };
        let recent: Vec<Duration> = self.times(call).filter(|at| *at + window > now).collect();
        let full = match recent.len().checked_sub(calls) {
            Some(over) => (recent[over] + window).saturating_sub(now),
            None => Duration::ZERO,
        };
        asked.max(full)
    }

    /// How many calls more may be made now.
    pub(super) fn left(&self, call: Endpoint, now: Duration) -> usize {
        if self.shut.iter().any(|(of, until)| *of == call && *until > now) {
            return 0;
        }
        allowance(call).map_or(usize::MAX, |Allowance { calls, window }| {
            calls.saturating_sub(self.times(call).filter(|at| *at + window > now).count())
        })
    }

    pub(super) fn made(&mut self, call: Endpoint, now: Duration) {
        self.made.push((call, now));
    }

    /// The last call was of a path that is nobody's.
    pub(super) fn was_nowhere(&mut self) {
        self.made.pop();
        self.nobodys += 1;
    }

    /// The last call only looked whether anything is served there.
    pub(super) fn was_a_look(&mut self) {
        self.looks.extend(self.made.last().map(|(call, _)| *call));
    }

    /// Calls that only looked for a path, whether anything was served there or not.
    pub(super) fn lookups(&self) -> usize {
        self.nobodys + self.looks.len()
    }

    /// The portal asked to wait.
    pub(super) fn shut(&mut self, call: Endpoint, until: Duration) {
        self.shut.push((call, until));
    }

    /// Each call with how often it was made, in the protocol's order, without the looks.
    pub(super) fn totals(&self) -> Vec<(Endpoint, usize)> {
        let looks = |call| self.looks.iter().filter(|of| **of == call).count();
        let all = Endpoint::ALL.into_iter().map(|call| (call, self.times(call).count() - looks(call)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    fn times(&self, call: Endpoint) -> impl Iterator<Item = Duration> + '_ {
        self.made.iter().filter(move |(of, _)| *of == call).map(|(_, at)| *at)
    }
}

/// A span as a person reads it.
pub(super) fn span(span: Duration) -> String {
    format!("{} s", span.as_millis().div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_call_passes_and_the_next_waits_for_the_first_to_age() {
        let mut ledger = Ledger::default();
        let second = Duration::from_secs;
        for n in 0..4 {
            assert_eq!(ledger.wait(Endpoint::Complete, second(n)), Duration::ZERO, "{n}");
            ledger.made(Endpoint::Complete, second(n));
        }
        assert_eq!(ledger.left(Endpoint::Complete, second(4)), 0);
        assert_eq!(ledger.wait(Endpoint::Complete, second(4)), second(56));
        assert_eq!(ledger.wait(Endpoint::Complete, second(60)), Duration::ZERO);
        assert_eq!(ledger.left(Endpoint::Complete, second(61)), 2);
        assert_eq!(ledger.wait(Endpoint::MfaSend, second(4)), Duration::ZERO, "another call");
    }

    #[test]
    fn a_look_counts_for_the_limit_and_is_no_call_in_what_is_told() {
        let mut ledger = Ledger::default();
        ledger.made(Endpoint::Initiate, Duration::ZERO);
        ledger.was_a_look();
        ledger.made(Endpoint::Initiate, Duration::ZERO);
        ledger.made(Endpoint::Complete, Duration::ZERO);
        ledger.was_nowhere();
        assert_eq!(ledger.left(Endpoint::Initiate, Duration::ZERO), 6);
        assert_eq!((ledger.totals(), ledger.lookups()), (vec![(Endpoint::Initiate, 1)], 2));
    }

    #[test]
    fn what_the_portal_asks_for_is_waited_for_as_well() {
        let mut ledger = Ledger::default();
        ledger.shut(Endpoint::Session, Duration::from_secs(30));
        assert_eq!(ledger.wait(Endpoint::Session, Duration::from_secs(10)), Duration::from_secs(20));
        assert_eq!(ledger.left(Endpoint::Session, Duration::from_secs(10)), 0);
        assert_eq!(ledger.left(Endpoint::Session, Duration::from_secs(30)), usize::MAX);
    }

    #[test]
    fn no_allowance_reaches_what_section_10_allows() {
        for (call, most) in [(Endpoint::Initiate, 10), (Endpoint::MfaSend, 5), (Endpoint::Complete, 5)] {
            assert!(allowance(call).unwrap().calls < most, "{call:?}");
        }
        assert!(allowance(Endpoint::Initiate).unwrap().calls > super::super::Settings::MOST_LOGINS as usize);
    }
}
