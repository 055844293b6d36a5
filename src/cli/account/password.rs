//! `portunus password`: forgot, reset, init, change.

use serde_json::Value;

use super::flags::{PasswordCommand, PasswordFlags, TalkFlags};
use super::{ask, post};
use crate::admin::Client;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::login::wording::{checked_email, checked_password};
use crate::cli::terminal::Terminal;
use crate::secret::{Expose, Password};

/// How often a new password may be mistyped before the command ends.
const TRIES: u32 = 3;

/// `portunus password`.
pub(in crate::cli) async fn password(
    client: &Client,
    flags: &PasswordFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    match &flags.command {
        PasswordCommand::Forgot(flags) => {
            let typed = match &flags.email {
                Some(email) => zeroize::Zeroizing::new(email.clone()),
                None => ask(terminal, flags.talk.no_input, "e-mail: ", false)?,
            };
            let email = checked_email(&typed)?;
            let token = match flags.turnstile_token_stdin {
                true => Some(terminal.line_from_stdin()?),
                false => None,
            };
            let mut values = vec![("email", email.as_str())];
            values.extend(token.as_ref().map(|token| ("turnstile_token", token.trim())));
            let body = Secrets { talk: &flags.talk, values: &values };
            post(client, "/v1/password/forgot", &body, terminal).await?;
            terminal.data("if the address is registered, a link is on its way");
            terminal.say("then: `portunus password reset`");
        }
        PasswordCommand::Reset(talk) => {
            let pasted = ask(terminal, talk.no_input, "token or link from the e-mail: ", true)?;
            let token = token_of(&pasted)?;
            let new = new_password(terminal, talk)?;
            let body = Secrets { talk, values: &[("token", token), ("new_password", text(&new))] };
            post(client, "/v1/password/reset", &body, terminal).await?;
            terminal.data("the password is set; every sign-in of the account has ended");
        }
        PasswordCommand::Init(talk) => init(client, talk, terminal).await?,
        PasswordCommand::Change(talk) => {
            let current = checked_password(&ask(terminal, talk.no_input, "current password: ", true)?)?;
            let new = new_password(terminal, talk)?;
            let values = [("current_password", text(&current)), ("new_password", text(&new))];
            let body = Secrets { talk, values: &values };
            let answer = post(client, "/v1/password/change", &body, terminal).await?;
            terminal.data("the password is changed");
            if let Some(source) = answer["update"].as_str() {
                terminal.say(&format!("update {source}, and restart the proxy: it still has the old one"));
            }
        }
    }
    Ok(Exit::Ok)
}

/// Sets the first password of the registration under way.
pub(super) async fn init(
    client: &Client,
    talk: &TalkFlags,
    terminal: &mut impl Terminal,
) -> Result<(), Failure> {
    let new = new_password(terminal, talk)?;
    let body = Secrets { talk, values: &[("new_password", text(&new))] };
    let answer: Value = post(client, "/v1/password/init", &body, terminal).await?;
    let email = answer["email"].as_str().unwrap_or("the account");
    terminal.data(&format!("the password of {email} is set"));
    Ok(())
}

/// A new password, hidden and twice, measured before anything is sent.
pub(super) fn new_password(terminal: &mut impl Terminal, talk: &TalkFlags) -> Result<Password, Failure> {
    for _ in 0..TRIES {
        let first = match checked_password(&ask(terminal, talk.no_input, "new password: ", true)?) {
            Ok(password) => password,
            Err(failure) => {
                terminal.say(&failure.what);
                continue;
            }
        };
        if first == Password::new(ask(terminal, talk.no_input, "again: ", true)?.as_str()) {
            return Ok(first);
        }
        terminal.say("the two are not the same; nothing was sent");
    }
    Err(Failure::new(Exit::PersonNeeded, "no new password was given").hint("try again"))
}

/// The token itself, or the one in a pasted link: the value of its `token` parameter.
fn token_of(pasted: &str) -> Result<&str, Failure> {
    let pasted = pasted.trim();
    let token = match pasted.contains("://") {
        false => Some(pasted),
        true => pasted.split(['?', '&', '#']).skip(1).find_map(|parameter| parameter.strip_prefix("token=")),
    };
    token.filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic())).ok_or_else(|| {
        Failure::usage("there is no token in what was pasted; nothing was sent")
            .hint("paste the whole link of the e-mail, or what stands behind `token=` in it")
    })
}

/// A body with secrets in it, written straight into the client's buffer, which is wiped.
pub(super) struct Secrets<'a> {
    pub(super) talk: &'a TalkFlags,
    pub(super) values: &'a [(&'static str, &'a str)],
}

impl serde::Serialize for Secrets<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = to.serialize_map(Some(self.values.len() + 1))?;
        map.serialize_entry("identity", &self.talk.identity)?;
        for (name, value) in self.values {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the password goes to the user's own proxy, over a checked socket"
)]
pub(super) fn text(password: &Password) -> &str {
    password.expose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_in_a_pasted_link() {
        assert_eq!(token_of(" reset_1 \n").unwrap(), "reset_1");
        assert_eq!(
            token_of("https://portal.example/t/reset-password?a=b&token=reset_1&x=y").unwrap(),
            "reset_1"
        );
        assert_eq!(token_of("https://portal.example/#token=reset_1").unwrap(), "reset_1");
        for nothing in ["", "https://portal.example/reset", "https://portal.example/?token=", "two words"] {
            assert!(token_of(nothing).is_err(), "{nothing}");
        }
    }
}
