//! One thread a worker, each with connections of its own: that all of them work, seen from outside.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::memory::{rest, start};

/// Processor time of each worker of a process so far, in nanoseconds.
fn worked(process: u32) -> Vec<u64> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|entry| entry.unwrap().path());
    threads
        .filter(|thread| fs::read_to_string(thread.join("comm")).unwrap().starts_with("worker-"))
        .map(|thread| {
            let times = fs::read_to_string(thread.join("schedstat")).unwrap();
            times.split_whitespace().next().unwrap().parse().unwrap()
        })
        .collect()
}

#[tokio::test]
async fn every_worker_takes_its_share_of_the_connections() {
    let home = tempfile::tempdir().unwrap();
    let (mut run, address) = start(home.path(), 2).await;
    let process = run.process();
    // The first worker may answer before the second has begun.
    let both = async {
        while worked(process).len() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), both).await.expect("two threads");
    let before = worked(process);
    drop(rest(&address, 200).await);
    let shares: Vec<u64> = worked(process).iter().zip(&before).map(|(now, then)| now - then).collect();
    assert_eq!(shares.len(), 2, "two threads");
    let all: u64 = shares.iter().sum();
    assert!(shares.iter().all(|share| *share > all / 5), "one of them does all the work: {shares:?}");
    assert_eq!(run.interrupt().await, 0);
}
