//! Which host stands for whom.

use std::collections::HashMap;

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

use super::Settings;

/// Who a host stands for, by the number that the guard gives it; on a unix socket, where a port means nothing, by
/// its name alone as well.
#[derive(Debug)]
pub(super) struct Hosts {
    by_number: Box<[Option<usize>]>,
    /// `None` for a name that stands for two on two ports.
    by_name: HashMap<Box<str>, Option<usize>>,
}

impl Hosts {
    pub(super) fn new(settings: &Settings) -> Self {
        let of = |host: &String| settings.identities.iter().position(|ways| ways.hosts.contains(host));
        let by_number: Box<[_]> = settings.hosts.iter().map(of).collect();
        let mut by_name: HashMap<Box<str>, Option<usize>> = HashMap::new();
        for (host, nth) in settings.hosts.iter().zip(&by_number) {
            if let Ok(authority) = host.parse::<Authority>() {
                let known = by_name.entry(authority.host().to_ascii_lowercase().into()).or_insert(*nth);
                if *known != *nth {
                    *known = None;
                }
            }
        }
        Self { by_number, by_name }
    }

    pub(super) fn of_number(&self, number: usize) -> Option<usize> {
        self.by_number.get(number).copied().flatten()
    }

    /// For a request that came by a unix socket, whose host the guard does not compare.
    pub(super) fn of_name(&self, target: &Uri, headers: &HeaderMap) -> Option<usize> {
        let spoken = match target.authority() {
            Some(authority) => authority.clone(),
            None => headers.get(HOST)?.to_str().ok()?.parse().ok()?,
        };
        self.by_name.get(&*spoken.host().to_ascii_lowercase()).copied().flatten()
    }
}
