//! The two spellings of a sealed body (PROTOCOL section 4).

/// What a body is, judged by its content alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `53 43 02 81` …
    Binary,
    /// `{"v":2,"p":"…"}`.
    Json,
    /// Neither.
    Plain,
}

/// Decides by content, as PROTOCOL section 4 asks.
pub fn form_of(_body: &[u8]) -> Form {
    unimplemented!()
}
