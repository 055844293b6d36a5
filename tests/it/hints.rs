//! What the messages tell a person to change must exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every `section.key` in a text that people read is a setting of `proxy.toml`.
#[test]
fn every_setting_that_a_message_names_exists() {
    let known: BTreeSet<String> =
        portunus::config::settings().map(|setting| format!("{}.{}", setting.section, setting.key)).collect();
    let sections: BTreeSet<&str> = portunus::config::settings().map(|setting| setting.section).collect();
    let mut wrong = Vec::new();
    for file in sources(Path::new("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (index, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            for named in
                strings(line).flat_map(settings_in).filter(|(section, _)| sections.contains(section.as_str()))
            {
                let name = format!("{}.{}", named.0, named.1);
                if !known.contains(&name) && !NOT_SETTINGS.contains(&name.as_str()) {
                    wrong.push(format!("{}:{}: {name}", file.display(), index + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "no such settings:\n{}", wrong.join("\n"));
}

/// Words that look like settings and are not.
const NOT_SETTINGS: [&str; 3] = ["portal.example", "admin.sock", "session.json"];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let is_tests = path.file_stem().is_some_and(|stem| stem == "tests" || stem == "problem_tests");
        if path.is_dir() && !is_tests {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && !is_tests {
            found.push(path);
        }
    }
    found
}

/// The string literals of a line, as far as one line shows them.
fn strings(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

/// `section.key` pairs in a text: two words of `a-z_` around one dot, with no path or URL around them.
fn settings_in(text: &str) -> Vec<(String, String)> {
    text.split(|c: char| !(c.is_ascii_lowercase() || matches!(c, '_' | '.' | '/' | '-')))
        .filter_map(|word| {
            let (section, key) = word.trim_matches('.').split_once('.')?;
            let plain =
                |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            (plain(section) && plain(key)).then(|| (section.to_owned(), key.to_owned()))
        })
        .collect()
}
