//! A proxy before an upstream of the test's own, with nothing to sign in to: for what is about HTTP alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use portunus::app::{self, Running, StartError};
use portunus::clock::SystemClock;
use portunus::config::{Config, Environment, Inputs};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy to be started, section by section of its proxy.toml.
#[derive(Debug)]
pub(crate) struct Plain {
    sections: BTreeMap<&'static str, Vec<String>>,
    unsafe_listen: bool,
    environment: Vec<(String, String)>,
    directory: TempDir,
}

/// A proxy that runs.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) running: Running,
    /// Removed with this.
    _directory: TempDir,
}

impl Plain {
    pub(crate) fn before(upstream: SocketAddr) -> Self {
        Self::at(&format!("http://{upstream}"))
    }

    pub(crate) fn at(url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plain =
            Self { sections: BTreeMap::new(), unsafe_listen: false, environment: Vec::new(), directory };
        let state = format!("dir = {:?}", plain.directory.path().join("state"));
        plain
            .with("listen", "workers = 1")
            .with("upstream", &format!("url = {url:?}"))
            .with("portal", "dialect = \"plain\"")
            .with("portal", "name = \"tenant\"")
            .with("state", &state)
            .with("admin", "enabled = false")
    }

    #[must_use]
    pub(crate) fn with(mut self, section: &'static str, line: &str) -> Self {
        self.sections.entry(section).or_default().push(line.to_owned());
        self
    }

    #[must_use]
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub(crate) fn unsafe_listen(mut self) -> Self {
        self.unsafe_listen = true;
        self
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) async fn start(self) -> Started {
        match self.try_start().await {
            Ok(started) => started,
            Err(why) => panic!("{why}"),
        }
    }

    /// The configuration's problems or the start's, as a person reads them.
    pub(crate) async fn try_start(self) -> Result<Started, String> {
        let mut text = String::new();
        for (section, lines) in &self.sections {
            text.push_str(&format!("[{section}]\n{}\n", lines.join("\n")));
        }
        if !text.contains("addresses =") {
            text = text.replace("[listen]\n", "[listen]\naddresses = [\"127.0.0.1:0\"]\n");
        }
        text.push_str("[[route]]\npath = \"/*\"\nbearer = \"never\"\nprotect = \"plain\"\n");
        let environment: Environment = self.environment.iter().cloned().collect();
        let file = self.directory.path().join("proxy.toml");
        let inputs = Inputs {
            file: Some(&file),
            environment: &environment,
            flags: &[],
            unsafe_listen: self.unsafe_listen,
        };
        let config = Config::from_text(&text, &inputs).map_err(|problems| problems.to_string())?;
        let running = app::start(&config, &environment, None, SystemClock::shared())
            .await
            .map_err(|error: StartError| format!("{error} {}", error.hint().unwrap_or_default()))?;
        Ok(Started { running, _directory: self.directory })
    }
}

impl Started {
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.addresses()[0]
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw { stream: TcpStream::connect(self.address()).await.unwrap(), host: self.address().to_string() }
    }

    /// One request on a connection of its own, and everything that comes back until it closes.
    pub(crate) async fn ask(&self, head: &str, body: &str) -> String {
        let mut raw = self.connect().await;
        raw.head(&format!("{head}\r\nConnection: close")).await;
        raw.send(body.as_bytes()).await;
        raw.rest().await
    }

    pub(crate) async fn stop(self) -> bool {
        self.running.stop().await
    }
}

/// A connection as bytes.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    host: String,
}

impl Raw {
    /// A request line and fields without `Host`; the head's end is put behind it.
    pub(crate) async fn head(&mut self, lines: &str) {
        let (first, rest) = lines.split_once("\r\n").unwrap_or((lines, ""));
        let rest = if rest.is_empty() { String::new() } else { format!("{rest}\r\n") };
        let head = format!("{first} HTTP/1.1\r\nHost: {}\r\n{rest}\r\n", self.host);
        self.send(head.as_bytes()).await;
    }

    /// What is not taken any more is no fault: the answer says why.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Everything until the end of the stream.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = self.stream.read_to_end(&mut bytes);
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => panic!("still open after {PATIENCE:?}: {:?}", String::from_utf8_lossy(&bytes)),
        }
    }

    /// What comes, until it holds `text`.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        read_until(&mut self.stream, text).await
    }
}

/// What comes, until it holds `text`.
pub(crate) async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains(text) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
        match read.unwrap_or_else(|_| panic!("no {text:?} in {seen:?}")) {
            Ok(n) if n > 0 => seen.push_str(&String::from_utf8_lossy(&buffer[..n])),
            ended => panic!("{ended:?} before {text:?} in {seen:?}"),
        }
    }
    seen
}

/// An upstream played by the test, connection by connection.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    connections: mpsc::UnboundedReceiver<TcpStream>,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, connections) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                if sender.send(stream).is_err() {
                    return;
                }
            }
        });
        Self { address, connections }
    }

    /// The next connection that the proxy makes.
    pub(crate) async fn next(&mut self) -> TcpStream {
        tokio::time::timeout(PATIENCE, self.connections.recv()).await.unwrap().unwrap()
    }

    /// Whether nobody has connected.
    pub(crate) fn is_untouched(&mut self) -> bool {
        self.connections.try_recv().is_err()
    }

    /// Answers every request on every connection with these bytes; gives the heads that came.
    pub(crate) fn always(mut self, answer: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
        let (sender, heads) = mpsc::unbounded_channel();
        let address = self.address;
        tokio::spawn(async move {
            while let Some(mut stream) = self.connections.recv().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    let mut buffer = [0; 16 * 1024];
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        seen.extend_from_slice(&buffer[..n]);
                        while let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
                            let head = String::from_utf8_lossy(&seen[..end + 2]).into_owned();
                            seen.drain(..end + 4);
                            let _ = sender.send(head);
                            if stream.write_all(answer.as_bytes()).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        (address, heads)
    }
}
