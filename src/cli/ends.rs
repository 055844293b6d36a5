//! Every end of a sign-in as docs/flows.md has it: the machine words, the sentence, the exit code.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::exit::Exit;
use crate::admin::Problem;
use crate::channel::ChannelError;
use crate::response::ProxyError;
use crate::session::{
    Blocked, CodeSourceError, PortalError, PortalErrorKind as Kind, SessionError, StoreError,
};

const WAIT: Duration = Duration::from_secs(30);

fn portal(kind: Kind) -> SessionError {
    let source = PortalError { call: "login/complete", kind, status: None, code: None };
    SessionError::Portal { source: Arc::new(source), retry_after: WAIT }
}

fn ends() -> Vec<SessionError> {
    let mut ends = vec![
        SessionError::CodeRequired { expires_in: WAIT },
        SessionError::PersonRequired { reason: "no password is configured" },
        SessionError::NoBackupCode { reason: "every code of login.backup_codes has been spent" },
        SessionError::CodeSource(CodeSourceError { what: "login.code_command: …".into(), hint: None }),
        SessionError::CredentialsRefused,
        SessionError::PendingApproval,
    ];
    let blocked = [Blocked::Locked, Blocked::Suspended, Blocked::Rejected, Blocked::Closed];
    ends.extend(blocked.map(SessionError::AccountBlocked));
    ends.extend([
        SessionError::FingerprintMismatch,
        SessionError::RiskChallenge,
        SessionError::RateLimited { retry_after: WAIT },
        SessionError::TooManyComplaints { retry_after: WAIT },
        SessionError::Channel(ChannelError::NoRandomness),
        SessionError::NoChannel,
        SessionError::Store(StoreError { what: "…".into(), hint: "…".into() }),
        SessionError::WaitedTooLong,
        SessionError::QueueFull,
        SessionError::SignedOut,
        SessionError::Closed,
    ]);
    ends.extend(kinds().into_iter().map(portal));
    ends
}

/// What a call to the portal can end in that is no end of its own.
fn kinds() -> Vec<Kind> {
    vec![
        Kind::NotSent("…".into()),
        Kind::OutcomeUnknown("…".into()),
        Kind::Trouble,
        Kind::RateLimited { retry_after: None },
        Kind::ChannelStale,
        Kind::CredentialsRefused,
        Kind::CodeRefused,
        Kind::LoginGone,
        Kind::TokenRefused,
        Kind::PendingApproval,
        Kind::Blocked(Blocked::Locked),
        Kind::FingerprintMismatch,
        Kind::RiskChallenge,
        Kind::Channel(ChannelError::NoRandomness),
        Kind::Refused,
        Kind::NotUnderstood("…"),
    ]
}

/// The variants of an enum, by its source.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let body = source.split(&format!("pub enum {name} {{")).nth(1).unwrap().split("\n}").next().unwrap();
    let at_the_margin =
        |line: &&str| line.starts_with("    ") && line.chars().nth(4).is_some_and(char::is_uppercase);
    body.lines().filter(at_the_margin).map(word).collect()
}

fn word(text: &str) -> String {
    text.trim().chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// A new variant has to be added above, and then to the page.
#[test]
fn every_variant_is_an_end() {
    let named = |all: &[String]| all.iter().map(|text| word(text)).collect::<BTreeSet<_>>();
    let errors: Vec<_> = ends().iter().map(|end| format!("{end:?}")).collect();
    assert_eq!(named(&errors), variants(include_str!("../session/error.rs"), "SessionError"));
    let kinds: Vec<_> = kinds().iter().map(|kind| format!("{kind:?}")).collect();
    assert_eq!(named(&kinds), variants(include_str!("../session/portal.rs"), "PortalErrorKind"));
    let blocked: Vec<_> = ends()
        .iter()
        .filter_map(|end| match end {
            SessionError::AccountBlocked(how) => Some(format!("{how:?}")),
            _ => None,
        })
        .collect();
    assert_eq!(named(&blocked), variants(include_str!("../session/portal.rs"), "Blocked"));
}

fn row(end: SessionError) -> String {
    let name = match &end {
        SessionError::Portal { source, .. } => format!("Portal, {}", word(&format!("{:?}", source.kind))),
        SessionError::AccountBlocked(how) => format!("AccountBlocked, {how:?}"),
        other => word(&format!("{other:?}")),
    };
    let problem = Problem::from(&end);
    let sentence = problem.detail.replace(": …; …", "").replace(": …", "");
    let code = problem.code.word();
    let client = ProxyError::Session(end).row();
    let exit = Exit::from(problem.code).code();
    format!("| {name} | `{code}` | `{}` ({}) | {sentence} | {exit} |", client.code, client.status.as_u16())
}

#[test]
fn the_page_of_flows_has_every_end_with_its_words_and_its_exit_code() {
    let page = fs::read_to_string("docs/flows.md").unwrap();
    let table = page.split("## The ends of a sign-in").nth(1).expect("the chapter is there");
    let table = table.split("\n## ").next().unwrap();
    let written: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    let wanted: Vec<_> = ends().into_iter().map(row).collect();
    if written != wanted {
        let at = std::env::temp_dir().join("flows-ends.md");
        fs::write(&at, wanted.join("\n") + "\n").unwrap();
        panic!("the table of docs/flows.md is not what the code says; {} is", at.display());
    }
}
