//! The answers of PROTOCOL section 8, and the profile of section 7.

use std::time::Duration;

use serde_json::Value;

use super::Data;
use super::number::Span;
use super::text::for_a_person;
use crate::account::{BackupCodes, Factor, OtpSetup, Profile, SignedIn, Told};
use crate::secret::{OtpSecret, OtpUri, RegistrationId};

/// How long a registration lives where the answer does not say.
const REGISTRATION_LIFE: Duration = Duration::from_secs(600);

/// Reads the answer to `profile`.
pub(crate) fn profile(data: &Data) -> Result<Told, &'static str> {
    let text = |names: &[&str]| names.iter().find_map(|name| said(data.field(name)));
    let profile = Profile {
        id: text(&["bizId", "userBizId", "id"]),
        email: text(&["accountEmail", "email"]),
        name: text(&["accountName", "name"]),
        portal: text(&["accountPortal", "portal"]),
        status: text(&["accountStatus", "status"]),
    };
    if profile.email.is_none() && profile.id.is_none() {
        return Err("a profile with neither an address nor an id");
    }
    Ok(Told::Profile(profile))
}

/// Reads the answer to `security/sessions`.
pub(crate) fn sessions(data: &Data) -> Result<Told, &'static str> {
    let read = |item: &Value| {
        let text = |name: &str| said(item.get(name));
        Some(SignedIn {
            id: text("sessionId").or_else(|| text("id"))?,
            device: text("deviceInfo"),
            address: text("ipAddress"),
            location: text("location"),
            created_at: text("createdAt"),
            last_active_at: text("lastActiveAt"),
            user_agent: text("userAgent"),
            current: item.get("isCurrent").and_then(Value::as_bool).unwrap_or(false),
        })
    };
    let list = data.list(&["sessions", "items", "list"]).ok_or("no list of sessions")?;
    list.iter().map(read).collect::<Option<_>>().map(Told::Sessions).ok_or("a session without an id")
}

/// Reads the answer to a call that ends sign-ins; it may say nothing.
pub(crate) fn terminated(data: &Data) -> Result<Told, &'static str> {
    Ok(Told::Terminated(data.field("terminatedSessions").and_then(Value::as_u64)))
}

/// Reads the answer to `security/mfa`.
pub(crate) fn factors(data: &Data) -> Result<Told, &'static str> {
    let read = |item: &Value| {
        let method = item.get("mfaMethod").unwrap_or(item);
        let truth = |name: &str| item.get(name).and_then(Value::as_bool);
        Some(Factor {
            code: said(Some(method))?,
            label: said(method.get("label")),
            enabled: truth("isEnabled").unwrap_or(true),
            primary: truth("isPrimary").unwrap_or(false),
            verified_at: said(item.get("verifiedAt")),
        })
    };
    let list = data.list(&["methods", "mfaMethods", "items", "list"]).ok_or("no list of second factors")?;
    list.iter().map(read).collect::<Option<_>>().map(Told::Factors).ok_or("a second factor without a name")
}

/// Reads the answer to `security/mfa/backup-codes`.
pub(crate) fn backup_codes(data: &Data) -> Result<Told, &'static str> {
    let count = |name: &str| data.field(name).and_then(Value::as_u64);
    let remaining = count("remainingCount").ok_or("no remainingCount of backup codes")?;
    Ok(Told::BackupCodes(BackupCodes { remaining, total: count("totalCount") }))
}

/// Reads the answer to `security/mfa/otp/setup`.
pub(crate) fn otp_setup(data: &Data) -> Result<Told, &'static str> {
    let secret = data.text("secret").ok_or("no secret of the authenticator")?;
    if !secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"=- ".contains(&b)) {
        return Err("the secret of the authenticator is no Base32");
    }
    let uri = data.text("qrCodeUri").filter(|uri| uri.starts_with("otpauth://"));
    let uri = uri.filter(|uri| uri.bytes().all(|b| b.is_ascii_graphic()));
    Ok(Told::OtpSetup(OtpSetup {
        secret: OtpSecret::new(secret),
        uri: uri.map(OtpUri::new),
        issuer: said(data.field("issuer")),
        account: said(data.field("accountName")),
    }))
}

/// Reads the answer to `register/initiate`.
pub(crate) fn registering(data: &Data) -> Result<Told, &'static str> {
    let registration = data.text("sessionId").ok_or("no sessionId of the registration")?;
    let expires_in = match Span::read(data.field("expiresIn")) {
        Span::Absent => REGISTRATION_LIFE,
        Span::Of(life) => life,
        Span::Nonsense => return Err("expiresIn of the registration is no believable number of seconds"),
    };
    Ok(Told::Registering { registration: RegistrationId::new(registration), expires_in })
}

/// Reads the answer to `register/code/send`.
pub(crate) fn registration_code(data: &Data) -> Result<Told, &'static str> {
    if data.truth("sent") == Some(false) {
        return Err("the portal says that it sent no code");
    }
    Ok(Told::CodeSent { masked_target: data.text("maskedTarget").and_then(for_a_person) })
}

/// A text, a number, or the name of a `{code,value,label}`, for a person.
fn said(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => for_a_person(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(named) => {
            ["code", "label", "value"].iter().find_map(|name| match named.get(*name)? {
                Value::String(text) => for_a_person(text),
                Value::Number(number) => Some(number.to_string()),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            })
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(data: Value) -> Data {
        Data::read(json!({"success": true, "code": "2000", "data": data}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn section_7_profile_answer() {
        let named = json!({"code": "TENANT", "value": 10_001_002, "label": "Tenant"});
        let answer = json!({"bizId": 7, "accountEmail": "a@b.c", "accountName": "A\u{1b}[2J", "accountPortal": named,
            "accountStatus": {"value": 1}, "locale": "en"});
        let Ok(Told::Profile(profile)) = profile(&data(answer)) else { panic!("not read") };
        assert_eq!((profile.id.as_deref(), profile.email.as_deref()), (Some("7"), Some("a@b.c")));
        assert_eq!((profile.portal.as_deref(), profile.status.as_deref()), (Some("TENANT"), Some("1")));
        assert_eq!(profile.name.as_deref(), Some("A[2J"), "an escape sequence does not reach the terminal");
        assert!(super::profile(&data(json!({"locale": "en"}))).is_err());
    }

    #[test]
    fn section_8_sessions_answer_as_a_list_and_inside_an_object() {
        let one = json!({"sessionId": "s_1***", "deviceInfo": "curl", "ipAddress": "::1", "location": null,
            "createdAt": "2026-01-01T00:00:00Z", "lastActiveAt": 1_774_087_200, "isCurrent": true, "userAgent": "curl/8"});
        for answer in [json!([one]), json!({"sessions": [one]}), json!({"items": [one]})] {
            let Ok(Told::Sessions(list)) = sessions(&data(answer)) else { panic!("not read") };
            assert_eq!((list.len(), list[0].id.as_str(), list[0].current), (1, "s_1***", true));
            assert_eq!(list[0].last_active_at.as_deref(), Some("1774087200"));
            assert_eq!(list[0].location, None);
        }
        assert!(sessions(&data(json!([{"deviceInfo": "curl"}]))).is_err());
        assert!(sessions(&data(json!(null))).is_err());
        assert!(matches!(sessions(&data(json!([]))), Ok(Told::Sessions(list)) if list.is_empty()));
    }

    #[test]
    fn section_8_mfa_answer() {
        let answer = json!([
            {"mfaMethod": {"code": "EMAIL", "value": 10_011_001, "label": "Email"}, "isEnabled": true,
                "isPrimary": true, "verifiedAt": "2026-01-01T00:00:00Z"},
            {"mfaMethod": "OTP", "isEnabled": false},
        ]);
        let Ok(Told::Factors(list)) = factors(&data(answer)) else { panic!("not read") };
        assert_eq!((list[0].code.as_str(), list[0].label.as_deref()), ("EMAIL", Some("Email")));
        assert!(list[0].enabled && list[0].primary);
        assert_eq!((list[1].code.as_str(), list[1].enabled, list[1].primary), ("OTP", false, false));
    }

    #[test]
    fn section_8_backup_codes_answer() {
        let read = |answer| match backup_codes(&data(answer)) {
            Ok(Told::BackupCodes(codes)) => Some((codes.remaining, codes.total)),
            _ => None,
        };
        assert_eq!(read(json!({"remainingCount": 8, "totalCount": 10})), Some((8, Some(10))));
        assert_eq!(read(json!({"remainingCount": 0})), Some((0, None)));
        assert_eq!(read(json!({"totalCount": 10})), None);
    }

    #[test]
    fn section_8_otp_setup_answer_shows_no_secret_in_debug() {
        let answer = json!({"secret": "CNRYSEED", "qrCodeUri": "otpauth://totp/x?secret=CNRYSEED",
            "issuer": "Portal", "accountName": "a@b.c"});
        let told = otp_setup(&data(answer)).unwrap();
        assert!(!format!("{told:?}").contains("CNRY"), "{told:?}");
        let Told::OtpSetup(setup) = told else { panic!("not read") };
        assert_eq!(setup.secret, OtpSecret::new("CNRYSEED"));
        assert!(setup.uri.is_some());
        let strange = json!({"secret": "CNRYSEED", "qrCodeUri": "https://evil.example/\u{1b}"});
        assert!(matches!(otp_setup(&data(strange)), Ok(Told::OtpSetup(OtpSetup { uri: None, .. }))));
        assert!(otp_setup(&data(json!({"secret": "\u{1b}[2J"}))).is_err());
    }

    #[test]
    fn section_8_register_answers() {
        let life = |answer| match registering(&data(answer)) {
            Ok(Told::Registering { expires_in, .. }) => Some(expires_in.as_secs()),
            _ => None,
        };
        assert_eq!(life(json!({"sessionId": "reg_1", "email": "a@b.c", "expiresIn": 90})), Some(90));
        assert_eq!(life(json!({"sessionId": "reg_1"})), Some(600));
        assert_eq!(life(json!({"sessionId": "reg_1", "expiresIn": -1})), None);
        assert_eq!(life(json!({"email": "a@b.c"})), None);
        let sent = registration_code(&data(json!({"sent": true, "maskedTarget": "a***@b.c"})));
        assert!(matches!(sent, Ok(Told::CodeSent { masked_target: Some(to) }) if to == "a***@b.c"));
        assert!(registration_code(&data(json!({"sent": false}))).is_err());
    }

    #[test]
    fn sign_ins_that_were_ended_are_counted_where_the_portal_counts_them() {
        assert!(matches!(terminated(&data(json!({"terminatedSessions": 2}))), Ok(Told::Terminated(Some(2)))));
        assert!(matches!(terminated(&data(json!(null))), Ok(Told::Terminated(None))));
    }
}
