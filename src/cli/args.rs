//! The arguments as typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::account::{ListFlags, MfaFlags, PasswordFlags, RegisterFlags, SessionsFlags};
use super::environment::Environment;
use super::exit::Exit;
use crate::config::{self, Flag};
use crate::detect;

/// A local authenticating reverse proxy: plain HTTP on localhost in, secure channel and login handled, portal out.
#[derive(Debug, Parser)]
#[command(name = "portunus", version, propagate_version = true, after_help = Exit::table())]
#[command(arg_required_else_help = true, disable_help_subcommand = true, max_term_width = 100)]
pub struct Arguments {
    /// What all commands share.
    #[command(flatten)]
    pub global: GlobalFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct GlobalFlags {
    /// The configuration [default: $PORTUNUS_CONFIG, else $XDG_CONFIG_HOME/portunus/proxy.toml]
    #[arg(short, long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// The admin socket [default: admin.socket of the configuration, else $XDG_RUNTIME_DIR/portunus/NAME.sock]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// When to use colours: auto, always, never; auto asks the terminal and NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: ColorWhen,

    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy
    Run(RunFlags),
    /// Look at every step from the configuration to the portal, and say what is wrong with which
    Check(CheckFlags),
    /// Sign in the running proxy
    Login(LoginFlags),
    /// Sign out the running proxy, at the portal too
    Logout(LogoutFlags),
    /// Say where the running proxy stands; exit code 3 if a person is needed
    Status(StatusFlags),
    /// Say who is signed in, as the portal's profile has it
    Whoami(ListFlags),
    /// List where the account is signed in, or end it there
    Sessions(SessionsFlags),
    /// List the second factors, add an authenticator, count the backup codes
    Mfa(MfaFlags),
    /// Have a forgotten password reset, set the first one, or change it
    Password(PasswordFlags),
    /// Register an account, from where it stands if it was begun already
    Register(RegisterFlags),
    /// Find out how a portal spells the protocol, and print the configuration that says so
    Detect(DetectFlags),
    /// Try it without a portal: simulator and proxy in one process, signed in
    #[cfg(feature = "demo")]
    Demo(DemoFlags),
    /// Write what a shell needs to complete these commands; `portunus completions bash > FILE`
    Completions(CompletionsFlags),
}

/// Settings of the configuration that can be given as flags; a flag stands above the environment and the file.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingFlags {
    /// Where to listen, such as 127.0.0.1:8787, fd:3 or systemd; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,

    /// The portal's base URL
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,

    /// Allow listening on other than loopback addresses
    #[arg(long)]
    pub unsafe_listen: bool,

    /// Where tokens and the client hash are kept
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `portunus run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunFlags {
    /// Settings.
    #[command(flatten)]
    pub settings: SettingFlags,

    /// What to log: error, warn, info, debug, trace, or a filter such as portunus=debug
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,

    /// Never ask on the terminal; what would need it fails
    #[arg(long)]
    pub no_input: bool,
}

/// `portunus check`.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckFlags {
    /// Which identity, where several are configured
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,

    /// Sign in as well, ask for the profile, and sign out; spends one login attempt
    #[arg(long)]
    pub login: bool,

    /// Start the proxy as configured before a simulator, with made-up secrets, and look for them in all it says and keeps
    #[arg(long, conflicts_with = "login")]
    pub leaks: bool,

    /// The stages as JSON
    #[arg(long)]
    pub json: bool,

    /// Settings.
    #[command(flatten)]
    pub settings: SettingFlags,

    /// Never ask on the terminal
    #[arg(long)]
    pub no_input: bool,
}

impl SettingFlags {
    /// As the configuration takes them.
    pub(super) fn as_flags(&self) -> Vec<Flag> {
        let Self { listen, upstream, unsafe_listen: _, state_dir } = self;
        let flag = |name: &str, setting: &str, value: &str| Flag {
            name: name.to_owned(),
            setting: setting.to_owned(),
            value: value.to_owned(),
        };
        let is_inherited =
            |text: &str| text == "systemd" || text.starts_with("systemd:") || text.starts_with("fd:");
        let setting = |text: &str| if is_inherited(text) { "listen.inherited" } else { "listen.addresses" };
        let mut all: Vec<Flag> = listen.iter().map(|text| flag("--listen", setting(text), text)).collect();
        all.extend(upstream.iter().map(|url| flag("--upstream", "upstream.url", url)));
        all.extend(state_dir.iter().map(|dir| flag("--state-dir", "state.dir", &dir.to_string_lossy())));
        all
    }
}

/// `portunus login`.
#[derive(Debug, Clone, Default, Args)]
pub struct LoginFlags {
    /// Which identity, where several are configured
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,

    /// The account, instead of the configured one
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,

    /// Which second factor
    #[arg(long, value_name = "FACTOR")]
    pub mfa: Option<Factor>,

    /// Take the second factor from login.backup_codes; each code is spent by being sent
    #[arg(long, conflicts_with_all = ["mfa", "code_stdin"])]
    pub use_backup_code: bool,

    /// Read the password from standard input, one line
    #[arg(long)]
    pub password_stdin: bool,

    /// Read the code from standard input, one line, after the password's if both are read there
    #[arg(long)]
    pub code_stdin: bool,

    /// Sign in anew even if signed in
    #[arg(long)]
    pub again: bool,

    /// Never ask on the terminal; fail with exit code 3 where it would be needed
    #[arg(long)]
    pub no_input: bool,
}

/// `portunus logout`.
#[derive(Debug, Clone, Default, Args)]
pub struct LogoutFlags {
    /// Which identity, where several are configured
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,
}

/// `portunus status`.
#[derive(Debug, Clone, Default, Args)]
pub struct StatusFlags {
    /// Which identity alone, where several are configured
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,

    /// The admin API's own JSON, unchanged; of one identity, its part
    #[arg(long)]
    pub json: bool,
}

/// `portunus detect`: each flag for a setting stands above the same setting of the configuration.
#[derive(Debug, Clone, Args)]
pub struct DetectFlags {
    /// The portal's base URL
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,

    /// The portal's name in its paths
    #[arg(long, value_name = "NAME")]
    pub portal: Option<String>,

    /// The account whose login confirms what was found
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,

    /// Read the password from standard input, one line
    #[arg(long)]
    pub password_stdin: bool,

    /// Stop before the first call that needs an account
    #[arg(long, conflicts_with_all = ["email", "logins", "yes", "password_stdin"])]
    pub no_login: bool,

    /// How often the login may be begun at most; once is the rule
    #[arg(long, value_name = "N", default_value_t = DetectFlags::MOST_LOGINS,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(DetectFlags::MOST_LOGINS)))]
    pub logins: u32,

    /// How long to wait for rate limits altogether, such as 180s or 3m; 0s gives up instead
    #[arg(long, value_name = "SPAN", default_value = "180s", value_parser = patience)]
    pub patience: Duration,

    /// Allow the login without being asked
    #[arg(long)]
    pub yes: bool,

    /// Never ask on the terminal
    #[arg(long)]
    pub no_input: bool,
}

impl DetectFlags {
    const MOST_LOGINS: u32 = detect::Settings::MOST_LOGINS;
}

impl Default for DetectFlags {
    fn default() -> Self {
        let detect::Settings { logins, patience, .. } = detect::Settings::default();
        Self {
            upstream: None,
            portal: None,
            email: None,
            password_stdin: false,
            no_login: false,
            logins,
            patience,
            yes: false,
            no_input: false,
        }
    }
}

fn patience(text: &str) -> Result<Duration, &'static str> {
    config::duration(text).ok_or("a span is a whole number and a unit, such as 180s or 3m")
}

/// `portunus demo`.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Default, Args)]
pub struct DemoFlags {
    /// Make the tour, say how it went, and end
    #[arg(long)]
    pub once: bool,

    /// The proxy's port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,

    /// The simulator's port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub portal_port: u16,

    /// How the simulator spells the protocol: guide, scv2, sdk, wiki, plain, random
    #[arg(long, value_name = "NAME", default_value = "guide", hide_possible_values = true)]
    #[arg(value_parser = ["guide", "scv2", "sdk", "wiki", "plain", "random"])]
    pub dialect: String,

    /// Which random dialect
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// `portunus completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsFlags {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// The script by which a shell completes our commands.
pub(super) fn completions(flags: &CompletionsFlags) -> String {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Arguments::command(), env!("CARGO_PKG_NAME"), &mut script);
    String::from_utf8_lossy(&script).trim_end().to_owned()
}

/// A second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Factor {
    /// The authenticator app
    Otp,
    /// A code by e-mail
    Email,
    /// A single-use backup code
    BackupCode,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, and without NO_COLOR.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Talk {
    /// Errors and questions.
    Quiet,
    /// What a person wants to follow.
    Normal,
    /// Everything.
    Verbose,
}

impl GlobalFlags {
    pub(super) fn talk(&self) -> Talk {
        match (self.quiet, self.verbose) {
            (true, _) => Talk::Quiet,
            (false, true) => Talk::Verbose,
            (false, false) => Talk::Normal,
        }
    }

    /// The configuration to read: the flag, else `$PORTUNUS_CONFIG`, else the XDG place if there is a file.
    /// Never the working directory: what a stranger left there must not decide where credentials go.
    pub fn config_path(&self, environment: &Environment) -> Option<PathBuf> {
        let named = self.config.clone();
        let named = named.or_else(|| environment.var_os("PORTUNUS_CONFIG").map(PathBuf::from));
        named.or_else(|| {
            let found = environment.config_home()?.join("portunus/proxy.toml");
            found.is_file().then_some(found)
        })
    }
}

/// What clap has to say instead of arguments: help, version, or what is wrong.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) exit: Exit,
}

/// The arguments, or clap's answer to them.
pub(super) fn parse(arguments: Vec<OsString>, environment: &Environment) -> Result<Arguments, Answer> {
    let asked_for_help = |error: &clap::Error| !error.use_stderr();
    let matches = Arguments::command().color(ColorChoice::Never).try_get_matches_from(arguments);
    matches.and_then(|matches| Arguments::from_arg_matches(&matches)).map_err(|error| {
        let exit = if asked_for_help(&error) { Exit::Ok } else { Exit::Usage };
        let styled = match exit {
            Exit::Ok => environment.stdout_is_terminal,
            _ => environment.stderr_is_terminal,
        };
        let plain = !styled || environment.var_os("NO_COLOR").is_some();
        let rendered = error.render();
        Answer { text: if plain { rendered.to_string() } else { rendered.ansi().to_string() }, exit }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, Answer> {
        let words = line.split(' ').map(OsString::from).collect();
        parse(words, &Environment::default())
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_command_and_every_exit_code_and_no_secret_flag() {
        let help = parsed("portunus --help").unwrap_err();
        assert_eq!(help.exit, Exit::Ok);
        for command in [
            "run", "check", "login", "logout", "status", "whoami", "sessions", "mfa", "password", "register",
            "detect",
        ] {
            assert!(help.text.contains(&format!("\n  {command} ")), "{command}: {}", help.text);
        }
        assert_eq!(help.text.contains("\n  demo "), cfg!(feature = "demo"));
        assert!(help.text.contains(&Exit::table()));
        for command in [
            "run", "check", "login", "logout", "status", "whoami", "sessions", "mfa", "password", "register",
            "detect",
        ] {
            let help = parsed(&format!("portunus {command} --help")).unwrap_err().text;
            assert!(help.contains("--socket <PATH>"), "{help}");
            for secret in ["--password ", "--password=", "--code ", "--token", "--otp-secret"] {
                assert!(!help.contains(secret), "{command}: {secret}");
            }
        }
    }

    #[test]
    fn every_shell_is_given_a_script_that_knows_the_commands() {
        for shell in ["bash", "zsh", "fish"] {
            let parsed = parsed(&format!("portunus completions {shell}")).unwrap();
            let Command::Completions(flags) = parsed.command else { panic!("not completions") };
            let script = completions(&flags);
            for word in ["portunus", "check", "logout", "no-input"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn wrong_arguments_are_usage_errors() {
        for line in ["portunus nonsense", "portunus run --nonsense", "portunus -q -v status", "portunus"] {
            assert_eq!(parsed(line).unwrap_err().exit, Exit::Usage, "{line}");
        }
        assert_eq!(parsed("portunus --version").unwrap_err().exit, Exit::Ok);
    }

    #[test]
    fn the_configuration_is_the_flag_then_the_variable_then_the_home() {
        let home = tempfile::tempdir().unwrap();
        let set = |variables: &[(&str, &str)]| {
            Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())))
        };
        let environment = set(&[("PORTUNUS_CONFIG", "/b.toml")]);
        let global = parsed("portunus run -c /a.toml").unwrap().global;
        assert_eq!(global.config_path(&environment), Some("/a.toml".into()));
        let global = parsed("portunus run").unwrap().global;
        assert_eq!(global.config_path(&environment), Some("/b.toml".into()));
        let environment = set(&[("XDG_CONFIG_HOME", home.path().to_str().unwrap())]);
        assert_eq!(global.config_path(&environment), None, "no file is there yet");
        let file = home.path().join("portunus/proxy.toml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(global.config_path(&environment), Some(file));
    }

    #[test]
    fn flags_stand_before_or_behind_the_command() {
        let parsed =
            parsed("portunus --socket /s -v login --mfa backup-code --no-input --color never").unwrap();
        assert_eq!(parsed.global.socket, Some("/s".into()));
        assert_eq!((parsed.global.talk(), parsed.global.color), (Talk::Verbose, ColorWhen::Never));
        let Command::Login(login) = parsed.command else { panic!("not login") };
        assert_eq!((login.mfa, login.no_input), (Some(Factor::BackupCode), true));
    }
}
