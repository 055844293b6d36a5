//! The built program as somebody uses it: `run` in one terminal, `status`, `login` and `logout` in another; and
//! the demo, which has to leave nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use portal_sim::{DEFAULT_PASSWORD, DEFAULT_TOTP_SECRET, Settings, Sim};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long a program may take for what it does here.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn portunus(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portunus"));
    command.env_clear().env("HOME", home).env("XDG_RUNTIME_DIR", home).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) async fn said(command: &mut Command) -> (i32, String, String) {
    let output: Output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A program that stays up, and what it says.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Its number.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next line that holds this.
    pub(crate) async fn line(&mut self, part: &str) -> String {
        let find = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(part) {
                    return line;
                }
            }
            let mut text = String::new();
            self.child.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
            panic!("it ended before it said {part:?}: {text}");
        };
        tokio::time::timeout(DEADLINE, find).await.unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// SIGKILL: nothing of it gets to say or write anything more.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ctrl-C; the exit code.
    pub(crate) async fn interrupt(&mut self) -> i32 {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        tokio::time::timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap().code().unwrap()
    }
}

/// One plain request; the answer's text, head and body.
async fn get(address: &str, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn status_logout_and_login_find_the_proxy_by_its_configuration() {
    let home = tempfile::tempdir().unwrap();
    let sim = Sim::start(Settings { share_rsa_keys: true, ..Settings::default() }).await.unwrap();
    let config = home.path().join("work.toml");
    write(&home.path().join("password"), DEFAULT_PASSWORD);
    let text = format!(
        r#"
        [listen]
        addresses = ["127.0.0.1:0"]
        [upstream]
        url = "{}"
        [portal]
        access_code = {{ env = "CODE" }}
        [login]
        email = "plain@example.com"
        password = {{ file = "password" }}
        [admin]
        socket = "a-place-of-its-own.sock"
        "#,
        sim.url()
    );
    write(&config, &text);
    let ask = |command: &str| {
        let mut asked = portunus(home.path());
        asked.args([command, "-c"]).arg(&config);
        asked
    };
    let (exit, _, error) = said(&mut ask("status")).await;
    assert_eq!(exit, 6, "{error}");
    assert!(error.contains("a-place-of-its-own.sock") && error.contains("`portunus run`"), "{error}");

    let mut run = Running::start(ask("run").env("CODE", "TENANT-DEMO"));
    let line = run.line("listening on http://").await;
    let address = line.strip_prefix("listening on http://").unwrap();
    let profile = get(address, "/web/v1/tenant/profile").await;
    assert!(profile.starts_with("HTTP/1.1 200 ") && profile.contains("plain@example.com"), "{profile}");

    let (exit, text, error) = said(&mut ask("status")).await;
    assert_eq!(exit, 0, "{error}");
    assert!(text.contains("signed in"), "{text}");
    let (exit, text, _) = said(ask("status").arg("--json")).await;
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((exit, &report["identities"][0]["state"]), (0, &"signed-in".into()));

    let (exit, _, error) = said(&mut ask("logout")).await;
    assert_eq!((exit, sim.counters().logout), (0, 1), "{error}");
    let (exit, ..) = said(&mut ask("status")).await;
    assert_eq!(exit, 3, "signed out: a person is needed");
    let refused = get(address, "/web/v1/tenant/profile").await;
    assert!(
        refused.starts_with("HTTP/1.1 503 ") && refused.contains("application/problem+json"),
        "{refused}"
    );

    let (exit, _, error) = said(ask("login").arg("--no-input")).await;
    assert_eq!(exit, 0, "{error}");
    assert!(get(address, "/web/v1/tenant/profile").await.starts_with("HTTP/1.1 200 "));

    // A configuration that was broken since does not keep the proxy from being found by its socket.
    write(&config, "[nonsense");
    let socket = home.path().join("a-place-of-its-own.sock");
    let (exit, _, error) = said(ask("status").arg("--socket").arg(&socket)).await;
    assert_eq!(exit, 0, "{error}");
    let (exit, _, error) = said(ask("status").arg("-v")).await;
    assert_eq!(exit, 6, "{error}");
    assert!(error.contains("the configuration does not load"), "{error}");

    assert_eq!(run.interrupt().await, 0);
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_demo_stays_up_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let mut demo = Running::start(portunus(home.path()).arg("demo"));
    let line = demo.line("  proxy ").await;
    let address = line.split("http://localhost:").nth(1).unwrap().split_whitespace().next().unwrap();
    let answer = get(&format!("127.0.0.1:{address}"), "/web/v1/tenant/profile").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("admin@example.com"), "{answer}");
    let status = demo.line(" status -c ").await;
    let (program, config) = status.split_once(" status -c ").unwrap();
    assert_eq!(Path::new(program), Path::new(env!("CARGO_BIN_EXE_portunus")));
    let (exit, text, error) = said(portunus(home.path()).args(["status", "-c", config])).await;
    assert_eq!(exit, 0, "{error}");
    assert!(text.contains("signed in"), "{text}");
    demo.line("Ctrl-C").await;
    assert_eq!(demo.interrupt().await, 0);
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn the_tour_holds_in_every_dialect() {
    let home = tempfile::tempdir().unwrap();
    for dialect in ["scv2", "sdk", "wiki", "plain"] {
        let (exit, text, error) =
            said(portunus(home.path()).args(["demo", "--once", "--dialect", dialect])).await;
        assert_eq!(exit, 0, "{dialect}: {text}{error}");
    }
    for seed in ["1", "7", "20"] {
        let random = ["demo", "--once", "--dialect", "random", "--seed", seed];
        let (exit, text, error) = said(portunus(home.path()).args(random)).await;
        assert_eq!(exit, 0, "seed {seed}: {text}{error}");
    }
}

#[tokio::test]
async fn a_taken_port_ends_the_demo_with_a_word_on_which_flag_to_use() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--port", "--portal-port"] {
        let (exit, _, error) = said(portunus(home.path()).args(["demo", flag, &port])).await;
        assert_eq!(exit, 1, "{error}");
        assert!(error.contains(&port) && error.contains(&format!("another port with {flag}")), "{error}");
    }
    assert!(fs::read_dir(home.path()).unwrap().next().is_none(), "nothing is left behind");
}

#[tokio::test]
async fn no_secret_of_the_demo_is_in_what_it_says() {
    let home = tempfile::tempdir().unwrap();
    let (_, text, error) = said(portunus(home.path()).args(["-v", "demo", "--once"])).await;
    assert!(!format!("{text}{error}").contains(DEFAULT_TOTP_SECRET), "{text}{error}");
}
