//! What one identity sends with every request.

use std::fmt;
use std::sync::Arc;

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue};

use super::Jar;

/// The headers of one identity that go on every request, ready to be written: portal access code, client
/// hash, configured extra headers (PROTOCOL section 2); and its cookies, where it keeps any.
#[derive(Debug, Clone, Default)]
pub struct Injected {
    ready: Arc<Ready>,
    jar: Option<Jar>,
}

#[derive(Default)]
struct Ready {
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The same as they are written.
    lines: Vec<u8>,
    /// Bit n is set if one of the names has n bytes; bit 63 for all longer ones.
    lengths: u64,
}

impl Injected {
    /// Names and values; secrets are marked sensitive.
    pub fn new(headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        let (mut lines, mut lengths) = (Vec::new(), 0);
        for (name, value) in &headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                lines.extend_from_slice(part);
            }
            lengths |= length_bit(name);
        }
        Self { ready: Arc::new(Ready { headers, lines, lengths }), jar: None }
    }

    /// The same, and the cookies that the portal gives are kept in `jar` and sent back to it. All copies share it.
    #[must_use]
    pub fn with_jar(self, jar: Jar) -> Self {
        Self { jar: Some(jar), ..self }
    }

    /// Names and values.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.ready.headers
    }

    /// The identity's cookies, where it keeps any.
    pub fn jar(&self) -> Option<&Jar> {
        self.jar.as_ref()
    }

    /// The cookies without the headers.
    pub(super) fn jar_alone(&self) -> Self {
        Self { ready: Arc::default(), jar: self.jar.clone() }
    }

    /// Whether it is one of them.
    pub(super) fn has(&self, name: &HeaderName) -> bool {
        self.ready.lengths & length_bit(name) != 0 && self.headers().iter().any(|(known, _)| known == name)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ready.lines);
    }

    /// Each of them exactly once, whatever was there.
    pub(super) fn put(&self, into: &mut HeaderMap) {
        for (name, value) in self.headers() {
            into.insert(name, value.clone());
        }
    }
}

fn length_bit(name: &HeaderName) -> u64 {
    1 << name.as_str().len().min(63)
}

/// Names and values; a sensitive one shows nothing.
impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.headers).finish()
    }
}
