//! Runs a case and says what is wrong with what came out at either end.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use crate::cases::{Case, Judge, REQUESTS, RESPONSES, Response, Wanted};
use crate::client::{Answer, Talk, talk};
use crate::upstream::{Record, Upstream};
use crate::weigh::{Sort, Weight, weigh};

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
    pub fault: Option<Fault>,
    /// What was seen, in a few words.
    pub seen: String,
}

impl Outcome {
    fn new(name: String, found: Option<Found>, seen: String) -> Self {
        let fault = found.map(|(sort, what)| Fault { weight: weigh(&name, sort), what });
        Self { name, fault, seen }
    }

    /// The class of the case: `request` or `response`, and the first word of its name.
    pub fn class(&self) -> &str {
        let slash = self.name.find('/').map_or(0, |at| at + 1);
        let end = self.name[slash..].find('-').map_or(self.name.len(), |at| slash + at);
        &self.name[..end]
    }
}

/// What is wrong with how a case went.
#[derive(Debug, Clone)]
pub struct Fault {
    /// In words.
    pub what: String,
    /// How much it weighs.
    pub weight: Weight,
}

type Found = (Sort, String);

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
        let found = judge_request(case, &talk, &record);
        outcomes.push(Outcome::new(format!("request/{}", case.name), found, summary(&talk)));
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

fn judge_request(case: &Case, talk: &Talk, record: &Record) -> Option<Found> {
    let broken = |what: String| Some((Sort::Broken, what));
    let cut = |why: &&String| why.as_str() == "a request cut off";
    if let Some(why) = record.ambiguous.iter().find(|why| !cut(why)) {
        if is_harmless(why) {
            return Some((Sort::Tolerated, format!("not refused: {why} went upstream")));
        }
        return broken(format!("an ambiguous request went upstream: {why}"));
    }
    let own: Vec<_> = record.clear.iter().filter(|request| request.target != "/victim").collect();
    if let Some(smuggled) = own.iter().find(|request| request.target.contains("smuggled")) {
        return broken(format!("a smuggled request went upstream: {} {}", smuggled.method, smuggled.target));
    }
    if !talk.junk.is_empty() {
        // An answer in the form of HTTP/0.9 has no head; that it ends the connection makes it clear.
        let sort = if own.is_empty() && talk.closed { Sort::Silent } else { Sort::Broken };
        return Some((sort, format!("bytes that are no answer: {:?}", String::from_utf8_lossy(&talk.junk))));
    }
    let finals: Vec<&Answer> = talk.answers.iter().filter(|answer| answer.status >= 200).collect();
    let Some(first) = finals.first() else {
        let forward = case.judge == Judge::Forward || !own.is_empty() || !talk.closed;
        let sort = if forward { Sort::Broken } else { Sort::Silent };
        return Some((sort, "closed or silent without an answer".into()));
    };
    let refused = (400..600).contains(&first.status);
    let found = match (case.judge, refused) {
        (Judge::Refuse | Judge::RefuseAndKeep, false) => {
            // What was passed on in place of a refusal is one clear request, or worse than that.
            let sort = if own.len() > 1 { Sort::Broken } else { Sort::Tolerated };
            Some((sort, format!("not refused: {}", summary(talk))))
        }
        (Judge::Refuse | Judge::RefuseAndKeep | Judge::Either, true) if !own.is_empty() => {
            // The upstream's own refusal of what it was given is no refusal by the proxy.
            Some((Sort::Tolerated, format!("refused, yet {} {} went upstream", own[0].method, own[0].target)))
        }
        (Judge::Refuse, true) if !talk.closed => {
            Some((Sort::KeptOpen, "refused, but the connection stays open".into()))
        }
        (Judge::Forward, true) => broken(format!("refused: {}", summary(talk))),
        (Judge::Forward | Judge::Either, false) if own.len() != 1 => {
            broken(format!("forwarded as {} requests", own.len()))
        }
        _ => None,
    };
    let victim = finals.get(1).filter(|victim| victim.status == 200 && victim.body != b"echo /victim");
    let foreign = victim
        .map(|victim| (Sort::Broken, format!("the victim got {:?}", String::from_utf8_lossy(&victim.body))));
    foreign.or(found).or_else(|| own.first().and_then(|request| leaked(case, request)))
}

/// What only a reader as strict as ours stumbles over: control bytes in a value, but for CR, LF and NUL (RFC 9110
/// section 5.5), zeros before a length (section 8.6), and capitals in a coding's name (RFC 9112 section 7).
fn is_harmless(why: &str) -> bool {
    let control = why.starts_with("a control byte") && !why.contains("'\\0'") && !why.contains("'\\r'");
    let length = why.strip_prefix("the length \"").and_then(|rest| rest.strip_suffix('"'));
    let zeros = length.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    control || zeros || why.eq_ignore_ascii_case("framed by [\"chunked\"] and []")
}

/// What of the request must not have reached the upstream, and did; or should have, and did not.
fn leaked(case: &Case, request: &crate::strict::Request) -> Option<Found> {
    let absent = case.absent.iter().find(|name| !request.values(name).is_empty());
    if let Some(name) = absent {
        return Some((Sort::Travelled, format!("the header {name} went upstream")));
    }
    if case.no_trailers && !request.trailers.is_empty() {
        return Some((Sort::Travelled, "trailers went upstream".into()));
    }
    let target = case.target?;
    (request.target != target)
        .then(|| (Sort::Rewritten, format!("the target went upstream as {}", request.target)))
}

fn run_response(target: &Target, response: &Response) -> io::Result<Outcome> {
    let method = if response.name.starts_with("head-") { "HEAD" } else { "GET" };
    let asked = format!("{method} /response/{} HTTP/1.1\r\nHost: {{host}}\r\n\r\n", response.name);
    let first = send(target, &[&asked], &[method])?;
    let after = send(target, &["GET /after HTTP/1.1\r\nHost: {host}\r\n\r\n"], &["GET"])?;
    let poisoned = after.answers.last().is_none_or(|answer| answer.body != b"echo /after");
    let found = if poisoned {
        Some((Sort::Broken, format!("the next request got a foreign answer: {}", summary(&after))))
    } else {
        judge_response(response, &first)
    };
    Ok(Outcome::new(format!("response/{}", response.name), found, summary(&first)))
}

fn judge_response(response: &Response, talk: &Talk) -> Option<Found> {
    let broken = |what: String| Some((Sort::Broken, what));
    if !talk.junk.is_empty() {
        return broken(format!("bytes that are no answer: {:?}", String::from_utf8_lossy(&talk.junk)));
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
        return Some((Sort::Travelled, format!("the header {name} came through")));
    }
    match response.wanted {
        Wanted::Refused if !refused => Some((Sort::Tolerated, format!("not refused: {}", summary(talk)))),
        Wanted::Body(body) if !passed(body) => broken(format!("not passed as it should be: {talk:?}")),
        Wanted::RefusedOr(body) if !refused && !passed(body) => {
            broken(format!("neither refused nor clear: {talk:?}"))
        }
        _ => None,
    }
}
