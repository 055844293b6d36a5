//! The tour of `portunus demo --once`: each step does what its line shows, and looks whether it came out as
//! promised.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use portal_sim::WireEntry;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::caller::Answer;
use super::stand::Stand;
use crate::cli::exit::Exit;
use crate::cli::terminal::Terminal;
use crate::cli::tour::{Step, Tour};

type Findings = Result<Vec<String>, String>;

/// How many requests meet the expired token at once.
const CROWD: usize = 20;

/// How much is downloaded.
const DOWNLOAD: usize = 32 << 20;

/// The most characters of a body or a header that are shown.
const SHOWN: usize = 64;

/// Makes the tour. A step that is not as promised makes it a failure.
pub(super) async fn make(stand: &Stand, terminal: &mut impl Terminal) -> Exit {
    let (email, first) = stand.account();
    let (second, third) = ("a better battery", "the best battery");
    let about = format!(
        "A simulated portal and the proxy in front of it, in one process. The proxy has signed in as {email} by \
         itself, with a password and a code made from a seed. Behind each $ is what the step does, in curl's words."
    );
    let url = stand.url();
    let at = |name: &str| format!("{url}{}", stand.path(name));
    let change =
        format!("curl -d '{{\"currentPassword\":…,\"newPassword\":…}}' {url}{}", stand.change_path());
    let control = |act: &str| format!("curl -X POST http://{}/{act}", stand.control);
    let mut tour = Tour::begin(terminal, "A tour of portunus", &about);

    let why = "The client knows no token, no key and no login. Any tool that speaks HTTP will do as it is.";
    let command = format!("curl {}", at("profile"));
    show(&mut tour, "A plain request, signed in on the way", &command, why, profile(stand)).await;

    if stand.seals() {
        let why = "The body is sealed with AES-256-GCM under keys that only the proxy and the portal have, and the \
                   answer is opened: the client never sees an envelope.";
        let title = "A plain body in, an envelope on the wire, a plain answer out";
        show(&mut tour, title, &change, why, sealed_change(stand, first, second)).await;
    } else {
        let why = "This dialect seals no bodies; the headers are put in all the same.";
        show(&mut tour, "A plain body, passed on", &change, why, changed(stand, first, second)).await;
    }

    let why = "What a client pretends to be never reaches the portal: the proxy's own headers replace it.";
    let command = format!("curl -H 'Authorization: Bearer forged' -H 'X-Client-Hash: forged' {}", at("echo"));
    show(&mut tour, "Forged headers are replaced", &command, why, forged(stand)).await;

    let why = "Bodies that need no channel stream in both directions, as slowly as they come.";
    let command = format!("curl -N '{}?count=3&interval_ms=200'", at("events"));
    show(&mut tour, "Server-sent events pass one by one", &command, why, events(stand)).await;

    let why = "Nothing is collected: a body of any size passes in constant memory.";
    let command = format!("curl '{}?bytes={DOWNLOAD}'", at("download"));
    show(&mut tour, "A large download streams", &command, why, download(stand)).await;

    if stand.sim.dialect().channel {
        let why =
            "A lost channel is opened anew and the request sealed again: it was refused, not processed.";
        let title = "The portal forgets every channel, and the client does not notice";
        show(&mut tour, title, &control("drop-channels"), why, channels_dropped(stand, (second, third)))
            .await;

        let why = "Keys rotate. Without portal.key_pin the new one is taken and the change is logged; with it, \
                   another key is refused.";
        let title = "The portal rotates its RSA key, and the client does not notice";
        show(&mut tour, title, &control("rotate-key"), why, key_rotated(stand, (third, first))).await;
    }

    let why = "All who were refused wait for one refresh, and each request is sent again with the new token.";
    let title = format!("The access token expires, and {CROWD} requests at once make one refresh");
    show(&mut tour, &title, &control("expire-tokens"), why, token_expired(stand)).await;

    let why = "A page that points its own name at localhost (DNS rebinding) gets nothing. What the proxy says by \
               itself is problem+json (RFC 9457) with a stable type.";
    let command = format!("curl -H 'Host: evil.example' {}", at("profile"));
    show(&mut tour, "A foreign Host is refused", &command, why, foreign_host(stand)).await;

    let why = "401 always means that the portal said it; what the way to the portal lacks is a 5xx of the proxy's \
               own, which says whose fault it is.";
    let command = format!("curl {}", at("profile"));
    show(&mut tour, "The portal is gone, and the proxy says so", &command, why, portal_gone(stand)).await;
    tour.finish()
}

/// One step: done, timed, shown.
async fn show<T: Terminal>(
    tour: &mut Tour<'_, T>,
    title: &str,
    command: &str,
    why: &str,
    happens: impl Future<Output = Findings>,
) {
    let begun = Instant::now();
    let happened = happens.await;
    let (title, command, why) = (title.to_owned(), Some(command.to_owned()), why.to_owned());
    tour.step(&Step { title, command, happened, why, took: begun.elapsed() });
}

async fn profile(stand: &Stand) -> Findings {
    let path = stand.path("profile");
    let answer = stand.caller().get(&path).await?.expect(200)?;
    let email = answer.json()["data"]["accountEmail"].as_str().unwrap_or_default().to_owned();
    must(email == stand.account().0, "the profile is somebody else's", &answer)?;
    let wire = last_to(stand, &path)?;
    let put_in = ["x-portal-access-code", "x-client-hash", "authorization"];
    let missing: Vec<_> = put_in.iter().filter(|name| wire.header(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(format!("the portal did not see {missing:?}"));
    }
    let mut findings = vec![format!("200, the profile of {email}; put in on the way:")];
    findings.extend(put_in.iter().filter_map(|name| Some(format!("{name}: {}", cut(wire.header(name)?)))));
    Ok(findings)
}

async fn changed(stand: &Stand, from: &str, to: &str) -> Findings {
    let body = json!({ "currentPassword": from, "newPassword": to }).to_string();
    // curl's own content type will do where the body is sealed: an envelope has one of its own.
    let kind = if stand.seals() { "application/x-www-form-urlencoded" } else { "application/json" };
    let headers = [("content-type", kind)];
    let answer = stand.caller().send(Method::POST, &stand.change_path(), &headers, body.into()).await?;
    let answer = answer.expect(200)?;
    must(!is_envelope(&answer.body), "the client was given an envelope", &answer)?;
    Ok(vec![format!("the answer: 200 {}", cut(&answer.text()))])
}

async fn sealed_change(stand: &Stand, from: &str, to: &str) -> Findings {
    let mut findings = changed(stand, from, to).await?;
    let wire = last_to(stand, &stand.change_path())?;
    if !wire.sealed || wire.body.contains("currentPassword") {
        return Err(format!("the wire carried no envelope, but {}", printable(&wire.body)));
    }
    findings.insert(0, format!("the wire, to the portal: {}", printable(&wire.body)));
    findings.insert(1, format!("the wire, back:          {}", printable(&wire.answer)));
    Ok(findings)
}

async fn forged(stand: &Stand) -> Findings {
    let headers = [("authorization", "Bearer forged"), ("x-client-hash", "forged")];
    let answer = stand.caller().send(Method::GET, &stand.path("echo"), &headers, Bytes::new()).await?;
    let answer = answer.expect(200)?;
    let told = answer.json();
    let arrived = told["data"]["headers"].as_array().cloned().unwrap_or_default();
    let values = |name: &str| -> Vec<String> {
        let named = arrived.iter().filter(|header| header[0] == name);
        named.filter_map(|header| header[1].as_str().map(str::to_owned)).collect()
    };
    let mut findings = vec!["200; what arrived at the portal:".to_owned()];
    for (name, _) in headers {
        match values(name).as_slice() {
            [one] if !one.contains("forged") => findings.push(format!("{name}: {}", cut(one))),
            other => return Err(format!("{name} arrived as {other:?}")),
        }
    }
    Ok(findings)
}

async fn events(stand: &Stand) -> Findings {
    let path = format!("{}?count=3&interval_ms=200", stand.path("events"));
    let begun = Instant::now();
    let mut body = stand.caller().open(Method::GET, &path, &[], Bytes::new()).await?.into_body();
    let mut seen: Vec<(Duration, String)> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the stream broke off: {error}"))?;
        if let Ok(data) = frame.into_data() {
            seen.push((begun.elapsed(), String::from_utf8_lossy(&data).into_owned()));
        }
    }
    let (Some((first, _)), Some((last, _))) = (seen.first(), seen.last()) else {
        return Err("no event came".into());
    };
    if last.saturating_sub(*first) < Duration::from_millis(200) {
        return Err("the events came all at once: something has collected them".into());
    }
    let lines = seen.iter().map(|(at, text)| {
        let event = text.lines().find(|line| line.starts_with("data:")).unwrap_or(text.trim());
        format!("after {:>3} ms  {}", at.as_millis(), cut(event))
    });
    Ok(lines.collect())
}

async fn download(stand: &Stand) -> Findings {
    let path = format!("{}?bytes={DOWNLOAD}", stand.path("download"));
    let mut body = stand.caller().open(Method::GET, &path, &[], Bytes::new()).await?.into_body();
    let (mut bytes, mut pieces) = (0, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the download broke off: {error}"))?;
        if let Some(data) = frame.data_ref() {
            bytes += data.len();
            pieces += 1;
        }
    }
    if bytes != DOWNLOAD {
        return Err(format!("{bytes} bytes came instead of {DOWNLOAD}"));
    }
    Ok(vec![format!("{} MiB, in {pieces} pieces", bytes >> 20)])
}

async fn channels_dropped(stand: &Stand, (from, to): (&str, &str)) -> Findings {
    let before = stand.sim.counters().session;
    stand.sim.drop_channels();
    let mut findings = changed(stand, from, to).await?;
    let opened = stand.sim.counters().session - before;
    if opened == 0 {
        return Err("no new channel was opened".into());
    }
    findings.push(format!("opened anew: {}", count(opened, "channel")));
    Ok(findings)
}

async fn key_rotated(stand: &Stand, (from, to): (&str, &str)) -> Findings {
    let (before, sim) = (stand.sim.key_sha256(), stand.sim.clone());
    let rotated = tokio::task::spawn_blocking(move || {
        sim.rotate_key();
        sim.drop_channels();
    });
    rotated.await.map_err(|error| error.to_string())?;
    let mut findings = changed(stand, from, to).await?;
    let now = stand.sim.key_sha256();
    if before == now {
        return Err("the key is still the old one".into());
    }
    findings.push(format!("the key was {}, and is {}", print(before), print(now)));
    Ok(findings)
}

async fn token_expired(stand: &Stand) -> Findings {
    let before = stand.sim.counters().refreshed;
    stand.sim.expire_access_tokens();
    let path = stand.path("profile");
    let crowd = (0..CROWD).map(|_| stand.caller().get(&path));
    for answer in futures_util::future::join_all(crowd).await {
        answer?.expect(200)?;
    }
    let refreshed = stand.sim.counters().refreshed - before;
    match refreshed {
        1 => Ok(vec![format!("{CROWD} of {CROWD} answers are 200; refreshes: 1")]),
        n => Err(format!("{n} refreshes were made")),
    }
}

async fn foreign_host(stand: &Stand) -> Findings {
    let before = stand.sim.counters().requests;
    let headers = [("host", "evil.example")];
    let answer = stand.caller().send(Method::GET, &stand.path("profile"), &headers, Bytes::new()).await?;
    must(answer.status.is_client_error(), "it was not refused", &answer)?;
    if stand.sim.counters().requests != before {
        return Err("the request reached the portal".into());
    }
    problem(&answer)
}

async fn portal_gone(stand: &Stand) -> Findings {
    stand.sim.clone().stop().await;
    let answer = stand.caller().get(&stand.path("profile")).await?;
    must(answer.status.is_server_error(), "it is no 5xx", &answer)?;
    let mut findings = problem(&answer)?;
    must(!answer.header("proxy-status").is_empty(), "there is no Proxy-Status", &answer)?;
    findings.push(format!("Proxy-Status (RFC 9209): {}", answer.header("proxy-status")));
    Ok(findings)
}

/// What a problem of the proxy's own says.
fn problem(answer: &Answer) -> Findings {
    let told = answer.json();
    let is_problem = answer.header("content-type").starts_with("application/problem+json");
    must(is_problem && told["type"].is_string(), "it is no problem+json", answer)?;
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    Ok(vec![format!("{} {}", answer.status.as_u16(), text("type")), text("detail")])
}

/// The last request that the portal saw on this path.
fn last_to(stand: &Stand, path: &str) -> Result<WireEntry, String> {
    let log = stand.sim.wire_log();
    log.into_iter().rev().find(|entry| entry.path == path).ok_or_else(|| format!("nothing came to {path}"))
}

fn must(holds: bool, what: &str, answer: &Answer) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what}: {} {}", answer.status.as_u16(), answer.text())) }
}

fn is_envelope(body: &[u8]) -> bool {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    body.starts_with(b"SC\x02") || (json["v"] == 2 && json["p"].is_string())
}

/// A body of the wire log for a terminal: bytes that are no text as hex.
fn printable(body: &str) -> String {
    if body.starts_with("SC\u{2}") {
        return format!("53 43 02 … ({} characters that are no text)", body.chars().count());
    }
    cut(body)
}

/// The beginning of a long text, without what a terminal would obey.
fn cut(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} characters)", &clean[..end], clean.chars().count()),
        None => clean,
    }
}

fn print(digest: [u8; 32]) -> String {
    digest[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "…"
}

fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
