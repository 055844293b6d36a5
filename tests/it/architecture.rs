//! The drawing of the house, held against the code: who may name whom, what pure rooms may not touch, how
//! long a file may grow, and that there is one TLS stack.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room, and the rooms it may name. The order is the order of the journey (`src/lib.rs`).
///
/// Departures from a strict "only what was passed before": `session` and `portal` do not see the request, so
/// they name neither guard nor route; `admin` is a second front door and shares the listener's `Peer`.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("secret", &[]),
    ("canary", &[]),
    ("clock", &[]),
    ("fields", &[]),
    ("held", &[]),
    ("pieces", &[]),
    ("places", &[]),
    ("splice", &[]),
    ("inflow", &["splice"]),
    ("identity", &[]),
    ("telemetry", &[]),
    ("private_file", &[]),
    ("state_dir", &["private_file", "secret"]),
    ("listener", &["fields", "inflow", "pieces", "splice"]),
    ("guard", &["listener", "secret"]),
    ("whose", &["listener", "guard", "identity"]),
    ("route", &["guard"]),
    ("channel", &["secret"]),
    ("session", &["channel", "secret", "clock", "identity", "private_file", "state_dir"]),
    ("account", &["session", "secret"]),
    (
        "upstream",
        &["route", "channel", "session", "secret", "clock", "fields", "held", "inflow", "pieces", "splice"],
    ),
    ("portal", &["session", "account", "channel", "upstream", "secret"]),
    (
        "response",
        &[
            "listener", "guard", "whose", "route", "channel", "session", "upstream", "portal", "identity",
            "held", "places", "splice",
        ],
    ),
    (
        "proxy",
        &[
            "listener",
            "guard",
            "whose",
            "route",
            "channel",
            "session",
            "upstream",
            "portal",
            "response",
            "clock",
            "secret",
            "telemetry",
            "held",
            "inflow",
            "places",
        ],
    ),
    ("detect", &["channel", "session", "upstream", "portal", "secret", "clock"]),
    (
        "admin",
        &[
            "listener",
            "guard",
            "session",
            "account",
            "identity",
            "secret",
            "telemetry",
            "clock",
            "held",
            "places",
        ],
    ),
    (
        "config",
        &[
            "listener",
            "guard",
            "route",
            "channel",
            "session",
            "upstream",
            "portal",
            "response",
            "secret",
            "identity",
            "telemetry",
            "private_file",
            "state_dir",
            "held",
        ],
    ),
];

/// Rooms without I/O, and what would be I/O.
const PURE: &[&str] = &["secret", "guard", "route", "channel"];
const IMPURE: &[&str] =
    &["tokio::", "hyper::", "std::net", "std::fs", "std::env", "Instant::now", "SystemTime::now"];

#[test]
fn a_room_names_only_what_the_table_allows() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        MAY_NAME.iter().map(|(room, names)| (*room, names.iter().copied().collect())).collect();
    let rooms: BTreeSet<&str> = allowed.keys().copied().chain(["app", "cli"]).collect();
    let mut wrong = Vec::new();
    for file in sources() {
        let room = room_of(&file);
        let Some(may) = allowed.get(room.as_str()) else {
            assert!(
                ["app", "cli", "lib", "main"].contains(&room.as_str()),
                "{room} has no place in the table"
            );
            continue;
        };
        for (number, line) in code_lines(&file) {
            for named in crate_names(&line) {
                if rooms.contains(named.as_str()) && named != room && !may.contains(named.as_str()) {
                    wrong.push(format!("{}:{number}: {room} names {named}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "out of turn:\n{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_touch_neither_sockets_nor_files_nor_clocks() {
    let mut wrong = Vec::new();
    for file in sources().into_iter().filter(|file| PURE.contains(&room_of(file).as_str())) {
        for (number, line) in code_lines(&file) {
            wrong.extend(
                IMPURE
                    .iter()
                    .filter(|word| line.contains(**word))
                    .map(|word| format!("{}:{number}: {word}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "not pure:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_grows_past_five_hundred_lines_before_its_tests() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|file| (before_tests(&file).lines().count(), file))
        .filter(|(lines, _)| *lines > 500)
        .collect();
    assert!(long.is_empty(), "too long: {long:?}");
}

#[test]
fn every_room_says_in_its_header_what_it_is_for() {
    let is_room = |file: &PathBuf| file.ends_with("mod.rs") && file.iter().count() == 3;
    for file in sources().into_iter().filter(is_room) {
        let text = fs::read_to_string(&file).unwrap();
        let header = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!((3..=40).contains(&header), "{}: a header of {header} lines", file.display());
    }
}

#[test]
fn the_request_path_is_one_page() {
    let lines = before_tests(Path::new("src/proxy/mod.rs")).lines().count();
    assert!(lines <= 200, "src/proxy/mod.rs has {lines} lines");
    let main = before_tests(Path::new("src/main.rs")).lines().count();
    assert!(main < 40, "src/main.rs has {main} lines");
}

/// Crates on the way of a caller's bytes or a secret, the first version with the fix, and what it mends.
const MENDED: &[(&str, [u64; 3], &str)] = &[
    ("rustls", [0, 23, 18], "RUSTSEC-2024-0399"),
    ("rustls-webpki", [0, 103, 13], "RUSTSEC-2026-0049, -0098, -0099, -0104"),
    ("h2", [0, 4, 16], "RUSTSEC-2026-0258, and the floods before it"),
    ("hyper", [0, 14, 10], "RUSTSEC-2021-0020, -0078, -0079"),
    ("aes-gcm", [0, 10, 3], "RUSTSEC-2023-0096"),
    ("tungstenite", [0, 20, 1], "RUSTSEC-2023-0065"),
    ("ring", [0, 17, 12], "RUSTSEC-2025-0009"),
];

#[test]
fn no_crate_is_older_than_the_fix_of_its_advisory() {
    let lock = fs::read_to_string("Cargo.lock").unwrap();
    let lines: Vec<&str> = lock.lines().collect();
    for (name, fixed, advisory) in MENDED {
        let mut found = 0;
        for pair in lines.windows(2).filter(|pair| pair[0] == format!("name = \"{name}\"")) {
            let version = pair[1].trim_start_matches("version = ").trim_matches('"');
            let number =
                version.split(['-', '+']).next().unwrap().split('.').map(|part| part.parse().unwrap());
            let number: Vec<u64> = number.collect();
            assert!(
                number.as_slice() >= fixed.as_slice(),
                "{name} {version} is older than {fixed:?}: {advisory}"
            );
            found += 1;
        }
        assert!(found > 0, "{name} is not in Cargo.lock");
    }
}

#[test]
fn there_is_one_tls_stack() {
    let lock = fs::read_to_string("Cargo.lock").unwrap();
    let named = |name: &str| lock.lines().filter(|line| *line == format!("name = \"{name}\"")).count();
    assert_eq!(named("rustls"), 1);
    for other in ["openssl-sys", "native-tls", "boring", "s2n-tls"] {
        assert_eq!(named(other), 0, "{other}");
    }
}

#[test]
fn the_simulator_depends_on_nothing_of_ours() {
    let manifest = fs::read_to_string("crates/portal-sim/Cargo.toml").unwrap();
    assert!(!manifest.lines().any(|line| line.starts_with("portunus")));
}

/// Every source file of the product.
fn sources() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("src"), &mut found);
    found.sort();
    assert!(found.len() > 20, "the tests run in the package's root");
    found
}

/// `src/guard/host.rs` and `src/guard/mod.rs` are of the room `guard`; `src/proxy.rs` is its own.
fn room_of(file: &Path) -> String {
    let inside = file.strip_prefix("src").unwrap();
    let first = inside.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The text before `#[cfg(test)]`: what a file is without its tests. Files of tests are empty by this count.
fn before_tests(file: &Path) -> String {
    if file.file_stem().is_some_and(|stem| stem == "tests") || file.iter().any(|part| part == "tests") {
        return String::new();
    }
    let text = fs::read_to_string(file).unwrap();
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// Numbered lines without comments and tests.
fn code_lines(file: &Path) -> Vec<(usize, String)> {
    before_tests(file)
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default().to_owned()))
        .collect()
}

/// The rooms that a line names by `crate::…`.
fn crate_names(line: &str) -> Vec<String> {
    let ident = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    line.match_indices("crate::")
        .flat_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            match rest.strip_prefix('{') {
                Some(group) => group.split(',').map(|part| ident(part.trim())).collect(),
                None => vec![ident(rest)],
            }
        })
        .collect()
}
