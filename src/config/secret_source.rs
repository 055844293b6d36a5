//! Where a secret comes from. The configuration says where, never what.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use super::environment::Environment;
use crate::private_file::{self, PrivateFileError};
use crate::secret::OneTimeCode;

/// Where a secret comes from. It is fetched when it is needed, not when the configuration is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// `{ env = "NAME" }`
    Env(String),
    /// `{ file = "path" }`: by ssh's rule for private files.
    File(PathBuf),
    /// `{ command = ["program", "argument"] }`: what it prints; no shell is involved.
    Command(Vec<String>),
    /// `{ prompt = true }`: a person types it.
    Prompt,
}

/// What a secret may be fetched from, handed in by whoever knows the process.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// For `{ env }`, and for the programs of `{ command }`.
    pub environment: &'a Environment,
    /// For `{ prompt }`; `None` where there is no terminal.
    pub person: Option<&'a (dyn Person + Sync)>,
    /// How long a program of `{ command }` may take (`limits.secret_command`).
    pub command_timeout: Duration,
}

/// As it is written in a configuration; never the secret.
impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "{{ env = {name:?} }}"),
            Self::File(path) => write!(f, "{{ file = {:?} }}", path.to_string_lossy()),
            Self::Command(words) => write!(f, "{{ command = {words:?} }}"),
            Self::Prompt => f.write_str("{ prompt = true }"),
        }
    }
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { environment, person, command_timeout } = self;
        f.debug_struct("Surroundings")
            .field("environment", environment)
            .field("person", &person.is_some())
            .field("command_timeout", command_timeout)
            .finish()
    }
}

/// Somebody at a terminal.
pub trait Person {
    /// Asks for a secret, without showing what is typed. Blocks until it is there.
    ///
    /// # Errors
    /// If the terminal is gone, or the person gave up.
    fn ask(&self, what: &str) -> io::Result<Zeroizing<String>>;
}

/// A secret could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {cause}")]
pub struct SecretError {
    /// Which setting names it, as `section.key`.
    pub setting: Cow<'static, str>,
    /// Why.
    pub cause: SecretCause,
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretCause {
    /// `{ env }`: no such variable, or it is empty.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// `{ file }`
    #[error("{0}")]
    File(#[from] PrivateFileError),
    /// `{ command }`: it did not start.
    #[error("cannot start {program}: {source}")]
    NotStarted {
        /// The program, without its arguments.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// `{ command }`: it ended badly.
    #[error("{program} failed ({status})")]
    Failed {
        /// The program, without its arguments.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// `{ command }`: it did not end.
    #[error("{program} did not end within {} seconds", after.as_secs_f32())]
    TimedOut {
        /// The program, without its arguments.
        program: String,
        /// How long it had.
        after: Duration,
    },
    /// `{ command }`: it printed too much.
    #[error("{program} printed more than any secret is long (64KiB)")]
    TooLong {
        /// The program, without its arguments.
        program: String,
    },
    /// `{ prompt }`: there is no terminal.
    #[error("a person has to type it, and there is no terminal to ask at")]
    NobodyToAsk,
    /// `{ prompt }`: nobody answered.
    #[error("nobody answered at the terminal: {0}")]
    NotAnswered(io::Error),
    /// It was to be the URL of a Redis, and is none.
    #[error("the secret is no URL of a Redis: it {0}")]
    NotARedisUrl(String),
    /// It is there, and holds nothing.
    #[error("the secret is empty")]
    Empty,
    /// It holds a line break or another control character.
    #[error("the secret has more than one line, or control characters")]
    SeveralLines,
    /// It is not text.
    #[error("the secret is not UTF-8 text")]
    NotText,
    /// Codes were to come, and a line is none.
    #[error("line {line} is no code of 6 to 10 characters")]
    NotACode {
        /// Which line, from 1.
        line: usize,
    },
    /// More codes than a portal gives at once.
    #[error("there are more than {MOST_CODES} codes")]
    TooManyCodes,
}

/// How many codes one source may hold: as many spent ones are remembered.
const MOST_CODES: usize = 64;

/// The lengths of a code, in characters (PROTOCOL 6.3).
const CODE_LENGTH: std::ops::RangeInclusive<usize> = 6..=10;

impl SecretError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match &self.cause {
            SecretCause::NotSet(name) => format!("export {name} before the start"),
            SecretCause::File(error) => error.hint(),
            SecretCause::NotStarted { .. } => {
                "the first item is the program, and each further item one argument".into()
            }
            // What it says on stderr is not repeated: such programs put secrets there.
            SecretCause::Failed { program, .. } => format!("run {program} by hand to see what it says"),
            SecretCause::TimedOut { .. } => "a longer time can be set in [limits] secret_command".into(),
            SecretCause::NobodyToAsk => "use { env }, { file } or { command } where nobody is at hand".into(),
            SecretCause::SeveralLines | SecretCause::TooLong { .. } => {
                "the source must give the secret alone, on one line".into()
            }
            SecretCause::NotACode { .. } => "the source must give one code a line, and nothing else".into(),
            SecretCause::TooManyCodes => "take out the codes that are spent".into(),
            SecretCause::NotARedisUrl(_) => "the form is redis://USER:PASSWORD@HOST:PORT/DB".into(),
            SecretCause::NotAnswered(_) | SecretCause::Empty | SecretCause::NotText => return None,
        })
    }
}

impl SecretSource {
    /// Fetches the secret and hands its text to the type that keeps it: `resolve("login.password",
    /// Password::new, …)`. One trailing line break is not part of it.
    ///
    /// # Errors
    /// Why it cannot be had. No text of the secret is in the error.
    pub async fn resolve<T>(
        &self,
        setting: impl Into<Cow<'static, str>>,
        keep: impl FnOnce(String) -> T,
        surroundings: &Surroundings<'_>,
    ) -> Result<T, SecretError> {
        let setting = setting.into();
        let fetched = self.fetch(&setting, surroundings).await;
        let text =
            fetched.and_then(|bytes| text_of(&bytes)).map_err(|cause| SecretError { setting, cause })?;
        Ok(keep(text))
    }

    /// Fetches codes, one a line, of 6 to 10 characters each; spaces, as in a printed list, are no part of them. None
    /// at all is no error here.
    ///
    /// # Errors
    /// Why they cannot be had. No text of a code is in the error.
    pub async fn resolve_codes(
        &self,
        setting: impl Into<Cow<'static, str>>,
        surroundings: &Surroundings<'_>,
    ) -> Result<Vec<OneTimeCode>, SecretError> {
        let setting = setting.into();
        let fetched = self.fetch(&setting, surroundings).await;
        fetched.and_then(|bytes| codes_of(&bytes)).map_err(|cause| SecretError { setting, cause })
    }

    /// Whether it takes a person to have it.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::Prompt)
    }

    async fn fetch(
        &self,
        setting: &str,
        surroundings: &Surroundings<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, SecretCause> {
        match self {
            Self::Env(name) => match surroundings.environment.get(name) {
                Some(text) => Ok(Zeroizing::new(text.as_bytes().to_vec())),
                None => Err(SecretCause::NotSet(name.clone())),
            },
            Self::File(path) => Ok(private_file::read(path)?),
            Self::Command(words) => printed_by(words, surroundings).await,
            Self::Prompt => {
                let person = surroundings.person.ok_or(SecretCause::NobodyToAsk)?;
                let typed = person.ask(setting).map_err(SecretCause::NotAnswered)?;
                Ok(Zeroizing::new(typed.as_bytes().to_vec()))
            }
        }
    }
}

/// What a program prints. Its stdin is empty, its stderr goes nowhere, and none of our variables reach it.
async fn printed_by(
    words: &[String],
    surroundings: &Surroundings<'_>,
) -> Result<Zeroizing<Vec<u8>>, SecretCause> {
    let program = words.first().cloned().unwrap_or_default();
    let not_started = |source| SecretCause::NotStarted { program: program.clone(), source };
    let mut child = tokio::process::Command::new(&program)
        .args(words.iter().skip(1))
        .env_clear()
        .envs(surroundings.environment.for_helpers())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(not_started)?;
    let stdout = child.stdout.take();
    let run = async {
        let mut bytes = Zeroizing::new(Vec::with_capacity(private_file::LONGEST + 1));
        if let Some(stdout) = stdout {
            stdout
                .take(private_file::LONGEST as u64 + 1)
                .read_to_end(&mut bytes)
                .await
                .map_err(not_started)?;
        }
        if bytes.len() > private_file::LONGEST {
            return Err(SecretCause::TooLong { program: program.clone() });
        }
        match child.wait().await.map_err(not_started)? {
            status if status.success() => Ok(bytes),
            status => Err(SecretCause::Failed { program: program.clone(), status }),
        }
    };
    let after = surroundings.command_timeout;
    match tokio::time::timeout(after, run).await {
        Ok(ended) => ended,
        Err(_) => Err(SecretCause::TimedOut { program, after }),
    }
}

/// The text without one trailing line break; one line, or it could not be a header or a form field.
fn text_of(bytes: &[u8]) -> Result<String, SecretCause> {
    let text = std::str::from_utf8(bytes).map_err(|_| SecretCause::NotText)?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(SecretCause::Empty);
    }
    if text.contains(char::is_control) {
        return Err(SecretCause::SeveralLines);
    }
    Ok(text.to_owned())
}

fn codes_of(bytes: &[u8]) -> Result<Vec<OneTimeCode>, SecretCause> {
    let text = std::str::from_utf8(bytes).map_err(|_| SecretCause::NotText)?;
    let mut codes = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        let code: Zeroizing<String> = Zeroizing::new(line.split_whitespace().collect());
        match code.chars().count() {
            0 => {}
            count if CODE_LENGTH.contains(&count) && !code.contains(char::is_control) => {
                codes.push(OneTimeCode::new(code.as_str()));
            }
            _ => return Err(SecretCause::NotACode { line: nth + 1 }),
        }
    }
    if codes.len() > MOST_CODES {
        return Err(SecretCause::TooManyCodes);
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::secret::Password;

    struct Typist(&'static str);

    impl Person for Typist {
        fn ask(&self, what: &str) -> io::Result<Zeroizing<String>> {
            assert_eq!(what, "login.password");
            Ok(Zeroizing::new(self.0.to_owned()))
        }
    }

    fn resolve_with(
        source: &SecretSource,
        variables: &[(&str, &str)],
        person: Option<&(dyn Person + Sync)>,
    ) -> Result<Password, SecretError> {
        let environment: Environment = variables.iter().copied().chain([("PATH", "/usr/bin:/bin")]).collect();
        let command_timeout = Duration::from_millis(500);
        let surroundings = Surroundings { environment: &environment, person, command_timeout };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(source.resolve("login.password", Password::new, &surroundings))
    }

    fn resolve(source: &SecretSource) -> Result<Password, SecretError> {
        resolve_with(source, &[], None)
    }

    fn sh(script: &str) -> SecretSource {
        SecretSource::Command(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[test]
    fn each_source_gives_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let secret = Ok(Password::new("hunter2"));
        let variables = [("PW", "hunter2")];
        for source in [
            SecretSource::Env("PW".into()),
            SecretSource::File(path),
            sh("echo hunter2"),
            SecretSource::Prompt,
        ] {
            let got = resolve_with(&source, &variables, Some(&Typist("hunter2")));
            assert_eq!(got.map_err(|e| e.to_string()), secret, "{source:?}");
        }
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_the_secret() {
        for (printed, kept) in
            [("a", "a"), ("a\\n", "a"), ("a\\r\\n", "a"), (" a b ", " a b "), ("ä\\n", "ä")]
        {
            let got = resolve(&sh(&format!("printf '{printed}'")));
            assert!(got.is_ok_and(|got| got == Password::new(kept)), "{printed}");
        }
    }

    #[test]
    fn what_cannot_be_had_says_why_and_what_to_do() {
        let command = |program: &str| SecretSource::Command(vec![program.to_owned()]);
        for (source, text, hint) in [
            (
                SecretSource::Env("PW".into()),
                "login.password: the environment variable PW is not set",
                Some("export PW before the start"),
            ),
            (
                SecretSource::File("/nowhere/s".into()),
                "login.password: cannot read /nowhere/s: ",
                Some("a relative"),
            ),
            (command("/nowhere/p"), "login.password: cannot start /nowhere/p: ", Some("the first item is")),
            (
                sh("echo CNRY; echo CNRY >&2; exit 3"),
                "login.password: sh failed (exit status: 3)",
                Some("run sh"),
            ),
            (sh("sleep 9"), "login.password: sh did not end within 0.5 seconds", Some("a longer time")),
            (sh("true"), "login.password: the secret is empty", None),
            (sh("echo; echo"), "login.password: the secret has more than one line", Some("the source must")),
            (sh("printf '\\377'"), "login.password: the secret is not UTF-8 text", None),
            (SecretSource::Prompt, "login.password: a person has to type it", Some("use { env }")),
        ] {
            let error = resolve(&source).unwrap_err();
            assert!(error.to_string().starts_with(text), "{error}");
            assert_eq!(error.hint().is_some(), hint.is_some(), "{error}");
            assert!(error.hint().unwrap_or_default().starts_with(hint.unwrap_or_default()), "{error:?}");
            assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("CNRY"), "{error:?}");
        }
    }

    #[test]
    fn sixty_four_kibibytes_may_be_printed_and_one_byte_more_may_not() {
        assert!(resolve(&sh("head -c 65536 /dev/zero | tr '\\0' x")).is_ok());
        let error = resolve(&sh("head -c 65537 /dev/zero | tr '\\0' x")).unwrap_err();
        assert!(matches!(error.cause, SecretCause::TooLong { .. }), "{error}");
    }

    #[test]
    fn a_program_sees_the_environment_without_our_own_variables() {
        let source = sh("printf '%s.%s' \"$OTHER\" \"$PORTUNUS_LOGIN_PASSWORD\"");
        let got = resolve_with(&source, &[("OTHER", "o"), ("PORTUNUS_LOGIN_PASSWORD", "p")], None);
        assert!(got.is_ok_and(|got| got == Password::new("o.")));
    }

    fn codes(source: &SecretSource) -> Result<Vec<OneTimeCode>, SecretError> {
        let environment = Environment::default();
        let from =
            Surroundings { environment: &environment, person: None, command_timeout: Duration::from_secs(5) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(source.resolve_codes("login.backup_codes", &from))
    }

    #[test]
    fn codes_stand_one_a_line_with_or_without_spaces_and_empty_lines() {
        let printed = codes(&sh("printf '  12 34 56 \\r\\n\\nabcdefghij\\n'")).unwrap();
        assert_eq!(printed, [OneTimeCode::new("123456"), OneTimeCode::new("abcdefghij")]);
        assert_eq!(codes(&sh("true")).unwrap(), []);
    }

    #[test]
    fn a_line_that_is_no_code_is_named_by_its_number_and_sixty_four_codes_may_stand_there() {
        for bad in ["12345", "12345678901"] {
            let error = codes(&sh(&format!("printf '123456\\n{bad}\\n'"))).unwrap_err();
            assert_eq!(error.to_string(), "login.backup_codes: line 2 is no code of 6 to 10 characters");
            assert!(!format!("{error:?}").contains(bad));
        }
        assert_eq!(codes(&sh("seq 100001 100064")).unwrap().len(), 64);
        let error = codes(&sh("seq 100001 100065")).unwrap_err();
        assert!(matches!(error.cause, SecretCause::TooManyCodes), "{error}");
    }
}
