//! stub
use super::args::DemoFlags;
use super::environment::Environment;
use super::exit::Exit;
use super::failure::Failure;
use super::terminal::Terminal;
pub(super) fn demo(_f: &DemoFlags, _e: &Environment, _t: &mut impl Terminal) -> Result<Exit, Failure> {
    Ok(Exit::Ok)
}
