//! `portunus check`: every step from the configuration to the portal, each with what is wrong and what to do.

use super::args::{CheckFlags, GlobalFlags};
use super::environment::Environment;
use super::exit::Exit;
use super::failure::Failure;
use super::join;
use super::stage::Stages;
use super::terminal::Terminal;

/// Runs the stages; the exit code is the first fault's.
pub(super) async fn check(
    global: &GlobalFlags,
    flags: &CheckFlags,
    environment: &Environment,
    terminal: &mut impl Terminal,
) -> Result<Exit, Failure> {
    let mut stages = Stages::new(terminal, flags.json);
    join::stages(global, flags, environment, &mut stages).await?;
    Ok(stages.finish())
}
