//! Hosts and origins: what is well formed, and what is ours.

use super::BadSettings;

/// How a caller reaches us, which is what a missing port and an origin of our own go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    /// Under TLS.
    Https,
}

impl Protocol {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Http => b"http://",
            Self::Https => b"https://",
        }
    }
}

/// A host and its port, as one of ours is written; the host in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    host: Box<str>,
    port: u16,
    /// As it was configured.
    text: Box<str>,
}

/// The two halves of a `Host` field or an authority, still as the caller wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spoken<'a> {
    host: &'a [u8],
    port: u16,
}

impl<'a> Spoken<'a> {
    /// `uri-host [ ":" port ]` (RFC 9110 section 7.2) with a host that has a name; anything more, such as user
    /// information, a path or a list, is malformed.
    pub(super) fn parse(text: &'a [u8], protocol: Protocol) -> Option<Self> {
        let host_ends = match text {
            [b'[', ..] => text.iter().position(|&b| b == b']')? + 1,
            _ => text.iter().position(|&b| b == b':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at(host_ends);
        let legal = match host {
            [b'[', inner @ .., b']'] => {
                inner.len() >= 2 && inner.iter().all(|b| matches!(b, b':' | b'.') || b.is_ascii_hexdigit())
            }
            _ => {
                !host.is_empty()
                    && host.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            }
        };
        let port = match rest {
            [] => protocol.default_port(),
            [b':', digits @ ..] => port(digits)?,
            _ => return None,
        };
        legal.then_some(Self { host, port })
    }
}

/// A port without a sign, spaces or leading zeros, so that each port has one spelling.
fn port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 || digits[0] == b'0' {
        return None;
    }
    let number =
        digits.iter().try_fold(0_u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))?;
    u16::try_from(number).ok()
}

impl Authority {
    pub(super) fn configured(text: &str) -> Result<Self, BadSettings> {
        let bad = || BadSettings::Host(text.to_owned());
        let spoken = Spoken::parse(text.as_bytes(), Protocol::Http).ok_or_else(bad)?;
        let host = str::from_utf8(spoken.host).map_err(|_| bad())?.to_ascii_lowercase();
        let unspecified = |c: char| matches!(c, '0' | '.' | ':' | '[' | ']');
        if host.chars().all(unspecified) {
            return Err(BadSettings::Unspecified(text.to_owned()));
        }
        Ok(Self { host: host.into(), port: spoken.port, text: text.into() })
    }

    fn is(&self, spoken: Spoken<'_>) -> bool {
        self.port == spoken.port && self.host.as_bytes().eq_ignore_ascii_case(spoken.host)
    }
}

/// The names that are ours.
#[derive(Debug, Clone)]
pub(super) struct OwnNames(pub(super) Vec<Authority>);

impl OwnNames {
    /// Which of them it is to the letter.
    pub(super) fn find_written(&self, host: &[u8]) -> Option<usize> {
        self.0.iter().position(|own| own.text.as_bytes() == host)
    }

    /// Which of them it is, whatever the case.
    pub(super) fn find(&self, spoken: Spoken<'_>) -> Option<usize> {
        self.0.iter().position(|own| own.is(spoken))
    }
}

/// The same host and port, whatever the case.
pub(super) fn same(a: Spoken<'_>, b: Spoken<'_>) -> bool {
    a.port == b.port && a.host.eq_ignore_ascii_case(b.host)
}

/// An origin that may call us, as a browser writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin(Box<str>);

impl Origin {
    pub(super) fn configured(text: &str) -> Result<Self, BadSettings> {
        let bad = || BadSettings::Origin(text.to_owned());
        let (scheme, authority) = text.split_once("://").ok_or_else(bad)?;
        let legal_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        if !legal_scheme || Spoken::parse(authority.as_bytes(), Protocol::Http).is_none() {
            return Err(bad());
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    pub(super) fn is(&self, spoken: &[u8]) -> bool {
        self.0.as_bytes().eq_ignore_ascii_case(spoken)
    }
}

/// What an `Origin` of a page that we served ourselves looks like: our protocol at one of our names.
pub(super) fn own_origin(origin: &[u8], protocol: Protocol) -> Option<Spoken<'_>> {
    let prefix = protocol.prefix();
    let (scheme, authority) = origin.split_at_checked(prefix.len())?;
    if !scheme.eq_ignore_ascii_case(prefix) {
        return None;
    }
    Spoken::parse(authority, protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(host: &str) -> bool {
        let names = super::super::own_names(8787);
        let own = OwnNames(names.iter().map(|name| Authority::configured(name).unwrap()).collect());
        Spoken::parse(host.as_bytes(), Protocol::Http).is_some_and(|spoken| own.find(spoken).is_some())
    }

    #[test]
    fn our_names_are_exact_with_their_port() {
        for host in ["127.0.0.1:8787", "[::1]:8787", "localhost:8787", "LocalHost:8787"] {
            assert!(ours(host), "{host}");
        }
        let foreign = [
            "localhost",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost:8788",
            "0.0.0.0:8787",
            "127.1:8787",
            "2130706433:8787",
            "127.0.0.2:8787",
            "localhost.:8787",
            "localhost6:8787",
            "localhost.evil:8787",
            "evil.localhost:8787",
            "[::]:8787",
            "[::ffff:127.0.0.1]:8787",
            "[0:0:0:0:0:0:0:1]:8787",
            "localhost:08787",
            "localhost:+8787",
            "localhost:8787 ",
            "localhost:",
            "::1:8787",
        ];
        for host in foreign {
            assert!(!ours(host), "{host}");
        }
    }

    #[test]
    fn only_port_80_may_go_without_saying() {
        let names = OwnNames(vec![Authority::configured("localhost:80").unwrap()]);
        assert_eq!(names.find(Spoken::parse(b"localhost", Protocol::Http).unwrap()), Some(0));
        assert_eq!(names.find(Spoken::parse(b"localhost:80", Protocol::Http).unwrap()), Some(0));
    }

    #[test]
    fn malformed_hosts_are_told_from_foreign_ones() {
        let malformed: [&[u8]; 17] = [
            b"",
            b" ",
            b":8787",
            b"a b:8787",
            b"user@localhost:8787",
            b"localhost:8787/path",
            b"localhost:8787,evil",
            b"localhost:8787, localhost:8787",
            b"[::1",
            b"[::1]8787",
            b"[]:8787",
            b"[g::1]:8787",
            b"localhost:0",
            b"localhost:65536",
            b"localhost:80:80",
            b"localhost\\:8787",
            b"loc\xc3\xa4l:8787",
        ];
        for host in malformed {
            assert_eq!(Spoken::parse(host, Protocol::Http), None, "{}", String::from_utf8_lossy(host));
        }
        assert!(Spoken::parse(b"evil.example", Protocol::Http).is_some());
    }

    #[test]
    fn what_addresses_nobody_cannot_be_configured() {
        for host in ["0.0.0.0:8787", "[::]:8787", "0:8787"] {
            assert_eq!(Authority::configured(host), Err(BadSettings::Unspecified(host.to_owned())));
        }
        for origin in ["*", "null", "localhost:5173", "http://", "http://a/b", "http://u@a", "://a"] {
            assert_eq!(Origin::configured(origin), Err(BadSettings::Origin(origin.to_owned())));
        }
    }
}
