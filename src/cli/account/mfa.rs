//! `portunus mfa`: the second factors, and a new authenticator.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::flags::{ListFlags, MfaCommand, MfaFlags, SetUpCommand, SetUpFlags, TalkFlags};
use super::password::Secrets;
use super::{ask, get, nobody, post, read};
use crate::account::{BackupCodes, Factor};
use crate::admin::{Cause, Client, ClientError};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::login::wording::checked_code;
use crate::cli::terminal::Terminal;
use crate::secret::{Expose, OneTimeCode};

/// How often a code may be mistyped before the command ends. The portal takes five in 300 s.
const TRIES: u32 = 3;

/// `portunus mfa`.
pub(in crate::cli) async fn mfa(
    client: &Client,
    flags: &MfaFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    match &flags.command {
        None => list(client, &ListFlags::default(), terminal).await?,
        Some(MfaCommand::List(flags)) => list(client, flags, terminal).await?,
        Some(MfaCommand::Setup(SetUpCommand::Otp(flags))) => set_up(client, flags, terminal).await?,
        Some(MfaCommand::Verify(talk)) => verify(client, talk, terminal).await?,
        Some(MfaCommand::BackupCodes(flags)) => backup_codes(client, flags, terminal).await?,
    }
    Ok(Exit::Ok)
}

async fn list(client: &Client, flags: &ListFlags, terminal: &mut impl Terminal) -> Result<(), Failure> {
    let answer = get(client, "/v1/account/mfa", flags.identity.as_deref(), terminal).await?;
    if flags.json {
        terminal.data(&answer["factors"].to_string());
        return Ok(());
    }
    let factors: Vec<Factor> = read(answer["factors"].clone())?;
    for factor in factors {
        let mut line = format!("{:<12} {}", factor.code, if factor.enabled { "on" } else { "off" });
        if factor.primary {
            line.push_str(", first choice");
        }
        if let Some(at) = factor.verified_at {
            line.push_str(&format!(", verified {at}"));
        }
        terminal.data(&line);
    }
    Ok(())
}

async fn backup_codes(
    client: &Client,
    flags: &ListFlags,
    terminal: &mut impl Terminal,
) -> Result<(), Failure> {
    let answer = get(client, "/v1/account/backup-codes", flags.identity.as_deref(), terminal).await?;
    if flags.json {
        terminal.data(&answer.to_string());
        return Ok(());
    }
    let codes: BackupCodes = read(answer)?;
    let of = codes.total.map_or_else(String::new, |total| format!(" of {total}"));
    terminal.data(&format!("{}{of} backup codes left", codes.remaining));
    Ok(())
}

async fn set_up(client: &Client, flags: &SetUpFlags, terminal: &mut impl Terminal) -> Result<(), Failure> {
    // A file that cannot be written is found out before there is a secret to lose.
    let file = flags.write_secret.as_deref().map(private_file).transpose()?;
    let body = nobody(flags.talk.identity.as_deref());
    let setup = post(client, "/v1/account/otp/setup", &body, terminal).await?;
    let secret = setup["secret"].as_str().unwrap_or_default();
    match (file, &flags.write_secret) {
        (Some(mut file), Some(path)) => {
            file.write_all(secret.as_bytes()).map_err(|error| unwritable(path, &error))?;
            let place = path.display();
            terminal.say(&format!("the secret is in {place}: login.otp_secret = {{ file = \"{place}\" }}"));
        }
        _ => {
            if let Some(code) = setup["uri"].as_str().and_then(drawn) {
                terminal.data(&code);
            }
            terminal.data(&format!("secret: {secret}"));
            terminal.say(
                "it is shown this once: keep it in your password store, or let the proxy use it: \
                 login.otp_secret = { command = [\"…\"] }",
            );
        }
    }
    if flags.talk.no_input || !terminal.interactive() {
        terminal.say("then: `portunus mfa verify`");
        return Ok(());
    }
    verify(client, &flags.talk, terminal).await
}

async fn verify(client: &Client, talk: &TalkFlags, terminal: &mut impl Terminal) -> Result<(), Failure> {
    for left in (0..TRIES).rev() {
        let typed = ask(terminal, talk.no_input, "code from the authenticator app: ", false)?;
        let code = match checked_code(&typed) {
            Ok(code) => code,
            Err(failure) => {
                terminal.say(&failure.what);
                continue;
            }
        };
        let body = Secrets { talk, values: &[("code", text(&code))] };
        match post(client, "/v1/account/otp/verify", &body, terminal).await {
            Ok(_) => {
                terminal.data("the authenticator is a second factor now");
                return Ok(());
            }
            Err(ClientError::Refused(problem)) if problem.code == Cause::CodeRefused && left > 0 => {
                terminal.say(&problem.detail);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(Exit::PersonNeeded, "no code was given").hint("again: `portunus mfa verify`"))
}

/// A QR code of half blocks, dark on light whatever the terminal's colours; `None` if it is too long for one.
fn drawn(uri: &str) -> Option<String> {
    let code = QrCode::new(uri).ok()?;
    // A terminal's background is mostly dark: what it leaves dark is drawn as the code's dark.
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build())
}

/// A new file that nobody else can read; one that is there already is left alone.
fn private_file(path: &Path) -> Result<std::fs::File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written: {error}", path.display()))
        .hint("name a file that is not there yet; the authenticator is not set up")
}

#[expect(clippy::disallowed_methods, reason = "the code goes to the user's own proxy, over a checked socket")]
pub(super) fn text(code: &OneTimeCode) -> &str {
    code.expose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_drawn_with_half_blocks() {
        let code = drawn("otpauth://totp/Portal:a@b.c?secret=JBSWY3DPEHPK3PXP").unwrap();
        let widths: std::collections::BTreeSet<_> = code.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths.len(), 1, "{code}");
        assert!(code.chars().all(|c| " ▀▄█\n".contains(c)), "{code}");
        assert_eq!(drawn(&"x".repeat(10_000)), None);
    }

    #[test]
    fn the_secrets_file_is_private_and_never_one_that_was_there() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("otp");
        drop(private_file(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(private_file(&path).is_err());
    }
}
