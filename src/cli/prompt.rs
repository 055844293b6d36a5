//! Reading a line from a terminal, key by key, so that Ctrl-C finds the terminal's settings restored.
//!
//! Why not in the terminal's own line mode: there Ctrl-C is a signal, and a process that dies of it while
//! the echo is off leaves the shell without one. Here it is a byte like the others.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::terminal::{Question, Unanswered};

/// The longest line, in bytes; what comes beyond is ignored at a prompt, and refused from a pipe.
const LINE_MAX: usize = 1024;

/// How often the prompt is drawn anew, since it may count seconds.
const REDRAW: Duration = Duration::from_secs(1);

/// Asks on a terminal.
pub(super) fn ask(
    input: impl AsFd,
    mut output: impl Write,
    question: &Question<'_>,
) -> Result<Zeroizing<String>, Unanswered> {
    let input = input.as_fd();
    let keys = KeyByKey::begin(&input).map_err(broken)?;
    let mut line = Line::new();
    let mut drawn = Drawn::default();
    let answer = loop {
        let Some(prompt) = (question.prompt)() else { break Err(Unanswered::Expired) };
        let text: &str = if question.hidden { "" } else { &line.text };
        if let Err(error) = drawn.draw(&mut output, &prompt, text) {
            break Err(Unanswered::Broken(error.to_string()));
        }
        match key(&input, REDRAW) {
            Ok(None) => {}
            Ok(Some(Read::End)) => break Err(Unanswered::Ended),
            Ok(Some(Read::Byte(byte))) => match line.feed(byte) {
                Edit::Going => {}
                Edit::Done => break Ok(()),
                Edit::Interrupted => break Err(Unanswered::Interrupted),
                Edit::Ended => break Err(Unanswered::Ended),
            },
            Err(errno) => break Err(broken(errno)),
        }
    };
    drop(keys);
    let _ = writeln!(output).and_then(|()| output.flush());
    answer.map(|()| line.text)
}

/// Reads one line from a pipe or file, and not a byte more: the next line may be meant for a later question.
pub(super) fn line(input: impl AsFd) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LINE_MAX));
    let mut byte = [0];
    loop {
        match rustix::io::read(&input, &mut byte) {
            Ok(0) if bytes.is_empty() => {
                return Err(Failure::usage("standard input ended before the line that was to be read"));
            }
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if bytes.len() == LINE_MAX => {
                return Err(Failure::usage(format!(
                    "the line on standard input is longer than {LINE_MAX} bytes"
                )));
            }
            Ok(_) => bytes.push(byte[0]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::failed(format!("cannot read standard input: {errno}"))),
        }
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Failure::usage("the line on standard input is not UTF-8")),
    }
}

/// The terminal without echo, line mode and signals, until dropped.
struct KeyByKey<'a, Fd: AsFd> {
    terminal: &'a Fd,
    before: Termios,
}

impl<'a, Fd: AsFd> KeyByKey<'a, Fd> {
    fn begin(terminal: &'a Fd) -> Result<Self, Errno> {
        let before = tcgetattr(terminal)?;
        let mut keys = before.clone();
        keys.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        keys.special_codes[SpecialCodeIndex::VMIN] = 1;
        keys.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed ahead is kept: scripts that drive a terminal rely on it.
        tcsetattr(terminal, OptionalActions::Drain, &keys)?;
        Ok(Self { terminal, before })
    }
}

impl<Fd: AsFd> Drop for KeyByKey<'_, Fd> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}

enum Read {
    Byte(u8),
    End,
}

/// One byte, or nothing if none comes in time.
fn key(input: &impl AsFd, patience: Duration) -> Result<Option<Read>, Errno> {
    let time = Timespec {
        tv_sec: patience.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&time)) {
        Ok(0) | Err(Errno::INTR) => return Ok(None),
        Ok(_) => {}
        Err(errno) => return Err(errno),
    }
    let mut byte = [0];
    match rustix::io::read(input, &mut byte) {
        // EIO: the other side of the terminal is gone.
        Ok(0) | Err(Errno::IO) => Ok(Some(Read::End)),
        Ok(_) => Ok(Some(Read::Byte(byte[0]))),
        Err(Errno::INTR | Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn broken(errno: Errno) -> Unanswered {
    Unanswered::Broken(errno.to_string())
}

/// What stands on the prompt's line, so that it is drawn only when it changed; with spaces over what stood
/// there, since not every terminal knows how to clear.
#[derive(Default)]
struct Drawn {
    line: Zeroizing<String>,
    drawn: bool,
}

impl Drawn {
    fn draw(&mut self, output: &mut impl Write, prompt: &str, text: &str) -> std::io::Result<()> {
        let line = Zeroizing::new(format!("{prompt}{text}"));
        if self.drawn && *line == *self.line {
            return Ok(());
        }
        let excess = self.line.chars().count().saturating_sub(line.chars().count());
        // One write: half a line on the screen would flicker.
        let all = Zeroizing::new(format!("\r{}{}{}", *line, " ".repeat(excess), "\u{8}".repeat(excess)));
        output.write_all(all.as_bytes())?;
        (self.line, self.drawn) = (line, true);
        output.flush()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Edit {
    Going,
    Done,
    Interrupted,
    Ended,
}

/// A line while it is typed.
struct Line {
    text: Zeroizing<String>,
    /// The bytes of a character that is not complete yet.
    partial: Zeroizing<Vec<u8>>,
    escape: Escape,
}

/// Where in an escape sequence (an arrow key, say) the input stands; such keys do nothing here.
enum Escape {
    Outside,
    Begun,
    Inside,
}

impl Line {
    fn new() -> Self {
        // The whole room at once: a string that grows leaves copies behind.
        let text = Zeroizing::new(String::with_capacity(LINE_MAX));
        Self { text, partial: Zeroizing::new(Vec::with_capacity(4)), escape: Escape::Outside }
    }

    fn feed(&mut self, byte: u8) -> Edit {
        match self.escape {
            Escape::Begun => {
                self.escape = if matches!(byte, b'[' | b'O') { Escape::Inside } else { Escape::Outside };
                return Edit::Going;
            }
            Escape::Inside => {
                if (0x40..=0x7e).contains(&byte) {
                    self.escape = Escape::Outside;
                }
                return Edit::Going;
            }
            Escape::Outside => {}
        }
        match byte {
            b'\r' | b'\n' => return Edit::Done,
            0x03 => return Edit::Interrupted,
            0x04 if self.text.is_empty() => return Edit::Ended,
            0x08 | 0x7f => drop(self.text.pop()),
            0x15 => self.text.clear(),
            0x17 => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.text.truncate(kept);
            }
            0x1b => self.escape = Escape::Begun,
            0x00..0x20 => {}
            _ => self.add(byte),
        }
        Edit::Going
    }

    fn add(&mut self, byte: u8) {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(character) => {
                if self.text.len() + character.len() <= LINE_MAX {
                    self.text.push_str(character);
                }
                self.partial.clear();
            }
            Err(error) if error.error_len().is_some() => self.partial.clear(),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    fn typed(bytes: &[u8]) -> (Edit, String) {
        let mut line = Line::new();
        let mut last = Edit::Going;
        for byte in bytes {
            last = line.feed(*byte);
        }
        (last, line.text.to_string())
    }

    #[test]
    fn a_line_can_be_corrected_and_knows_whole_characters() {
        assert_eq!(typed("pässwört\x7f\x7fx\r".as_bytes()), (Edit::Done, "pässwöx".into()));
        assert_eq!(typed(b"wrong\x15right\n"), (Edit::Done, "right".into()));
        assert_eq!(typed(b"one two \x17three\n"), (Edit::Done, "one three".into()));
        assert_eq!(typed(b"\x7f\x7fa\n"), (Edit::Done, "a".into()));
    }

    #[test]
    fn arrow_keys_and_broken_characters_leave_nothing_behind() {
        assert_eq!(typed(b"a\x1b[Ab\x1b[1;5Cc\x1bOAd\x1bxe\n"), (Edit::Done, "abcde".into()));
        assert_eq!(typed(b"a\xff\xc3b\n").1.chars().next(), Some('a'));
    }

    #[test]
    fn control_c_interrupts_and_control_d_ends_an_empty_line_only() {
        assert_eq!(typed(b"abc\x03").0, Edit::Interrupted);
        assert_eq!(typed(b"\x04").0, Edit::Ended);
        assert_eq!(typed(b"abc\x04").0, Edit::Going);
    }

    #[test]
    fn a_line_is_at_most_its_maximum_long() {
        let mut long = vec![b'x'; LINE_MAX + 1];
        assert_eq!(typed(&long).1.len(), LINE_MAX);
        long.truncate(LINE_MAX);
        assert_eq!(typed(&long).1.len(), LINE_MAX);
    }

    fn pipe(text: &[u8]) -> OwnedFd {
        let (read, write) = rustix::pipe::pipe().unwrap();
        File::from(write).write_all(text).unwrap();
        read
    }

    #[test]
    fn from_a_pipe_one_line_is_read_and_not_a_byte_more() {
        let pipe = pipe(b"pass word\r\n123456");
        assert_eq!(*line(&pipe).unwrap(), "pass word");
        assert_eq!(*line(&pipe).unwrap(), "123456");
        assert!(line(&pipe).is_err());
    }

    #[test]
    fn a_line_from_a_pipe_has_a_limit() {
        let mut text = vec![b'x'; LINE_MAX];
        assert_eq!(line(pipe(&text)).unwrap().len(), LINE_MAX);
        text.push(b'x');
        assert!(line(pipe(&text)).unwrap_err().what.contains("longer than 1024 bytes"));
    }

    /// Both ends of a pseudo-terminal.
    fn terminal() -> (File, File) {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        (ours.into(), theirs)
    }

    fn modes(terminal: &File) -> LocalModes {
        tcgetattr(terminal).unwrap().local_modes
    }

    /// Reads what the terminal shows until that is among it.
    fn shown(mut ours: &File, awaited: &str) -> String {
        let mut all = Vec::new();
        let mut some = [0; 4096];
        while !String::from_utf8_lossy(&all).contains(awaited) {
            let n = ours.read(&mut some).unwrap();
            all.extend_from_slice(&some[..n]);
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_hidden_answer_is_never_shown_and_the_terminal_is_restored() {
        let (mut ours, theirs) = terminal();
        let before = modes(&theirs);
        ours.write_all(b"CNRY-8\r").unwrap();
        shown(&ours, "CNRY-8\r\n");
        let question = Question { prompt: &|| Some("password: ".into()), hidden: true };
        assert_eq!(*ask(&theirs, &theirs, &question).unwrap(), "CNRY-8");
        assert_eq!(modes(&theirs), before);
        let shown = shown(&ours, "password: ");
        assert!(!shown.contains("CNRY"), "{shown:?}");
    }

    #[test]
    fn control_c_at_a_prompt_restores_the_terminal() {
        let (mut ours, theirs) = terminal();
        let before = modes(&theirs);
        assert!(before.contains(LocalModes::ECHO | LocalModes::ISIG));
        let asking = std::thread::spawn({
            let theirs = theirs.try_clone().unwrap();
            move || {
                let question = Question { prompt: &|| Some("code: ".into()), hidden: false };
                ask(&theirs, &theirs, &question)
            }
        });
        // The prompt is drawn once the keys arrive one by one.
        shown(&ours, "code: ");
        assert!(!modes(&theirs).intersects(LocalModes::ECHO | LocalModes::ISIG));
        ours.write_all(b"12\x03").unwrap();
        let asked = asking.join().unwrap();
        assert_eq!(asked.unwrap_err(), Unanswered::Interrupted);
        assert_eq!(modes(&theirs), before);
    }

    #[test]
    fn a_question_whose_time_is_over_ends() {
        let (_ours, theirs) = terminal();
        let before = modes(&theirs);
        let question = Question { prompt: &|| None, hidden: false };
        assert_eq!(ask(&theirs, &theirs, &question).unwrap_err(), Unanswered::Expired);
        assert_eq!(modes(&theirs), before);
    }

    #[test]
    fn what_is_no_terminal_cannot_be_asked() {
        let question = Question { prompt: &|| Some("?".into()), hidden: true };
        let asked = ask(pipe(b"secret\n"), Vec::new(), &question);
        assert!(matches!(asked, Err(Unanswered::Broken(_))));
    }
}
