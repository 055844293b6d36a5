//! The raw client: writes bytes, reads answers until the connection ends or goes quiet.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long the first byte of an answer may take.
const FIRST: Duration = Duration::from_secs(3);

/// One answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body ended as its framing says.
    pub(crate) complete: bool,
}

/// Everything that came back on one connection.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) answers: Vec<Answer>,
    /// The proxy closed the connection.
    pub(crate) closed: bool,
    /// Bytes that are no HTTP/1.1 answer.
    pub(crate) junk: Vec<u8>,
}

/// Sends `parts` with a short pause between, and reads until the connection is closed or quiet.
pub(crate) fn talk(address: &str, parts: &[&[u8]], methods: &[&str], quiet: Duration) -> io::Result<Talk> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            std::thread::sleep(Duration::from_millis(30));
        }
        if stream.write_all(part).is_err() {
            break;
        }
    }
    let mut bytes = Vec::new();
    let mut closed = false;
    let mut buffer = [0; 16 * 1024];
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        // A busy machine may take its time to begin.
        stream.set_read_timeout(Some(if bytes.is_empty() { FIRST } else { quiet }))?;
        match stream.read(&mut buffer) {
            Ok(0) => {
                closed = true;
                break;
            }
            Ok(n) => {
                bytes.extend_from_slice(&buffer[..n]);
                // Every request has its answer: nothing more is to be waited for.
                let (answers, junk) = split(&bytes, methods, false);
                let finals = answers.iter().filter(|answer| answer.status >= 200 && answer.complete).count();
                if finals >= methods.len() && junk.is_empty() && methods.len() > 1 {
                    break;
                }
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break,
            Err(_) => {
                closed = true;
                break;
            }
        }
    }
    let (answers, junk) = split(&bytes, methods, closed);
    Ok(Talk { answers, closed, junk })
}

/// Cuts the bytes into answers; `methods` says which of them answer a HEAD.
fn split(mut bytes: &[u8], methods: &[&str], closed: bool) -> (Vec<Answer>, Vec<u8>) {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let finals = answers.iter().filter(|answer: &&Answer| answer.status >= 200).count();
        let head_only = methods.get(finals).is_some_and(|method| *method == "HEAD");
        match one(bytes, head_only, closed) {
            Some((answer, used)) => {
                answers.push(answer);
                bytes = &bytes[used..];
            }
            None => return (answers, bytes.to_vec()),
        }
    }
    (answers, Vec::new())
}

fn one(bytes: &[u8], head_only: bool, closed: bool) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let rest = &bytes[end + 4..];
    let (body, used, complete) = if head_only || status < 200 || status == 204 || status == 304 {
        (Vec::new(), 0, true)
    } else if value("transfer-encoding").is_some() {
        dechunk(rest)
    } else if let Some(length) = value("content-length") {
        let length: usize = length.parse().ok()?;
        let taken = length.min(rest.len());
        (rest[..taken].to_vec(), taken, rest.len() >= length)
    } else {
        (rest.to_vec(), rest.len(), closed)
    };
    Some((Answer { status, headers: headers.clone(), body, complete }, end + 4 + used))
}

fn dechunk(bytes: &[u8]) -> (Vec<u8>, usize, bool) {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(end) = bytes[at..].windows(2).position(|w| w == b"\r\n") else {
            return (body, bytes.len(), false);
        };
        let line = String::from_utf8_lossy(&bytes[at..at + end]).into_owned();
        let Ok(size) = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16) else {
            return (body, bytes.len(), false);
        };
        at += end + 2;
        if size == 0 {
            // Trailers end at an empty line.
            return match bytes[at..].windows(2).position(|w| w == b"\r\n") {
                Some(0) => (body, at + 2, true),
                Some(_) => match bytes[at..].windows(4).position(|w| w == b"\r\n\r\n") {
                    Some(end) => (body, at + end + 4, true),
                    None => (body, bytes.len(), false),
                },
                None => (body, bytes.len(), false),
            };
        }
        if bytes.len() < at + size + 2 {
            return (body, bytes.len(), false);
        }
        body.extend_from_slice(&bytes[at..at + size]);
        at += size + 2;
    }
}
