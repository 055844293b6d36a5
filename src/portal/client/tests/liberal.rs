//! What is read is read liberally, whatever the dialect (PROTOCOL section 11): every shape of an answer, in every
//! envelope, under every preset.

use super::*;

/// A success with this in it, in every envelope of section 5.
fn envelopes(data: &Value) -> [(u16, Value); 7] {
    let full = |version: &str| {
        json!({"version": version, "timestamp": 1_711_929_600_000u64, "success": true, "code": "2000",
               "message": "Success", "data": data})
    };
    [
        (200, full("2.0.0")),
        (200, full("1.3.0")),
        (200, json!({"code": "2000", "message": "ok", "data": data})),
        (200, json!({"code": 2000, "message": "ok", "data": data})),
        (201, json!({"code": "2001", "message": "ok", "data": data})),
        (200, json!({"success": true, "data": data})),
        (200, json!({"success": true, "data": data, "error": null})),
    ]
}

/// A refusal with this code, in every envelope of sections 5 and 11.
fn refusals(status: u16, code: &str) -> Vec<(u16, Value)> {
    let number: Value = code.parse::<u64>().map_or_else(|_| code.into(), Value::from);
    vec![
        (
            status,
            json!({"version": "2.0.0", "timestamp": 1u64, "success": false, "code": code, "message": "m", "data": null}),
        ),
        (status, json!({"version": "1.3.0", "success": false, "code": number, "message": "m"})),
        (status, json!({"code": code, "message": "m", "data": null})),
        (status, json!({"success": false, "error": {"code": code, "message": "m"}})),
        (status, json!({"error": {"code": number, "message": "m"}})),
        // HTTP 200 with `success: false` happens.
        (200, json!({"success": false, "code": code, "data": {}})),
        (200, json!({"success": false, "error": {"code": code}})),
    ]
}

/// An answer as the preset's portal would give it: sealed, where there is a channel.
fn given(preset: Preset, status: u16, body: &Value) -> Line {
    match preset {
        Preset::Plain => answer(status, body.clone()),
        _ => sealed_answer(status, body.clone()),
    }
}

fn channel(preset: Preset, glass: &Glass) -> Option<&dyn Sealer> {
    (preset != Preset::Plain).then_some(glass as &dyn Sealer)
}

async fn initiate_answered(preset: Preset, status: u16, body: &Value) -> Result<Initiated, PortalError> {
    let caller = caller(preset, [given(preset, status, body)]);
    initiate(&caller, channel(preset, &Glass::aged(0))).await
}

#[tokio::test]
async fn section_6_1_every_shape_of_the_initiate_answer_under_every_preset() {
    let email_and_otp = &[FactorKind::Email, FactorKind::Otp][..];
    let shapes = [
        (
            json!({"sessionId": "s", "mfaMethods": [{"code": "EMAIL", "value": 10_011_001, "label": "Email"},
                   {"code": "OTP", "value": 10_011_002}], "expiresIn": 300, "accountStatus": null}),
            email_and_otp,
        ),
        (json!({"sessionId": "s", "mfaRequired": true, "availableMethods": ["EMAIL", "OTP"]}), email_and_otp),
        (json!({"sessionId": "s", "mfaMethods": ["EMAIL", "OTP"]}), email_and_otp),
        (json!({"sessionId": "s", "methods": ["EMAIL", "OTP"]}), email_and_otp),
        (json!({"sessionId": "s", "methods": [10_011_001, 10_011_002]}), email_and_otp),
        (json!({"sessionId": "s", "methods": [{"code": "EMAIL"}, {"value": 10_011_002}]}), email_and_otp),
        (json!({"sessionId": "s", "mfaRequired": false}), &[]),
        (json!({"sessionId": "s", "mfaMethods": []}), &[]),
        (json!({"sessionId": "s"}), &[]),
    ];
    for preset in Preset::ALL {
        for (data, expected) in &shapes {
            for (status, body) in envelopes(data) {
                let initiated = initiate_answered(preset, status, &body).await;
                let initiated = initiated.unwrap_or_else(|error| panic!("{preset:?} {body}: {error}"));
                let kinds: Vec<_> = initiated.methods.iter().map(|method| method.kind).collect();
                assert_eq!(kinds, *expected, "{preset:?} {body}");
                assert_eq!(initiated.expires_in, Duration::from_secs(300), "{preset:?} {body}");
                // What is sent back follows the dialect strictly.
                for method in initiated.methods {
                    let (number, name) = match method.kind {
                        FactorKind::Email => (10_011_001, "EMAIL"),
                        _ => (10_011_002, "OTP"),
                    };
                    let expected = match Dialect::preset(preset, "tenant").method_form {
                        MethodForm::Integer => json!(number),
                        MethodForm::Name => json!(name),
                        MethodForm::AsReceived => method.wire.clone(),
                    };
                    assert_eq!(method.wire, expected, "{preset:?} {body}");
                }
            }
        }
    }
}

#[tokio::test]
async fn section_6_pending_approval_in_every_form_under_every_preset() {
    let mut forms = vec![
        (200, json!({"success": true, "code": "2101", "data": null})),
        (200, json!({"code": 2101, "data": {"sessionId": "s"}})),
        (200, json!({"success": true, "code": "2101", "isPendingApproval": true})),
        (200, json!({"success": true, "code": "2101", "data": {"isPendingApproval": true}})),
        (200, json!({"success": true, "data": {"isPendingApproval": true, "sessionId": "s"}})),
        (200, json!({"success": true, "isPendingApproval": true, "data": {"sessionId": "s"}})),
        (200, json!({"success": false, "error": {"code": "2101", "isPendingApproval": true}})),
        (200, json!({"success": true, "data": {"accountStatus": "PENDING_APPROVAL", "sessionId": null}})),
    ];
    for code in ["U1010", "U1011", "U1012", "U1013"] {
        forms.extend(refusals(400, code));
    }
    for preset in Preset::ALL {
        for (status, body) in &forms {
            let error = initiate_answered(preset, *status, body).await.unwrap_err();
            assert_eq!(error.kind, Kind::PendingApproval, "{preset:?} initiate {status} {body}");
            let caller = caller(preset, [given(preset, *status, body)]);
            let completed = caller.complete(&login(), None, channel(preset, &Glass::aged(0))).await;
            assert_eq!(completed.unwrap_err().kind, Kind::PendingApproval, "{preset:?} complete {body}");
        }
    }
}

#[tokio::test]
async fn section_6_2_and_6_3_every_shape_of_the_other_answers_under_every_preset() {
    let sent = [
        (json!({"sent": true, "cooldownSeconds": 30, "codeExpiresIn": 300}), 30, None),
        (json!({"sent": true, "method": "EMAIL", "maskedTarget": "r***@e.com"}), 60, Some("r***@e.com")),
    ];
    let pairs = [
        json!({"accessToken": "a", "refreshToken": "r", "expiresIn": 3600, "accountStatus": null}),
        json!({"accessToken": "a", "refreshToken": "r", "expiresIn": 3600, "tokenType": "Bearer"}),
        json!({"accessToken": "a", "refreshToken": "r", "expiresIn": "3600"}),
    ];
    let method = Method { kind: FactorKind::Email, label: None, wire: json!(10_011_001) };
    let glass = Glass::aged(0);
    for preset in Preset::ALL {
        for (data, cooldown, target) in &sent {
            for (status, body) in envelopes(data) {
                let caller = caller(preset, [given(preset, status, &body)]);
                let sent = caller.send_code(&login(), &method, channel(preset, &glass)).await.unwrap();
                let seen = (sent.cooldown.as_secs(), sent.masked_target.as_deref());
                assert_eq!(seen, (*cooldown, *target), "{preset:?} {body}");
            }
        }
        for data in &pairs {
            for (status, body) in envelopes(data) {
                let sealed = given(preset, status, &body);
                let renewed = if preset == Preset::Scv2 {
                    given(preset, status, &body)
                } else {
                    answer(status, body.clone())
                };
                let caller = caller(preset, [sealed, renewed]);
                let tokens = caller.complete(&login(), None, channel(preset, &glass)).await.unwrap();
                let again = caller.refresh(&RefreshToken::new("r"), channel(preset, &glass)).await.unwrap();
                for tokens in [tokens, again] {
                    assert_eq!(tokens.expires_in, Duration::from_secs(3600), "{preset:?} {body}");
                    assert!(tokens.refresh.is_some(), "{preset:?} {body}");
                }
            }
        }
    }
}

/// Code, HTTP status, what it means to `login/initiate`; all three vocabularies.
fn codes() -> Vec<(&'static str, u16, Kind)> {
    let limited = Kind::RateLimited { retry_after: None };
    vec![
        ("4010", 401, Kind::CredentialsRefused),
        ("4000", 400, Kind::Refused),
        ("5000", 500, Kind::Trouble),
        ("AUTH.INVALID_CREDENTIALS", 401, Kind::CredentialsRefused),
        ("AUTH.INVALID_CREDENTIALS", 400, Kind::CredentialsRefused),
        ("AUTH.ACCOUNT_LOCKED", 403, Kind::Blocked(Blocked::Locked)),
        ("AUTH.ACCOUNT_SUSPENDED", 403, Kind::Blocked(Blocked::Suspended)),
        ("AUTH.ACCOUNT_REJECTED", 403, Kind::Blocked(Blocked::Rejected)),
        ("AUTH.ACCOUNT_CLOSED", 403, Kind::Blocked(Blocked::Closed)),
        ("AUTH.TOO_MANY_ATTEMPTS", 429, limited.clone()),
        ("AUTH.FINGERPRINT_MISMATCH", 403, Kind::FingerprintMismatch),
        ("ACCESS.RISK_CHALLENGE_REQUIRED", 403, Kind::RiskChallenge),
        ("ACCESS.MFA_REQUIRED", 403, Kind::RiskChallenge),
        ("ACCESS.PERMISSION_DENIED", 403, Kind::Refused),
        ("VALIDATION.INVALID_PARAMETER", 400, Kind::Refused),
        ("REQUEST.RATE_LIMITED", 429, limited.clone()),
        ("SYSTEM.INTERNAL_ERROR", 500, Kind::Trouble),
        ("U1063", 400, limited),
        ("U1065", 400, Kind::CredentialsRefused),
        ("U1066", 400, Kind::Blocked(Blocked::Locked)),
        ("U1067", 400, Kind::Blocked(Blocked::Suspended)),
        ("U1068", 400, Kind::Blocked(Blocked::Closed)),
        ("U1069", 400, Kind::FingerprintMismatch),
    ]
}

#[tokio::test]
async fn section_9_every_vocabulary_in_every_envelope_under_every_preset() {
    for preset in Preset::ALL {
        for (code, status, expected) in codes() {
            for (status, body) in refusals(status, code) {
                let error = initiate_answered(preset, status, &body).await.unwrap_err();
                assert_eq!(error.kind, expected, "{preset:?} {status} {body}");
                assert_eq!(error.code.as_deref(), Some(code), "{preset:?} {status} {body}");
            }
        }
    }
}

#[tokio::test]
async fn ruling_7_what_a_vocabulary_has_no_code_for_the_status_decides() {
    let limited = Kind::RateLimited { retry_after: None };
    for preset in Preset::ALL {
        for code in ["4000", "4010", "U1099"] {
            let body = refusal(code);
            let limited_now = initiate_answered(preset, 429, &body).await.unwrap_err();
            assert_eq!(limited_now.kind, limited, "{preset:?} {code}");
            let gone = caller(preset, [given(preset, 404, &body)]);
            let gone = gone.complete(&login(), None, channel(preset, &Glass::aged(0))).await.unwrap_err();
            assert_eq!(gone.kind, Kind::LoginGone, "{preset:?} {code}");
        }
        let forbidden = initiate_answered(preset, 403, &refusal("4030")).await.unwrap_err();
        assert_eq!(forbidden.kind, Kind::Refused, "{preset:?}");
        let trouble = initiate_answered(preset, 503, &refusal("U1099")).await.unwrap_err();
        assert_eq!(trouble.kind, Kind::Trouble, "{preset:?}");
        // U1060 is the login session, whatever the status.
        let gone = caller(preset, [given(preset, 400, &refusal("U1060"))]);
        let gone = gone.complete(&login(), None, channel(preset, &Glass::aged(0))).await.unwrap_err();
        assert_eq!(gone.kind, Kind::LoginGone, "{preset:?}");
    }
}
