//! What a person does with the account beside signing in: `whoami`, `sessions`, `mfa`, `password`, `register`.
//!
//! The running proxy does the asking; here is only the talk. What is new and secret is prompted hidden, and
//! measured before anything is sent.

mod flags;
mod mfa;
mod password;
mod register;
#[cfg(test)]
mod tests;

use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use flags::{
    ForgotFlags, ListFlags, MfaCommand, MfaFlags, PasswordCommand, PasswordFlags, RegisterFlags,
    SessionsFlags, SetUpCommand, SetUpFlags, TalkFlags,
};
pub(super) use mfa::mfa;
pub(super) use password::password;
pub(super) use register::register;

use super::exit::Exit;
use super::failure::Failure;
use super::terminal::{Question, Terminal, waiting};
use crate::account::{Profile, SignedIn};
use crate::admin::{Client, ClientError};

/// `portunus whoami`: by the profile endpoint, never by the token.
pub(super) async fn whoami(
    client: &Client,
    flags: &ListFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let answer = get(client, "/v1/account/profile", flags.identity.as_deref(), terminal).await?;
    if flags.json {
        terminal.data(&answer.to_string());
        return Ok(Exit::Ok);
    }
    let profile: Profile = read(answer)?;
    let rows = [
        ("account", profile.email),
        ("name", profile.name),
        ("id", profile.id),
        ("portal", profile.portal),
        ("status", profile.status),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            terminal.data(&format!("{name:<8} {value}"));
        }
    }
    Ok(Exit::Ok)
}

/// `portunus sessions`.
pub(super) async fn sessions(
    client: &Client,
    flags: &SessionsFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let identity = flags.list.identity.as_deref();
    let path = match &flags.terminate {
        Some(id) => format!("/v1/account/sessions/{}", crate::admin::segment(id)),
        None => "/v1/account/sessions".to_owned(),
    };
    if flags.terminate.is_some() || flags.terminate_others {
        let path = of(&path, identity);
        let call = client.account(Method::DELETE, &path, None::<&()>);
        let answer = waiting(terminal, "ending sign-ins", call).await?;
        terminal.data(&match answer["terminated"].as_u64() {
            Some(count) => format!("ended: {count}"),
            None => "ended".to_owned(),
        });
        return Ok(Exit::Ok);
    }
    let answer = get(client, &path, identity, terminal).await?;
    if flags.list.json {
        terminal.data(&answer["sessions"].to_string());
        return Ok(Exit::Ok);
    }
    let list: Vec<SignedIn> = read(answer["sessions"].clone())?;
    for session in list {
        let parts = [session.device, session.address, session.location, session.last_active_at];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        let ours = if session.current { "  (this proxy)" } else { "" };
        terminal.data(&format!("{}  {}{ours}", session.id, parts.join(" · ")));
    }
    Ok(Exit::Ok)
}

async fn get(
    client: &Client,
    path: &str,
    identity: Option<&str>,
    terminal: &mut impl Terminal,
) -> Result<Value, Failure> {
    let path = of(path, identity);
    Ok(waiting(terminal, "asking the portal", client.account(Method::GET, &path, None::<&()>)).await?)
}

/// Posts, and gives the refusal to who can do something about it.
async fn post(
    client: &Client,
    path: &str,
    body: &(impl serde::Serialize + ?Sized),
    terminal: &mut impl Terminal,
) -> Result<Value, ClientError> {
    waiting(terminal, "asking the portal", client.account(Method::POST, path, Some(body))).await
}

fn of(path: &str, identity: Option<&str>) -> String {
    identity.map_or_else(|| path.to_owned(), |name| format!("{path}?identity={name}"))
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer)
        .map_err(|_| Failure::failed("the answer of the running portunus is not understood: its fields"))
}

fn nobody(identity: Option<&str>) -> Value {
    json!({ "identity": identity })
}

/// Asks on the terminal, or says what to do where nobody can be asked.
fn ask(
    terminal: &mut impl Terminal,
    no_input: bool,
    prompt: &str,
    hidden: bool,
) -> Result<zeroize::Zeroizing<String>, Failure> {
    if no_input || !terminal.interactive() {
        let asked = prompt.trim_end_matches([':', ' ']);
        let what = format!("{asked} is needed, and nobody can be asked");
        return Err(Failure::new(Exit::PersonNeeded, what).hint("run this on a terminal, without --no-input"));
    }
    Ok(terminal.ask(&Question { prompt: &|| Some(prompt.to_owned()), hidden })?)
}
