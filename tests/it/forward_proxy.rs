//! The portal behind a forward proxy, such as a company has one: CONNECT, its credentials, and what it gets to see.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::plain_world::{Plain, Stage};
use crate::world::{World, WorldOptions};

/// A forward proxy.
#[derive(Debug, Clone)]
struct Forward {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    heads: Vec<String>,
    /// What went through towards the portal.
    through: Vec<u8>,
}

impl Forward {
    /// Leads every tunnel to one address, or to the port of this machine that it is asked for. `answer` is what a CONNECT with these credentials is answered; any other gets 407.
    async fn to(
        portal: impl Into<Option<SocketAddr>>,
        credentials: Option<&str>,
        answer: &'static str,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let forward = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let wanted =
            credentials.map(|text| format!("Proxy-Authorization: Basic {}", BASE64.encode(text.as_bytes())));
        let (seen, portal) = (Arc::clone(&forward.seen), portal.into());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, portal, wanted.clone(), answer, Arc::clone(&seen)));
            }
        });
        forward
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }
}

async fn tunnel(
    mut client: TcpStream,
    portal: Option<SocketAddr>,
    wanted: Option<String>,
    answer: &'static str,
    seen: Arc<Mutex<Seen>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let is_let_in = wanted.is_none_or(|wanted| head.contains(&format!("{wanted}\r\n")));
    let asked = head.split([':', ' ']).nth(2).and_then(|port| port.parse::<u16>().ok());
    let portal = portal.unwrap_or_else(|| (std::net::Ipv4Addr::LOCALHOST, asked.unwrap()).into());
    seen.lock().unwrap().heads.push(head);
    if !is_let_in {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
                       Content-Length: 2\r\n\r\nno";
        return client.write_all(refusal.as_bytes()).await.unwrap();
    }
    client.write_all(answer.as_bytes()).await.unwrap();
    if !answer.contains(" 200 ") {
        return;
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_portal, mut to_portal) = TcpStream::connect(portal).await.unwrap().into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_portal, &mut to_client).await });
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
        seen.lock().unwrap().through.extend_from_slice(&buffer[..n]);
        if to_portal.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

const TUNNEL: &str = "HTTP/1.1 200 Connection established\r\nVia: 1.1 x\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A name that resolves nowhere: only the forward proxy can lead there.
fn beyond() -> Plain {
    Plain::at("http://portal.invalid:8080").with("upstream", "plain_http = true")
}

#[tokio::test]
async fn a_whole_journey_goes_through_it_and_it_sees_nothing_but_tls() {
    for http2 in [false, true] {
        // The simulator's port is known once it runs.
        let forward = Forward::to(None, Some("me:CNRY-proxy-pw"), TUNNEL).await;
        let options = WorldOptions::default()
            .tls(http2)
            .set("upstream.proxy", format!("{:?}", forward.url()))
            .set("upstream.proxy_credentials", "{ command = [\"printf\", \"me:CNRY-proxy-pw\"] }");
        let world = World::start(options).await;
        world.profile().await.expect(200);
        world.change_password().await.expect(200);
        let heads = forward.heads();
        assert!(!heads.is_empty());
        for head in &heads {
            let lines: Vec<&str> = head.lines().collect();
            let port = world.sim.url().rsplit(':').next().unwrap().to_owned();
            assert_eq!(lines[0], format!("CONNECT localhost:{port} HTTP/1.1"));
            assert_eq!(lines.len(), 4, "host, credentials, and nothing else: {head}");
        }
        {
            let seen = forward.seen.lock().unwrap();
            assert_eq!(seen.through.first(), Some(&0x16), "a TLS handshake");
            let text = String::from_utf8_lossy(&seen.through);
            for word in ["authorization", "Bearer", "/web/v1", "CNRY"] {
                assert!(!text.contains(word), "{word} went through in the clear");
            }
        }
        for entry in world.sim.wire_log() {
            assert!(entry.header("proxy-authorization").is_none(), "{}", entry.path);
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn the_environment_names_one_with_its_credentials() {
    let (portal, mut heads) = Stage::open().await.always(OK);
    let forward = Forward::to(portal, Some("me:CNRY @1"), TUNNEL).await;
    let proxy = beyond()
        .environment("HTTP_PROXY", &format!("http://me:CNRY%20%401@{}", forward.address))
        .environment("NO_PROXY", "other.invalid")
        .start()
        .await;
    let answer = proxy.ask("GET /a", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("GET /a ") && head.contains("portal.invalid:8080"), "{head}");
    assert!(!head.to_lowercase().contains("proxy-"), "{head}");
    assert!(forward.heads()[0].starts_with("CONNECT portal.invalid:8080 HTTP/1.1\r\n"));
    assert!(proxy.stop().await);
}

#[tokio::test]
async fn a_407_is_explained_and_shows_no_credentials() {
    let (portal, _heads) = Stage::open().await.always(OK);
    let forward = Forward::to(portal, Some("me:right"), TUNNEL).await;
    let named = format!("proxy = {:?}", forward.url());
    let without = beyond().with("upstream", &named).start().await;
    let answer = without.ask("GET /a", "").await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("forward-proxy-refuses"), "{answer}");
    assert!(
        answer.contains("none are configured") && answer.contains("upstream.proxy_credentials"),
        "{answer}"
    );
    let wrong = beyond()
        .with("upstream", &named)
        .with("upstream", "proxy_credentials = { env = \"PROXY_PW\" }")
        .environment("PROXY_PW", "me:CNRY-wrong")
        .start()
        .await;
    let answer = wrong.ask("GET /a", "").await;
    assert!(answer.contains("it refuses the credentials (407)"), "{answer}");
    assert!(!answer.contains("CNRY") && !answer.contains(&BASE64.encode(b"me:CNRY-wrong")), "{answer}");
    assert!(without.stop().await && wrong.stop().await);
}

#[tokio::test]
async fn every_other_way_to_fail_is_named_and_nothing_is_sent_past_it() {
    let (portal, mut heads) = Stage::open().await.always(OK);
    for (answer, said) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "its rules do not let you reach the portal"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "it answers 502"),
        ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "no HTTP proxy"),
        ("SSH-2.0-x\r\n\r\n", "no HTTP proxy"),
        ("", "it ended the connection"),
    ] {
        let forward = Forward::to(portal, None, answer).await;
        let proxy = beyond().with("upstream", &format!("proxy = {:?}", forward.url())).start().await;
        let problem = proxy.ask("GET /a", "").await;
        assert!(problem.starts_with("HTTP/1.1 502") && problem.contains(said), "{answer:?}: {problem}");
        assert!(proxy.stop().await);
    }
    for named in ["http://nobody.invalid:1", "http://127.0.0.1:1"] {
        let proxy = beyond().with("upstream", &format!("proxy = {named:?}")).start().await;
        let problem = proxy.ask("GET /a", "").await;
        assert!(problem.contains("forward-proxy-refuses"), "{problem}");
        assert!(proxy.stop().await);
    }
    assert!(heads.try_recv().is_err());
}

#[tokio::test]
async fn one_that_speaks_tls_in_the_portals_place_is_found_out_and_gets_nothing() {
    let impostor = portal_sim::Sim::start(portal_sim::Settings {
        tls: Some(portal_sim::Tls::default()),
        ..portal_sim::Settings::default()
    });
    let impostor = impostor.await.unwrap();
    let at: SocketAddr = format!("127.0.0.1:{}", impostor.url().rsplit(':').next().unwrap()).parse().unwrap();
    let forward = Forward::to(at, None, TUNNEL).await;
    let proxy = Plain::at("https://portal.invalid")
        .with("upstream", &format!("proxy = {:?}", forward.url()))
        .start()
        .await;
    let answer = proxy.ask("GET /a\r\nX-Anything: CNRY", "").await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("portal-certificate"), "{answer}");
    assert!(impostor.wire_log().is_empty());
    assert!(proxy.stop().await);
}
