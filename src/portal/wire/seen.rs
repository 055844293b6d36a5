//! One pass over an answer's JSON that keeps the few members an envelope is told by, and skips all others
//! without storing them: a business answer of megabytes costs a scan and nothing else.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What was seen of a JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// `null`, a list, or anything without meaning here.
    Other,
    Bool(bool),
    Number(f64),
    Text(String),
    /// The members that mean something, in their order; the first of two of one name counts.
    Object(Vec<(Member, Self)>),
}

/// A member that means something in an envelope, in its `data`, or in `sdk`'s `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Success,
    Code,
    Data,
    Error,
    IsPendingApproval,
    AccountStatus,
    CooldownSeconds,
}

impl Member {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "success" => Self::Success,
            "code" => Self::Code,
            "data" => Self::Data,
            "error" => Self::Error,
            "isPendingApproval" => Self::IsPendingApproval,
            "accountStatus" => Self::AccountStatus,
            "cooldownSeconds" => Self::CooldownSeconds,
            _ => return None,
        })
    }
}

impl Seen {
    /// Reads a body that is one JSON object; `None` for anything else, at once where its first byte says so.
    pub(super) fn object(body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let first = body.iter().find(|b| !b.is_ascii_whitespace())?;
        if *first != b'{' {
            return None;
        }
        serde_json::from_slice(body).ok()
    }

    /// A member of an object.
    pub(super) fn member(&self, member: Member) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find_map(|(of, seen)| (*of == member).then_some(seen)),
            Self::Other | Self::Bool(_) | Self::Number(_) | Self::Text(_) => None,
        }
    }

    /// `true` or `false`, as such or as text.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            Self::Text(text) => text.trim().to_ascii_lowercase().parse().ok(),
            Self::Other | Self::Number(_) | Self::Object(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeenVisitor)
    }
}

struct SeenVisitor;

impl<'de> Visitor<'de> for SeenVisitor {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(Seen::Bool(value))
    }

    // Codes and seconds are far below 2^53, where an f64 stops being exact.
    fn visit_i64<E>(self, value: i64) -> Result<Seen, E> {
        Ok(Seen::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Seen, E> {
        Ok(Seen::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Seen, E> {
        Ok(Seen::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        let mut seen = Vec::new();
        while let Some(MemberKey(member)) = members.next_key()? {
            match member {
                Some(member) => seen.push((member, members.next_value()?)),
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Seen::Object(seen))
    }
}

struct MemberKey(Option<Member>);

impl<'de> Deserialize<'de> for MemberKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = MemberKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_str<E>(self, name: &str) -> Result<MemberKey, E> {
                Ok(MemberKey(Member::named(name)))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_something_is_kept() {
        let seen =
            Seen::object(br#"{"a":[1,{"code":"x"}],"code":"2000","data":{"list":[{}],"code":7}}"#).unwrap();
        let data = Seen::Object(vec![(Member::Code, Seen::Number(7.0))]);
        let code = Seen::Text("2000".into());
        assert_eq!(seen, Seen::Object(vec![(Member::Code, code), (Member::Data, data)]));
    }

    #[test]
    fn what_is_no_object_is_not_read() {
        for body in [&b""[..], b"  ", b"[1]", b"\"{\"", b"<html>{", b"{", b"{}x", b"\xff{}", b"null"] {
            assert_eq!(Seen::object(body), None, "{body:?}");
        }
        assert!(Seen::object(b"\xEF\xBB\xBF \r\n{}\n").is_some());
    }

    #[test]
    fn a_page_of_html_is_told_by_its_first_byte() {
        let mut page = b"<!DOCTYPE html>".to_vec();
        page.resize(64 << 20, b'{');
        let start = std::time::Instant::now();
        assert_eq!(Seen::object(&page), None);
        assert!(start.elapsed() < std::time::Duration::from_millis(100));
    }
}
