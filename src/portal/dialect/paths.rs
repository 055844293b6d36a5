//! From templates to paths.

use super::{Dialect, Endpoint};

impl Dialect {
    /// The path of a call, relative to the base URL.
    pub fn path(&self, endpoint: Endpoint) -> String {
        self.expand(match endpoint {
            Endpoint::PublicKey => "{channel}/public-key",
            Endpoint::Session => "{channel}/session",
            Endpoint::SessionClose => "{channel}/session/close",
            Endpoint::Initiate => "{login}/initiate",
            Endpoint::MfaSend => "{login}/mfa/send",
            Endpoint::Complete => "{login}/complete",
            Endpoint::Refresh => &self.refresh_path,
            Endpoint::Logout => &self.logout_path,
            Endpoint::Profile => &self.profile_path,
            Endpoint::RegisterInitiate => "{register}/initiate",
            Endpoint::RegisterCodeSend => "{register}/code/send",
            Endpoint::RegisterVerify => "{register}/verify",
            Endpoint::RegisterComplete => "{register}/complete",
            Endpoint::PasswordInit => "{password}/init",
            Endpoint::PasswordForgot => "{password}/forgot",
            Endpoint::PasswordReset => "{password}/reset",
            Endpoint::PasswordChange => "{password}/change",
            Endpoint::Sessions => "{security}/sessions",
            Endpoint::Terminate => &self.terminate_path,
            Endpoint::TerminateOthers => &self.terminate_others_path,
            Endpoint::Mfa => "{security}/mfa",
            Endpoint::OtpSetup => "{security}/mfa/otp/setup",
            Endpoint::OtpVerify => "{security}/mfa/otp/verify",
            Endpoint::BackupCodes => "{security}/mfa/backup-codes",
        })
    }

    /// The path that ends the sign-in of this (masked) id.
    pub fn terminate(&self, id: &str) -> String {
        let mut segment = String::with_capacity(id.len());
        for byte in id.bytes() {
            match byte {
                b'~' | b'*' => segment.push(char::from(byte)),
                _ if is_unreserved(byte) => segment.push(char::from(byte)),
                _ => segment.push_str(&format!("%{byte:02X}")),
            }
        }
        self.path(Endpoint::Terminate).replace(SESSION_ID, &segment)
    }

    /// The patterns of the paths whose bodies are sealed: relative to the base URL, a `*` at most at the end.
    /// Empty where there is no channel to seal them under.
    pub fn sealed_paths(&self) -> Vec<String> {
        match self.channel {
            Some(_) => self.sealed_paths.iter().map(|path| self.expand(path)).collect(),
            None => Vec::new(),
        }
    }

    /// Whether the body of a request to `path` is sealed.
    pub fn seals(&self, path: &str) -> bool {
        self.sealed_paths().iter().any(|pattern| matches(pattern, path))
    }

    /// The patterns of the calls that come before a login and so never carry `Authorization` (PROTOCOL
    /// section 2; ruling 12 for the refresh).
    pub fn pre_login_paths(&self) -> Vec<String> {
        let password = [Endpoint::PasswordInit, Endpoint::PasswordForgot, Endpoint::PasswordReset];
        ["{login}/*", "{register}/*", "{channel}/*"]
            .into_iter()
            .map(|pattern| self.expand(pattern))
            .chain(password.into_iter().chain([Endpoint::Refresh]).map(|endpoint| self.path(endpoint)))
            .collect()
    }

    /// Whether a request to `path` comes before a login.
    pub fn is_pre_login(&self, path: &str) -> bool {
        self.pre_login_paths().iter().any(|pattern| matches(pattern, path))
    }

    /// What does not hold together after overrides: one line for each setting, naming it as the field is named.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.portal.is_empty() || !self.portal.bytes().all(is_unreserved) {
            found.push(
                "portal: a portal's name is one path segment of letters, digits, '-', '_' and '.'".into(),
            );
        }
        let bases = [
            ("auth_base", &self.auth_base),
            ("login_base", &self.login_base),
            ("register_base", &self.register_base),
            ("password_base", &self.password_base),
            ("security_base", &self.security_base),
            ("channel_base", &self.channel_base),
            ("profile_path", &self.profile_path),
            ("refresh_path", &self.refresh_path),
            ("logout_path", &self.logout_path),
            ("terminate_others_path", &self.terminate_others_path),
        ];
        for (name, template) in bases {
            found.extend(problem_of(&self.expand(template)).map(|why| format!("{name}: {why}")));
        }
        let one = self.expand(&self.terminate_path).replace(SESSION_ID, "id");
        found.extend(problem_of(&one).map(|why| format!("terminate_path: {why}")));
        for template in &self.sealed_paths {
            let expanded = self.expand(template);
            let path =
                expanded.strip_suffix('*').map_or(expanded.as_str(), |head| head.trim_end_matches('/'));
            found.extend(problem_of(path).map(|why| format!("sealed_paths: {template:?}: {why}")));
        }
        if self.channel.is_none() && !self.sealed_paths.is_empty() {
            found.push("sealed_paths: the dialect has no secure channel to seal them under".into());
        }
        found
    }

    /// Replaces the names of bases, then `{auth}`, which some of them stand on, then `{portal}`.
    fn expand(&self, template: &str) -> String {
        let mut path = String::with_capacity(64);
        self.put(template, NESTED, &mut path);
        path
    }

    /// In one pass: a start expands some sixty of them.
    fn put(&self, template: &str, nested: u8, path: &mut String) {
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            path.push_str(&rest[..at]);
            rest = &rest[at..];
            let (name, behind) = rest.split_at(rest.find('}').map_or(rest.len(), |end| end + 1));
            match self.placeholder(name).filter(|_| nested > 0) {
                Some(stands_for) => self.put(stands_for, nested - 1, path),
                None => path.push_str(name),
            }
            rest = behind;
        }
        path.push_str(rest);
    }

    fn placeholder(&self, name: &str) -> Option<&str> {
        Some(match name {
            "{login}" => &self.login_base,
            "{register}" => &self.register_base,
            "{password}" => &self.password_base,
            "{security}" => &self.security_base,
            "{channel}" => &self.channel_base,
            "{auth}" => &self.auth_base,
            "{portal}" => &self.portal,
            _ => return None,
        })
    }
}

/// A path may name a base, that one `{auth}`, and that one the portal.
const NESTED: u8 = 3;

/// What stands for a session's id in `terminate_path`.
const SESSION_ID: &str = "{session_id}";

/// A pattern is a path, or the beginning of one and a `*`.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => path.starts_with(beginning),
        None => path == pattern,
    }
}

fn problem_of(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') || path.starts_with("//") {
        return Some("a path begins with one '/'");
    }
    if path.contains(['{', '}']) {
        return Some("an unknown placeholder, or one that stands on itself");
    }
    if path.len() > 1 && path.ends_with('/') {
        return Some("no '/' at the end");
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return Some("no dot segments");
    }
    let legal = |b: u8| is_unreserved(b) || b"/~!$&'()+,;=:@".contains(&b);
    (!path.bytes().all(legal)).then_some("a path holds no query, fragment, '%', '*' or space")
}

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::super::Preset;
    use super::*;

    fn guide() -> Dialect {
        Dialect::preset(Preset::Guide, "tenant")
    }

    #[test]
    fn a_base_that_is_overridden_takes_its_paths_along() {
        let mut dialect = guide();
        dialect.auth_base = "/idp/{portal}".into();
        assert_eq!(dialect.path(Endpoint::Initiate), "/idp/tenant/login/initiate");
        assert_eq!(dialect.path(Endpoint::Refresh), "/idp/tenant/token/refresh");
        assert_eq!(dialect.path(Endpoint::PasswordReset), "/idp/tenant/password/reset");
        assert!(dialect.seals("/idp/tenant/login/initiate"));
        assert!(dialect.is_pre_login("/idp/tenant/register/code/send"));
        assert_eq!(dialect.problems(), Vec::<String>::new());
    }

    #[test]
    fn a_path_that_is_overridden_moves_alone() {
        let mut dialect = guide();
        dialect.logout_path = "/bye".into();
        dialect.channel_base = "/web/v1/{portal}/secure-channel".into();
        assert_eq!(dialect.path(Endpoint::Logout), "/bye");
        assert_eq!(dialect.path(Endpoint::SessionClose), "/web/v1/tenant/secure-channel/session/close");
        assert_eq!(dialect.path(Endpoint::Refresh), "/web/v1/tenant/auth/token/refresh");
    }

    #[test]
    fn a_trailing_star_seals_what_begins_alike() {
        let mut dialect = guide();
        dialect.sealed_paths = vec!["{security}/*".into()];
        assert!(dialect.seals("/web/v1/tenant/security/mfa/otp/setup"));
        assert!(!dialect.seals("/web/v1/tenant/security"));
        assert!(!dialect.seals("/web/v1/tenant/profile"));
        assert_eq!(dialect.problems(), Vec::<String>::new());
    }

    #[test]
    fn section_2_no_authorization_before_a_login() {
        let dialect = guide();
        for endpoint in Endpoint::ALL {
            use Endpoint::*;
            let expected = matches!(
                endpoint,
                PublicKey
                    | Session
                    | SessionClose
                    | Initiate
                    | MfaSend
                    | Complete
                    | Refresh
                    | RegisterInitiate
                    | RegisterCodeSend
                    | RegisterVerify
                    | RegisterComplete
                    | PasswordInit
                    | PasswordForgot
                    | PasswordReset
            );
            assert_eq!(dialect.is_pre_login(&dialect.path(endpoint)), expected, "{endpoint:?}");
        }
    }

    #[test]
    fn a_masked_id_is_one_segment_of_the_path_that_ends_it() {
        assert_eq!(guide().terminate("ab*-1"), "/web/v1/tenant/security/sessions/ab*-1");
        assert_eq!(guide().terminate("a/../b?c"), "/web/v1/tenant/security/sessions/a%2F..%2Fb%3Fc");
        let mut other = guide();
        other.terminate_path = "/end/{session_id}/now".into();
        assert_eq!((other.terminate("7").as_str(), other.problems().len()), ("/end/7/now", 0));
    }

    #[test]
    fn every_problem_is_named_by_its_setting() {
        let mut dialect = guide();
        dialect.portal = "a/b".into();
        dialect.auth_base = "auth".into();
        dialect.profile_path = "/{who}".into();
        dialect.channel_base = "/sc/".into();
        dialect.logout_path = "/a/../b".into();
        dialect.sealed_paths = vec!["/a*b".into()];
        let problems = dialect.problems().join("\n");
        for name in
            ["portal:", "auth_base:", "profile_path:", "channel_base:", "logout_path:", "sealed_paths:"]
        {
            assert!(problems.contains(name), "{name} in {problems}");
        }
        assert!(!problems.contains("security_base"), "{problems}");
    }

    #[test]
    fn nothing_can_be_sealed_without_a_channel() {
        let mut dialect = Dialect::preset(Preset::Plain, "tenant");
        dialect.sealed_paths = vec!["{login}/*".into()];
        assert!(!dialect.seals("/web/v1/tenant/auth/login/initiate"));
        assert_eq!(dialect.problems().len(), 1);
    }
}
