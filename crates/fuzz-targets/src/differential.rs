//! The whole proxy between two readers: the bytes of a client against the bytes that reach the upstream.
//!
//! Client, proxy and upstream share one thread and one runtime, so that no thread waits for another to be woken, and
//! a clock that runs only while all three wait: a pause costs no time, and comes when nothing more can happen.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use http_cases::strict::{self, Read};
use portunus::app;
use portunus::clock::SystemClock;
use portunus::config::{Config, Environment, Inputs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::reference::{self, Asked, End};

/// How long a connection may be quiet before its client hangs up.
const QUIET: Duration = Duration::from_millis(20);
/// Longer inputs only say the same again.
const LONGEST: usize = 4096;
/// Behind every input: what a proxy that has lost its place would take for something else.
const LAST: &[u8] = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
/// How many requests of inputs before are remembered: one that its client gave up may arrive late.
const LATE: usize = 64;

thread_local! {
    static STAND: Stand = Stand::build();
    static BEFORE: RefCell<VecDeque<Asked>> = const { RefCell::new(VecDeque::new()) };
}

/// Every request that reaches the upstream is one that a strict reader takes as it is, and one that the client's
/// bytes ask for: the same method, target and body, no oftener than it was asked for.
pub fn differential(data: &[u8]) {
    // HTTP/2 has no text to read two ways.
    if data.len() > LONGEST || data.starts_with(b"PRI") {
        return;
    }
    let sent = [data, LAST].concat();
    let (asked, end) = reference::requests(&sent);
    let (arrived, unclear) = STAND.with(|stand| stand.talk(&sent, asked.len(), end));
    assert!(unclear.is_empty(), "a strict reader would not take it: {unclear:?}");
    BEFORE.with_borrow_mut(|before| {
        before.extend(asked.iter().cloned());
        for request in arrived {
            match before.iter().rposition(|asked| *asked == request) {
                Some(at) => drop(before.remove(at)),
                None => panic!("nobody asked for {request:?}; asked was {asked:?}"),
            }
        }
        let surplus = before.len().saturating_sub(LATE);
        before.drain(..surplus);
    });
}

/// A proxy on a unix socket, and an upstream that writes down what it gets.
struct Stand {
    runtime: Runtime,
    /// The proxy, the upstream and its connections.
    tasks: LocalSet,
    socket: PathBuf,
    record: Rc<Record>,
}

/// What arrived: what a strict reader takes, and what it does not.
#[derive(Default)]
struct Record(RefCell<(Vec<Asked>, Vec<String>)>);

impl Stand {
    fn build() -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().expect("a runtime");
        let (tasks, record) = (LocalSet::new(), Rc::new(Record::default()));
        let directory = tempfile::tempdir().expect("a directory").keep();
        let socket = directory.join("p.sock");
        let shared = Rc::clone(&record);
        tasks.block_on(&runtime, async {
            let upstream = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = upstream.local_addr().expect("it listens");
            tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = upstream.accept().await {
                    tokio::task::spawn_local(Rc::clone(&shared).serve(stream));
                }
            });
            let text = format!(
                "[listen]\naddresses = []\nunix_socket = {socket:?}\nworkers = 1\n\
                 [upstream]\nurl = \"http://{address}\"\ncontinue_timeout = \"0ms\"\nrepeat_percent = 0\n\
                 [portal]\ndialect = \"plain\"\n[state]\ndir = {state:?}\n[admin]\nenabled = false\n\
                 [[route]]\npath = \"/*\"\nbearer = \"never\"\nprotect = \"plain\"\n",
                state = directory.join("state"),
            );
            let environment = Environment::default();
            let inputs = Inputs { file: None, environment: &environment, flags: &[], unsafe_listen: false };
            let config = Config::from_text(&text, &inputs).unwrap_or_else(|problems| panic!("{problems}"));
            let serving = app::serve_here(&config, &environment, SystemClock::shared()).await;
            tokio::task::spawn_local(serving.expect("the proxy starts"));
        });
        Self { runtime, tasks, socket, record }
    }

    /// Sends all, hears all that comes, and hangs up once nothing more is due. What arrived since the last time.
    fn talk(&self, sent: &[u8], asked: usize, end: End) -> (Vec<Asked>, Vec<String>) {
        self.tasks.block_on(&self.runtime, async {
            let mut stream = UnixStream::connect(&self.socket).await.expect("the proxy listens");
            // What is not taken any more is answered already. A socket has room for all of it.
            let _ = stream.write_all(sent).await;
            let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
            let mut hung_up = false;
            loop {
                if !hung_up && end == End::Within && finals(&heard) >= asked {
                    let _ = stream.shutdown().await;
                    hung_up = true;
                }
                match timeout(QUIET, stream.read(&mut buffer)).await {
                    Ok(Ok(0)) => break,
                    Ok(Ok(n)) => heard.extend_from_slice(&buffer[..n]),
                    Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(Err(_)) | Err(_) if hung_up => break,
                    Ok(Err(_)) | Err(_) => {
                        let _ = stream.shutdown().await;
                        hung_up = true;
                    }
                }
            }
        });
        std::mem::take(&mut self.record.0.borrow_mut())
    }
}

/// How many final answers have come.
fn finals(heard: &[u8]) -> usize {
    heard.windows(10).filter(|ten| ten.starts_with(b"HTTP/1.1 ") && ten[9] != b'1').count()
}

impl Record {
    /// One connection; what is cut off at its end was given up by the client.
    async fn serve(self: Rc<Self>, mut stream: TcpStream) {
        // Of many thousand a second that end, none may hold its port for a minute.
        let _ = stream.set_zero_linger();
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match strict::read(&bytes) {
                Read::Whole(request, used) => {
                    bytes.drain(..used);
                    let answer: &[u8] = match request.method.as_str() {
                        "HEAD" => b"HTTP/1.1 200 OK\r\n\r\n",
                        _ => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                    };
                    let asked = Asked { method: request.method, target: request.target, body: request.body };
                    self.0.borrow_mut().0.push(asked);
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
                Read::Ambiguous(why) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    return self.0.borrow_mut().1.push(format!("{why}: {text:?}"));
                }
                Read::Partial => match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                },
            }
        }
    }
}
