//! What is asked for, over and over.

use crate::{IDENTITY, Identity};

/// The bytes of a JSON document of the load's POST.
const POST_BYTES: usize = 1024;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Job {
    /// GET, answered by 200 bytes of JSON.
    Get,
    /// POST of 1 KiB of JSON, passed through.
    Post,
    /// The same, sealed on the way up, its answer opened on the way down.
    Sealed,
}

impl Job {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Get, Self::Post, Self::Sealed];

    /// Its name, as in `ceilings.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Sealed => "sealed",
        }
    }

    /// The request as a client writes it to the proxy at `port`.
    pub fn request(self, port: u16) -> Vec<u8> {
        let head = |method: &str, path: &str, more: &str| {
            format!(
                "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: bench/1\r\nAccept: */*\r\n{more}\r\n"
            )
        };
        match self {
            Self::Get => head("GET", "/v1/items?id=42", "").into_bytes(),
            Self::Post | Self::Sealed => {
                let body = json(POST_BYTES);
                let more = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
                let mut request = head("POST", "/v1/items", &more).into_bytes();
                request.extend_from_slice(&body);
                request
            }
        }
    }

    /// The body of the answer, as the client has to see it.
    pub fn answer(self) -> Vec<u8> {
        json(200)
    }

    /// What the portal has to find in each request's head, in lower case.
    pub(crate) fn expected() -> [String; 3] {
        let Identity { access_code, client_hash, bearer, .. } = IDENTITY;
        [
            format!("\r\nx-portal-access-code: {access_code}\r\n"),
            format!("\r\nx-client-hash: {client_hash}\r\n"),
            format!("\r\nauthorization: bearer {}\r\n", bearer.to_ascii_lowercase()),
        ]
    }
}

/// An object of exactly `length` bytes.
fn json(length: usize) -> Vec<u8> {
    let frame = br#"{"data":""}"#.len();
    format!(r#"{{"data":"{}"}}"#, "x".repeat(length - frame)).into_bytes()
}
