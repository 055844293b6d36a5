//! The path rule: forwarded byte for byte, or refused.
//!
//! A path is refused if a server behind us could read it as another path than the table does: dot segments in
//! any spelling, separators in disguise, control bytes, empty segments. Empty ones, since some servers fold
//! `//` into `/` before they route and some do not; one slash at the end is common and harmless.
//!
//! What remains is compared with the patterns in its *matching form*: escapes undone, path parameters (`;x=1`)
//! and one slash at the end left out, because frameworks leave them out before they route. So `/%6cogin` and
//! `/login;a=b` are matched as `/login`, and forwarded as they came.

use std::borrow::Cow;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// `.` or `..`, also escaped, with parameters, or with spaces around.
    #[error("the path has a dot segment")]
    DotSegment,
    /// `//`, or a segment of nothing but parameters.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// A backslash, or an escaped slash or backslash.
    #[error("the path has a backslash or an escaped separator")]
    Separator,
    /// A control byte, escaped or not.
    #[error("the path has a control byte")]
    Control,
    /// `%` without two hex digits, escapes that are no UTF-8 (overlong forms among them), or a byte that must be
    /// escaped.
    #[error("the path has an escape that is not valid")]
    Escape,
    /// An escaped escape of something that this rule refuses: `%252e`.
    #[error("the path escapes a dot or a separator twice")]
    EscapedTwice,
    /// An escaped space at the edge of a segment: some servers trim it.
    #[error("a segment of the path begins or ends with a space")]
    EdgeSpace,
}

/// Checks a path; its matching form.
pub(super) fn check(path: &str) -> Result<Cow<'_, str>, PathFault> {
    let bytes = path.as_bytes();
    let [b'/', rest @ ..] = bytes else { return Err(PathFault::EmptySegment) };
    let mut altered = false;
    let mut begins = 1;
    let mut dots = false;
    for (at, &byte) in (1..).zip(rest) {
        match CLASS[usize::from(byte)] {
            Class::Plain => {}
            Class::Slash => {
                check_segment(&bytes[begins..at], dots)?;
                (begins, dots) = (at + 1, false);
            }
            Class::Dot => dots = true,
            Class::Semicolon => (altered, dots) = (true, true),
            Class::Percent => {
                (altered, dots) = (true, true);
                check_escape(&bytes[at..])?;
            }
            Class::Backslash => return Err(PathFault::Separator),
            Class::Control => return Err(PathFault::Control),
            Class::High => return Err(PathFault::Escape),
        }
    }
    if begins < bytes.len() {
        check_segment(&bytes[begins..], dots)?;
    }
    if altered {
        return matching_form(path).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(without_last_slash(path)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Slash,
    Dot,
    Semicolon,
    Percent,
    Backslash,
    Control,
    High,
}

static CLASS: [Class; 256] = {
    let mut table = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'/' => Class::Slash,
            b'.' => Class::Dot,
            b';' => Class::Semicolon,
            b'%' => Class::Percent,
            b'\\' => Class::Backslash,
            0..=0x20 | 0x7f => Class::Control,
            0x80.. => Class::High,
            _ => Class::Plain,
        };
        byte += 1;
    }
    table
};

/// `suspect`: it holds a dot, an escape or a parameter; nothing else can be wrong with it.
fn check_segment(segment: &[u8], suspect: bool) -> Result<(), PathFault> {
    if segment.is_empty() {
        return Err(PathFault::EmptySegment);
    }
    if !suspect {
        return Ok(());
    }
    let (mut dots, mut others) = (0, 0);
    let (mut first, mut last) = (None, None);
    for byte in Unescaped(segment).take_while(|&byte| byte != b';') {
        first = first.or(Some(byte));
        last = Some(byte);
        match byte {
            b'.' => dots += 1,
            b' ' => {}
            _ => others += 1,
        }
    }
    match (dots, others) {
        (0, 0) => Err(PathFault::EmptySegment),
        (1 | 2, 0) => Err(PathFault::DotSegment),
        _ if first == Some(b' ') || last == Some(b' ') => Err(PathFault::EdgeSpace),
        _ => Ok(()),
    }
}

fn check_escape(text: &[u8]) -> Result<(), PathFault> {
    match unescape(text).ok_or(PathFault::Escape)? {
        b'/' | b'\\' => Err(PathFault::Separator),
        0..=0x1f | 0x7f => Err(PathFault::Control),
        b'%' => match twice(text) {
            Some(b'/' | b'\\' | b'.' | b';' | b'%' | 0..=0x1f | 0x7f) => Err(PathFault::EscapedTwice),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The byte that `%XX` at the start of `text` stands for.
fn unescape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    Some(hex(*high)? << 4 | hex(*low)?)
}

/// What `%25XX` stands for when it is unescaped twice.
fn twice(text: &[u8]) -> Option<u8> {
    let [_, _, _, high, low, ..] = text else { return None };
    Some(hex(*high)? << 4 | hex(*low)?)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The bytes with valid escapes undone.
struct Unescaped<'a>(&'a [u8]);

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        if let Some(byte) = unescape(self.0) {
            self.0 = &self.0[3..];
            return Some(byte);
        }
        self.0 = rest;
        Some(first)
    }
}

fn matching_form(path: &str) -> Result<String, PathFault> {
    let mut form = Vec::with_capacity(path.len());
    for segment in without_last_slash(path).as_bytes()[1..].split(|&byte| byte == b'/') {
        form.push(b'/');
        form.extend(Unescaped(segment).take_while(|&byte| byte != b';'));
    }
    // Checked before the parameters are cut off too: an overlong escape hides in them as well.
    if str::from_utf8(&Unescaped(path.as_bytes()).collect::<Vec<_>>()).is_err() {
        return Err(PathFault::Escape);
    }
    String::from_utf8(form).map_err(|_| PathFault::Escape)
}

fn without_last_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some("") | None => path,
        Some(shorter) => shorter,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_be_read_as_another_path_is_refused() {
        use PathFault::*;
        let cases = [
            ("/..", DotSegment),
            ("/.", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/..", DotSegment),
            ("/a/../", DotSegment),
            ("/a/%2e%2e/b", DotSegment),
            ("/a/%2E./b", DotSegment),
            ("/a/.%2e/b", DotSegment),
            ("/a/..;/b", DotSegment),
            ("/a/..;foo=bar/b", DotSegment),
            ("/a/%2e%2e;x/b", DotSegment),
            ("/a/..%3bx/b", DotSegment),
            ("/a/.;/b", DotSegment),
            ("/a/..%20/b", DotSegment),
            ("/a/%20../b", DotSegment),
            ("//", EmptySegment),
            ("//evil.example/x", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a//", EmptySegment),
            ("/;x=1/a", EmptySegment),
            ("/a/;/b", EmptySegment),
            ("/a/%3b/b", EmptySegment),
            ("/a%2fb", Separator),
            ("/a%2Fb", Separator),
            ("/a%5cb", Separator),
            ("/a%5Cb", Separator),
            ("/a\\b", Separator),
            ("/\\evil.example", Separator),
            ("/..%2f..", Separator),
            ("/a%00", Control),
            ("/a%00.json", Control),
            ("/a%0d%0aX: y", Control),
            ("/a%1f", Control),
            ("/a%7f", Control),
            ("/a\tb", Control),
            ("/a b", Control),
            ("/a%", Escape),
            ("/a%2", Escape),
            ("/a%2g", Escape),
            ("/a%u002e", Escape),
            ("/%c0%ae%c0%ae/b", Escape),
            ("/%c0%af", Escape),
            ("/%e0%80%af", Escape),
            ("/a;x=%c0%af", Escape),
            ("/ä", Escape),
            ("/%252e%252e/b", EscapedTwice),
            ("/a%252fb", EscapedTwice),
            ("/a%255cb", EscapedTwice),
            ("/a%2500", EscapedTwice),
            ("/a%25252e", EscapedTwice),
            ("/a/%20z", EdgeSpace),
            ("/a%20/z", EdgeSpace),
            ("/a%20;v=1/z", EdgeSpace),
            ("/z%20", EdgeSpace),
            ("", EmptySegment),
            ("a/b", EmptySegment),
        ];
        for (path, fault) in cases {
            assert_eq!(check(path), Err(fault), "{path}");
        }
    }

    #[test]
    fn ordinary_paths_pass_in_their_matching_form() {
        let cases = [
            ("/", "/"),
            ("/web/v1/tenant/profile", "/web/v1/tenant/profile"),
            ("/a/", "/a"),
            ("/a.b/c.json", "/a.b/c.json"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a..b", "/a..b"),
            ("/%6cogin/initiate", "/login/initiate"),
            ("/login;v=1/initiate;a/", "/login/initiate"),
            ("/a%20b", "/a b"),
            ("/100%25", "/100%"),
            ("/%E4%B8%AD", "/中"),
            ("/a+b~c@d:e!$&'()*,=", "/a+b~c@d:e!$&'()*,="),
        ];
        for (path, form) in cases {
            assert_eq!(check(path).as_deref(), Ok(form), "{path}");
        }
    }

    /// What an eager server does: unescape, drop parameters, then resolve dots and fold slashes.
    fn eagerly_resolved(path: &str) -> Option<Vec<String>> {
        let text = String::from_utf8(Unescaped(path.as_bytes()).collect()).ok()?;
        let mut segments = Vec::new();
        for segment in text.replace('\\', "/").split('/') {
            match segment.split(';').next().unwrap_or("").trim_matches(' ') {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                other => segments.push(other.to_owned()),
            }
        }
        Some(segments)
    }

    fn path() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("/"),
            Just("."),
            Just(".."),
            Just(";"),
            Just("%2e"),
            Just("%2F"),
            Just("%5c"),
            Just("%25"),
            Just("2e"),
            Just("%3b"),
            Just("%20"),
            Just("\\"),
            Just("a"),
            Just("login"),
            Just("%6c"),
            Just("%c0"),
            Just("%ae"),
            Just("%00"),
            Just("%"),
            Just("x=1"),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn an_accepted_path_means_the_same_to_an_eager_server(path in path()) {
            if let Ok(form) = check(&path) {
                let ours: Vec<String> =
                    form.split('/').map(|s| s.trim_matches(' ').to_owned()).filter(|s| !s.is_empty()).collect();
                prop_assert_eq!(Some(ours), eagerly_resolved(&path), "{}", path);
            }
        }

        #[test]
        fn no_text_makes_it_panic_and_plain_segments_always_pass(text in "\\PC*", plain in "(/[a-zA-Z0-9_~-]{1,8}){1,6}") {
            let _ = check(&text);
            let form = check(&plain);
            prop_assert_eq!(form.as_deref(), Ok(plain.as_str()));
        }
    }
}
