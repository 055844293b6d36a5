//! Where the command line meets the house: the only file of this room that knows `Config` and `app`.
//!
//! JOIN: `run`, `stages` and `demo` are filled when those rooms stand; `client` then asks the configuration
//! for `admin.socket` between the flag and the default.

use super::args::{CheckFlags, GlobalFlags, RunFlags};
use super::environment::Environment;
use super::failure::Failure;
use super::stage::Stages;
use super::terminal::Terminal;
use crate::admin::Client;

/// `portunus run`: serves until told to stop.
pub(super) fn run(
    _global: &GlobalFlags,
    _flags: &RunFlags,
    _environment: &Environment,
) -> Result<(), Failure> {
    unimplemented!("joined with app")
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
    let socket = global.socket.clone().or_else(|| environment.default_socket());
    socket.map(Client::new).ok_or_else(|| {
        Failure::usage(
            "there is no place to look for a running proxy: neither XDG_RUNTIME_DIR nor HOME is set",
        )
        .hint("name its socket: `--socket PATH`")
    })
}
