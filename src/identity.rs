//! Who a request speaks for: the name of one configured sign-in.

use std::fmt;
use std::sync::Arc;

/// The name of an identity: 1 to 64 of `a-z 0-9 - _`, since it becomes a file name and a host label.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityName(Arc<str>);

/// The text cannot name an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identity's name is 1 to 64 characters of a-z, 0-9, '-' and '_'")]
pub struct BadName;

impl IdentityName {
    /// Checks and takes the name.
    ///
    /// # Errors
    /// [`BadName`] if it is empty, longer than 64 characters, or holds any other character.
    pub fn new(name: &str) -> Result<Self, BadName> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
            return Err(BadName);
        }
        Ok(Self(name.into()))
    }

    /// The name of the one identity of a configuration without `[[identity]]`.
    pub fn sole() -> Self {
        Self("default".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A hint whose commands name it, for a proxy that has several: there they ask which one is meant.
    pub fn in_hint(&self, hint: &str) -> String {
        let name =
            |hint: String, command: &str| hint.replace(command, &format!("{command} --identity {self}"));
        ["portunus login", "portunus check"].into_iter().fold(hint.to_owned(), name)
    }
}

impl fmt::Debug for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_a_hint_name_it() {
        let alice = IdentityName::new("alice").unwrap();
        assert_eq!(alice.in_hint("sign in: portunus login"), "sign in: portunus login --identity alice");
        assert_eq!(
            alice.in_hint("run `portunus check`, then `portunus login --again`"),
            "run `portunus check --identity alice`, then `portunus login --identity alice --again`"
        );
        assert_eq!(alice.in_hint("see: portunus status"), "see: portunus status");
    }

    #[test]
    fn a_name_is_safe_as_a_file_and_as_a_host_label() {
        assert!(IdentityName::new("alice-2").is_ok());
        for bad in ["", "..", "a/b", "Alice", "a.b", &"x".repeat(65)] {
            assert_eq!(IdentityName::new(bad), Err(BadName), "{bad}");
        }
    }
}
