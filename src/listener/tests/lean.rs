//! The plain case, read and written without hyper, beside hyper's way: the client must not be able to tell.

use std::collections::BTreeMap;

use hyper::ext::ReasonPhrase;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// The kinds of answers that `/answers/KIND` gives.
const KINDS: [&str; 13] = [
    "full",
    "empty",
    "streamed",
    "streamed-empty",
    "streamed-sized",
    "large",
    "no-content",
    "not-modified",
    "reason",
    "closing",
    "short",
    "long",
    "broken",
];

fn frames(frames: Vec<Result<&'static str, std::io::Error>>) -> Boxed {
    let frames = frames.into_iter().map(|data| data.map(|data| Frame::data(Bytes::from(data))));
    // Each comes in a turn of its own, as from a portal.
    let later = futures_util::StreamExt::then(futures_util::stream::iter(frames), async |frame| {
        tokio::task::yield_now().await;
        frame
    });
    StreamBody::new(Box::pin(later)).boxed_unsync()
}

pub(super) fn answer(path: &str) -> Response<Boxed> {
    let kind = path.strip_prefix("/answers/").unwrap();
    let mut answer = match kind {
        "full" | "reason" | "closing" => text("hello"),
        "empty" => text(""),
        "streamed" => Response::new(frames(vec![Ok("one, "), Ok(""), Ok("two, "), Ok("three")])),
        "streamed-empty" => Response::new(frames(vec![])),
        "streamed-sized" | "short" | "long" => Response::new(frames(vec![Ok("12345"), Ok("67890")])),
        "large" => text(vec![b'x'; 3 << 20]),
        "no-content" | "not-modified" => text(""),
        "broken" => Response::new(frames(vec![Ok("some of it"), Err(std::io::Error::other("gone"))])),
        _ => panic!("no such kind"),
    };
    let length = match kind {
        "streamed-sized" => Some("10"),
        "short" => Some("11"),
        "long" => Some("7"),
        "not-modified" => Some("1234"),
        _ => None,
    };
    let headers = answer.headers_mut();
    headers.append("x-twice", HeaderValue::from_static("a"));
    headers.append("x-twice", HeaderValue::from_static("b"));
    if let Some(length) = length {
        headers.insert("content-length", HeaderValue::from_static(length));
    }
    match kind {
        "closing" => drop(headers.insert("connection", HeaderValue::from_static("close"))),
        "no-content" => *answer.status_mut() = StatusCode::NO_CONTENT,
        "not-modified" => *answer.status_mut() = StatusCode::NOT_MODIFIED,
        "reason" => drop(answer.extensions_mut().insert(ReasonPhrase::from_static(b"Quite Fine"))),
        _ => {}
    }
    answer
}

/// Everything that comes back for one request, and whether the connection served another one afterwards.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    status: String,
    fields: BTreeMap<String, Vec<String>>,
    content: String,
    went_on: bool,
}

async fn ask(server: &Server, method: &str, kind: &str, more: &str) -> Heard {
    let mut client = server.connect().await;
    let asked = format!(
        "{method} /answers/{kind} HTTP/1.1\r\nhost: a\r\n{more}\r\nGET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    );
    send(&mut client, asked).await;
    let all = rest(&mut client).await;
    let (head, rest) = all.split_once("\r\n\r\n").expect("a head comes");
    let (status, lines) = head.split_once("\r\n").unwrap();
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines.split("\r\n") {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "date" {
            assert!(httpdate::parse_http_date(value).is_ok(), "{value}");
        } else {
            fields.entry(name.to_owned()).or_default().push(value.to_owned());
        }
    }
    let (content, went_on) = match rest.rsplit_once("HTTP/1.1 200 OK\r\n") {
        Some((content, last)) => (content, last.ends_with("/last")),
        None => (rest, false),
    };
    Heard { status: status.to_owned(), fields, content: content.to_owned(), went_on }
}

/// Only hyper reads a request with this field.
const FOR_HYPER: &str = "trailer: x-none\r\n";

#[tokio::test]
async fn both_ways_answer_alike() {
    let server = Server::start(Settings::default());
    for kind in KINDS {
        for method in ["GET", "HEAD", "POST"] {
            let mut ours = ask(&server, method, kind, "").await;
            let mut hypers = ask(&server, method, kind, FOR_HYPER).await;
            match kind {
                // What the portal says of the content that it does not send is the client's to know (RFC 9110
                // section 15.4.5); hyper takes it away.
                "not-modified" if method != "HEAD" => {
                    assert_eq!(ours.fields.remove("content-length").unwrap(), ["1234"]);
                }
                // Both break off; ours after what there was.
                "short" if method != "HEAD" => {
                    assert_eq!(ours.content, "1234567890");
                    hypers.content = ours.content.clone();
                }
                // hyper cuts off what is too much.
                "long" if method != "HEAD" => {
                    assert_eq!((ours.content.as_str(), ours.went_on), ("12345", false));
                    continue;
                }
                _ => {}
            }
            assert_eq!(ours, hypers, "{method} {kind}");
        }
    }
    wait_for(|| server.limits.in_flight() == 0).await;
}

#[tokio::test]
async fn requests_for_either_way_share_a_connection_however_they_are_cut() {
    let server = Server::start(Settings::default());
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..60 {
        let mut all = Vec::new();
        let mut expected = Vec::new();
        for number in 0..random.random_range(1..8) {
            let size = random.random_range(0..3000);
            let body = "b".repeat(size);
            let (request, answer) = match random.random_range(0..5) {
                0 => (format!("GET /n{number} HTTP/1.1\r\nhost: a\r\n\r\n"), format!("/n{number}")),
                1 => (
                    format!("POST /length HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n{body}"),
                    size.to_string(),
                ),
                2 => (
                    format!(
                        "POST /length HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}x\r\n0\r\n\r\n",
                        size + 1
                    ),
                    (size + 1).to_string(),
                ),
                3 => {
                    (format!("GET /n{number} HTTP/1.1\r\nhost: a\r\n{FOR_HYPER}\r\n"), format!("/n{number}"))
                }
                _ => (
                    format!("PUT /length HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{body}"),
                    size.to_string(),
                ),
            };
            all.extend_from_slice(request.as_bytes());
            expected.push(answer);
        }
        let mut client = server.connect().await;
        client.set_nodelay(true).unwrap();
        let (mut from, mut to) = client.split();
        let most = random.random_range(1..6000);
        let sending = async {
            for piece in all.chunks(most) {
                send(&mut to, piece).await;
                tokio::task::yield_now().await;
            }
        };
        let hearing = async {
            for expected in &expected {
                let heard = super::answer(&mut from).await;
                assert_eq!(heard.split_once("\r\n\r\n").unwrap().1, expected, "{heard}");
            }
        };
        tokio::join!(sending, hearing);
    }
}

#[tokio::test]
async fn a_long_answer_comes_whole_to_a_client_that_reads_in_bits() {
    let server = Server::start(Settings::default());
    let mut client = server.connect().await;
    send(&mut client, "GET /answers/large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let mut random = StdRng::seed_from_u64(3);
    let mut all = Vec::new();
    loop {
        let mut bit = vec![0; random.random_range(1..200_000)];
        match timeout(DEADLINE, client.read(&mut bit)).await.unwrap().unwrap() {
            0 => break,
            n => all.extend_from_slice(&bit[..n]),
        }
        tokio::task::yield_now().await;
    }
    let text = String::from_utf8(all).unwrap();
    let (head, content) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 3145728"), "{head}");
    assert!(content.len() == 3 << 20 && content.bytes().all(|b| b == b'x'));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_ends_its_request_at_once() {
    let server = Server::start(Settings::default());
    for more in ["", FOR_HYPER] {
        let mut client = server.connect().await;
        send(&mut client, format!("GET /wait HTTP/1.1\r\nhost: a\r\n{more}\r\n")).await;
        wait_for(|| server.limits.in_flight() == 1).await;
        drop(client);
        wait_for(|| server.limits.in_flight() == 0).await;
    }
}
