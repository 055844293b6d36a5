//! A person with a portal that nobody has described: the demo with a random dialect, `detect`, and `check --login`
//! with what it printed; the built program, by the lines that the demo itself shows.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::command_line::{DEADLINE, Running, portunus};

/// How many demos run at a time; each makes RSA keys.
const SIDE_BY_SIDE: usize = 3;

/// A line as it stands, pasted into a shell.
async fn pasted(line: &str, home: &Path) -> (Option<i32>, String, String) {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap());
    shell.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap());
    let output: Output = tokio::time::timeout(DEADLINE, output).await.expect("it ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn a_seed(seed: u64) {
    let home = tempfile::tempdir().unwrap();
    let number = seed.to_string();
    let random = ["demo", "--dialect", "random", "--seed", &number];
    let mut demo = Running::start(portunus(home.path()).args(random));
    let detect = demo.line(" detect --upstream ").await;
    let check = demo.line(" check --login ").await;
    demo.line("Ctrl-C").await;

    let (exit, told, talk) = pasted(&detect, home.path()).await;
    assert_eq!((exit, told.as_str()), (Some(0), ""), "seed {seed}: {talk}");
    assert!(talk.contains("to confirm it: "), "seed {seed}: the budget is shown: {talk}");
    let (exit, text, talk) = pasted(&check, home.path()).await;
    assert_eq!(exit, Some(0), "seed {seed}: {text}{talk}");
    assert!(text.contains("plain@example.com is signed in"), "seed {seed}: {text}");
    assert_eq!(demo.interrupt().await, 0, "seed {seed}");
}

#[tokio::test]
async fn ten_seeds_in_a_row_are_detected_and_checked_by_the_lines_that_the_demo_shows() {
    let mut seeds = tokio::task::JoinSet::new();
    for seed in 1..=10 {
        if seeds.len() == SIDE_BY_SIDE {
            seeds.join_next().await.unwrap().unwrap();
        }
        seeds.spawn(a_seed(seed));
    }
    while let Some(ended) = seeds.join_next().await {
        ended.unwrap();
    }
}
