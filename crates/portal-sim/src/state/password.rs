//! Argon2id hashes, with parameters light enough for a thousand logins in a test.

use argon2::{Algorithm, Argon2, Params, Version};

use crate::chance;

/// A salted Argon2id hash.
#[derive(Clone)]
pub(crate) struct PasswordHash {
    salt: [u8; 16],
    hash: [u8; 32],
}

impl PasswordHash {
    pub(crate) fn new(password: &str) -> Self {
        let salt = chance::bytes();
        Self { salt, hash: derive(password, &salt) }
    }

    pub(crate) fn matches(&self, password: &str) -> bool {
        derive(password, &self.salt) == self.hash
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

fn derive(password: &str, salt: &[u8; 16]) -> [u8; 32] {
    let params = Params::new(256, 1, 1, Some(32)).expect("these parameters are in range");
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .expect("salt and output have fixed, valid lengths");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_password_matches() {
        let hash = PasswordHash::new("correct horse battery");
        assert!(hash.matches("correct horse battery"));
        assert!(!hash.matches("correct horse batterx"));
    }
}
