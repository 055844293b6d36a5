//! The rules that a dialect brings along (PROTOCOL sections 2, 3.6 and 14.3).

use super::pattern::Pattern;
use super::{BadPattern, Bearer, Protection, Replay, Rule};

/// Where a dialect keeps its calls; paths relative to the base URL, without a slash at the end.
#[derive(Debug, Clone, Copy)]
pub struct DialectPaths<'a> {
    /// `{auth}`, such as `/web/v1/tenant/auth`.
    pub auth_base: &'a str,
    /// Where the login calls are, such as `{auth}/login`.
    pub login_base: &'a str,
    /// Where the channel's calls are, such as `/web/v1/secure-channel`.
    pub channel_base: &'a str,
    /// The refresh call.
    pub refresh_path: &'a str,
    /// The logout call.
    pub logout_path: &'a str,
    /// Paths whose bodies are sealed.
    pub sealed: &'a [String],
}

/// The rules of a dialect, to stand behind those that a person has written.
///
/// # Errors
/// [`BadPattern`] of the first path that cannot stand.
pub fn default_rules(paths: DialectPaths<'_>) -> Result<Vec<Rule>, BadPattern> {
    let auth = paths.auth_base;
    let channel = format!("{}/*", paths.channel_base);
    // Calls of somebody who has no token yet, or has only the one for renewing.
    let before_login = [
        format!("{}/*", paths.login_base),
        format!("{auth}/register/*"),
        format!("{auth}/password/forgot"),
        format!("{auth}/password/reset"),
        format!("{auth}/password/init"),
        paths.refresh_path.to_owned(),
    ];
    let compiled = before_login.iter().map(|path| Pattern::compile(path)).collect::<Result<Vec<_>, _>>()?;
    let bearer_for = |path: &str| {
        let before = compiled.iter().any(|pattern| pattern.matches(path.trim_end_matches('*')));
        if before { Bearer::Never } else { Bearer::Required }
    };

    let mut rules = vec![
        // A channel cannot carry its own making.
        Rule {
            protection: Protection::Plain,
            bearer: Bearer::Never,
            replay: Replay::Never,
            ..Rule::for_path(channel)
        },
        Rule { protection: Protection::Plain, replay: Replay::Never, ..Rule::for_path(paths.logout_path) },
    ];
    for path in paths.sealed {
        Pattern::compile(path)?;
        let bearer = bearer_for(path);
        let replay = match bearer {
            // Its body is at hand, and a 401 says that it was not processed.
            Bearer::Required => Replay::Buffered,
            // Codes, passwords and refresh tokens are shown once.
            Bearer::Never => Replay::Never,
        };
        rules.push(Rule { protection: Protection::Sealed, bearer, replay, ..Rule::for_path(path) });
    }
    rules.extend(before_login.map(|path| Rule {
        bearer: Bearer::Never,
        replay: Replay::Never,
        ..Rule::for_path(path)
    }));
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
        let rules = default_rules(DialectPaths {
            auth_base: auth,
            login_base: "/web/v1/tenant/auth/login",
            channel_base: "/web/v1/secure-channel",
            refresh_path: "/web/v1/tenant/auth/token/refresh",
            logout_path: "/web/v1/tenant/auth/logout",
            sealed: &sealed,
        })
        .unwrap();
        let found = |path: &str| {
            let rule = rules.iter().find(|rule| Pattern::compile(&rule.path).unwrap().matches(path));
            rule.map(|rule| (rule.protection, rule.bearer, rule.replay))
        };
        use {Bearer as B, Protection as P, Replay as R};
        let expected = [
            ("/login/initiate", Some((P::Sealed, B::Never, R::Never))),
            ("/login/mfa/send", Some((P::Auto, B::Never, R::Never))),
            ("/register/code/send", Some((P::Auto, B::Never, R::Never))),
            ("/password/reset", Some((P::Sealed, B::Never, R::Never))),
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
