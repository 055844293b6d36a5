//! The one place that prints and asks: data to stdout, talk to stderr, colours and motion on a terminal only.

use std::fmt::Display;
use std::future::Future;
use std::io::{self, Write};
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::args::{Answer, ColorWhen, Talk};
use super::environment::Environment;
use super::exit::Exit;
use super::failure::Failure;
use super::prompt;

/// After how long a wait is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a wait is drawn.
const FRAME: Duration = Duration::from_millis(120);

const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// What a command needs of a terminal; tests script one.
pub trait Terminal: Send {
    /// Writes a line of data to stdout.
    fn data(&mut self, line: &str);
    /// Says a line on stderr, unless told to be quiet.
    fn say(&mut self, line: &str);
    /// Says a line on stderr if told to say more.
    fn detail(&mut self, line: &str);
    /// Whether there is somebody to ask.
    fn interactive(&self) -> bool;
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// Why there is none.
    fn ask(&mut self, question: &Question<'_>) -> Result<Zeroizing<String>, Unanswered>;
    /// Reads one line from standard input, for scripts.
    ///
    /// # Errors
    /// If standard input is a terminal or ends before.
    fn line_from_stdin(&mut self) -> Result<Zeroizing<String>, Failure>;
    /// Draws a wait; `None` takes it away.
    fn waiting(&mut self, text: Option<&str>);
    /// The colours for data.
    fn paint(&self) -> Paint;
}

/// A question on the terminal.
pub struct Question<'a> {
    /// The prompt as it reads now; it is asked for again every second. `None` ends the question.
    pub prompt: &'a dyn Fn() -> Option<String>,
    /// Whether what is typed stays invisible.
    pub hidden: bool,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Ctrl-D, or the terminal went away.
    #[error("the input ended")]
    Ended,
    /// The time for an answer is over.
    #[error("the time for an answer is over")]
    Expired,
    /// The terminal failed.
    #[error("the terminal failed: {0}")]
    Broken(String),
}

impl From<Unanswered> for Failure {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Interrupted => Self::interrupted(),
            Unanswered::Ended | Unanswered::Expired => Self::new(Exit::PersonNeeded, why.to_string()),
            Unanswered::Broken(_) => Self::failed(why.to_string()),
        }
    }
}

impl std::fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("hidden", &self.hidden).finish_non_exhaustive()
    }
}

/// Awaits `call`, and shows the wait once it is longer than a second.
pub(super) async fn waiting<T>(
    terminal: &mut impl Terminal,
    doing: &str,
    call: impl Future<Output = T>,
) -> T {
    let begun = Instant::now();
    let mut frames = FRAMES.iter().cycle();
    let mut next = begun + PATIENCE;
    tokio::pin!(call);
    loop {
        tokio::select! {
            biased;
            done = &mut call => {
                terminal.waiting(None);
                return done;
            }
            () = tokio::time::sleep_until(next) => {
                next += FRAME;
                let frame = frames.next().unwrap_or(&' ');
                terminal.waiting(Some(&format!("{frame} {doing} … {} s", begun.elapsed().as_secs())));
            }
        }
    }
}

/// Colours, or none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Colours where `on`.
    pub fn new(on: bool) -> Self {
        Self { on }
    }

    /// What went well.
    pub fn good(self, text: impl Display) -> String {
        self.wrap("32", text)
    }

    /// What did not.
    pub fn bad(self, text: impl Display) -> String {
        self.wrap("31", text)
    }

    /// What is awaited.
    pub fn warn(self, text: impl Display) -> String {
        self.wrap("33", text)
    }

    /// What stands out.
    pub fn strong(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    /// What stands back.
    pub fn faint(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// The process's own standard streams.
#[derive(Debug)]
pub struct Screen {
    talk: Talk,
    can_ask: bool,
    stdin_is_terminal: bool,
    moves: bool,
    data_paint: Paint,
    talk_paint: Paint,
    waiting: bool,
}

impl Screen {
    pub(super) fn new(environment: &Environment, color: ColorWhen, talk: Talk) -> Self {
        let plain = environment.var_os("NO_COLOR").is_some() || environment.var("TERM") == Some("dumb");
        let paint = |terminal: bool| match color {
            ColorWhen::Always => Paint::new(true),
            ColorWhen::Never => Paint::new(false),
            ColorWhen::Auto => Paint::new(terminal && !plain),
        };
        Self {
            talk,
            can_ask: environment.stdin_is_terminal && environment.stderr_is_terminal,
            stdin_is_terminal: environment.stdin_is_terminal,
            moves: environment.stderr_is_terminal
                && environment.var("TERM") != Some("dumb")
                && talk > Talk::Quiet,
            data_paint: paint(environment.stdout_is_terminal),
            talk_paint: paint(environment.stderr_is_terminal),
            waiting: false,
        }
    }

    /// Prints why a command ended badly; its code.
    pub(super) fn fail(&mut self, failure: &Failure) -> Exit {
        if failure.exit == Exit::Interrupted {
            // Who pressed Ctrl-C knows why.
            return failure.exit;
        }
        let mut text = format!("{} {}", self.talk_paint.bad("error:"), failure.what);
        if let Some(hint) = &failure.hint {
            text = format!("{text}\n{} {hint}", self.talk_paint.strong("hint:"));
        }
        self.stderr(&text);
        failure.exit
    }

    /// Prints clap's answer: help is data, a usage error is talk.
    pub(super) fn answer(&mut self, answer: &Answer) -> Exit {
        if answer.exit == Exit::Ok {
            self.data(answer.text.trim_end());
        } else {
            self.stderr(answer.text.trim_end());
        }
        answer.exit
    }

    fn stderr(&mut self, text: &str) {
        self.waiting(None);
        // Nobody can be told that stderr is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

impl Terminal for Screen {
    fn data(&mut self, line: &str) {
        self.waiting(None);
        // A reader that went away, such as `head`, is no error.
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }

    fn say(&mut self, line: &str) {
        if self.talk >= Talk::Normal {
            self.stderr(line);
        }
    }

    fn detail(&mut self, line: &str) {
        if self.talk >= Talk::Verbose {
            self.stderr(line);
        }
    }

    fn interactive(&self) -> bool {
        self.can_ask
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<Zeroizing<String>, Unanswered> {
        self.waiting(None);
        prompt::ask(io::stdin(), io::stderr(), question)
    }

    fn line_from_stdin(&mut self) -> Result<Zeroizing<String>, Failure> {
        if self.stdin_is_terminal {
            let what = "standard input is a terminal, where a secret would be shown";
            return Err(Failure::usage(what).hint("leave the flag out to be asked, or pipe the secret in"));
        }
        prompt::line(io::stdin())
    }

    fn waiting(&mut self, text: Option<&str>) {
        if !self.moves || (text.is_none() && !self.waiting) {
            return;
        }
        self.waiting = text.is_some();
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r\x1b[K{}", text.unwrap_or_default()).and_then(|()| stderr.flush());
    }

    fn paint(&self) -> Paint {
        self.data_paint
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::*;

    #[test]
    fn colours_need_a_terminal_and_no_no_color() {
        let screen = |variables: &[(&str, &str)], terminal: bool, color| {
            let mut environment =
                Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())));
            environment.stdout_is_terminal = terminal;
            Screen::new(&environment, color, Talk::Normal).data_paint.on
        };
        assert!(screen(&[], true, ColorWhen::Auto));
        assert!(!screen(&[], false, ColorWhen::Auto));
        assert!(!screen(&[("NO_COLOR", "1")], true, ColorWhen::Auto));
        assert!(!screen(&[("TERM", "dumb")], true, ColorWhen::Auto));
        assert!(screen(&[("NO_COLOR", "1")], false, ColorWhen::Always));
        assert!(!screen(&[], true, ColorWhen::Never));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_shown_after_a_second_and_taken_away() {
        let mut script = Script::default();
        waiting(&mut script, "signing in", tokio::time::sleep(Duration::from_millis(900))).await;
        assert_eq!(script.waits, [None]);
        waiting(&mut script, "signing in", tokio::time::sleep(Duration::from_millis(1_100))).await;
        assert_eq!(script.waits.len(), 3);
        assert_eq!(script.waits[1].as_deref(), Some("⠋ signing in … 1 s"));
        assert_eq!(script.waits[2], None);
    }
}
