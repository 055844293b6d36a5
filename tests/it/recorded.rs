//! docs/recorded: the run at a terminal that is shown there, played again with the programs as they are now.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The simulator as a program: another package's, so that nobody may have built it, or not since it was changed.
fn portal_sim() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_BIN_EXE_portunus")).parent().unwrap();
    let program = folder.join("portal-sim");
    let changed = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
    let sources = newest(&root.join("crates/portal-sim/src"));
    if changed(&program).is_some_and(|built| built >= sources) {
        return program;
    }
    let mut cargo = Command::new(env!("CARGO"));
    // The features of a build of everything, for which nothing has to be compiled again.
    cargo.args(["build", "--quiet", "--offline", "--workspace", "--all-features", "--bin", "portal-sim"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(root).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

/// When the youngest file below was changed.
fn newest(folder: &Path) -> SystemTime {
    let of = |entry: fs::DirEntry| match entry.path() {
        path if path.is_dir() => newest(&path),
        path => fs::metadata(path).unwrap().modified().unwrap(),
    };
    let entries = fs::read_dir(folder).unwrap().map(|entry| of(entry.unwrap()));
    entries.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

#[test]
fn registering_to_a_changed_password_at_a_terminal_shows_what_the_recording_shows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recorded");
    let mut script = Command::new("python3");
    script.arg(folder.join("record.py")).arg(env!("CARGO_BIN_EXE_portunus")).arg(portal_sim());
    let played = script.output().unwrap();
    let shown = String::from_utf8(played.stdout).unwrap();
    assert!(played.status.success(), "{shown}\n{}", String::from_utf8_lossy(&played.stderr));
    let recorded = fs::read_to_string(folder.join("account.txt")).unwrap();
    assert_eq!(shown, recorded, "docs/recorded/account.txt shows another run");
    for secret in ["the first password", "the second password"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
