//! A second host that must never see a byte of us: whatever the portal answers, to whichever call, and whatever a
//! client asks for. Secrets of the identity go to the configured host alone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::http::{status, values};
use crate::world::{PATIENCE, World, WorldOptions};

/// The host that nobody may reach. It takes connections, and keeps what they say.
struct Elsewhere {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let kept = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 4096];
                let read = stream.read(&mut bytes).await.unwrap_or(0);
                kept.lock().unwrap().push(String::from_utf8_lossy(&bytes[..read]).into_owned());
            }
        });
        Self { address, heard }
    }

    #[track_caller]
    fn has_heard_nothing(&self, what: &str) {
        let heard = self.heard.lock().unwrap();
        assert!(heard.is_empty(), "{what}: the second host heard {heard:?}");
    }
}

/// What stands between the proxy and the portal: passes everything on, but for the calls that it answers itself.
#[derive(Clone)]
struct Hinge {
    portal: SocketAddr,
    /// A part of a path, and the answer to all whose path has it.
    armed: Arc<Mutex<Option<(&'static str, String)>>>,
    /// Every head that came.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Hinge {
    /// It stands at `listener`, before `portal`.
    fn serve(listener: TcpListener, portal: SocketAddr) -> Self {
        let hinge = Self { portal, armed: Arc::default(), heads: Arc::default() };
        let serving = hinge.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().turn(stream));
            }
        });
        hinge
    }

    fn arm(&self, path: &'static str, answer: &str) {
        *self.armed.lock().unwrap() = Some((path, answer.to_owned()));
        self.heads.lock().unwrap().clear();
    }

    fn disarm(&self) {
        *self.armed.lock().unwrap() = None;
    }

    /// How many requests the armed answer met.
    fn met(&self, path: &str) -> usize {
        let heads = self.heads.lock().unwrap();
        heads.iter().filter(|head| head.lines().next().is_some_and(|line| line.contains(path))).count()
    }

    /// One request for each connection.
    async fn turn(self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let line = head.lines().next().unwrap_or_default().to_owned();
        self.heads.lock().unwrap().push(head.clone());
        let armed = self.armed.lock().unwrap().clone();
        if let Some((_, answer)) = armed.filter(|(path, _)| line.contains(path)) {
            let length = values(&head, "content-length").first().and_then(|n| n.parse().ok()).unwrap_or(0);
            while bytes.len() < end + length && stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {}
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            return;
        }
        let Ok(mut portal) = TcpStream::connect(self.portal).await else { return };
        let first_line = line.len() + 2;
        let rest = [&bytes[..first_line], b"Connection: close\r\n", &bytes[first_line..]].concat();
        if portal.write_all(&rest).await.is_ok() {
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut portal).await;
        }
    }
}

struct House {
    world: World,
    hinge: Hinge,
    elsewhere: Elsewhere,
}

impl House {
    async fn open(options: WorldOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("\"http://{}\"", listener.local_addr().unwrap());
        let world = World::start(
            options
                .set("upstream.url", url)
                .set("session.channel_backoff_first", "\"10ms\"")
                .set("session.channel_backoff_most", "\"20ms\"")
                .set("session.backoff_first", "\"10ms\"")
                .set("session.backoff_most", "\"20ms\"")
                .set("limits.replay_body", "\"0B\""),
        )
        .await;
        let portal = world.sim.url();
        let portal = portal.split("://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        Self { world, hinge: Hinge::serve(listener, portal), elsewhere: Elsewhere::open().await }
    }

    fn redirect(&self, status: u16) -> String {
        let there = self.elsewhere.address;
        format!(
            "HTTP/1.1 {status} Elsewhere\r\nLocation: http://{there}/taken?by={status}\r\n\
             Content-Location: http://{there}/taken\r\nRefresh: 0; url=http://{there}/taken\r\n\
             Link: <http://{there}/taken>; rel=preload\r\nAlt-Svc: http/1.1=\"{there}\"; ma=3600\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        )
    }

    /// One request as bytes, and all that comes back.
    async fn raw(&self, request: &str) -> String {
        let own = self.world.client.host();
        let request = request.replace("{own}", own).replace("{there}", &self.elsewhere.address.to_string());
        let mut stream = TcpStream::connect(self.world.client.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A handshake that is answered otherwise leaves the connection open; its answer has the redirect's body.
        let reading = async {
            while !answer.ends_with(b"\r\n\r\n{}") && stream.read_buf(&mut answer).await.unwrap_or(0) > 0 {}
        };
        let reading = tokio::time::timeout(PATIENCE, reading).await;
        reading.unwrap_or_else(|_| panic!("no end of an answer to {request}"));
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn simple() -> WorldOptions {
    // What cannot be had is not waited for longer than it takes to see that.
    WorldOptions::default().account("plain@example.com").set("limits.wait_timeout", "\"2s\"")
}

#[tokio::test]
async fn no_redirect_of_one_of_our_own_calls_is_followed() {
    for (call, status, signed_in) in [
        ("public-key", 307, false),
        ("public-key", 301, false),
        ("session", 307, false),
        ("session", 302, false),
        ("login/initiate", 307, false),
        ("login/initiate", 308, false),
        ("login/initiate", 303, false),
        ("token/refresh", 307, true),
        ("token/refresh", 302, true),
        ("logout", 307, true),
        ("login/complete", 307, false),
        ("login/complete", 303, false),
        ("login/mfa/send", 308, false),
        ("session/close", 307, true),
    ] {
        let house = House::open(match call {
            "login/complete" => WorldOptions::default().set("limits.wait_timeout", "\"2s\""),
            "login/mfa/send" => simple().account("mail@example.com").set("login.mfa", "\"email\""),
            _ => simple(),
        })
        .await;
        if signed_in {
            house.world.profile().await.expect(200);
        }
        house.hinge.arm(call, &house.redirect(status));
        match call {
            "token/refresh" => {
                house.world.sim.expire_access_tokens();
                house.world.profile().await;
            }
            "logout" => drop(house.world.admin().logout(None).await),
            "login/mfa/send" => {
                drop(house.world.admin().login(&portunus::admin::LoginRequest::default()).await)
            }
            // At the stop.
            "session/close" => {
                let (met, hinge, elsewhere) = (call, house.hinge.clone(), house.elsewhere);
                house.world.stop().await;
                assert!(hinge.met(met) > 0, "{call} was never made");
                elsewhere.has_heard_nothing(&format!("{call} answered {status}"));
                continue;
            }
            _ => {
                let answer = house.world.profile().await;
                assert!(answer.status.is_server_error(), "{call} {status}: {}", answer.text());
            }
        }
        assert!(house.hinge.met(call) > 0, "{call} was never made");
        house.hinge.disarm();
        house.elsewhere.has_heard_nothing(&format!("{call} answered {status}"));
        house.world.stop().await;
        // At the stop the channel is closed and the session ended, past whatever was told before.
        house.elsewhere.has_heard_nothing(&format!("{call} answered {status}, and the stop"));
    }
}

#[tokio::test]
async fn no_redirect_of_a_callers_request_is_followed_and_none_shows_a_secret() {
    let house = House::open(simple()).await;
    house.world.profile().await.expect(200);
    let code = house.world.sim.settings().access_code.clone();
    let path = house.world.path("");
    let sealed = house.world.auth("password/change");
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let requests = [
        format!("GET {path}profile HTTP/1.1\r\nHost: {{own}}\r\nConnection: close\r\n\r\n"),
        format!("HEAD {path}profile HTTP/1.1\r\nHost: {{own}}\r\nConnection: close\r\n\r\n"),
        format!(
            "POST {path}upload HTTP/1.1\r\nHost: {{own}}\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
        ),
        format!(
            "POST {sealed} HTTP/1.1\r\nHost: {{own}}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        ),
        format!("GET {path}ws HTTP/1.1\r\nHost: {{own}}\r\n{websocket}\r\n\r\n"),
    ];
    for code_of_redirect in [300, 301, 302, 303, 305, 307, 308, 421] {
        house.hinge.arm("/web/v1/", &house.redirect(code_of_redirect));
        for request in &requests {
            let what = format!("{code_of_redirect} to {}", request.lines().next().unwrap());
            let answer = house.raw(request).await;
            // Whoever asked gets what the portal said, and may go there without anything of ours.
            assert_eq!(status(&answer), code_of_redirect, "{what}: {answer}");
            assert_eq!(
                values(&answer, "location"),
                [format!("http://{}/taken?by={code_of_redirect}", house.elsewhere.address)],
                "{what}"
            );
            assert!(values(&answer, "alt-svc").is_empty(), "{what}: {answer}");
            assert!(!answer.contains(&code) && !answer.to_lowercase().contains("bearer"), "{what}: {answer}");
            house.elsewhere.has_heard_nothing(&what);
        }
        assert!(house.hinge.met("/web/v1/") >= requests.len());
    }
    // It was the portal that got them, with all that belongs to it.
    let heads = house.hinge.heads.lock().unwrap().clone();
    for head in &heads {
        assert_eq!(values(head, "x-portal-access-code"), [code.as_str()], "{head}");
        assert_eq!(values(head, "x-client-hash").len(), 1, "{head}");
    }
    house.hinge.disarm();
    house.world.profile().await.expect(200);
    house.elsewhere.has_heard_nothing("the request after");
    assert!(house.world.stop().await);
}

#[tokio::test]
async fn nothing_that_a_client_writes_names_another_host() {
    let house = House::open(simple()).await;
    house.world.profile().await.expect(200);
    let path = house.world.path("profile");
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    house.hinge.arm("/never/", "");
    for (request, is_refused) in [
        (format!("GET http://{{there}}{path} HTTP/1.1\r\nHost: {{own}}\r\n"), true),
        (format!("GET http://{{there}}{path} HTTP/1.1\r\nHost: {{there}}\r\n"), true),
        (format!("GET http://{{own}}@{{there}}{path} HTTP/1.1\r\nHost: {{own}}\r\n"), true),
        (format!("GET http://{{there}}{path} HTTP/1.1\r\nHost: {{own}}\r\n{websocket}\r\n"), true),
        (format!("GET {path} HTTP/1.1\r\nHost: {{there}}\r\n{websocket}\r\n"), true),
        (format!("GET {path} HTTP/1.1\r\nHost: {{there}}\r\n"), true),
        (format!("GET {path} HTTP/1.1\r\nHost: {{own}}\r\nHost: {{there}}\r\n"), true),
        (format!("GET //{{there}}{path} HTTP/1.1\r\nHost: {{own}}\r\n"), true),
        (format!("GET \\\\{{there}}{path} HTTP/1.1\r\nHost: {{own}}\r\n"), true),
        ("CONNECT {there} HTTP/1.1\r\nHost: {own}\r\n".to_owned(), true),
        ("CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n".to_owned(), true),
        ("GET /@{there}/ HTTP/1.1\r\nHost: {own}\r\n".to_owned(), false),
        ("GET /.{there}/ HTTP/1.1\r\nHost: {own}\r\n".to_owned(), false),
        ("GET /http://{there}/ HTTP/1.1\r\nHost: {own}\r\n".to_owned(), true),
        ("GET /?url=http://{there}/ HTTP/1.1\r\nHost: {own}\r\n".to_owned(), false),
        (
            format!(
                "GET {path} HTTP/1.1\r\nHost: {{own}}\r\nForwarded: host={{there}}\r\nX-Forwarded-Host: {{there}}\r\n\
                 X-Original-Host: {{there}}\r\nX-Original-URL: http://{{there}}/\r\nX-Rewrite-URL: http://{{there}}/\r\n\
                 X-Host: {{there}}\r\nProxy: http://{{there}}\r\nHTTP_PROXY: http://{{there}}\r\nAlt-Used: {{there}}\r\n\
                 Referer: http://{{there}}/\r\nDestination: http://{{there}}/\r\n"
            ),
            false,
        ),
    ] {
        house.hinge.heads.lock().unwrap().clear();
        let answer = house.raw(&format!("{request}Connection: close\r\n\r\n")).await;
        assert!(!is_refused || (400..600).contains(&status(&answer)), "{request}: {answer}");
        let heads = house.hinge.heads.lock().unwrap().clone();
        assert_eq!(heads.is_empty(), is_refused, "{request}: {heads:?}");
        house.elsewhere.has_heard_nothing(&request);
    }
    house.hinge.disarm();
    tokio::time::timeout(Duration::from_secs(5), house.world.stop()).await.unwrap();
}

#[tokio::test]
async fn a_redirect_to_the_portal_itself_is_passed_on_and_not_followed() {
    let house = House::open(simple()).await;
    house.world.profile().await.expect(200);
    // Where it leads, the portal would send whoever comes to the second host.
    let chain = "HTTP/1.1 307 Next\r\nLocation: /web/v1/tenant/next\r\nContent-Location: /web/v1/tenant/next\r\n\
                 Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    house.hinge.arm("/web/v1/", chain);
    let sealed = house.world.auth("password/change");
    for (path, body) in [(house.world.path("profile"), ""), (sealed, "{}")] {
        house.hinge.heads.lock().unwrap().clear();
        let method = if body.is_empty() { http::Method::GET } else { http::Method::POST };
        let headers = [("content-type", "application/json")];
        let answer = house.world.client.send(method, &path, &headers, body).await.expect(307);
        assert_eq!(answer.header("location"), Some("/web/v1/tenant/next"), "{path}");
        let heads = house.hinge.heads.lock().unwrap().clone();
        assert_eq!(heads.len(), 1, "{path}: {heads:?}");
        assert!(!heads[0].contains("next"), "{heads:?}");
    }
    house.hinge.disarm();
    house.elsewhere.has_heard_nothing("a chain of redirects");
    house.world.stop().await;
}

#[tokio::test]
async fn no_redirect_of_a_portal_that_speaks_http2_is_followed() {
    let elsewhere = Elsewhere::open().await;
    let world = World::start(simple().tls(true)).await;
    world.profile().await.expect(200);
    let there = format!("http://{}/taken", elsewhere.address);
    for to in [there.clone(), format!("//{}/taken", elsewhere.address)] {
        let path = format!("{}?to={to}", world.path("redirect"));
        for method in [http::Method::GET, http::Method::POST] {
            let headers = [("content-type", "application/json")];
            let answer = world.client.send(method.clone(), &path, &headers, "").await.expect(302);
            assert_eq!(answer.header("location"), Some(to.as_str()), "{method}");
        }
    }
    elsewhere.has_heard_nothing("redirects over HTTP/2");
    assert!(world.stop().await);
    elsewhere.has_heard_nothing("the stop after them");
}

#[tokio::test]
async fn a_forward_proxy_that_the_environment_names_hears_nothing_of_a_portal_on_this_machine() {
    let elsewhere = Elsewhere::open().await;
    let there = format!("http://{}", elsewhere.address);
    let mut options = simple();
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        options = options.secret(name, &there);
    }
    let world = World::start(options).await;
    world.profile().await.expect(200);
    world.change_password().await.expect(200);
    world.sim.expire_access_tokens();
    world.profile().await.expect(200);
    world.admin().logout(None).await.unwrap();
    elsewhere.has_heard_nothing("a whole journey");
    assert!(world.stop().await);
    elsewhere.has_heard_nothing("the stop after it");
}
