//! The last requests as they came over the wire, so that a test can look at what was really sent.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use http::request::Parts;
use serde::Serialize;

/// One request as it came over the wire.
#[derive(Debug, Clone, Serialize)]
pub struct WireEntry {
    /// Counts all requests, from 0.
    pub number: u64,
    /// When its head had arrived.
    pub at: SystemTime,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers, duplicates included.
    pub headers: Vec<(String, String)>,
    /// The body's first 4 KiB, lossily as text.
    pub body: String,
    /// The body's whole length, as far as it was read.
    pub body_len: usize,
    /// Whether the body arrived sealed and was opened.
    pub sealed: bool,
    /// The answer's status; 0 while there is none.
    pub status: u16,
    /// The answer's first 4 KiB where the answer was not streamed, lossily as text.
    pub answer: String,
}

impl WireEntry {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A ring of entries.
#[derive(Debug)]
pub(crate) struct WireLog {
    ring: Mutex<Ring>,
    keep: usize,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<WireEntry>,
    next: u64,
}

const SHOWN: usize = 4096;

impl WireLog {
    pub(crate) fn new(keep: usize) -> Self {
        Self { ring: Mutex::default(), keep }
    }

    pub(crate) fn arrived(&self, parts: &Parts) -> u64 {
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let mut ring = self.lock();
        let number = ring.next;
        ring.next += 1;
        if self.keep == 0 {
            return number;
        }
        if ring.entries.len() == self.keep {
            ring.entries.pop_front();
        }
        ring.entries.push_back(WireEntry {
            number,
            at: SystemTime::now(),
            version: format!("{:?}", parts.version),
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers,
            body: String::new(),
            body_len: 0,
            sealed: false,
            status: 0,
            answer: String::new(),
        });
        number
    }

    pub(crate) fn body(&self, number: u64, body: &[u8]) {
        self.edit(number, |entry| {
            entry.body = shown(body);
            entry.body_len = body.len();
        });
    }

    pub(crate) fn length(&self, number: u64, length: usize) {
        self.edit(number, |entry| entry.body_len = length);
    }

    pub(crate) fn sealed(&self, number: u64) {
        self.edit(number, |entry| entry.sealed = true);
    }

    pub(crate) fn answered(&self, number: u64, status: u16) {
        self.edit(number, |entry| entry.status = status);
    }

    pub(crate) fn answer(&self, number: u64, body: &[u8]) {
        self.edit(number, |entry| entry.answer = shown(body));
    }

    pub(crate) fn all(&self) -> Vec<WireEntry> {
        self.lock().entries.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.lock().entries.clear();
    }

    fn edit(&self, number: u64, f: impl FnOnce(&mut WireEntry)) {
        let mut ring = self.lock();
        let Some(first) = ring.entries.front().map(|entry| entry.number) else { return };
        let index = number.checked_sub(first).and_then(|i| usize::try_from(i).ok());
        if let Some(entry) = index.and_then(|i| ring.entries.get_mut(i)) {
            f(entry);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned()
}
