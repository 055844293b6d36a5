//! TLS, its faults in words, and HTTP/2.

use std::io::Write;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use super::*;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca(name: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn certificate(ca: &Ca, names: &[&str], end: i32) -> (CertificateDer<'static>, KeyPair) {
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(end, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, ca).unwrap().der().clone(), key)
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}

/// A TLS portal on localhost.
struct Secure {
    url: String,
    ca: Ca,
    spki: [u8; 32],
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// Ends all HTTP/2 connections gracefully (GOAWAY).
    goaway: Arc<tokio::sync::Notify>,
}

struct Plan {
    names: &'static [&'static str],
    end: i32,
    alpn: &'static [&'static [u8]],
    clients: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { names: &["localhost"], end: 4000, alpn: &[b"http/1.1"], clients: false }
    }
}

impl Secure {
    async fn start(plan: Plan) -> Self {
        let ca = ca("test CA");
        let (cert, key) = certificate(&ca, plan.names, plan.end);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if plan.clients {
            let mut roots = RootCertStore::empty();
            roots.add(ca.as_ref().der().clone()).unwrap();
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
            )
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(vec![cert], private(&key)).unwrap();
        config.alpn_protocols = plan.alpn.iter().map(|p| p.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let secure = Self {
            url: format!("https://localhost:{}", listener.local_addr().unwrap().port()),
            ca,
            spki: Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key)).into(),
            connections: Arc::default(),
            requests: Arc::default(),
            goaway: Arc::default(),
        };
        let (connections, requests, goaway) =
            (secure.connections.clone(), secure.requests.clone(), secure.goaway.clone());
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, requests, goaway) = (acceptor.clone(), requests.clone(), goaway.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                    serve(tls, h2, requests, goaway).await;
                });
            }
        });
        secure
    }

    fn settings(&self) -> (Settings, NamedTempFile) {
        let file = file(&self.ca.as_ref().pem());
        let mut settings = settings(&self.url);
        settings.ca_file = Some(file.path().to_owned());
        (settings, file)
    }

    fn upstream(&self) -> Upstream {
        let (settings, _file) = self.settings();
        Upstream::new(&settings).unwrap()
    }
}

/// Says which version and authority arrived; `/quiet` is never answered.
async fn serve(
    tls: tokio_rustls::server::TlsStream<TcpStream>,
    h2: bool,
    requests: Arc<AtomicUsize>,
    goaway: Arc<tokio::sync::Notify>,
) {
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        requests.fetch_add(1, Ordering::SeqCst);
        async move {
            if request.uri().path() == "/quiet" {
                std::future::pending::<()>().await;
            }
            let authority = request.uri().authority().map(ToString::to_string);
            let host = request.headers().get("host").map(|h| h.to_str().unwrap().to_owned());
            let target = request.uri().path_and_query().unwrap().to_string();
            let (version, is_secret) =
                (request.version(), request.headers().contains_key("x-portal-access-code"));
            let body = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes().len();
            let told = format!("{version:?} {} {target} {is_secret} {body}", authority.or(host).unwrap());
            Ok::<_, hyper::Error>(http::Response::new(http_body_util::Full::new(Bytes::from(told))))
        }
    });
    let io = TokioIo::new(tls);
    if h2 {
        let mut connection = std::pin::pin!(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service)
        );
        tokio::select! {
            _ = connection.as_mut() => return,
            () = goaway.notified() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
    }
}

fn fault(error: &UpstreamError) -> &TlsFault {
    assert!(!error.may_have_acted());
    match error {
        UpstreamError::Tls { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_given_ca_is_trusted_and_http1_is_spoken_over_tls() {
    let portal = Secure::start(Plan::default()).await;
    let upstream = portal.upstream();
    for _ in 0..2 {
        let told = body_of(upstream.send(post()).await).await;
        assert_eq!(told, format!("HTTP/1.1 {} /path?q true 5", upstream.base().authority()));
    }
    assert_eq!(portal.connections.load(Ordering::SeqCst), 1);
    let (stages, connected) = upstream.probe().await;
    connected.unwrap();
    assert!(stages.dns.is_some() && stages.tcp.is_some() && stages.tls.is_some() && !stages.http2);
}

#[tokio::test]
async fn each_certificate_fault_is_named_and_nothing_is_sent() {
    let expired = Secure::start(Plan { end: 2021, ..Plan::default() }).await;
    let error = expired.upstream().send(post()).await.unwrap_err();
    assert_eq!(fault(&error), &TlsFault::Expired);
    assert!(error.to_string().ends_with("its certificate has expired"), "{error}");
    let (stages, connected) = expired.upstream().probe().await;
    assert_eq!(fault(&connected.unwrap_err()), &TlsFault::Expired);
    assert!(stages.tcp.is_some() && stages.peer.is_some() && stages.tls.is_none());

    let misnamed = Secure::start(Plan { names: &["other.example"], ..Plan::default() }).await;
    let error = misnamed.upstream().send(post()).await.unwrap_err();
    assert!(matches!(fault(&error), TlsFault::WrongName { .. }));
    assert!(error.to_string().contains("other.example"), "{error}");

    let portal = Secure::start(Plan::default()).await;
    let (mut settings, _own) = portal.settings();
    let other = file(&ca("other CA").as_ref().pem());
    settings.ca_file = Some(other.path().to_owned());
    let error = Upstream::new(&settings).unwrap().send(post()).await.unwrap_err();
    assert_eq!(fault(&error), &TlsFault::UnknownIssuer);
    assert!(fault(&error).hint().contains("ca_file"));

    for portal in [expired, misnamed, portal] {
        assert_eq!(portal.requests.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_port_that_speaks_plain_http_is_told_from_a_bad_certificate() {
    let fake = Fake::start(|mut peer, _| async move {
        peer.say("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        peer.gone().await;
    })
    .await;
    let anybody = file(&ca("any").as_ref().pem());
    let mut settings = settings(&fake.url.replace("http:", "https:"));
    settings.ca_file = Some(anybody.path().to_owned());
    let error = within(Upstream::new(&settings).unwrap().send(post())).await.unwrap_err();
    assert_eq!(fault(&error), &TlsFault::NotTls);
    assert!(!fault(&error).is_certificate());
}

#[tokio::test]
async fn a_silent_port_runs_into_the_connect_timeout() {
    let fake = Fake::start(|mut peer, _| async move { peer.gone().await }).await;
    let anybody = file(&ca("any").as_ref().pem());
    let mut settings = settings(&fake.url.replace("http:", "https:"));
    settings.ca_file = Some(anybody.path().to_owned());
    settings.connect_timeout = Duration::from_millis(50);
    let upstream = Upstream::new(&settings).unwrap();
    // Those who wait for another's connection wait no longer than for their own.
    let errors = within(futures_util::future::join_all((0..5).map(|_| upstream.send(post())))).await;
    for error in errors {
        assert!(matches!(error, Err(UpstreamError::ConnectTimeout { .. })), "{error:?}");
    }
}

#[tokio::test]
async fn the_pinned_key_and_no_other_is_spoken_to() {
    let portal = Secure::start(Plan::default()).await;
    for (pin, fits) in [(portal.spki, true), ([7; 32], false)] {
        let (mut settings, _file) = portal.settings();
        settings.spki_pin = Some(pin);
        let reply = Upstream::new(&settings).unwrap().send(get()).await;
        assert_eq!(reply.is_ok(), fits);
        if let Err(error) = reply {
            assert_eq!(fault(&error), &TlsFault::PinMismatch);
        }
    }
    assert_eq!(portal.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_asked_for() {
    let portal = Secure::start(Plan { clients: true, ..Plan::default() }).await;
    let (cert, key) = certificate(&portal.ca, &["client"], 4000);
    let pem = |label: &str, der: &[u8]| {
        use base64::Engine;
        let text = base64::prelude::BASE64_STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    };
    let cert_file = file(&pem("CERTIFICATE", &cert));
    let key_file = file(&key.serialize_pem());
    let (mut settings, _file) = portal.settings();
    settings.client_identity =
        Some(ClientIdentity { cert_file: cert_file.path().to_owned(), key_file: key_file.path().to_owned() });
    body_of(Upstream::new(&settings).unwrap().send(get()).await).await;
    settings.client_identity = None;
    assert!(Upstream::new(&settings).unwrap().send(get()).await.is_err());
    assert_eq!(portal.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn a_certificate_file_that_cannot_be_used_is_named() {
    let mut settings = settings("https://portal.example");
    settings.ca_file = Some("/does/not/exist.pem".into());
    assert!(Upstream::new(&settings).unwrap_err().contains("/does/not/exist.pem"));
    let empty = file("no certificate in here\n");
    settings.ca_file = Some(empty.path().to_owned());
    assert!(Upstream::new(&settings).unwrap_err().contains("holds no certificate"));
}

#[test]
fn the_platforms_trust_can_be_set_up() {
    // Where the machine has no certificates at all, the text says so.
    if let Err(why) = Upstream::new(&settings("https://portal.example")) {
        assert!(why.contains("platform's trusted certificates"), "{why}");
    }
}

const BOTH: Plan = Plan { names: &["localhost"], end: 4000, alpn: &[b"h2", b"http/1.1"], clients: false };

#[tokio::test]
async fn http2_is_one_connection_for_all() {
    let portal = Secure::start(BOTH).await;
    let upstream = portal.upstream();
    let replies = within(futures_util::future::join_all((0..20).map(|_| upstream.send(post())))).await;
    for reply in replies {
        let told = body_of(reply).await;
        assert_eq!(told, format!("HTTP/2.0 {} /path?q true 5", upstream.base().authority()));
    }
    assert_eq!(portal.connections.load(Ordering::SeqCst), 1);
    assert!(upstream.probe().await.0.http2);
}

#[tokio::test]
async fn http2_is_not_spoken_where_it_is_not_wanted() {
    let portal = Secure::start(BOTH).await;
    let (mut settings, _file) = portal.settings();
    settings.http2 = false;
    let told = body_of(Upstream::new(&settings).unwrap().send(get()).await).await;
    assert!(told.starts_with(b"HTTP/1.1"));
}

#[tokio::test]
async fn a_connection_that_goes_away_is_replaced_without_a_failed_request() {
    let portal = Secure::start(BOTH).await;
    let upstream = portal.upstream();
    for n in 1..=4 {
        assert!(body_of(within(upstream.send(get())).await).await.starts_with(b"HTTP/2.0"));
        assert_eq!(portal.connections.load(Ordering::SeqCst), n);
        portal.goaway.notify_waiters();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test]
async fn one_streams_timeout_leaves_the_others_alone() {
    let portal = Secure::start(BOTH).await;
    let (mut settings, _file) = portal.settings();
    settings.head_timeout = Duration::from_millis(80);
    settings.repeat_percent = 0; // a repeat would have a connection of its own
    let upstream = Upstream::new(&settings).unwrap();
    let quiet = Outgoing::hello(Method::GET, "/quiet", None, &injected(), &[]);
    let (quiet, loud) = within(async { tokio::join!(upstream.send(quiet), upstream.send(get())) }).await;
    assert!(matches!(quiet, Err(UpstreamError::HeadTimeout(_))), "{quiet:?}");
    body_of(loud).await;
    body_of(upstream.send(get()).await).await;
    assert_eq!(portal.connections.load(Ordering::SeqCst), 1);
}
