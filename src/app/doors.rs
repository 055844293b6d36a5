//! What names each identity: its door, its hosts, its prefix.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::config::{Config, Identity};
use crate::listener::Door;
use crate::whose::Ways;

/// The door of an identity, if it has sockets of its own; `nth` is its place in the configuration.
pub(super) fn of(identity: &Identity, nth: usize) -> Option<Door> {
    let has_sockets = !identity.listen.is_empty() || identity.unix_socket.is_some();
    has_sockets.then_some(Door(nth + 1))
}

/// What names each of them, in their order.
pub(super) fn ways(config: &Config, doors: &[(Door, SocketAddr)]) -> Vec<Ways> {
    let ways = |(nth, identity): (usize, &Identity)| {
        let door = of(identity, nth);
        Ways {
            name: identity.name.clone(),
            door,
            hosts: hosts(identity, door, doors),
            prefix: identity.path_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
        }
    };
    config.identities.iter().enumerate().map(ways).collect()
}

/// Its hosts with their ports. One without has those of `[listen]` and of its own addresses.
fn hosts(identity: &Identity, own: Option<Door>, doors: &[(Door, SocketAddr)]) -> Vec<String> {
    let is_for_it = |door: Door| door == Door::default() || Some(door) == own;
    let ports: BTreeSet<u16> =
        doors.iter().filter(|(door, _)| is_for_it(*door)).map(|(_, address)| address.port()).collect();
    let mut hosts = Vec::new();
    for host in identity.hosts() {
        let authority = host.authority();
        // Where there is no port, there are unix sockets alone, and the name is enough.
        if authority.port().is_some() || ports.is_empty() {
            hosts.push(authority.to_string());
        } else {
            hosts.extend(ports.iter().map(|port| format!("{authority}:{port}")));
        }
    }
    hosts
}
