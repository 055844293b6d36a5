//! The answers to `login/initiate` and `login/mfa/send` (PROTOCOL sections 6.1 and 6.2).

use std::time::Duration;

use serde_json::Value;

use super::Data;
use super::method::method;
use super::number::Span;
use super::text::for_a_person;
use crate::portal::MethodForm;
use crate::secret::LoginSessionId;
use crate::session::{CodeSent, Initiated, Skew};

/// How long a pending login lives where the answer does not say (PROTOCOL section 1).
const LOGIN_LIFE: Duration = Duration::from_secs(300);
/// How long until another code may be sent, where the answer does not say (PROTOCOL sections 6.2 and 10).
const SEND_COOLDOWN: Duration = Duration::from_secs(60);

/// Reads the answer to `login/initiate` of a login that can go on.
pub(crate) fn initiated(
    data: &Data,
    form: MethodForm,
    skew: Option<Skew>,
) -> Result<Initiated, &'static str> {
    let login = data.text("sessionId").ok_or("no sessionId of the pending login")?;
    let expires_in = match data.field("expiresIn").map_or(Span::Absent, |value| Span::read(Some(value))) {
        Span::Absent => LOGIN_LIFE,
        Span::Of(life) => life,
        Span::Nonsense => return Err("expiresIn of the pending login is no believable number of seconds"),
    };
    // `mfaRequired: false` rules; section 6.1 implies it by the field's existence.
    let methods = match data.truth("mfaRequired") {
        Some(false) => Vec::new(),
        required => offered(data, form, required == Some(true))?,
    };
    Ok(Initiated { login: LoginSessionId::new(login), methods, expires_in, skew })
}

/// The factors under whichever name they stand.
fn offered(
    data: &Data,
    form: MethodForm,
    required: bool,
) -> Result<Vec<crate::session::Method>, &'static str> {
    let lists = ["mfaMethods", "availableMethods", "methods"];
    let lists = lists.into_iter().filter_map(|name| data.field(name)?.as_array());
    let Some(list) = lists.max_by_key(|list| !list.is_empty()) else {
        return if required { Err("MFA is required, but no method is offered") } else { Ok(Vec::new()) };
    };
    let mut methods = Vec::new();
    for found in list.iter().filter_map(|item: &Value| method(item, form)) {
        if !methods.iter().any(|known: &crate::session::Method| known.wire == found.wire) {
            methods.push(found);
        }
    }
    if methods.is_empty() && (required || !list.is_empty()) {
        return Err("MFA is required, but no method is offered that can be named back");
    }
    Ok(methods)
}

/// Reads the answer to `login/mfa/send`.
pub(crate) fn code_sent(data: &Data) -> Result<CodeSent, &'static str> {
    if data.truth("sent") == Some(false) {
        return Err("the portal says that it sent no code");
    }
    let cooldown = match data.field("cooldownSeconds") {
        Some(zero) if zero.as_f64() == Some(0.0) => Duration::ZERO,
        cooldown => match Span::read(cooldown) {
            Span::Absent => SEND_COOLDOWN,
            Span::Of(cooldown) => cooldown,
            Span::Nonsense => return Err("cooldownSeconds is no believable number of seconds"),
        },
    };
    let code_expires_in = match Span::read(data.field("codeExpiresIn")) {
        Span::Absent => None,
        Span::Of(life) => Some(life),
        Span::Nonsense => return Err("codeExpiresIn is no believable number of seconds"),
    };
    let masked_target = data.text("maskedTarget").and_then(for_a_person);
    Ok(CodeSent { masked_target, cooldown, code_expires_in })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::Expose;
    use crate::session::FactorKind;

    fn data(data: Value) -> Data {
        Data::read(json!({"success": true, "code": "2000", "data": data}).to_string().as_bytes()).unwrap()
    }

    fn kinds(answer: Value) -> Result<Vec<FactorKind>, &'static str> {
        let initiated = initiated(&data(answer), MethodForm::Integer, None)?;
        Ok(initiated.methods.iter().map(|method| method.kind).collect())
    }

    const EMAIL_AND_OTP: [FactorKind; 2] = [FactorKind::Email, FactorKind::Otp];

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test compares the id that was read")]
    fn section_6_1_initiate_answer_with_mfa_methods_as_objects() {
        let answer = data(json!({
            "sessionId": "login-1",
            "mfaMethods": [
                {"code": "EMAIL", "value": 10_011_001, "label": "Email"},
                {"code": "OTP", "value": 10_011_002}
            ],
            "expiresIn": 300,
            "accountStatus": null
        }));
        let initiated = initiated(&answer, MethodForm::Integer, Some(Skew(3))).unwrap();
        assert_eq!(initiated.login.expose(), "login-1");
        assert_eq!(initiated.expires_in, Duration::from_secs(300));
        assert_eq!(initiated.skew, Some(Skew(3)));
        assert_eq!(initiated.methods[0].label.as_deref(), Some("Email"));
        assert_eq!(
            initiated.methods.iter().map(|m| m.wire.clone()).collect::<Vec<_>>(),
            [10_011_001, 10_011_002]
        );
    }

    #[test]
    fn section_6_1_initiate_answer_with_mfa_methods_as_strings() {
        assert_eq!(kinds(json!({"sessionId": "s", "mfaMethods": ["EMAIL", "OTP"]})).unwrap(), EMAIL_AND_OTP);
    }

    #[test]
    fn section_6_1_initiate_answer_with_mfa_methods_as_integers() {
        assert_eq!(
            kinds(json!({"sessionId": "s", "mfaMethods": [10_011_001, 10_011_002]})).unwrap(),
            EMAIL_AND_OTP
        );
    }

    #[test]
    fn section_6_1_initiate_answer_with_available_methods() {
        let answer = json!({"sessionId": "s", "mfaRequired": true, "availableMethods": ["EMAIL", "OTP"]});
        assert_eq!(kinds(answer).unwrap(), EMAIL_AND_OTP);
    }

    #[test]
    fn section_6_1_initiate_answer_with_methods() {
        assert_eq!(
            kinds(json!({"sessionId": "s", "methods": ["EMAIL", 10_011_002]})).unwrap(),
            EMAIL_AND_OTP
        );
    }

    #[test]
    fn section_6_1_mfa_required_false_asks_for_no_factor() {
        for answer in [
            json!({"sessionId": "s", "mfaRequired": false}),
            json!({"sessionId": "s", "mfaRequired": "false", "methods": ["OTP"]}),
            json!({"sessionId": "s", "mfaMethods": []}),
            json!({"sessionId": "s", "mfaMethods": null}),
            json!({"sessionId": "s"}),
        ] {
            assert_eq!(kinds(answer.clone()).unwrap(), [], "{answer}");
        }
    }

    #[test]
    fn section_6_1_mfa_required_without_a_usable_method_is_not_understood() {
        for answer in [
            json!({"sessionId": "s", "mfaRequired": true}),
            json!({"sessionId": "s", "mfaRequired": true, "methods": []}),
            json!({"sessionId": "s", "methods": [{}, null]}),
        ] {
            assert!(kinds(answer.clone()).is_err(), "{answer}");
        }
    }

    #[test]
    fn section_6_1_a_session_id_is_needed_to_go_on() {
        for id in [json!(null), json!(""), json!(7), json!({})] {
            assert!(kinds(json!({"sessionId": id, "methods": ["OTP"]})).is_err(), "{id}");
        }
    }

    #[test]
    fn section_1_a_pending_login_lives_300_seconds_where_nothing_is_said() {
        let life = |expires_in| {
            initiated(&data(json!({"sessionId": "s", "expiresIn": expires_in})), MethodForm::Name, None)
                .map(|initiated| initiated.expires_in.as_secs())
        };
        assert_eq!(life(json!(null)), Ok(300));
        assert_eq!(life(json!("120")), Ok(120));
        for nonsense in [json!(-1), json!(0), json!(1e300), json!("NaN"), json!({})] {
            assert!(life(nonsense.clone()).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_factor_offered_twice_is_offered_once() {
        assert_eq!(
            kinds(json!({"sessionId": "s", "methods": ["OTP", "otp", "OTP"]})).unwrap(),
            [FactorKind::Otp]
        );
    }

    #[test]
    fn section_6_2_send_answer_with_cooldown_and_code_life() {
        let sent =
            code_sent(&data(json!({"sent": true, "cooldownSeconds": 30, "codeExpiresIn": 300}))).unwrap();
        assert_eq!(sent.cooldown, Duration::from_secs(30));
        assert_eq!(sent.code_expires_in, Some(Duration::from_secs(300)));
        assert_eq!(sent.masked_target, None);
    }

    #[test]
    fn section_6_2_send_answer_with_masked_target() {
        let sent =
            code_sent(&data(json!({"sent": true, "method": "EMAIL", "maskedTarget": "r***@example.com"})))
                .unwrap();
        assert_eq!(sent.masked_target.as_deref(), Some("r***@example.com"));
        assert_eq!(sent.cooldown, SEND_COOLDOWN);
        assert_eq!(sent.code_expires_in, None);
    }

    #[test]
    fn section_6_2_a_send_answer_that_makes_no_sense_is_not_understood() {
        for answer in [
            json!({"sent": false}),
            json!({"sent": true, "cooldownSeconds": -1}),
            json!({"sent": true, "cooldownSeconds": "NaN"}),
            json!({"sent": true, "codeExpiresIn": 1e300}),
        ] {
            assert!(code_sent(&data(answer.clone())).is_err(), "{answer}");
        }
        assert_eq!(code_sent(&data(json!({"cooldownSeconds": 0}))).unwrap().cooldown, Duration::ZERO);
    }
}
