//! Each target over its corpus and over random changes of it, on stable Rust: what the gate runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::path::{Path, PathBuf};

use fuzz_targets::{TARGETS, Target, differential};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

/// Changes of each target's corpus.
const CHANGES: u32 = 3_000;
/// The same where each is a talk with a whole proxy.
const TALKS: u32 = 500;
/// A fixed seed: what fails once fails again.
const SEED: u64 = 20_261_127;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let entries =
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A piece cut out, put in twice, taken from another, or a few bytes changed.
fn changed(kept: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = kept[rng.random_range(0..kept.len())].clone();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len().min(at + 40));
        match rng.random_range(0..5) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            2 => {
                let other = &kept[rng.random_range(0..kept.len())];
                let from = rng.random_range(0..=other.len());
                bytes.splice(at..end, other[from..].iter().copied().take(40));
            }
            3 => bytes.insert(at, b"\r\n\t ,;:=%/\\.\"{}[]\x00\xff0"[rng.random_range(0..20)]),
            _ if at < bytes.len() => bytes[at] = rng.next_u32() as u8,
            _ => {}
        }
    }
    bytes
}

#[test]
fn every_target_holds_over_its_corpus_and_over_changes_of_it() {
    for (name, target) in TARGETS {
        let kept = corpus(name);
        assert!(!kept.is_empty(), "{name} has a corpus");
        kept.iter().for_each(|bytes| run(name, target, bytes));
        let mut rng = StdRng::seed_from_u64(SEED);
        let rounds = if name == "differential" { TALKS } else { CHANGES };
        (0..rounds).for_each(|_| run(name, target, &changed(&kept, &mut rng)));
    }
}

#[test]
fn every_hostile_request_of_the_cases_holds_in_the_differential() {
    for case in http_cases::cases::REQUESTS {
        run(case.name, differential, case.bytes.replace("{host}", "x").as_bytes());
    }
}

fn run(name: &str, target: Target, bytes: &[u8]) {
    let outcome = std::panic::catch_unwind(|| target(bytes));
    assert!(outcome.is_ok(), "{name} does not hold for {:?}", String::from_utf8_lossy(bytes));
}
