//! Where the command line meets the house: the only file of this room that knows `Config` and `app`.
//!
//! JOIN: `run`, `stages` and `demo` are filled when those rooms stand; `client` then asks the configuration
//! for `admin.socket` between the flag and the default.

use std::io;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::args::{CheckFlags, GlobalFlags};
use super::environment::Environment;
use super::failure::Failure;
use super::prompt;
use super::stage::Stages;
use super::terminal::{Question, Terminal};
use crate::admin::Client;
use crate::config::{self, CONFIG_VARIABLE, Config, Inputs, Person};

/// The process's variables, as the configuration reads them.
pub(super) fn variables(environment: &Environment) -> config::Environment {
    environment.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The configuration to read: the one that is named, else the default one if there is one.
pub(super) fn config_file(
    global: &GlobalFlags,
    environment: &Environment,
) -> Result<Option<PathBuf>, Failure> {
    let named = global.config.is_some() || environment.var_os(CONFIG_VARIABLE).is_some();
    Ok(global.config_path(environment).filter(|path| named || path.exists()))
}

/// Reads the configuration; everything that is wrong with it at once.
pub(super) fn load(inputs: &Inputs<'_>) -> Result<Config, Failure> {
    Config::load(inputs).map_err(|problems| Failure::usage(problems.to_string()))
}

/// Somebody at the terminal who can type a secret.
#[derive(Debug)]
pub(super) struct Typist;

impl Typist {
    /// Whoever sits there, if anybody does and may be asked.
    pub(super) fn of(no_input: bool, environment: &Environment) -> Option<Self> {
        let there = environment.stdin_is_terminal && environment.stderr_is_terminal;
        (there && !no_input).then_some(Self)
    }
}

impl Person for Typist {
    fn ask(&self, what: &str) -> io::Result<Zeroizing<String>> {
        let prompt = format!("{what}: ");
        let question = Question { prompt: &|| Some(prompt.clone()), hidden: true };
        prompt::ask(io::stdin(), io::stderr(), &question).map_err(io::Error::other)
    }
}

/// The stages of `portunus check`, each on what the one before it found.
pub(super) async fn stages(
    _global: &GlobalFlags,
    _flags: &CheckFlags,
    _environment: &Environment,
    _stages: &mut Stages<'_, impl Terminal>,
) -> Result<(), Failure> {
    unimplemented!("joined with config, upstream and portal")
}

/// `portunus demo`.
#[cfg(feature = "demo")]
pub(super) fn demo(
    _global: &GlobalFlags,
    _flags: &super::args::DemoFlags,
    _environment: &Environment,
    _terminal: &mut impl Terminal,
) -> Result<super::exit::Exit, Failure> {
    unimplemented!("joined with app and the simulator")
}

/// The running proxy: by the flag, else where a proxy of this user has its socket by default.
pub(super) fn client(global: &GlobalFlags, environment: &Environment) -> Result<Client, Failure> {
    let config = global.config_path(environment);
    let socket = global.socket.clone().or_else(|| environment.default_socket(config.as_deref()));
    socket.map(Client::new).ok_or_else(|| {
        Failure::usage(
            "there is no place to look for a running proxy: neither XDG_RUNTIME_DIR nor HOME is set",
        )
        .hint("name its socket: `--socket PATH`")
    })
}
