//! The hostile cases of `crates/http-cases`, through the whole proxy.

use std::net::TcpListener;

use http_cases::{Target, run};

use crate::plain_world::Plain;

/// Proxies that share the cases among them: most cases wait for silence.
const SHARES: usize = 16;

#[tokio::test]
async fn every_hostile_message_is_refused_or_forwarded_as_one_clear_message() {
    let mut proxies = Vec::new();
    let mut targets = Vec::new();
    for _ in 0..SHARES {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Plain::before(upstream.local_addr().unwrap()).start().await;
        let address = proxy.address().to_string();
        targets.push(Target { host: address.clone(), address, upstream });
        proxies.push(proxy);
    }
    let outcomes = tokio::task::spawn_blocking(move || run(&targets, "")).await.unwrap().unwrap();
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.fault.is_some()).collect();
    assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), outcomes.len());
    assert!(outcomes.len() > 300, "only {} cases ran", outcomes.len());
    for proxy in proxies {
        assert!(proxy.stop().await, "something still ran");
    }
}
