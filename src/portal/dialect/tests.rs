//! PROTOCOL sections 6 to 8, a test for each row: path, method, whether sealed, whether before a login.

use http::Method;

use super::*;

struct Row {
    method: Method,
    path: &'static str,
    sealed: bool,
    before_login: bool,
}

fn row(endpoint: Endpoint) -> (Method, String, bool, bool) {
    let dialect = Dialect::preset(Preset::Guide, "tenant");
    let path = dialect.path(endpoint);
    let (sealed, before_login) = (dialect.seals(&path), dialect.is_pre_login(&path));
    (endpoint.method(), path, sealed, before_login)
}

macro_rules! rows {
    ($($name:ident: $endpoint:ident, $method:ident $path:literal, sealed $sealed:literal, before_login $before:literal;)*) => {$(
        #[test]
        fn $name() {
            let expected =
                Row { method: Method::$method, path: $path, sealed: $sealed, before_login: $before };
            let Row { method, path, sealed, before_login } = expected;
            assert_eq!(row(Endpoint::$endpoint), (method, path.to_owned(), sealed, before_login));
        }
    )*};
}

rows! {
    section_6_1_login_initiate: Initiate, POST "/web/v1/tenant/auth/login/initiate", sealed true, before_login true;
    section_6_2_login_mfa_send: MfaSend, POST "/web/v1/tenant/auth/login/mfa/send", sealed true, before_login true;
    section_6_3_login_complete: Complete, POST "/web/v1/tenant/auth/login/complete", sealed true, before_login true;
    section_7_token_refresh: Refresh, POST "/web/v1/tenant/auth/token/refresh", sealed false, before_login true;
    section_7_logout: Logout, POST "/web/v1/tenant/auth/logout", sealed false, before_login false;
    section_7_profile: Profile, GET "/web/v1/tenant/profile", sealed false, before_login false;
    section_8_register_initiate: RegisterInitiate, POST "/web/v1/tenant/auth/register/initiate", sealed true, before_login true;
    section_8_register_code_send: RegisterCodeSend, POST "/web/v1/tenant/auth/register/code/send", sealed false, before_login true;
    section_8_register_verify: RegisterVerify, POST "/web/v1/tenant/auth/register/verify", sealed true, before_login true;
    section_8_register_complete: RegisterComplete, POST "/web/v1/tenant/auth/register/complete", sealed false, before_login true;
    section_8_password_init: PasswordInit, POST "/web/v1/tenant/auth/password/init", sealed true, before_login true;
    section_8_password_forgot: PasswordForgot, POST "/web/v1/tenant/auth/password/forgot", sealed true, before_login true;
    section_8_password_reset: PasswordReset, POST "/web/v1/tenant/auth/password/reset", sealed true, before_login true;
    section_8_password_change: PasswordChange, POST "/web/v1/tenant/auth/password/change", sealed true, before_login false;
    section_8_security_sessions: Sessions, GET "/web/v1/tenant/security/sessions", sealed false, before_login false;
    section_8_security_mfa: Mfa, GET "/web/v1/tenant/security/mfa", sealed false, before_login false;
    section_8_security_mfa_otp_setup: OtpSetup, POST "/web/v1/tenant/security/mfa/otp/setup", sealed false, before_login false;
    section_8_security_mfa_otp_verify: OtpVerify, POST "/web/v1/tenant/security/mfa/otp/verify", sealed true, before_login false;
    section_8_security_mfa_backup_codes: BackupCodes, GET "/web/v1/tenant/security/mfa/backup-codes", sealed false, before_login false;
}

#[test]
fn every_call_has_a_path_of_its_own_in_every_preset() {
    for preset in Preset::ALL {
        let dialect = Dialect::preset(preset, "tenant");
        let paths: std::collections::BTreeSet<_> = Endpoint::ALL.iter().map(|of| dialect.path(*of)).collect();
        assert_eq!(paths.len(), Endpoint::ALL.len(), "{preset:?}");
        let names: std::collections::BTreeSet<_> = Endpoint::ALL.iter().map(|of| of.name()).collect();
        assert_eq!(names.len(), Endpoint::ALL.len());
    }
}
