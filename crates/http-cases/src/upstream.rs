//! The upstream behind the proxy: records the raw bytes of each connection, answers by script.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cases::{RESPONSES, Response};
use crate::strict::{Read, Request, read};

/// What arrived since the last look.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Requests that a strict reader takes as they are.
    pub(crate) clear: Vec<Request>,
    /// Why a strict reader would not.
    pub(crate) ambiguous: Vec<String>,
}

/// The recording upstream. It runs until the process ends.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    record: Arc<Mutex<Record>>,
}

impl Upstream {
    pub(crate) fn serve(listener: TcpListener) -> Self {
        let upstream = Self { record: Arc::default() };
        let shared = upstream.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let upstream = shared.clone();
                std::thread::spawn(move || upstream.serve_one(stream));
            }
        });
        upstream
    }

    /// Takes what was recorded so far.
    pub(crate) fn take(&self) -> Record {
        std::mem::take(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, f: impl FnOnce(&mut Record)) {
        f(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One connection; an unreadable request ends it, as a strict server would.
    fn serve_one(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            match read(&bytes) {
                Read::Whole(request, used) => {
                    bytes.drain(..used);
                    let answer = answer_to(&request);
                    self.note(|record| record.clear.push(request));
                    if stream.write_all(&answer.bytes).is_err() || answer.close {
                        let _ = stream.shutdown(std::net::Shutdown::Both);
                        return;
                    }
                }
                Read::Ambiguous(why) => {
                    self.note(|record| record.ambiguous.push(why));
                    let _ = stream.write_all(
                        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    );
                    return;
                }
                Read::Partial => match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => {
                        if bytes.iter().any(|b| !b.is_ascii_whitespace()) {
                            self.note(|record| record.ambiguous.push("a request cut off".into()));
                        }
                        return;
                    }
                    Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                },
            }
        }
    }
}

struct Answer {
    bytes: Vec<u8>,
    close: bool,
}

/// `/response/NAME` gets the scripted bytes; anything else an echo of its target, so that a swapped answer shows.
fn answer_to(request: &Request) -> Answer {
    let path = request.target.split('?').next().unwrap_or_default();
    if let Some(name) = path.strip_prefix("/response/")
        && let Some(Response { bytes, .. }) = RESPONSES.iter().find(|response| response.name == name)
    {
        return Answer { bytes: bytes.as_bytes().to_vec(), close: true };
    }
    let body = if request.method == "HEAD" { String::new() } else { format!("echo {}", request.target) };
    let length = format!("echo {}", request.target).len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
    Answer { bytes: (head + &body).into_bytes(), close: false }
}
