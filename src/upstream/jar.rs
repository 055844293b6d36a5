//! The cookies that the portal has given one identity (RFC 6265): in memory alone, and for the portal alone.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cookie_store::{Cookie, CookieStore};
use http::header::{HeaderMap, SET_COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use url::Url;

use super::Base;

/// How much a [`Jar`] holds; what is over goes, the oldest first (RFC 6265 section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JarLimits {
    /// How many cookies.
    pub cookies: usize,
    /// How many bytes their names and values have together; so much goes on a request at most.
    pub bytes: usize,
}

/// One identity's cookies. Copies share them; nothing is kept on disk.
#[derive(Clone)]
pub struct Jar(Arc<Shared>);

struct Shared {
    limits: JarLimits,
    /// Most portals give none, and then no request waits for the lock.
    is_empty: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    store: CookieStore,
    /// In the order in which they came.
    keys: VecDeque<Key>,
    /// The account whose login began last, in small letters.
    account: Option<String>,
}

/// What tells one cookie from another (RFC 6265 section 5.3 step 11).
#[derive(PartialEq, Eq)]
struct Key {
    domain: String,
    path: String,
    name: String,
}

impl Jar {
    /// An empty one.
    pub fn new(limits: JarLimits) -> Self {
        Self(Arc::new(Shared { limits, is_empty: AtomicBool::new(true), kept: Mutex::default() }))
    }

    /// Throws all of them away: the identity has signed out.
    pub fn clear(&self) {
        *self.lock() = Kept::default();
        self.0.is_empty.store(true, Ordering::Relaxed);
    }

    /// A login of this account begins: what another's session has left, or nobody's, does not go along. A login is
    /// no place for a cookie that somebody else planted before it.
    pub fn begins_login_of(&self, account: &str) {
        let account = Some(account.to_lowercase());
        let mut kept = self.lock();
        if kept.account != account {
            *kept = Kept { account, ..Kept::default() };
            self.0.is_empty.store(true, Ordering::Relaxed);
        }
    }

    /// Keeps what an answer gives, where the rules allow it to; `path` is that of the request, below the base URL.
    pub(super) fn keep(&self, base: &Base, path: Option<&PathAndQuery>, answer: &HeaderMap) {
        if !answer.contains_key(SET_COOKIE) {
            return;
        }
        let Some(url) = url_of(base, path) else { return };
        let mut kept = self.lock();
        for given in answer.get_all(SET_COOKIE) {
            if let Ok(given) = std::str::from_utf8(given.as_bytes()) {
                kept.take(given, &url, self.0.limits);
            }
        }
        self.0.is_empty.store(kept.keys.is_empty(), Ordering::Relaxed);
    }

    /// The `Cookie` field for a request, if there is anything for it.
    pub(super) fn cookies_for(&self, base: &Base, path: Option<&PathAndQuery>) -> Option<HeaderValue> {
        if self.0.is_empty.load(Ordering::Relaxed) {
            return None;
        }
        let url = url_of(base, path)?;
        let kept = self.lock();
        let mut fitting = kept.store.matches(&url);
        // Section 5.4 step 2: the longer path first.
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = fitting
            .into_iter()
            .map(|cookie| cookie.name_value())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            return None;
        }
        let mut field = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        field.set_sensitive(true);
        Some(field)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, given: &str, url: &Url, limits: JarLimits) {
        // Why one is refused is not told: the reason may hold what it is about.
        let Ok(cookie) = Cookie::parse(given, url) else {
            tracing::debug!("a cookie of the portal is not kept: it is malformed, or for another host");
            return;
        };
        let key = Key {
            domain: String::from(&cookie.domain),
            path: String::from(&cookie.path),
            name: cookie.name().to_owned(),
        };
        // One that fits no request would only drive the others out.
        if size(&cookie) > limits.bytes || HeaderValue::from_str(cookie.value()).is_err() {
            tracing::debug!("a cookie of the portal is not kept: it is too long, or none that can be sent");
            return;
        }
        if self.store.insert(cookie.into_owned(), url).is_ok() && !self.keys.contains(&key) {
            self.keys.push_back(key);
        }
        let Self { store, keys, account: _ } = self;
        keys.retain(|key| {
            store.contains(&key.domain, &key.path, &key.name) || {
                // It has expired, or the portal has taken it back.
                store.remove(&key.domain, &key.path, &key.name);
                false
            }
        });
        while keys.len() > limits.cookies || store.iter_unexpired().map(size).sum::<usize>() > limits.bytes {
            let Some(oldest) = keys.pop_front() else { return };
            store.remove(&oldest.domain, &oldest.path, &oldest.name);
        }
    }
}

/// How many, and none of them.
impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jar").field("cookies", &self.lock().keys.len()).finish_non_exhaustive()
    }
}

/// As it goes on a request: name, `=`, value, and what parts it from the next.
fn size(cookie: &Cookie<'_>) -> usize {
    let (name, value) = cookie.name_value();
    name.len() + value.len() + "=; ".len()
}

fn url_of(base: &Base, path: Option<&PathAndQuery>) -> Option<Url> {
    let target: Uri = base.absolute(base.target(path.cloned()));
    Url::parse(&target.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: JarLimits = JarLimits { cookies: 3, bytes: 60 };

    struct World {
        jar: Jar,
        base: Base,
    }

    impl World {
        fn at(url: &str) -> Self {
            Self { jar: Jar::new(LIMITS), base: Base::new(&Url::parse(url).unwrap()).unwrap() }
        }

        fn gives(&self, path: &str, cookies: &[&str]) {
            let mut answer = HeaderMap::new();
            for cookie in cookies {
                answer.append(SET_COOKIE, cookie.parse().unwrap());
            }
            self.jar.keep(&self.base, Some(&path.parse().unwrap()), &answer);
        }

        fn hears(&self, path: &str) -> String {
            let field = self.jar.cookies_for(&self.base, Some(&path.parse().unwrap()));
            field.map_or_else(String::new, |field| {
                assert!(field.is_sensitive());
                field.to_str().unwrap().to_owned()
            })
        }
    }

    #[test]
    fn domain_path_secure_and_expiry_are_obeyed() {
        for (given, at, heard) in [
            ("s=1", "/a", "s=1"),
            ("s=1", "/b/c?d", "s=1"),
            ("s=1; Path=/b", "/bc", ""),
            ("s=1; Path=/b", "/b/c", "s=1"),
            ("s=1; Domain=portal.example", "/a", "s=1"),
            ("s=1; Domain=.example", "/a", "s=1"),
            ("s=1; Domain=other.example", "/a", ""),
            ("s=1; Domain=evil.portal.example", "/a", ""),
            ("s=1; Max-Age=60", "/a", "s=1"),
            ("s=1; Max-Age=0", "/a", ""),
            ("s=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/a", ""),
            ("s=1; Secure; HttpOnly; SameSite=None", "/a", ""),
            ("s=\"a b\"", "/a", "s=\"a b\""),
            ("no pair", "/a", ""),
        ] {
            let world = World::at("http://portal.example");
            world.gives("/a", &[given]);
            assert_eq!(world.hears(at), heard, "{given} at {at}");
        }
        let world = World::at("https://portal.example/pre");
        world.gives("/a/b", &["s=1; Secure", "root=2; Path=/", "outside=3; Path=/other"]);
        assert_eq!(world.hears("/a/c"), "s=1; root=2");
        assert_eq!(world.hears("/c"), "root=2");
    }

    #[test]
    fn a_newer_one_takes_the_place_of_an_older_one_and_an_expired_one_takes_it_away() {
        let world = World::at("https://portal.example");
        world.gives("/a", &["s=1; Path=/"]);
        world.gives("/b", &["s=2; Path=/", "t=3; Path=/"]);
        assert_eq!(world.hears("/c"), "s=2; t=3");
        world.gives("/c", &["s=; Path=/; Max-Age=0"]);
        assert_eq!(world.hears("/c"), "t=3");
        world.jar.clear();
        assert_eq!(world.hears("/c"), "");
    }

    #[test]
    fn three_of_three_are_kept_and_a_fourth_drives_the_oldest_out() {
        let world = World::at("https://portal.example");
        world.gives("/", &["a=1", "b=2", "c=3"]);
        assert_eq!(world.hears("/"), "a=1; b=2; c=3");
        world.gives("/", &["a=4", "d=5"]);
        assert_eq!(world.hears("/"), "b=2; c=3; d=5");
    }

    #[test]
    fn their_bytes_are_bounded_together_and_one_too_long_is_not_kept() {
        let world = World::at("https://portal.example");
        let of =
            |name: &str, bytes: usize| format!("{name}={}", "x".repeat(bytes - name.len() - "=; ".len()));
        world.gives("/", &[&of("a", 30), &of("b", 30)]);
        assert_eq!(world.hears("/").len(), 60 - "; ".len());
        world.gives("/", &[&of("c", 31)]);
        assert_eq!(world.hears("/"), of("c", 31));
        world.gives("/", &[&of("d", 61)]);
        assert_eq!(world.hears("/"), of("c", 31));
        world.gives("/", &[&of("e", 60)]);
        assert_eq!(world.hears("/"), of("e", 60));
    }

    #[test]
    fn no_cookie_is_shown() {
        let world = World::at("https://portal.example");
        world.gives("/", &["CNRY-name=CNRY-value"]);
        assert_eq!(format!("{:?}", world.jar), "Jar { cookies: 1, .. }");
    }
}
