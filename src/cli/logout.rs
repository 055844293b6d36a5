//! `portunus logout`.

use super::args::LogoutFlags;
use super::exit::Exit;
use super::failure::Failure;
use super::terminal::{Terminal, waiting};
use crate::admin::Client;

/// Signs the running proxy out, at the portal too.
pub(super) async fn logout(
    client: &Client,
    flags: &LogoutFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let report = waiting(terminal, "signing out", client.logout(flags.identity.as_deref())).await?;
    let account = report.account.email.as_deref().unwrap_or(&report.identity);
    terminal.data(&format!("signed out {account}"));
    Ok(Exit::Ok)
}
