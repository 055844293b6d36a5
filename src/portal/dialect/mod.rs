//! A dialect: one deployment's spelling of the protocol, as data (PROTOCOL section 11).
//!
//! Paths are templates: a base that is overridden takes along every path that stands under it. They are read
//! through [`Dialect::path`], [`Dialect::sealed_paths`] and [`Dialect::pre_login_paths`], which expand them.

mod endpoint;
mod paths;
mod preset;
mod request;

#[cfg(test)]
mod tests;

use http::HeaderValue;

use crate::channel::{SessionHeader, Spelling};

pub use endpoint::Endpoint;
pub use preset::Preset;
pub use request::{BadTemplate, MissingValue, RequestTemplate, RequestTemplates};

/// One deployment's spelling of the protocol. Presets come from [`Dialect::preset`]; every field may be
/// overridden one by one, and [`Dialect::problems`] then says whether it still holds together.
///
/// Every path is a template, relative to the base URL. It may hold `{portal}`, and the bases by name:
/// `{auth}`, `{login}`, `{register}`, `{password}`, `{security}`, `{channel}`.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// The portal's name, such as `tenant`: what `{portal}` stands for.
    pub portal: String,
    /// `{auth}`: where auth calls live, such as `/web/v1/{portal}/auth`; no slash at the end.
    pub auth_base: String,
    /// `{login}`: where login calls live: `{auth}/login`, or `/login` in `sdk`.
    pub login_base: String,
    /// `{register}`: where registration lives.
    pub register_base: String,
    /// `{password}`: where the calls about passwords live.
    pub password_base: String,
    /// `{security}`: where sessions and MFA set-up live.
    pub security_base: String,
    /// `{channel}`: where channel calls live, such as `/web/v1/secure-channel`.
    pub channel_base: String,
    /// The profile's path.
    pub profile_path: String,
    /// The path of the refresh call.
    pub refresh_path: String,
    /// The path of the logout call.
    pub logout_path: String,
    /// The path that ends one sign-in, with `{session_id}` for its id; not documented anywhere.
    pub terminate_path: String,
    /// The path that ends every sign-in but the caller's; not documented anywhere.
    pub terminate_others_path: String,
    /// `None` where the deployment has no secure channel (`plain`).
    pub channel: Option<Spelling>,
    /// The header that names the channel.
    pub session_header: SessionHeader,
    /// Whether `X-SC-Version: 2` goes beside it.
    pub sc_version: bool,
    /// The `Content-Type` of a sealed body.
    pub sealed_content_type: HeaderValue,
    /// What stands for the body of a sealed call that has none (ruling 4).
    pub empty_body: EmptyBody,
    /// How `method` is sent.
    pub method_form: MethodForm,
    /// Paths whose bodies are sealed (ruling 3): templates, no pattern characters but a trailing `*`. Read
    /// them through [`Dialect::sealed_paths`].
    pub sealed_paths: Vec<String>,
    /// Whether a plain *success* is believed as the answer to a sealed call. Off, so that nobody without the
    /// channel's keys can speak for the portal there; errors may be plain in any case (PROTOCOL section 4).
    pub accept_plain_success: bool,
    /// Bodies of requests whose fields PROTOCOL section 8 only infers.
    pub requests: RequestTemplates,
    /// Whether the portal wants an `X-Request-Id`; one is sent in any case.
    pub request_id_required: bool,
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
