//! What was found out about settings that the configuration leaves open.

use std::sync::{Arc, Mutex, PoisonError};

/// A setting that the configuration leaves open, as the portal showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSetting {
    /// Its name, such as `dialect.session_header`.
    pub setting: String,
    /// Its value, as `proxy.toml` would have it.
    pub value: String,
    /// How sure it is: `seen`, `inferred`, `assumed`.
    pub sure: String,
    /// The observation.
    pub why: String,
}

/// What was found so far; clones share it. Empty where nothing is left open.
#[derive(Debug, Clone, Default)]
pub struct Findings(Arc<Mutex<Vec<FoundSetting>>>);

impl Findings {
    /// Takes these for what is true now; gives those that are news.
    pub fn replace(&self, found: Vec<FoundSetting>) -> Vec<FoundSetting> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = found.iter().filter(|setting| !known.contains(setting)).cloned().collect();
        *known = found;
        news
    }

    /// All of them.
    pub fn list(&self) -> Vec<FoundSetting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_again_is_no_news() {
        let found = |value: &str| FoundSetting {
            setting: "dialect.base64".into(),
            value: value.into(),
            sure: "seen".into(),
            why: "w".into(),
        };
        let findings = Findings::default();
        assert_eq!(findings.replace(vec![found("url")]), [found("url")]);
        assert_eq!(findings.replace(vec![found("url")]), []);
        assert_eq!(findings.clone().replace(vec![found("standard")]), [found("standard")]);
        assert_eq!(findings.list(), [found("standard")]);
    }
}
