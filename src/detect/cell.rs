//! The settings of a dialect, one by one: how each is called, written, compared and copied.

use crate::channel::{Aad, Base64, EnvelopeForm, KeyExchange, OaepHash, Spelling};
use crate::portal::{Dialect, EmptyBody, Endpoint, MethodForm};

/// One setting of a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cell {
    /// `auth_base`.
    AuthBase,
    /// `login_base`.
    LoginBase,
    /// `channel_base`.
    ChannelBase,
    /// `refresh_path`.
    RefreshPath,
    /// `profile_path`.
    ProfilePath,
    /// `session_header`.
    SessionHeader,
    /// `sc_version`.
    ScVersion,
    /// `content_type`.
    ContentType,
    /// `envelope`.
    Envelope,
    /// `key_exchange`.
    KeyExchange,
    /// `oaep_hash`.
    OaepHash,
    /// `mgf1_hash`.
    Mgf1Hash,
    /// `aad`.
    Aad,
    /// `base64`.
    Base64,
    /// `empty_body`.
    EmptyBody,
    /// `method`.
    Method,
    /// `sealed_paths`.
    SealedPaths,
    /// `accept_plain_success`.
    AcceptPlainSuccess,
    /// `request_id_required`.
    RequestIdRequired,
}

impl Cell {
    /// Every setting: bases before what stands on them, since a base that moves takes its paths along.
    pub const ALL: [Self; 19] = [
        Self::AuthBase,
        Self::LoginBase,
        Self::ChannelBase,
        Self::RefreshPath,
        Self::ProfilePath,
        Self::SessionHeader,
        Self::ScVersion,
        Self::ContentType,
        Self::Envelope,
        Self::KeyExchange,
        Self::OaepHash,
        Self::Mgf1Hash,
        Self::Aad,
        Self::Base64,
        Self::EmptyBody,
        Self::Method,
        Self::SealedPaths,
        Self::AcceptPlainSuccess,
        Self::RequestIdRequired,
    ];

    /// The key in the section `[dialect]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::AuthBase => "auth_base",
            Self::LoginBase => "login_base",
            Self::ChannelBase => "channel_base",
            Self::RefreshPath => "refresh_path",
            Self::ProfilePath => "profile_path",
            Self::SessionHeader => "session_header",
            Self::ScVersion => "sc_version",
            Self::ContentType => "content_type",
            Self::Envelope => "envelope",
            Self::KeyExchange => "key_exchange",
            Self::OaepHash => "oaep_hash",
            Self::Mgf1Hash => "mgf1_hash",
            Self::Aad => "aad",
            Self::Base64 => "base64",
            Self::EmptyBody => "empty_body",
            Self::Method => "method",
            Self::SealedPaths => "sealed_paths",
            Self::AcceptPlainSuccess => "accept_plain_success",
            Self::RequestIdRequired => "request_id_required",
        }
    }

    /// Whether the setting has a meaning without a channel.
    pub fn needs_channel(self) -> bool {
        !matches!(
            self,
            Self::AuthBase
                | Self::LoginBase
                | Self::RefreshPath
                | Self::ProfilePath
                | Self::Method
                | Self::RequestIdRequired
        )
    }

    /// The value as the configuration writes it, in TOML.
    pub fn written(self, dialect: &Dialect) -> String {
        let spelling = dialect.channel;
        let word = |of: fn(Spelling) -> &'static str| quoted(spelling.map_or("", of));
        match self {
            Self::AuthBase => quoted(&dialect.auth_base),
            Self::LoginBase => quoted(&dialect.login_base),
            Self::ChannelBase => quoted(&dialect.channel_base),
            Self::RefreshPath => quoted(&dialect.refresh_path),
            Self::ProfilePath => quoted(&dialect.profile_path),
            Self::SessionHeader => quoted(&in_title_case(dialect.session_header.get().as_str())),
            Self::ScVersion => dialect.sc_version.to_string(),
            Self::ContentType => quoted(dialect.sealed_content_type.to_str().unwrap_or_default()),
            Self::Envelope => word(|spelling| match spelling.envelope {
                EnvelopeForm::Json => "json",
                EnvelopeForm::Binary => "binary",
                EnvelopeForm::Raw => "raw",
            }),
            Self::KeyExchange => word(|spelling| match spelling.key_exchange {
                KeyExchange::Session => "session",
                KeyExchange::FirstMessage => "first-message",
            }),
            Self::OaepHash => word(|spelling| hash(spelling.oaep_hash)),
            Self::Mgf1Hash => word(|spelling| hash(spelling.mgf1_hash)),
            Self::Aad => word(|spelling| match spelling.aad {
                Aad::None => "none",
                Aad::SessionId => "session-id",
            }),
            Self::Base64 => word(|spelling| match spelling.base64 {
                Base64::Standard => "standard",
                Base64::Url => "url",
            }),
            Self::EmptyBody => quoted(match dialect.empty_body {
                EmptyBody::Object => "object",
                EmptyBody::Header => "header",
            }),
            Self::Method => quoted(match dialect.method_form {
                MethodForm::Integer => "integer",
                MethodForm::Name => "name",
                MethodForm::AsReceived => "as-received",
            }),
            Self::SealedPaths => {
                let paths: Vec<_> =
                    dialect.sealed_paths.iter().map(|path| format!("  {},\n", quoted(path))).collect();
                format!("[\n{}]", paths.concat())
            }
            Self::AcceptPlainSuccess => dialect.accept_plain_success.to_string(),
            Self::RequestIdRequired => dialect.request_id_required.to_string(),
        }
    }

    /// Whether two dialects agree in this setting: paths are compared as they are sent.
    pub(super) fn agrees(self, one: &Dialect, other: &Dialect) -> bool {
        match self {
            Self::LoginBase => one.path(Endpoint::Initiate) == other.path(Endpoint::Initiate),
            Self::AuthBase => one.path(Endpoint::RegisterVerify) == other.path(Endpoint::RegisterVerify),
            Self::ChannelBase => one.path(Endpoint::PublicKey) == other.path(Endpoint::PublicKey),
            Self::RefreshPath => one.path(Endpoint::Refresh) == other.path(Endpoint::Refresh),
            Self::ProfilePath => one.path(Endpoint::Profile) == other.path(Endpoint::Profile),
            Self::SealedPaths => {
                let sorted = |dialect: &Dialect| {
                    let mut paths = dialect.sealed_paths();
                    paths.sort();
                    paths
                };
                sorted(one) == sorted(other)
            }
            _ => self.written(one) == self.written(other),
        }
    }

    /// Puts the value of `from` into `into`.
    pub(super) fn copy(self, from: &Dialect, into: &mut Dialect) {
        match self {
            Self::AuthBase => into.auth_base.clone_from(&from.auth_base),
            Self::LoginBase => into.login_base.clone_from(&from.login_base),
            Self::ChannelBase => into.channel_base.clone_from(&from.channel_base),
            Self::RefreshPath => into.refresh_path.clone_from(&from.refresh_path),
            Self::ProfilePath => into.profile_path.clone_from(&from.profile_path),
            Self::SessionHeader => into.session_header = from.session_header.get().into(),
            Self::ScVersion => into.sc_version = from.sc_version,
            Self::ContentType => into.sealed_content_type.clone_from(&from.sealed_content_type),
            Self::EmptyBody => into.empty_body = from.empty_body,
            Self::Method => into.method_form = from.method_form,
            Self::SealedPaths => into.sealed_paths.clone_from(&from.sealed_paths),
            Self::AcceptPlainSuccess => into.accept_plain_success = from.accept_plain_success,
            Self::RequestIdRequired => into.request_id_required = from.request_id_required,
            Self::Envelope
            | Self::KeyExchange
            | Self::OaepHash
            | Self::Mgf1Hash
            | Self::Aad
            | Self::Base64 => {
                if let (Some(from), Some(into)) = (from.channel, into.channel.as_mut()) {
                    self.copy_spelling(from, into);
                }
            }
        }
    }

    fn copy_spelling(self, from: Spelling, into: &mut Spelling) {
        match self {
            Self::Envelope => into.envelope = from.envelope,
            Self::KeyExchange => into.key_exchange = from.key_exchange,
            Self::OaepHash => into.oaep_hash = from.oaep_hash,
            Self::Mgf1Hash => into.mgf1_hash = from.mgf1_hash,
            Self::Aad => into.aad = from.aad,
            Self::Base64 => into.base64 = from.base64,
            _ => {}
        }
    }
}

fn hash(hash: OaepHash) -> &'static str {
    match hash {
        OaepHash::Sha1 => "sha1",
        OaepHash::Sha256 => "sha256",
    }
}

/// A TOML basic string (TOML 1.0, section String).
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// As the handbooks write headers: `X-SC-Session-Id`.
fn in_title_case(name: &str) -> String {
    let parts = name.split('-').map(|part| match part {
        "sc" => "SC".to_owned(),
        part => {
            let mut letters = part.chars();
            letters
                .next()
                .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        }
    });
    parts.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portal::Preset;

    #[test]
    fn every_setting_can_be_copied_from_one_preset_to_another() {
        for from in Preset::ALL.into_iter().filter(|preset| *preset != Preset::Plain) {
            for into in Preset::ALL.into_iter().filter(|preset| *preset != Preset::Plain) {
                let from = Dialect::preset(from, "tenant");
                let mut into = Dialect::preset(into, "tenant");
                for cell in Cell::ALL {
                    cell.copy(&from, &mut into);
                }
                for cell in Cell::ALL {
                    assert!(cell.agrees(&from, &into), "{cell:?}");
                    assert_eq!(cell.written(&from), cell.written(&into));
                }
            }
        }
    }

    #[test]
    fn a_text_cannot_leave_its_string() {
        assert_eq!(quoted("a\"\\\n"), r#""a\"\\\u000A""#);
        assert_eq!(in_title_case("x-sc-session-id"), "X-SC-Session-Id");
        assert_eq!(in_title_case("x-secure-channel-session-id"), "X-Secure-Channel-Session-Id");
    }
}
