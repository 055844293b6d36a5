//! A Redis of one's own for a test: a real `redis-server` on a free port of 127.0.0.1, in a directory that goes with
//! it. Nothing here speaks Redis: what is asked is asked by `redis-cli`.

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
    settings: String,
    program: &'static str,
}

impl Server {
    /// A server that forgets everything when it ends.
    pub fn start() -> Self {
        Self::with("")
    }

    /// A server with these lines in its configuration.
    pub fn with(settings: &str) -> Self {
        let settings = format!("save \"\"\nappendonly no\n{settings}\n");
        Self::launch("redis-server", |port, _| format!("port {port}\n{settings}"))
    }

    /// A server that speaks TLS only, with a certificate for 127.0.0.1 that [`Server::ca`] signed.
    pub fn with_tls() -> Self {
        Self::launch("redis-server", |port, dir| {
            let key = rcgen::KeyPair::generate().expect("a key");
            let mut ca = rcgen::CertificateParams::new([]).expect("a certificate");
            ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let ca_key = rcgen::KeyPair::generate().expect("a key");
            let authority = ca.self_signed(&ca_key).expect("a certificate");
            let issuer = rcgen::Issuer::new(ca, ca_key);
            let server = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("a certificate");
            let signed = server.signed_by(&key, &issuer).expect("a certificate");
            for (name, text) in
                [("ca.pem", authority.pem()), ("cert.pem", signed.pem()), ("key.pem", key.serialize_pem())]
            {
                std::fs::write(dir.join(name), text).expect("a file");
            }
            let dir = dir.display();
            format!(
                "save \"\"\nport 0\ntls-port {port}\ntls-auth-clients no\ntls-ca-cert-file {dir}/ca.pem\n\
                 tls-cert-file {dir}/cert.pem\ntls-key-file {dir}/key.pem\n"
            )
        })
    }

    /// One node that is a whole cluster.
    pub fn cluster() -> Self {
        let node = Self::with("cluster-enabled yes\ncluster-announce-ip 127.0.0.1");
        node.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        node.until("the cluster is up", || node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        node
    }

    /// A replica of `master`, in step with it.
    pub fn replica_of(master: &Self) -> Self {
        let replica = Self::with(&format!("replicaof 127.0.0.1 {}", master.port));
        replica.until("the replica is in step", || {
            replica.cli(&["INFO", "replication"]).contains("master_link_status:up")
        });
        replica
    }

    /// A Sentinel that fails `master` over, under the name `mine`, half a second after it went away.
    pub fn sentinel_of(master: &Self) -> Self {
        let watched = master.port;
        let sentinel = Self::launch("redis-sentinel", |port, _| {
            format!(
                "port {port}\nsentinel monitor mine 127.0.0.1 {watched} 1\n\
                 sentinel down-after-milliseconds mine 500\nsentinel failover-timeout mine 3000\n"
            )
        });
        sentinel.until("the Sentinel knows a replica", || {
            sentinel.cli(&["SENTINEL", "REPLICAS", "mine"]).contains("port")
        });
        sentinel
    }

    fn launch(program: &'static str, settings: impl Fn(u16, &Path) -> String) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // Another may take the port between our look and the server's.
        for _ in 0..5 {
            let port = free_port();
            let mut settings = settings(port, dir.path());
            let _ = write!(
                settings,
                "bind 127.0.0.1\ndaemonize no\nloglevel warning\ndir {}\n",
                dir.path().display()
            );
            let mut child = spawn(program, dir.path(), &settings);
            if listens(&mut child, port) {
                return Self { child, port, dir, settings, program };
            }
        }
        panic!("{program} does not start; is it installed?");
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate authority, where there is TLS.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// What `redis-cli` answers.
    pub fn cli(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port]);
        if self.ca().exists() {
            command.arg("--tls").arg("--cacert").arg(self.ca());
        }
        let answer = command.args(words).output().expect("redis-cli is installed with redis-server");
        String::from_utf8_lossy(&answer.stdout).trim_end().to_owned()
    }

    /// Waits until it is so.
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again where it was, after [`Server::kill`].
    pub fn restart(&mut self) {
        self.child = spawn(self.program, self.dir.path(), &self.settings);
        assert!(listens(&mut self.child, self.port), "{} does not start again", self.program);
    }

    /// SIGSTOP: it is there, and does not answer.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is our child");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

fn spawn(program: &str, dir: &Path, settings: &str) -> Child {
    let file = dir.join("server.conf");
    std::fs::write(&file, settings).expect("a file");
    let mut command = Command::new(program);
    command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("cannot start {program}: {error}"))
}

fn listens(child: &mut Child, port: u16) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
