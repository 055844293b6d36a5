//! What is tried: the spellings that the handbooks document, and whatever a person adds.

use http::{HeaderName, HeaderValue};

/// What is tried, the most likely first. Paths are templates as in [`crate::portal::Dialect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// Where channel calls may live.
    pub channel_bases: Vec<String>,
    /// Where auth calls may live.
    pub auth_bases: Vec<String>,
    /// Where login calls may live.
    pub login_bases: Vec<String>,
    /// Where the refresh call may be.
    pub refresh_paths: Vec<String>,
    /// What may name the channel.
    pub session_headers: Vec<HeaderName>,
    /// What a sealed body may be called.
    pub content_types: Vec<HeaderValue>,
}

impl Default for Candidates {
    fn default() -> Self {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        Self {
            channel_bases: texts(&["/web/v1/secure-channel", "/web/v1/{portal}/secure-channel", "/sc"]),
            auth_bases: texts(&["/web/v1/{portal}/auth", "/web/v1/users/self/auth", "/auth"]),
            login_bases: texts(&["{auth}/login", "/login"]),
            refresh_paths: texts(&["{auth}/token/refresh", "{auth}/refresh"]),
            session_headers: vec![
                HeaderName::from_static("x-secure-channel-session-id"),
                HeaderName::from_static("x-sc-session-id"),
            ],
            content_types: vec![
                HeaderValue::from_static("application/json"),
                HeaderValue::from_static("application/json;charset=UTF-8"),
            ],
        }
    }
}

impl Candidates {
    /// The pairs of auth base and login base, in the order in which they are tried. A channel under `/sc` speaks
    /// for the `sdk`, whose login stands by itself.
    pub(super) fn logins(&self, channel_base: Option<&str>) -> Vec<(Option<String>, String)> {
        let stands_on_auth = |login: &&String| login.contains("{auth}");
        let alone = self.login_bases.iter().filter(|login| !stands_on_auth(login));
        let alone = alone.map(|login| (None, login.clone()));
        let below = self.auth_bases.iter().flat_map(|auth| {
            let login = self.login_bases.iter().filter(stands_on_auth);
            login.map(|login| (Some(auth.clone()), login.clone()))
        });
        if channel_base == Some("/sc") { alone.chain(below).collect() } else { below.chain(alone).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_base_on_the_auth_base_is_tried_with_each_of_them() {
        let candidates = Candidates::default();
        let guide = candidates.logins(Some("/web/v1/secure-channel"));
        assert_eq!(guide.len(), 4);
        assert_eq!(guide[0], (Some("/web/v1/{portal}/auth".into()), "{auth}/login".into()));
        assert_eq!(candidates.logins(Some("/sc"))[0], (None, "/login".into()));
    }
}
