//! What a connection at rest costs: a budget, measured from outside on the program as it is installed.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::command_line::{Running, portunus};
use crate::plain_world::{Stage, read_until};

/// Connections that have made a request each and are kept open.
const CONNECTIONS: usize = 500;

/// The memory of one of them at most, in bytes (docs/performance.md).
const BUDGET: usize = 6 * 1024;

/// What a process holds of its own, in bytes. Its code comes and goes.
fn memory(process: u32) -> usize {
    let sums = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let line = sums.lines().find(|line| line.starts_with("Pss_Anon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Connections with one answered request each.
pub(crate) async fn rest(address: &str, many: usize) -> Vec<TcpStream> {
    let mut connections = Vec::with_capacity(many);
    for _ in 0..many {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /v1/items?id=42 HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut stream, "{\"status\":\"ok\"}").await;
        connections.push(stream);
    }
    connections
}

/// The program before a portal that always gives the same answer, and the address it listens at.
pub(crate) async fn start(home: &Path, workers: usize) -> (Running, String) {
    let (portal, _heads) = Stage::open().await.always(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}",
    );
    let file = home.join("proxy.toml");
    let text = format!(
        r#"
        [listen]
        addresses = ["127.0.0.1:0"]
        workers = {workers}
        [upstream]
        url = "http://{portal}"
        [portal]
        dialect = "plain"
        name = "tenant"
        [admin]
        enabled = false
        [[route]]
        path = "/*"
        bearer = "never"
        protect = "plain"
        "#
    );
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut run = Running::start(portunus(home).args(["run", "-c"]).arg(&file));
    let line = run.line("listening on http://").await;
    (run, line.strip_prefix("listening on http://").unwrap().to_owned())
}

#[tokio::test]
async fn a_connection_at_rest_keeps_to_its_budget_of_memory() {
    let home = tempfile::tempdir().unwrap();
    let (mut run, address) = start(home.path(), 1).await;
    // The first ones bring in what all share.
    let first = rest(&address, 50).await;
    let before = memory(run.process());
    let more = rest(&address, CONNECTIONS).await;
    let each = memory(run.process()).saturating_sub(before) / CONNECTIONS;
    assert!(each > 0, "an open connection costs something");
    assert!(each <= BUDGET, "{each} bytes for each connection at rest");
    drop((first, more));
    assert_eq!(run.interrupt().await, 0);
}
