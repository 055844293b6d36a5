//! The clients that people have, each in its own language, through the proxy: the scripts of `tests/clients`.
//!
//! A script takes the proxy's address, tries what its client can do, and prints a line for each case. Here stands
//! which cases there are, so that none gets lost, and what the portal must have seen. `tests/setup` installs the
//! clients; one that is missing is a failure.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use portal_sim::Sim;
use tokio::process::Command;

use crate::world::World;

/// No client takes a tenth of it on an idle machine.
const PATIENCE: Duration = Duration::from_secs(100);

#[tokio::test]
async fn curl() {
    let expected = "get-json post-json post-sealed upload upload-chunked download range head events keep-alive \
                    expect-continue expect-continue-sealed h2c h2c-offer";
    works("bash", "with_curl.sh", expected).await;
}

#[tokio::test]
async fn python_requests() {
    let expected =
        "get-json post-json post-sealed upload upload-chunked download events keep-alive expect-continue";
    works("python3", "with_requests.py", expected).await;
}

#[tokio::test]
async fn python_httpx() {
    let expected = "get-json post-json post-sealed upload upload-chunked download events keep-alive h2c";
    works("python3", "with_httpx.py", expected).await;
}

#[tokio::test]
async fn python_aiohttp() {
    let expected = "get-json post-json post-sealed upload upload-chunked download events websocket keep-alive \
                    expect-continue expect-continue-sealed many-at-once";
    works("python3", "with_aiohttp.py", expected).await;
}

#[tokio::test]
async fn python_websockets() {
    works("python3", "with_websockets.py", "websocket ping fragments close-is-answered").await;
}

#[tokio::test]
async fn node() {
    let expected = "get-json post-json post-sealed upload upload-chunked download events websocket keep-alive \
                    expect-continue expect-continue-sealed h2c";
    works("node", "with_node.cjs", expected).await;
}

#[tokio::test]
async fn go() {
    let expected = "get-json post-json post-sealed upload upload-chunked download events keep-alive \
                    expect-continue expect-continue-sealed";
    works("go", "with_go.go", expected).await;
}

#[tokio::test]
async fn java() {
    let expected = "get-json post-json post-sealed upload upload-chunked download events websocket keep-alive \
                    expect-continue expect-continue-sealed h2c-offer h2c-offer-post h2c-offer-sealed";
    works("java", "WithJava.java", expected).await;
}

#[tokio::test]
async fn chromium() {
    let expected = "navigation get-json post-json post-sealed upload upload-xhr download events websocket \
                    keep-alive form";
    works("node", "with_chromium.cjs", expected).await;
}

#[tokio::test]
async fn h2load() {
    works("bash", "with_h2load.sh", "h2c h2c-post h2c-download http1").await;
}

/// Runs a script against a world of its own: every case is well, and the portal was never asked for anything odd.
async fn works(program: &str, script: &str, expected: &str) {
    let world = World::usual().await;
    let base = format!("http://localhost:{}", world.proxy.addresses()[0].port());
    let script = Path::new("tests/clients").join(script);
    let said = run(program, &script, &[base], PATIENCE).await;
    let expected: Vec<String> = expected.split_whitespace().map(|case| format!("ok {case}")).collect();
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    was_asked_properly(&world.sim);
    assert!(world.stop().await, "everything had been answered, and yet it could not be drained");
}

fn was_asked_properly(sim: &Sim) {
    let counters = sim.counters();
    assert!(counters.repeated.is_empty(), "sent more than once: {:?}", counters.repeated);
    // A browser asks for an icon, which the portal does not have.
    let icons = sim.wire_log().iter().filter(|entry| entry.path == "/favicon.ico").count() as u64;
    let well: u64 = [101, 200, 206].iter().filter_map(|status| counters.statuses.get(status)).sum();
    let answered: u64 = counters.statuses.values().sum();
    assert_eq!(well + icons, answered, "the portal refused: {:?}", counters.statuses);
    assert_eq!(counters.logins, 1);
    let changes = sim.wire_log().into_iter().filter(|entry| entry.path.ends_with("/password/change"));
    for change in changes {
        assert!(change.sealed, "a password came in the open");
        assert!(change.body.starts_with(r#"{"v":2,"p":""#) && change.answer.starts_with(r#"{"v":2,"p":""#));
    }
}

/// Runs a script of this project and returns what it printed.
///
/// # Panics
/// When the program is missing, the script fails, or it takes too long; with all that it said.
pub async fn run(program: &str, script: &Path, arguments: &[String], patience: Duration) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(program);
    match program {
        "python3" => command.arg("-B"),
        "go" => command.arg("run"),
        _ => &mut command,
    };
    command
        .arg(root.join(script))
        .args(arguments)
        .current_dir(root)
        .env("PATH", search_path(root))
        .env("NODE_PATH", installed(root, "PORTUNUS_TEST_NODE", "test-node").join("node_modules"))
        .env("GOCACHE", root.join("target/test-go"))
        .env("GOFLAGS", "")
        .env("GO111MODULE", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let script = script.display();
    let child = command.spawn().unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => {
            panic!("{script} needs {program}, which is missing: `bash tests/run` installs it")
        }
        _ => panic!("{program}: {error}"),
    });
    let output = tokio::time::timeout(patience, child.wait_with_output());
    let output = output.await.unwrap_or_else(|_| panic!("{script} took more than {patience:?}")).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} ended with {}\n{said}\n{complained}", output.status);
    said
}

/// The Python packages' own interpreter before all others, where `tests/setup` has put it.
fn search_path(root: &Path) -> OsString {
    let mut places = vec![installed(root, "PORTUNUS_TEST_PYTHON", "test-python").join("bin")];
    #[expect(clippy::disallowed_methods, reason = "a program is looked for as the shell looks for it")]
    let path = std::env::var("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path));
    std::env::join_paths(places).unwrap()
}

fn installed(root: &Path, variable: &str, folder: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| root.join("target").join(folder), PathBuf::from)
}
