//! `portunus login`: signs the running proxy in, asking for what it does not have.
//!
//! The proxy does the signing in; here is only the talk: which account, which password, which factor, which
//! code. A wrong answer is asked for again a few times, never silently sent again.

pub(super) mod wording;

use std::time::Instant;

use zeroize::Zeroizing;

use self::wording::{checked_code, checked_email, checked_password, code_prompt, describe, name};
use super::args::LoginFlags;
use super::exit::Exit;
use super::failure::Failure;
use super::span::short;
use super::terminal::{Question, Terminal, Unanswered, waiting};
use crate::admin::{
    Cause, ChallengeReport, Client, ClientError, FactorName, IdentityReport, LoginRequest, State,
    StatusReport,
};
use crate::identity::IdentityName;
use crate::secret::{OneTimeCode, Password};

/// How often a person may mistype a password or a code before the command ends. The portal locks accounts.
const TRIES: u32 = 3;

/// Signs the running proxy in.
pub(super) async fn login(
    client: &Client,
    flags: &LoginFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let status = waiting(terminal, "asking the running proxy", client.status()).await?;
    let report = pick(status, flags.identity.as_deref(), "login")?;
    let request = LoginRequest { identity: Some(report.identity.clone()), ..LoginRequest::default() };
    let mut talk = Talk { client, flags, terminal, request, tries_left: TRIES };
    let anew = flags.again || flags.email.is_some() || flags.password_stdin || flags.use_backup_code;
    let report = match report.state {
        State::SignedIn if !anew => {
            talk.terminal.say("already signed in; to sign in anew: `portunus login --again`");
            report
        }
        State::AwaitingCode if !anew => talk.codes(report).await?,
        State::SignedIn | State::AwaitingCode | State::SignedOut | State::Opening | State::Failed => {
            talk.begin(&report).await?
        }
    };
    let left = report.expires_in.map_or_else(String::new, |left| format!(", {} left", short(left)));
    if flags.use_backup_code
        && let Some(codes) = report.backup_codes_left
    {
        talk.terminal.say(&format!("a backup code is spent; {codes} are left in login.backup_codes"));
    }
    let whom = called(&report).map_or_else(String::new, |name| format!(" as {name}"));
    talk.terminal.data(&format!("signed in{whom}{left}"));
    Ok(Exit::Ok)
}

/// What a person calls it: by its account, and where that is not known by its name, if it was given one.
pub(super) fn called(report: &IdentityReport) -> Option<&str> {
    let given = Some(report.identity.as_str()).filter(|name| *name != IdentityName::sole().as_str());
    report.whose().or(given)
}

/// The one that is meant; `command` is the one that asks.
pub(super) fn pick(
    status: StatusReport,
    name: Option<&str>,
    command: &str,
) -> Result<IdentityReport, Failure> {
    let names: Vec<_> = status.identities.iter().map(|identity| identity.identity.clone()).collect();
    let names = names.join(", ");
    let mut all = status.identities.into_iter();
    match name {
        Some(name) => all
            .find(|identity| identity.identity == name)
            .ok_or_else(|| Failure::usage(format!("there is no identity of that name; there is {names}"))),
        None => match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Failure::failed("the running proxy has no identity to sign in")),
            (Some(_), Some(_)) => Err(Failure::usage(format!("several identities are configured: {names}"))
                .hint(format!("name one: `portunus {command} --identity NAME`"))),
        },
    }
}

struct Talk<'a, T> {
    client: &'a Client,
    flags: &'a LoginFlags,
    terminal: &'a mut T,
    /// What the login was begun with, to begin it again after a wrong code.
    request: LoginRequest,
    tries_left: u32,
}

impl<T: Terminal> Talk<'_, T> {
    /// From nothing to signed in.
    async fn begin(&mut self, report: &IdentityReport) -> Result<IdentityReport, Failure> {
        let account = &report.account;
        let other_account = self.flags.email.is_some();
        self.request.email = match &self.flags.email {
            Some(email) => Some(checked_email(email)?),
            None if account.email.is_none() => Some(self.ask_email()?),
            None => None,
        };
        self.request.mfa = self.flags.mfa.map(FactorName::from);
        self.request.use_backup_code = self.flags.use_backup_code;
        // A password that the portal has refused already is not tried a second time.
        let refused = report.error.as_ref().is_some_and(|error| error.code == Cause::CredentialsRefused);
        if self.flags.password_stdin {
            self.request.password = Some(checked_password(&self.terminal.line_from_stdin()?)?);
        } else if !account.password || refused || (other_account && self.can_ask()) {
            self.request.password = Some(self.ask_password()?);
        }
        let report = self.sign_in().await?;
        self.codes(report).await
    }

    /// One attempt after the other, as long as a person corrects the password.
    async fn sign_in(&mut self) -> Result<IdentityReport, Failure> {
        loop {
            let call = self.client.login(&self.request);
            let refused = match waiting(self.terminal, "signing in", call).await {
                Ok(report) => return Ok(report),
                Err(ClientError::Refused(problem)) => problem,
                Err(error) => return Err(error.into()),
            };
            let retype = match refused.code {
                Cause::CredentialsRefused => self.try_again(),
                // About the backup code there is nothing to type.
                Cause::SignInRequired => self.request.password.is_none() && !self.flags.use_backup_code,
                _ => false,
            };
            if !retype || !self.can_ask() || self.flags.password_stdin {
                return Err(ClientError::Refused(refused).into());
            }
            self.terminal.say(&refused.detail);
            self.request.password = Some(self.ask_password()?);
        }
    }

    /// Answers challenges until signed in.
    async fn codes(&mut self, mut report: IdentityReport) -> Result<IdentityReport, Failure> {
        let mut chosen = false;
        loop {
            let Some(challenge) = report.challenge.take() else { return self.settled(report) };
            if let Some(why) = &challenge.unfetched {
                self.terminal.say(&format!("the code is not fetched by itself: {why}"));
            }
            let challenge = if chosen { challenge } else { self.choose(challenge).await? };
            chosen = true;
            let code = self.code(challenge).await?;
            let identity = self.request.identity.as_deref();
            let call = self.client.answer(identity, &code);
            report = match waiting(self.terminal, "signing in", call).await {
                Ok(report) => report,
                Err(ClientError::Refused(problem)) if self.may_retry(problem.code) => {
                    self.terminal.say(&problem.detail);
                    self.challenge_again().await?
                }
                Err(ClientError::Refused(problem)) if problem.code == Cause::NoChallenge => {
                    // Another way was faster: a code that was fetched, or somebody else.
                    let status = self.client.status().await?;
                    let report = pick(status, self.request.identity.as_deref(), "login")?;
                    if report.state != State::SignedIn {
                        return Err(ClientError::Refused(problem).into());
                    }
                    report
                }
                Err(error) => return Err(error.into()),
            };
        }
    }

    fn settled(&self, report: IdentityReport) -> Result<IdentityReport, Failure> {
        match (report.state, report.error) {
            (State::SignedIn, error) => Ok(IdentityReport { error, ..report }),
            (_, Some(error)) => {
                let failure = Failure::new(error.code.into(), error.text);
                Err(Failure { hint: error.hint, ..failure })
            }
            (_, None) => Err(Failure::failed("the login ended without a session")
                .hint("see where it stands: `portunus status`")),
        }
    }

    fn may_retry(&mut self, cause: Cause) -> bool {
        let about_the_code = matches!(cause, Cause::CodeRefused | Cause::LoginGone | Cause::MfaRequired);
        about_the_code && self.can_ask() && !self.flags.code_stdin && self.try_again()
    }

    fn try_again(&mut self) -> bool {
        self.tries_left = self.tries_left.saturating_sub(1);
        self.tries_left > 0
    }

    /// After a wrong code: the same challenge where the portal keeps it, else the login from its beginning.
    async fn challenge_again(&mut self) -> Result<IdentityReport, Failure> {
        let report = pick(self.client.status().await?, self.request.identity.as_deref(), "login")?;
        if report.state == State::AwaitingCode {
            return Ok(report);
        }
        self.terminal.detail("the portal ended that login; beginning again");
        self.sign_in().await
    }

    /// Settles the factor: the flag's, the person's choice among several, else the one already chosen.
    async fn choose(&mut self, challenge: ChallengeReport) -> Result<ChallengeReport, Failure> {
        let offered = || challenge.offered.iter().map(|offer| offer.method);
        let wanted = match self.flags.mfa.map(FactorName::from) {
            Some(factor) if offered().any(|offer| offer == factor) => factor,
            Some(factor) => {
                let names: Vec<_> = offered().map(name).collect();
                let what = format!("the portal does not offer {} for this login", name(factor));
                return Err(Failure::usage(what).hint(format!("it offers: {}", names.join(", "))));
            }
            None if challenge.offered.len() > 1 && self.can_ask() && !self.flags.code_stdin => {
                self.ask_factor(&challenge)?
            }
            None => challenge.method,
        };
        if wanted == challenge.method { Ok(challenge) } else { self.send(Some(wanted)).await }
    }

    async fn send(&mut self, by: Option<FactorName>) -> Result<ChallengeReport, Failure> {
        let call = self.client.resend(self.request.identity.as_deref(), by);
        let report = waiting(self.terminal, "asking for a code", call).await?;
        report.challenge.ok_or_else(|| {
            Failure::new(Exit::PersonNeeded, "the login is no longer pending")
                .hint("begin again: `portunus login`")
        })
    }

    /// The code, asked for until one could be it; `r` sends another.
    async fn code(&mut self, mut challenge: ChallengeReport) -> Result<OneTimeCode, Failure> {
        if self.flags.code_stdin {
            return checked_code(&self.terminal.line_from_stdin()?);
        }
        if !self.can_ask() {
            let what = format!("the login waits for a code: {}", describe(&challenge));
            return Err(Failure::new(Exit::PersonNeeded, what).hint(
                "run `portunus login` on a terminal, or pipe the code in: `portunus login --code-stdin`",
            ));
        }
        let mut since = Instant::now();
        loop {
            let prompt = || code_prompt(&challenge, since.elapsed().as_secs());
            let typed = match self.terminal.ask(&Question { prompt: &prompt, hidden: false }) {
                Err(Unanswered::Expired) => {
                    return Err(Failure::new(Exit::PersonNeeded, "the time for the code is over")
                        .hint("begin again: `portunus login`"));
                }
                typed => typed?,
            };
            if !matches!(typed.trim(), "r" | "R") {
                match checked_code(&typed) {
                    Ok(code) => return Ok(code),
                    Err(failure) => self.terminal.say(&failure.what),
                }
                continue;
            }
            match challenge.resend_in.map(|wait| wait.saturating_sub(since.elapsed().as_secs())) {
                None => self.terminal.say("this code comes from you, not from the portal; it cannot be sent"),
                Some(0) => {
                    challenge = self.send(None).await?;
                    since = Instant::now();
                    self.terminal.say(&format!("sent again: {}", describe(&challenge)));
                }
                Some(wait) => self.terminal.say(&format!("another code can be sent in {}", short(wait))),
            }
        }
    }

    fn can_ask(&self) -> bool {
        !self.flags.no_input && self.terminal.interactive()
    }

    fn ask(&mut self, prompt: &str, hidden: bool, way_out: &str) -> Result<Zeroizing<String>, Failure> {
        if !self.can_ask() {
            let asked = prompt.trim_end_matches([':', ' ']);
            let what = format!("{asked} is needed, and nobody can be asked");
            return Err(Failure::new(Exit::PersonNeeded, what).hint(way_out));
        }
        Ok(self.terminal.ask(&Question { prompt: &|| Some(prompt.to_owned()), hidden })?)
    }

    fn ask_email(&mut self) -> Result<String, Failure> {
        let way_out = "give it by `--email ADDRESS`, or configure login.email";
        loop {
            match checked_email(&self.ask("e-mail: ", false, way_out)?) {
                Ok(email) => return Ok(email),
                Err(failure) => self.terminal.say(&failure.what),
            }
        }
    }

    fn ask_password(&mut self) -> Result<Password, Failure> {
        let way_out = "pipe it in: `portunus login --password-stdin`, or configure login.password";
        loop {
            match checked_password(&self.ask("password: ", true, way_out)?) {
                Ok(password) => return Ok(password),
                Err(failure) => self.terminal.say(&failure.what),
            }
        }
    }

    fn ask_factor(&mut self, challenge: &ChallengeReport) -> Result<FactorName, Failure> {
        self.terminal.say("the portal offers several second factors:");
        let current = challenge.offered.iter().position(|offer| offer.method == challenge.method);
        let current = current.unwrap_or_default();
        for (i, offer) in challenge.offered.iter().enumerate() {
            let label = offer.label.as_deref().map_or_else(String::new, |label| format!(" ({label})"));
            self.terminal.say(&format!("  {}  {}{label}", i + 1, name(offer.method)));
        }
        let prompt = format!("which one [{}]: ", current + 1);
        loop {
            let typed = self.ask(&prompt, false, "name it: `--mfa FACTOR`")?;
            let choice = match typed.trim() {
                "" => Some(current),
                number => number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)),
            };
            match choice.and_then(|choice| challenge.offered.get(choice)) {
                Some(offer) => return Ok(offer.method),
                None => self.terminal.say(&format!("a number from 1 to {}", challenge.offered.len())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
