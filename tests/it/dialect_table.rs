//! docs/dialects.md, held against the code: setting, what each preset has, and a test that exists (PROTOCOL section 11).

use std::fs;

use portunus::detect::Cell;
use portunus::portal::{Dialect, Preset};

const PRESETS: [Preset; 4] = [Preset::Guide, Preset::Scv2, Preset::Sdk, Preset::Wiki];

/// Its lists stand in the preset and in `proxy.toml`.
fn is_listed(cell: Cell) -> bool {
    cell != Cell::SealedPaths
}

fn row(cell: Cell) -> String {
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
    for cell in Cell::ALL.into_iter().filter(|cell| is_listed(*cell)) {
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
