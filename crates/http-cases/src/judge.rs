//! Runs a case and says what is wrong with what came out at either end.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use crate::cases::{Case, Judge, REQUESTS, RESPONSES, Response, Wanted};
use crate::client::{Answer, Talk, talk};
use crate::upstream::{Record, Upstream};

/// How long a connection may be quiet before the talk is taken to be over.
const QUIET: Duration = Duration::from_millis(400);
const VICTIM: &str = "GET /victim HTTP/1.1\r\nHost: {host}\r\n\r\n";

/// The proxy under test, and the upstream it forwards to.
#[derive(Debug)]
pub struct Target {
    /// Where the proxy listens.
    pub address: String,
    /// The `Host` it accepts.
    pub host: String,
    /// Where the proxy expects its upstream.
    pub upstream: TcpListener,
}

/// How one case went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The case.
    pub name: String,
    /// What is wrong, if anything.
    pub fault: Option<String>,
    /// What was seen, in a few words.
    pub seen: String,
}

/// Runs every case whose name contains `only`, shared out among `targets`: proxies alike, each with an upstream
/// of its own, so that their records do not mix.
///
/// # Errors
/// If an upstream cannot be used, a proxy cannot be reached, or one does not forward an innocent request.
pub fn run(targets: &[Target], only: &str) -> io::Result<Vec<Outcome>> {
    let step = targets.len().max(1);
    std::thread::scope(|scope| {
        let begin = |(first, target)| scope.spawn(move || run_share(target, only, first, step));
        let running: Vec<_> = targets.iter().enumerate().map(begin).collect();
        let mut outcomes = Vec::new();
        for share in running {
            outcomes.extend(share.join().map_err(|_| io::Error::other("a run broke off"))??);
        }
        Ok(outcomes)
    })
}

/// Every `step`th case from the `first`.
fn run_share(target: &Target, only: &str, first: usize, step: usize) -> io::Result<Vec<Outcome>> {
    let upstream = Upstream::serve(target.upstream.try_clone()?);
    let hello = send(target, &["GET /hello HTTP/1.1\r\nHost: {host}\r\n\r\n"], &["GET"])?;
    if hello.answers.first().is_none_or(|answer| answer.body != b"echo /hello") {
        return Err(io::Error::other(format!("an innocent request is not forwarded: {hello:?}")));
    }
    upstream.take();
    let mut outcomes = Vec::new();
    for case in REQUESTS.iter().filter(|case| case.name.contains(only)).skip(first).step_by(step) {
        let talk = send(target, &[case.bytes, VICTIM], &[case.method(), "GET"])?;
        // A proxy that gives up on a body tells its upstream a moment after it told the client.
        std::thread::sleep(Duration::from_millis(20));
        let record = upstream.take();
        outcomes.push(Outcome {
            name: format!("request/{}", case.name),
            fault: judge_request(case, &talk, &record),
            seen: summary(&talk),
        });
    }
    for response in RESPONSES.iter().filter(|response| response.name.contains(only)).skip(first).step_by(step)
    {
        outcomes.push(run_response(target, response)?);
        upstream.take();
    }
    Ok(outcomes)
}

fn send(target: &Target, parts: &[&str], methods: &[&str]) -> io::Result<Talk> {
    let filled: Vec<String> = parts.iter().map(|part| part.replace("{host}", &target.host)).collect();
    let bytes: Vec<&[u8]> = filled.iter().map(String::as_bytes).collect();
    talk(&target.address, &bytes, methods, QUIET)
}

fn summary(talk: &Talk) -> String {
    let statuses: Vec<String> = talk.answers.iter().map(|answer| answer.status.to_string()).collect();
    format!("answered [{}]{}", statuses.join(", "), if talk.closed { ", closed" } else { "" })
}

fn judge_request(case: &Case, talk: &Talk, record: &Record) -> Option<String> {
    let cut = |why: &&String| why.as_str() == "a request cut off";
    if let Some(why) = record.ambiguous.iter().find(|why| !cut(why)) {
        return Some(format!("an ambiguous request went upstream: {why}"));
    }
    if !talk.junk.is_empty() {
        return Some(format!("bytes that are no answer: {:?}", String::from_utf8_lossy(&talk.junk)));
    }
    let own: Vec<_> = record.clear.iter().filter(|request| request.target != "/victim").collect();
    if let Some(smuggled) = own.iter().find(|request| request.target.contains("smuggled")) {
        return Some(format!("a smuggled request went upstream: {} {}", smuggled.method, smuggled.target));
    }
    let finals: Vec<&Answer> = talk.answers.iter().filter(|answer| answer.status >= 200).collect();
    let Some(first) = finals.first() else {
        return Some("closed or silent without an answer".into());
    };
    let refused = (400..600).contains(&first.status);
    let fault = match (case.judge, refused) {
        (Judge::Refuse, false) => Some(format!("not refused: {}", summary(talk))),
        (Judge::Refuse, true) if !talk.closed => Some("refused, but the connection stays open".into()),
        (Judge::Refuse | Judge::RefuseAndKeep | Judge::Either, true) if !own.is_empty() => {
            Some(format!("refused, yet {} {} went upstream", own[0].method, own[0].target))
        }
        (Judge::RefuseAndKeep, false) => Some(format!("not refused: {}", summary(talk))),
        (Judge::Forward, true) => Some(format!("refused: {}", summary(talk))),
        (Judge::Forward | Judge::Either, false) if own.len() != 1 => {
            Some(format!("forwarded as {} requests", own.len()))
        }
        _ => None,
    };
    fault.or_else(|| own.first().and_then(|request| leaked(case, request))).or_else(|| {
        let victim = finals.get(1)?;
        (victim.status == 200 && victim.body != b"echo /victim")
            .then(|| format!("the victim got {:?}", String::from_utf8_lossy(&victim.body)))
    })
}

/// What of the request must not have reached the upstream, and did; or should have, and did not.
fn leaked(case: &Case, request: &crate::strict::Request) -> Option<String> {
    let absent = case.absent.iter().find(|name| !request.values(name).is_empty());
    if let Some(name) = absent {
        return Some(format!("the header {name} went upstream"));
    }
    if case.no_trailers && !request.trailers.is_empty() {
        return Some("trailers went upstream".into());
    }
    let target = case.target?;
    (request.target != target).then(|| format!("the target went upstream as {}", request.target))
}

fn run_response(target: &Target, response: &Response) -> io::Result<Outcome> {
    let method = if response.name.starts_with("head-") { "HEAD" } else { "GET" };
    let asked = format!("{method} /response/{} HTTP/1.1\r\nHost: {{host}}\r\n\r\n", response.name);
    let first = send(target, &[&asked], &[method])?;
    let after = send(target, &["GET /after HTTP/1.1\r\nHost: {host}\r\n\r\n"], &["GET"])?;
    let poisoned = after.answers.last().is_none_or(|answer| answer.body != b"echo /after");
    let fault = if poisoned {
        Some(format!("the next request got a foreign answer: {}", summary(&after)))
    } else {
        judge_response(response, &first)
    };
    Ok(Outcome { name: format!("response/{}", response.name), fault, seen: summary(&first) })
}

fn judge_response(response: &Response, talk: &Talk) -> Option<String> {
    if !talk.junk.is_empty() {
        return Some(format!("bytes that are no answer: {:?}", String::from_utf8_lossy(&talk.junk)));
    }
    let last = talk.answers.iter().rfind(|answer| answer.status >= 200);
    let refused = last.is_none_or(|answer| answer.status == 502 || !answer.complete);
    let passed = |wanted: &str| {
        last.is_some_and(|answer| answer.complete && answer.status < 400 && answer.body == wanted.as_bytes())
    };
    if let (Some(answer), false) = (last, refused)
        && let Some((name, _)) =
            answer.headers.iter().find(|(name, _)| response.absent.contains(&name.as_str()))
    {
        return Some(format!("the header {name} came through"));
    }
    match response.wanted {
        Wanted::Refused if !refused => Some(format!("not refused: {}", summary(talk))),
        Wanted::Body(body) if !passed(body) => Some(format!("not passed as it should be: {talk:?}")),
        Wanted::RefusedOr(body) if !refused && !passed(body) => {
            Some(format!("neither refused nor clear: {talk:?}"))
        }
        _ => None,
    }
}
