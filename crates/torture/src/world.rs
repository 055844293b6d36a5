//! The simulator, and real proxies as child processes: this program itself, started as `torture child FILE`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use portal_sim::{Account, DEFAULT_TOTP_SECRET, Factor, Sim};
use portunus::clock::SystemClock;
use portunus::config::{Config, Environment, Inputs};
use portunus::session::SessionError;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Failures are followed at once, and as often as it takes.
const HASTY: &str = "backoff_first = \"10ms\"\nbackoff_most = \"100ms\"\n\
                     complaints_burst = 10000\ncomplaints_per_minute = 10000";

/// What a child says when it has a lease that it fetched itself.
pub const READY: &str = "ready";
/// What it says before why a person would be needed.
pub const PERSON: &str = "person";
/// What it says before its address.
pub const LISTENS: &str = "listens";

/// A simulator with `accounts` people, each with a TOTP app, or with nothing but a password.
pub async fn simulator(accounts: usize, totp: bool, access: Duration) -> Sim {
    let factors = || match totp {
        true => vec![Factor::Otp { secret_base32: DEFAULT_TOTP_SECRET.to_owned() }],
        false => Vec::new(),
    };
    let mut settings = portal_sim::Settings { share_rsa_keys: true, ..Default::default() };
    settings.accounts = (0..accounts).map(|n| Account::new(&email(n), factors())).collect();
    settings.lifetimes.access = access;
    settings.rate_limits.enabled = false;
    settings.wire_log = 0;
    Sim::start(settings).await.expect("the simulator starts")
}

fn email(n: usize) -> String {
    format!("person-{n}@example.com")
}

/// One person's configuration and state directory.
#[derive(Debug)]
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    /// One of several replicas that sign in as the first person, and share that by a Redis at this port; with more
    /// lines in the sections state and limits.
    ///
    /// # Errors
    /// What could not be written.
    pub fn replica(sim: &Sim, redis: u16, state: &str, limits: &str) -> io::Result<Self> {
        let state = format!("store = \"redis://127.0.0.1:{redis}\"\nkey = {{ file = \"sealing\" }}\n{state}");
        let limits = format!("wait_timeout = \"120s\"\n{limits}");
        Self::with(sim, 0, &[("session", HASTY), ("limits", &limits), ("state", &state)])
    }

    /// For the person of this number; failures are followed at once, so that a run is short.
    pub fn new(sim: &Sim, person: usize) -> io::Result<Self> {
        Self::with(sim, person, &[("session", HASTY), ("limits", "wait_timeout = \"120s\"")])
    }

    /// With these lines in these sections, beside what every proxy here has.
    pub fn with(sim: &Sim, person: usize, more: &[(&str, &str)]) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let secret = |name: &str, text: &str| -> io::Result<()> {
            use std::os::unix::fs::OpenOptionsExt;
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(dir.path().join(name))?;
            io::Write::write_all(&mut file, text.as_bytes())
        };
        secret("password", portal_sim::DEFAULT_PASSWORD)?;
        secret("otp", DEFAULT_TOTP_SECRET)?;
        secret("sealing", "what all replicas know")?;
        secret("code", &sim.settings().access_code)?;
        let mut text = format!(
            r#"
[listen]
addresses = ["127.0.0.1:0"]
workers = 1
[upstream]
url = "{url}"
[portal]
access_code = {{ file = "code" }}
[login]
email = "{email}"
password = {{ file = "password" }}
otp_secret = {{ file = "otp" }}
[session]
[limits]
[state]
dir = "state"
[admin]
enabled = false
"#,
            url = sim.url(),
            email = email(person),
        );
        for (section, lines) in more {
            let header = format!("[{section}]\n");
            match text.find(&header) {
                Some(at) => text.insert_str(at + header.len(), &format!("{lines}\n")),
                None => text.push_str(&format!("[{section}]\n{lines}\n")),
            }
        }
        std::fs::write(dir.path().join("proxy.toml"), text)?;
        Ok(Self { dir })
    }

    /// The configuration.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("proxy.toml")
    }

    /// Starts a proxy. `program` is this program's path; `hammer` has it refresh without a pause.
    pub fn start(&self, program: &Path, hammer: bool) -> io::Result<Proxy> {
        self.start_as(program, if hammer { Behaviour::Hammers } else { Behaviour::Asks })
    }

    /// Starts a proxy that behaves like this.
    pub fn start_as(&self, program: &Path, behaviour: Behaviour) -> io::Result<Proxy> {
        let mut command = Command::new(program);
        command.arg("child").arg(self.file()).arg(behaviour.word());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let said = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Proxy { child, said: BufReader::new(said).lines() })
    }
}

/// What a child does beside being a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It asks for a lease five times a second.
    Asks,
    /// It renews its lease without a pause.
    Hammers,
    /// Nothing, once it has had a lease.
    IsCalm,
}

impl Behaviour {
    fn word(self) -> &'static str {
        match self {
            Self::Asks => "asks",
            Self::Hammers => "hammers",
            Self::IsCalm => "calm",
        }
    }

    /// The behaviour of this word; the first, if it is another.
    pub fn of(word: &str) -> Self {
        [Self::Hammers, Self::IsCalm].into_iter().find(|one| one.word() == word).unwrap_or(Self::Asks)
    }
}

/// A proxy in a process of its own.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Proxy {
    /// The next line that begins with `word`, and what follows it.
    ///
    /// # Errors
    /// If it says that a person is needed, ends, or says nothing in time.
    pub async fn says(&mut self, word: &str, within: Duration) -> Result<String, String> {
        let wait = async {
            loop {
                match self.said.next_line().await {
                    Ok(Some(line)) if line.starts_with(word) => {
                        return Ok(line[word.len()..].trim().to_owned());
                    }
                    Ok(Some(line)) if line.starts_with(PERSON) => return Err(line),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return Err("it ended".to_owned()),
                }
            }
        };
        tokio::time::timeout(within, wait).await.unwrap_or_else(|_| Err(format!("nothing within {within:?}")))
    }

    /// Its resident memory in bytes, and how many descriptors it has open.
    ///
    /// # Errors
    /// If it has ended.
    pub fn weight(&self) -> io::Result<(u64, usize)> {
        let pid = self.child.id().ok_or(io::ErrorKind::NotFound)?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok((kib.ok_or(io::ErrorKind::InvalidData)? * 1024, descriptors))
    }

    /// SIGSTOP: it is there, and does nothing.
    ///
    /// # Errors
    /// If it has ended.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        Ok(kill_process(pid.ok_or(io::ErrorKind::NotFound)?, signal)?)
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }
}

/// The life of a child: a whole proxy, and somebody who asks it for leases.
///
/// # Errors
/// Why it does not start.
#[expect(clippy::print_stdout, reason = "how a child speaks to its parent")]
pub async fn be_a_child(file: &Path, behaviour: Behaviour) -> Result<(), Box<dyn std::error::Error>> {
    let environment: Environment = std::env::vars_os().collect();
    let inputs = Inputs { file: Some(file), environment: &environment, flags: &[], unsafe_listen: false };
    let config = Config::load(&inputs).map_err(|problems| format!("{problems:?}"))?;
    let running = portunus::app::start(&config, &environment, None, SystemClock::shared()).await?;
    for address in running.addresses() {
        println!("{LISTENS} {address}");
    }
    let session = running.session().clone();
    let hammer = behaviour == Behaviour::Hammers;
    loop {
        let fetched = match session.lease().await {
            Ok(lease) if hammer => session.replace(&lease).await,
            other => other,
        };
        match fetched {
            Ok(lease) => {
                println!("{READY} {}", lease.generation().number());
                if behaviour == Behaviour::IsCalm {
                    std::future::pending::<()>().await;
                }
            }
            Err(error @ (SessionError::PersonRequired { .. } | SessionError::CodeRequired { .. })) => {
                println!("{PERSON} {error}");
            }
            // It passes, or nobody ever says ready.
            Err(error) => {
                println!("waits {error}: {:?}", std::error::Error::source(&error).map(ToString::to_string))
            }
        }
        tokio::time::sleep(Duration::from_millis(if hammer { rand::random_range(0..30) } else { 200 })).await;
    }
}
