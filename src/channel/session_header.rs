//! The header that names a channel: as it is configured, or as it was found out.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use http::HeaderName;

/// The header that names a channel (PROTOCOL section 2). Its clones share what is found out.
#[derive(Clone)]
pub struct SessionHeader(Name);

#[derive(Clone)]
enum Name {
    Fixed(HeaderName),
    Open(Arc<RwLock<HeaderName>>),
}

impl SessionHeader {
    /// One that is to be found out; `until_then` holds meanwhile.
    pub fn to_be_found(until_then: HeaderName) -> Self {
        Self(Name::Open(Arc::new(RwLock::new(until_then))))
    }

    /// The name that holds now.
    pub fn get(&self) -> HeaderName {
        match &self.0 {
            Name::Fixed(name) => name.clone(),
            Name::Open(name) => name.read().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// From now on it is this one, for every clone; one that is configured stays as it is.
    pub fn found(&self, name: HeaderName) {
        if let Name::Open(open) = &self.0 {
            *open.write().unwrap_or_else(PoisonError::into_inner) = name;
        }
    }
}

impl From<HeaderName> for SessionHeader {
    fn from(name: HeaderName) -> Self {
        Self(Name::Fixed(name))
    }
}

impl fmt::Debug for SessionHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: HeaderName = HeaderName::from_static("x-secure-channel-session-id");
    const SHORT: HeaderName = HeaderName::from_static("x-sc-session-id");

    #[test]
    fn what_is_found_holds_for_every_clone_and_what_is_configured_stays() {
        let open = SessionHeader::to_be_found(LONG);
        let clone = open.clone();
        assert_eq!(clone.get(), LONG);
        open.found(SHORT);
        assert_eq!(clone.get(), SHORT);
        let fixed = SessionHeader::from(LONG);
        fixed.found(SHORT);
        assert_eq!(fixed.get(), LONG);
    }
}
