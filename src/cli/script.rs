//! A terminal that follows a script, for tests.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::failure::Failure;
use super::terminal::{Paint, Question, Terminal, Unanswered};

/// What it answers, and what it was told and asked.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// Whether somebody sits there.
    pub(super) interactive: bool,
    /// The answers to come.
    pub(super) answers: VecDeque<Result<&'static str, Unanswered>>,
    /// The lines to come from standard input.
    pub(super) stdin: VecDeque<&'static str>,
    pub(super) data: Vec<String>,
    pub(super) said: Vec<String>,
    /// The prompts, and whether the answer was hidden.
    pub(super) asked: Vec<(String, bool)>,
    pub(super) waits: Vec<Option<String>>,
}

impl Script {
    /// A person who will type these lines.
    pub(super) fn person(answers: &[&'static str]) -> Self {
        let answers = answers.iter().map(|answer| Ok(*answer)).collect();
        Self { interactive: true, answers, ..Self::default() }
    }

    /// A pipe with these lines, and nobody to ask.
    pub(super) fn pipe(lines: &[&'static str]) -> Self {
        Self { stdin: lines.iter().copied().collect(), ..Self::default() }
    }

    /// The prompts without their countdown.
    pub(super) fn prompts(&self) -> Vec<&str> {
        self.asked.iter().map(|(prompt, _)| prompt.split([':', '(']).next().unwrap().trim()).collect()
    }
}

impl Terminal for Script {
    fn data(&mut self, line: &str) {
        self.data.push(line.to_owned());
    }

    fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }

    fn detail(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }

    fn interactive(&self) -> bool {
        self.interactive
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<Zeroizing<String>, Unanswered> {
        let Some(prompt) = (question.prompt)() else { return Err(Unanswered::Expired) };
        self.asked.push((prompt.clone(), question.hidden));
        let answer = self.answers.pop_front().unwrap_or_else(|| panic!("nobody answers {prompt:?}"));
        answer.map(|text| Zeroizing::new(text.to_owned()))
    }

    fn line_from_stdin(&mut self) -> Result<Zeroizing<String>, Failure> {
        let line = self.stdin.pop_front().ok_or_else(|| Failure::usage("standard input ended"))?;
        Ok(Zeroizing::new(line.to_owned()))
    }

    fn waiting(&mut self, text: Option<&str>) {
        self.waits.push(text.map(str::to_owned));
    }

    fn paint(&self) -> Paint {
        Paint::default()
    }
}
