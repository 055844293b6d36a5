//! `[bench]`: a sign-in and a channel that exist already, so that a load needs no portal to log in at.
//!
//! Only with the cargo feature `bench`, which no release has: a key in a file is no secret. Not in `proxy.toml`.

use std::fmt;

use crate::config::document::{Table, Value};
use crate::config::problem::Problem;
use crate::config::reader::Reader;

/// What a portal would have given.
#[derive(Clone, PartialEq, Eq)]
pub struct Bench {
    /// The access token.
    pub bearer: String,
    /// The channel's id; goes along on plain calls, too.
    pub session_id: String,
    /// The AES-256 key of both directions.
    pub key: [u8; 32],
    /// Whether bodies are sealed wherever no rule says otherwise.
    pub sealed: bool,
}

impl Bench {
    /// The section, if it is there: `bearer`, `session_id`, `key_hex`, `sealed`.
    pub(in crate::config) fn read(reader: &mut Reader<'_>, document: &Table) -> Option<Self> {
        let entry = document.get("bench")?;
        let Value::Table(table) = &entry.written.value else {
            reader.report(Problem::new(&entry.key_place, "[bench] is a section"));
            return None;
        };
        let text = |key: &str| match &table.get(key)?.written.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let key = text("key_hex").and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok());
        let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok());
        let sealed = match table.get("sealed").map(|entry| &entry.written.value) {
            Some(Value::Switch(sealed)) => Some(*sealed),
            Some(_) => None,
            None => Some(false),
        };
        let bench = match (text("bearer"), text("session_id"), key, sealed) {
            (Some(bearer), Some(session_id), Some(key), Some(sealed)) => {
                Some(Self { bearer, session_id, key, sealed })
            }
            _ => None,
        };
        if bench.is_none() {
            let wanted = "[bench] needs bearer, session_id, and 64 hex digits as key_hex";
            reader.report(Problem::new(&entry.key_place, wanted));
        }
        bench
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bench(***)")
    }
}
