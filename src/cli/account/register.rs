//! `portunus register`: step by step, from wherever the registration stands.

use serde_json::json;

use super::flags::{RegisterFlags, TalkFlags};
use super::mfa::text as code_text;
use super::password::{Secrets, init, new_password, text};
use super::{ask, nobody, of, post, read};
use crate::admin::{Cause, Client, ClientError, RegisterReport, RegisterStep};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::login::wording::{checked_code, checked_email};
use crate::cli::span::short;
use crate::cli::terminal::Terminal;

/// How often a code may be mistyped before the command ends; the registration stays, to go on with.
const TRIES: u32 = 3;

/// `portunus register`.
pub(in crate::cli) async fn register(
    client: &Client,
    flags: &RegisterFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let talk = &flags.talk;
    let mut report = match under_way(client, talk).await? {
        Some(report) if !flags.again && flags.email.as_ref().is_none_or(|email| *email == report.email) => {
            let left = short(report.expires_in);
            terminal.say(&format!("going on with the registration of {}, {left} left", report.email));
            report
        }
        _ => begin(client, flags, terminal).await?,
    };
    loop {
        report = match report.step {
            RegisterStep::Begun => {
                let sent =
                    post(client, "/v1/register/send", &nobody(talk.identity.as_deref()), terminal).await?;
                let report: RegisterReport = read(sent)?;
                let to = report.masked_target.as_deref().unwrap_or("the address");
                terminal.say(&format!("2/4 a code was sent to {to}"));
                report
            }
            RegisterStep::CodeSent => verify(client, talk, terminal).await?,
            RegisterStep::Verified => complete(client, talk, terminal).await?,
            RegisterStep::Completed => {
                init(client, talk, terminal).await?;
                terminal.data(&format!("registered {}", report.email));
                return Ok(Exit::Ok);
            }
            RegisterStep::PendingApproval => {
                terminal.data(&format!("registered {}; an administrator has to approve it", report.email));
                return Ok(Exit::Ok);
            }
        };
    }
}

async fn under_way(client: &Client, talk: &TalkFlags) -> Result<Option<RegisterReport>, Failure> {
    let path = of("/v1/register", talk.identity.as_deref());
    match client.account(http::Method::GET, &path, None::<&()>).await {
        Ok(report) => read(report).map(Some),
        Err(ClientError::Refused(problem)) if problem.code == Cause::NoRegistration => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn begin(
    client: &Client,
    flags: &RegisterFlags,
    terminal: &mut impl Terminal,
) -> Result<RegisterReport, Failure> {
    let no_input = flags.talk.no_input;
    let email = match &flags.email {
        Some(email) => checked_email(email)?,
        None => checked_email(&ask(terminal, no_input, "e-mail: ", false)?)?,
    };
    let name = match &flags.name {
        Some(name) => name.clone(),
        None => ask(terminal, no_input, "name of the account: ", false)?.trim().to_owned(),
    };
    let body = json!({ "identity": flags.talk.identity, "email": email, "name": name });
    let report: RegisterReport = read(post(client, "/v1/register/initiate", &body, terminal).await?)?;
    terminal.say(&format!("1/4 begun; {} for the rest", short(report.expires_in)));
    Ok(report)
}

async fn verify(
    client: &Client,
    talk: &TalkFlags,
    terminal: &mut impl Terminal,
) -> Result<RegisterReport, Failure> {
    for left in (0..TRIES).rev() {
        let typed = ask(terminal, talk.no_input, "code from the e-mail (r = send again): ", false)?;
        if matches!(typed.trim(), "r" | "R") {
            post(client, "/v1/register/send", &nobody(talk.identity.as_deref()), terminal).await?;
            terminal.say("sent again");
            continue;
        }
        let code = match checked_code(&typed) {
            Ok(code) => code,
            Err(failure) => {
                terminal.say(&failure.what);
                continue;
            }
        };
        let body = Secrets { talk, values: &[("code", code_text(&code))] };
        match post(client, "/v1/register/verify", &body, terminal).await {
            Ok(report) => {
                terminal.say("3/4 the address is verified");
                return read(report);
            }
            Err(ClientError::Refused(problem)) if problem.code == Cause::CodeRefused && left > 0 => {
                terminal.say(&problem.detail);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(Exit::PersonNeeded, "no code was given").hint("go on with it: `portunus register`"))
}

/// Makes the account; the password goes along only where the deployment's template asks for it.
async fn complete(
    client: &Client,
    talk: &TalkFlags,
    terminal: &mut impl Terminal,
) -> Result<RegisterReport, Failure> {
    let made = match post(client, "/v1/register/complete", &nobody(talk.identity.as_deref()), terminal).await
    {
        Err(ClientError::Refused(problem)) if problem.code == Cause::ValueMissing => {
            let new = new_password(terminal, talk)?;
            let body = Secrets { talk, values: &[("new_password", text(&new))] };
            post(client, "/v1/register/complete", &body, terminal).await
        }
        made => made,
    };
    terminal.detail("4/4 the account is made");
    read(made?)
}
