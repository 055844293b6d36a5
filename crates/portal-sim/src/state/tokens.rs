//! Token families: each login starts one, each refresh continues it, a reused refresh token ends it.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::chance;

/// One login and everything that descends from it by refresh.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) client_hash: String,
    pub(crate) user_agent: String,
    pub(crate) address: String,
    pub(crate) created: SystemTime,
    pub(crate) active: SystemTime,
}

/// All living families and every refresh token, spent ones included.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    families: HashMap<String, Family>,
    /// Only hashes: a spent token must be recognized, not shown.
    refresh: HashMap<[u8; 32], Refresh>,
    pub(crate) generation: u64,
}

#[derive(Debug)]
struct Refresh {
    family: String,
    spent: bool,
    expires: Instant,
}

/// What became of a refresh token.
#[derive(Debug)]
pub(crate) enum RefreshOutcome {
    /// It was good; the family and, with rotation, the next token.
    Good(Family, Option<String>),
    /// It was spent before; the family is revoked if this portal does so.
    Reused,
    /// Unknown, expired or revoked.
    Refused,
    /// It belongs to another client hash.
    Foreign,
}

impl Tokens {
    pub(crate) fn start(&mut self, family: Family, life: Duration) -> String {
        let id = family.id.clone();
        self.families.insert(id.clone(), family);
        self.issue(id, life)
    }

    pub(crate) fn refresh(
        &mut self,
        token: &str,
        client_hash: &str,
        life: Duration,
        rotate: bool,
        reuse_revokes: bool,
    ) -> RefreshOutcome {
        let Some(entry) = self.refresh.get_mut(&hash(token)) else { return RefreshOutcome::Refused };
        let Some(family) = self.families.get_mut(&entry.family) else { return RefreshOutcome::Refused };
        if family.client_hash != client_hash {
            return RefreshOutcome::Foreign;
        }
        if entry.spent {
            if reuse_revokes {
                self.families.remove(&entry.family);
            }
            return RefreshOutcome::Reused;
        }
        if entry.expires <= Instant::now() {
            return RefreshOutcome::Refused;
        }
        entry.spent = rotate;
        family.active = SystemTime::now();
        let family = family.clone();
        let next = rotate.then(|| self.issue(family.id.clone(), life));
        RefreshOutcome::Good(family, next)
    }

    pub(crate) fn family(&self, id: &str) -> Option<&Family> {
        self.families.get(id)
    }

    pub(crate) fn of(&self, email: &str) -> Vec<&Family> {
        let mut mine: Vec<_> =
            self.families.values().filter(|family| family.email.eq_ignore_ascii_case(email)).collect();
        mine.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        mine
    }

    pub(crate) fn end(&mut self, id: &str) -> bool {
        self.families.remove(id).is_some()
    }

    /// Ends the families of one person, except one.
    pub(crate) fn end_others(&mut self, email: &str, keep: Option<&str>) -> usize {
        let before = self.families.len();
        self.families.retain(|id, family| {
            !family.email.eq_ignore_ascii_case(email) || keep.is_some_and(|keep| keep == id)
        });
        before - self.families.len()
    }

    pub(crate) fn revoke_all(&mut self) {
        self.families.clear();
    }

    fn issue(&mut self, family: String, life: Duration) -> String {
        let token = chance::name("rt_") + &chance::name("");
        self.refresh.insert(hash(&token), Refresh { family, spent: false, expires: Instant::now() + life });
        token
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
