//! A portal that answers at once: one thread for each connection, no more parsing than it takes to count.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{IDENTITY, Job};

/// It lives until the process ends.
#[derive(Debug)]
pub struct Upstream {
    port: u16,
    wrong: Arc<AtomicU64>,
}

impl Upstream {
    /// Starts answering `job`.
    ///
    /// # Errors
    /// If there is no port.
    pub fn start(job: Job) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let wrong = Arc::new(AtomicU64::new(0));
        let (answer, seen) = (Arc::new(written(job)), Arc::clone(&wrong));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, wrong) = (Arc::clone(&answer), Arc::clone(&seen));
                // The proxy's own end closes the connection; that is no fault of a bench.
                thread::spawn(move || drop(serve(stream, job, &answer, &wrong)));
            }
        });
        Ok(Self { port, wrong })
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many requests lacked a header of the identity, or were not sealed where they had to be.
    pub fn wrong(&self) -> u64 {
        self.wrong.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: TcpStream, job: Job, answer: &[u8], wrong: &AtomicU64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    let expected = Job::expected();
    loop {
        let head = loop {
            if let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            filled += more(&mut stream, &mut buffer[filled..])?;
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length: usize = text
            .split("\r\ncontent-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.parse().ok())
            .unwrap_or(0);
        while filled < head + length {
            filled += more(&mut stream, &mut buffer[filled..])?;
        }
        let is_sealed = buffer[head..].starts_with(br#"{"v":2,"p":""#);
        let lacks = expected.iter().any(|line| !text.contains(line.as_str()));
        if lacks || is_sealed != (job == Job::Sealed) {
            wrong.fetch_add(1, Ordering::Relaxed);
        }
        stream.write_all(answer)?;
        buffer.copy_within(head + length..filled, 0);
        filled -= head + length;
    }
}

fn more(stream: &mut TcpStream, free: &mut [u8]) -> io::Result<usize> {
    match stream.read(free)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

/// The answer, head and body, as it goes over the wire.
fn written(job: Job) -> Vec<u8> {
    let body = match job {
        Job::Get | Job::Post => job.answer(),
        Job::Sealed => sealed(&job.answer()),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// As the portal seals: `{"v":2,"p":base64(iv || ciphertext || tag)}` (PROTOCOL section 4).
fn sealed(plain: &[u8]) -> Vec<u8> {
    let iv = [7; 12];
    let Ok(text) = Aes256Gcm::new(&IDENTITY.key.into()).encrypt(&Nonce::from(iv), plain) else {
        unreachable!("200 bytes are not too many for AES-GCM")
    };
    format!(r#"{{"v":2,"p":"{}"}}"#, STANDARD.encode([&iv[..], &text].concat())).into_bytes()
}
