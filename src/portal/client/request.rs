//! The bodies of the session's calls (PROTOCOL sections 6 and 7): exactly the documented fields, for unknown
//! ones are refused.

use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::secret::{Expose, LoginSessionId, OneTimeCode, Password, RefreshToken};
use crate::session::Method;

/// A body, wiped when it is dropped.
pub(in crate::portal) type Body = Zeroizing<Vec<u8>>;

/// `login/initiate`.
#[expect(clippy::disallowed_methods, reason = "the password leaves in the body of login/initiate")]
pub(super) fn initiate(email: &str, password: &Password) -> Body {
    #[derive(Serialize)]
    struct Initiate<'a> {
        email: &'a str,
        password: &'a str,
    }
    let password = password.expose();
    body(&Initiate { email, password }, email.len() + password.len())
}

/// `login/mfa/send`.
#[expect(clippy::disallowed_methods, reason = "the pending login is named in the body of login/mfa/send")]
pub(super) fn send_code(login: &LoginSessionId, method: &Method) -> Body {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Send<'a> {
        session_id: &'a str,
        method: &'a Value,
    }
    let session_id = login.expose();
    body(&Send { session_id, method: &method.wire }, session_id.len())
}

/// `login/complete`; ruling 5: without a factor, it carries the pending login alone.
#[expect(clippy::disallowed_methods, reason = "the code leaves in the body of login/complete")]
pub(super) fn complete(login: &LoginSessionId, factor: Option<(&Method, &OneTimeCode)>) -> Body {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Complete<'a> {
        session_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        method: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'a str>,
    }
    let session_id = login.expose();
    let (method, code) = factor.map(|(method, code)| (&method.wire, code.expose())).unzip();
    body(&Complete { session_id, method, code }, session_id.len() + code.map_or(0, str::len))
}

/// `token/refresh`.
#[expect(clippy::disallowed_methods, reason = "the refresh token leaves in the body of token/refresh")]
pub(super) fn refresh(token: &RefreshToken) -> Body {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Refresh<'a> {
        refresh_token: &'a str,
    }
    let refresh_token = token.expose();
    body(&Refresh { refresh_token }, refresh_token.len())
}

/// Room for every text escaped in full, so that no copy stays behind in a buffer that was too small.
fn body(fields: &impl Serialize, texts: usize) -> Body {
    let mut body = Zeroizing::new(Vec::with_capacity(6 * texts + 256));
    serde_json::to_writer(&mut *body, fields).expect("texts and numbers are JSON, and a Vec takes all bytes");
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::session::FactorKind;

    fn text(body: Body) -> String {
        String::from_utf8(body.to_vec()).unwrap()
    }

    fn otp(wire: Value) -> Method {
        Method { kind: FactorKind::Otp, label: None, wire }
    }

    #[test]
    fn section_6_1_initiate_request() {
        let body = initiate("admin@example.com", &Password::new("p\"ä\n"));
        assert_eq!(text(body), r#"{"email":"admin@example.com","password":"p\"ä\n"}"#);
    }

    #[test]
    fn section_6_2_send_request_with_an_integer_and_with_a_name() {
        let login = LoginSessionId::new("s");
        assert_eq!(
            text(send_code(&login, &otp(json!(10_011_001)))),
            r#"{"sessionId":"s","method":10011001}"#
        );
        assert_eq!(text(send_code(&login, &otp(json!("EMAIL")))), r#"{"sessionId":"s","method":"EMAIL"}"#);
    }

    #[test]
    fn section_6_3_complete_request() {
        let body =
            complete(&LoginSessionId::new("s"), Some((&otp(json!(10_011_002)), &OneTimeCode::new("123456"))));
        assert_eq!(text(body), r#"{"sessionId":"s","method":10011002,"code":"123456"}"#);
    }

    #[test]
    fn ruling_5_complete_request_without_a_factor() {
        assert_eq!(text(complete(&LoginSessionId::new("s"), None)), r#"{"sessionId":"s"}"#);
    }

    #[test]
    fn section_7_refresh_request() {
        assert_eq!(text(refresh(&RefreshToken::new("r"))), r#"{"refreshToken":"r"}"#);
    }

    #[test]
    fn no_body_outgrows_its_first_buffer() {
        let worst = "\u{1}".repeat(128);
        let body = initiate(&worst, &Password::new(worst.clone()));
        assert!(body.len() > 6 * 256 && body.capacity() == 6 * 256 + 256, "{}", body.capacity());
    }
}
