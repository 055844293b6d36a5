//! docs/flows.md, held against the code.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_table_of_flows_names_is_there() {
    let mut sources = String::new();
    collect(Path::new("src"), &mut sources);
    collect(Path::new("tests"), &mut sources);
    let page = fs::read_to_string("docs/flows.md").unwrap();
    let table = page.split("## Flow, branch, test").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() > 40, "the table is gone");
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 6, "{row}");
        let names: Vec<_> = cells[2..].iter().filter(|cell| !cell.is_empty()).collect();
        assert!(!names.is_empty(), "a branch without a test: {row}");
        for name in names {
            let test = name.trim_matches('`');
            assert!(sources.contains(&format!("fn {test}(")), "{test} is no test: {row}");
        }
    }
}

#[test]
fn the_drawing_shows_the_states_that_there_are() {
    let page = fs::read_to_string("docs/flows.md").unwrap();
    let drawing = page.split("```").nth(1).unwrap();
    let code = fs::read_to_string("src/session/status.rs").unwrap();
    let body = code.split("pub enum Status {").nth(1).unwrap().split("\n}").next().unwrap();
    let name = |line: &str| -> String { line.trim().chars().take_while(char::is_ascii_alphabetic).collect() };
    let states: Vec<_> = body.lines().map(name).filter(|name| !name.is_empty()).collect();
    assert_eq!(states.len(), 5, "{states:?}");
    for state in &states {
        assert!(drawing.contains(state.as_str()), "{state} is missing");
    }
    let drawn =
        drawing.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.starts_with(char::is_uppercase));
    for word in drawn {
        assert!(states.iter().any(|state| state == word), "{word} is no state");
    }
}

fn collect(dir: &Path, text: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
