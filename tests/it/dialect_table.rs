//! docs/dialects.md, held against the code: setting, what each preset has, and a test that exists (PROTOCOL section 11).

use std::fs;

use portunus::detect::Cell;
use portunus::portal::{Dialect, Preset};

const PRESETS: [Preset; 4] = [Preset::Guide, Preset::Scv2, Preset::Sdk, Preset::Wiki];

fn row(cell: Cell) -> String {
    // The lists have a table of their own.
    if cell == Cell::SealedPaths {
        return format!(
            "| `{}` |{} |",
            cell.key(),
            " see below |".repeat(PRESETS.len()).trim_end_matches(" |")
        );
    }
    let values = PRESETS.map(|preset| {
        let written = cell.written(&Dialect::preset(preset, "tenant"));
        format!("`{}`", written.trim_matches('"'))
    });
    format!("| `{}` | {} |", cell.key(), values.join(" | "))
}

#[test]
fn section_11_every_setting_stands_in_the_table_as_the_presets_have_it_with_its_test() {
    let text = fs::read_to_string("docs/dialects.md").unwrap();
    let tests = [
        "src/config/tests/dialect.rs",
        "tests/it/dialects.rs",
        "tests/it/detect.rs",
        "tests/it/first_message.rs",
    ];
    let tests = tests.map(|file| fs::read_to_string(file).unwrap()).concat();
    let mut missing = Vec::new();
    for cell in Cell::ALL {
        let wanted = row(cell);
        match text.lines().find_map(|line| line.strip_prefix(wanted.as_str())) {
            None => missing.push(wanted),
            Some(rest) => {
                let name = rest.trim().trim_matches(['|', '`', ' ']);
                assert!(tests.contains(&format!("fn {name}(")), "{}: no test is called {name:?}", cell.key());
            }
        }
    }
    assert!(missing.is_empty(), "docs/dialects.md has no such rows:\n{}", missing.join("\n"));
}

#[test]
fn ruling_3_every_sealed_path_stands_in_its_table_and_no_other() {
    let text = fs::read_to_string("docs/dialects.md").unwrap();
    let table = text.split("## Which calls are sealed").nth(1).unwrap().split("\n## ").next().unwrap();
    let written: Vec<_> = table.lines().filter(|line| line.starts_with("| `{")).map(str::to_owned).collect();
    let dialects = PRESETS.map(|preset| Dialect::preset(preset, "tenant"));
    let mut paths: Vec<String> = Vec::new();
    for path in dialects.iter().flat_map(|dialect| &dialect.sealed_paths) {
        if !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    let row = |path: &String| {
        let cells = dialects
            .iter()
            .map(|dialect| if dialect.sealed_paths.contains(path) { " sealed |" } else { " |" });
        format!("| `{path}` |{}", cells.collect::<String>())
    };
    assert_eq!(written, paths.iter().map(row).collect::<Vec<_>>());
    assert!(Dialect::preset(Preset::Plain, "tenant").sealed_paths.is_empty());
}
