//! Several identities in one process: the four ways to name one, and that none of them touches another.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portal_sim::Fault;
use portunus::admin::{Cause, ClientError, LoginRequest, State};
use portunus::identity::IdentityName;
use portunus::secret::{OneTimeCode, Password};
use portunus::telemetry::Count;
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::Message;

use crate::world::{Answer, Client, World, WorldOptions, until};

const ALICE: &str = "admin@example.com";
const BOB: &str = "plain@example.com";
const CAROL: &str = "mail@example.com";

/// alice signs in with a code of her own and can be named in every way, bob with a password, carol by mail.
fn three() -> WorldOptions {
    let alice = format!(
        "name = \"alice\"\nemail = {ALICE:?}\npassword = {{ env = \"PW\" }}\notp_secret = {{ env = \"SEED\" }}\n\
         path_prefix = \"/alice\"\nlisten = [\"127.0.0.1:0\"]"
    );
    let bob = format!(
        "name = \"bob\"\nemail = {BOB:?}\npassword = {{ env = \"PW\" }}\npath_prefix = \"/b\"\n\
                       cookies = \"pass\""
    );
    let carol =
        format!("name = \"carol\"\nemail = {CAROL:?}\npassword = {{ env = \"PW\" }}\nmfa = \"email\"");
    WorldOptions::default()
        .nobody()
        .secret("PW", portal_sim::DEFAULT_PASSWORD)
        .secret("SEED", portal_sim::DEFAULT_TOTP_SECRET)
        .table("identity", &alice)
        .table("identity", &bob)
        .table("identity", &carol)
        .set("session.backoff_first", "\"20ms\"")
}

/// A client that speaks to the name's own host.
fn host(world: &World, name: &str) -> Client {
    world.client.under(&format!("{name}.localhost:{}", world.client.address().port()))
}

async fn profile(world: &World, name: &str) -> Answer {
    host(world, name).get(&world.path("profile")).await
}

#[track_caller]
fn is_of(answer: Answer, email: &str) {
    assert_eq!(answer.expect(200).json()["data"]["accountEmail"], email);
}

async fn as_named(world: &World, name: &str, path: &str) -> Answer {
    world.client.send(Method::GET, path, &[("x-portunus-identity", name)], "").await
}

#[tokio::test]
async fn each_way_to_name_one_reaches_its_account() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("dave.sock");
    let dave = format!(
        "name = \"dave\"\nunix_socket = {socket:?}\nemail = \"both@example.com\"\npassword = {{ env = \"PW\" }}\notp_secret = {{ env = \"SEED\" }}"
    );
    let all = directory.path().join("all.sock");
    let options = three().table("identity", &dave).set("listen.unix_socket", format!("{all:?}"));
    let world = World::start(options).await;
    let path = world.path("profile");

    is_of(as_named(&world, "alice", &path).await, ALICE);
    is_of(as_named(&world, "bob", &path).await, BOB);
    is_of(profile(&world, "ALICE").await, ALICE);
    is_of(profile(&world, "bob").await, BOB);
    is_of(world.client.get(&format!("/alice{path}")).await, ALICE);
    is_of(world.client.get(&format!("/b{path}")).await, BOB);

    let own = world.proxy.doors().find(|(_, whose)| whose.is_some()).unwrap();
    assert_eq!(own.1.map(IdentityName::as_str), Some("alice"));
    is_of(Client::new(own.0).get(&path).await, ALICE);
    let (at_own_port, bobs) =
        (format!("alice.localhost:{}", own.0.port()), format!("bob.localhost:{}", own.0.port()));
    is_of(Client::new(own.0).under(&at_own_port).get(&path).await, ALICE);
    Client::new(own.0).under(&bobs).get(&path).await.problem(421, "foreign-host");

    is_of(over_unix(&socket, "whatever", &path).await, "both@example.com");
    is_of(over_unix(&all, "bob.localhost", &path).await, BOB);
    over_unix(&all, "localhost", &path).await.problem(400, "identity-required");
    over_unix(&socket, "bob.localhost", &path).await.problem(400, "identity-conflict");
    assert!(world.stop().await);
}

async fn over_unix(socket: &std::path::Path, host: &str, path: &str) -> Answer {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    let request = Request::get(path).header("host", host).body(Full::<Bytes>::default()).unwrap();
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

#[tokio::test]
async fn what_named_one_does_not_travel_on() {
    let world = World::start(three()).await;
    let path = world.path("echo/x?a=/alice");
    let named = [("x-portunus-identity", "alice"), ("x_portunus_identity", "alice"), ("x-else", "1")];
    let echo = world.client.send(Method::GET, &format!("/alice{path}"), &named, "").await.expect(200).json();
    assert_eq!(echo["data"]["path"], path);
    let headers = echo["data"]["headers"].to_string();
    assert!(headers.contains("x-else") && !headers.contains("identity"), "{headers}");
    assert!(world.stop().await);
}

#[tokio::test]
async fn nobody_somebody_else_and_two_at_once_are_refused_and_the_refusal_says_how_to_name_one() {
    let world = World::start(three()).await;
    let (path, port) = (world.path("profile"), world.client.address().port());
    let problem = world.client.get(&path).await.problem(400, "identity-required");
    let hint = problem["hint"].as_str().unwrap();
    for way in ["x-portunus-identity: alice, bob, carol", &format!("bob.localhost:{port}"), "/alice, /b"] {
        assert!(hint.contains(way), "{hint}");
    }
    assert!(!problem.to_string().contains('@'), "names only: {problem}");
    as_named(&world, "eve", &path).await.problem(400, "unknown-identity");
    as_named(&world, "bob", &format!("/alice{path}")).await.problem(400, "identity-conflict");
    let conflict = host(&world, "bob").get(&format!("/alice{path}")).await.problem(400, "identity-conflict");
    assert_eq!(conflict["detail"], "its host names bob, and its path names alice");
    host(&world, "eve").get(&path).await.problem(421, "foreign-host");
    host(&world, "x.alice").get(&path).await.problem(421, "foreign-host");
    assert_eq!(world.sim.counters().initiate, 0, "nobody was signed in for any of them");
    assert!(world.stop().await);

    let world =
        World::start(three().set("identities.default", "\"bob\"").set("identities.header", "\"X-As\"")).await;
    is_of(world.client.get(&path).await, BOB);
    is_of(world.client.send(Method::GET, &path, &[("x-as", "alice")], "").await, ALICE);
    assert!(world.stop().await);
}

#[tokio::test]
async fn an_identity_does_what_its_policy_says_and_others_do_what_theirs_says() {
    let narrow = "name = \"narrow\"\nemail = \"both@example.com\"\npassword = { env = \"PW\" }\n\
                  otp_secret = { env = \"SEED\" }\nallow = [\"GET /web/v1/{p}/echo/*\", \"/web/v1/{p}/profile\"]";
    let world = World::start(three().table("identity", narrow)).await;
    let ask = async |name: &str, method: Method, path: &str| {
        host(&world, name).send(method, &world.path(path), &[("content-type", "application/json")], "").await
    };
    ask("narrow", Method::GET, "echo/a").await.expect(200);
    ask("narrow", Method::HEAD, "echo/a").await.expect(200);
    ask("narrow", Method::GET, "profile").await.expect(200);
    ask("narrow", Method::POST, "echo/a").await.problem(403, "identity-not-allowed");
    ask("narrow", Method::GET, "items").await.problem(403, "identity-not-allowed");
    ask("narrow", Method::GET, "echo/../items").await.problem(400, "path-refused");
    ask("bob", Method::POST, "echo/a").await.expect(200);
    assert!(world.stop().await);

    let reader =
        format!("name = \"reader\"\nemail = {BOB:?}\npassword = {{ env = \"PW\" }}\nread_only = true");
    let options = WorldOptions::default().nobody().secret("PW", portal_sim::DEFAULT_PASSWORD);
    let world = World::start(options.table("identity", &reader)).await;
    let ask = async |method: Method, path: &str| {
        host(&world, "reader")
            .send(method, &world.path(path), &[("content-type", "application/json")], "")
            .await
    };
    ask(Method::GET, "profile").await.expect(200);
    ask(Method::HEAD, "profile").await.expect(200);
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        ask(method, "echo/a").await.problem(403, "identity-read-only");
    }
    let stream = TcpStream::connect(world.client.address()).await.unwrap();
    let url = format!("ws://{}{}", host(&world, "reader").host(), world.path("ws"));
    match tokio_tungstenite::client_async(url, stream).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.sim.counters().at("echo") + world.sim.counters().at("ws"), 0);
    assert!(world.stop().await);
}

#[tokio::test]
async fn below_a_prefix_links_and_cookies_stay_below_it() {
    let world = World::start(three()).await;
    let (bob, path, echo) = (host(&world, "bob"), world.path("redirect"), world.path("echo"));
    let absolute = format!("{}{echo}", world.sim.url());
    for (to, plain, below) in [
        (echo.as_str(), echo.clone(), format!("/b{echo}")),
        (&absolute, format!("http://{}{echo}", bob.host()), format!("http://{}/b{echo}", bob.host())),
        ("echo", "echo".to_owned(), "echo".to_owned()),
        ("https://else.example/b", "https://else.example/b".to_owned(), "https://else.example/b".to_owned()),
    ] {
        let found = bob.get(&format!("{path}?to={to}")).await.expect(302);
        assert_eq!(found.header("location"), Some(plain.as_str()));
        let found = bob.get(&format!("/b{path}?to={to}")).await.expect(302);
        assert_eq!(found.header("location"), Some(below.as_str()));
    }

    let cookies = async |client: &Client, before: &str| {
        let answer = client.get(&format!("{before}{}", world.path("cookies"))).await.expect(200);
        let all = answer.headers.get_all("set-cookie").iter();
        all.map(|cookie| cookie.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let plain = cookies(&bob, "").await;
    assert!(plain.iter().any(|cookie| cookie == "plain=1; Path=/"), "{plain:?}");
    let below: Vec<_> = plain
        .iter()
        .map(|cookie| cookie.replace("Path=/web", "Path=/b/web"))
        .map(|cookie| cookie.replace("Path=/;", "Path=/b;").replace("plain=1; Path=/", "plain=1; Path=/b"))
        .collect();
    assert_eq!(cookies(&bob, "/b").await, below);
    assert!(cookies(&host(&world, "alice"), "").await.is_empty(), "hers do not pass");
    assert!(world.stop().await);
}

#[tokio::test]
async fn websockets_and_http2_name_one_as_others_do() {
    let world = World::start(three()).await;
    let bearer_of = async |url: String| {
        world.sim.clear_wire_log();
        let stream = TcpStream::connect(world.client.address()).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
        world.wire("/ws").pop().unwrap().header("authorization").unwrap().to_owned()
    };
    let (host_of_bob, path) = (host(&world, "bob").host().to_owned(), world.path("ws"));
    let by_host = bearer_of(format!("ws://{host_of_bob}{path}")).await;
    let by_path = bearer_of(format!("ws://{}/b{path}", world.client.host())).await;
    let alices = bearer_of(format!("ws://{}/alice{path}", world.client.host())).await;
    assert_eq!(by_host, by_path);
    assert_ne!(by_host, alices);

    let io = TokioIo::new(TcpStream::connect(world.client.address()).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let path = world.path("profile");
    for (uri, header, email) in [
        (format!("http://{host_of_bob}{path}"), None, BOB),
        (format!("http://{}/alice{path}", world.client.host()), None, ALICE),
        (format!("http://{}{path}", world.client.host()), Some("bob"), BOB),
    ] {
        let mut request = Request::get(uri);
        if let Some(name) = header {
            request = request.header("x-portunus-identity", name);
        }
        let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        is_of(Answer { status: parts.status, headers: parts.headers, body }, email);
    }
    assert!(world.stop().await);
}

#[tokio::test]
async fn each_has_its_own_client_hash_channel_and_bearer() {
    let world = World::start(three()).await;
    for name in ["alice", "bob"] {
        let same = portal_sim::DEFAULT_PASSWORD;
        let body = serde_json::json!({ "currentPassword": same, "newPassword": same });
        host(&world, name).post_json(&world.auth("password/change"), &body).await.expect(200);
        profile(&world, name).await.expect(200);
    }
    assert_eq!(world.sim.open_channels(), 2);
    let log = world.sim.wire_log();
    let different = |header: &str| {
        let values = log.iter().filter_map(|entry| entry.header(header));
        values.filter(|value| !value.is_empty()).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!((different("x-client-hash"), different("authorization")), (2, 2));
    let [alice, bob, carol] = world.proxy.residents() else { panic!("three") };
    let requests = |resident: &portunus::app::Resident| resident.totals().get(Count::Requests);
    assert_eq!((requests(alice), requests(bob), requests(carol)), (2, 2, 0));
    assert!(world.stop().await);
}

/// Bob serves, and goes on doing so whatever happens to the other.
async fn bob_serves(world: &World) {
    for _ in 0..5 {
        is_of(profile(world, "bob").await, BOB);
    }
}

#[tokio::test]
async fn a_refused_password_of_one_touches_no_other() {
    let options = three().table(
        "identity",
        "name = \"mallory\"\nemail = \"both@example.com\"\npassword = { env = \"WRONG\" }",
    );
    let world = World::start(options.secret("WRONG", "not the right one")).await;
    for _ in 0..5 {
        profile(&world, "mallory").await.problem(503, "credentials-refused");
        bob_serves(&world).await;
    }
    assert_eq!(world.sim.counters().wrong_password, 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_person_awaited_by_one_keeps_no_other_waiting() {
    let world = World::start(three()).await;
    let waits = profile(&world, "carol").await.problem(503, "mfa-required");
    assert_eq!(waits["hint"], "enter the code: portunus login --identity carol");
    bob_serves(&world).await;
    let status = world.admin().status().await.unwrap();
    let states: Vec<_> =
        status.identities.iter().map(|report| (report.identity.as_str(), report.state)).collect();
    assert_eq!(
        states,
        [("alice", State::SignedOut), ("bob", State::SignedIn), ("carol", State::AwaitingCode)]
    );

    until("a code was mailed", || !world.sim.inbox(CAROL).is_empty()).await;
    let code = || OneTimeCode::new(world.sim.inbox(CAROL).pop().and_then(|mail| mail.code).unwrap());
    match world.admin().answer(None, &code()).await {
        Err(ClientError::Refused(problem)) => assert_eq!(problem.code, Cause::IdentityRequired),
        other => panic!("{other:?}"),
    }
    world.admin().answer(Some("carol"), &code()).await.unwrap();
    is_of(profile(&world, "carol").await, CAROL);
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_portal_that_limits_one_is_not_waited_for_by_another() {
    let world = World::start(three().set("session.wait_through", "\"0ms\"")).await;
    world.sim.next_on("login/initiate", Fault::RateLimited { retry_after: 600 });
    profile(&world, "alice").await.problem(503, "sign-in-rate-limited");
    bob_serves(&world).await;
    profile(&world, "alice").await.problem(503, "sign-in-rate-limited");
    assert_eq!(world.sim.counters().logins, 1);
    assert!(world.stop().await);
}

#[tokio::test]
async fn after_a_restart_each_has_its_stored_login_and_a_damaged_one_is_nobody_elses_trouble() {
    let world = World::start(three()).await;
    for name in ["alice", "bob"] {
        profile(&world, name).await.expect(200);
    }
    let world = world.restarted(&three()).await;
    is_of(profile(&world, "alice").await, ALICE);
    is_of(profile(&world, "bob").await, BOB);
    assert_eq!(world.sim.counters().logins, 2, "no login but the first two");

    let mut damaged = 0;
    let state = world.directory().join("state");
    let world = world
        .restarted_after(&three(), || {
            for file in std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()) {
                let name = file.file_name().unwrap().to_str().unwrap().to_owned();
                if name.starts_with("session-alice-") && !name.ends_with(".lock") {
                    std::fs::write(&file, "{").unwrap();
                    damaged += 1;
                }
            }
        })
        .await;
    assert!(damaged > 0);
    profile(&world, "alice").await.problem(503, "state-unusable");
    bob_serves(&world).await;
    assert_eq!(world.sim.counters().logins, 2);
    assert!(world.stop().await);
}

#[tokio::test]
async fn the_admin_api_signs_one_in_and_out_and_the_metrics_tell_them_apart() {
    let world = World::start(three()).await;
    let request = LoginRequest {
        identity: Some("bob".into()),
        password: Some(Password::new(portal_sim::DEFAULT_PASSWORD)),
        ..LoginRequest::default()
    };
    assert_eq!(world.admin().login(&request).await.unwrap().identity, "bob");
    profile(&world, "alice").await.expect(200);
    world.client.get(&world.path("profile")).await.problem(400, "identity-required");
    assert_eq!(world.admin().logout(Some("bob")).await.unwrap().state, State::SignedOut);
    profile(&world, "bob").await.problem(503, "signed-out");
    profile(&world, "alice").await.expect(200);

    assert_eq!(admin_get(&world, "/v1/readyz?identity=alice").await, "ready\n");
    let socket = world.proxy.admin_socket().unwrap();
    for path in ["/v1/readyz?identity=bob", "/v1/readyz"] {
        let answer = over_unix(socket, "localhost", path).await.expect(503);
        assert_eq!(answer.json()["code"], "signed-out", "{path}");
    }
    let metrics = admin_get(&world, "/metrics").await;
    for line in [
        "portunus_signed_in{identity=\"alice\"} 1",
        "portunus_signed_in{identity=\"bob\"} 0",
        "portunus_requests_total{identity=\"alice\"} 2",
        "portunus_requests_total{identity=\"bob\"} 1",
        "portunus_requests_total{identity=\"carol\"} 0",
        "portunus_requests_total 1",
        "portunus_logins_total{identity=\"bob\"} 1",
        "portunus_unsaved{identity=\"carol\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    assert!(world.stop().await);
}

async fn admin_get(world: &World, path: &str) -> String {
    over_unix(world.proxy.admin_socket().unwrap(), "localhost", path).await.expect(200).text()
}

/// What the status says of the requests of each.
async fn requests(world: &World, name: &str) -> serde_json::Value {
    let status: serde_json::Value = serde_json::from_str(&admin_get(world, "/v1/status").await).unwrap();
    let all = status["identities"].as_array().unwrap();
    all.iter().find(|one| one["identity"] == name).unwrap()["requests"].clone()
}

/// Waits until so many requests of it are under way.
async fn under_way(world: &World, name: &str, count: u64) {
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    loop {
        let requests = requests(world, name).await;
        if requests["under_way"] == count {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{name}: {requests}, not {count}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn one_whose_requests_stand_still_leaves_room_for_the_others() {
    // "auto": half of all for each.
    let world = World::start(three().set("limits.in_flight", "6").set("limits.retry_after", "\"7s\"")).await;
    for name in ["alice", "bob"] {
        profile(&world, name).await.expect(200);
    }
    let slow = world.path("slow?ms=600000");
    let mut stalled = Vec::new();
    for _ in 0..3 {
        let (mut connection, slow) = (host(&world, "alice").connect().await, slow.clone());
        stalled.push(tokio::spawn(async move { connection.send(Method::GET, &slow, &[], "").await }));
    }
    under_way(&world, "alice", 3).await;
    for _ in 0..2 {
        let refused = profile(&world, "alice").await;
        assert_eq!(refused.header("retry-after"), Some("7"));
        let problem = refused.problem(503, "identity-overloaded");
        assert!(problem["hint"].as_str().unwrap().contains("limits.in_flight_each"), "{problem}");
        is_of(profile(&world, "bob").await, BOB);
    }
    assert_eq!(
        requests(&world, "alice").await,
        serde_json::json!({ "under_way": 3, "limit": 3, "refused": 2 })
    );
    // His answer has been read, and a moment later its place is free.
    under_way(&world, "bob", 0).await;
    let metrics = admin_get(&world, "/metrics").await;
    for line in [
        "portunus_identity_in_flight{identity=\"alice\"} 3",
        "portunus_identity_in_flight{identity=\"bob\"} 0",
        "portunus_identity_in_flight_limit{identity=\"alice\"} 3",
        "portunus_identity_overloaded_total{identity=\"alice\"} 2",
        "portunus_identity_overloaded_total{identity=\"bob\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    stalled.iter().for_each(tokio::task::JoinHandle::abort);
    under_way(&world, "alice", 0).await;
    is_of(profile(&world, "alice").await, ALICE);
    world.stop().await;
}

#[tokio::test]
async fn an_answer_takes_its_place_until_its_last_byte_and_each_identity_may_have_its_own_number() {
    let dave = "name = \"dave\"\nemail = \"both@example.com\"\npassword = { env = \"PW\" }\n\
                otp_secret = { env = \"SEED\" }\nin_flight = 1";
    let world = World::start(three().set("limits.in_flight_each", "2").table("identity", dave)).await;
    profile(&world, "dave").await.expect(200);
    under_way(&world, "dave", 0).await;
    let mut reader = host(&world, "dave").connect().await;
    let body = reader.open(Method::GET, &world.path("download?bytes=50000000"), &[], "").await;
    assert_eq!(body.status(), 200);
    under_way(&world, "dave", 1).await;
    profile(&world, "dave").await.problem(503, "identity-overloaded");
    // What is refused before it has a route gives its place back, as does a HEAD without a body.
    assert_eq!(body.into_body().collect().await.unwrap().to_bytes().len(), 50_000_000);
    under_way(&world, "dave", 0).await;
    host(&world, "dave").get("/a/../b").await.problem(400, "path-refused");
    host(&world, "dave").send(Method::HEAD, &world.path("profile"), &[], "").await.expect(200);
    under_way(&world, "dave", 0).await;
    assert_eq!(requests(&world, "dave").await["limit"], 1);
    assert_eq!(requests(&world, "bob").await["limit"], 2);
    assert!(world.stop().await);
}

/// The cookies that the newest request to this path went out with.
fn cookies_sent(world: &World, path: &str) -> Option<String> {
    world.wire(path).last().unwrap().header("cookie").map(str::to_owned)
}

#[tokio::test]
async fn the_jars_of_two_identities_keep_apart() {
    let one = |name: &str, email: &str| {
        format!("name = {name:?}\nemail = {email:?}\npassword = {{ env = \"PW\" }}\ncookies = \"jar\"")
    };
    let options = WorldOptions::default().nobody().secret("PW", portal_sim::DEFAULT_PASSWORD);
    let options =
        options.table("identity", &one("bob", BOB)).table("identity", &one("dora", "second@example.com"));
    let options = options.sim(|sim| {
        let mut dora = portal_sim::Account::new("second@example.com", Vec::new());
        dora.password = portal_sim::DEFAULT_PASSWORD.to_owned();
        sim.accounts.push(dora);
    });
    let world = World::start(options).await;
    for name in ["bob", "dora"] {
        profile(&world, name).await.expect(200);
    }
    host(&world, "bob").get(&world.path("cookies")).await.expect(200);
    profile(&world, "bob").await.expect(200);
    assert_eq!(cookies_sent(&world, "profile").as_deref(), Some("plain=1"));
    profile(&world, "dora").await.expect(200);
    assert_eq!(cookies_sent(&world, "profile"), None, "what bob was given is no affair of dora's");
    world.admin().logout(Some("dora")).await.unwrap();
    profile(&world, "bob").await.expect(200);
    assert_eq!(cookies_sent(&world, "profile").as_deref(), Some("plain=1"), "nor is her logout his");
    assert!(world.stop().await);
}

#[tokio::test]
async fn who_signs_in_as_somebody_else_finds_an_empty_jar() {
    let options = WorldOptions::default().account(BOB).set("upstream.cookies", "\"jar\"");
    let world = World::start(options).await;
    world.profile().await.expect(200);
    world.client.get(&world.path("cookies")).await.expect(200);
    world.profile().await.expect(200);
    assert_eq!(cookies_sent(&world, "profile").as_deref(), Some("plain=1"));
    let login = async |email: &str| {
        let request = LoginRequest {
            email: Some(email.into()),
            password: Some(Password::new(portal_sim::DEFAULT_PASSWORD)),
            ..LoginRequest::default()
        };
        world.admin().login(&request).await.unwrap()
    };
    // As himself: they are still his.
    assert_eq!(login(BOB).await.state, State::SignedIn);
    assert_eq!(cookies_sent(&world, "login/initiate").as_deref(), Some("plain=1"));
    // As another, without a logout in between.
    assert_eq!(login(CAROL).await.state, State::AwaitingCode);
    assert_eq!(cookies_sent(&world, "login/initiate"), None);
    world.stop().await;
}

#[tokio::test]
async fn each_identity_has_a_queue_of_its_own_before_its_login() {
    let world = World::start(three().set("limits.waiting", "2")).await;
    // Bob is signed in, so that it is alice's login that takes its time.
    profile(&world, "bob").await.expect(200);
    world.sim.next_on("login/initiate", Fault::Delay(std::time::Duration::from_millis(1500)));
    let asks = (0..5).map(|_| {
        let (alice, path) = (host(&world, "alice"), world.path("profile"));
        tokio::spawn(async move { alice.get(&path).await })
    });
    let asks: Vec<_> = asks.collect();
    under_way(&world, "alice", 2).await;
    is_of(profile(&world, "bob").await, BOB);
    let answers = futures_util::future::join_all(asks).await;
    let (served, told): (Vec<_>, Vec<_>) =
        answers.into_iter().map(Result::unwrap).partition(|answer| answer.status == 200);
    assert_eq!((served.len(), told.len()), (2, 3));
    told.into_iter().for_each(|answer| drop(answer.problem(503, "sign-in-queue-full")));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_names_the_identity_it_is_of() {
    let world = World::usual().await;
    let directory = tempfile::tempdir().unwrap();
    let options = WorldOptions::default()
        .nobody()
        .table("identity", "name = \"alice\"\nemail = \"a@example.com\"\npassword = { env = \"MISSING\" }");
    let error = crate::world::start_proxy(&world.sim, &options, directory.path()).await.unwrap_err();
    assert_eq!(error.to_string(), "identity alice");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("MISSING"), "{source}");
    assert!(world.stop().await);
}
