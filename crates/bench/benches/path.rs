//! What a request meets before it leaves: the guard, the route and the clean-up of its head, the head rewritten.

use std::net::SocketAddr;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderName, HeaderValue, Request};
use portunus::guard::{Guard, own_names};
use portunus::listener::{Door, Peer};
use portunus::route::{DialectPaths, RouteTable, default_rules};
use portunus::upstream::{Injected, OutBody, Outgoing};

fn peer() -> Peer {
    let local = SocketAddr::from(([127, 0, 0, 1], 8787));
    Peer::Tcp { client: SocketAddr::from(([127, 0, 0, 1], 50_000)), local, door: Door::default() }
}

fn request() -> Request<()> {
    Request::get("/v1/items?id=42")
        .header("host", "127.0.0.1:8787")
        .header("user-agent", "bench/1")
        .header("accept", "*/*")
        .header("accept-encoding", "gzip")
        .header("connection", "keep-alive")
        .body(())
        .expect("a request")
}

fn rooms(c: &mut Criterion) {
    let settings = portunus::guard::Settings { hosts: own_names(8787), ..Default::default() };
    let guard = Guard::new(&settings).expect("good settings");
    let rules = default_rules(DialectPaths {
        channel_bases: &["/web/v1/secure-channel".to_owned()],
        logout_path: "/web/v1/auth/logout",
        before_login: &["/web/v1/auth/login/*".to_owned()],
        sealed: &["/web/v1/auth/password/change".to_owned()],
    })
    .expect("good patterns");
    let table =
        RouteTable::new(portunus::route::Settings { rules, ..Default::default() }).expect("good rules");
    let value = |text: &'static str| {
        let mut value = HeaderValue::from_static(text);
        value.set_sensitive(true);
        value
    };
    let injected = Injected::new(vec![
        (HeaderName::from_static("x-portal-access-code"), value("pac-0123456789abcdef")),
        (HeaderName::from_static("x-client-hash"), value("0123456789abcdef0123456789abcdef")),
    ]);
    let bearer = value("Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl");
    let peer = peer();

    let mut group = c.benchmark_group("path");
    group.measurement_time(Duration::from_secs(3));
    group.bench_function("guard", |b| {
        b.iter_batched(request, |request| guard.admit(request, &peer), BatchSize::SmallInput);
    });
    group.bench_function("route match and clean-up", |b| {
        let admitted = || guard.admit(request(), &peer).expect("our own host");
        b.iter_batched(admitted, |admitted| table.resolve(admitted), BatchSize::SmallInput);
    });
    group.bench_function("head rewrite", |b| {
        let parts = || {
            table
                .resolve(guard.admit(request(), &peer).expect("our own host"))
                .expect("a route")
                .into_parts()
                .0
        };
        b.iter_batched(
            parts,
            |parts| Outgoing::plain(parts, OutBody::Empty, Some(&bearer), &injected),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, rooms);
criterion_main!(benches);
