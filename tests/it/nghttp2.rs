//! Another HTTP/2 stack on the portal's side: nghttpd behind TLS, which speaks nothing but HTTP/2. On the callers'
//! side it is h2load, in `clients`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::Method;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::plain_world::{Plain, Started};
use crate::world::Client;

const LARGE: usize = 20 << 20;

#[tokio::test]
async fn a_hundred_requests_at_once_and_large_bodies_both_ways_pass_over_nghttpd() {
    let upstream = Nghttpd::start();
    let proxy = upstream.proxy().await;
    let client = Client::new(proxy.address());
    let asked = (0..100).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { (n, client.get(&format!("/{n}.txt")).await.expect(200).text()) })
    });
    for asked in asked.collect::<Vec<_>>() {
        let (n, answer) = asked.await.unwrap();
        assert_eq!(answer, format!("file {n}"));
    }
    let large = pattern();
    assert!(client.get("/large").await.expect(200).body == large, "the download differs");
    let echo = client.send(Method::POST, "/any", &[("content-type", "text/plain")], large.clone()).await;
    assert!(echo.expect(200).body == large, "what was uploaded came back otherwise");
    client.get("/none.txt").await.expect(404);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_nghttpd_that_was_stopped_and_started_again_is_found_again() {
    let mut upstream = Nghttpd::start();
    let proxy = upstream.proxy().await;
    let client = Client::new(proxy.address());
    client.get("/7.txt").await.expect(200);
    upstream.restart();
    client.get("/7.txt").await.expect(200);
    upstream.restart();
    let echo = client.send(Method::POST, "/any", &[("content-type", "text/plain")], "once").await;
    assert_eq!(echo.expect(200).text(), "once");
    assert!(proxy.stop().await);
}

fn pattern() -> Vec<u8> {
    (0..251).cycle().take(LARGE).collect()
}

/// A running nghttpd with files to serve; what is posted to it comes back. It ends with this.
struct Nghttpd {
    address: SocketAddr,
    directory: TempDir,
    child: Child,
}

impl Nghttpd {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for n in 0..100 {
            std::fs::write(directory.path().join(format!("{n}.txt")), format!("file {n}")).unwrap();
        }
        std::fs::write(directory.path().join("large"), pattern()).unwrap();
        certify(directory.path());
        // It cannot tell which port it took; this one was free a moment ago.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let child = spawn(address, directory.path());
        Self { address, directory, child }
    }

    fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(self.address, self.directory.path());
    }

    async fn proxy(&self) -> Started {
        let authority = format!("ca_file = {:?}", self.directory.path().join("ca.pem"));
        Plain::at(&format!("https://localhost:{}", self.address.port()))
            .with("upstream", &authority)
            .start()
            .await
    }
}

impl Drop for Nghttpd {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed by then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(address: SocketAddr, directory: &Path) -> Child {
    let child = Command::new("nghttpd")
        .args(["--echo-upload", "--address", "127.0.0.1", "--htdocs"])
        .arg(directory)
        .arg(address.port().to_string())
        .arg(directory.join("key.pem"))
        .arg(directory.join("chain.pem"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nghttpd is missing: `bash tests/run` installs it");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(std::time::Instant::now() < deadline, "nghttpd does not listen on {address}");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// An authority, and a certificate for localhost.
fn certify(directory: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "an authority for nghttpd");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let chain = server.signed_by(&key, &authority).unwrap().pem();
    std::fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(directory.join("chain.pem"), chain).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
}
