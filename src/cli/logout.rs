//! `portunus logout`.

use super::args::LogoutFlags;
use super::exit::Exit;
use super::failure::Failure;
use super::login::{called, pick};
use super::terminal::{Terminal, waiting};
use crate::admin::Client;

/// Signs the running proxy out, at the portal too.
pub(super) async fn logout(
    client: &Client,
    flags: &LogoutFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let status = waiting(terminal, "asking the running proxy", client.status()).await?;
    // Whose login it is is forgotten with it.
    let before = pick(status, flags.identity.as_deref(), "logout")?;
    waiting(terminal, "signing out", client.logout(Some(&before.identity))).await?;
    let whom = called(&before).map_or_else(String::new, |name| format!(" {name}"));
    terminal.data(&format!("signed out{whom}"));
    Ok(Exit::Ok)
}
