//! Who may look into the program's memory.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portal_sim::{Settings, Sim};
use tokio::process::Command;

use crate::command_line::{Running, portunus};

async fn stand() -> (Sim, tempfile::TempDir) {
    let settings = Settings { share_rsa_keys: true, ..Settings::default() };
    let sim = Sim::start(settings).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let text = format!(
        "[listen]\naddresses = [\"127.0.0.1:0\"]\nworkers = 2\n[upstream]\nurl = \"{}\"\n\
         [portal]\naccess_code = {{ env = \"CODE\" }}\n[admin]\nsocket = \"a.sock\"\n",
        sim.url()
    );
    let file = home.path().join("p.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    (sim, home)
}

fn command(sim: &Sim, home: &Path, word: &str) -> Command {
    let mut command = portunus(home);
    command.args([word, "-c"]).arg(home.join("p.toml")).env("CODE", &sim.settings().access_code);
    command
}

/// Everything that the process can write to: what a core file would hold.
pub(crate) fn memory(pid: u32) -> std::io::Result<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut memory = fs::File::open(format!("/proc/{pid}/mem"))?;
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")))
    {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        memory.seek(SeekFrom::Start(from))?;
        let mut part = vec![0; usize::try_from(to - from).unwrap()];
        // Some mappings cannot be read, such as guard pages that were just made.
        if memory.read_exact(&mut part).is_ok() {
            all.extend_from_slice(&part);
        }
    }
    Ok(all)
}

#[tokio::test]
async fn the_program_leaves_no_core_file_and_lets_no_other_program_look_into_it() {
    let (sim, home) = stand().await;
    let mut running = Running::start(&mut command(&sim, home.path(), "run"));
    running.line("listening on").await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    // Root may always look. Everybody else's files there belong to root once the process is closed.
    if !rustix::process::geteuid().is_root() {
        assert!(memory(running.pid()).is_err());
    }
    assert_eq!(running.interrupt().await, 0);
    sim.stop().await;
}
