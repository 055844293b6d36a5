//! Overrides put into a preset.

use http::{HeaderName, HeaderValue};

use super::*;
use crate::channel::{Aad, Base64, EnvelopeForm, KeyExchange, OaepHash, Spelling};
use crate::portal::{EmptyBody, MethodForm};

fn preset() -> Dialect {
    let auth = "/web/v1/tenant/auth";
    Dialect {
        auth_base: auth.into(),
        channel_base: "/web/v1/secure-channel".into(),
        profile_path: "/web/v1/tenant/profile".into(),
        refresh_path: format!("{auth}/token/refresh"),
        logout_path: format!("{auth}/logout"),
        login_base: format!("{auth}/login"),
        channel: Some(Spelling {
            envelope: EnvelopeForm::Json,
            oaep_hash: OaepHash::Sha256,
            mgf1_hash: OaepHash::Sha256,
            aad: Aad::None,
            base64: Base64::Standard,
            key_exchange: KeyExchange::Session,
        }),
        session_header: HeaderName::from_static("x-secure-channel-session-id"),
        sc_version: false,
        sealed_content_type: HeaderValue::from_static("application/json"),
        empty_body: EmptyBody::Object,
        method_form: MethodForm::Integer,
        sealed_paths: vec![
            format!("{auth}/login/initiate"),
            format!("{auth}/token/refresh"),
            "/other".into(),
        ],
        request_id_required: false,
    }
}

fn applied(below: &str) -> Dialect {
    let mut dialect = preset();
    good(&format!("[dialect]\n{below}")).dialect.apply("tenant", &mut dialect);
    dialect
}

#[test]
fn nothing_written_changes_nothing() {
    assert_eq!(format!("{:?}", applied("")), format!("{:?}", preset()));
}

#[test]
fn every_cell_can_be_overridden_by_itself() {
    let seen = |below: &str, get: fn(&Dialect) -> String| get(&applied(below));
    let channel = |get: fn(&Spelling) -> String, below: &str| get(&applied(below).channel.unwrap());
    assert_eq!(seen("profile_path = \"/{portal}/me\"", |d| d.profile_path.clone()), "/tenant/me");
    assert_eq!(seen("channel_base = \"/sc\"", |d| d.channel_base.clone()), "/sc");
    assert_eq!(seen("logout_path = \"{auth}/bye\"", |d| d.logout_path.clone()), "/web/v1/tenant/auth/bye");
    assert_eq!(
        seen("session_header = \"X-SC-Session-Id\"", |d| d.session_header.to_string()),
        "x-sc-session-id"
    );
    assert_eq!(seen("sc_version = true", |d| d.sc_version.to_string()), "true");
    assert_eq!(seen("content_type = \"a/b\"", |d| format!("{:?}", d.sealed_content_type)), "\"a/b\"");
    assert_eq!(seen("empty_body = \"header\"", |d| format!("{:?}", d.empty_body)), "Header");
    assert_eq!(seen("method = \"as-received\"", |d| format!("{:?}", d.method_form)), "AsReceived");
    assert_eq!(seen("request_id_required = true", |d| d.request_id_required.to_string()), "true");
    assert_eq!(channel(|c| format!("{:?}", c.envelope), "envelope = \"binary\""), "Binary");
    assert_eq!(
        channel(|c| format!("{:?}", c.key_exchange), "key_exchange = \"first-message\""),
        "FirstMessage"
    );
    assert_eq!(channel(|c| format!("{:?}", c.aad), "aad = \"session-id\""), "SessionId");
    assert_eq!(channel(|c| format!("{:?}", c.base64), "base64 = \"url\""), "Url");
    let hashes = |c: &Spelling| format!("{:?} {:?}", c.oaep_hash, c.mgf1_hash);
    assert_eq!(channel(hashes, "oaep_hash = \"sha1\""), "Sha1 Sha256");
    assert_eq!(channel(hashes, "mgf1_hash = \"sha1\""), "Sha256 Sha1");
}

#[test]
fn calls_below_the_auth_base_move_along() {
    let dialect = applied("auth_base = \"/users/{portal}/auth\"");
    assert_eq!(dialect.auth_base, "/users/tenant/auth");
    assert_eq!(dialect.login_base, "/users/tenant/auth/login");
    assert_eq!(dialect.refresh_path, "/users/tenant/auth/token/refresh");
    assert_eq!(dialect.logout_path, "/users/tenant/auth/logout");
    assert_eq!(
        dialect.sealed_paths,
        ["/users/tenant/auth/login/initiate", "/users/tenant/auth/token/refresh", "/other"]
    );
}

#[test]
fn a_sealed_call_stays_sealed_when_its_path_moves() {
    let dialect = applied("login_base = \"/login\"\nrefresh_path = \"{auth}/refresh\"");
    assert_eq!(dialect.refresh_path, "/web/v1/tenant/auth/refresh");
    assert_eq!(dialect.sealed_paths, ["/login/initiate", "/web/v1/tenant/auth/refresh", "/other"]);
}

#[test]
fn sealed_paths_take_the_place_of_the_presets() {
    let dialect = applied("auth_base = \"/a\"\nsealed_paths = [\"{auth}/login/*\", \"/x\"]");
    assert_eq!(dialect.sealed_paths, ["/a/login/*", "/x"]);
}

#[test]
fn a_template_is_json_with_placeholders_in_its_strings() {
    let body = r#"{"token":"{token}","newPassword":"{new_password}","nested":{"a":{}}}"#;
    let config = good(&format!("[dialect.requests.password_reset]\nbody = '{body}'\n"));
    assert_eq!(config.dialect.requests, [RequestTemplate { request: "password_reset", body: body.into() }]);
}
