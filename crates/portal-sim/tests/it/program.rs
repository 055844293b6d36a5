//! The simulator as a program.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portal-sim"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn one_line_of_json_says_where_everything_is() {
    let mut child = program()
        .args(["--json", "--tls", "--control", "127.0.0.1:0", "--dialect", "random", "--seed", "7"])
        .args(["--set", "envelope=binary", "--set", "lifetime.access=4000", "--prefix", "/prometheus"])
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    assert!(said["url"].as_str().unwrap().starts_with("https://localhost:"));
    assert!(said["url"].as_str().unwrap().ends_with("/prometheus"));
    assert_eq!(said["dialect"]["envelope"], "binary");
    assert_eq!(said["accounts"][0]["email"], "admin@example.com");
    let pem = std::fs::read_to_string(said["caFile"].as_str().unwrap()).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let control = said["control"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(control).await.unwrap();
    stream.write_all(b"GET /counters HTTP/1.1\r\nhost: c\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"logins\": 0"), "{answer}");
}

#[tokio::test]
async fn a_bad_setting_is_named() {
    let output = program().args(["--set", "envelop=json"]).output().await.unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "portal-sim: there is no setting named envelop\n");
}
