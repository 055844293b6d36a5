//! The factors of a login (PROTOCOL sections 6.1 to 6.3), read in every form and kept in the dialect's.

use serde_json::Value;

use super::text::for_a_person;
use crate::portal::MethodForm;
use crate::session::{FactorKind, Method};

/// The factors that have a code, with their names.
fn method_codes() -> [(FactorKind, u64, &'static str); 3] {
    [
        (FactorKind::Email, 10_011_001, "EMAIL"),
        (FactorKind::Otp, 10_011_002, "OTP"),
        (FactorKind::BackupCode, 10_011_005, "BACKUP_CODE"),
    ]
}

/// One offered factor: an object, a name or a number. `None` if it can be none of them.
pub(super) fn method(offered: &Value, form: MethodForm) -> Option<Method> {
    let (code, value) = match offered {
        Value::Object(parts) => {
            let part = |name: &str| parts.get(name).filter(|part| is_scalar(part));
            (part("code"), part("value"))
        }
        scalar if is_scalar(scalar) => (None, Some(scalar)),
        _ => return None,
    };
    // Ruling 8: `value` is sent back if there is one, else `code`.
    let received = value.or(code)?;
    let kind = [value, code].into_iter().flatten().map(kind_of).find(|kind| *kind != FactorKind::Other);
    let kind = kind.unwrap_or(FactorKind::Other);
    let known = method_codes().into_iter().find(|(of, ..)| *of == kind);
    let wire = match (form, known) {
        (MethodForm::AsReceived, _) => received.clone(),
        (MethodForm::Integer, Some((_, number, _))) => number.into(),
        (MethodForm::Name, Some((.., name))) => name.into(),
        // A factor we do not know goes back in the form that the dialect sends, if it came in it.
        (MethodForm::Integer, None) => integer_of(received).map_or_else(|| received.clone(), Into::into),
        (MethodForm::Name, None) => code.filter(|code| code.is_string()).unwrap_or(received).clone(),
    };
    let label = offered.get("label").and_then(Value::as_str).and_then(for_a_person);
    Some(Method { kind, label, wire })
}

/// A text with something in it, or a number.
fn is_scalar(value: &Value) -> bool {
    value.is_number() || value.as_str().is_some_and(|text| !text.trim().is_empty())
}

/// A whole number, or one written as text.
fn integer_of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            // Exact: below 2^53, and without a fraction.
            ((0.0..9e15).contains(&float) && float.fract() == 0.0).then_some(float as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn kind_of(value: &Value) -> FactorKind {
    let known = method_codes();
    let found = match (integer_of(value), value.as_str()) {
        (Some(number), _) => known.into_iter().find(|(_, code, _)| *code == number),
        (None, Some(text)) => {
            let word: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
            let word = word.to_ascii_uppercase();
            match word.as_str() {
                "TOTP" => known.into_iter().find(|(kind, ..)| *kind == FactorKind::Otp),
                _ => known.into_iter().find(|(.., name)| name.replace('_', "") == word),
            }
        }
        (None, None) => None,
    };
    found.map_or(FactorKind::Other, |(kind, ..)| kind)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FORMS: [MethodForm; 3] = [MethodForm::Integer, MethodForm::Name, MethodForm::AsReceived];

    fn wire(offered: Value, form: MethodForm) -> (FactorKind, Value) {
        let method = method(&offered, form).unwrap();
        (method.kind, method.wire)
    }

    #[test]
    fn section_6_method_codes() {
        for (kind, number, name) in [
            (FactorKind::Email, 10_011_001, "EMAIL"),
            (FactorKind::Otp, 10_011_002, "OTP"),
            (FactorKind::BackupCode, 10_011_005, "BACKUP_CODE"),
        ] {
            let offers = [json!(number), json!(name), json!({"code": name, "value": number, "label": "x"})];
            for offered in offers {
                assert_eq!(wire(offered.clone(), MethodForm::Integer), (kind, json!(number)), "{offered}");
                assert_eq!(wire(offered.clone(), MethodForm::Name), (kind, json!(name)), "{offered}");
            }
        }
    }

    #[test]
    fn section_6_method_names_in_every_spelling() {
        for (text, kind) in [
            ("email", FactorKind::Email),
            ("Totp", FactorKind::Otp),
            (" otp ", FactorKind::Otp),
            ("backup-code", FactorKind::BackupCode),
            ("BackupCode", FactorKind::BackupCode),
            ("10011002", FactorKind::Otp),
            ("PASSKEY", FactorKind::Other),
        ] {
            assert_eq!(wire(json!(text), MethodForm::AsReceived), (kind, json!(text)), "{text}");
        }
        assert_eq!(wire(json!(10_011_001.0), MethodForm::Integer), (FactorKind::Email, json!(10_011_001)));
    }

    #[test]
    fn ruling_8_value_is_sent_back_if_there_is_one_else_code() {
        let as_received = |offered| wire(offered, MethodForm::AsReceived);
        assert_eq!(
            as_received(json!({"code": "OTP", "value": 10_011_002})),
            (FactorKind::Otp, json!(10_011_002))
        );
        assert_eq!(
            as_received(json!({"code": "OTP", "value": "totp-1"})),
            (FactorKind::Otp, json!("totp-1"))
        );
        assert_eq!(as_received(json!({"code": "OTP"})), (FactorKind::Otp, json!("OTP")));
        assert_eq!(as_received(json!({"code": "OTP", "value": null})), (FactorKind::Otp, json!("OTP")));
        assert_eq!(as_received(json!("OTP")), (FactorKind::Otp, json!("OTP")));
        assert_eq!(as_received(json!(10_011_001)), (FactorKind::Email, json!(10_011_001)));
    }

    #[test]
    fn a_factor_nobody_knows_is_still_offered() {
        let passkey = json!({"code": "PASSKEY", "value": 10_011_009, "label": "Passkey"});
        assert_eq!(wire(passkey.clone(), MethodForm::Integer), (FactorKind::Other, json!(10_011_009)));
        assert_eq!(wire(passkey.clone(), MethodForm::Name), (FactorKind::Other, json!("PASSKEY")));
        assert_eq!(method(&passkey, MethodForm::Integer).unwrap().label.as_deref(), Some("Passkey"));
    }

    #[test]
    fn what_can_be_no_factor_is_none() {
        for offered in
            [json!(null), json!(true), json!([]), json!({}), json!(""), json!({"code": {}, "value": []})]
        {
            for form in FORMS {
                assert_eq!(method(&offered, form), None, "{offered}");
            }
        }
    }
}
