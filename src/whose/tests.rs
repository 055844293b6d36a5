//! The four ways, alone and against each other.

use http::{HeaderName, Request};

use super::*;
use crate::guard::{self, Guard};
use crate::identity::IdentityName;
use crate::listener::{Door, Peer};

fn named(name: &str) -> IdentityName {
    IdentityName::new(name).unwrap()
}

/// alice has every way, bob has a host on two ports, carol shares the host of bob on a third.
fn settings() -> Settings {
    let ways = |name: &str, door: Option<usize>, hosts: &[&str], prefix: Option<&str>| Ways {
        name: named(name),
        door: door.map(Door),
        hosts: hosts.iter().map(ToString::to_string).collect(),
        prefix: prefix.map(str::to_owned),
    };
    Settings {
        identities: vec![
            ways("alice", Some(1), &["alice.localhost:8787"], Some("/alice")),
            ways("bob", None, &["b.test:1", "b.test:2", "bob.localhost:8787"], None),
            ways("carol", Some(2), &["b.test:3"], Some("/car")),
        ],
        header: HeaderName::from_static("x-portunus-identity"),
        default: None,
        hosts: guard::own_names(8787)
            .into_iter()
            .chain(
                ["alice.localhost:8787", "b.test:1", "b.test:2", "b.test:3", "bob.localhost:8787"]
                    .map(String::from),
            )
            .collect(),
    }
}

fn tcp(door: usize) -> Peer {
    let (client, local) = ("127.0.0.1:50000".parse().unwrap(), "127.0.0.1:8787".parse().unwrap());
    Peer::Tcp { client, local, door: Door(door) }
}

fn unix(door: usize) -> Peer {
    Peer::Unix { uid: 1000, door: Door(door) }
}

/// The name and the target that is left, or the code of the refusal.
fn whose(
    settings: &Settings,
    peer: Peer,
    host: &str,
    target: &str,
    headers: &[&str],
) -> Result<(String, String), Nobody> {
    let guard =
        Guard::new(&guard::Settings { hosts: settings.hosts.clone(), ..guard::Settings::default() }).unwrap();
    let mut request = Request::builder().uri(target).header("host", host);
    for value in headers {
        request = request.header("x-portunus-identity", *value);
    }
    let admitted = guard.admit(request.body(()).unwrap(), &peer).unwrap();
    let chosen = Choice::among(settings).of(admitted, &peer)?;
    let name = settings.identities[chosen.nth()].name.to_string();
    Ok((name, target_of(chosen)))
}

fn target_of<B>(chosen: Chosen<B>) -> String {
    chosen.into_admitted().request().uri().path_and_query().unwrap().to_string()
}

#[track_caller]
fn is(found: Result<(String, String), Nobody>, name: &str, target: &str) {
    assert_eq!(found, Ok((name.to_owned(), target.to_owned())));
}

#[test]
fn each_way_alone_names_one() {
    let all = settings();
    is(whose(&all, tcp(1), "localhost:8787", "/x?y", &[]), "alice", "/x?y");
    is(whose(&all, unix(2), "anything", "/x", &[]), "carol", "/x");
    is(whose(&all, tcp(0), "Alice.Localhost:8787", "/x", &[]), "alice", "/x");
    is(whose(&all, tcp(0), "b.test:2", "/x", &[]), "bob", "/x");
    is(whose(&all, tcp(0), "b.test:3", "/x", &[]), "carol", "/x");
    is(whose(&all, tcp(0), "localhost:8787", "/x", &["bob"]), "bob", "/x");
    for (path, rest) in
        [("/alice/x?y", "/x?y"), ("/alice", "/"), ("/alice?y=/alice", "/?y=/alice"), ("/alice/", "/")]
    {
        is(whose(&all, tcp(0), "localhost:8787", path, &[]), "alice", rest);
    }
}

#[test]
fn a_path_that_only_looks_like_a_prefix_names_nobody() {
    for path in ["/alicex", "/Alice/x", "/%61lice/x", "/x/alice/x", "/alice;v=1/x", "/cart", "/?/alice"] {
        let found = whose(&settings(), tcp(0), "localhost:8787", path, &[]).unwrap_err();
        assert_eq!(found.code(), "identity-required", "{path}");
    }
}

#[test]
fn on_a_unix_socket_the_name_of_a_host_is_enough_if_it_stands_for_one() {
    let all = settings();
    is(whose(&all, unix(0), "alice.localhost", "/x", &[]), "alice", "/x");
    is(whose(&all, unix(0), "BOB.localhost:9", "/x", &[]), "bob", "/x");
    is(whose(&all, unix(0), "b.test:3", "/x", &[]), "carol", "/x");
    for host in ["b.test", "localhost", "other.test"] {
        let found = whose(&all, unix(0), host, "/x", &[]).unwrap_err();
        assert_eq!(found.code(), "identity-required", "{host}");
    }
}

#[test]
fn ways_that_agree_are_fine_and_ways_that_do_not_are_a_conflict() {
    let all = settings();
    is(whose(&all, tcp(1), "alice.localhost:8787", "/alice/alice/x", &["alice"]), "alice", "/alice/x");
    for (peer, host, path, headers) in [
        (tcp(1), "bob.localhost:8787", "/x", &[][..]),
        (tcp(1), "localhost:8787", "/x", &["bob"]),
        (unix(2), "alice.localhost:8787", "/x", &[]),
        (tcp(0), "alice.localhost:8787", "/car/x", &[]),
        (tcp(0), "localhost:8787", "/alice/x", &["carol"]),
        (tcp(0), "alice.localhost:8787", "/x", &["alice", "alice"]),
    ] {
        let found = whose(&all, peer, host, path, headers).unwrap_err();
        assert_eq!(found.code(), "identity-conflict", "{host} {path} {headers:?}");
    }
    let two = whose(&all, tcp(0), "bob.localhost:8787", "/alice/x", &[]).unwrap_err();
    assert_eq!(two.to_string(), "its host names bob, and its path names alice");
}

#[test]
fn nobody_named_is_the_default_or_is_told_how_to_name_one() {
    let mut all = settings();
    let ways = "name one by the header x-portunus-identity: alice, bob, carol; \
                or by host: alice.localhost:8787, b.test:1, b.test:3; or by path: /alice, /car";
    let found = whose(&all, tcp(0), "localhost:8787", "/x", &[]).unwrap_err();
    assert_eq!((found.code(), &*found.hint()), ("identity-required", ways));
    for unknown in ["dave", "Alice", "", " alice,bob"] {
        let found = whose(&all, tcp(0), "localhost:8787", "/x", &[unknown]).unwrap_err();
        assert_eq!((found.code(), &*found.hint()), ("unknown-identity", ways), "{unknown}");
        assert!(
            unknown.is_empty() || !found.to_string().contains(unknown.trim()),
            "an unknown name is not repeated"
        );
    }
    all.default = Some(named("carol"));
    is(whose(&all, tcp(0), "localhost:8787", "/x", &[]), "carol", "/x");
    is(whose(&all, tcp(0), "bob.localhost:8787", "/x", &[]), "bob", "/x");
}

#[test]
fn where_there_is_one_nothing_is_looked_at() {
    let guard =
        Guard::new(&guard::Settings { hosts: guard::own_names(8787), ..guard::Settings::default() }).unwrap();
    let request = Request::builder().uri("/alice/x").header("host", "localhost:8787");
    let request = request.header("x-portunus-identity", "bob").body(()).unwrap();
    let chosen = Choice::sole().of(guard.admit(request, &tcp(1)).unwrap(), &tcp(1)).unwrap();
    assert_eq!((chosen.nth(), chosen.prefix()), (0, None));
    assert_eq!(target_of(chosen), "/alice/x");
}
