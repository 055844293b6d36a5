//! After a 101: bytes both ways until one side is done.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::{Body, Caller, Responder};
use crate::upstream::Reply;

/// The answer that switches the client's side, and the portal's side to join it with.
///
/// # Errors
/// The reply itself, unless it is a 101.
pub fn switch(
    responder: &Responder,
    mut reply: Reply,
    caller: &Caller,
) -> Result<(Response<Body>, OnUpgrade), Box<Reply>> {
    if reply.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(Box::new(reply));
    }
    let portal = hyper::upgrade::on(&mut reply);
    let (mut parts, _) = reply.into_parts();
    responder.localize(&mut parts, caller);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    Ok((Response::from_parts(parts, Body::Empty), portal))
}

/// Joins both sides; gives the bytes that went to the portal and came from it. Dropping it closes both.
///
/// # Errors
/// Why one of them did not switch, or broke.
pub async fn tunnel(client: OnUpgrade, portal: OnUpgrade) -> std::io::Result<(u64, u64)> {
    let (client, portal) = tokio::try_join!(client, portal).map_err(std::io::Error::other)?;
    tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(portal)).await
}
