//! Where the command line meets the configuration: which file is read, where secrets are typed, and where a
//! running proxy is found.

use std::io;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::args::GlobalFlags;
use super::environment::Environment;
use super::failure::Failure;
use super::prompt;
use super::terminal::{Question, Terminal};
use crate::admin::Client;
use crate::config::{self, CONFIG_VARIABLE, Config, Inputs, Person};

/// The process's variables and sockets, as the configuration reads them.
pub(super) fn variables(environment: &Environment) -> config::Environment {
    let variables = environment.variables().map(|(name, value)| (name.to_owned(), value.to_owned()));
    variables.collect::<config::Environment>().with_sockets(environment.sockets.clone())
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

/// The running proxy: by the flag, else where its configuration has the socket. One that does not load is no
/// reason not to find the proxy that was started with an earlier version of it.
pub(super) fn client(
    global: &GlobalFlags,
    environment: &Environment,
    terminal: &mut impl Terminal,
) -> Result<Client, Failure> {
    if let Some(socket) = &global.socket {
        return Ok(Client::new(socket));
    }
    let file = config_file(global, environment)?;
    let variables = variables(environment);
    let inputs = Inputs { file: file.as_deref(), environment: &variables, flags: &[], unsafe_listen: true };
    match Config::load(&inputs) {
        Ok(Config { admin_socket: Some(socket), .. }) => return Ok(Client::new(socket)),
        Ok(Config { admin_socket: None, .. }) => {
            let what = "the configuration has no admin socket: admin.enabled is false";
            return Err(Failure::usage(what)
                .hint("a proxy without one cannot be spoken to; set admin.enabled = true and restart it"));
        }
        Err(problems) => terminal.detail(&format!(
            "the configuration does not load; looking for the socket where it is by default\n{problems}"
        )),
    }
    let socket = environment.default_socket(file.as_deref());
    socket.map(Client::new).ok_or_else(|| {
        Failure::usage(
            "there is no place to look for a running proxy: neither XDG_RUNTIME_DIR nor HOME is set",
        )
        .hint("name its socket: `--socket PATH`")
    })
}
