//! What the documents show is tested: their configurations load, their links lead somewhere, their tables are those
//! of the code, and their commands work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use portunus::cli::Exit;
use portunus::config::{Config, Environment, Inputs};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README and what lies in `docs/`.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    paths.extend(docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks that are marked with this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside: Option<(bool, String)> = None;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut inside) {
            (Some(info), None) => inside = Some((info.trim() == language, String::new())),
            (Some(_), Some((wanted, block))) => {
                if *wanted {
                    found.push(std::mem::take(block));
                }
                inside = None;
            }
            (None, Some((_, block))) => block.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(inside.is_none(), "a block is not closed");
    found
}

#[test]
fn every_configuration_that_is_shown_loads() {
    let mut seen = 0;
    for (path, text) in documents() {
        for block in blocks(&text, "toml") {
            let environment: Environment = [("HOME", "/home/somebody")]
                .map(|(name, value)| (std::ffi::OsString::from(name), std::ffi::OsString::from(value)))
                .into_iter()
                .collect();
            let inputs = Inputs { file: None, environment: &environment, flags: &[], unsafe_listen: true };
            // A block that shows one section stands in a file that has the one required setting.
            let rest = "[upstream]\nurl = \"https://portal.example.com\"\n";
            let whole = if block.contains("[upstream]") { block.clone() } else { format!("{rest}{block}") };
            Config::from_text(&whole, &inputs).unwrap_or_else(|e| panic!("{}: {e}\n{block}", path.display()));
            seen += 1;
        }
    }
    assert!(seen > 0, "the README shows a configuration");
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut seen = 0;
    for (path, text) in documents() {
        for (_, rest) in text
            .match_indices("](")
            .map(|(at, _)| text[at + 2..].split_once(')').map_or(("", ""), |(to, _)| ("", to)))
        {
            let target = rest.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(path.parent().unwrap().join(target).exists(), "{}: {target}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines < 200, "{lines} lines");
}

#[test]
fn the_table_of_exit_codes_is_the_programs() {
    let text = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let section = text.split("## Exit codes").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    let expected: Vec<_> =
        Exit::ALL.iter().map(|exit| format!("| {} | {} |", exit.code(), exit.meaning())).collect();
    assert_eq!(rows, expected);
}

#[test]
fn every_command_is_described_and_no_other() {
    let help = Command::new(env!("CARGO_BIN_EXE_portunus")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<_> =
        commands.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    let names: Vec<_> = names.into_iter().filter(|name| help.contains(&format!("\n  {name} "))).collect();
    let text = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    for name in &names {
        assert!(
            text.contains(&format!("| `portunus {name}")),
            "docs/cli.md says nothing of `portunus {name}`"
        );
    }
    for row in text.lines().filter_map(|line| line.strip_prefix("| `portunus ")) {
        let name = row.split([' ', '`']).next().unwrap();
        assert!(names.contains(&name), "there is no `portunus {name}`");
    }
}

/// `cargo run --release -- ARGUMENTS` of the README, by the program that is built already.
#[test]
fn the_demo_of_the_readme_makes_its_tour() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let lines: Vec<_> = blocks(&text, "sh").join("\n").lines().map(str::to_owned).collect();
    let once: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("cargo run --release -- "))
        .filter(|arguments| arguments.contains("--once"))
        .collect();
    assert!(!once.is_empty(), "the README shows the tour");
    for arguments in once {
        let output =
            Command::new(env!("CARGO_BIN_EXE_portunus")).args(arguments.split(' ')).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.ends_with("✓ all 10 steps went as they should\n"), "{said}");
        assert!(!said.contains('✗') && output.stderr.is_empty(), "{said}");
    }
}
