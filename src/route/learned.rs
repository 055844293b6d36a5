//! What the portal has taught: paths that looked plain and need sealing.

use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashSet;
use http::Method;

/// Learnt methods and paths, bounded: the paths come from clients.
#[derive(Debug)]
pub(super) struct Learned {
    /// How many there are, so that who has learnt nothing pays one load.
    count: AtomicUsize,
    limit: usize,
    known: DashSet<Box<str>>,
}

impl Learned {
    pub(super) fn new(limit: usize) -> Self {
        Self { count: AtomicUsize::new(0), limit, known: DashSet::new() }
    }

    pub(super) fn contains(&self, method: &Method, path: &str) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.known.contains(&*key(method, path))
    }

    /// Whether it is known from now on; `false` if there is no room.
    pub(super) fn insert(&self, method: &Method, path: &str) -> bool {
        let key = key(method, path);
        if self.known.contains(&*key) {
            return true;
        }
        if self.count.fetch_add(1, Ordering::AcqRel) >= self.limit {
            self.count.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        if !self.known.insert(key.into()) {
            // Two learnt the same at once.
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
        true
    }

    pub(super) fn list(&self) -> Vec<String> {
        let mut list: Vec<String> = self.known.iter().map(|entry| entry.key().to_string()).collect();
        list.sort_unstable();
        list
    }
}

/// A method holds no space, so that no two pairs share a key.
fn key(method: &Method, path: &str) -> String {
    format!("{method} {path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_up_to_its_limit_and_counts_each_once() {
        let learned = Learned::new(2);
        assert!(!learned.contains(&Method::POST, "/a"));
        assert!(learned.insert(&Method::POST, "/a"));
        assert!(learned.insert(&Method::POST, "/a"));
        assert!(learned.insert(&Method::PUT, "/a"));
        assert!(!learned.insert(&Method::POST, "/b"), "one more than the limit");
        assert!(learned.insert(&Method::POST, "/a"), "what is known stays known");
        assert!(learned.contains(&Method::POST, "/a"));
        assert!(!learned.contains(&Method::GET, "/a"));
        assert_eq!(learned.list(), ["POST /a", "PUT /a"]);
    }
}
