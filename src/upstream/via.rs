//! The way through a forward proxy: one CONNECT (RFC 9110 section 9.3.6), then the portal's bytes and ours.
//!
//! TLS with the portal goes through the tunnel from end to end: the forward proxy sees the portal's name, and nothing
//! of what is said. It gets no header of ours but its own credentials.

use std::fmt;
use std::io;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest head of an answer to CONNECT that is read.
const MAX_HEAD: usize = 16 * 1024;

/// The forward proxy that connections go through.
#[derive(Debug, Clone)]
pub struct Via {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The value of `Proxy-Authorization`, sensitive; none if it asks for none.
    pub authorization: Option<HeaderValue>,
}

/// Why there is no tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViaFault {
    /// Its name does not resolve.
    Unresolved,
    /// Nobody takes a connection there.
    Unreachable,
    /// 407, and there are no credentials to show.
    WantsCredentials,
    /// 407 to those that were shown.
    RefusesCredentials,
    /// Another status than success.
    Refuses(u16),
    /// The connection ended before an answer.
    Ended,
    /// What answers there does not speak HTTP, or says more than it was asked.
    NotAProxy,
}

impl ViaFault {
    /// What a person can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Unresolved | Self::Unreachable => {
                "check upstream.proxy, or HTTPS_PROXY in the environment; upstream.proxy = \"none\" goes without"
            }
            Self::WantsCredentials => "set upstream.proxy_credentials to a source of USER:PASSWORD",
            Self::RefusesCredentials => {
                "check what the source of upstream.proxy_credentials gives: USER:PASSWORD"
            }
            Self::Refuses(403 | 405) => "its rules do not let you reach the portal: ask whoever runs it",
            Self::Refuses(_) => "it cannot reach the portal: check upstream.url, or ask whoever runs it",
            Self::Ended | Self::NotAProxy => {
                "check host and port in upstream.proxy: a proxy for HTTP is meant"
            }
        }
    }
}

impl fmt::Display for ViaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => "its name does not resolve",
            Self::Unreachable => "it takes no connection",
            Self::WantsCredentials => "it asks for credentials (407), and none are configured",
            Self::RefusesCredentials => "it refuses the credentials (407)",
            Self::Refuses(status) => return write!(f, "it answers {status}"),
            Self::Ended => "it ended the connection without an answer",
            Self::NotAProxy => "what answers there is no HTTP proxy",
        })
    }
}

impl Via {
    /// Host and port, for messages.
    pub(super) fn authority(&self) -> String {
        with_port(&self.host, self.port)
    }

    /// Asks for a tunnel to `host` at `port`. What `tcp` carries afterwards is the portal's alone.
    pub(super) async fn open(
        &self,
        tcp: &mut TcpStream,
        host: &str,
        port: u16,
    ) -> Result<(), (ViaFault, io::Error)> {
        let target = with_port(host, port);
        let mut asked = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            asked.extend_from_slice(b"Proxy-Authorization: ");
            asked.extend_from_slice(authorization.as_bytes());
            asked.extend_from_slice(b"\r\n");
        }
        asked.extend_from_slice(b"\r\n");
        let ended = |error| (ViaFault::Ended, error);
        let written = tcp.write_all(&asked).await;
        zeroize::Zeroize::zeroize(&mut asked);
        written.map_err(ended)?;

        let mut head = Vec::with_capacity(512);
        loop {
            match read_head(&head).map_err(|why| (ViaFault::NotAProxy, io::Error::other(why)))? {
                Some(status @ 200..300) => return self.judge(status),
                // An interim answer goes before the one that counts.
                Some(100..200) => head.clear(),
                Some(status) => return self.judge(status),
                None => {}
            }
            if head.len() > MAX_HEAD {
                return Err((ViaFault::NotAProxy, io::Error::other("the head of its answer does not end")));
            }
            if tcp.read_buf(&mut head).await.map_err(ended)? == 0 {
                return Err(ended(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    fn judge(&self, status: u16) -> Result<(), (ViaFault, io::Error)> {
        let fault = match status {
            200..300 => return Ok(()),
            407 if self.authorization.is_none() => ViaFault::WantsCredentials,
            407 => ViaFault::RefusesCredentials,
            status => ViaFault::Refuses(status),
        };
        Err((fault, io::Error::other("the tunnel was refused")))
    }
}

/// The status, once the head is whole. Nothing may follow a tunnel's head before we have spoken: it could only be meant
/// to be taken for the portal's.
fn read_head(bytes: &[u8]) -> Result<Option<u16>, String> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut fields);
    let length = match answer.parse(bytes).map_err(|error| error.to_string())? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let status = answer.code.unwrap_or_default();
    if (200..300).contains(&status) && length < bytes.len() {
        return Err("bytes follow the head of a tunnel".to_owned());
    }
    Ok(Some(status))
}

fn with_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
