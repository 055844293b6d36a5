//! `portunus status`: the running proxy's own report, for a person or unchanged as JSON.

use super::args::StatusFlags;
use super::exit::Exit;
use super::failure::Failure;
use super::login::pick;
use super::span::short;
use super::terminal::{Paint, Terminal, waiting};
use crate::admin::{
    ChallengeReport, Client, ErrorReport, FactorName, HeldReport, IdentityReport, RequestsReport, State,
    StatusReport,
};
use crate::identity::IdentityName;

/// Says where the running proxy stands.
pub(super) async fn status(
    client: &Client,
    flags: &StatusFlags,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let json = waiting(terminal, "asking the running proxy", client.status_json()).await?;
    let report: StatusReport = serde_json::from_slice(&json)
        .map_err(|_| Failure::failed("the answer of the running portunus is not understood: its fields"))?;
    let ready = match &flags.identity {
        Some(name) => {
            let several = report.identities.len() > 1;
            let one = pick(report, Some(name), "status")?;
            terminal.data(&match flags.json {
                true => serde_json::json!(one).to_string(),
                false => block(&one, several, terminal.paint()),
            });
            one.ready
        }
        None if flags.json => {
            terminal.data(&String::from_utf8_lossy(&json));
            report.ready
        }
        None => {
            terminal.data(&render(&report, terminal.paint()));
            report.ready
        }
    };
    Ok(if ready { Exit::Ok } else { Exit::PersonNeeded })
}

/// The report for a person: a line for the proxy, a block for each identity.
fn render(report: &StatusReport, paint: Paint) -> String {
    let held = match report.held {
        HeldReport { bytes: 0, .. } => String::new(),
        HeldReport { bytes, limit } => {
            format!(" · holds {} KiB of bodies, {} at most", bytes.div_ceil(1024), limit / 1024)
        }
    };
    let head = format!(
        "{} · pid {} · up {} · listens on {}{held}",
        paint.strong(format!("portunus {}", report.version)),
        report.pid,
        short(report.uptime),
        if report.listen.is_empty() { "nothing".to_owned() } else { report.listen.join(", ") },
    );
    let several = report.identities.len() > 1;
    let blocks = report.identities.iter().map(|identity| block(identity, several, paint));
    std::iter::once(head).chain(blocks).collect::<Vec<_>>().join("\n\n")
}

/// One identity; among several, what is to be done about it names it.
fn block(identity: &IdentityReport, several: bool, paint: Paint) -> String {
    let mut rows = vec![
        ("identity", identity.identity.clone()),
        ("account", identity.whose().unwrap_or("not configured").to_owned()),
        ("state", state(identity, paint)),
        ("since", identity.since.clone()),
    ];
    if let Some(challenge) = &identity.challenge {
        rows.push(("code", code(challenge)));
        rows.extend(challenge.unfetched.as_ref().map(|why| ("unfetched", paint.warn(why))));
    }
    if let Some(left) = identity.backup_codes_left {
        rows.push(("backup", format!("{left} codes left in login.backup_codes")));
    }
    if let Some(channel) = &identity.channel {
        rows.push(("channel", format!("open, {} left", short(channel.expires_in))));
    }
    if let Some(RequestsReport { under_way, limit, refused }) = identity.requests {
        let refused = if refused > 0 { paint.warn(format!("; {refused} refused")) } else { String::new() };
        rows.push(("requests", format!("{under_way} under way, {limit} at most{refused}")));
    }
    if let Some(degraded) = &identity.degraded {
        rows.push(("degraded", paint.warn(degraded)));
    }
    for found in &identity.found {
        rows.push(("auto", format!("{} = {} ({}: {})", found.setting, found.value, found.sure, found.why)));
    }
    if let Some(error) = &identity.error {
        rows.push(("error", failed(error)));
        rows.extend(error.hint.as_deref().map(|hint| ("hint", naming(identity, several, hint))));
    } else if !identity.ready {
        rows.push(("hint", naming(identity, several, "run `portunus login`")));
    }
    let line = |(name, value): (&str, String)| format!("  {} {value}", paint.faint(format!("{name:<9}")));
    rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The hint, which names the identity where there are others.
fn naming(identity: &IdentityReport, several: bool, hint: &str) -> String {
    let name = IdentityName::new(&identity.identity).ok().filter(|_| several);
    name.map_or_else(|| hint.to_owned(), |name| name.in_hint(hint))
}

fn state(identity: &IdentityReport, paint: Paint) -> String {
    match identity.state {
        State::SignedIn => {
            let mut text = paint.good("signed in");
            if let Some(left) = identity.expires_in {
                text = format!("{text}, {} left", short(left));
            }
            if let Some(refresh) = identity.refresh_in {
                text = format!("{text}, renewed in {}", short(refresh));
            }
            text
        }
        State::SignedOut if identity.ready => {
            format!("{}, signs in with the first request", paint.warn("signed out"))
        }
        State::SignedOut => paint.warn("signed out"),
        State::Opening => paint.warn("signing in"),
        State::AwaitingCode => paint.warn("waits for a code"),
        State::Failed => paint.bad("failed"),
    }
}

fn code(challenge: &ChallengeReport) -> String {
    let from = match (challenge.method, &challenge.masked_target) {
        (_, Some(target)) => format!("sent to {target}"),
        (FactorName::Otp, None) => "from the authenticator app".to_owned(),
        (FactorName::BackupCode, None) => "a backup code".to_owned(),
        (FactorName::Email, None) => "by e-mail".to_owned(),
        (FactorName::Other, None) => "of the portal's own kind".to_owned(),
    };
    format!("{from}, {} left", short(challenge.expires_in))
}

fn failed(error: &ErrorReport) -> String {
    match error.retry_after {
        Some(wait) => format!("{}; tried again in {}", error.text, short(wait)),
        None => error.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{AccountReport, Cause, ChannelReport, Whose};

    fn identity(state: State) -> IdentityReport {
        IdentityReport {
            identity: "default".into(),
            state,
            since: "2026-03-21T09:00:00Z".into(),
            ready: false,
            account: AccountReport {
                email: Some("r***@example.com".into()),
                password: true,
                otp_secret: true,
            },
            signed_in_as: None,
            expires_at: None,
            expires_in: None,
            refresh_in: None,
            challenge: None,
            requests: None,
            channel: None,
            backup_codes_left: None,
            found: Vec::new(),
            error: None,
            degraded: None,
        }
    }

    fn report(identities: Vec<IdentityReport>) -> StatusReport {
        StatusReport {
            version: "0.1.0".into(),
            pid: 4242,
            started_at: "2026-03-21T08:00:00Z".into(),
            uptime: 11_520,
            listen: vec!["127.0.0.1:8787".into(), "[::1]:8787".into()],
            held: HeldReport::default(),
            ready: identities.iter().all(|identity| identity.ready),
            identities,
        }
    }

    #[test]
    fn a_signed_in_identity_shows_what_is_left() {
        let mut signed_in = identity(State::SignedIn);
        signed_in.ready = true;
        (signed_in.expires_in, signed_in.refresh_in) = (Some(3_245), Some(2_165));
        signed_in.channel = Some(ChannelReport {
            opened_at: "2026-03-21T09:00:00Z".into(),
            expires_at: "2026-03-22T09:00:00Z".into(),
            expires_in: 82_900,
        });
        assert_eq!(
            render(&report(vec![signed_in]), Paint::default()),
            "\
portunus 0.1.0 · pid 4242 · up 3 h 12 min · listens on 127.0.0.1:8787, [::1]:8787

  identity  default
  account   r***@example.com
  state     signed in, 54 min 5 s left, renewed in 36 min 5 s
  since     2026-03-21T09:00:00Z
  channel   open, 23 h 1 min left"
        );
    }

    #[test]
    fn bodies_that_are_held_are_told_where_there_are_any() {
        let mut busy = report(vec![identity(State::SignedIn)]);
        busy.held = HeldReport { bytes: 1025, limit: 256 << 20 };
        let text = render(&busy, Paint::default());
        assert!(text.lines().next().unwrap().ends_with(" · holds 2 KiB of bodies, 262144 at most"), "{text}");
    }

    #[test]
    fn an_awaited_code_and_a_failure_say_what_to_do() {
        let mut waits = identity(State::AwaitingCode);
        waits.challenge = Some(ChallengeReport {
            method: FactorName::Email,
            masked_target: Some("r***@example.com".into()),
            expires_in: 272,
            resend_in: Some(31),
            offered: vec![],
            unfetched: Some("login.code_command: read-mail failed (exit status: 3)".into()),
        });
        let mut failed = identity(State::Failed);
        failed.identity = "alice".into();
        failed.account.email = None;
        failed.error = Some(ErrorReport {
            code: Cause::PortalUnreachable,
            text: "the portal could not be asked".into(),
            who: Whose::Network,
            hint: Some("see which step fails: `portunus check`".into()),
            retry_after: Some(8),
        });
        let text = render(&report(vec![waits, failed]), Paint::default());
        let (_, blocks) = text.split_once("\n\n").unwrap();
        assert_eq!(
            blocks,
            "  \
  identity  default
  account   r***@example.com
  state     waits for a code
  since     2026-03-21T09:00:00Z
  code      sent to r***@example.com, 4 min 32 s left
  unfetched login.code_command: read-mail failed (exit status: 3)
  hint      run `portunus login --identity default`

  identity  alice
  account   not configured
  state     failed
  since     2026-03-21T09:00:00Z
  error     the portal could not be asked; tried again in 8 s
  hint      see which step fails: `portunus check --identity alice`"
        );
    }

    #[test]
    fn colours_change_nothing_but_the_colours() {
        let plain = render(&report(vec![identity(State::SignedOut)]), Paint::new(false));
        let painted = render(&report(vec![identity(State::SignedOut)]), Paint::new(true));
        assert_ne!(plain, painted);
        let mut stripped = painted;
        for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(plain, stripped);
    }
}
