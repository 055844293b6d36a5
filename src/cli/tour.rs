//! A tour: numbered steps, each with the line one would type, what happened, and why that matters.

use std::time::Duration;

use super::exit::Exit;
use super::span::took;
use super::terminal::{Paint, Terminal};

/// The widest line of text, without its indent.
const WIDTH: usize = 90;

/// The indent below a step's title.
const INDENT: &str = "      ";

/// One step of a tour, done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it shows.
    pub title: String,
    /// The line that does it, to be pasted into a shell.
    pub command: Option<String>,
    /// What happened: `Ok` and the findings, or `Err` and what went wrong. Each line is shown as it is.
    pub happened: Result<Vec<String>, String>,
    /// Why it matters; wrapped.
    pub why: String,
    /// How long it took.
    pub took: Duration,
}

/// Shows steps as they are done.
#[derive(Debug)]
pub struct Tour<'a, T> {
    terminal: &'a mut T,
    steps: usize,
    failed: usize,
}

impl<'a, T: Terminal> Tour<'a, T> {
    /// Begins with a title and what is about to be seen.
    pub fn begin(terminal: &'a mut T, title: &str, about: &str) -> Self {
        let title = terminal.paint().strong(title);
        terminal.data(&format!("{title}\n{}\n", wrapped(about, "", WIDTH)));
        Self { terminal, steps: 0, failed: 0 }
    }

    /// Shows the next step.
    pub fn step(&mut self, step: &Step) {
        self.steps += 1;
        self.failed += usize::from(step.happened.is_err());
        let text = render(self.steps, step, self.terminal.paint());
        self.terminal.data(&text);
    }

    /// Ends: how it went, and the exit code.
    pub fn finish(self) -> Exit {
        let paint = self.terminal.paint();
        let (text, exit) = match self.failed {
            0 => (paint.good(format!("✓ all {} steps went as they should", self.steps)), Exit::Ok),
            n => {
                (paint.bad(format!("✗ {n} of {} steps did not go as they should", self.steps)), Exit::Failed)
            }
        };
        self.terminal.data(&text);
        exit
    }
}

fn render(number: usize, step: &Step, paint: Paint) -> String {
    let mark = if step.happened.is_ok() { paint.good('✓') } else { paint.bad('✗') };
    let title = paint.strong(&step.title);
    let mut lines = vec![format!("{mark} {number:>2}. {title}  {}", paint.faint(took(step.took)))];
    lines.extend(step.command.iter().map(|command| format!("{INDENT}{} {command}", paint.faint('$'))));
    match &step.happened {
        Ok(findings) => lines.extend(findings.iter().map(|finding| format!("{INDENT}{finding}"))),
        Err(what) => lines.push(format!("{INDENT}{}", paint.bad(what))),
    }
    lines.push(paint.faint(wrapped(&step.why, INDENT, WIDTH)));
    lines.push(String::new());
    lines.join("\n")
}

/// The text in lines of at most `width` characters, each behind the indent, which does not count.
fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let width = width + indent.chars().count();
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::*;

    fn step(happened: Result<Vec<String>, String>) -> Step {
        Step {
            title: "A plain POST, sealed on the way".into(),
            command: Some("curl -d '{\"a\":1}' localhost:8787/x".into()),
            happened,
            why: "the client knows nothing of keys, nonces or envelopes: any tool that speaks HTTP will do, \
                  and none has to be changed"
                .into(),
            took: Duration::from_millis(12),
        }
    }

    #[test]
    fn a_step_shows_its_command_what_happened_and_why_it_matters() {
        let mut script = Script::default();
        let mut tour = Tour::begin(&mut script, "portunus demo", "simulator and proxy in one process");
        tour.step(&step(Ok(vec!["the wire: 53 43 02 02 …".into(), "the answer: {\"ok\":true}".into()])));
        assert_eq!(tour.finish(), Exit::Ok);
        assert_eq!(
            script.data.join("\n"),
            "\
portunus demo
simulator and proxy in one process

✓  1. A plain POST, sealed on the way  12 ms
      $ curl -d '{\"a\":1}' localhost:8787/x
      the wire: 53 43 02 02 …
      the answer: {\"ok\":true}
      the client knows nothing of keys, nonces or envelopes: any tool that speaks HTTP will do,
      and none has to be changed

✓ all 1 steps went as they should"
        );
    }

    #[test]
    fn a_step_that_failed_fails_the_tour_and_does_not_end_it() {
        let mut script = Script::default();
        let mut tour = Tour::begin(&mut script, "portunus demo", "…");
        tour.step(&step(Err("the portal answered 503".into())));
        tour.step(&step(Ok(vec![])));
        assert_eq!(tour.finish(), Exit::Failed);
        assert!(script.data[1].starts_with("✗  1. "), "{}", script.data[1]);
        assert!(script.data[1].contains("\n      the portal answered 503\n"));
        assert!(script.data[2].starts_with("✓  2. "));
        assert_eq!(script.data[3], "✗ 1 of 2 steps did not go as they should");
    }

    #[test]
    fn lines_are_as_wide_as_they_may_be_and_not_wider() {
        assert_eq!(wrapped("aa bb cc", "", 5), "aa bb\ncc");
        assert_eq!(wrapped("aa bb cc", "", 4), "aa\nbb\ncc");
        assert_eq!(wrapped("longer than a line", "  ", 6), "  longer\n  than a\n  line");
    }
}
