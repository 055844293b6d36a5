//! The whole proxy between two readers: the bytes of a client against the bytes that reach the upstream.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use http_cases::strict::{self, Read};
use portunus::app;
use portunus::clock::SystemClock;
use portunus::config::{Config, Environment, Inputs};

use crate::reference::{self, Asked, End};

/// How long a connection may be quiet before its client hangs up.
const QUIET: Duration = Duration::from_millis(20);
/// Longer inputs only say the same again.
const LONGEST: usize = 4096;
/// Behind every input: what a proxy that has lost its place would take for something else.
const LAST: &[u8] = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

static STAND: LazyLock<Stand> = LazyLock::new(Stand::build);
/// What the inputs before asked for: a request that its client gave up may arrive late.
static BEFORE: Mutex<VecDeque<Asked>> = Mutex::new(VecDeque::new());
/// How many requests back.
const LATE: usize = 64;

/// Every request that reaches the upstream is one that a strict reader takes as it is, and one that the client's
/// bytes ask for: the same method, target and body, no oftener than it was asked for.
pub fn differential(data: &[u8]) {
    // HTTP/2 has no text to read two ways.
    if data.len() > LONGEST || data.starts_with(b"PRI") {
        return;
    }
    let sent = [data, LAST].concat();
    let (asked, end) = reference::requests(&sent);
    STAND.talk(&sent, asked.len(), end);
    let (arrived, unclear) = STAND.take();
    assert!(unclear.is_empty(), "a strict reader would not take it: {unclear:?}");
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    before.extend(asked.iter().cloned());
    for request in arrived {
        match before.iter().rposition(|asked| *asked == request) {
            Some(at) => drop(before.remove(at)),
            None => panic!("nobody asked for {request:?}; asked was {asked:?}"),
        }
    }
    let surplus = before.len().saturating_sub(LATE);
    before.drain(..surplus);
}

/// A proxy on a unix socket, and an upstream that writes down what it gets.
struct Stand {
    socket: PathBuf,
    record: Arc<Record>,
}

#[derive(Default)]
struct Record(Mutex<(Vec<Asked>, Vec<String>)>);

impl Stand {
    fn build() -> Self {
        let record = Arc::new(Record::default());
        let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = upstream.local_addr().expect("it listens");
        let shared = Arc::clone(&record);
        std::thread::spawn(move || {
            for stream in upstream.incoming().flatten() {
                let record = Arc::clone(&shared);
                std::thread::spawn(move || record.serve(stream));
            }
        });
        let directory = tempfile::tempdir().expect("a directory").keep();
        let socket = directory.join("p.sock");
        let text = format!(
            "[listen]\naddresses = []\nunix_socket = {socket:?}\nworkers = 1\n\
             [upstream]\nurl = \"http://{address}\"\ncontinue_timeout = \"0ms\"\nrepeat_percent = 0\n\
             [portal]\ndialect = \"plain\"\n[state]\ndir = {state:?}\n[admin]\nenabled = false\n\
             [[route]]\npath = \"/*\"\nbearer = \"never\"\nprotect = \"plain\"\n",
            state = directory.join("state"),
        );
        let (ready, started) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let environment = Environment::default();
                let inputs =
                    Inputs { file: None, environment: &environment, flags: &[], unsafe_listen: false };
                let config =
                    Config::from_text(&text, &inputs).unwrap_or_else(|problems| panic!("{problems}"));
                let running = app::start(&config, &environment, None, SystemClock::shared()).await;
                let running = running.expect("the proxy starts");
                let _ = ready.send(());
                std::future::pending::<()>().await;
                drop(running);
            });
        });
        started.recv().expect("the proxy starts");
        Self { socket, record }
    }

    /// Sends all, hears all that comes, and hangs up once nothing more is due.
    fn talk(&self, sent: &[u8], asked: usize, end: End) {
        let mut stream = UnixStream::connect(&self.socket).expect("the proxy listens");
        stream.set_read_timeout(Some(QUIET)).expect("a timeout");
        // What is not taken any more is answered already.
        let _ = stream.write_all(sent);
        let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
        let mut hung_up = false;
        loop {
            if !hung_up && end == End::Within && finals(&heard) >= asked {
                let _ = stream.shutdown(std::net::Shutdown::Write);
                hung_up = true;
            }
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => heard.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) if hung_up => return,
                Err(_) => {
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                    hung_up = true;
                }
            }
        }
    }

    fn take(&self) -> (Vec<Asked>, Vec<String>) {
        std::mem::take(&mut self.record.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How many final answers have come.
fn finals(heard: &[u8]) -> usize {
    heard.windows(10).filter(|ten| ten.starts_with(b"HTTP/1.1 ") && ten[9] != b'1').count()
}

impl Record {
    /// One connection; what is cut off at its end was given up by the client.
    fn serve(&self, mut stream: TcpStream) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        loop {
            match strict::read(&bytes) {
                Read::Whole(request, used) => {
                    bytes.drain(..used);
                    let length = if request.method == "HEAD" { "" } else { "content-length: 0\r\n" };
                    let asked = Asked { method: request.method, target: request.target, body: request.body };
                    self.note(|(clear, _)| clear.push(asked));
                    if stream.write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes()).is_err() {
                        return;
                    }
                }
                Read::Ambiguous(why) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    return self.note(|(_, unclear)| unclear.push(format!("{why}: {text:?}")));
                }
                Read::Partial => match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => return,
                    Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                },
            }
        }
    }

    fn note(&self, change: impl FnOnce(&mut (Vec<Asked>, Vec<String>))) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
