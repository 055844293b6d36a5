//! The sections of `proxy.toml`, as text: each setting with how sure it is and why.

use std::fmt::Write;

use super::cell::quoted;
use super::{Cell, Confidence, Found};

/// As wide as the rest of `proxy.toml`.
const WIDTH: usize = 100;

/// `[portal]` and `[dialect]`.
pub(super) fn sections(found: &Found) -> String {
    let preset = found.preset();
    let overrides = found.overrides();
    let mut out = String::new();
    let login = format!("Found by `portunus detect`; {}.", found.login);
    comment(&mut out, &login);
    comment(&mut out, &calls(found));
    out.push_str("\n[portal]\n");
    line(&mut out, "name", &quoted(&found.dialect.portal));
    let fit = match overrides.len() {
        0 => "the deployment speaks it to the letter".to_owned(),
        1 => "the nearest preset: one setting departs from it".to_owned(),
        many => format!("the nearest preset: {many} settings depart from it"),
    };
    comment(&mut out, &fit);
    line(&mut out, "dialect", &quoted(preset.name()));
    out.push_str("\n[dialect]\n");
    for cell in overrides.iter().copied() {
        reason(&mut out, found, cell);
        line(&mut out, cell.key(), &cell.written(&found.dialect));
    }
    let agreeing: Vec<Cell> = found.meaningful().filter(|cell| !overrides.contains(cell)).collect();
    if !agreeing.is_empty() {
        out.push('\n');
        comment(&mut out, &format!("As {} has it:", quoted(preset.name())));
    }
    for cell in agreeing {
        reason(&mut out, found, cell);
        // A list would take a line for each path; those of the preset are documented.
        match cell {
            Cell::SealedPaths => comment(&mut out, "  sealed_paths"),
            cell => comment(&mut out, &format!("  {} = {}", cell.key(), cell.written(&found.dialect))),
        }
    }
    out
}

fn reason(out: &mut String, found: &Found, cell: Cell) {
    if let Some(finding) = found.finding(cell) {
        let sure = match finding.confidence {
            Confidence::Seen => "seen",
            Confidence::Inferred => "inferred",
            Confidence::Assumed => "ASSUMED",
        };
        comment(out, &format!("{sure}: {}", finding.why));
    }
}

fn calls(found: &Found) -> String {
    let calls = found.calls.iter().map(|(call, count)| format!("{count} × {}", call.name()));
    let calls = calls.collect::<Vec<_>>().join(", ");
    format!("Calls made: {calls}; {} more only looked whether a path is served.", found.lookups)
}

fn line(out: &mut String, key: &str, value: &str) {
    let _ = writeln!(out, "{key} = {value}");
}

/// One comment, wrapped. Control characters would end it.
fn comment(out: &mut String, text: &str) {
    let indent = text.len() - text.trim_start().len();
    let mut width = WIDTH; // so that the first word begins a line
    let mut first = true;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if width + 1 + word.chars().count() > WIDTH {
            if !first {
                out.push('\n');
            }
            out.push('#');
            out.push_str(&" ".repeat(indent));
            width = 1 + indent;
        }
        out.push(' ');
        out.push_str(word);
        width += 1 + word.chars().count();
        first = false;
    }
    if !first {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Evidence;
    use super::super::{Found, LoginEnd};
    use super::*;
    use crate::channel::Aad;
    use crate::portal::{Dialect, Endpoint, Preset};

    fn found(preset: Preset, why: &str) -> Found {
        let mut dialect = Dialect::preset(preset, "tenant");
        if let Some(spelling) = &mut dialect.channel {
            spelling.aad = Aad::SessionId;
        }
        let mut evidence = Evidence::default();
        evidence.note(Cell::Aad, Confidence::Seen, why);
        Found {
            dialect,
            findings: evidence.complete(),
            login: LoginEnd::Complete,
            calls: vec![(Endpoint::PublicKey, 3), (Endpoint::Initiate, 1)],
            lookups: 2,
        }
    }

    #[test]
    fn every_line_says_how_sure_it_is_and_why() {
        let text = found(Preset::Scv2, "login/complete read it").to_toml();
        assert!(text.contains("# seen: login/complete read it\naad = \"session-id\"\n"), "{text}");
        assert!(text.contains("dialect = \"scv2\""), "{text}");
        assert!(text.contains("#   envelope = \"binary\"\n"), "{text}");
        assert!(text.contains("3 × secure-channel/public-key, 1 × login/initiate"), "{text}");
        let values: toml::Table = text.parse().unwrap();
        assert_eq!(values["dialect"].as_table().unwrap().len(), 1);
        assert_eq!(values["portal"]["name"].as_str(), Some("tenant"));
    }

    #[test]
    fn nothing_that_the_portal_says_can_leave_a_comment() {
        let text = found(Preset::Guide, "it said\n[admin]\r\nenabled = true\u{85}x").to_toml();
        let values: toml::Table = text.parse().unwrap();
        assert_eq!(values.keys().collect::<Vec<_>>(), ["dialect", "portal"]);
    }

    #[test]
    fn without_a_channel_nothing_is_said_about_one() {
        let text = found(Preset::Plain, "x").to_toml();
        assert!(!text.contains("aad") && !text.contains("envelope"), "{text}");
        assert!(text.contains("speaks it to the letter"), "{text}");
    }

    #[test]
    fn long_reasons_are_wrapped() {
        let text = found(Preset::Guide, &"word ".repeat(100)).to_toml();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
