//! `proxy.toml` as the table of settings has it: every setting, its unit, its range, its default, and why.

use std::fmt::Write as _;

use super::section::{CHAPTERS, REPEATED};
use super::setting::{Fallback, Setting};

/// The width that comments are wrapped at.
const WIDTH: usize = 100;

const HEAD: &str = "\
The configuration of portunus: every setting there is. All but [upstream] url may be left out.

A line `# key = value` shows a default: what holds while the line stays a comment. A line
`# e.g. key = value` is an example for a setting that is off, or up to the dialect, while it is not set.

The command line goes before the environment, and that before this file. The variable of a setting is
PORTUNUS_SECTION_KEY, such as PORTUNUS_UPSTREAM_URL; in a variable, the items of a list are separated by
commas. [[route]] and [[identity]] have no variables.

Durations are whole numbers with ms, s, m, h or d. Sizes are whole numbers with B, KiB, MiB or GiB.
A relative path starts in this file's directory; ~/ is the home directory.

A secret is never written here. It is named by where it comes from:
  { env = \"NAME\" }                    an environment variable
  { file = \"path\" }                   a file that nobody else can read (chmod 600)
  { command = [\"program\", \"arg\"] }    what a program prints; no shell is involved
  { prompt = true }                   a person types it at the start
PORTUNUS_SECTION_KEY holds a secret itself, PORTUNUS_SECTION_KEY_FILE the path of a file with it.
";

/// The text of `proxy.toml`.
pub fn reference() -> String {
    let mut text = String::new();
    for line in HEAD.lines() {
        comment(&mut text, line);
    }
    for (name, about, settings) in CHAPTERS {
        text.push('\n');
        wrapped(&mut text, about);
        let repeated = REPEATED.contains(&name);
        // A repeated table that is there at all is an entry: it stays a comment.
        let _ = if repeated { writeln!(text, "# e.g. [[{name}]]") } else { writeln!(text, "[{name}]") };
        for setting in settings {
            text.push('\n');
            row(&mut text, setting, repeated);
        }
    }
    text
}

fn row(text: &mut String, setting: &Setting, repeated: bool) {
    let Setting { key, kind, default, why, .. } = setting;
    wrapped(text, why);
    wrapped(text, &format!("({})", kind.documented()));
    let _ = match default {
        Fallback::Is(value) if repeated => writeln!(text, "# e.g. {key} = {value}"),
        Fallback::Is(value) => writeln!(text, "# {key} = {value}"),
        Fallback::Nothing(value) => writeln!(text, "# e.g. {key} = {value}"),
        Fallback::Required(value) if repeated => writeln!(text, "# e.g. {key} = {value}"),
        Fallback::Required(value) => writeln!(text, "{key} = {value}"),
    };
}

fn comment(text: &mut String, line: &str) {
    text.push('#');
    if !line.is_empty() {
        text.push(' ');
        text.push_str(line);
    }
    text.push('\n');
}

fn wrapped(text: &mut String, prose: &str) {
    let mut line = String::new();
    for word in prose.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH - 2 {
            comment(text, &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    comment(text, &line);
}
