//! The two ways to the portal held against each other: an exchange of our own for a body at hand, hyper's client for
//! one that streams. Neither the client nor the portal can tell which one a request took.

use std::collections::BTreeSet;

use http_cases::cases::RESPONSES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{status, values};
use crate::plain_world::{Plain, Stage, Started};

/// Answers beyond those of `crates/http-cases`: good ones, in every framing, with all that is cleaned or kept.
const MORE: &[(&str, &str)] = &[
    (
        "many-values",
        "HTTP/1.1 200 OK\r\nX-B: 1\r\nX-A: 1\r\nX-B: 2\r\nX-A: 2\r\nX-B: \r\nContent-Length: 2\r\n\r\nok",
    ),
    ("reason", "HTTP/1.1 404 Nobody Home\r\nContent-Length: 0\r\n\r\n"),
    ("no-reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"),
    ("latin", "HTTP/1.1 200 OK\r\nX-Name: M\u{fc}ller\r\nContent-Length: 2\r\n\r\nok"),
    (
        "trailers",
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
    ),
    ("extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nok\r\n0\r\n\r\n"),
    (
        "gzip",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nETag: \"1\"\r\nVary: Accept-Encoding\r\nContent-Length: 2\r\n\r\nzz",
    ),
    (
        "partial",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/5\r\nETag: \"1\"\r\nContent-Length: 2\r\n\r\nok",
    ),
    ("range", "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n"),
    (
        "cookies",
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Secure\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
    ),
    ("json-until-close", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}"),
    ("old", "HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nok"),
    ("old-kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
    ("moved", "HTTP/1.1 307 Temporary Redirect\r\nLocation: /b?c#d\r\nContent-Length: 0\r\n\r\n"),
    (
        "hints",
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ),
    ("teapot", "HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\nok"),
    ("bare-lf", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    ("folded", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok"),
    ("space-name", "HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok"),
    (
        "close-named",
        "HTTP/1.1 200 OK\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "unauthorized",
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    ),
];

/// A portal that answers each path with its script and closes; and what it was asked.
async fn portal() -> (std::net::SocketAddr, UnboundedReceiver<String>) {
    let mut stage = Stage::open().await;
    let (sender, heads) = tokio::sync::mpsc::unbounded_channel();
    let address = stage.address;
    tokio::spawn(async move {
        loop {
            let stream = stage.next().await;
            tokio::spawn(answer(stream, sender.clone()));
        }
    });
    (address, heads)
}

async fn answer(mut stream: TcpStream, heads: tokio::sync::mpsc::UnboundedSender<String>) {
    let mut seen = Vec::new();
    // All requests here have two bytes of body, framed in one way or the other.
    while !(seen.ends_with(b"\r\n\r\nhi") || seen.ends_with(b"2\r\nhi\r\n0\r\n\r\n")) {
        if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&seen).into_owned();
    let name = text.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let _ = heads.send(text);
    let mut script = RESPONSES.iter().map(|case| (case.name, case.bytes)).chain(MORE.iter().copied());
    let bytes = script.find(|(known, _)| *known == name).map_or("", |(_, bytes)| bytes);
    let _ = stream.write_all(bytes.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// An answer as a client reads it, however it was cut into chunks and whenever it was sent.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    lines: Vec<String>,
    /// None if it broke off.
    pub(super) body: Option<String>,
}

impl Read {
    /// With the fields by name, those of one name in their order: where framing stands among them is each way's own.
    pub(super) fn sorted(mut self) -> Self {
        let fields = self.lines.get_mut(1..).unwrap_or_default();
        fields.sort_by(|one, other| one.split(':').next().cmp(&other.split(':').next()));
        self
    }

    /// Without a field.
    pub(super) fn without(mut self, line: &str) -> Self {
        self.lines.retain(|other| other != line);
        self
    }

    pub(super) fn of(answer: &str, is_head: bool) -> Vec<Self> {
        let mut all = Vec::new();
        let mut rest = answer;
        while let Some((head, after)) = rest.split_once("\r\n\r\n") {
            let lines =
                head.split("\r\n").filter(|line| !line.starts_with("date: ")).map(str::to_owned).collect();
            if head.starts_with("HTTP/1.1 1") {
                // Where a lost answer may be asked for again, so may the interim ones before it come again.
                let interim = Self { lines, body: Some(String::new()) };
                if all.last() != Some(&interim) {
                    all.push(interim);
                }
                rest = after;
                continue;
            }
            let length =
                values(head, "content-length").first().map(|length| length.parse::<usize>().unwrap());
            let body = match length {
                _ if is_head => Some(after.to_owned()),
                Some(length) => (after.len() >= length).then(|| after.to_owned()),
                None if values(head, "transfer-encoding").is_empty() => Some(after.to_owned()),
                None => dechunked(after),
            };
            all.push(Self { lines, body }.without_reasons());
            return all;
        }
        assert!(rest.is_empty(), "{answer:?}");
        all
    }

    /// Of our own problems status and code count: how precisely the fault is named is the parser's doing.
    fn without_reasons(self) -> Self {
        if !self.lines.iter().any(|line| line == "content-type: application/problem+json") {
            return self;
        }
        let code =
            self.body.map(|body| body.split("\"code\":").nth(1).map(str::to_owned).unwrap_or_default());
        let code = code.map(|rest| rest.split(',').next().unwrap().to_owned());
        Self { lines: self.lines[..1].to_vec(), body: code }
    }
}

/// Body and trailers of chunks; none if they do not end.
fn dechunked(mut text: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return rest.ends_with("\r\n").then(|| body + rest);
        }
        body.push_str(rest.get(..size)?);
        text = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}

async fn ask(proxy: &Started, method: &str, name: &str) -> Vec<Read> {
    let head = format!(
        "{method} /{name}\r\nX-Request-Id: the-same-on-both\r\nX-B: 1\r\nX-A: 1\r\nx-b: 2\r\nTE: trailers\r\n\
         Accept-Encoding: br\r\nIf-None-Match: \"1\"\r\nRange: bytes=0-1\r\nContent-Type: text/plain\r\n\
         User-Agent: test\r\nContent-Length: 2"
    );
    Read::of(&proxy.ask(&head, "hi").await, method == "HEAD")
}

#[tokio::test]
async fn neither_client_nor_portal_can_tell_which_way_a_request_took() {
    let (address, mut heads) = portal().await;
    // Two homes, and one and the same client.
    let hash = "client_hash = \"a-client-hash-of-both-0123456789abcdef\"";
    let held = Plain::before(address).with("portal", hash).start().await;
    let streamed =
        Plain::before(address).with("portal", hash).with("limits", "replay_body = 0").start().await;
    let names = RESPONSES.iter().map(|case| case.name).chain(MORE.iter().map(|(name, _)| *name));
    let (mut differ, mut seen) = (Vec::new(), 0);
    for name in names {
        for method in ["POST", "HEAD"] {
            let answers = (ask(&held, method, name).await, heads.recv().await.unwrap());
            // What is lost may be asked for again where it is at hand: the same head once more.
            while heads.try_recv().is_ok() {}
            let (one, head_of_one) = answers;
            let (other, head_of_other) = (ask(&streamed, method, name).await, heads.recv().await.unwrap());
            while heads.try_recv().is_ok() {}
            // hyper drops Transfer-Encoding from an HTTP/1.0 answer to HEAD before anybody sees it; without a body
            // there is nothing to misread. Our own reader refuses it.
            if one != other && (method, name) != ("HEAD", "http10-chunked") {
                differ.push(format!("{method} {name}\n  held     {one:?}\n  streamed {other:?}"));
            }
            let (one, other) = (head_of_one, head_of_other);
            let fields = |head: &str| -> BTreeSet<String> {
                let head = head.split("\r\n\r\n").next().unwrap();
                head.split("\r\n").skip(1).map(str::to_owned).collect()
            };
            assert_eq!(fields(&one), fields(&other), "{method} {name}");
            assert_eq!(one.lines().next(), other.lines().next());
            for head in [&one, &other] {
                assert_eq!(values(head, "x-b"), ["1", "2"], "{head}");
            }
            seen += 1;
        }
    }
    assert!(differ.is_empty(), "{} of {seen} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(seen > 150, "{seen}");
    assert!(held.stop().await && streamed.stop().await);
}

#[tokio::test]
async fn names_are_written_in_small_letters_and_fields_of_one_name_keep_their_order() {
    let (address, mut heads) = portal().await;
    for replay in ["64KiB", "0B"] {
        let limit = format!("replay_body = {replay:?}");
        let proxy = Plain::before(address).with("limits", &limit).start().await;
        let answer =
            proxy.ask("POST /many-values\r\nX-Z: 1\r\nX-Y: 1\r\nX-Z: 2\r\nContent-Length: 2", "hi").await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert_eq!((values(&answer, "x-b"), values(&answer, "x-a")), (vec!["1", "2", ""], vec!["1", "2"]));
        let head = heads.recv().await.unwrap();
        assert_eq!((values(&head, "x-z"), values(&head, "x-y")), (vec!["1", "2"], vec!["1"]));
        for head in [answer.split("\r\n\r\n").next().unwrap(), head.split("\r\n\r\n").next().unwrap()] {
            let mut names = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
            assert!(names.all(|(name, _)| name == name.to_lowercase()), "{head}");
        }
        assert!(proxy.stop().await);
    }
}
