//! Request to response: one `match`, no socket.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::account;
use super::explain::{Cause, Explained};
use super::login::{CodeBody, EMAIL_MAX, LoginBody, LogoutBody, ResendBody, parse};
use super::metrics::{self, Metric, MetricKind, Sample};
use super::problem::Problem;
use super::report::State;
use super::sign_in::Phase;
use super::state::{AdminState, Identity};
use super::{events, server::Limits};
use crate::account::Ask;
use crate::session::SessionError;

/// What every endpoint answers with.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers one request. Always an answer; never a secret in it.
pub(super) async fn answer<B>(state: &AdminState, limits: &Limits, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display>,
{
    let (parts, body) = request.into_parts();
    let body = Unread { body, limits, is_json: says_json(&parts.headers) };
    let outcome = match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/v1/status") => Ok(json(StatusCode::OK, &state.report())),
        (&Method::GET, "/v1/events") => subscribe(state),
        (&Method::POST, "/v1/login") => login(state, body).await,
        (&Method::POST, "/v1/login/code") => code(state, body).await,
        (&Method::POST, "/v1/login/resend") => resend(state, body).await,
        (&Method::POST, "/v1/logout") => logout(state, body).await,
        (&Method::GET, "/v1/healthz") => Ok(text("live\n")),
        (&Method::GET, "/v1/readyz") => ready(state, parts.uri.query()),
        (&Method::GET, "/metrics") => Ok(exposition(state)),
        (&Method::POST, "/v1/shutdown") => Ok(shutdown(state)),
        (_, "/v1/status" | "/v1/events" | "/v1/healthz" | "/v1/readyz" | "/metrics") => {
            Err(wrong_method("GET"))
        }
        (_, "/v1/login" | "/v1/login/code" | "/v1/login/resend" | "/v1/logout" | "/v1/shutdown") => {
            Err(wrong_method("POST"))
        }
        (method, path) => of_the_account(state, method, path, parts.uri.query(), body).await,
    };
    outcome.unwrap_or_else(Refusal::into_response)
}

async fn login<B>(state: &AdminState, body: Unread<'_, B>) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display>,
{
    let body: LoginBody = body.json().await?;
    let identity = state.identity(body.identity.as_deref())?;
    let by_backup_code = body.use_backup_code;
    let credentials = body.credentials(identity)?;
    identity.left.store(false, Ordering::Relaxed);
    let signed_in = if by_backup_code {
        identity.session.sign_in_by_backup_code(credentials).await
    } else {
        identity.session.sign_in(credentials).await
    };
    match signed_in {
        Ok(()) => Ok(json(StatusCode::OK, &identity.report(state.0.clock.wall()))),
        // Not an error to who asked for a login: it is half done.
        Err(SessionError::CodeRequired { .. }) => {
            Ok(json(StatusCode::ACCEPTED, &identity.report(state.0.clock.wall())))
        }
        Err(error) => Err(Refusal::from(Explained::from(&error))),
    }
}

async fn code<B>(state: &AdminState, body: Unread<'_, B>) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display>,
{
    let body: CodeBody = body.json().await?;
    let identity = state.identity(body.identity.as_deref())?;
    identity.challenged()?;
    identity.session.answer(body.code).await.map_err(|error| Explained::from(&error))?;
    Ok(json(StatusCode::OK, &identity.report(state.0.clock.wall())))
}

async fn resend<B>(state: &AdminState, body: Unread<'_, B>) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display>,
{
    let body: ResendBody = body.json().await?;
    let identity = state.identity(body.identity.as_deref())?;
    identity.challenged()?;
    identity.session.send_code(body.by.map(Into::into)).await.map_err(|error| Explained::from(&error))?;
    Ok(json(StatusCode::OK, &identity.report(state.0.clock.wall())))
}

async fn logout<B>(state: &AdminState, body: Unread<'_, B>) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display>,
{
    let body: LogoutBody = body.json().await?;
    let identity = state.identity(body.identity.as_deref())?;
    // Whatever the portal says to it: here it is over.
    identity.left.store(true, Ordering::Relaxed);
    identity.session.sign_out().await.map_err(|error| Explained::from(&error))?;
    Ok(json(StatusCode::OK, &identity.report(state.0.clock.wall())))
}

/// What is asked about the account. `?identity=NAME` names one where there is no body.
async fn of_the_account<B>(
    state: &AdminState,
    method: &Method,
    path: &str,
    query: Option<&str>,
    body: Unread<'_, B>,
) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display>,
{
    let now = state.0.clock.wall();
    let named = || state.identity(query.and_then(named_in));
    let of = |name: &Option<String>| state.identity(name.as_deref());
    let told = match (method, path) {
        (&Method::GET, "/v1/account/profile") => named()?.ask(Ask::Profile).await,
        (&Method::GET, "/v1/account/sessions") => named()?.ask(Ask::Sessions).await,
        (&Method::GET, "/v1/account/mfa") => named()?.ask(Ask::Factors).await,
        (&Method::GET, "/v1/account/backup-codes") => named()?.ask(Ask::BackupCodes).await,
        (&Method::GET, "/v1/register") => named()?.registration(now),
        (&Method::DELETE, "/v1/account/sessions") => named()?.ask(Ask::TerminateOthers).await,
        (&Method::DELETE, path) if path.starts_with(SESSION) && path.len() > SESSION.len() => {
            let id = account::text_of(&path[SESSION.len()..])
                .ok_or_else(|| Explained::new(Cause::BadRequest, "the id in the path is not text"))?;
            named()?.ask(Ask::Terminate(id)).await
        }
        (&Method::POST, "/v1/account/otp/setup") => {
            let body: account::Nothing = body.json().await?;
            of(&body.identity)?.ask(Ask::SetUpOtp).await
        }
        (&Method::POST, "/v1/account/otp/verify") => {
            let body: account::CodeOnly = body.json().await?;
            of(&body.identity)?.ask(Ask::VerifyOtp(body.code)).await
        }
        (&Method::POST, "/v1/password/forgot") => {
            let body: account::Forgot = body.json().await?;
            let email = account::checked(body.email, "email", EMAIL_MAX)?;
            of(&body.identity)?.ask(Ask::ForgotPassword { email, turnstile: body.turnstile_token }).await
        }
        (&Method::POST, "/v1/password/reset") => {
            let body: account::Reset = body.json().await?;
            let ask = Ask::ResetPassword { token: body.token, new: body.new_password };
            of(&body.identity)?.ask(ask).await
        }
        (&Method::POST, "/v1/password/init") => {
            let body: account::Init = body.json().await?;
            of(&body.identity)?.init_password(body.new_password, now).await
        }
        (&Method::POST, "/v1/password/change") => {
            let body: account::Change = body.json().await?;
            of(&body.identity)?.change_password(body).await
        }
        (&Method::POST, "/v1/register/initiate") => {
            let body: account::Register = body.json().await?;
            of(&body.identity)?.register(body, now).await
        }
        (&Method::POST, "/v1/register/send") => {
            let body: account::Nothing = body.json().await?;
            of(&body.identity)?.send_registration_code(now).await
        }
        (&Method::POST, "/v1/register/verify") => {
            let body: account::CodeOnly = body.json().await?;
            of(&body.identity)?.verify_registration(body.code, now).await
        }
        (&Method::POST, "/v1/register/complete") => {
            let body: account::Complete = body.json().await?;
            of(&body.identity)?.complete_registration(body.new_password, now).await
        }
        (_, "/v1/account/sessions") => return Err(wrong_method("GET, DELETE")),
        (_, "/v1/account/profile" | "/v1/account/mfa" | "/v1/account/backup-codes" | "/v1/register") => {
            return Err(wrong_method("GET"));
        }
        (_, path) if POSTED.contains(&path) => return Err(wrong_method("POST")),
        (_, path) if path.starts_with(SESSION) && path.len() > SESSION.len() => {
            return Err(wrong_method("DELETE"));
        }
        _ => return Err(Explained::new(Cause::NotFound, "there is no such endpoint").into()),
    };
    Ok(json(StatusCode::OK, &told?))
}

/// Whom a query names.
fn named_in(query: &str) -> Option<&str> {
    query.strip_prefix("identity=")
}

/// What one of our sign-ins stands under.
const SESSION: &str = "/v1/account/sessions/";

const POSTED: [&str; 10] = [
    "/v1/account/otp/setup",
    "/v1/account/otp/verify",
    "/v1/password/forgot",
    "/v1/password/reset",
    "/v1/password/init",
    "/v1/password/change",
    "/v1/register/initiate",
    "/v1/register/send",
    "/v1/register/verify",
    "/v1/register/complete",
];

fn subscribe(state: &AdminState) -> Result<Response<Body>, Refusal> {
    let Ok(permit) = Arc::clone(&state.0.subscribers).try_acquire_owned() else {
        let max = events::MAX_SUBSCRIBERS;
        return Err(Explained::new(Cause::TooManySubscribers, format!("{max} listen already")).into());
    };
    Ok(typed(StatusCode::OK, "text/event-stream", events::stream(state.clone(), permit)))
}

/// Whether everybody can serve; with `?identity=NAME`, that one.
fn ready(state: &AdminState, query: Option<&str>) -> Result<Response<Body>, Refusal> {
    let identities = match query.and_then(named_in) {
        Some(name) => vec![state.identity(Some(name))?.report(state.0.clock.wall())],
        None => state.report().identities,
    };
    let Some(missing) = identities.iter().find(|identity| !identity.ready) else {
        return Ok(text("ready\n"));
    };
    let mut problem = match (&missing.error, missing.state) {
        (Some(error), _) => Problem::new(error.code, error.text.clone()),
        (None, State::AwaitingCode) => Problem::new(Cause::MfaRequired, "the login waits for a code"),
        (None, State::SignedOut) if missing.account.password => {
            Problem::new(Cause::SignedOut, "signed out by a person, and stays so until asked")
        }
        (None, State::SignedOut | State::Opening | State::SignedIn | State::Failed) => {
            Problem::new(Cause::SignInRequired, "nobody is signed in, and no password is configured")
        }
    };
    problem.detail = format!("identity {}: {}", missing.identity, problem.detail);
    problem.status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
    Err(Refusal { problem: Box::new(problem), allow: None })
}

fn exposition(state: &AdminState) -> Response<Body> {
    let mut all = own_metrics(state);
    all.extend((state.0.metrics)());
    typed(StatusCode::OK, metrics::CONTENT_TYPE, full(metrics::render(&all)))
}

/// What the admin API knows by itself.
fn own_metrics(state: &AdminState) -> Vec<Metric> {
    let report = state.report();
    let signed_in = |identity: &super::report::IdentityReport| {
        let is = f64::from(u8::from(identity.state == State::SignedIn));
        Sample::number(is).with("identity", identity.identity.clone())
    };
    vec![
        Metric {
            name: "portunus_build",
            help: "The version that runs.",
            kind: MetricKind::Info,
            samples: vec![Sample::number(1.0).with("version", report.version.clone())],
        },
        Metric {
            name: "portunus_signed_in",
            help: "1 while the identity is signed in.",
            kind: MetricKind::Gauge,
            samples: report.identities.iter().map(signed_in).collect(),
        },
    ]
}

fn shutdown(state: &AdminState) -> Response<Body> {
    (state.0.shutdown)();
    json(StatusCode::ACCEPTED, &serde_json::json!({ "shutting_down": true }))
}

impl AdminState {
    /// The identity named, or the only one.
    fn identity(&self, name: Option<&str>) -> Result<&Identity, Explained> {
        let all = &self.0.identities;
        match (name, all.as_slice()) {
            (Some(name), _) => all.iter().find(|identity| identity.name.as_str() == name).ok_or_else(|| {
                Explained::new(
                    Cause::UnknownIdentity,
                    format!("there is no such identity; there is {}", self.names()),
                )
            }),
            (None, [only]) => Ok(only),
            (None, _) => Err(Explained::new(
                Cause::IdentityRequired,
                format!("several identities are configured: {}", self.names()),
            )),
        }
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.0.identities.iter().map(|identity| identity.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl Identity {
    /// A code without a challenge is refused here, so that it is never kept for a later one.
    fn challenged(&self) -> Result<(), Explained> {
        match self.session.standing().phase {
            Phase::AwaitingCode(_) => Ok(()),
            Phase::SignedOut | Phase::Opening | Phase::SignedIn { .. } | Phase::Failed(_) => {
                Err(Explained::new(Cause::NoChallenge, "no code is awaited"))
            }
        }
    }
}

/// A body not yet collected, and what it may cost.
struct Unread<'a, B> {
    body: B,
    limits: &'a Limits,
    /// Whether its head does not say otherwise.
    is_json: bool,
}

impl<B> Unread<'_, B>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display>,
{
    async fn json<T: DeserializeOwned>(self) -> Result<T, Explained> {
        if !self.is_json && !self.body.is_end_stream() {
            return Err(Explained::new(Cause::UnsupportedMediaType, "the body is not application/json"));
        }
        let Limits { body, body_time, .. } = *self.limits;
        let collected = tokio::time::timeout(body_time, self.collect(body)).await;
        parse(&collected.map_err(|_elapsed| {
            Explained::new(
                Cause::ClientBodyTimeout,
                format!("the body took longer than {}", seconds(body_time)),
            )
        })??)
    }

    /// At most `max` bytes, wiped when dropped: there may be a password among them.
    async fn collect(self, max: usize) -> Result<Zeroizing<Vec<u8>>, Explained> {
        let mut body = std::pin::pin!(self.body);
        // The whole room at once: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(max));
        while let Some(frame) = body.frame().await {
            let frame = frame
                .map_err(|error| Explained::new(Cause::BadRequest, format!("the body broke off: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > max - bytes.len() {
                return Err(Explained::new(
                    Cause::BodyTooLarge,
                    format!("a body here is at most {max} bytes"),
                ));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }
}

/// Whether a body with these headers is JSON: one without a type is taken for it (RFC 9110 section 8.3).
fn says_json(headers: &HeaderMap) -> bool {
    let is_json = |kind: &HeaderValue| {
        let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(JSON.as_bytes())
    };
    headers.get_all(header::CONTENT_TYPE).iter().all(is_json)
}

const JSON: &str = "application/json";

/// A problem on its way out.
struct Refusal {
    problem: Box<Problem>,
    allow: Option<&'static str>,
}

impl Refusal {
    fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(status, &*self.problem);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(header::ACCEPT, HeaderValue::from_static(JSON));
        }
        if let Some(wait) = self.problem.retry_after {
            headers.insert(header::RETRY_AFTER, wait.into());
        }
        response
    }
}

impl From<Explained> for Refusal {
    fn from(explained: Explained) -> Self {
        Self { problem: Box::new(explained.into()), allow: None }
    }
}

fn wrong_method(allow: &'static str) -> Refusal {
    let problem = Problem::new(Cause::MethodNotAllowed, format!("this endpoint takes {allow}"));
    Refusal { problem: Box::new(problem), allow: Some(allow) }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // The reports hold strings and numbers only, which always serialize.
    typed(status, JSON, full(serde_json::to_vec(value).unwrap_or_default()))
}

fn text(line: &'static str) -> Response<Body> {
    typed(StatusCode::OK, "text/plain; charset=utf-8", full(line))
}

fn typed(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}
