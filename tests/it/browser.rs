//! A real Chromium with pages that attack, and with pages that must work: the suite of `tests/browser`.
//!
//! Two proxies stand before one portal: one as it comes, and one that allows a front end's origin. The suite reads the
//! portal's counters and its log, so that "nothing arrived" is the portal's word and not the browser's.

use std::path::Path;
use std::time::Duration;

use crate::clients::run;
use crate::world::{World, WorldOptions, start_proxy};

/// More than three hundred pages: half a minute on two idle cores.
const PATIENCE: Duration = Duration::from_secs(280);

#[tokio::test]
async fn no_page_gets_a_request_through_that_its_person_did_not_make() {
    let world = World::usual().await;
    // Without an authenticator: one code signs in one proxy only.
    let allowing = WorldOptions::default()
        .account("plain@example.com")
        .set("guard.allowed_origins", r#"["http://localhost:5173"]"#);
    let directory = tempfile::tempdir().unwrap();
    let allowing = start_proxy(&world.sim, &allowing, directory.path()).await.unwrap();
    let control = portal_sim::serve_control(&world.sim, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let at = |port: u16| format!("http://localhost:{port}");
    let arguments = [
        "--proxy".to_owned(),
        at(world.proxy.addresses()[0].port()),
        "--allowing".to_owned(),
        at(allowing.addresses()[0].port()),
        "--control".to_owned(),
        format!("http://{control}"),
    ];
    let said = run("node", Path::new("tests/browser/run.cjs"), &arguments, PATIENCE).await;
    let summary = said.lines().last().unwrap();
    let passed: usize = summary.strip_suffix(" passed, 0 failed").unwrap().parse().unwrap();
    // Fewer would mean that attacks got lost on the way.
    assert!(passed >= 160, "{summary}");
    allowing.stop().await;
    world.stop().await;
}
