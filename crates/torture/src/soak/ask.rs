//! What is asked, and what the answer must be to the last byte.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use rand::RngExt;
use serde_json::{Value, json};

use super::client::Answer;

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    id: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// A small document.
    Item(u64),
    /// A plain POST, whose body comes back.
    Plain,
    /// A sealed POST, whose body comes back.
    Sealed,
    /// So many bytes.
    Download(u64),
    /// So many events.
    Events(u64),
}

/// What an answer is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The portal's own answer, whole and right; a 503 that it sent counts, if `busy`.
    Portals {
        /// It is a 503.
        busy: bool,
    },
    /// No answer of the portal's; which one instead.
    Lost(String),
    /// An answer that looks good and is not.
    Wrong(String),
}

/// The ids of requests that must not be processed twice begin with this.
pub(super) const ONCE: &str = "once-";

impl Ask {
    /// The one of this number: of a hundred, 60 small GETs, 20 plain POSTs, 17 sealed ones, 2 downloads and an
    /// event stream.
    pub(super) fn draw(number: u64, longest_download: u64) -> Self {
        let mut rng = rand::rng();
        let what = match rng.random_range(0..100) {
            0..60 => What::Item(rng.random_range(0..1000)),
            60..80 => What::Plain,
            80..97 => What::Sealed,
            97..99 => What::Download(rng.random_range(1..=longest_download)),
            _ => What::Events(rng.random_range(1..6)),
        };
        let prefix = if matches!(what, What::Plain | What::Sealed) { ONCE } else { "often-" };
        Self { id: format!("{prefix}{number:08}"), what }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.what {
            What::Item(_) => "GET",
            What::Plain => "POST",
            What::Sealed => "sealed POST",
            What::Download(_) => "download",
            What::Events(_) => "events",
        }
    }

    /// Whether it may be processed twice.
    pub(super) fn is_idempotent(&self) -> bool {
        !self.id.starts_with(ONCE)
    }

    pub(super) fn request(&self) -> Request<Full<Bytes>> {
        let (method, path) = match &self.what {
            What::Item(id) => (Method::GET, format!("items/{id}")),
            What::Plain => (Method::POST, "echo".to_owned()),
            What::Sealed => (Method::POST, "transfer".to_owned()),
            What::Download(bytes) => (Method::GET, format!("download?bytes={bytes}")),
            What::Events(count) => (Method::GET, format!("events?count={count}&interval_ms=20")),
        };
        let body = if self.is_idempotent() { Bytes::new() } else { self.body() };
        Request::builder()
            .method(method)
            .uri(format!("/web/v1/tenant/{path}"))
            .header("x-request-id", &self.id)
            .header("content-type", "application/json")
            .body(Full::new(body))
            .expect("a request")
    }

    fn body(&self) -> Bytes {
        json!({ "order": self.id, "fill": "x".repeat(self.id.len() * 7 % 400) }).to_string().into()
    }

    pub(super) fn judge(&self, answer: Result<Answer, String>) -> Verdict {
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return Verdict::Lost(why),
        };
        if answer.headers.get("x-request-id").is_none_or(|id| id != self.id.as_str()) {
            return Verdict::Wrong("another request's id".to_owned());
        }
        match answer.status {
            StatusCode::OK => match self.is_right(&answer) {
                true => Verdict::Portals { busy: false },
                false => Verdict::Wrong(shown(&answer)),
            },
            StatusCode::SERVICE_UNAVAILABLE if !answer.is_a_problem() => match json_of(&answer)["success"] {
                Value::Bool(false) => Verdict::Portals { busy: true },
                _ => Verdict::Wrong(shown(&answer)),
            },
            status => {
                let code = json_of(&answer)["type"].as_str().unwrap_or("the portal's own").to_owned();
                Verdict::Lost(format!("{} {code}", status.as_u16()))
            }
        }
    }

    fn is_right(&self, answer: &Answer) -> bool {
        let data = || json_of(answer)["data"].clone();
        match &self.what {
            What::Item(id) => {
                data() == json!({ "id": id, "name": format!("item {id}"), "amount": id * 7 % 1000 })
            }
            What::Plain | What::Sealed => {
                let data = data();
                data["body"].as_str().is_some_and(|body| body.as_bytes() == self.body())
                    && data["timesProcessed"] == 1
                    && data["sealed"] == (self.what == What::Sealed)
            }
            What::Download(bytes) => {
                answer.body.len() as u64 == *bytes
                    && answer.body.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251)
            }
            What::Events(count) => {
                let event = |n| format!("id: {n}\nevent: tick\ndata: {{\"n\":{n}}}\n\n");
                answer.body == (0..*count).map(event).collect::<String>()
            }
        }
    }
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn shown(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]);
    format!("{} of {} bytes: {body}", answer.status, answer.body.len())
}
