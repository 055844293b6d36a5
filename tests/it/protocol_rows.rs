//! docs/protocol.md, held against the code: no call, no code and no ruling without its row, and none of a test that
//! does not speak of it. That the tests named exist is held by `documents`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portunus::portal::Endpoint;

/// First cell, second cell, the tests.
fn rows() -> Vec<(String, String, Vec<String>)> {
    let page = fs::read_to_string("docs/protocol.md").unwrap();
    let is_row =
        |line: &&str| line.starts_with("| ") && !line.starts_with("| Row") && !line.starts_with("| ---");
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [row, what, tests] = cells[..] else { panic!("{line}") };
        (row.to_owned(), what.to_owned(), in_ticks(tests))
    };
    page.lines().filter(is_row).map(row).collect()
}

fn in_ticks(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every source file of ours with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![PathBuf::from("src"), PathBuf::from("tests")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

fn is_code(text: &str) -> bool {
    let is_dotted = text.split_once('.').is_some_and(|(area, name)| {
        area.bytes().chain(name.bytes()).all(|b| b.is_ascii_uppercase() || b == b'_') && !name.is_empty()
    });
    let is_short = text.len() >= 4
        && text.trim_start_matches('U').bytes().all(|b| b.is_ascii_digit())
        && text.trim_start_matches('U').len() == 4;
    is_dotted || is_short
}

#[test]
fn every_call_of_sections_6_to_8_has_a_row() {
    let named: BTreeSet<_> = rows().into_iter().flat_map(|(_, what, _)| in_ticks(&what)).collect();
    let of_the_channel = [Endpoint::PublicKey, Endpoint::Session, Endpoint::SessionClose];
    for call in Endpoint::ALL.into_iter().filter(|call| !of_the_channel.contains(call)) {
        assert!(named.contains(call.name()), "{} has no row", call.name());
    }
}

#[test]
fn every_code_that_the_code_knows_has_a_row_whose_test_speaks_of_it() {
    let code = fs::read_to_string(Path::new("src/portal/wire/code.rs")).unwrap();
    let code = code.split("#[cfg(test)]").next().unwrap();
    let known: BTreeSet<_> = code.split('"').skip(1).step_by(2).filter(|text| is_code(text)).collect();
    assert!(known.len() > 30, "{known:?}");
    let rows = rows();
    for code in known {
        assert!(
            rows.iter().any(|(_, what, _)| in_ticks(what).iter().any(|c| c == code)),
            "{code} has no row"
        );
    }
    let sources = sources();
    for (row, what, tests) in rows.iter().filter(|(row, ..)| row == "9") {
        for code in in_ticks(what).into_iter().filter(|text| is_code(text)) {
            let speaks = |test: &String| {
                let is_there = |text: &str| {
                    text.contains(&format!("fn {test}(")) && text.contains(&format!("\"{code}\""))
                };
                sources.iter().any(|(_, text)| is_there(text))
            };
            assert!(tests.iter().any(speaks), "{row}: no test of {tests:?} speaks of {code}");
        }
    }
}

#[test]
fn every_ruling_has_a_row_and_a_named_test_says_which_it_is_of() {
    let rows = rows();
    for ruling in 1..=17 {
        let row = format!("Ruling {ruling}");
        assert_eq!(rows.iter().filter(|(of, ..)| *of == row).count(), 1, "{row}");
    }
    for (row, _, tests) in &rows {
        // A test that is called after a section or a ruling stands in no row of another one.
        let number = row.strip_prefix("Ruling ").map(|number| format!("ruling_{number}_"));
        for test in tests.iter().filter(|test| test.starts_with("ruling_") && number.is_some()) {
            assert!(test.starts_with(number.as_deref().unwrap()), "{row}: {test}");
        }
    }
}
