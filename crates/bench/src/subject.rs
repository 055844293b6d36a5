//! The proxy, as its own process: `subject.toml` with the placeholders filled in.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

/// What is injected. None of it is a secret.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// `X-PORTAL-ACCESS-CODE`.
    pub access_code: &'static str,
    /// `X-Client-Hash`.
    pub client_hash: &'static str,
    /// The access token.
    pub bearer: &'static str,
    /// The channel's id.
    pub session_id: &'static str,
    /// The AES-256 key of both directions.
    pub key: [u8; 32],
}

/// The one identity of all benches.
pub const IDENTITY: Identity = Identity {
    access_code: "pac-of-the-bench-0123456789abcdef",
    client_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    bearer: "eyJhbGciOiJIUzI1NiJ9.YS1iZWFyZXItb2YtdGhlLWxlbmd0aC10aGF0LW9uZXMtb2YtcG9ydGFscy1oYXZl.c2lnbmF0dXJl",
    session_id: "0b6e1c58-5d3a-4a53-9a6f-0e7f5d2c9b51",
    key: [3; 32],
};

/// A program that takes longer to answer does not answer, under valgrind either.
const START: Duration = Duration::from_secs(120);

/// A running proxy. It ends with this value, if [`Subject::stop`] has not ended it.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    port: u16,
    home: TempDir,
}

impl Subject {
    /// Starts `program` in front of `upstream`, under `wrapper` (such as valgrind and its arguments), and waits
    /// until it listens.
    ///
    /// # Errors
    /// If it does not start: most likely it was built without `--features bench`.
    pub fn start(program: &Path, upstream: u16, sealed: bool, wrapper: &[&str]) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let port = free_port()?;
        let config = home.path().join("proxy.toml");
        fs::write(&config, filled_in(port, upstream, sealed, home.path()))?;
        let log = fs::File::create(home.path().join("log"))?;
        let (first, rest) =
            wrapper.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
        let mut command = match first {
            Some(first) => Command::new(first),
            None => Command::new(program),
        };
        if first.is_some() {
            command.args(rest).arg(program);
        }
        let child = command
            .args(["run", "-c"])
            .arg(&config)
            .env("BENCH_ACCESS_CODE", IDENTITY.access_code)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| {
                format!("cannot start {}", first.map_or(program, |first| Path::new(first)).display())
            })?;
        let mut subject = Self { child, port, home };
        subject.wait_until_it_listens()?;
        Ok(subject)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).is_err() {
            if self.child.try_wait()?.is_some() || begin.elapsed() > START {
                let said = fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
                bail!("the proxy did not start (is it built with --features bench?):\n{said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Ended already, or about to be thrown away: there is nothing to do about a failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn filled_in(port: u16, upstream: u16, sealed: bool, home: &Path) -> String {
    include_str!("../subject.toml")
        .replace("ca_file = \"{ca}\"\n", "")
        .replace("{listen_port}", &port.to_string())
        .replace("{upstream}", &format!("http://127.0.0.1:{upstream}"))
        .replace("{client_hash}", IDENTITY.client_hash)
        .replace("{tmp}", &home.display().to_string())
        .replace("{bearer}", IDENTITY.bearer)
        .replace("{session_id}", IDENTITY.session_id)
        .replace("{key_hex}", &data_encoding::HEXLOWER.encode(&IDENTITY.key))
        .replace("{encrypt}", if sealed { "true" } else { "false" })
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
