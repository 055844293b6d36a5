//! The rules that a dialect brings along (PROTOCOL sections 2, 3.6 and 14.3).

use super::pattern::Pattern;
use super::{BadPattern, Bearer, Protection, Replay, Rule};

/// Where a dialect keeps its calls; paths relative to the base URL, a trailing `*` stands for all below.
#[derive(Debug, Clone, Copy)]
pub struct DialectPaths<'a> {
    /// Where the channel's calls are, or may be, such as `/web/v1/secure-channel`; without a slash at the end.
    pub channel_bases: &'a [String],
    /// The logout call.
    pub logout_path: &'a str,
    /// Calls that come before a login and never carry the bearer.
    pub before_login: &'a [String],
    /// Paths whose bodies are sealed.
    pub sealed: &'a [String],
}

/// The rules of a dialect, to stand behind those that a person has written.
///
/// Sealed calls are kept at hand whole, and are sent again only when the answer proves that they were not
/// processed. Codes, passwords and refresh tokens that are not sealed are shown once.
///
/// # Errors
/// [`BadPattern`] of the first path that cannot stand.
pub fn default_rules(paths: DialectPaths<'_>) -> Result<Vec<Rule>, BadPattern> {
    let compiled =
        paths.before_login.iter().map(|path| Pattern::compile(path)).collect::<Result<Vec<_>, _>>()?;
    let bearer_for = |path: &str| {
        let before = compiled.iter().any(|pattern| pattern.matches(path.trim_end_matches('*')));
        if before { Bearer::Never } else { Bearer::Required }
    };
    let shown_once = |path: &str, bearer| Rule { bearer, replay: Replay::Never, ..Rule::for_path(path) };

    // A channel cannot carry its own making.
    let channel_calls = paths.channel_bases.iter().map(|base| Rule {
        protection: Protection::Plain,
        ..shown_once(&format!("{base}/*"), Bearer::Never)
    });
    let mut rules: Vec<Rule> = channel_calls.collect();
    rules.push(Rule { protection: Protection::Plain, ..shown_once(paths.logout_path, Bearer::Required) });
    for path in paths.sealed {
        Pattern::compile(path)?;
        let rule = Rule { protection: Protection::Sealed, replay: Replay::Buffered, ..Rule::for_path(path) };
        rules.push(Rule { bearer: bearer_for(path), ..rule });
    }
    rules.extend(paths.before_login.iter().map(|path| shown_once(path, Bearer::Never)));
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_before_a_login_carry_no_bearer_and_sealed_ones_are_sealed() {
        let auth = "/web/v1/tenant/auth";
        let sealed: Vec<String> = ["/login/initiate", "/password/reset", "/password/change"]
            .map(|path| format!("{auth}{path}"))
            .into();
        let before_login: Vec<String> =
            ["/login/*", "/register/*", "/password/reset", "/password/init", "/token/refresh"]
                .map(|path| format!("{auth}{path}"))
                .into();
        let rules = default_rules(DialectPaths {
            channel_bases: &["/web/v1/secure-channel".to_owned()],
            logout_path: "/web/v1/tenant/auth/logout",
            before_login: &before_login,
            sealed: &sealed,
        })
        .unwrap();
        let found = |path: &str| {
            let rule = rules.iter().find(|rule| Pattern::compile(&rule.path).unwrap().matches(path));
            rule.map(|rule| (rule.protection, rule.bearer, rule.replay))
        };
        use {Bearer as B, Protection as P, Replay as R};
        let expected = [
            ("/login/initiate", Some((P::Sealed, B::Never, R::Buffered))),
            ("/login/mfa/send", Some((P::Auto, B::Never, R::Never))),
            ("/register/code/send", Some((P::Auto, B::Never, R::Never))),
            ("/password/reset", Some((P::Sealed, B::Never, R::Buffered))),
            ("/password/init", Some((P::Auto, B::Never, R::Never))),
            ("/password/change", Some((P::Sealed, B::Required, R::Buffered))),
            ("/token/refresh", Some((P::Auto, B::Never, R::Never))),
            ("/logout", Some((P::Plain, B::Required, R::Never))),
            ("/profile", None),
        ];
        for (path, rule) in expected {
            assert_eq!(found(&format!("{auth}{path}")), rule, "{path}");
        }
        assert_eq!(found("/web/v1/secure-channel/session/close"), Some((P::Plain, B::Never, R::Never)));
    }
}
