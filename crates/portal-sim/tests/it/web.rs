//! The business endpoints, TLS, HTTP/2, the wire log and the control port.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portal_sim::{Certificate, DEFAULT_PASSWORD, Fault, Preset, Settings, Sim, Tls, serve_control};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;

async fn signed_in(mut settings: Settings) -> (Sim, Client) {
    settings.share_rsa_keys = true;
    let sim = Sim::start(settings).await.unwrap();
    let mut client = Client::new(&sim);
    client.log_in("admin@example.com").await;
    (sim, client)
}

#[tokio::test]
async fn echo_tells_what_arrived_plain_or_sealed() {
    let (_sim, client) = signed_in(Settings::preset(Preset::Guide)).await;
    let mut headers = client.headers();
    headers.insert("authorization", format!("Bearer {}", client.access.clone().unwrap()).parse().unwrap());
    headers.append("x-twice", "1".parse().unwrap());
    headers.append("x-twice", "2".parse().unwrap());
    let path = format!("{}?a=1&b=%20", client.path("echo/some/where"));
    let plain = client.send("PATCH", &path, headers, b"hello".to_vec()).await.unwrap();
    let data = plain.data();
    assert_eq!(
        (&data["method"], &data["path"], &data["body"]),
        (&json!("PATCH"), &json!(path), &json!("hello"))
    );
    assert_eq!(data["sealed"], false);
    let twice: Vec<_> = data["headers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|pair| pair[0] == "x-twice")
        .map(|p| p[1].clone())
        .collect();
    assert_eq!(twice, ["1", "2"]);
    let sealed = client.post_sealed("echo", json!({"secret": true})).await;
    assert!(sealed.sealed);
    assert_eq!(sealed.data()["sealed"], true);
    assert_eq!(sealed.data()["body"], r#"{"secret":true}"#);
}

#[tokio::test]
async fn the_wire_log_shows_envelopes_and_no_password() {
    let (sim, _client) = signed_in(Settings::preset(Preset::Guide)).await;
    let log = sim.wire_log();
    let initiate = log.iter().find(|entry| entry.path.ends_with("/login/initiate")).unwrap();
    assert!(initiate.sealed && initiate.status == 200);
    assert!(initiate.body.starts_with(r#"{"v":2,"p":""#), "{}", initiate.body);
    assert!(initiate.answer.starts_with(r#"{"v":2,"p":""#));
    assert_eq!(initiate.header("x-client-hash"), Some(crate::client::HASH));
    assert!(!log.iter().any(|entry| entry.body.contains(DEFAULT_PASSWORD)));
}

#[tokio::test]
async fn a_transfer_can_be_sealed_by_setting() {
    let mut settings = Settings::preset(Preset::Guide);
    settings.set("sealed_paths", "+transfer").unwrap();
    let (sim, mut client) = signed_in(settings).await;
    assert_eq!(client.post_plain("transfer", json!({})).await.code(), "SECURE_CHANNEL.INVALID_PAYLOAD");
    let done = client.post("transfer", json!({"amount": 1})).await;
    assert_eq!(
        (done.data()["sealed"].clone(), done.data()["timesProcessed"].clone()),
        (json!(true), json!(1))
    );
    assert_eq!(sim.counters().transfer, 1);
}

#[tokio::test]
async fn lists_files_statuses_redirects_cookies_and_events() {
    let (_sim, client) = signed_in(Settings::preset(Preset::Guide)).await;
    let page = client.get("items?page=2&size=3").await;
    assert_eq!(page.data()["items"][0]["id"], 6);
    assert_eq!((page.data()["total"].clone(), page.data()["pages"].clone()), (json!(1000), json!(334)));
    let whole = client.get("download?bytes=200000").await.raw;
    assert!(
        whole.len() == 200_000 && whole.iter().enumerate().all(|(n, byte)| usize::from(*byte) == n % 251)
    );
    let mut headers = client.headers();
    headers.insert("authorization", format!("Bearer {}", client.access.clone().unwrap()).parse().unwrap());
    headers.insert("range", "bytes=1000-70999".parse().unwrap());
    let path = client.path("download?bytes=200000");
    let part = client.send("GET", &path, headers, vec![]).await.unwrap();
    assert_eq!((part.status, &part.raw[..]), (206, &whole[1000..71_000]));
    assert_eq!(part.headers["content-range"], "bytes 1000-70999/200000");
    let head = client.request("HEAD", "download?bytes=77", vec![]).await.unwrap();
    assert_eq!((head.headers["content-length"].to_str().unwrap(), head.raw.len()), ("77", 0));
    let body = vec![7; 300_000];
    let stored = client.request("PUT", "upload", body.clone()).await.unwrap();
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&body));
    assert_eq!(stored.data(), &json!({"bytes": 300_000, "sha256": digest}));
    assert_eq!(client.get("status/418").await.status, 418);
    assert_eq!(client.get("status/204").await.status, 204);
    let moved = client.get("redirect?to=/elsewhere").await;
    assert_eq!((moved.status, moved.headers["location"].to_str().unwrap()), (302, "/elsewhere"));
    let cookies = client.get("cookies").await;
    assert_eq!(cookies.headers.get_all("set-cookie").iter().count(), 3);
    let events = client.get("events?count=3&interval_ms=1").await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    assert_eq!(events.raw.split(|b| *b == b'\n').filter(|line| line.starts_with(b"data:")).count(), 3);
    assert_eq!(client.get("slow?ms=1").await.data()["sleptMs"], 1);
    assert_eq!(client.get("nowhere").await.status, 404);
    assert_eq!(client.request("DELETE", "profile", vec![]).await.unwrap().status, 405);
}

#[tokio::test]
async fn a_websocket_echoes() {
    let (sim, client) = signed_in(Settings::preset(Preset::Guide)).await;
    let mut request = Request::builder().uri(format!("ws://{}{}", sim.addr(), client.path("ws")));
    for (name, value) in &client.headers() {
        request = request.header(name, value);
    }
    let request = request
        .header("authorization", format!("Bearer {}", client.access.clone().unwrap()))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap();
    let stream = TcpStream::connect(sim.addr()).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![1, 2, 3])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
}

fn connector(sim: &Sim) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(sim.ca_file().unwrap()).unwrap();
    assert_eq!(pem, sim.ca_pem().unwrap().as_bytes());
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

async fn handshake(
    sim: &Sim,
    name: &'static str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect(sim.addr()).await?;
    connector(sim).connect(ServerName::try_from(name).unwrap(), stream).await
}

fn over_tls(certificate: Certificate) -> Settings {
    let tls = Some(Tls { ca_file: None, certificate });
    Settings { tls, share_rsa_keys: true, ..Settings::preset(Preset::Guide) }
}

#[tokio::test]
async fn tls_serves_http_2_and_bad_certificates_are_bad() {
    let sim = Sim::start(over_tls(Certificate::Good)).await.unwrap();
    assert!(sim.url().starts_with("https://localhost:"));
    for name in ["localhost", "127.0.0.1", "::1"] {
        assert!(handshake(&sim, name).await.is_ok(), "{name}");
    }
    let stream = handshake(&sim, "localhost").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let client = Client::new(&sim);
    let uri = format!("{}{}", sim.url(), client.path("sc/public-key"));
    let mut request = Request::builder().uri(uri).body(Empty::<Bytes>::new()).unwrap();
    *request.headers_mut() = client.headers();
    request.headers_mut().remove(header::HOST);
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(sim.wire_log()[0].version, "HTTP/2.0");
    let file = sim.ca_file().unwrap().to_owned();
    drop(client);
    sim.stop().await;
    assert!(!file.exists(), "the CA's file goes with the last handle");

    let expired = Sim::start(over_tls(Certificate::Expired)).await.unwrap();
    let error = handshake(&expired, "localhost").await.unwrap_err();
    assert!(format!("{error:?}").contains("Expired"), "{error:?}");
    let wrong = Sim::start(over_tls(Certificate::WrongHost)).await.unwrap();
    let error = handshake(&wrong, "localhost").await.unwrap_err();
    assert!(format!("{error:?}").contains("NotValidForName"), "{error:?}");
}

#[tokio::test]
async fn http_2_is_understood_by_prior_knowledge() {
    let sim = Sim::start(Settings { share_rsa_keys: true, ..Settings::default() }).await.unwrap();
    let io = TokioIo::new(TcpStream::connect(sim.addr()).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let client = Client::new(&sim);
    let uri = format!("{}{}", sim.url(), client.path("sc/public-key"));
    let mut request = Request::builder().uri(uri).body(Empty::<Bytes>::new()).unwrap();
    *request.headers_mut() = client.headers();
    request.headers_mut().remove(header::HOST);
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_control_port_does_what_the_handle_does() {
    let (sim, client) = signed_in(Settings::preset(Preset::Guide)).await;
    let control = serve_control(&sim, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let ask = async |method: &str, path: &str, body: &str| -> (u16, Value) {
        let io = TokioIo::new(TcpStream::connect(control).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "control");
        let answer = sender
            .send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap())
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    };
    assert_eq!(ask("GET", "/counters", "").await.1["logins"], 1);
    assert_eq!(ask("GET", "/settings", "").await.1["dialect"]["envelope"], "json");
    assert_eq!(ask("GET", "/otp/admin@example.com", "").await.1["code"], sim.otp_now("admin@example.com"));
    assert_eq!(ask("GET", "/inbox/mail@example.com", "").await.1, json!([]));
    assert!(ask("GET", "/log", "").await.1.as_array().unwrap().len() >= 4);
    assert_eq!(ask("POST", "/fault", r#"{"fault":{"status":503},"path":"/echo"}"#).await.0, 200);
    assert_eq!(client.get("echo").await.status, 503);
    assert_eq!(ask("POST", "/fault", r#""expire_tokens""#).await.0, 200);
    assert_eq!(client.get("echo").await.status, 401);
    assert_eq!(ask("POST", "/fault", r#"{"fault":"nonsense"}"#).await.0, 400);
    assert_eq!(ask("POST", "/drop-channels", "").await.0, 200);
    assert_eq!(sim.open_channels(), 0);
    assert_eq!(ask("POST", "/set", r#"{"lifetime.access":1500,"rate.enabled":false}"#).await.0, 200);
    assert_eq!(sim.lifetimes().access.as_millis(), 1500);
    assert_eq!(ask("POST", "/set", r#"{"envelope":"raw"}"#).await.0, 400);
    assert_eq!(ask("POST", "/account/admin@example.com", r#"{"state":"LOCKED"}"#).await.0, 200);
    assert_eq!(ask("POST", "/nonsense", "").await.0, 404);
    sim.next(Fault::DropChannels);
    assert_eq!((ask("POST", "/clear-faults", "").await.0, sim.pending_faults()), (200, 0));
}
