//! The `proxy.toml` in the root.

use super::*;

const FILE: &str = include_str!("../../../proxy.toml");

/// The file with its commented lines of one sort taken out of their comments.
fn uncommented(start: &str) -> String {
    let line = |line: &str| match line.strip_prefix(start) {
        Some(rest)
            if (rest.starts_with('[') && rest.ends_with(']')) || rest.split(' ').nth(1) == Some("=") =>
        {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    FILE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn it_is_what_the_table_of_settings_says() {
    if FILE != reference() {
        let wanted = std::env::temp_dir().join("proxy.toml");
        std::fs::write(&wanted, reference()).unwrap();
        panic!("proxy.toml is not what the table of settings says; {} is", wanted.display());
    }
}

#[test]
fn its_commented_defaults_are_the_defaults() {
    let bare = read(FILE).unwrap_or_else(|problems| panic!("{problems}"));
    let spelled_out = read(&uncommented("# ")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(bare, spelled_out);
    assert_eq!(bare, read("[upstream]\nurl = \"https://portal.example.com\"\n").unwrap());
}

#[test]
fn its_examples_are_good_ones() {
    let config = read(&uncommented("# e.g. ")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.routes.len(), 1);
    assert!(config.upstream.ca_file.is_some() && config.login.password.is_some());
}

#[test]
fn it_has_every_setting_once_in_its_section_and_nothing_else() {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in FILE.lines() {
        let line = line.strip_prefix("# e.g. ").or_else(|| line.strip_prefix("# ")).unwrap_or(line);
        if line.starts_with('[') && line.ends_with(']') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if !section.is_empty()
            && let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            found.push((section.clone(), key.to_owned()));
        }
    }
    let all: Vec<_> = settings().map(|s| (s.section.to_owned(), s.key.to_owned())).collect();
    assert_eq!(found, all);
}

#[test]
fn no_line_is_longer_than_a_screen_is_wide() {
    let longest = FILE.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(110), "{longest:?}");
}

#[test]
fn no_two_settings_share_a_variable() {
    let mut names: Vec<String> =
        settings().flat_map(|s| [Some(s.variable()), s.file_variable()]).flatten().collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}
