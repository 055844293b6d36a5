//! What each failure of a check means to whoever set things up: what, whose, and what to do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory;

use super::holder;
use crate::admin::{Problem, Whose};
use crate::app::StartError;
use crate::channel::{Aad, ChannelError, EnvelopeForm, OaepHash, Spelling};
use crate::cli::args::Arguments;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::stage::Fault;
use crate::config::Config;
use crate::listener::BindError;
use crate::portal::Endpoint;
use crate::session::{PortalError, PortalErrorKind as Kind, SessionError};
use crate::upstream::{TlsFault, UpstreamError};

/// What the configuration asks for cannot be had on this machine.
pub(super) fn of_start(error: &StartError) -> Fault {
    let Failure { exit, what, hint } = error.into();
    Fault { what, who: Whose::Person, hint, exit }
}

/// An address that is not free.
pub(super) fn of_bind(error: &BindError, config: &Config) -> Fault {
    let failure =
        |what, hint: String| Fault { what, who: Whose::Proxy, hint: Some(hint), exit: Exit::Failed };
    match error {
        BindError::InUse(at) => {
            let port = at.parse::<SocketAddr>().ok().map(|address| address.port());
            let holder = port.and_then(holder::of_port);
            let by = holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default();
            let other = "choose another address in listen.addresses, or with --listen";
            let hint = match &holder {
                Some(holder) if holder.is_portunus() => {
                    format!("a portunus is running already (`portunus status` asks it); stop it, or {other}")
                }
                _ => format!("stop it, or {other}"),
            };
            failure(format!("{at} is taken{by}"), hint)
        }
        BindError::NotASocket(_) => {
            failure(error.to_string(), "remove the file, or name another in listen.unix_socket".into())
        }
        BindError::NotHanded { .. } => failure(error.to_string(), "check listen.inherited".into()),
        BindError::Io { at, source } => {
            let asked: Vec<_> = config.listen.addresses.iter().map(ToString::to_string).collect();
            let hint = format!("check listen.addresses, which asks for {}", asked.join(", "));
            failure(format!("cannot listen on {at}: {source}"), hint)
        }
    }
}

/// No connection.
pub(super) fn of_upstream(error: &UpstreamError, config: &Config) -> Fault {
    let hint = match error {
        UpstreamError::Dns { .. } => {
            "check the host in upstream.url; if it is right: is this machine online, and does the portal \
             need a VPN?"
                .to_owned()
        }
        UpstreamError::Via { fault, .. } => fault.hint().to_owned(),
        UpstreamError::Connect { .. } => {
            "nothing listens there, or it is kept from you: check host and port in upstream.url, and that \
             the portal is up"
                .to_owned()
        }
        UpstreamError::ConnectTimeout { .. } => {
            "a firewall, or a VPN that is not connected? check host and port in upstream.url; the time is \
             upstream.connect_timeout"
                .to_owned()
        }
        UpstreamError::Tls { fault: TlsFault::UnknownIssuer, .. } => match &config.upstream.ca_file {
            Some(file) => format!(
                "the CA in upstream.ca_file ({}) did not sign this certificate: give the PEM file of the CA \
                 that did, or remove the setting to trust the system's",
                file.display()
            ),
            None => TlsFault::UnknownIssuer.hint().to_owned(),
        },
        UpstreamError::Tls { fault, .. } => fault.hint().to_owned(),
        _ => "check upstream.url".to_owned(),
    };
    let who = match error {
        UpstreamError::Tls { fault, .. } if fault.is_certificate() => Whose::Portal,
        _ => Whose::Network,
    };
    // What rustls says is already said, in plainer words.
    let source = match error {
        UpstreamError::Tls { .. } | UpstreamError::Via { .. } => None,
        _ => std::error::Error::source(error),
    };
    let source = source.map(|source| format!(": {source}")).unwrap_or_default();
    Fault { what: format!("{error}{source}"), who, hint: Some(hint), exit: Exit::Unreachable }
}

/// The answer to a profile call without a bearer. 401 is the one that shows an accepted access code.
pub(super) fn of_knock(error: &PortalError, has_code: bool, config: &Config) -> Result<String, Fault> {
    let (portal, url) = (config.portal.name.as_str(), &config.upstream.url);
    let fault = |what: String, hint: String| {
        Err(Fault { what, who: Whose::Person, hint: Some(hint), exit: Exit::Refused })
    };
    let answer = answer(error);
    match (error.status, &error.kind) {
        (_, Kind::TokenRefused) | (Some(401), _) => Ok(match has_code {
            true => format!("accepted: the portal asks for a login next ({answer})"),
            false => format!("none is needed: the portal asks for a login next ({answer})"),
        }),
        (Some(403), _) if has_code => fault(
            format!("the portal refuses the access code ({answer})"),
            format!(
                "check what the source of portal.access_code gives, and that portal.name = \"{portal}\" is the \
                 portal it is for"
            ),
        ),
        (Some(403), _) => fault(
            format!("the portal refuses requests without an access code ({answer})"),
            "set portal.access_code = { env = \"NAME\" }, or another source".into(),
        ),
        (Some(404), _) => fault(
            format!("there is no {} at {url} ({answer})", config.dialect().path(Endpoint::Profile)),
            format!("check the path in upstream.url, portal.name = \"{portal}\", and dialect.profile_path"),
        ),
        (Some(400), _) => fault(
            format!("the portal does not take a plain request ({answer})"),
            "an edge may be missing whose headers it expects: see upstream.extra_headers".into(),
        ),
        _ => Err(of_call(error)),
    }
}

/// The key's call, or the key.
pub(super) fn of_key(error: &PortalError, config: &Config) -> Fault {
    let path = config.dialect().path(Endpoint::PublicKey);
    let fault = of_call(error);
    match (&error.kind, error.status) {
        (Kind::Channel(error), _) => of_channel(error),
        (_, Some(404)) => Fault {
            what: format!("there is no {path} ({})", answer(error)),
            hint: Some(format!(
                "set dialect.channel_base to where the channel calls are, or portal.dialect = \"plain\" if \
                 this portal has no secure channel{}",
                detect("; ")
            )),
            who: Whose::Person,
            ..fault
        },
        _ => fault,
    }
}

/// The search for what is `auto`.
pub(super) fn of_search(error: &PortalError, config: &Config) -> Fault {
    let fault = of_call(error);
    match error.kind {
        Kind::NotUnderstood(why) => Fault {
            what: format!(
                "what is \"auto\" in [dialect] cannot be found out at {}: {why}",
                config.upstream.url
            ),
            hint: Some(format!("set it by hand{}", detect("; "))),
            who: Whose::Person,
            ..fault
        },
        _ => fault,
    }
}

fn of_channel(error: &ChannelError) -> Fault {
    let hint = match error {
        ChannelError::PinMismatch { .. } => {
            "if the portal's operator confirms the new key, update portal.key_pin; else somebody is in between"
        }
        ChannelError::UnreadableKey(_) => "does upstream.url lead to the portal? check dialect.channel_base",
        _ => "ask the portal's operator",
    };
    Fault { what: error.to_string(), who: Whose::Portal, hint: Some(hint.into()), exit: Exit::Refused }
}

/// The channel. A refusal of keys that were wrapped for a key fetched just now means that the portal could not
/// unwrap them (PROTOCOL section 3.2).
pub(super) fn of_opening(error: &SessionError, config: &Config) -> Fault {
    let SessionError::Portal { source, .. } = error else { return of_login(error) };
    let is_session = source.call == Endpoint::Session.name();
    let Some(spelling) = config.dialect().channel.filter(|_| is_session && source.kind == Kind::Refused)
    else {
        return of_call(source);
    };
    let set = |oaep, mgf1| format!("oaep_hash = \"{}\" and mgf1_hash = \"{}\"", hash(oaep), hash(mgf1));
    let all = [
        (OaepHash::Sha256, OaepHash::Sha256),
        (OaepHash::Sha256, OaepHash::Sha1),
        (OaepHash::Sha1, OaepHash::Sha1),
        (OaepHash::Sha1, OaepHash::Sha256),
    ];
    let now = (spelling.oaep_hash, spelling.mgf1_hash);
    let others: Vec<_> =
        all.into_iter().filter(|pair| *pair != now).map(|(oaep, mgf1)| set(oaep, mgf1)).collect();
    Fault {
        what: format!(
            "the portal served its key, and then refused keys wrapped for it ({}): it most likely unwraps \
             with other hashes than {}",
            answer(source),
            set(now.0, now.1)
        ),
        who: Whose::Person,
        hint: Some(format!("try in [dialect], one after the other:\n{}{}", others.join("\n"), detect("\n"))),
        exit: Exit::Refused,
    }
}

/// A login, or what a session says.
pub(super) fn of_login(error: &SessionError) -> Fault {
    let problem = Problem::from(error);
    let exit = Exit::from(problem.code);
    let fault = Fault { what: problem.detail, who: problem.who, hint: problem.hint, exit };
    let hint = match error {
        SessionError::Portal { source, .. } => return of_call(source),
        SessionError::Channel(error) => return of_channel(error),
        SessionError::CredentialsRefused => {
            "check login.email, and what the source of login.password gives; do not try it again and again, \
             the portal locks accounts"
        }
        SessionError::CodeRequired { .. } => {
            "e-mail and password are right, and the code needs a person: start `portunus run`, then \
             `portunus login`; with login.otp_secret it needs nobody"
        }
        SessionError::PersonRequired { .. } => {
            "set login.password and, for a second factor, login.otp_secret; or start `portunus run`, then \
             `portunus login`"
        }
        _ => return fault,
    };
    Fault { hint: Some(hint.into()), ..fault }
}

/// No account to sign in with.
pub(super) fn no_account() -> Fault {
    Fault {
        what: "no account is configured".into(),
        who: Whose::Person,
        hint: Some(
            "set login.email and login.password; or start `portunus run`, then `portunus login`".into(),
        ),
        exit: Exit::PersonNeeded,
    }
}

/// Any other call.
pub(super) fn of_call(error: &PortalError) -> Fault {
    let session = SessionError::Portal { source: Arc::new(error.clone()), retry_after: Duration::ZERO };
    let problem = Problem::from(&session);
    let what = match (&error.code, error.status) {
        (None, None) => error.to_string(),
        _ => format!("{error} ({})", answer(error)),
    };
    Fault { what, who: problem.who, hint: problem.hint, exit: Exit::from(problem.code) }
}

/// The answer in the portal's terms: status and code, never its localized message.
fn answer(error: &PortalError) -> String {
    let status = error.status.map(|status| status.to_string());
    let parts: Vec<_> = status.into_iter().chain(error.code.clone()).collect();
    if parts.is_empty() { "no answer".into() } else { parts.join(" ") }
}

/// Where to go on, if this program has the command.
fn detect(before: &str) -> String {
    let has = Arguments::command().find_subcommand("detect").is_some();
    if has { format!("{before}or let `portunus detect` find it out") } else { String::new() }
}

/// How sealed bodies are spelled, on one line.
pub(super) fn spelling(channel: Spelling) -> String {
    let envelope = match channel.envelope {
        EnvelopeForm::Json => "json",
        EnvelopeForm::Binary => "binary",
        EnvelopeForm::Raw => "raw",
    };
    let aad = match channel.aad {
        Aad::None => "no aad",
        Aad::SessionId => "aad session-id",
    };
    format!("envelope {envelope}, oaep {}, mgf1 {}, {aad}", hash(channel.oaep_hash), hash(channel.mgf1_hash))
}

fn hash(hash: OaepHash) -> &'static str {
    match hash {
        OaepHash::Sha1 => "sha1",
        OaepHash::Sha256 => "sha256",
    }
}
