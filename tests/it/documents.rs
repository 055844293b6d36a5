//! The documents that promise something, held against the tests that prove it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every row of a table that has a column of tests names at least one, and every test named exists.
#[test]
fn every_row_of_the_documents_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = test_names(root);
    let documents =
        ["docs/security.md", "docs/http.md", "docs/service.md", "docs/performance.md", "docs/protocol.md"];
    for document in documents {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let mut rows = 0;
        let mut columns = None;
        for line in text.lines() {
            let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
            match columns {
                _ if !line.starts_with('|') => columns = None,
                None => columns = Some(cells.last() == Some(&"Test")),
                Some(true) if !line.starts_with("|-") && !line.starts_with("| -") => {
                    rows += 1;
                    let named: Vec<&str> = cells.last().unwrap().split('`').skip(1).step_by(2).collect();
                    assert!(!named.is_empty(), "{document} has a row without a test: {line}");
                    for name in named {
                        let last = name.rsplit("::").next().unwrap();
                        assert!(known.contains(last), "{document} names {name}, which is no test: {line}");
                    }
                }
                Some(_) => {}
            }
        }
        let least = if document == "docs/service.md" || document == "docs/performance.md" { 3 } else { 20 };
        assert!(rows >= least, "{document} has {rows} rows only");
    }
}

/// The names of all test functions of the workspace.
pub(crate) fn test_names(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![root.join("src"), root.join("tests"), root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|kind| kind == "rs") {
                let text = fs::read_to_string(&entry).unwrap();
                let mut is_test = false;
                for line in text.lines().map(str::trim) {
                    is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                    if let (true, Some(at)) = (is_test, line.find("fn ")) {
                        let name = line[at + 3..].split(['(', '<']).next().unwrap_or_default();
                        names.insert(name.to_owned());
                        is_test = false;
                    }
                }
            }
        }
    }
    names
}
