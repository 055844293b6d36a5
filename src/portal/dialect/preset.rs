//! The columns of PROTOCOL section 11.

use http::{HeaderName, HeaderValue};

use super::{Dialect, EmptyBody, MethodForm, RequestTemplates};
use crate::channel::{Aad, Base64, EnvelopeForm, KeyExchange, OaepHash, Spelling};

/// The presets of PROTOCOL section 11, and `plain` for a deployment without a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// The default.
    #[default]
    Guide,
    /// The strict handbook: binary envelopes.
    Scv2,
    /// The web SDK's.
    Sdk,
    /// The oldest.
    Wiki,
    /// No secure channel.
    Plain,
}

impl Preset {
    /// Every preset, the default first.
    pub const ALL: [Self; 5] = [Self::Guide, Self::Scv2, Self::Sdk, Self::Wiki, Self::Plain];

    /// The name that a configuration uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guide => "guide",
            Self::Scv2 => "scv2",
            Self::Sdk => "sdk",
            Self::Wiki => "wiki",
            Self::Plain => "plain",
        }
    }

    /// The preset of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }
}

impl Dialect {
    /// A preset for the portal named `portal`, such as `tenant`.
    pub fn preset(preset: Preset, portal: &str) -> Self {
        match preset {
            Preset::Guide => Self::guide(portal),
            Preset::Scv2 => Self::scv2(portal),
            Preset::Sdk => Self::sdk(portal),
            Preset::Wiki => Self::wiki(portal),
            Preset::Plain => Self { channel: None, sealed_paths: Vec::new(), ..Self::guide(portal) },
        }
    }

    fn guide(portal: &str) -> Self {
        Self {
            portal: portal.to_owned(),
            auth_base: "/web/v1/{portal}/auth".into(),
            login_base: "{auth}/login".into(),
            register_base: "{auth}/register".into(),
            password_base: "{auth}/password".into(),
            security_base: "/web/v1/{portal}/security".into(),
            channel_base: "/web/v1/secure-channel".into(),
            profile_path: "/web/v1/{portal}/profile".into(),
            refresh_path: "{auth}/token/refresh".into(),
            logout_path: "{auth}/logout".into(),
            terminate_path: "{security}/sessions/{session_id}".into(),
            terminate_others_path: "{security}/sessions/terminate-others".into(),
            channel: Some(SPELLING),
            session_header: HeaderName::from_static("x-secure-channel-session-id").into(),
            sc_version: false,
            sealed_content_type: HeaderValue::from_static("application/json"),
            empty_body: EmptyBody::Object,
            method_form: MethodForm::Integer,
            sealed_paths: SEALED.into_iter().map(str::to_owned).collect(),
            accept_plain_success: false,
            requests: RequestTemplates::default(),
            request_id_required: false,
        }
    }

    fn scv2(portal: &str) -> Self {
        let mut dialect = Self::guide(portal);
        dialect.channel = Some(Spelling { envelope: EnvelopeForm::Binary, ..SPELLING });
        dialect.session_header = HeaderName::from_static("x-sc-session-id").into();
        dialect.sc_version = true;
        dialect.sealed_content_type = HeaderValue::from_static("application/json;charset=UTF-8");
        let refresh = dialect.refresh_path.clone();
        dialect.sealed_paths.push(refresh);
        dialect
    }

    /// Ruling 8: register and password calls stand under `/auth` there.
    fn sdk(portal: &str) -> Self {
        Self {
            auth_base: "/auth".into(),
            login_base: "/login".into(),
            channel_base: "/sc".into(),
            refresh_path: "{auth}/refresh".into(),
            session_header: HeaderName::from_static("x-sc-session-id").into(),
            sc_version: true,
            method_form: MethodForm::AsReceived,
            ..Self::guide(portal)
        }
    }

    fn wiki(portal: &str) -> Self {
        Self {
            auth_base: "/web/v1/users/self/auth".into(),
            method_form: MethodForm::Name,
            ..Self::guide(portal)
        }
    }
}

/// What PROTOCOL section 12 leaves open, as it is most likely (sections 3.2, 3.5; ruling 13).
const SPELLING: Spelling = Spelling {
    envelope: EnvelopeForm::Json,
    oaep_hash: OaepHash::Sha256,
    mgf1_hash: OaepHash::Sha256,
    aad: Aad::None,
    base64: Base64::Standard,
    key_exchange: KeyExchange::Session,
};

/// Ruling 3.
const SEALED: [&str; 10] = [
    "{login}/initiate",
    "{login}/mfa/send",
    "{login}/complete",
    "{register}/initiate",
    "{register}/verify",
    "{password}/forgot",
    "{password}/reset",
    "{password}/init",
    "{password}/change",
    "{security}/mfa/otp/verify",
];

#[cfg(test)]
mod tests {
    use super::super::Endpoint;
    use super::*;

    fn paths(preset: Preset) -> Vec<String> {
        let dialect = Dialect::preset(preset, "tenant");
        [
            Endpoint::PublicKey,
            Endpoint::SessionClose,
            Endpoint::Initiate,
            Endpoint::MfaSend,
            Endpoint::Complete,
            Endpoint::Refresh,
            Endpoint::Logout,
            Endpoint::Profile,
            Endpoint::RegisterVerify,
            Endpoint::PasswordForgot,
            Endpoint::OtpVerify,
        ]
        .map(|endpoint| dialect.path(endpoint))
        .to_vec()
    }

    #[test]
    fn section_11_paths_of_guide_scv2_and_plain() {
        let expected = [
            "/web/v1/secure-channel/public-key",
            "/web/v1/secure-channel/session/close",
            "/web/v1/tenant/auth/login/initiate",
            "/web/v1/tenant/auth/login/mfa/send",
            "/web/v1/tenant/auth/login/complete",
            "/web/v1/tenant/auth/token/refresh",
            "/web/v1/tenant/auth/logout",
            "/web/v1/tenant/profile",
            "/web/v1/tenant/auth/register/verify",
            "/web/v1/tenant/auth/password/forgot",
            "/web/v1/tenant/security/mfa/otp/verify",
        ];
        for preset in [Preset::Guide, Preset::Scv2, Preset::Plain] {
            assert_eq!(paths(preset), expected, "{preset:?}");
        }
    }

    #[test]
    fn section_11_and_ruling_8_paths_of_sdk() {
        let expected = [
            "/sc/public-key",
            "/sc/session/close",
            "/login/initiate",
            "/login/mfa/send",
            "/login/complete",
            "/auth/refresh",
            "/auth/logout",
            "/web/v1/tenant/profile",
            "/auth/register/verify",
            "/auth/password/forgot",
            "/web/v1/tenant/security/mfa/otp/verify",
        ];
        assert_eq!(paths(Preset::Sdk), expected);
    }

    #[test]
    fn section_11_paths_of_wiki() {
        let paths = paths(Preset::Wiki);
        assert_eq!(paths[0], "/web/v1/secure-channel/public-key");
        assert_eq!(paths[2], "/web/v1/users/self/auth/login/initiate");
        assert_eq!(paths[5], "/web/v1/users/self/auth/token/refresh");
    }

    #[test]
    fn section_11_cells_that_are_no_paths() {
        let cells = |preset| {
            let d = Dialect::preset(preset, "tenant");
            (
                d.session_header.get().to_string(),
                d.sc_version,
                d.sealed_content_type.to_str().unwrap().to_owned(),
                d.channel.map(|spelling| spelling.envelope),
                d.method_form,
            )
        };
        let cell = |header: &str, version, content_type: &str, envelope, method| {
            (header.to_owned(), version, content_type.to_owned(), envelope, method)
        };
        let (long, short) = ("x-secure-channel-session-id", "x-sc-session-id");
        let (json, utf8) = ("application/json", "application/json;charset=UTF-8");
        let (in_json, in_binary) = (Some(EnvelopeForm::Json), Some(EnvelopeForm::Binary));
        assert_eq!(cells(Preset::Guide), cell(long, false, json, in_json, MethodForm::Integer));
        assert_eq!(cells(Preset::Scv2), cell(short, true, utf8, in_binary, MethodForm::Integer));
        assert_eq!(cells(Preset::Sdk), cell(short, true, json, in_json, MethodForm::AsReceived));
        assert_eq!(cells(Preset::Wiki), cell(long, false, json, in_json, MethodForm::Name));
        assert_eq!(cells(Preset::Plain), cell(long, false, json, None, MethodForm::Integer));
    }

    #[test]
    fn ruling_3_which_calls_are_sealed() {
        let strict = [
            Endpoint::Initiate,
            Endpoint::MfaSend,
            Endpoint::Complete,
            Endpoint::RegisterInitiate,
            Endpoint::RegisterVerify,
            Endpoint::PasswordForgot,
            Endpoint::PasswordReset,
            Endpoint::PasswordInit,
            Endpoint::PasswordChange,
            Endpoint::OtpVerify,
        ];
        for preset in Preset::ALL {
            let dialect = Dialect::preset(preset, "consumer");
            for endpoint in Endpoint::ALL {
                let expected = match preset {
                    Preset::Plain => false,
                    Preset::Scv2 => strict.contains(&endpoint) || endpoint == Endpoint::Refresh,
                    Preset::Guide | Preset::Sdk | Preset::Wiki => strict.contains(&endpoint),
                };
                assert_eq!(dialect.seals(&dialect.path(endpoint)), expected, "{preset:?} {endpoint:?}");
            }
        }
    }

    #[test]
    fn ruling_4_an_empty_sealed_body_is_an_object() {
        for preset in Preset::ALL {
            assert_eq!(Dialect::preset(preset, "tenant").empty_body, EmptyBody::Object);
        }
    }

    #[test]
    fn every_preset_holds_together_and_is_found_by_its_name() {
        for preset in Preset::ALL {
            assert_eq!(Dialect::preset(preset, "tenant").problems(), Vec::<String>::new(), "{preset:?}");
            assert_eq!(Preset::from_name(preset.name()), Some(preset));
        }
        assert_eq!(Preset::from_name("Guide"), None);
    }

    #[test]
    fn a_plain_success_to_a_sealed_call_is_believed_in_no_preset() {
        assert!(Preset::ALL.iter().all(|preset| !Dialect::preset(*preset, "tenant").accept_plain_success));
    }
}
