//! The other end: what the command line says to a running proxy, and how it fails.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::problem::Problem;
use super::report::{FactorName, IdentityReport, StatusReport};
use super::socket::{admits, own_uid};
use crate::secret::{Expose, OneTimeCode, Password};

/// How long a running proxy may take to accept.
const CONNECT_TIME: Duration = Duration::from_secs(3);

/// How long a question that the proxy answers by itself may take.
const QUICK_TIME: Duration = Duration::from_secs(5);

/// How long one may take for which the proxy asks the portal, several calls deep.
const PORTAL_TIME: Duration = Duration::from_secs(120);

/// The largest answer that is read, in bytes.
const ANSWER_MAX: usize = 1024 * 1024;

/// Room for the longest request: an address of 255 and a password of 128 characters, all escaped.
const BODY_ROOM: usize = 4 * 1024;

/// Speaks to the admin socket of a running proxy; one connection for each call.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    quick: Duration,
}

/// What to sign in with; absent parts are taken from the proxy's configuration.
#[derive(Debug, Clone, Default)]
pub struct LoginRequest {
    /// Which identity, where there are several.
    pub identity: Option<String>,
    /// The account.
    pub email: Option<String>,
    /// Its password.
    pub password: Option<Password>,
    /// Which factor.
    pub mfa: Option<FactorName>,
    /// Whether the second factor is taken from the configured source of backup codes.
    pub use_backup_code: bool,
}

#[derive(Serialize)]
struct LoginBody<'a> {
    identity: Option<&'a str>,
    email: Option<&'a str>,
    password: Option<&'a str>,
    mfa: Option<FactorName>,
    use_backup_code: bool,
}

#[derive(Serialize)]
struct CodeBody<'a> {
    identity: Option<&'a str>,
    code: &'a str,
}

/// Why the running proxy did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no portunus is running here: no socket at {}", .0.display())]
    NoSocket(PathBuf),
    /// A socket is left over from a process that is gone.
    #[error("no portunus is running here: nobody answers on {}", .0.display())]
    NobodyAnswers(PathBuf),
    /// Another user's proxy.
    #[error("the admin socket {} belongs to another user", .0.display())]
    Denied(PathBuf),
    /// The process behind the socket is another user's: no password is given to it.
    #[error("the process behind {} runs as uid {uid}, not as this user", .path.display())]
    ForeignServer {
        /// The socket.
        path: PathBuf,
        /// Whose process.
        uid: u32,
    },
    /// It did not answer in time.
    #[error("the running portunus did not answer within {} s", .0.as_secs_f64())]
    TooSlow(Duration),
    /// The connection failed.
    #[error("the connection to the running portunus failed")]
    Io(#[source] io::Error),
    /// What came is no answer of ours.
    #[error("the answer of the running portunus is not understood: {0}")]
    NotUnderstood(&'static str),
    /// It refused, and says why.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
}

impl ClientError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSocket(_) | Self::NobodyAnswers(_) => Some(
                "start it with `portunus run`; if it runs elsewhere, name its socket: `--socket PATH`".into(),
            ),
            Self::Denied(_) | Self::ForeignServer { .. } => {
                Some("run this as the user that runs the proxy, or name your own: `--socket PATH`".into())
            }
            Self::TooSlow(_) => Some("see what the proxy logs; it may be stopped or overloaded".into()),
            Self::NotUnderstood(_) => Some("is it the same version? compare `portunus --version`".into()),
            Self::Io(_) => None,
            Self::Refused(problem) => problem.hint.clone(),
        }
    }
}

impl Client {
    /// Speaks to the proxy behind this socket. Nothing is connected yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), quick: QUICK_TIME }
    }

    /// The same with another patience for questions that the proxy answers by itself.
    #[must_use]
    pub fn with_patience(self, quick: Duration) -> Self {
        Self { quick, ..self }
    }

    /// Where every identity stands.
    ///
    /// # Errors
    /// If no proxy answers.
    pub async fn status(&self) -> Result<StatusReport, ClientError> {
        read(&self.status_json().await?)
    }

    /// The same as the API's own JSON.
    ///
    /// # Errors
    /// If no proxy answers.
    pub async fn status_json(&self) -> Result<Bytes, ClientError> {
        self.call(Method::GET, "/v1/status", Bytes::new(), self.quick).await
    }

    /// Signs in; the report says whether a code is awaited.
    ///
    /// # Errors
    /// If no proxy answers, or it could not sign in.
    pub async fn login(&self, login: &LoginRequest) -> Result<IdentityReport, ClientError> {
        let body = LoginBody {
            identity: login.identity.as_deref(),
            email: login.email.as_deref(),
            password: login.password.as_ref().map(password_text),
            mfa: login.mfa,
            use_backup_code: login.use_backup_code,
        };
        self.post("/v1/login", &body).await
    }

    /// Answers the pending challenge.
    ///
    /// # Errors
    /// If no proxy answers, or there is still no login.
    pub async fn answer(
        &self,
        identity: Option<&str>,
        code: &OneTimeCode,
    ) -> Result<IdentityReport, ClientError> {
        self.post("/v1/login/code", &CodeBody { identity, code: code_text(code) }).await
    }

    /// Has the code sent again, or by another factor.
    ///
    /// # Errors
    /// If no proxy answers, or no code was sent.
    pub async fn resend(
        &self,
        identity: Option<&str>,
        by: Option<FactorName>,
    ) -> Result<IdentityReport, ClientError> {
        self.post("/v1/login/resend", &serde_json::json!({ "identity": identity, "by": by })).await
    }

    /// Signs out.
    ///
    /// # Errors
    /// If no proxy answers, or the portal could not be told.
    pub async fn logout(&self, identity: Option<&str>) -> Result<IdentityReport, ClientError> {
        self.post("/v1/logout", &serde_json::json!({ "identity": identity })).await
    }

    /// One of the endpoints about the account, as they are listed on top of this room; its answer as JSON.
    /// Without a body where the endpoint takes none.
    ///
    /// # Errors
    /// If no proxy answers, or the portal did not do it.
    pub async fn account(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + ?Sized)>,
    ) -> Result<serde_json::Value, ClientError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_ROOM));
        if let Some(body) = body {
            serde_json::to_writer(&mut *bytes, body)
                .map_err(|_| ClientError::NotUnderstood("the request"))?;
        }
        read(&self.call(method, path, Bytes::from_owner(bytes), PORTAL_TIME).await?)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        // There may be a password in it: one buffer that does not grow, wiped when the last user is done.
        let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_ROOM));
        serde_json::to_writer(&mut *bytes, body).map_err(|_| ClientError::NotUnderstood("the request"))?;
        read(&self.call(Method::POST, path, Bytes::from_owner(bytes), PORTAL_TIME).await?)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        time: Duration,
    ) -> Result<Bytes, ClientError> {
        let stream = within(CONNECT_TIME.min(time), connect(&self.socket)).await?;
        within(time, exchange(stream, method, path, body)).await
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ClientError::NoSocket(socket.to_owned()),
        io::ErrorKind::ConnectionRefused => ClientError::NobodyAnswers(socket.to_owned()),
        io::ErrorKind::PermissionDenied => ClientError::Denied(socket.to_owned()),
        _ => ClientError::Io(error),
    })?;
    let peer = stream.peer_cred().map_err(ClientError::Io)?;
    if !admits(peer.uid(), own_uid()) {
        return Err(ClientError::ForeignServer { path: socket.to_owned(), uid: peer.uid() });
    }
    Ok(stream)
}

async fn exchange(stream: UnixStream, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "portunus")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|_| ClientError::NotUnderstood("the request"))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        collect(response).await
    };
    tokio::pin!(connection, answer);
    // The connection is driven here, not by a task: it ends with the call.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended.map_err(broken)?;
            answer.await
        }
    }
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    let body = body.map_err(|_| ClientError::NotUnderstood("its body broke off or is too large"))?.to_bytes();
    if matches!(status, StatusCode::OK | StatusCode::ACCEPTED) {
        return Ok(body);
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
        Err(_) => Err(ClientError::NotUnderstood("an error without a problem")),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|_| ClientError::NotUnderstood("its fields"))
}

fn broken(error: hyper::Error) -> ClientError {
    ClientError::Io(io::Error::other(error))
}

async fn within<T>(
    time: Duration,
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(time, call).await.unwrap_or(Err(ClientError::TooSlow(time)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the password goes to the user's own proxy, over a checked socket"
)]
fn password_text(password: &Password) -> &str {
    password.expose()
}

#[expect(clippy::disallowed_methods, reason = "the code goes to the user's own proxy, over a checked socket")]
fn code_text(code: &OneTimeCode) -> &str {
    code.expose()
}
