//! A dialect: one deployment's spelling of the protocol, as data (PROTOCOL section 11).

use http::{HeaderName, HeaderValue};

use crate::channel::Spelling;

/// One deployment's spelling of the protocol. Presets come from [`Dialect::preset`]; every field may be
/// overridden one by one.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// Where auth calls live, such as `/web/v1/tenant/auth`; no slash at the end.
    pub auth_base: String,
    /// Where channel calls live, such as `/web/v1/secure-channel`.
    pub channel_base: String,
    /// The profile's path.
    pub profile_path: String,
    /// The path of the refresh call, relative to the base URL.
    pub refresh_path: String,
    /// The path of the logout call, relative to the base URL.
    pub logout_path: String,
    /// Where login calls live: `{auth}/login`, or `/login` in `sdk`.
    pub login_base: String,
    /// `None` where the deployment has no secure channel (`plain`).
    pub channel: Option<Spelling>,
    /// The header that names the channel.
    pub session_header: HeaderName,
    /// Whether `X-SC-Version: 2` goes beside it.
    pub sc_version: bool,
    /// The `Content-Type` of a sealed body.
    pub sealed_content_type: HeaderValue,
    /// What stands for the body of a sealed call that has none (ruling 4).
    pub empty_body: EmptyBody,
    /// How `method` is sent.
    pub method_form: MethodForm,
    /// Paths (relative to the base URL, no pattern characters but a trailing `*`) whose bodies are sealed.
    pub sealed_paths: Vec<String>,
    /// Whether the portal wants an `X-Request-Id`; one is sent in any case.
    pub request_id_required: bool,
}

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

/// Ruling 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyBody {
    /// A sealed `{}`.
    #[default]
    Object,
    /// The session header alone.
    Header,
}

/// How `method` is spelled in mfa/send and complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodForm {
    /// `10011002`.
    Integer,
    /// `"OTP"`.
    Name,
    /// As it was offered (ruling 8).
    AsReceived,
}

/// The calls that have a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `GET {sc}/public-key`.
    PublicKey,
    /// `POST {sc}/session`.
    Session,
    /// `POST {sc}/session/close`.
    SessionClose,
    /// `POST {auth}/login/initiate`.
    Initiate,
    /// `POST {auth}/login/mfa/send`.
    MfaSend,
    /// `POST {auth}/login/complete`.
    Complete,
    /// `POST {auth}/token/refresh`.
    Refresh,
    /// `POST {auth}/logout`.
    Logout,
    /// `GET …/profile`.
    Profile,
}

impl Dialect {
    /// A preset for the portal named `portal`, such as `tenant`.
    pub fn preset(_preset: Preset, _portal: &str) -> Self {
        unimplemented!()
    }

    /// The path of a call, relative to the base URL.
    pub fn path(&self, _endpoint: Endpoint) -> String {
        unimplemented!()
    }
}
