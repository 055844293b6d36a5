//! Sockets that are opened by whoever starts the program, as systemd does it.

use std::fs;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::io::{FdFlags, fcntl_setfd};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::Command;

use crate::command_line::{DEADLINE, Running, portunus};

/// A configuration whose one secret is fetched by a program that writes down what it inherits.
fn configuration(listen: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let helper = "ls -l /proc/self/fd > inherited; env >> inherited; echo code";
    let text = format!(
        "[listen]\n{listen}\nworkers = 2\n[upstream]\nurl = \"http://127.0.0.1:9\"\n\
         [portal]\ndialect = \"plain\"\naccess_code = {{ command = [\"sh\", \"-c\", \"cd {home} && {helper}\"] }}\n\
         [guard]\nlocal_key = {{ env = \"KEY\" }}\n[admin]\nenabled = false\n",
        home = home.path().display()
    );
    fs::write(home.path().join("p.toml"), text).unwrap();
    home
}

/// `portunus run` with these sockets from descriptor 3 on, whatever their numbers are here.
fn passing(home: &Path, sockets: &[&dyn AsRawFd], environment: &str, flags: &str) -> Command {
    // By way of numbers that none of them has, so that none is overwritten before it has moved.
    let mut moves = String::new();
    for (to, from) in (0..).zip(sockets) {
        moves.push_str(&format!(" {}<&{}", 200 + to, from.as_raw_fd()));
    }
    for to in 0..sockets.len() {
        moves.push_str(&format!(" {}<&{from} {from}<&-", 3 + to, from = 200 + to));
    }
    let program = portunus(home);
    let mut command = Command::new("bash");
    let line =
        format!("exec{moves}; {environment} exec {} run -c p.toml {flags}", env!("CARGO_BIN_EXE_portunus"));
    command.args(["-c", &line]).current_dir(home).kill_on_drop(true).env_clear();
    command.envs(program.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", "/usr/bin:/bin").env("KEY", "0123456789abcdef");
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

fn kept(socket: &impl AsFd) {
    fcntl_setfd(socket, FdFlags::empty()).unwrap();
}

async fn refused(mut command: Command) -> (i32, String) {
    let output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Whether the proxy itself answers: it knows no host of this name.
async fn answers(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) -> String {
    stream.write_all(b"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_socket_by_its_number_is_served_in_place_of_the_default_addresses_and_no_child_gets_it() {
    let home = configuration("");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    kept(&socket);
    let at = socket.local_addr().unwrap();
    let mut running = Running::start(&mut passing(home.path(), &[&socket], "", "--listen fd:3"));
    let line = running.line("listening on").await;
    assert!(line.ends_with(&at.to_string()), "{line}");
    let answer = answers(TcpStream::connect(at).await.unwrap()).await;
    assert!(answer.contains("portunus"), "{answer}");
    let inherited = fs::read_to_string(home.path().join("inherited")).unwrap();
    assert!(inherited.contains("/proc/") && !inherited.contains("socket:"), "{inherited}");
    assert_eq!(running.interrupt().await, 0);
}

#[tokio::test]
async fn what_a_socket_unit_passes_is_taken_by_name_and_named_to_nobody_else() {
    let home = configuration("inherited = [\"systemd:web\", \"systemd:local\"]");
    let path = home.path().join("web.sock");
    let (unix, tcp) = (UnixListener::bind(&path).unwrap(), TcpListener::bind("[::1]:0").unwrap());
    kept(&unix);
    kept(&tcp);
    let passed = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=local:web";
    let mut running = Running::start(&mut passing(home.path(), &[&unix, &tcp], passed, ""));
    running.line("listening on http://[::1]").await;
    for _ in 0..3 {
        answers(TcpStream::connect(tcp.local_addr().unwrap()).await.unwrap()).await;
        answers(UnixStream::connect(&path).await.unwrap()).await;
    }
    let inherited = fs::read_to_string(home.path().join("inherited")).unwrap();
    assert!(inherited.contains("PATH=") && !inherited.contains("LISTEN_"), "{inherited}");
    assert_eq!(running.interrupt().await, 0);
    assert!(path.exists(), "the file is its maker's");
}

#[tokio::test]
async fn check_looks_at_sockets_that_it_was_given_and_says_of_others_that_it_could_not() {
    let home = configuration("inherited = [\"fd:3\"]");
    let check = |socket: Option<&TcpListener>| {
        let sockets: Vec<&dyn AsRawFd> = socket.iter().map(|socket| *socket as &dyn AsRawFd).collect();
        let command = passing(home.path(), &sockets, "", "");
        let line = command.as_std().get_args().nth(1).unwrap().to_str().unwrap().replace(" run ", " check ");
        let mut again = Command::new("bash");
        again.args(["-c", &line]).current_dir(home.path()).kill_on_drop(true).env_clear();
        again.envs(command.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
        again.stdin(std::process::Stdio::null());
        again
    };
    let listens = async |mut command: Command| {
        let output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        said.lines().find(|line| line.contains("listen")).unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    // First, while there is none that it could inherit by another number.
    let line = listens(check(None)).await;
    assert!(line.contains("not looked at") && line.contains("fd:3"), "{line}");
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    kept(&own);
    let line = listens(check(Some(&own))).await;
    assert!(
        line.contains(&own.local_addr().unwrap().to_string()) && line.contains("inherited: fd:3"),
        "{line}"
    );
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    kept(&open);
    let line = listens(check(Some(&open))).await;
    assert!(line.contains("fd:3") && line.contains("not a loopback address"), "{line}");
}

#[tokio::test]
async fn a_socket_that_is_not_there_not_ours_or_no_listener_ends_the_start_with_the_reason() {
    let home = configuration("inherited = [\"systemd\"]");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    kept(&socket);
    let run = |environment: &str, flags: &str| passing(home.path(), &[&socket], environment, flags);
    let (exit, error) = refused(run("LISTEN_PID=1 LISTEN_FDS=1", "")).await;
    assert!(exit == 1 && error.contains("LISTEN_PID is 1"), "{exit}: {error}");
    let (exit, error) = refused(run("", "")).await;
    assert!(exit == 1 && error.contains("nothing was passed by a socket unit"), "{exit}: {error}");
    let (exit, error) = refused(run("LISTEN_PID=$$ LISTEN_FDS=2", "")).await;
    assert!(exit == 1 && error.contains("descriptor 4 is no listening socket"), "{exit}: {error}");
    let (exit, error) = refused(run("", "--listen fd:2")).await;
    assert!(exit == 2 && error.contains("no socket to inherit"), "{exit}: {error}");
    let connected = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    kept(&connected);
    let (exit, error) = refused(passing(home.path(), &[&connected], "", "--listen fd:3")).await;
    assert!(exit == 1 && error.contains("descriptor 3 is no listening socket"), "{exit}: {error}");
}

#[tokio::test]
async fn a_socket_that_others_reach_needs_the_flag_and_a_key_like_an_address() {
    let home = configuration("");
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    kept(&socket);
    let (exit, error) = refused(passing(home.path(), &[&socket], "", "--listen fd:3")).await;
    assert!(exit == 2 && error.contains("is not a loopback address"), "{exit}: {error}");
    assert!(error.contains("--unsafe-listen"), "{error}");
    let mut running =
        Running::start(&mut passing(home.path(), &[&socket], "", "--listen fd:3 --unsafe-listen"));
    running.line("listening on http://0.0.0.0").await;
    assert_eq!(running.interrupt().await, 0);
}
