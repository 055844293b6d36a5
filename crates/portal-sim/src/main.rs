//! The simulator as a program: flags in, addresses and accounts out, then it serves until it is stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use portal_sim::{Certificate, Preset, Settings, Sim, Tls, serve_control};
use serde_json::json;

/// A simulated portal.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Flags {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where the control port listens; port 0 takes a free one
    #[arg(long)]
    control: Option<SocketAddr>,
    /// Serve over TLS, with a certificate made at start
    #[arg(long)]
    tls: bool,
    /// Where to write the CA's certificate
    #[arg(long, requires = "tls")]
    ca_file: Option<PathBuf>,
    /// What is wrong with the certificate: good, expired, wrong-host
    #[arg(long, requires = "tls", default_value = "good")]
    certificate: Certificate,
    /// The dialect
    #[arg(long, value_enum, default_value = "guide")]
    dialect: DialectName,
    /// The seed of the random dialect
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The portal's name
    #[arg(long, default_value = "tenant")]
    portal: String,
    /// The access code that requests must carry
    #[arg(long)]
    access_code: Option<String>,
    /// A path prefix, like /prometheus
    #[arg(long, default_value = "")]
    prefix: String,
    /// Any setting, as key=value; lifetimes are lifetime.access=4000 in milliseconds
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The life of an access token, in milliseconds
    #[arg(long, value_name = "MS")]
    access_lifetime: Option<u64>,
    /// The life of a channel, in milliseconds
    #[arg(long, value_name = "MS")]
    channel_lifetime: Option<u64>,
    /// Whether requests are counted
    #[arg(long, value_enum, default_value = "on")]
    rate_limits: Switch,
    /// Write one line of JSON instead of text
    #[arg(long)]
    json: bool,
    /// Log to stderr
    #[arg(long)]
    log: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DialectName {
    Guide,
    Scv2,
    Sdk,
    Wiki,
    Plain,
    Random,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    if flags.log {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(std::io::stderr)
            .with_target(false)
            .init();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run(flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref()),
    }
}

#[expect(clippy::print_stderr, reason = "a program's last words")]
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprint!("portal-sim: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprint!(": {cause}");
        source = cause.source();
    }
    eprintln!();
    ExitCode::FAILURE
}

async fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings(&flags)?;
    let sim = Sim::start(settings).await?;
    let control = match flags.control {
        Some(listen) => Some(serve_control(&sim, listen).await?),
        None => None,
    };
    announce(&sim, control, flags.json);
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    sim.stop().await;
    Ok(())
}

fn settings(flags: &Flags) -> Result<Settings, Box<dyn std::error::Error>> {
    let mut settings = match flags.dialect {
        DialectName::Guide => Settings::preset(Preset::Guide),
        DialectName::Scv2 => Settings::preset(Preset::Scv2),
        DialectName::Sdk => Settings::preset(Preset::Sdk),
        DialectName::Wiki => Settings::preset(Preset::Wiki),
        DialectName::Plain => Settings::preset(Preset::Plain),
        DialectName::Random => Settings::random(flags.seed),
    };
    settings.listen = flags.listen;
    settings.portal.clone_from(&flags.portal);
    settings.prefix.clone_from(&flags.prefix);
    if let Some(code) = &flags.access_code {
        settings.access_code.clone_from(code);
    }
    if flags.tls {
        settings.tls = Some(Tls { ca_file: flags.ca_file.clone(), certificate: flags.certificate });
    }
    settings.rate_limits.enabled = flags.rate_limits == Switch::On;
    let lifetimes =
        [("lifetime.access", flags.access_lifetime), ("lifetime.channel", flags.channel_lifetime)];
    for (key, value) in lifetimes {
        if let Some(value) = value {
            settings.set(key, &value.to_string())?;
        }
    }
    for pair in &flags.set {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| format!("--set takes key=value, not {pair}"))?;
        settings.set(key.trim(), value.trim())?;
    }
    Ok(settings)
}

#[expect(clippy::print_stdout, reason = "the addresses and accounts are this program's output")]
fn announce(sim: &Sim, control: Option<SocketAddr>, as_json: bool) {
    let settings = sim.settings();
    let control = control.map(|addr| format!("http://{addr}"));
    if as_json {
        let line = json!({
            "url": sim.url(),
            "addr": sim.addr().to_string(),
            "control": control,
            "caFile": sim.ca_file(),
            "portal": settings.portal,
            "accessCode": settings.access_code,
            "keySha256": data_encoding::HEXLOWER.encode(&sim.key_sha256()),
            "dialect": settings.dialect,
            "accounts": settings.accounts,
        });
        println!("{line}");
        return;
    }
    println!("url          {}", sim.url());
    if let Some(control) = control {
        println!("control      {control}");
    }
    if let Some(ca_file) = sim.ca_file() {
        println!("ca file      {}", ca_file.display());
    }
    println!("portal       {}", settings.portal);
    println!("access code  {}", settings.access_code);
    for account in &settings.accounts {
        let factors: Vec<_> = account.factors.iter().map(described).collect();
        println!(
            "account      {}  {}  {}  {}",
            account.email,
            account.password,
            account.state,
            factors.join(" ")
        );
    }
}

fn described(factor: &portal_sim::Factor) -> String {
    match factor {
        portal_sim::Factor::Otp { secret_base32 } => format!("OTP:{secret_base32}"),
        portal_sim::Factor::Email => "EMAIL".to_owned(),
        portal_sim::Factor::BackupCodes(codes) => format!("BACKUP_CODE:{}", codes.join(",")),
    }
}
