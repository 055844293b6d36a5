//! A client of one connection.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer takes, under valgrind too.
const PATIENCE: Duration = Duration::from_secs(60);

/// One keep-alive connection, and one kind of request on it.
#[derive(Debug)]
pub struct Caller {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    buffer: Vec<u8>,
}

impl Caller {
    /// Connects to `port` on loopback.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn connect(port: u16, request: Vec<u8>, answer: Vec<u8>) -> io::Result<Self> {
        let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, request, answer, buffer: vec![0; 16 * 1024] })
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// If the connection ends, or the answer is not a 200 with the body that is due.
    pub fn ask(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.request)?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, self.seen(filled)));
            }
            filled += read;
            // The bodies are of known content: an answer is whole when it ends with the one that is due.
            if self.buffer[..filled].ends_with(&self.answer) {
                break;
            }
            if filled == self.buffer.len() || self.is_another(filled) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, self.seen(filled)));
            }
        }
        match self.buffer.starts_with(b"HTTP/1.1 200 ") {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, self.seen(filled))),
        }
    }

    /// Whether what came so far cannot be the beginning of the answer that is due.
    fn is_another(&self, filled: usize) -> bool {
        let due = b"HTTP/1.1 200 ";
        !self.buffer[..filled].starts_with(&due[..due.len().min(filled)])
    }

    fn seen(&self, filled: usize) -> String {
        format!("an unexpected answer: {:?}", String::from_utf8_lossy(&self.buffer[..filled]))
    }
}
