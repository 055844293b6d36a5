//! TLS on the proxy's own addresses, and callers who have to show a certificate.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::plain_world::{PATIENCE, Plain, Stage, Started};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for localhost, and its key, both as PEM.
fn signed(ca: &Ca) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.signed_by(&key, ca).unwrap(), key)
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A proxy under TLS, and the authority of its certificate.
fn secured(plain: Plain, ca: &Ca) -> Plain {
    let (cert, key) = signed(ca);
    write(&plain.path("server.pem"), &cert.pem(), 0o644);
    write(&plain.path("server-key.pem"), &key.serialize_pem(), 0o600);
    plain.with("listen", "tls_cert_file = \"server.pem\"").with("listen", "tls_key_file = \"server-key.pem\"")
}

fn asking_for_certificates(plain: Plain, of: &Ca) -> Plain {
    write(&plain.path("clients.pem"), &of.as_ref().pem(), 0o644);
    plain.with("listen", "client_ca_file = \"clients.pem\"")
}

/// A client that trusts one authority, and shows a certificate of another, if it has one.
struct Client {
    config: ClientConfig,
}

impl Client {
    fn trusting(ca: &Ca, shows: Option<&Ca>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(ca.as_ref().der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shows {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let (cert, key) = signed(ca);
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![cert.der().clone()], key).unwrap()
            }
        };
        Self { config }
    }

    async fn connect(&self, to: SocketAddr, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(to).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    /// Everything that comes back to one request; an error where TLS ends first.
    async fn ask(&self, proxy: &Started, fields: &str) -> std::io::Result<String> {
        let at = proxy.address();
        let mut stream = self.connect(at, b"http/1.1").await?;
        let port = at.port();
        let head = format!("GET /a HTTP/1.1\r\nHost: localhost:{port}\r\n{fields}Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await??;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

const MOVED: &str = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";

async fn upstream() -> (SocketAddr, UnboundedReceiver<String>) {
    Stage::open().await.always(MOVED)
}

#[tokio::test]
async fn one_connection_more_than_the_cap_is_closed_before_any_tls() {
    let ca = authority("ours");
    let (portal, _heads) = upstream().await;
    let proxy = secured(Plain::before(portal), &ca).with("limits", "connections = 1").start().await;
    let client = Client::trusting(&ca, None);
    let first = client.connect(proxy.address(), b"http/1.1").await.unwrap();
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    let mut said = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, second.read_to_end(&mut said)).await.unwrap();
    assert!(closed.is_ok() && said.is_empty(), "{closed:?} {said:?}");
    drop(first);
    let begun = tokio::time::Instant::now();
    while let Err(error) = client.ask(&proxy, "").await {
        assert!(begun.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn callers_are_served_under_tls_over_both_versions_and_told_of_https() {
    let ca = authority("ours");
    let (portal, mut heads) = Stage::open()
        .await
        .always("HTTP/1.1 302 Found\r\nLocation: http://localhost:1/b\r\nContent-Length: 0\r\n\r\n");
    let proxy = secured(Plain::before(portal), &ca).start().await;
    assert!(proxy.running.urls()[0].starts_with("https://127.0.0.1:"));
    let client = Client::trusting(&ca, None);
    let port = proxy.address().port();
    let answer = client.ask(&proxy, "").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    heads.recv().await.unwrap();
    for (origin, status) in [("https", "302"), ("http", "403")] {
        let origin = format!("Origin: {origin}://localhost:{port}\r\n");
        let answer = client.ask(&proxy, &origin).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{origin}: {answer}");
    }

    let stream = client.connect(proxy.address(), b"h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("https://localhost:{port}/over-h2"))
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 302);
    drop(sender);
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_link_to_the_portal_becomes_one_to_us_under_tls() {
    let ca = authority("ours");
    let stage = Stage::open().await;
    let text: &'static str = Box::leak(
        format!("HTTP/1.1 302 Found\r\nLocation: http://{}/b\r\nContent-Length: 0\r\n\r\n", stage.address)
            .into_boxed_str(),
    );
    let (portal, _heads) = stage.always(text);
    let proxy = secured(Plain::before(portal), &ca).start().await;
    let answer = Client::trusting(&ca, None).ask(&proxy, "").await.unwrap().to_lowercase();
    let wanted = format!("location: https://localhost:{}/b", proxy.address().port());
    assert!(answer.contains(&wanted), "{answer}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn plain_http_to_a_port_under_tls_is_told_so_and_goes_nowhere() {
    let ca = authority("ours");
    let (portal, mut heads) = upstream().await;
    let proxy = secured(Plain::before(portal), &ca).start().await;
    let answer = proxy.ask("GET /a", "").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("use https://"), "{answer}");
    assert!(heads.try_recv().is_err());
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn where_certificates_are_asked_for_nobody_comes_in_without_a_good_one() {
    let (ours, theirs, others) = (authority("ours"), authority("theirs"), authority("others"));
    let (portal, mut heads) = upstream().await;
    let plain = asking_for_certificates(secured(Plain::before(portal), &ours), &theirs);
    let proxy = plain.start().await;
    for shows in [None, Some(&others), Some(&ours)] {
        let answer = Client::trusting(&ours, shows).ask(&proxy, "").await;
        assert!(!answer.is_ok_and(|answer| answer.contains("HTTP/1.1")), "came in");
    }
    assert!(heads.try_recv().is_err());
    let answer = Client::trusting(&ours, Some(&theirs)).ask(&proxy, "").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn an_address_that_others_reach_may_have_certificates_in_place_of_a_key_but_not_without_the_flag() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let (portal, _heads) = upstream().await;
    let open = || {
        let plain = secured(Plain::before(portal), &ours).with("listen", "addresses = [\"0.0.0.0:0\"]");
        asking_for_certificates(plain, &theirs)
    };
    let problem = open().try_start().await.unwrap_err();
    assert!(problem.contains("--unsafe-listen"), "{problem}");
    assert!(open().unsafe_listen().start().await.stop().await);
    let without = secured(Plain::before(portal), &ours).with("listen", "addresses = [\"0.0.0.0:0\"]");
    let problem = without.unsafe_listen().try_start().await.unwrap_err();
    assert!(problem.contains("client_ca_file"), "{problem}");
}

#[tokio::test]
async fn certificate_and_key_are_whole_private_and_belong_together_or_the_start_ends() {
    let ca = authority("ours");
    let (portal, _heads) = upstream().await;
    let plain = || secured(Plain::before(portal), &ca);

    let open = plain();
    std::fs::set_permissions(open.path("server-key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let problem = open.try_start().await.unwrap_err();
    assert!(problem.contains("can be read by others") && problem.contains("chmod 600"), "{problem}");

    let other = plain();
    write(&other.path("server-key.pem"), &signed(&ca).1.serialize_pem(), 0o600);
    let problem = other.try_start().await.unwrap_err();
    assert!(problem.contains("cannot be used with its key"), "{problem}");

    let empty = plain();
    write(&empty.path("server.pem"), "nothing", 0o644);
    assert!(empty.try_start().await.unwrap_err().contains("holds no certificate"));

    for (line, said) in [
        ("tls_cert_file = \"a.pem\"", "set tls_key_file"),
        ("tls_key_file = \"a.pem\"", "set tls_cert_file"),
        ("client_ca_file = \"a.pem\"", "set tls_cert_file and tls_key_file"),
    ] {
        let problem = Plain::before(portal).with("listen", line).try_start().await.unwrap_err();
        assert!(problem.contains(said), "{line}: {problem}");
    }
}

#[tokio::test]
async fn a_handshake_that_stands_still_has_a_heads_time_and_holds_up_no_drain() {
    let ca = authority("ours");
    let (portal, _heads) = upstream().await;
    let proxy =
        secured(Plain::before(portal), &ca).with("limits", "header_timeout = \"300ms\"").start().await;
    let mut slow = TcpStream::connect(proxy.address()).await.unwrap();
    slow.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, slow.read(&mut [0; 64])).await.expect("it is sent away");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    assert!(proxy.stop().await);

    let proxy = secured(Plain::before(portal), &ca).start().await;
    let mut slow = TcpStream::connect(proxy.address()).await.unwrap();
    slow.write_all(&[22, 3, 1]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = std::time::Instant::now();
    assert!(proxy.stop().await);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
