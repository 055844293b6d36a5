//! Overrides put into a preset.

use super::*;
use crate::channel::Spelling;
use crate::portal::{Endpoint, Preset};

fn preset() -> Dialect {
    Dialect::preset(Preset::Guide, "tenant")
}

fn applied(below: &str) -> Dialect {
    let mut dialect = preset();
    let problems = good(&format!("[dialect]\n{below}")).dialect.apply(&mut dialect);
    assert_eq!(problems, [""; 0], "{below}");
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
    let one = applied("terminate_path = \"{security}/end/{session_id}\"").terminate("7");
    assert_eq!(one, "/web/v1/tenant/security/end/7");
    let others = seen("terminate_others_path = \"/end-all\"", |d| d.path(Endpoint::TerminateOthers));
    assert_eq!(others, "/end-all");
    assert_eq!(
        channel(|c| format!("{:?}", c.key_exchange), "key_exchange = \"first-message\""),
        "FirstMessage"
    );
    assert_eq!(seen("profile_path = \"/{portal}/me\"", |d| d.path(Endpoint::Profile)), "/tenant/me");
    assert_eq!(seen("channel_base = \"/sc\"", |d| d.channel_base.clone()), "/sc");
    assert_eq!(seen("logout_path = \"{auth}/bye\"", |d| d.path(Endpoint::Logout)), "/web/v1/tenant/auth/bye");
    assert_eq!(
        seen("session_header = \"X-SC-Session-Id\"", |d| d.session_header.get().to_string()),
        "x-sc-session-id"
    );
    assert_eq!(seen("sc_version = true", |d| d.sc_version.to_string()), "true");
    assert_eq!(seen("content_type = \"a/b\"", |d| format!("{:?}", d.sealed_content_type)), "\"a/b\"");
    assert_eq!(seen("empty_body = \"header\"", |d| format!("{:?}", d.empty_body)), "Header");
    assert_eq!(seen("method = \"as-received\"", |d| format!("{:?}", d.method_form)), "AsReceived");
    assert_eq!(seen("request_id_required = true", |d| d.request_id_required.to_string()), "true");
    assert_eq!(channel(|c| format!("{:?}", c.envelope), "envelope = \"binary\""), "Binary");
    assert_eq!(channel(|c| format!("{:?}", c.aad), "aad = \"session-id\""), "SessionId");
    assert_eq!(channel(|c| format!("{:?}", c.base64), "base64 = \"url\""), "Url");
    let hashes = |c: &Spelling| format!("{:?} {:?}", c.oaep_hash, c.mgf1_hash);
    assert_eq!(channel(hashes, "oaep_hash = \"sha1\""), "Sha1 Sha256");
    assert_eq!(channel(hashes, "mgf1_hash = \"sha1\""), "Sha256 Sha1");
}

#[test]
fn what_is_auto_is_left_open_and_stays_as_the_preset_has_it_until_it_is_found() {
    let text = "[dialect]\nchannel_base = \"auto\"\nsession_header = \"auto\"\noaep_hash = \"auto\"\n";
    let config = good(&format!("{text}mgf1_hash = \"auto\"\nbase64 = \"auto\"\n"));
    let open = config.dialect.left_open();
    assert!(open.channel_base && open.session_header && open.oaep_hash && open.mgf1_hash && open.base64);
    assert!(good("[dialect]\nbase64 = \"url\"\n").dialect.left_open().is_none());
    let mut dialect = preset();
    assert_eq!(config.dialect.apply(&mut dialect), [""; 0]);
    assert_eq!(format!("{dialect:?}"), format!("{:?}", preset()));
    let clone = dialect.clone();
    dialect.session_header.found(http::HeaderName::from_static("x-sc-session-id"));
    assert_eq!(clone.session_header.get(), "x-sc-session-id");
}

#[test]
fn calls_below_the_auth_base_move_along() {
    let dialect = applied("auth_base = \"/users/{portal}/auth\"");
    assert_eq!(dialect.path(Endpoint::Initiate), "/users/tenant/auth/login/initiate");
    assert_eq!(dialect.path(Endpoint::Refresh), "/users/tenant/auth/token/refresh");
    assert!(dialect.seals("/users/tenant/auth/login/initiate"));
}

#[test]
fn a_sealed_call_stays_sealed_when_its_path_moves() {
    let dialect = applied("login_base = \"/login\"");
    assert_eq!(dialect.path(Endpoint::Complete), "/login/complete");
    assert!(dialect.seals("/login/complete"));
}

#[test]
fn sealed_paths_take_the_place_of_the_presets() {
    let dialect = applied("auth_base = \"/a\"\nsealed_paths = [\"{auth}/login/*\", \"/x\"]");
    assert_eq!(dialect.sealed_paths(), ["/a/login/*", "/x"]);
}

#[test]
fn what_does_not_hold_together_is_reported_with_the_rest() {
    let text = "[upstream]\nurl = \"https://p\"\n[dialect]\nsecurity_base = \"/a/../b\"\n";
    let problems = read(text).unwrap_err().to_string();
    assert!(problems.contains("security_base"), "{problems}");
}

#[test]
fn a_template_is_json_with_placeholders_in_its_strings() {
    let body = r#"{"token":"{token}","newPassword":"{new_password}","nested":{"a":{}}}"#;
    let config = good(&format!("[dialect.requests.password_reset]\nbody = '{body}'\n"));
    assert_eq!(config.dialect.requests, [RequestTemplate { request: "password_reset", body: body.into() }]);
}
