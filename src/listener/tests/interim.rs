//! Interim answers: before the answer they belong to, whole, and never anywhere else.

use http::HeaderMap;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// `/hints/COUNT/ID/SIZE`: that many hints that name `ID`, sent as a connection to a portal would from a task of its
/// own; then `SIZE` bytes. On the way it tries to send hints for every request that was answered before.
pub(super) async fn hints(echo: &Echo, path: &str, interim: Interim) -> Response<Boxed> {
    let mut parts = path.split('/').skip(2).map(|part| part.parse::<usize>().unwrap());
    let (count, id, size) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let named = |name: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-hint", HeaderValue::from_str(name).unwrap());
        headers
    };
    let past = std::mem::take(&mut *echo.past.lock().unwrap());
    let (own, other) = (interim.clone(), named("somebody else's"));
    let telling = tokio::spawn(async move {
        for number in 0..count {
            own.send(StatusCode::EARLY_HINTS, &named(&id.to_string()));
            past.iter().for_each(|past| past.send(StatusCode::EARLY_HINTS, &other));
            for _ in 0..(id + number) % 3 {
                tokio::task::yield_now().await;
            }
        }
    });
    telling.await.unwrap();
    echo.past.lock().unwrap().push(interim);
    text(vec![b'a' + u8::try_from(id % 26).unwrap(); size])
}

/// One message as it came: its status, whose hint it is, its body.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    status: u16,
    hint: Option<usize>,
    body: Vec<u8>,
}

/// Cuts everything that came into messages; a byte that belongs to none is a failure.
fn messages(mut bytes: &[u8], is_head: impl Fn(usize) -> bool) -> Vec<Message> {
    let mut found: Vec<Message> = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head ends");
        let head = str::from_utf8(&bytes[..end]).unwrap();
        let status = head.strip_prefix("HTTP/1.").unwrap()[2..5].parse().unwrap();
        let value = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)).map(|v| v.parse::<usize>().expect(head))
        };
        let finals = found.iter().filter(|message| message.status >= 200).count();
        let length = match status {
            100..200 => 0,
            _ if is_head(finals) => 0,
            _ => value("content-length: ").expect(head),
        };
        let body = &bytes[end + 4..][..length];
        found.push(Message { status, hint: value("x-hint: "), body: body.to_vec() });
        bytes = &bytes[end + 4 + length..];
    }
    found
}

async fn ask(server: &Server, request: &str) -> String {
    let mut client = server.connect().await;
    send(&mut client, request).await;
    rest(&mut client).await
}

#[tokio::test]
async fn hints_come_before_their_answer_even_if_it_follows_at_once() {
    let server = Server::start(Settings::default());
    let seen = ask(&server, "GET /hints/3/0/2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let hint = "HTTP/1.1 103 Early Hints\r\nx-hint: 0\r\n\r\n";
    assert!(seen.starts_with(&format!("{hint}{hint}{hint}HTTP/1.1 200 OK\r\n")), "{seen}");
    assert!(seen.ends_with("\r\n\r\naa"), "{seen}");
    let head = ask(&server, "HEAD /hints/1/0/2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(head.starts_with(&format!("{hint}HTTP/1.1 200 OK\r\n")) && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn a_client_of_http10_gets_none_and_of_others_as_many_as_the_limit() {
    let server = Server::start(Settings { max_interim: 2, ..Settings::default() });
    let old = ask(&server, "GET /hints/3/0/2 HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 OK\r\n"), "{old}");
    for sent in [2, 3] {
        let request = format!("GET /hints/{sent}/0/2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert_eq!(ask(&server, &request).await.matches("103 Early Hints").count(), 2);
    }
    let server = Server::start(Settings { max_interim: 0, ..Settings::default() });
    let none = ask(&server, "GET /hints/3/0/2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(none.starts_with("HTTP/1.1 200 OK\r\n"), "{none}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_gets_its_answers_whole_once_it_does() {
    let server = Server::start(Settings::default());
    let mut client = server.connect().await;
    // More than the sockets hold, with hints in between that may find no room.
    let requests: String = (0..60)
        .map(|id| {
            let close = if id == 59 { "connection: close\r\n" } else { "" };
            format!("GET /hints/2/{id}/200000 HTTP/1.1\r\nhost: a\r\n{close}\r\n")
        })
        .collect();
    send(&mut client, requests).await;
    let calls = || server.echo.calls.load(Ordering::SeqCst);
    let mut before = 0;
    while before == 0 || before < calls() {
        before = calls();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(before < 60, "a client that reads nothing is not served without end");
    let mut bytes = Vec::new();
    timeout(DEADLINE, client.read_to_end(&mut bytes)).await.unwrap().unwrap();
    check(&bytes, &(0..60).map(|id| Asked { id, hints: 2, size: 200_000, head: false }).collect::<Vec<_>>());
}

struct Asked {
    id: usize,
    hints: usize,
    size: usize,
    head: bool,
}

/// The answers in their order, each with hints of its own only; gives how many hints there were.
fn check(bytes: &[u8], asked: &[Asked]) -> usize {
    let mut answered = 0;
    let (mut here, mut all) = (0, 0);
    for message in messages(bytes, |number| asked[number].head) {
        let current = &asked[answered];
        match message.status {
            103 => {
                assert_eq!(message.hint, Some(current.id), "a hint of another request");
                here += 1;
            }
            200 => {
                assert!(here <= current.hints, "more hints than there were");
                let length = if current.head { 0 } else { current.size };
                let letter = b'a' + u8::try_from(current.id % 26).unwrap();
                assert!(message.body == vec![letter; length], "another body than {}'s", current.id);
                (answered, all, here) = (answered + 1, all + here, 0);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!((answered, here), (asked.len(), 0));
    all
}

#[tokio::test]
async fn no_pipeline_and_no_way_of_reading_it_splits_or_reorders_anything() {
    let server = Server::start(Settings::default());
    let (mut wanted, mut came) = (0, 0);
    for seed in 0..150 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut requests = Vec::new();
        let asked: Vec<_> = (0..random.random_range(1..12))
            .map(|id| Asked {
                id,
                hints: random.random_range(0..4),
                size: [0, 3, 5_000, 90_000][random.random_range(0..4)],
                head: random.random_bool(0.2),
            })
            .collect();
        for (index, Asked { id, hints, size, head }) in asked.iter().enumerate() {
            let method = if *head { "HEAD" } else { "POST" };
            let last = if index + 1 == asked.len() { "connection: close\r\n" } else { "" };
            let body = "b".repeat(random.random_range(0..40));
            let length = body.len();
            requests.extend_from_slice(
                format!(
                    "{method} /hints/{hints}/{id}/{size} HTTP/1.1\r\nhost: a\r\n{last}content-length: \
                     {length}\r\n\r\n{body}"
                )
                .as_bytes(),
            );
        }
        let (mut reads, mut writes) = server.connect().await.into_split();
        let pieces: Vec<Vec<u8>> = requests.chunks(random.random_range(1..400)).map(<[u8]>::to_vec).collect();
        let writing = tokio::spawn(async move {
            for piece in pieces {
                writes.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            writes
        });
        let mut bytes = Vec::new();
        let mut buffer = vec![0; random.random_range(1..20_000)];
        loop {
            if random.random_bool(0.1) {
                tokio::time::sleep(Duration::from_micros(random.random_range(0..500))).await;
            }
            match timeout(DEADLINE, reads.read(&mut buffer)).await.expect("the connection goes on") {
                Ok(0) | Err(_) => break,
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            }
        }
        drop(writing.await.unwrap());
        came += check(&bytes, &asked);
        wanted += asked.iter().map(|asked| asked.hints).sum::<usize>();
    }
    assert!(came * 10 >= wanted * 9, "of {wanted} hints {came} came through");
}
