//! The system behind the portal: endpoints worth proxying to.
//!
//! In: requests that the gateway let through. Out: answers whose JSON stands under `data` of the dialect's
//! response envelope, and streams. What always holds: bodies of any size pass in constant memory.

mod echo;
mod streams;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::portal::{Answer, Endpoint, Portal, Refusal};
use crate::server::{Body, empty, full};

/// Answers a request whose body was collected.
pub(crate) async fn answer(
    portal: &Portal,
    endpoint: Endpoint,
    tail: &str,
    parts: &Parts,
    body: &Bytes,
    sealed: bool,
) -> Result<Response<Body>, Refusal> {
    match endpoint {
        Endpoint::Echo => Ok(data(portal, &echo::echo(portal, parts, body, sealed))),
        Endpoint::Transfer => Ok(data(portal, &echo::transfer(portal, parts, body, sealed))),
        Endpoint::Items => items(portal, tail, parts),
        Endpoint::Download => streams::download(parts),
        Endpoint::Events => streams::events(parts),
        Endpoint::Status => status(portal, tail),
        Endpoint::Slow => {
            let pause = number(parts, "ms").unwrap_or(100);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            Ok(data(portal, &json!({"sleptMs": pause})))
        }
        Endpoint::Redirect => redirect(parts),
        Endpoint::Cookies => Ok(cookies(portal)),
        _ => Err(Refusal::NotFound),
    }
}

/// Answers a request whose body is still on its way.
pub(crate) async fn stream(
    portal: &Arc<Portal>,
    endpoint: Endpoint,
    parts: Parts,
    body: Incoming,
    number: u64,
) -> Result<Response<Body>, Refusal> {
    match endpoint {
        Endpoint::Upload => {
            let received = streams::upload(portal, body, number).await?;
            Ok(data(portal, &received))
        }
        Endpoint::Ws => websocket::upgrade(portal, parts, body),
        _ => Err(Refusal::NotFound),
    }
}

/// JSON under `data`.
fn data(portal: &Portal, value: &Value) -> Response<Body> {
    let mut response = Response::new(full(Answer::ok(value.clone()).write(portal.dialect())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

const ITEMS: u64 = 1000;

/// A list with pages: `items?page=0&size=20`, and `items/{id}`.
fn items(portal: &Portal, tail: &str, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let item = |id: u64| json!({"id": id, "name": format!("item {id}"), "amount": id * 7 % 1000});
    if !tail.is_empty() {
        let id = tail.parse().ok().filter(|id| *id < ITEMS).ok_or(Refusal::NotFound)?;
        return Ok(data(portal, &item(id)));
    }
    let page = number(parts, "page").unwrap_or(0);
    let size = number(parts, "size").unwrap_or(20).clamp(1, 200);
    let first = page.saturating_mul(size).min(ITEMS);
    let list: Vec<_> = (first..(first + size).min(ITEMS)).map(item).collect();
    let pages = ITEMS.div_ceil(size);
    Ok(data(portal, &json!({"items": list, "page": page, "size": size, "total": ITEMS, "pages": pages})))
}

fn status(portal: &Portal, tail: &str) -> Result<Response<Body>, Refusal> {
    let status = tail.parse::<u16>().ok().filter(|code| (200..=599).contains(code));
    let status = StatusCode::from_u16(status.ok_or(Refusal::NotFound)?).map_err(|_| Refusal::NotFound)?;
    if status.is_client_error() || status.is_server_error() {
        return Err(Refusal::Wanted(status.as_u16()));
    }
    let mut response = match status.as_u16() {
        204 | 205 | 304 => Response::new(empty()),
        _ => data(portal, &json!({"status": status.as_u16()})),
    };
    *response.status_mut() = status;
    Ok(response)
}

fn redirect(parts: &Parts) -> Result<Response<Body>, Refusal> {
    let to = query(parts, "to").unwrap_or_else(|| "echo".to_owned());
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::FOUND;
    let to = HeaderValue::try_from(to).map_err(|_| Refusal::Malformed("to is not a location"))?;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}

fn cookies(portal: &Portal) -> Response<Body> {
    let mut response = data(portal, &json!({"cookies": 3}));
    for cookie in [
        "plain=1; Path=/",
        "scoped=2; Domain=portal.example; Path=/web; Secure; HttpOnly; SameSite=Strict",
        "foreign=3; Domain=.portal.example; Path=/; Secure; SameSite=None; Max-Age=3600",
    ] {
        response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(cookie));
    }
    response
}

fn query(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query()?.as_bytes();
    url::form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn number(parts: &Parts, name: &str) -> Option<u64> {
    query(parts, name)?.parse().ok()
}
