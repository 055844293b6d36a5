//! The simulator's handle over HTTP, for the binary. It has no lock on its door: bind it to loopback.
//!
//! - `GET /counters`, `GET /log`, `GET /settings`, `GET /accounts`
//! - `GET /inbox/{email}`, `GET /otp/{email}` (`?unspent` for one that is still accepted)
//! - `POST /fault` with `{"fault":…,"path":…,"skip":0,"times":1}`, or the fault alone; `POST /clear-faults`
//! - `POST /rotate-key`, `/drop-channels`, `/expire-tokens`, `/revoke`, `/close-idle`, `/clear-rate-limits`
//! - `POST /account/{email}` with `{"state":"LOCKED"}`
//! - `POST /set` with `{"lifetime.access":4000,"rate.enabled":false}` for what may change while it runs

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::faults::Fault;
use crate::settings::AccountState;
use crate::sim::Sim;

/// Serves a simulator's handle over HTTP; returns the address that was taken.
///
/// # Errors
/// When the address cannot be taken.
pub async fn serve_control(sim: &Sim, listen: SocketAddr) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let addr = listener.local_addr()?;
    let sim = sim.clone();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let sim = sim.clone();
            let service = service_fn(move |request| {
                let sim = sim.clone();
                async move { Ok::<_, Infallible>(answer(&sim, request).await) }
            });
            tokio::spawn(async move {
                // A control connection that breaks concerns nobody but its client.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Ok(addr)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    fault: Fault,
    path: Option<String>,
    #[serde(default)]
    skip: u32,
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

async fn answer(sim: &Sim, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, 1 << 20).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return reply(400, &json!({"error": error.to_string()})),
    };
    let path = parts.uri.path();
    let (first, rest) =
        path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let done = || reply(200, &json!({"ok": true}));
    match (parts.method.as_str(), first) {
        ("GET", "counters") => reply(200, &json!(sim.counters())),
        ("GET", "log") => reply(200, &json!(sim.wire_log())),
        ("GET", "settings") => reply(200, &json!(sim.settings())),
        ("GET", "accounts") => reply(200, &json!(sim.settings().accounts)),
        ("GET", "inbox") => reply(200, &json!(sim.inbox(rest))),
        ("GET", "otp") => {
            let unspent = parts.uri.query() == Some("unspent");
            let code = if unspent { sim.otp_unspent(rest) } else { sim.otp_now(rest) };
            reply(if code.is_empty() { 404 } else { 200 }, &json!({"code": code}))
        }
        ("POST", "fault") => {
            let plan = serde_json::from_slice::<Plan>(&body).or_else(|error| {
                let alone = serde_json::from_slice(&body).map_err(|_| error)?;
                Ok::<_, serde_json::Error>(Plan { fault: alone, path: None, skip: 0, times: 1 })
            });
            match plan {
                Ok(plan) => {
                    sim.plan(plan.path.as_deref(), plan.skip, plan.times, plan.fault);
                    done()
                }
                Err(error) => reply(400, &json!({"error": error.to_string()})),
            }
        }
        ("POST", "set") => set(sim, &body),
        ("POST", "account") => match state(&body) {
            Ok(state) => {
                sim.set_state(rest, state);
                done()
            }
            Err(error) => reply(400, &json!({"error": error})),
        },
        ("POST", "rotate-key") => {
            let sim = sim.clone();
            let _ = tokio::task::spawn_blocking(move || sim.rotate_key()).await;
            done()
        }
        ("POST", action) => match act(sim, action) {
            Some(()) => done(),
            None => reply(404, &json!({"error": "no such action"})),
        },
        _ => reply(404, &json!({"error": "no such thing"})),
    }
}

fn act(sim: &Sim, action: &str) -> Option<()> {
    match action {
        "clear-faults" => sim.clear_faults(),
        "drop-channels" => sim.drop_channels(),
        "expire-tokens" => sim.expire_access_tokens(),
        "revoke" => sim.revoke_sessions(),
        "close-idle" => sim.close_idle(),
        "clear-rate-limits" => sim.clear_rate_limits(),
        "clear-log" => sim.clear_wire_log(),
        _ => return None,
    }
    Some(())
}

fn state(body: &[u8]) -> Result<AccountState, String> {
    let body: Map<String, Value> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    body.get("state").and_then(Value::as_str).ok_or("state is missing")?.parse()
}

/// Only lifetimes and rate limits may change while the portal runs; the rest is fixed at start.
fn set(sim: &Sim, body: &[u8]) -> Response<Full<Bytes>> {
    let wanted = match serde_json::from_slice::<Map<String, Value>>(body) {
        Ok(wanted) => wanted,
        Err(error) => return reply(400, &json!({"error": error.to_string()})),
    };
    let mut settings = sim.settings().clone();
    settings.lifetimes = sim.lifetimes();
    settings.rate_limits = sim.rate_limits();
    for (key, value) in &wanted {
        if !key.starts_with("lifetime.") && !key.starts_with("rate.") {
            return reply(400, &json!({"error": format!("{key} cannot change while the simulator runs")}));
        }
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let Err(error) = settings.set(key, &value) {
            return reply(400, &json!({"error": error.to_string()}));
        }
    }
    sim.set_lifetimes(settings.lifetimes);
    sim.set_rate_limits(settings.rate_limits);
    reply(200, &json!({"ok": true}))
}

fn reply(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body:#}\n"))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
