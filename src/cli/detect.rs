//! `portunus detect`: finds out how a deployment spells the protocol, and prints the sections that say so.
//!
//! stdout gets the TOML and nothing else, so that it can be appended to a file. No secret is an argument: access
//! code, password and OTP seed come from the configuration's forms, its variables, or a prompt.

use std::sync::Arc;

use super::args::{DetectFlags, GlobalFlags};
use super::environment::Environment;
use super::exit::Exit;
use super::failure::Failure;
use super::join;
use super::terminal::{Question, Terminal};
use crate::app::{self, Secrets};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, Flag, Inputs};
use crate::detect::{
    self, Account, Candidates, Confidence, DetectError, Found, LoginBudget, LoginEnd, OtpCodes, SeededCodes,
    Settings, Talk, Target,
};
use crate::held::HeldBytes;
use crate::portal::Dialect;
use crate::secret::Password;
use crate::session::Credentials;

/// Probes the portal, confirms by a login if that is allowed, and prints what was found.
pub(super) async fn detect(
    global: &GlobalFlags,
    flags: &DetectFlags,
    environment: &Environment,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let variables = join::variables(environment);
    let file = join::config_file(global, environment)?;
    let inputs = Inputs {
        file: file.as_deref(),
        environment: &variables,
        flags: &settings_of(flags),
        unsafe_listen: false,
    };
    let mut config = join::load(&inputs)?;
    config.guard.local_key = None; // nobody calls the proxy here: its secret is not fetched
    if flags.no_login {
        (config.login.email, config.login.password, config.login.otp_secret) = (None, None, None);
    }
    let person = join::Typist::of(flags.no_input, environment);
    let person = person.as_ref().map(|person| person as _);
    let secrets = Secrets::fetch(&config, &config.surroundings(&variables, person)).await;
    let secrets = secrets.map_err(|error| Failure::from(&error))?;
    let clock = SystemClock::shared();
    let mut teller = Teller { terminal, flags, stopped: None };
    let account = match secrets.credentials() {
        Some(credentials) => teller.account(credentials, &clock)?,
        None => None,
    };
    let target = target(&config, &secrets)?;
    let settings = Settings {
        logins: flags.logins,
        patience: flags.patience,
        call_timeout: config.limits.own_call,
        max_answer: config.limits.own_answer,
    };
    let found = detect::detect(&target, account.as_ref(), settings, clock, &mut teller).await;
    if let Some(stopped) = teller.stopped.take() {
        return Err(stopped);
    }
    let found = found?;
    teller.conclude(&found);
    teller.terminal.data(found.to_toml().trim_end());
    match &found.login {
        LoginEnd::NotTried | LoginEnd::Begun | LoginEnd::Complete => Ok(Exit::Ok),
        LoginEnd::Refused(_) => Err(Failure::new(Exit::Refused, found.login.to_string())
            .hint("what was printed was found without the login; correct the account and confirm it")),
        LoginEnd::NotRead(_) => Err(Failure::failed(found.login.to_string()).hint(
            "what was printed is the best guess; ask the portal's operators for the form of the login",
        )),
    }
}

/// The deployment, by the configuration's access code, client hash, extra headers, and certificate authorities.
fn target(config: &Config, secrets: &Secrets) -> Result<Target, Failure> {
    let refused = |error| Failure::from(&error);
    let (dialect, injected) = (config.dialect(), secrets.injected().map_err(refused)?);
    let via = secrets.via(config).map_err(refused)?;
    let (upstream, _) =
        app::portal(config, &dialect, &injected, via, &[], &HeldBytes::unbounded()).map_err(refused)?;
    Ok(Target {
        portal: config.portal.name.as_str().to_owned(),
        upstream,
        injected,
        candidates: with_configured(&dialect),
    })
}

/// What the handbooks document, and what the configuration names already.
fn with_configured(dialect: &Dialect) -> Candidates {
    fn also<T: PartialEq + Clone>(known: &mut Vec<T>, configured: &T) {
        if !known.contains(configured) {
            known.push(configured.clone());
        }
    }
    let mut candidates = Candidates::default();
    also(&mut candidates.channel_bases, &dialect.channel_base);
    also(&mut candidates.auth_bases, &dialect.auth_base);
    also(&mut candidates.login_bases, &dialect.login_base);
    also(&mut candidates.refresh_paths, &dialect.refresh_path);
    also(&mut candidates.session_headers, &dialect.session_header.get());
    also(&mut candidates.content_types, &dialect.sealed_content_type);
    candidates
}

/// Flags stand above the environment and the file.
fn settings_of(flags: &DetectFlags) -> Vec<Flag> {
    let given = [
        ("--upstream", "upstream.url", &flags.upstream),
        ("--portal", "portal.name", &flags.portal),
        ("--email", "login.email", &flags.email),
    ];
    let flag = |(name, setting, value): (&str, &str, &Option<String>)| {
        let value = value.clone()?;
        Some(Flag { name: name.to_owned(), setting: setting.to_owned(), value })
    };
    given.into_iter().filter_map(flag).collect()
}

/// Passes on what is found, and asks before the login.
struct Teller<'a, T> {
    terminal: &'a mut T,
    flags: &'a DetectFlags,
    /// Why the question had no answer, if it had none.
    stopped: Option<Failure>,
}

impl<T: Terminal> Teller<'_, T> {
    /// Whose login confirms what is found; `None` if the password is not to be had.
    fn account(
        &mut self,
        credentials: &Credentials,
        clock: &SharedClock,
    ) -> Result<Option<Account>, Failure> {
        let email = credentials.email.clone();
        let password = match &credentials.password {
            Some(password) => password.clone(),
            None if self.flags.password_stdin => {
                Password::new(self.terminal.line_from_stdin()?.as_str().to_owned())
            }
            None if self.may_ask() => {
                let prompt = format!("Password of {email}: ");
                let typed = self.ask(&prompt, true)?;
                Password::new(typed.as_str().to_owned())
            }
            None => {
                self.terminal.say("no password is configured, and nobody can be asked: no login confirms it");
                return Ok(None);
            }
        };
        let otp = match &credentials.otp_secret {
            Some(secret) => {
                let codes = SeededCodes::new(secret, clock.clone());
                let codes = codes.map_err(|why| Failure::usage(format!("login.otp_secret: {why}")))?;
                Some(Arc::new(codes) as Arc<dyn OtpCodes>)
            }
            None => None,
        };
        Ok(Some(Account { email, password, otp }))
    }

    fn may_ask(&self) -> bool {
        !self.flags.no_input && self.terminal.interactive()
    }

    fn ask(&mut self, prompt: &str, hidden: bool) -> Result<zeroize::Zeroizing<String>, Failure> {
        let question = Question { prompt: &|| Some(prompt.to_owned()), hidden };
        Ok(self.terminal.ask(&question)?)
    }

    fn conclude(&mut self, found: &Found) {
        let unsure = |confidence| found.findings.iter().filter(|f| f.confidence == confidence).count();
        let departing = match found.overrides().len() {
            0 => "to the letter".to_owned(),
            1 => "and one setting departs from it".to_owned(),
            many => format!("and {many} settings depart from it"),
        };
        self.terminal.say(&format!(
            "nearest preset: {}, {departing}; inferred: {}, assumed: {}; {}",
            found.preset().name(),
            unsure(Confidence::Inferred),
            unsure(Confidence::Assumed),
            found.login,
        ));
    }
}

impl<T: Terminal> Talk for Teller<'_, T> {
    fn step(&mut self, sentence: &str) {
        self.terminal.say(sentence);
    }

    fn may_log_in(&mut self, budget: &LoginBudget) -> bool {
        self.terminal.say(&format!("to confirm it: {budget}"));
        if self.flags.yes {
            return true;
        }
        if !self.may_ask() {
            self.terminal.say("nobody can be asked, so there is no login; --yes allows it");
            return false;
        }
        match self.ask("Go on? [y/N] ", false) {
            Ok(answer) => matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"),
            Err(failure) => {
                self.stopped = Some(failure);
                false
            }
        }
    }
}

impl From<DetectError> for Failure {
    fn from(error: DetectError) -> Self {
        let exit = match &error {
            DetectError::Unreachable(_) | DetectError::NoAnswer { .. } | DetectError::InTrouble { .. } => {
                Exit::Unreachable
            }
            DetectError::RefusedEverything { .. } | DetectError::Limited { .. } => Exit::Refused,
            DetectError::NoLogin
            | DetectError::NoChannel
            | DetectError::NoKey
            | DetectError::Key(_)
            | DetectError::NotUnderstood { .. }
            | DetectError::NoSession(_)
            | DetectError::NoSpelling(_) => Exit::Failed,
        };
        let failure = Self::new(exit, error.to_string());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::script::Script;
    use crate::cli::terminal::Unanswered;

    fn budget() -> LoginBudget {
        LoginBudget { email: "a@b.c".into(), initiates: 6, completes: true }
    }

    fn allowed(script: &mut Script, flags: &DetectFlags) -> (bool, Option<Failure>) {
        let mut teller = Teller { terminal: script, flags, stopped: None };
        (teller.may_log_in(&budget()), teller.stopped)
    }

    #[test]
    fn a_login_needs_a_yes_and_the_budget_is_shown_before() {
        for (answer, allows) in [("y", true), ("Yes ", true), ("", false), ("n", false), ("maybe", false)] {
            let mut script = Script::person(&[answer]);
            assert_eq!(allowed(&mut script, &DetectFlags::default()), (allows, None), "{answer:?}");
            assert!(script.said[0].contains("at most 6"), "{:?}", script.said);
            assert_eq!(script.asked, [("Go on? [y/N] ".to_owned(), false)]);
        }
    }

    #[test]
    fn nobody_to_ask_is_a_no_unless_it_was_allowed_beforehand() {
        let yes = DetectFlags { yes: true, ..DetectFlags::default() };
        assert_eq!(allowed(&mut Script::pipe(&[]), &yes), (true, None));
        assert_eq!(allowed(&mut Script::pipe(&[]), &DetectFlags::default()), (false, None));
        let no_input = DetectFlags { no_input: true, ..DetectFlags::default() };
        assert_eq!(allowed(&mut Script::person(&[]), &no_input), (false, None));
    }

    #[test]
    fn an_interrupted_question_ends_the_command() {
        let mut script = Script { interactive: true, ..Script::default() };
        script.answers.push_back(Err(Unanswered::Interrupted));
        let (allows, stopped) = allowed(&mut script, &DetectFlags::default());
        assert!(!allows);
        assert_eq!(stopped.unwrap().exit, Exit::Interrupted);
    }

    #[test]
    fn each_kind_of_end_has_its_exit_code() {
        let limited = DetectError::Limited { call: "login/complete", wait: Duration::from_secs(60) };
        for (error, exit) in [
            (DetectError::Unreachable("refused".into()), Exit::Unreachable),
            (DetectError::RefusedEverything { status: http::StatusCode::FORBIDDEN }, Exit::Refused),
            (limited, Exit::Refused),
            (DetectError::NoLogin, Exit::Failed),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.exit, exit, "{failure:?}");
            assert!(failure.hint.is_some(), "{failure:?}");
        }
    }

    #[test]
    fn what_the_configuration_names_is_tried_as_well() {
        let mut dialect = Dialect::preset(crate::portal::Preset::Guide, "tenant");
        assert_eq!(with_configured(&dialect), Candidates::default());
        dialect.channel_base = "/elsewhere".into();
        assert_eq!(with_configured(&dialect).channel_bases.last().unwrap(), "/elsewhere");
    }
}
