//! The choice.

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName};

use super::hosts::Hosts;
use super::{By, Nobody, Settings};
use crate::guard::Admitted;
use crate::identity::IdentityName;
use crate::listener::{Door, Peer};

/// Whose a request is. Shared by all workers, and never changed.
#[derive(Debug)]
pub struct Choice(Option<Table>);

/// A request, and whose it is.
#[derive(Debug)]
pub struct Chosen<B> {
    nth: usize,
    name: Option<IdentityName>,
    prefix: Option<Arc<str>>,
    admitted: Admitted<B>,
}

#[derive(Debug)]
struct Table {
    names: Box<[IdentityName]>,
    doors: Box<[Option<Door>]>,
    hosts: Hosts,
    prefixes: Box<[(Arc<str>, usize)]>,
    header: HeaderName,
    default: Option<usize>,
    /// How to name one, for a request that names none.
    ways: Arc<str>,
}

impl<B> Chosen<B> {
    /// The number of the identity.
    pub fn nth(&self) -> usize {
        self.nth
    }

    /// Its name, where there are several.
    pub fn name(&self) -> Option<&IdentityName> {
        self.name.as_ref()
    }

    /// What the path began with, if that named the identity; it is gone from the request.
    pub fn prefix(&self) -> Option<&Arc<str>> {
        self.prefix.as_ref()
    }

    /// The request.
    pub fn into_admitted(self) -> Admitted<B> {
        self.admitted
    }
}

impl Choice {
    /// For a proxy with one identity: every request is its.
    pub fn sole() -> Self {
        Self(None)
    }

    /// For a proxy with several.
    pub fn among(settings: &Settings) -> Self {
        let all = &settings.identities;
        let prefixes =
            all.iter().enumerate().filter_map(|(nth, ways)| Some((ways.prefix.as_deref()?.into(), nth)));
        Self(Some(Table {
            names: all.iter().map(|ways| ways.name.clone()).collect(),
            doors: all.iter().map(|ways| ways.door).collect(),
            hosts: Hosts::new(settings),
            prefixes: prefixes.collect(),
            header: settings.header.clone(),
            default: settings
                .default
                .as_ref()
                .and_then(|name| all.iter().position(|ways| ways.name == *name)),
            ways: described(settings).into(),
        }))
    }

    /// Finds whose a request is.
    ///
    /// # Errors
    /// Why it is nobody's.
    pub fn of<B>(&self, admitted: Admitted<B>, peer: &Peer) -> Result<Chosen<B>, Nobody> {
        match &self.0 {
            None => Ok(Chosen { nth: 0, name: None, prefix: None, admitted }),
            Some(table) => table.find(admitted, peer),
        }
    }
}

impl Table {
    fn find<B>(&self, admitted: Admitted<B>, peer: &Peer) -> Result<Chosen<B>, Nobody> {
        let request = admitted.request();
        let target = request.uri().path_and_query();
        let by_path = target.and_then(|target| self.by_path(target));
        let by_door = self.doors.iter().position(|door| *door == Some(peer.door()));
        let by_host = match admitted.host() {
            Some(number) => self.hosts.of_number(number),
            None => self.hosts.of_name(request.uri(), request.headers()),
        };
        let found = [
            (By::Door, by_door),
            (By::Host, by_host),
            (By::Header, self.by_header(request.headers())?),
            (By::Path, by_path.as_ref().map(|(prefix, _)| prefix.1)),
        ];
        let mut named = found.into_iter().filter_map(|(by, nth)| Some((by, nth?)));
        let nth = match named.next() {
            None => self.default.ok_or_else(|| Nobody::Unnamed { ways: Arc::clone(&self.ways) })?,
            Some((by, nth)) => match named.find(|(_, other)| *other != nth) {
                None => nth,
                Some((other_by, other)) => {
                    let name = |nth: usize| self.names[nth].clone();
                    return Err(Nobody::Two { one: (by, name(nth)), other: (other_by, name(other)) });
                }
            },
        };
        let name = Some(self.names[nth].clone());
        Ok(match by_path {
            None => Chosen { nth, name, prefix: None, admitted },
            Some(((prefix, _), rest)) => {
                Chosen { nth, name, prefix: Some(Arc::clone(prefix)), admitted: admitted.at(rest) }
            }
        })
    }

    /// The prefix that the target begins with, and what is left of it.
    fn by_path(&self, target: &PathAndQuery) -> Option<(&(Arc<str>, usize), PathAndQuery)> {
        self.prefixes.iter().find_map(|named| {
            let rest = target.as_str().strip_prefix(&*named.0)?;
            let rest = match rest.as_bytes().first() {
                Some(b'/') => rest.parse(),
                None | Some(b'?') => format!("/{rest}").parse(),
                Some(_) => return None,
            };
            Some((named, rest.ok()?))
        })
    }

    fn by_header(&self, headers: &HeaderMap) -> Result<Option<usize>, Nobody> {
        let mut values = headers.get_all(&self.header).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Nobody::Repeated);
        }
        let nth = self.names.iter().position(|name| name.as_str().as_bytes() == value.as_bytes());
        match nth {
            Some(nth) => Ok(Some(nth)),
            None => Err(Nobody::Unknown { ways: Arc::clone(&self.ways) }),
        }
    }
}

/// How to name one, in one sentence for a person.
fn described(settings: &Settings) -> String {
    let all = &settings.identities;
    let names: Vec<_> = all.iter().map(|ways| ways.name.as_str()).collect();
    let hosts: Vec<_> = all.iter().filter_map(|ways| ways.hosts.first()).map(String::as_str).collect();
    let prefixes: Vec<_> = all.iter().filter_map(|ways| ways.prefix.as_deref()).collect();
    let mut text = format!("name one by the header {}: {}", settings.header, names.join(", "));
    for (how, list) in [("host", hosts), ("path", prefixes)] {
        if !list.is_empty() {
            text.push_str(&format!("; or by {how}: {}", list.join(", ")));
        }
    }
    text
}
