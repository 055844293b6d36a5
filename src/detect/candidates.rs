//! What is tried: the spellings that the handbooks document, and whatever a person adds.

use http::{HeaderName, HeaderValue};

use super::Cell;
use crate::channel::{Base64, OaepHash, Spelling};
use crate::portal::Dialect;

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
    /// Hash and mask hash of RSA-OAEP (PROTOCOL section 3.2).
    pub hashes: Vec<(OaepHash, OaepHash)>,
    /// How keys may be written; the alphabet of the portal's own key is tried first.
    pub alphabets: Vec<Base64>,
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
            // Java's default is the second.
            hashes: vec![
                (OaepHash::Sha256, OaepHash::Sha256),
                (OaepHash::Sha256, OaepHash::Sha1),
                (OaepHash::Sha1, OaepHash::Sha1),
                (OaepHash::Sha1, OaepHash::Sha256),
            ],
            alphabets: vec![Base64::Standard, Base64::Url],
        }
    }
}

impl Candidates {
    /// The same for the settings in `open`, what `dialect` has first; the others are as `dialect` has them.
    pub(super) fn for_channel(&self, dialect: &Dialect, open: &[Cell]) -> Self {
        fn narrowed<T: Clone + PartialEq>(known: &[T], own: T, is_open: bool) -> Vec<T> {
            let others = known.iter().filter(|other| is_open && **other != own).cloned();
            std::iter::once(own.clone()).chain(others).collect()
        }
        let is_open = |cell| open.contains(&cell);
        let mut narrow = Self {
            channel_bases: narrowed(
                &self.channel_bases,
                dialect.channel_base.clone(),
                is_open(Cell::ChannelBase),
            ),
            session_headers: narrowed(
                &self.session_headers,
                dialect.session_header.get(),
                is_open(Cell::SessionHeader),
            ),
            ..self.clone()
        };
        if let Some(Spelling { oaep_hash, mgf1_hash, base64, .. }) = dialect.channel {
            narrow.alphabets = narrowed(&self.alphabets, base64, is_open(Cell::Base64));
            narrow.hashes.retain(|(oaep, mgf1)| {
                (is_open(Cell::OaepHash) || *oaep == oaep_hash)
                    && (is_open(Cell::Mgf1Hash) || *mgf1 == mgf1_hash)
            });
        }
        narrow
    }

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
    use crate::portal::Preset;

    #[test]
    fn what_is_not_left_open_has_one_candidate_and_what_is_begins_with_the_dialects() {
        let dialect = Dialect::preset(Preset::Sdk, "tenant");
        let all = Candidates::default();
        let none = all.for_channel(&dialect, &[]);
        assert_eq!((none.channel_bases, none.session_headers.len()), (vec!["/sc".to_owned()], 1));
        assert_eq!((none.hashes.len(), none.alphabets.len()), (1, 1));
        let open = [Cell::ChannelBase, Cell::SessionHeader, Cell::Mgf1Hash, Cell::Base64];
        let some = all.for_channel(&dialect, &open);
        assert_eq!((some.channel_bases[0].as_str(), some.channel_bases.len()), ("/sc", 3));
        assert_eq!((some.session_headers[0].as_str(), some.session_headers.len()), ("x-sc-session-id", 2));
        assert_eq!((some.hashes.len(), some.alphabets.len()), (2, 2));
        assert!(some.hashes.iter().all(|(oaep, _)| *oaep == OaepHash::Sha256));
    }

    #[test]
    fn a_login_base_on_the_auth_base_is_tried_with_each_of_them() {
        let candidates = Candidates::default();
        let guide = candidates.logins(Some("/web/v1/secure-channel"));
        assert_eq!(guide.len(), 4);
        assert_eq!(guide[0], (Some("/web/v1/{portal}/auth".into()), "{auth}/login".into()));
        assert_eq!(candidates.logins(Some("/sc"))[0], (None, "/login".into()));
    }
}
