//! `portunus demo`: a simulated portal and the proxy in front of it, in one process, signed in.
//!
//! With `--once` it makes the tour by itself and says how it went; else it shows what to try, and stays up.

mod caller;
mod dialect;
mod files;
mod hints;
mod stand;
mod tour;

use super::args::{DemoFlags, GlobalFlags, Talk};
use super::environment::Environment;
use super::exit::Exit;
use super::failure::Failure;
use super::run::Signals;
use super::terminal::{Terminal, waiting};
use stand::Stand;

// What `check --leaks` needs as well.
pub(super) use caller::Caller;
pub(super) use dialect::sections;
pub(super) use files::Files;

/// Runs the demo until it is stopped, or until the tour has ended.
pub(super) fn demo(
    global: &GlobalFlags,
    flags: &DemoFlags,
    environment: &Environment,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    // The tour shows by itself what a log would tell.
    let level = match (global.talk(), flags.once) {
        (Talk::Verbose, _) => "info",
        (_, true) => "off",
        (_, false) => "warn",
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let setting_up = Stand::set_up(flags, environment, level);
        let stand = tokio::select! {
            stand = waiting(terminal, "making keys and signing in", setting_up) => stand?,
            () = signals.next() => return Err(Failure::interrupted()),
        };
        if flags.once {
            let exit = tokio::select! {
                exit = tour::make(&stand, terminal) => exit,
                () = signals.next() => return Err(Failure::interrupted()),
            };
            stand.clear_away().await;
            return Ok(exit);
        }
        terminal.data(&hints::what_to_try(&stand, terminal.paint()));
        signals.next().await;
        terminal.say("\nclearing away; a second signal ends at once");
        tokio::select! {
            () = stand.clear_away() => Ok(Exit::Ok),
            () = signals.next() => Err(Failure::interrupted()),
        }
    })
}
