//! The envelope in all its forms, and arbitrary bytes.

use std::time::Duration;

use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::session::Blocked;

fn signs(body: Value) -> Signs {
    Signs::of(body.to_string().as_bytes())
}

fn is_success(status: u16, body: Value) -> bool {
    signs(body).is_success(StatusCode::from_u16(status).unwrap())
}

fn code(body: Value) -> Option<String> {
    signs(body).code().map(|code| code.as_str().to_owned())
}

#[test]
fn section_5_envelope_2_0_0_and_1_3_0() {
    for version in ["2.0.0", "1.3.0"] {
        let body = json!({"version": version, "timestamp": 1_711_929_600_000u64, "success": true, "code": "2000",
                          "message": "Success", "data": {}});
        assert!(is_success(200, body.clone()));
        assert_eq!(code(body).as_deref(), Some("2000"));
    }
}

#[test]
fn section_5_reduced_envelope() {
    assert!(is_success(200, json!({"code": "2000", "message": "ok", "data": {}})));
    assert!(is_success(200, json!({"code": 2000, "message": "ok", "data": {}})));
    assert!(!is_success(200, json!({"code": "4000", "message": "no", "data": null})));
    assert!(!is_success(400, json!({"code": "2000"})));
}

#[test]
fn section_11_envelope_of_sdk() {
    assert!(is_success(200, json!({"success": true, "data": {}})));
    let refused = json!({"success": false, "error": {"code": "AUTH.INVALID_CREDENTIALS", "message": "x"}});
    assert!(!is_success(200, refused.clone()));
    assert_eq!(code(refused).as_deref(), Some("AUTH.INVALID_CREDENTIALS"));
    assert!(!is_success(200, json!({"error": {"message": "x"}})));
    assert!(is_success(200, json!({"error": null, "data": {}})));
}

#[test]
fn section_5_success_alone_decides_where_it_is_present() {
    assert!(!is_success(200, json!({"success": false, "code": "2000"})));
    assert!(is_success(500, json!({"success": true, "code": "5000"})));
    assert!(!is_success(200, json!({"success": "false", "code": "2000"})));
}

#[test]
fn section_5_codes_of_success() {
    for success in ["2000", "2001", "2002", "2004", "2006", "2101"] {
        assert!(is_success(200, json!({"code": success})), "{success}");
    }
}

#[test]
fn section_5_without_an_envelope_the_status_decides() {
    for body in [&b""[..], b"<html>", b"[]", b"{}"] {
        assert!(Signs::of(body).is_success(StatusCode::OK));
        assert!(!Signs::of(body).is_success(StatusCode::BAD_GATEWAY));
    }
}

#[test]
fn ruling_8_error_code_may_be_of_any_vocabulary_and_the_telling_one_wins() {
    for any in ["4010", "AUTH.MFA_CODE_INVALID", "U1062"] {
        assert_eq!(code(json!({"error": {"code": any}})).as_deref(), Some(any));
        assert_eq!(code(json!({"error": any})).as_deref(), Some(any));
    }
    assert_eq!(code(json!({"error": {"code": 4010}})).as_deref(), Some("4010"));
    let both = json!({"code": "4000", "error": {"code": "SECURE_CHANNEL.SESSION_NOT_FOUND"}});
    assert_eq!(code(both).as_deref(), Some("SECURE_CHANNEL.SESSION_NOT_FOUND"));
    assert_eq!(code(json!({"code": "U1062", "error": {"code": "4000"}})).as_deref(), Some("U1062"));
}

#[test]
fn section_6_1_is_pending_approval_on_top_or_in_data() {
    for body in [
        json!({"success": true, "code": "2101", "data": {}}),
        json!({"success": true, "code": 2101}),
        json!({"success": true, "isPendingApproval": true}),
        json!({"success": true, "code": "2101", "data": {"isPendingApproval": true}}),
        json!({"success": true, "data": {"isPendingApproval": true}}),
        json!({"success": true, "data": {"accountStatus": "PENDING_APPROVAL"}}),
    ] {
        assert!(signs(body.clone()).is_login_pending(), "{body}");
    }
    assert!(!signs(json!({"data": {"isPendingApproval": false}})).is_login_pending());
}

#[test]
fn ruling_6_account_status_is_read_in_any_form_and_position() {
    for (word, blocked) in [
        ("LOCKED", Blocked::Locked),
        ("locked", Blocked::Locked),
        ("ACCOUNT_SUSPENDED", Blocked::Suspended),
        ("AUTH.ACCOUNT_REJECTED", Blocked::Rejected),
        ("CLOSED", Blocked::Closed),
        ("U1066", Blocked::Locked),
    ] {
        let forms =
            [json!(word), json!({"code": word}), json!({"code": word, "value": 3, "label": "Active"})];
        for form in forms {
            for body in [
                json!({"success": true, "data": {"sessionId": null, "accountStatus": form}}),
                json!({"success": false, "accountStatus": form}),
                json!({"success": false, "error": {"code": "4010", "accountStatus": form}}),
            ] {
                assert_eq!(signs(body.clone()).blocked_login(), Some(blocked), "{body}");
            }
        }
    }
}

#[test]
fn ruling_6_an_account_in_order_is_not_blocked() {
    for form in
        [json!(null), json!("ACTIVE"), json!({"code": "NORMAL", "label": "LOCKED"}), json!(7), json!([])]
    {
        let body = json!({"success": true, "data": {"accountStatus": form}});
        assert_eq!(signs(body.clone()).blocked_login(), None, "{body}");
        assert!(!signs(body).is_login_pending());
    }
    let word = signs(json!({"data": {"accountStatus": "FROZEN"}}));
    assert_eq!(word.account_word().unwrap().as_str(), "FROZEN");
}

#[test]
fn somebody_elses_account_in_a_successful_answer_says_nothing_about_ours() {
    let other = json!({"success": true, "code": "2000",
                       "data": {"accountStatus": {"code": "LOCKED"}, "isPendingApproval": true}});
    assert_eq!(signs(other.clone()).blocked(StatusCode::OK), None);
    assert!(!signs(other).is_pending(StatusCode::OK));
}

#[test]
fn section_6_2_cooldown_seconds_wherever_they_stand() {
    for body in [
        json!({"data": {"cooldownSeconds": 42}}),
        json!({"cooldownSeconds": "42"}),
        json!({"error": {"code": "U1061", "cooldownSeconds": 42}}),
    ] {
        assert_eq!(signs(body.clone()).cooldown(), Some(Duration::from_secs(42)), "{body}");
    }
    assert_eq!(signs(json!({"cooldownSeconds": -1})).cooldown(), None);
}

/// JSON as a portal might send it, or might not: the names that are looked at, around values of every kind.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "success",
            "code",
            "data",
            "error",
            "message",
            "sessionId",
            "mfaMethods",
            "methods",
            "mfaRequired",
            "availableMethods",
            "expiresIn",
            "expiresAt",
            "accountStatus",
            "isPendingApproval",
            "value",
            "label",
            "accessToken",
            "refreshToken",
            "cooldownSeconds",
            "codeExpiresIn",
            "maskedTarget",
            "sent",
            "keyId",
            "publicKey",
            "algorithm",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["OTP", "2101", "4000", "LOCKED", "NaN", "1e999", "2024-03-03T00:00:00Z"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(body: Vec<u8>) {
        read_everything(&body);
    }

    #[test]
    fn no_json_makes_a_reader_panic(body in any_json()) {
        read_everything(body.to_string().as_bytes());
    }

    #[test]
    fn no_damage_to_a_real_answer_makes_a_reader_panic(at in 0usize..260, byte: u8, cut: bool) {
        let mut body = json!({
            "version": "2.0.0", "timestamp": 1_711_929_600_000u64, "success": true, "code": "2000",
            "data": {"sessionId": "s", "mfaMethods": [{"code": "OTP", "value": 10_011_002}], "expiresIn": 300,
                     "accessToken": "a", "refreshToken": "r", "expiresAt": 1_709_424_000_000u64}
        }).to_string().into_bytes();
        let at = at.min(body.len() - 1);
        body[at] = byte;
        if cut {
            body.truncate(at);
        }
        read_everything(&body);
    }
}
